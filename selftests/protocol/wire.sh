#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Is the wire format that of the last release? And does wire.c know all of it?

set -u
cd "$(dirname "$0")" || exit
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

# declared: the structures and numbers that the headers declare
declared()
{
	sed -n 's/^struct \([a-z_]*\) {.*/\1/p
		s/^#define \(PV[CSO]_[A-Z0-9_]*\)[[:space:]].*/\1/p
		s/^\t\(PV[CSO]_[A-Z0-9_]*\)\( = .*\|,.*\)$/\1/p' \
		../../include/uapi/pvguest/control.h ../../include/uapi/pvguest/services.h \
		../../include/uapi/pvguest/operations.h |
		grep -v '_NR$\|^PVC_PORT_NAME$' | sort -u
}

tap_is "$(diff <(./wire) wire.expected)" "" "the wire format is as in wire.expected"
tap_num "$(declared | wc -l) > 100" "the headers declare more than 100 of them"
tap_is "$(comm -23 <(declared) <(./wire |
	sed -n 's/^struct \([a-z_]*\) .*/\1/p; s/^\(PV[CSO]_[A-Z0-9_]*\) .*/\1/p' | sort -u))" "" \
	"wire.c prints each structure and number that the headers declare"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ports as files; see files.c. On a split ring, a packed one, and one without
# EVENT_IDX.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

# run_files RING: the TAP of ./files as checks of our own.
run_files()
{
	local line seen=0

	while IFS= read -r line; do
		case $line in
		"ok "*) tap_ok "$1: ${line#ok * - }" ;;
		"not ok "*) tap_not_ok "$1: ${line#not ok * - }" ;;
		1..*) seen=1 ;;
		TAP*) ;;
		*) echo "$line" ;;
		esac
	done < <(./files 2>&1)
	tap_is "$seen" 1 "$1: runs to the end"
}

tap_check "devices are bound to $CTL_DRIVER" ctl_claim
! is_slow || export PVG_SLOW=1
ctl_need pvg.lone
export PORT_LONE=$PORT
ctl_need pvg.a
export PORT_A=$PORT
ctl_need pvg.b
export PORT_B=$PORT
run_files split

# The host's coming and going is the same for all.
unset PVG_DIR
for ring in pk no; do
	ctl_need pvg.${ring}a
	PORT_A=$PORT
	ctl_need pvg.${ring}b
	PORT_B=$PORT
	run_files $ring
done

tap_done

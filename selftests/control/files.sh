#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Ports as files; see files.c. On a split ring, a packed one, and one without
# EVENT_IDX.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

# run_files RING A B [CHARDEV SOCKET]: ./files with the ports A and B; the socket connects
# them on the host, and the chardev is that of B.
run_files()
{
	ctl_need "$2"
	export PORT_A=$PORT
	ctl_need "$3"
	export PORT_B=$PORT
	unset PVG_CHARDEV
	[ -z "${PVG_QMP:-}" ] || export PVG_CHARDEV=$4 PVG_SOCKET=$PVG_DIR/$5
	tap_forward "$1" ./files
}

ctl_begin
! is_slow || export PVG_SLOW=1
ctl_need pvg.lone
export PORT_LONE=$PORT
run_files split pvg.a pvg.b cb pair
run_files packed pvg.pka pvg.pkb pkb pk
run_files noev pvg.noa pvg.nob nob no

tap_done

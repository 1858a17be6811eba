#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Services of a daemon, through /dev/pvg_control; see relay.c.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh

channel_need
! is_slow || export PVG_SLOW=1
ended=0
while IFS= read -r line; do
	case $line in
	"ok "*) tap_ok "${line#ok * - }" ;;
	"not ok "*) tap_not_ok "${line#not ok * - }" ;;
	1..*) ended=1 ;;
	TAP*) ;;
	*) echo "$line" ;;
	esac
done < <(./relay "$PVHOST_SOCKET" 2>&1)
tap_is $ended 1 "it runs to the end"
tap_is "$(host_value daemon status)" false "status: no daemon afterwards"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A host that stands still does not keep a CPU of the guest busy; see stall.c.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "nobody stops the host: start with selftests/vm"
tap_check "devices are bound to $CTL_DRIVER" ctl_claim
ctl_need pvg.conhost
cat "$PORT" > /dev/null &
tap_at_exit kill $!
ctl_need pvg.pka
export PORT_A=$PORT
ctl_need pvg.pkb
export PORT_B=$PORT TTY=/dev/hvc0
stty -F /dev/hvc0 raw -echo
while IFS= read -r line; do
	case $line in
	"ok "*) tap_ok "${line#ok * - }" ;;
	"not ok "*) tap_not_ok "${line#not ok * - }" ;;
	1..*) ;;
	*) echo "$line" ;;
	esac
done < <(./stall 2>&1)
tap_is "$TAP_COUNT" 7 "it runs to the end"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A host that is stopped does not keep a CPU of the guest busy; see stall.c.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to stop the host"
ctl_begin
ctl_need pvg.conhost
tap_check "the console that pvg.conhost is the host of is the first" ctl_hvc0 "$VIRTIO"
cat "$PORT" > /dev/null &
tap_at_exit kill $!
ctl_need pvg.pka
export PORT_A=$PORT
ctl_need pvg.pkb
export PORT_B=$PORT TTY=/dev/hvc0
stty -F /dev/hvc0 raw -echo
tap_forward "" ./stall
tap_done

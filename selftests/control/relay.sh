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
tap_forward "" ./relay "$PVHOST_SOCKET"
tap_is "$(host_value daemon status)" false "status: no daemon after the last one has ended"
tap_done

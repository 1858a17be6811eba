#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Services of a daemon, through /dev/pvg_control; see stream.c.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh

CGROUP=/tmp/cgroup

# own_cgroup: the daemon's, where the kernel accounts memory (the debug kernel does not).
own_cgroup()
{
	grep -q '^memory' /proc/cgroups || return
	mkdir -p $CGROUP
	mount -t cgroup2 none $CGROUP
	tap_at_exit umount $CGROUP
	echo +memory > $CGROUP/cgroup.subtree_control
	mkdir $CGROUP/daemon
	export PVG_CGROUP_PROCS=$CGROUP/daemon/cgroup.procs
	export PVG_CGROUP_STAT=$CGROUP/daemon/memory.stat
}

channel_need
! is_slow || export PVG_SLOW=1
own_cgroup
tap_forward "" ./stream "$PVHOST_SOCKET"
tap_is "$(host_value daemon status)" false "status: no daemon after the last one has ended"
tap_done

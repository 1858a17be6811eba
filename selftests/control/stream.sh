#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
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
	export PVG_CGROUP=$CGROUP/daemon
}

# counters: doorbells and interrupts of the control port's transmit queue
counters()
{
	awk '$1 == "doorbells:" { d = $2 } $1 == "interrupts:" { i = $2 }
		END { print d + 0, i + 0 }' "$STATS"
}

# bulk: what is sent in bulk costs about a doorbell and an interrupt for each 64 KiB, where
# it was one of each for a frame.
bulk()
{
	local mib=16 before after doorbells interrupts port

	port=$(readlink -f "/sys/bus/virtio-ports/devices/$(ctl_find org.pvguest.control.0)")
	STATS=$(dirname "$port")
	STATS=/sys/kernel/debug/pvguest/${STATS##*/}/out.${port##*p}/stats
	before=$(counters)
	tap_forward "bulk" ./stream "$PVHOST_SOCKET" $((mib << 20))
	# There a writer is so slow that what it writes goes out piece by piece.
	! is_slow || return 0
	after=$(counters)
	doorbells=$((${after% *} - ${before% *}))
	interrupts=$((${after#* } - ${before#* }))
	tap_diag "$mib MiB: $doorbells doorbells, $interrupts interrupts"
	# Credit and a writer that is slower than the device end some before they are full.
	tap_num "$doorbells >= $mib" "bulk: doorbells are counted" "$doorbells doorbells"
	tap_num "$doorbells <= $mib * 16 * 3 / 2" \
		"bulk: three doorbells for 128 KiB at most" "$doorbells doorbells"
	tap_num "$interrupts <= $mib * 16 * 3 / 2" \
		"bulk: three interrupts for 128 KiB at most" "$interrupts interrupts"
}

# crc: whether the CRC of frames is computed by the instruction that the kernel has for it. Since
# 6.14 crc32_le() does so, and there is no such module.
crc()
{
	grep -qw pclmulqdq /proc/cpuinfo && modprobe -q crc32-pclmul || return 0
	tap_num "$(awk '$1 == "driver" { ours = $3 == "crc32-pclmul" }
		$1 == "refcnt" && ours { print $3 }' /proc/crypto) > 1" \
		"once a daemon was there, crc32-pclmul is in use"
}

channel_need
! is_slow || export PVG_SLOW=1
own_cgroup
tap_forward "" ./stream "$PVHOST_SOCKET"
bulk
crc
tap_is "$(host_value daemon status)" false "status: no daemon after the last one has ended"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the block driver costs, by ../counts.table: interrupts, doorbells and timers
# for each I/O, and throughput and latency in ratio to policy off.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/doorbells.sh
. ../lib/doorbells.sh
# shellcheck source=gate.sh
. ./gate.sh

ROUNDS=${PVG_COUNTS_ROUNDS:-5}
ROUND_SECONDS=0.25

# The loads: threads, reads in flight in each, reads per second and thread (0: as fast
# as it goes), pause after each in microseconds, reads in one submission.
declare -A LOADS=(
	[QD1]="1 1 0 0 1"
	[QD4]="1 4 0 0 1"
	[QD32]="1 32 0 0 1"
	[QD32-batch16]="1 32 0 0 16"
	[rate1000]="1 32 1000 0 1"
	[rate2500]="1 32 2500 0 1"
	[threads8]="8 1 0 0 1"
	[threads8-think]="8 1 0 3000 1"
)
declare -A SERIAL_OF=([adaptive]=pvg [off]=off [in-tree]=tree)
declare -A DEVICE_OF=()

# bind_disks DRIVER SERIAL...: to their driver.
bind_disks()
{
	local driver=$1 serial disk

	shift
	for serial; do
		virtio_bind "$driver" "${DEVICE_OF[$serial]}"
	done
	for serial; do
		disk=$(blk_wait "$serial")
		tap_is "$(virtio_driver "$(blk_virtio "$disk")")" "$driver" \
			"$serial: driven by $driver" || tap_done
	done
}

unbind_disks()
{
	local device

	for device in "${DEVICE_OF[@]}"; do
		[ ! -e "$VIRTIO_BUS/devices/$device/driver" ] || virtio_unbind "$device"
	done
}

all_ours()
{
	local device

	unbind_disks
	for device in "${DEVICE_OF[@]}"; do
		virtio_bind "$BLK_DRIVER" "$device"
	done
}

# share_disks: between the drivers. The in-tree one comes first, because it fails where a
# name that it gives out is taken.
share_disks()
{
	local serial disk

	for serial in {pvg,off,tree}{zero,lat} pvganswers; do
		disk=$(blk_wait "$serial" 5) || tap_absent "no disk with serial $serial"
		DEVICE_OF[$serial]=$(blk_virtio "$disk")
	done
	tap_check "the in-tree driver is there" modprobe virtio_blk || tap_done
	tap_at_exit all_ours
	unbind_disks
	bind_disks virtio_blk treezero treelat
	bind_disks "$BLK_DRIVER" pvgzero pvglat offzero offlat
	for serial in offzero offlat; do
		tap_check "$serial: policy off" gate_policy "${DEVICE_OF[$serial]}" off
	done
}

# reads NAME: sets it to the reads of $DISK so far.
reads()
{
	local -a field

	read -ra field < "/sys/block/$DISK/stat"
	printf -v "$1" %s "${field[0]}"
}

# measure LOAD DEVICE DRIVER ROUND
measure()
{
	local threads depth rate think batch serial=${SERIAL_OF[$3]}$2

	DISK=$(blk_find "$serial") || return
	VIRTIO=${DEVICE_OF[$serial]}
	read -r threads depth rate think batch <<< "${LOADS[$1]}"
	gate_round "$1" "$2" "$3" "$4" reads ./load disk "/dev/$DISK" "$ROUND_SECONDS" \
		"$threads" "$depth" "$rate" "$think" "$batch"
}

# each COMMAND: for the loads that the table has.
each()
{
	local device load

	for device in zero lat; do
		for load in $(gate_loads $device); do
			if [ -z "${LOADS[$load]:-}" ]; then
				tap_not_ok "counts.table: $load is a load of block.sh"
				continue
			fi
			"$1" "$load" "$device"
		done
	done
}

# rounds LOAD DEVICE [FIRST LAST]
rounds()
{
	local round driver

	for ((round = ${3:-1}; round <= ${4:-ROUNDS}; round++)); do
		for driver in $(gate_drivers "$1" "$2" "$round"); do
			measure "$1" "$2" "$driver" "$round"
		done
	done
}

# Those that the in-tree driver is compared by, with both.
probe()
{
	local drivers driver

	mapfile -t drivers < <(gate_drivers "$1" "$2" 1)
	[ ${#drivers[@]} -eq 3 ] || return
	for driver in in-tree adaptive; do
		measure "$1" "$2" "$driver" probe
	done
}

share_disks
each rounds
tap_check "a probe on vp_notify" doorbells_start || tap_done
tap_at_exit doorbells_stop
each probe
doorbells_stop
gate_missed zero lat > "$GATE_DIR/missed"
while read -r load device <&3; do
	tap_diag "measured again, with three times the rounds: $load on $device"
	rounds "$load" "$device" $((ROUNDS + 1)) $((3 * ROUNDS))
done 3< "$GATE_DIR/missed"
gate_judge zero lat
tap_done

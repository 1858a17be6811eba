#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The driver lets go of a disk that is in use and takes it again: unbind and
# bind under load, in-tree driver in between, then the modules out and in.
# Nothing may hang, and in the end the disk works as before.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

ROUNDS=$(scaled 4 2)

# under_load SERIAL ROUND OPTION...
under_load()
{
	local what="$1 round $2" serial=$1

	shift 2
	DISK=$(blk_find "$serial")
	blk_load /dev/null "/dev/$DISK" --bs=4k --size=64m "$@"
	sleep 0.$((RANDOM % 5))
	tap_check "$what: unbind under load exits with 0" timeout 60 bash -c "echo $VIRTIO > $VIRTIO_BUS/drivers/$BLK_DRIVER/unbind"
	# Told of errors for a batch it submits, fio itself may spin for ever.
	[[ $what != *batches ]] || kill -KILL "$LOAD_PID"
	tap_check "$what: fio ends after unbind" blk_load_ended || return 1
	tap_fails "$what: the disk is gone after unbind" blk_find "$serial"
	tap_check "$what: bind exits with 0" virtio_bind "$BLK_DRIVER" "$VIRTIO" || return 1
	tap_check "$what: the disk is there after bind" blk_wait "$serial"
}

blk_need_disks
for serial in "${DISKS[@]}"; do
	# The rings that differ in how the device is told; 6.1 has all.
	[[ $serial != *noev ]] || ! is_slow || continue
	blk_need "$serial"
	for ((round = 1; round <= ROUNDS; round++)); do
		# One disk is enough for the rare; the others are for their rings.
		[ $round -le $(((ROUNDS + 1) / 2)) ] || [ "$serial" = "${DISKS[0]}" ] || break
		under_load "$serial" $round --rw=randrw --iodepth=32 --numjobs=2 || tap_done
	done
	DISK=$(blk_find "$serial")
	tap_check "$serial: a pattern is written and read back after the last bind" blk_rw "/dev/$DISK"
done

# Batches and depth 1 have their own states to be caught in.
serial=${DISKS[0]}
blk_need "$serial"
under_load "$serial" batches --rw=randread --iodepth=32 --iodepth_batch_submit=16 \
	--iodepth_batch_complete_min=16
under_load "$serial" depth1 --rw=randwrite --iodepth=1

# Unbinding all devices, modules out. The core can only go when the drivers of
# other devices, which stand on it, have gone too.
modules()
{
	echo "$BLK_DRIVER"
	[ "$BLK_DRIVER" = pvg_blk ] || return
	others
	echo pvg_ring
}

others()
{
	find /sys/module/pvg_ring/holders -mindepth 1 ! -name pvg_blk -printf '%f\n'
}

# all_back: the disks that were there at first are.
all_back()
{
	[ "$(blk_disks | xargs)" = "${DISKS[*]}" ]
}

mapfile -t others < <([ "$BLK_DRIVER" != pvg_blk ] || others)
for ((round = 1; round <= ROUNDS; round++)); do
	for module in $(modules); do
		tap_check "modules, round $round: rmmod $module exits with 0" rmmod "$module" || tap_done
	done
	tap_is "$(blk_disks | xargs)" "" "modules, round $round: no disk is left after rmmod"
	tap_check "modules, round $round: modprobe $BLK_DRIVER exits with 0" modprobe "$BLK_DRIVER" || tap_done
	wait_for 20 all_back
	tap_is "$(blk_disks | xargs)" "${DISKS[*]}" \
		"modules, round $round: the disks from before are there after modprobe"
done
for module in "${others[@]}"; do
	tap_check "modules: $module loads on the core that was loaded last" modprobe "$module"
done

# rmmod with I/O in flight: the kernel takes the devices away first.
DISK=$(blk_find "$serial")
blk_load /dev/null "/dev/$DISK" --rw=randread --bs=4k --size=64m --iodepth=16
sleep 0.5
status=0
output=$(timeout 60 rmmod "$BLK_DRIVER" 2>&1) || status=$?
# An open disk keeps its driver's module busy: refused, or everything is gone.
if [ "$status" -eq 0 ]; then
	tap_check "rmmod under load: fio ends when the module goes" blk_load_ended || tap_done
	modprobe "$BLK_DRIVER"
else
	tap_check "rmmod under load: it is refused with 'in use' within 60 s" \
		grep -q "in use" <<< "$output"
	tap_check "rmmod under load: fio still runs after the refusal" kill -0 "$LOAD_PID"
	kill -TERM "$LOAD_PID"
	tap_check "rmmod under load: fio ends when it is told to" blk_load_ended || tap_done
fi

# Back and forth with the in-tree driver, data written by one read by the other.
other=virtio_blk
if [ "$BLK_DRIVER" = virtio_blk ]; then
	tap_skip "hand over: virtio_blk takes the disk" "virtio_blk is the driver under test"
else
	blk_wait "$serial" > /dev/null
	blk_need "$serial"
	head -c 1M /dev/urandom > /tmp/handover
	dd if=/tmp/handover of="$DEV" bs=64k oflag=direct conv=nocreat,fsync 2> /dev/null
	modprobe "$other"
	virtio_unbind "$VIRTIO"
	tap_check "hand over: $other can be bound to the disk" virtio_bind "$other" "$VIRTIO"
	DISK=$(blk_wait "$serial")
	tap_check "hand over: $other reads what $BLK_DRIVER wrote" cmp -n 1048576 /tmp/handover "/dev/$DISK"
	head -c 1M /dev/urandom > /tmp/handover
	dd if=/tmp/handover of="/dev/$DISK" bs=64k oflag=direct conv=nocreat,fsync 2> /dev/null
	virtio_unbind "$VIRTIO"
	tap_check "hand over: $BLK_DRIVER can be bound to the disk after $other" virtio_bind "$BLK_DRIVER" "$VIRTIO"
	DISK=$(blk_wait "$serial")
	tap_check "hand over: $BLK_DRIVER reads what $other wrote" cmp -n 1048576 /tmp/handover "/dev/$DISK"
	rmmod "$other"
	rm -f /tmp/handover
fi

blk_need "$serial"
tap_check "$serial: crc32c of blocks of 512 to 64k after all of it" blk_fio "$DEV" --rw=randwrite --verify=crc32c \
	--verify_fatal=1 --bsrange=512-64k --blockalign=512 --size=16m --iodepth=32

tap_done

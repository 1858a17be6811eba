#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What hostile.sh leaves out of what the driver must not take from a device: the edges
# of what is allowed, a device that changes or breaks at an unusual time, and what a
# device says that has less than others. Each of these checks was added because
# scripts/mutate could remove a check of the driver without a test that failed.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

DRIVER_DIR=$VIRTIO_BUS/drivers/$BLK_DRIVER

fake_need

# taken PARAMETER...: the driver takes it; sets DISK, DEV and VIRTIO.
taken()
{
	tap_check "$*: the device is there" fake block "$@"
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
}

# refused PARAMETER WORDS: the driver does not take it, and says why.
refused()
{
	local mark

	mark=$(kmsg_mark)
	tap_check "$1: the device is there" fake block "$1"
	tap_fails "$1: there is no disk" blk_find pvgfake
	tap_check "$1: the log says: $2" grep -qF -- "$2" <<< "$(kmsg_since "$mark")"
}

rw()
{
	timeout 60 bash -c ". ../lib/tap.sh; . ../lib/blk.sh; TAP_ENDED=0; blk_rw $1" > /dev/null
}

reads()
{
	timeout 30 dd if="$DEV" of=/dev/null bs=4096 count=8 iflag=direct
}

bind()
{
	timeout 60 bash -c "echo $VIRTIO > $DRIVER_DIR/bind"
}

unbind()
{
	timeout 60 bash -c "echo $VIRTIO > $DRIVER_DIR/unbind"
}

# again NAME: after unbind and bind the disk is as good as new.
again()
{
	tap_check "$1: the driver lets go" unbind
	tap_check "$1: the driver takes the device again" bind
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
	tap_check "$1: the disk can be written and read afterwards" rw "$DEV"
}

size_is()
{
	[ "$(cat "/sys/block/$DISK/size")" = "$1" ]
}

# new_sizes MARK: lines of the log about a new size.
new_sizes()
{
	kmsg_since "$1" | grep -c "\[$DISK\] new size"
}

# break_it: the ring is of no use any more.
break_it()
{
	echo "id 1" > "$FAKE/bad"
	reads > /dev/null 2>&1
}

# ---- what the device says of itself ------------------------------------------

refused no_config=1 "configuration space is not accessible"
refused ring=2 "queue size is 2, at least 4 is needed"
refused num_queues=0 "num_queues is 0"

# Two data segments and two more descriptors are all that this ring has: it is full with
# every request, and the queue has to be started again by each completion.
taken ring=4
tap_is "$(cat "/sys/block/$DISK/queue/max_segments")" 2 "ring=4: requests have 2 segments"
tap_check "ring=4: every request ends, and with the right data" timeout 120 fio --name=t \
	--filename="$DEV" --allow_file_create=0 --direct=1 --ioengine=libaio --rw=randwrite \
	--verify=crc32c --verify_fatal=1 --bsrange=512-8k --blockalign=512 --size=2m --iodepth=16
tap_is "$(xargs < "/sys/block/$DISK/inflight")" "0 0" "ring=4: nothing is left in flight"

# A block that takes all segments cannot be split, so its memory has to begin with a page.
taken blk_size=4096 seg_max=0
tap_is "$(cat "/sys/block/$DISK/queue/max_segments") $(cat "/sys/block/$DISK/queue/dma_alignment")" \
	"1 4095" "blk_size=4096 seg_max=0: one segment, in memory that is aligned to a page"
taken blk_size=4096 seg_max=2
tap_is "$(cat "/sys/block/$DISK/queue/dma_alignment")" 511 "blk_size=4096 seg_max=2: as other disks"

# A chain may not be longer than the ring, whatever the device says.
taken ring=16 seg_max=1000
tap_is "$(cat "/sys/block/$DISK/queue/max_segments")" 14 "ring=16: requests have 14 segments"

# The granularity is told in bytes, in 32 bits. A larger one is not believed.
granularity_is()
{
	tap_is "$(cat "/sys/block/$DISK/queue/discard_granularity")" "$2" \
		"discard_sector_alignment=$1: discard_granularity is $2"
}

taken max_discard_sectors=2048 discard_sector_alignment=16
granularity_is 16 8192
taken max_discard_sectors=8388608 discard_sector_alignment=8388607
granularity_is 8388607 4294966784
mark=$(kmsg_mark)
taken max_discard_sectors=8388608 discard_sector_alignment=8388608
granularity_is 8388608 512
tap_check "discard_sector_alignment=8388608: the log says that it is ignored" grep -qF \
	"discard_sector_alignment 8388608 is too large: ignored" <<< "$(kmsg_since "$mark")"

# ---- what it answers ---------------------------------------------------------

taken ring=256
serial=/sys/block/$DISK/serial
for mode in status unsupp; do
	echo "$mode 1" > "$FAKE/bad"
	tap_check "serial refused with $mode: the file can be read" cat "$serial"
	echo "$mode 1" > "$FAKE/bad"
	tap_is "$(cat "$serial")" "" "serial refused with $mode: it is empty"
	tap_is "$(cat "$serial")" pvgfake "serial after $mode: it is there"
done
echo "unsupp 1" > "$FAKE/bad"
tap_check "a request that the device does not know is not supported" \
	grep -q "Operation not supported" <<< "$(reads 2>&1)"
tap_check "the request after the one that was not known is served" reads

# ---- when it changes ---------------------------------------------------------

mark=$(kmsg_mark)
echo 16384 > "$FAKE/target"
tap_check "the disk follows a new size" wait_for 20 size_is 16384
echo 16384 > "$FAKE/target"
sleep 0.5
tap_is "$(new_sizes "$mark")" 1 "a change of something else is no new size"

mark=$(kmsg_mark)
break_it
tap_check "the log says that the device broke the protocol" \
	wait_for 20 kmsg_has "$VIRTIO: the device broke the protocol" "$mark"
size=$(cat "/sys/block/$DISK/size")
echo 8192 > "$FAKE/target"
sleep 0.5
tap_is "$(cat "/sys/block/$DISK/size")" "$size" "a disk that failed takes no new size"
tap_is "$(new_sizes "$mark")" 0 "the log has no new size of a disk that failed"
echo freeze > "$FAKE/power"
tap_fails "a device that failed does not come back with a resume" \
	bash -c "echo restore > $FAKE/power"
tap_is "$(fake_state bad)" "id 0" "the device broke its ring once, as it was told to"
again "failed and resumed"

echo freeze > "$FAKE/power"
tap_check "a device that was suspended comes back" bash -c "echo restore > $FAKE/power"
tap_check "a disk that was suspended can be written and read" rw "$DEV"

# ---- when it is let go -------------------------------------------------------

# An open file keeps what was written from going to the disk before.
dd if=/dev/urandom of=/tmp/dirty bs=4096 count=64 2> /dev/null
exec {open}<> "$DEV"
dd if=/tmp/dirty of="$DEV" bs=4096 conv=notrunc,nocreat 2> /dev/null
again_data()
{
	unbind && bind && blk_wait pvgfake > /dev/null &&
		cmp -n 262144 /tmp/dirty "/dev/$(blk_find pvgfake)"
}
tap_check "what was written and not synced is on the disk after an unbind" again_data
exec {open}>&-
rm -f /tmp/dirty

# ---- before there is a disk --------------------------------------------------

tap_check "early: probing a device that breaks at once ends" fake block early=1
tap_check "early: the module of the device goes" timeout 60 rmmod pvg_fakehost
taken ring=256
tap_check "early: a device after that can be written and read" rw "$DEV"

tap_done

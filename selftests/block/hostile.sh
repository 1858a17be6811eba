#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that breaks the rules. One that describes itself with nonsense is
# refused with a line that says what is allowed; a request that it answers with
# nonsense fails; a ring that makes no sense fails all I/O, in bounded time, and
# the driver can let go of the device and take it again.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

fake_need

# refused PARAMETER WORDS
refused()
{
	local mark

	mark=$(kmsg_mark)
	tap_check "$1: pvg_fakehost makes the device" fake block "$1" || return
	tap_fails "$1: the driver makes no disk of the device" blk_find pvgfake
	if kmsg_since "$mark" | grep -E "^(\[.*\] )?$BLK_DRIVER|virtio" | grep -qF -- "$2"; then
		tap_ok "$1: the log says: $2"
	else
		tap_not_ok "$1: the log says: $2" "$(kmsg_since "$mark")"
	fi
}

# ignored PARAMETER WORDS LIMIT VALUE: a line, and a disk that works, with that limit.
ignored()
{
	local mark disk

	mark=$(kmsg_mark)
	tap_check "$1: pvg_fakehost makes the device" fake block "$1" || return
	disk=$(blk_wait pvgfake)
	tap_check "$1: the log says: $2" kmsg_has "$2" "$mark"
	tap_is "$(cat "/sys/block/$disk/queue/$3")" "$4" "$1: $3 is $4"
	DEV=/dev/$disk
	tap_check "$1: a pattern is written and read back" writes
}

# kernel_version: 601 for 6.1
kernel_version()
{
	uname -r | awk -F. '{ print $1 * 100 + $2 }'
}

large_blocks()
{
	local tmp=/tmp/large

	head -c 1048576 /dev/urandom > "$tmp"
	timeout 60 dd if="$tmp" of="$DEV" bs=65536 oflag=direct conv=fsync,nocreat 2> /dev/null &&
		timeout 60 dd if="$DEV" bs=65536 count=16 iflag=direct 2> /dev/null | cmp - "$tmp"
}

reads()
{
	blk_gives "$DEV" 8 40
}

# writes: and reads the same again.
writes()
{
	timeout 60 bash -c ". ../lib/tap.sh; . ../lib/blk.sh; TAP_ENDED=0 SEED=$SEED; blk_rw $DEV" > /dev/null
}

# one_fails MODE: a request that is answered so fails, and only that one.
one_fails()
{
	local before

	echo "$1 1" > "$FAKE/bad"
	tap_fails "answer $1: the read fails" reads
	tap_check "answer $1: the next read succeeds" reads
	tap_check "answer $1: a pattern is written and read back afterwards" writes
	before=$(fake_state bad)
	tap_is "${before##* }" 0 "answer $1: the device gave it"
}

# harmless MODE: the driver does not use the length that the device gives.
harmless()
{
	echo "$1 100" > "$FAKE/bad"
	tap_check "answer $1: a pattern is written and read back meanwhile" writes
	echo "none 0" > "$FAKE/bad"
}

# breaks MODE: the ring is of no use any more.
breaks()
{
	local mark start

	mark=$(kmsg_mark)
	blk_load /dev/null "$DEV" --rw=randrw --bs=4k --size=8m --iodepth=16 || return
	start=$SECONDS
	echo "$1 1" > "$FAKE/bad"
	tap_check "ring answers with $1: fio ends within 30 s" blk_load_ended 30
	tap_fails "ring answers with $1: every later read fails" reads
	tap_num "$((SECONDS - start)) < 60" "ring answers with $1: fio and the read end within 60 s" "$((SECONDS - start)) s"
	tap_is "$(kmsg_since "$mark" | grep -c "$VIRTIO: the device broke the protocol")" 1 \
		"ring answers with $1: the log says once that the device broke the protocol"
	tap_check "ring answers with $1: the driver can be unbound" timeout 60 bash -c "echo $VIRTIO > $VIRTIO_BUS/drivers/$BLK_DRIVER/unbind"
	tap_check "ring answers with $1: the driver can be bound afterwards" timeout 60 bash -c "echo $VIRTIO > $VIRTIO_BUS/drivers/$BLK_DRIVER/bind"
	DISK=$(blk_wait pvgfake) || tap_done
	DEV=/dev/$DISK
	tap_check "ring answers with $1: a pattern is written and read back after the bind" writes
}

refused size_max=511 "size_max is 511, at least 4096 is needed"
refused blk_size=0 "blk_size is 0, allowed are powers of two from 512 to"
refused blk_size=1000 "blk_size is 1000, allowed are powers of two"
refused blk_size=131072 "blk_size is 131072, allowed are powers of two"
refused num_queues=0 "num_queues is 0, at least 1 is needed"
# Hints, as the in-tree driver takes them.
ignored seg_max=0 "seg_max is 0, taken as 1" max_segments 1
ignored physical_block_exp=200 "physical_block_exp is 200, at most 16: ignored" physical_block_size 512
ignored alignment_offset=255 "alignment_offset is 255 blocks" ../alignment_offset 0
ignored opt_io_size=$((2 ** 31)) "opt_io_size of 2147483648 blocks is too large: ignored" optimal_io_size 0
# Blocks that are larger than a page, where the kernel knows such.
if fake block blk_size=65536 seg_max=16 && blk_wait pvgfake 5 > /dev/null; then
	DEV=/dev/$(blk_find pvgfake)
	tap_is "$(blockdev --getss "$DEV")" 65536 "blk_size=65536: a block has 65536 bytes"
	tap_check "blk_size=65536: blocks are written and read back" large_blocks
else
	tap_num "$(kernel_version) < 615" "blk_size=65536: kernels from 6.15 on take the disk" "$(uname -r)"
fi
# More queues than it then has; but no more than one for each CPU are asked for.
if [ "$(cat /sys/devices/system/cpu/possible)" != 0 ]; then
	refused num_queues=65535 "probe failed"
else
	tap_check "num_queues=65535: pvg_fakehost makes the device" fake block num_queues=65535
	tap_check "num_queues=65535: the disk appears, with one queue for one CPU" blk_wait pvgfake
fi

# As a vhost-user device of qemu-storage-daemon has it.
tap_check "size_max=0: pvg_fakehost makes the device" fake block size_max=0
tap_check "size_max=0: the disk appears" blk_wait pvgfake
tap_is "$(cat "/sys/block/$(blk_find pvgfake)/queue/max_segment_size")" 4096 \
	"size_max=0: segments are as large as a page"

# A size that no disk can have is cut to one that may be, and is not read there.
tap_check "capacity of all ones: pvg_fakehost makes the device" fake block capacity=$((2 ** 63 - 1))
tap_check "capacity of all ones: the disk appears" blk_wait pvgfake

tap_check "a device without faults: pvg_fakehost makes it" fake block
blk_wait pvgfake > /dev/null
blk_need pvgfake
tap_check "a device without faults: a pattern is written and read back" writes
for mode in len-huge len-zero; do
	harmless $mode
done
for mode in status no-status; do
	one_fails $mode
done
for mode in id twice index; do
	breaks $mode
done
tap_check "rmmod pvg_fakehost exits with 0" timeout 60 rmmod pvg_fakehost
tap_check "the disk is gone after rmmod pvg_fakehost" blk_wait_gone pvgfake
modprobe -q pvg_fakehost kind=block

tap_done

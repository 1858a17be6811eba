#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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

refused seg_max=0 "seg_max is 0, at least 1 is needed"
refused size_max=511 "size_max is 511, at least 4096 is needed"
refused blk_size=0 "blk_size is 0, allowed are powers of two from 512 to 4096"
refused blk_size=1000 "blk_size is 1000, allowed are powers of two"
refused blk_size=65536 "blk_size is 65536, allowed are powers of two"
refused num_queues=0 "num_queues is 0, at least 1 is needed"
refused physical_block_exp=200 "physical_block_exp is 200, at most"
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

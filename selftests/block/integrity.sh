#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is written is what is read: random sizes and offsets, every block with a
# checksum and its own address, on every kind of ring.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

SIZE=$(scaled 64)m

# verify SERIAL NAME OPTION...: one fio verify job over the disk.
verify()
{
	local serial=$1 name=$2

	shift 2
	tap_check "$serial: crc32c of $name" blk_fio "$DEV" --rw=randwrite \
		--verify=crc32c --verify_fatal=1 --verify_dump=0 --randseed=$RANDOM \
		--size="$SIZE" "$@"
}

for serial in $(blk_disks) pvg4k; do
	blk_find "$serial" > /dev/null || continue
	blk_need "$serial"
	sector=$(cat "/sys/block/$DISK/queue/logical_block_size")
	verify "$serial" "random $sector to 256k, 32 deep" \
		--bsrange="$sector-256k" --blockalign="$sector" --iodepth=32
	verify "$serial" "batches of 16, verified while writing" \
		--bsrange="$sector-64k" --blockalign="$sector" --iodepth=32 \
		--iodepth_batch_submit=16 --iodepth_batch_complete_min=1 \
		--iodepth_batch_complete_max=16 --verify_backlog=64 --size=16m
	ios=$(blk_ios "$DISK")
	tap_num "$ios > 100" "$serial: the requests went through the disk" "$ios requests"
done

# Several writers at once, each on its own part, buffers scattered over pages.
for serial in $(blk_disks); do
	blk_need "$serial"
	tap_check "$serial: crc32c with 4 jobs in their own ranges" \
		blk_fio "$DEV" --rw=randwrite --verify=crc32c --verify_fatal=1 \
		--numjobs=4 --offset_increment=16m --size=8m \
		--bsrange=512-128k --blockalign=512 --iodepth=16
done

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is written is what is read: random sizes and offsets, every block with a
# checksum and its own address, on every kind of ring.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

SIZE=$(scaled 64 16)m

# verify SERIAL NAME OPTION...: one fio verify job over the disk.
verify()
{
	local serial=$1 name=$2

	shift 2
	tap_check "$serial: crc32c of $name" blk_fio "$DEV" --rw=randwrite \
		--verify=crc32c --verify_fatal=1 --verify_dump=0 --randseed=$RANDOM \
		--size="$SIZE" "$@"
}

blk_need_disks
[ -z "${PVG_QMP:-}" ] || MORE=pvg4k
for serial in "${DISKS[@]}" ${MORE:-}; do
	blk_need "$serial"
	sector=$(cat "/sys/block/$DISK/queue/logical_block_size")
	before=$(blk_ios "$DISK")
	verify "$serial" "blocks of $sector to 256k, 32 deep" \
		--bsrange="$sector-256k" --blockalign="$sector" --iodepth=32
	verify "$serial" "batches of 16, verified while they are written" \
		--bsrange="$sector-64k" --blockalign="$sector" --iodepth=32 \
		--iodepth_batch_submit=16 --iodepth_batch_complete_min=1 \
		--iodepth_batch_complete_max=16 --verify_backlog=64 --size="$(scaled 16)m"
	ios=$(($(blk_ios "$DISK") - before))
	tap_num "$ios > 100" "$serial: the requests of the verify jobs go through the disk" \
		"$ios requests"
done

# Several writers at once, each on its own part, buffers scattered over pages.
for serial in "${DISKS[@]}"; do
	blk_need "$serial"
	tap_check "$serial: crc32c of 4 jobs at once, each in its own range" \
		blk_fio "$DEV" --rw=randwrite --verify=crc32c --verify_fatal=1 \
		--numjobs=4 --offset_increment=16m --size="$(scaled 8)m" \
		--bsrange=512-128k --blockalign=512 --iodepth=16
done

tap_done

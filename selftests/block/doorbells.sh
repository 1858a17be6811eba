#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The `doorbells` counter tells the truth: it equals the calls of the PCI
# transport's notify function, counted by a kprobe.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/doorbells.sh
. ../lib/doorbells.sh

COUNT=$(scaled 2000)

# truth SERIAL LOAD OPTION...
truth()
{
	local serial=$1 load=$2 before probe

	shift 2
	blk_stats_reset "$VIRTIO"
	doorbells_count
	before=$DOORBELLS
	blk_fio "$DEV" --rw=randread --bs=4k --number_ios="$COUNT" --size=64m "$@" > /dev/null
	doorbells_count
	probe=$((DOORBELLS - before))
	blk_stats_load "$VIRTIO"
	tap_is "${STAT[completions]}" "$COUNT" "$serial $load: every request completed"
	tap_is "${STAT[doorbells]}" "$probe" "$serial $load: the driver counts as many doorbells as the transport rings"
	# Each submission rang, was told not to, or left it to a later one.
	tap_num "${STAT[submissions]} == $COUNT" "$serial $load: each request is counted as one submission" \
		"${STAT[submissions]} for $COUNT"
}

need_root
tap_check "a kprobe on vp_notify can be placed" doorbells_start || tap_done
tap_at_exit doorbells_stop

for serial in pvgsplit pvgpacked pvgnoev pvgzero pvglat; do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	for policy in off fixed adaptive; do
		blk_moderate "$VIRTIO" $policy
		[ $policy = off ] || truth "$serial" "$policy depth 1" --iodepth=1
		truth "$serial" "$policy depth 32" --iodepth=32
	done
	truth "$serial" "adaptive batches" --iodepth=32 --iodepth_batch_submit=16 \
		--iodepth_low=16 --iodepth_batch_complete_min=16
done

tap_done

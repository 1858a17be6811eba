#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Policy fixed lets no completion wait longer than usecs.
#
# The disk takes 200 ms for each request. A is submitted, and 80 ms later B. At
# min(frames, in flight) = 2 the interrupt belongs to B, so A, complete at
# 200 ms, would be delivered with B at 280 ms. That is allowed for usecs=100000,
# and must then really happen, with a single interrupt for both. For usecs=500 A
# must be there after 200.5 ms. Both figures are far enough apart to be told by
# the clock of a shell on a slow machine.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

STAGGER=0.08
PAIRS=5
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

now_us()
{
	echo $((${EPOCHREALTIME/./}))
}

# one_read FILE BLOCK: reads a block, leaves its time in microseconds in FILE.
# A file and not a pipe, since the pair must not wait for each other.
one_read()
{
	local start

	start=$(now_us)
	dd if="$DEV" of=/dev/null bs=4096 skip="$2" count=1 iflag=direct 2> /dev/null
	echo $(($(now_us) - start)) > "$TMP/$1"
}

# pairs: A_US and B_US, the medians of PAIRS staggered pairs, and STAT.
pairs()
{
	local i

	rm -f "$TMP"/[ab].*
	blk_stats_reset "$VIRTIO"
	for ((i = 0; i < PAIRS; i++)); do
		one_read "a.$i" 1 &
		sleep "$STAGGER"
		one_read "b.$i" 100 &
		wait
	done
	blk_stats_load "$VIRTIO"
	A_US=$(cat "$TMP"/a.* | sort -n | sed -n $((PAIRS / 2 + 1))p)
	B_US=$(cat "$TMP"/b.* | sort -n | sed -n $((PAIRS / 2 + 1))p)
}

blk_need pvgslow
blk_moderation_keep "$VIRTIO"

blk_moderate "$VIRTIO" off
pairs
base=$A_US
tap_num "$base >= 200000 && $base < 265000" "off: A takes the disk's 200 ms" "$base us"
tap_is "${STAT[interrupts]}" $((2 * PAIRS)) "off: an interrupt each"

blk_moderate "$VIRTIO" fixed 32 100000
pairs
tap_num "$A_US > $base + 50000" \
	"usecs=100000: A is delivered with B" "A $A_US us, off $base us"
tap_is "${STAT[completions]}" $((2 * PAIRS)) "usecs=100000: all complete"
tap_num "${STAT[interrupts]} + ${STAT[timer_fires]} <= $PAIRS * 1.5" \
	"usecs=100000: one interrupt for both" \
	"${STAT[interrupts]} interrupts and ${STAT[timer_fires]} timers for $PAIRS pairs"
tap_num "$A_US < $base + 80000 + 25000" \
	"usecs=100000: A waits no longer than for B" "A $A_US us, off $base us"
tap_num "$B_US < $base + 25000" "usecs=100000: B does not wait" "B $B_US us, off $base us"

for usecs in 500 20000; do
	blk_moderate "$VIRTIO" fixed 32 $usecs
	pairs
	tap_num "$A_US < $base + $usecs + 25000" \
		"usecs=$usecs: A waits no longer than that" "A $A_US us, off $base us"
	tap_is "${STAT[completions]}" $((2 * PAIRS)) "usecs=$usecs: all complete"
	tap_num "${STAT[timer_fires]} >= $PAIRS" "usecs=$usecs: the timer did it" \
		"${STAT[timer_fires]} timers for $PAIRS pairs"
done

# Many in flight on a disk that finishes one each 2.5 ms: frames would be after
# 80 ms, usecs is 5 ms, so each completion comes at most two at a time and the
# last of 32 within 80 ms plus one usecs.
blk_need pvgiops
blk_moderation_keep "$VIRTIO"
blk_moderate "$VIRTIO" fixed 32 5000
blk_stats_reset "$VIRTIO"
blk_fio "$DEV" --rw=randread --bs=4k --size=1g --iodepth=32 --number_ios=320 > /dev/null
blk_stats_load "$VIRTIO"
tap_num "${STAT[timer_fires]} + ${STAT[interrupts]} + ${STAT[reaped]} >= 320 / 5" \
	"usecs=5000: completions are fetched at least every 12.5 ms" \
	"${STAT[timer_fires]} timers, ${STAT[interrupts]} interrupts, ${STAT[reaped]} reaped for 320"

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Policy fixed lets no completion wait longer than usecs.
#
# The disk takes 80 ms for each request. A is submitted, and 50 ms later B. At
# min(frames, in flight) = 2 the interrupt belongs to B, so A, complete at 80 ms,
# is delivered with B at 130 ms. For usecs=100000 that is allowed, and must then
# really happen, with one interrupt for both. For usecs=500 A must be there after
# 80.5 ms.
#
# A and B are read by two dd whose output is a full pipe: taking a page out of
# the pipe makes dd read the next block from the disk, at once and without
# starting a process, which may take longer than all of the times above. All but
# one byte of the page are taken out beforehand. How long the requests took is
# told by the disk's own statistics, in milliseconds.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

PAIRS=6
STAGGER=50
# What this machine may add to a pair by itself, in milliseconds.
NOISE=$(is_slow && echo 22 || echo 15)
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
exec {NEVER}<> <(:)

pause()
{
	read -rt "$1" -u "$NEVER"
}

# reader NAME: starts a dd; sets the variable NAME to the end of its pipe.
reader()
{
	mkfifo "$TMP/$1"
	dd if="$DEV" of="$TMP/$1" bs=4096 iflag=direct 2> /dev/null &
	tap_at_exit kill $!
	eval "exec {$1}< $TMP/$1"
}

# bytes FD N: takes N bytes out of the pipe; the disk's are all zero, so that
# each is an empty string and its end.
# shellcheck disable=SC2034
bytes()
{
	local -a strings

	mapfile -d '' -n "$2" -u "$1" strings
}

# settled: until the readers have filled their pipes.
settled()
{
	local before=-1 now

	now=$(blk_ios "$DISK")
	until [ "$now" = "$before" ]; do
		pause 0.4
		before=$now
		now=$(blk_ios "$DISK")
	done
}

ticks()
{
	local -a field

	read -ra field < "/sys/block/$DISK/stat"
	echo "${field[3]}"
}

# pairs: PAIR_MS, the time that A and B took together, on average, and STAT.
pairs()
{
	local i

	settled
	blk_stats_reset "$VIRTIO"
	PAIR_MS=$(ticks)
	for ((i = 0; i < PAIRS; i++)); do
		bytes "$A" 4095
		bytes "$B" 4095
		bytes "$A" 1
		pause 0.0$STAGGER
		bytes "$B" 1
		pause 0.3
	done
	settled
	PAIR_MS=$((($(ticks) - PAIR_MS) / PAIRS))
	blk_stats_load "$VIRTIO"
	tap_is "${STAT[completions]}" $((2 * PAIRS)) "$1: $PAIRS pairs were read"
}

blk_need pvgslow
blk_moderation_keep "$VIRTIO"
reader A
reader B

blk_moderate "$VIRTIO" off
pairs off
base=$PAIR_MS
tap_num "$base >= 160 && $base < 160 + $NOISE" "off: both take the disk's 80 ms" "$base ms"
tap_is "${STAT[interrupts]}" $((2 * PAIRS)) "off: an interrupt each"

blk_moderate "$VIRTIO" fixed 32 100000
pairs usecs=100000
tap_num "$PAIR_MS > $base + $STAGGER - $NOISE" "usecs=100000: A is delivered with B" \
	"$PAIR_MS ms, off $base ms"
tap_num "$PAIR_MS < $base + $STAGGER + $NOISE" \
	"usecs=100000: A waits no longer than for B, and B not at all" \
	"$PAIR_MS ms, off $base ms"
tap_num "${STAT[interrupts]} <= $PAIRS * 1.4" "usecs=100000: one interrupt for both" \
	"${STAT[interrupts]} interrupts and ${STAT[timer_fires]} timers for $PAIRS pairs"

for usecs in 1 500 10000; do
	blk_moderate "$VIRTIO" fixed 32 $usecs
	pairs usecs=$usecs
	tap_num "$PAIR_MS < $base + $usecs / 1000 + $NOISE" \
		"usecs=$usecs: A waits no longer than that" "$PAIR_MS ms, off $base ms"
	tap_num "${STAT[timer_fires]} >= $PAIRS * 0.8" "usecs=$usecs: the timer saw to it" \
		"${STAT[timer_fires]} timers for $PAIRS pairs"
done

# Many in flight on a disk that finishes one each 3.1 ms: frames would be reached
# after 50 ms, usecs is 10 ms. After the disk's first burst of 32, completions
# must be fetched three or four at a time; twice that is allowed.
blk_need pvgiops
blk_moderation_keep "$VIRTIO"
blk_moderate "$VIRTIO" fixed 16 10000
blk_stats_reset "$VIRTIO"
blk_fio "$DEV" --rw=randread --bs=4k --size=1g --iodepth=16 --number_ios=320 \
	--iodepth_batch_submit=16 --iodepth_batch_complete_min=16 --iodepth_low=1 > /dev/null
blk_stats_load "$VIRTIO"
tap_num "${STAT[timer_fires]} + ${STAT[interrupts]} >= (320 - 32) / 3.2 / 2" \
	"usecs=10000: completions are fetched every 10 ms" \
	"${STAT[timer_fires]} timers, ${STAT[interrupts]} interrupts for 320"

tap_done

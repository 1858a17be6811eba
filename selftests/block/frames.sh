#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Policy fixed interrupts at exactly min(frames, in flight) completions.
#
# The disk finishes one request each 3.1 ms, so completions come one by one and
# the guest is idle in between. fio submits 16 in one batch and waits for all of
# them, over and over: with frames=N each round must take ceil(16 / N)
# interrupts. It can take no more: after each interrupt at least N more are in
# flight, or the rest of the round, which is what the next one waits for; only a
# timer that comes first (usecs is at its maximum, twice the length of a round)
# may shift the count by one. It takes fewer where this machine was too busy to
# see an interrupt before the next completion, and drained both.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

DEPTH=16
WINDOWS=6
WINDOW=$((8 * DEPTH))
TRIES=4

# completed COUNT: requests, in all; sets STAT.
completed()
{
	blk_stats_load "$VIRTIO"
	[ "${STAT[completions]}" -ge "$1" ]
}

# measure: counts under the load that is running, in WINDOWS of so many requests
# each. Sets STAT to the differences, OF_EACH to "completions interrupts" of each
# window, IRQS to the kernel's own count, and OUTER to the completions and timers of
# the slightly longer while that it is for.
measure()
{
	local name irqs i
	local -A outer first before

	# A round under the old policy may still be on its way.
	blk_stats_load "$VIRTIO"
	wait_for 20 completed $((STAT[completions] + 2 * DEPTH))
	copy_to outer
	irqs=$(blk_irqs "$VIRTIO")
	blk_stats_load "$VIRTIO"
	copy_to first
	OF_EACH=()
	for ((i = 0; i < WINDOWS; i++)); do
		copy_to before
		wait_for 20 completed $((STAT[completions] + WINDOW))
		OF_EACH+=("$((STAT[completions] - before[completions])) $((
			STAT[interrupts] - before[interrupts]))")
	done
	copy_to before
	IRQS=$(($(blk_irqs "$VIRTIO") - irqs))
	blk_stats_load "$VIRTIO"
	OUTER=($((STAT[completions] - outer[completions])) $((
		STAT[timer_fires] - outer[timer_fires])))
	for name in interrupts spurious timer_starts timer_fires completions doorbells; do
		STAT[$name]=$((before[$name] - first[$name]))
	done
}

# copy_to ARRAY: STAT as it is.
copy_to()
{
	local -n to=$1
	local name

	for name in "${!STAT[@]}"; do
		# shellcheck disable=SC2004,SC2034 # a name, for the caller
		to[$name]=${STAT[$name]}
	done
}

# measure_best PER_ROUND: measures until there is a window in which this machine was not
# busy, at most TRIES times. Sets BEST to the percentage of PER_ROUND interrupts that
# there was in the best window.
measure_best()
{
	local completions interrupts percent window try

	for ((try = 0; try < TRIES; try++)); do
		measure
		BEST=0
		for window in "${OF_EACH[@]}"; do
			read -r completions interrupts <<< "$window"
			percent=$(((interrupts * DEPTH * 100) / (completions * $1)))
			[ "$percent" -le "$BEST" ] || BEST=$percent
		done
		[ "$BEST" -lt 82 ] || break
	done
}

# at_each NAME: after measure_best. With an interrupt at one completion more than frames,
# 50 to 78 % are there: the window may begin and end within a round.
at_each()
{
	tap_num "$BEST >= 82" "$1" "$BEST %; completions and interrupts: ${OF_EACH[*]}"
}

# exactly SERIAL FRAMES
exactly()
{
	local name="$1: frames=$2" round=$(((DEPTH + $2 - 1) / $2)) want

	blk_moderate "$VIRTIO" fixed "$2" 100000
	measure_best $round
	want="${STAT[completions]} / $DEPTH * $round"
	tap_num "${STAT[completions]} >= $DEPTH * 5" "$name: fio reads meanwhile" \
		"${STAT[completions]} completions"
	tap_num "${STAT[interrupts]} <= $want + $round + ${STAT[timer_fires]}" \
		"$name: never an interrupt before the Nth completion" \
		"${STAT[interrupts]} interrupts and ${STAT[timer_fires]} timers"
	at_each "$name: an interrupt at each Nth completion"
	tap_num "${STAT[doorbells]} <= ${STAT[completions]} / $DEPTH + 2" \
		"$name: a batch is one doorbell" \
		"${STAT[doorbells]} doorbells for ${STAT[completions]} requests"
	# What the driver counts is what the interrupt controller delivered. An
	# interrupt that finds no work any more ends in the transport: at small N
	# that happens when the next completion came while this one was drained.
	tap_num "$IRQS >= ${STAT[interrupts]} &&
		$IRQS <= ${OUTER[0]} / $DEPTH * $round * 1.1 + ${OUTER[1]} + $round + 2" \
		"$name: the kernel counts as many interrupts as the driver" \
		"kernel $IRQS, driver ${STAT[interrupts]}"
}

for serial in pvgiops pvgpkiops; do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	blk_load /dev/null "$DEV" --rw=randread --bs=4k --size=1g --iodepth=$DEPTH \
		--iodepth_batch_submit=$DEPTH --iodepth_low=1 \
		--iodepth_batch_complete_min=$DEPTH --iodepth_batch_complete_max=$DEPTH
	# Until the burst that the disk allows at first is through.
	sleep 1
	for frames in 1 2 5 8 16 64; do
		exactly "$serial" $frames
	done
	blk_moderate "$VIRTIO" off
	measure_best $DEPTH
	at_each "$serial off: an interrupt at each completion"
	tap_is "${STAT[timer_starts]}" 0 "$serial off: no timer is started"
	kill -TERM "$LOAD_PID"
	tap_check "$serial: fio ends when it is told to" blk_load_ended || tap_done
done

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Policy fixed interrupts at exactly min(frames, in flight) completions.
#
# The disk finishes one request each 2.5 ms, so completions come one by one and
# the guest is idle in between. fio submits 32 in one batch and waits for all:
# with frames=N each round must take ceil(32 / N) interrupts. It can never take
# more: after each interrupt at least N more are in flight, or the rest of the
# round, which is what the next one waits for. It takes fewer only where this
# machine was too busy to see an interrupt within 2.5 ms and drained the next
# completion with it; a fifth is allowed for that.
#
# usecs is at its maximum, longer than a round of 80 ms, so that the timer
# decides nothing.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

ROUNDS=5
DEPTH=32

rounds()
{
	blk_fio "$DEV" --rw=randread --bs=4k --size=1g --iodepth=$DEPTH \
		--iodepth_batch_submit=$DEPTH --iodepth_low=1 \
		--iodepth_batch_complete_min=$DEPTH --iodepth_batch_complete_max=$DEPTH \
		--number_ios=$((ROUNDS * DEPTH)) > /dev/null
}

# measure: runs the rounds; STAT and IRQS (the kernel's own count) are set.
measure()
{
	IRQS=$(blk_irqs "$VIRTIO")
	blk_stats_reset "$VIRTIO"
	rounds
	blk_stats_load "$VIRTIO"
	IRQS=$(($(blk_irqs "$VIRTIO") - IRQS))
}

# exactly SERIAL FRAMES
exactly()
{
	local name="$1: frames=$2" want=$((ROUNDS * ((DEPTH + $2 - 1) / $2)))

	blk_moderate "$VIRTIO" fixed "$2" 100000
	measure
	tap_is "${STAT[completions]}" $((ROUNDS * DEPTH)) "$name: every request completed"
	tap_num "${STAT[interrupts]} <= $want" \
		"$name: never an interrupt before the Nth completion" \
		"${STAT[interrupts]} interrupts, at most $want"
	tap_num "${STAT[interrupts]} + ${STAT[timer_fires]} >= $want * 0.8" \
		"$name: an interrupt at each Nth completion" \
		"${STAT[interrupts]} interrupts and ${STAT[timer_fires]} timers, about $want"
	# What the driver counts is what the interrupt controller delivered.
	tap_num "${STAT[interrupts]} <= $IRQS && $IRQS <= ${STAT[interrupts]} + ${STAT[spurious]}" \
		"$name: the kernel counts the same interrupts" \
		"kernel $IRQS, driver ${STAT[interrupts]} + ${STAT[spurious]} spurious"
	tap_num "${STAT[doorbells]} <= $ROUNDS * 2" "$name: a batch is one doorbell" \
		"${STAT[doorbells]} doorbells for $ROUNDS batches"
}

for serial in pvgiops pvgpkiops; do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	for frames in 1 2 5 8 32 64; do
		exactly "$serial" $frames
	done
	blk_moderate "$VIRTIO" off
	measure
	tap_num "${STAT[interrupts]} >= $ROUNDS * $DEPTH * 0.8" \
		"$serial: off interrupts on every completion" \
		"${STAT[interrupts]} interrupts for $((ROUNDS * DEPTH))"
	tap_is "${STAT[timer_starts]}" 0 "$serial: off starts no timer"
done

tap_done

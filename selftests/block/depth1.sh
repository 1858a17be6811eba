#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A request that somebody waits for alone is never held back, whatever the
# policy: one doorbell and one interrupt each, no timer, no later than without
# moderation. Exact, by the counters; the latency is compared within this boot.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

COUNT=$(scaled 400)

# depth1: sets MEDIAN and P99 (us) of COUNT reads one after the other, and STAT. Who
# reads is on the CPU that is interrupted: on another one it could be told of a read,
# and have the next one complete, before the interrupt for the first is over.
depth1()
{
	local json

	# The policy before may have left a timer or a prediction running.
	dd if="$DEV" of=/dev/null bs=4096 count=64 iflag=direct 2> /dev/null
	blk_stats_reset "$VIRTIO"
	json=$(blk_fio "$DEV" --rw=randread --bs=4k --iodepth=1 --size=1g \
		--number_ios="$COUNT" --cpus_allowed="$cpu" --lat_percentiles=1 --clat_percentiles=0)
	blk_stats_load "$VIRTIO"
	read -r IOS MEDIAN P99 <<< "$(jq -r '.jobs[0].read |
		"\(.total_ios) \(.lat_ns.percentile["50.000000"] / 1000 | floor) \(.lat_ns.percentile["99.000000"] / 1000 | floor)"' \
		<<< "$json")"
}

# exact NAME: the counters after depth1.
exact()
{
	tap_is "$IOS" "$COUNT" "$1: fio read $COUNT times"
	tap_is "${STAT[completions]}" "$IOS" "$1: completions"
	# None is needed where the device has not gone to sleep since the last.
	tap_is "$((STAT[doorbells] + STAT[doorbells_suppressed]))" "$IOS" \
		"$1: one doorbell per read"
	tap_is "${STAT[inflight]}" 0 "$1: nothing in flight afterwards"
}

# at_once NAME: after exact, for policies that never guess.
at_once()
{
	tap_is "${STAT[interrupts]}" "$IOS" "$1: one interrupt per read"
	tap_is "${STAT[timer_starts]}" 0 "$1: no timer"
	tap_is "${STAT[doorbells_held]}" 0 "$1: no doorbell held back"
}

# nearly_at_once NAME: a policy that predicts may try once in a while whether a
# next request comes. That may cost a hundredth of the exits, and half as many
# of the interrupts may be replaced by the timer.
nearly_at_once()
{
	tap_num "${STAT[interrupts]} <= $IOS && ${STAT[interrupts]} >= $IOS * 0.995" \
		"$1: one interrupt per read" "${STAT[interrupts]} for $IOS"
	tap_num "${STAT[interrupts]} + ${STAT[doorbells]} + ${STAT[timer_starts]} <= $IOS * 2.02" \
		"$1: at most 2.02 exits per read" \
		"${STAT[interrupts]} + ${STAT[doorbells]} + ${STAT[timer_starts]} timers"
}

for serial in pvglat pvgzero; do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	cpu=$(irq_cpu "$VIRTIO-req")

	blk_moderate "$VIRTIO" off
	depth1
	exact "$serial off"
	at_once "$serial off"
	off_median=$MEDIAN
	off_p99=$P99

	for setting in "fixed 64 100000" "fixed 4096 100000" "adaptive 64 100000"; do
		# shellcheck disable=SC2086 # three words
		blk_moderate "$VIRTIO" $setting
		depth1
		exact "$serial $setting"
		if [[ $setting == adaptive* ]]; then
			nearly_at_once "$serial $setting"
		else
			at_once "$serial $setting"
		fi
		# A read that waited for company would take 100 ms. The
		# machine's own noise stays below 5 ms in the middle and 50 ms at
		# the 99th percentile, many times more on a slow kernel; it may
		# stand still, too, which the mean would show.
		tap_num "$MEDIAN < $off_median * 1.25 + $(is_slow && echo 20000 || echo 5000)" \
			"$serial $setting: median is that of off" "$MEDIAN us, off: $off_median us"
		tap_num "$P99 < $off_p99 * 1.5 + $(is_slow && echo 60000 || echo 50000)" \
			"$serial $setting: p99 is that of off" "$P99 us, off: $off_p99 us"
	done
done

tap_done

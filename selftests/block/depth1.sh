#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A request that the submitter waits for alone is never held back, whatever the
# policy: one doorbell and one interrupt each, no timer, no later than with policy off.
# Exact, by the counters; the time is a ratio to policy off, in turn within this boot.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

COUNT=$(scaled 400)
SETTINGS=("off" "fixed 64 100000" "fixed 4096 100000" "adaptive 64 100000")
ROUNDS=15
# Of each disk, the reads of a round, and the most that a read may take against off. It
# takes 0.2 ms on pvgzero and 2.4 ms on pvglat, so one that is held for 1 ms takes six
# times as long there and 1.4 times as long here.
declare -A READS=([pvgzero]=128 [pvglat]=32)
declare -A RATIO=([pvgzero]=1.5 [pvglat]=1.25)

# depth1: COUNT reads one after the other; sets IOS and STAT. The reader is on the CPU
# that is interrupted: on another one it could be told of a read, and have the next one
# complete, before the interrupt for the first is over.
depth1()
{
	# The policy before may have left a timer running.
	dd if="$DEV" of=/dev/null bs=4096 count=64 iflag=direct 2> /dev/null
	blk_stats_reset "$VIRTIO"
	IOS=$(blk_fio "$DEV" --rw=randread --bs=4k --iodepth=1 --size=1g \
		--number_ios="$COUNT" --cpus_allowed="$cpu" | jq '.jobs[0].read.total_ios')
	blk_stats_load "$VIRTIO"
}

# exact NAME: the counters after depth1.
exact()
{
	tap_is "$IOS" "$COUNT" "$1: fio read $COUNT times"
	tap_is "${STAT[completions]}" "$IOS" "$1: the driver counts one completion per read"
	# None is needed where the device has not gone to sleep since the last. The progress
	# guard rings for a read that has taken 40 ms: on this machine one may.
	tap_is "$((STAT[doorbells] + STAT[doorbells_suppressed] - STAT[doorbells_forced]))" "$IOS" \
		"$1: one doorbell per read"
	tap_num "${STAT[doorbells_forced]} * 50 <= $IOS" \
		"$1: the guard rings for at most one of 50 reads" "${STAT[doorbells_forced]}"
	tap_is "${STAT[inflight]}" 0 "$1: nothing in flight afterwards"
}

# at_once NAME: after exact, for policies that never guess.
at_once()
{
	tap_is "${STAT[interrupts]}" "$IOS" "$1: one interrupt per read"
	tap_is "${STAT[timer_starts]}" 0 "$1: no timer is started"
	tap_is "${STAT[doorbells_held]}" 0 "$1: no doorbell is held back"
}

# nearly_at_once NAME: a policy that holds doorbells may try once in a while whether a
# next request comes. That may cost a hundredth of the exits.
nearly_at_once()
{
	tap_num "${STAT[interrupts]} <= $IOS && ${STAT[interrupts]} >= $IOS * 0.995" \
		"$1: one interrupt per read" "${STAT[interrupts]} for $IOS"
	tap_num "${STAT[interrupts]} + ${STAT[doorbells]} + ${STAT[timer_starts]} <= $IOS * 2.02" \
		"$1: at most 2.02 exits per read" \
		"${STAT[interrupts]} + ${STAT[doorbells]} + ${STAT[timer_starts]} timers"
	tap_num "${STAT[doorbells_held]} <= $IOS * 0.01 + 1" \
		"$1: at most one doorbell in a hundred is held back" \
		"${STAT[doorbells_held]} for $IOS"
}

# read_some N
read_some()
{
	taskset -c "$cpu" dd if="$DEV" of=/dev/null bs=4096 count="$1" iflag=direct 2> /dev/null
}

# mean N: prints how long one of N reads takes, one after the other, in us, as the
# disk's own statistics have it: their unit is a ms for all of them.
mean()
{
	local before after

	read_some 32
	before=$(awk '{ print $4 }' "/sys/block/$DISK/stat")
	read_some "$1"
	after=$(awk '{ print $4 }' "/sys/block/$DISK/stat")
	echo $(((after - before) * 1000 / $1))
}

# quartile NUMBER...: the one below which a quarter of them are. What else the machine
# does only makes reads slower.
quartile()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 3) / 4))p"
}

# in_turn SERIAL: ROUNDS times the mean of reads with each policy. Adds to TIMES.
in_turn()
{
	local round setting

	for ((round = 0; round < ROUNDS; round++)); do
		for setting in "${SETTINGS[@]}"; do
			# shellcheck disable=SC2086 # up to three words
			blk_moderate "$VIRTIO" $setting
			TIMES[$setting]+="$(mean "${READS[$1]}") "
		done
	done
}

# as_with_off SERIAL SETTING: prints the times of a read; fails where it takes longer
# than with off.
as_with_off()
{
	local off got

	# shellcheck disable=SC2086 # numbers
	off=$(quartile ${TIMES[off]})
	# shellcheck disable=SC2086
	got=$(quartile ${TIMES[$2]})
	echo "a read takes $got us, with off $off us"
	awk "BEGIN { exit $got > $off * ${RATIO[$1]} }"
}

all_as_with_off()
{
	local setting

	for setting in "${SETTINGS[@]:1}"; do
		as_with_off "$1" "$setting" > /dev/null || return
	done
}

# not_later SERIAL: a read takes no longer with any policy than with off. A hold is in the
# mean of each round, even if it is only for some of the reads, and goes on for however
# many rounds; what else the machine does need not.
not_later()
{
	local -A TIMES=()
	local setting times more

	for more in 1 2 3; do
		in_turn "$1"
		! all_as_with_off "$1" || break
	done
	for setting in "${SETTINGS[@]:1}"; do
		if times=$(as_with_off "$1" "$setting"); then
			tap_ok "$1 $setting: a read takes at most ${RATIO[$1]} of its time with off"
			tap_diag "$times; $((more * ROUNDS)) rounds"
		else
			tap_not_ok "$1 $setting: a read takes at most ${RATIO[$1]} of its time with off" \
				"$times; of each round ${TIMES[$setting]}; off ${TIMES[off]}"
		fi
	done
}

for serial in pvglat pvgzero; do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	cpu=$(irq_cpu "$VIRTIO-req")
	for setting in "${SETTINGS[@]}"; do
		# shellcheck disable=SC2086 # up to three words
		blk_moderate "$VIRTIO" $setting
		depth1
		exact "$serial $setting"
		if [[ $setting == adaptive* ]]; then
			nearly_at_once "$serial $setting"
		else
			at_once "$serial $setting"
		fi
	done
	not_later "$serial"
done

tap_done

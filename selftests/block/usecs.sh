#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
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

PAIRS=12
ENOUGH=3	# pairs in which this machine was not busy with something else
STAGGER=50
# What this machine may add to a pair by itself, in milliseconds, and to the ENOUGH
# fastest of them.
NOISE=$(is_slow && echo 22 || echo 15)
LITTLE=$(is_slow && echo 12 || echo 4)
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
	READERS+=($!)
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

# settled: until the readers have filled their pipes, and sleep. While they wait for
# the disk, or are about to ask it, their state is another one.
settled()
{
	local pid
	local -a stat

	for pid in "${READERS[@]}"; do
		until read -ra stat < "/proc/$pid/stat" && [ "${stat[2]}" = S ]; do
			pause 0.02
		done
	done
}

ticks()
{
	local -a field

	read -ra field < "/sys/block/$DISK/stat"
	echo "${field[3]}"
}

# pairs NAME: PAIRS of them, each on its own; sets MS, the time that A and B took
# together, IRQS and FIRES, the interrupts and timers, to what each had. ALL is for
# the diagnosis.
pairs()
{
	local i before completions=0

	MS=() IRQS=() FIRES=()
	settled
	for ((i = 0; i < PAIRS; i++)); do
		blk_stats_reset "$VIRTIO"
		before=$(ticks)
		bytes "$A" 4095
		bytes "$B" 4095
		bytes "$A" 1
		pause 0.0$STAGGER
		bytes "$B" 1
		pause 0.2
		settled
		MS+=($(($(ticks) - before)))
		blk_stats_load "$VIRTIO"
		IRQS+=("${STAT[interrupts]}")
		FIRES+=("${STAT[timer_fires]}")
		completions=$((completions + STAT[completions]))
	done
	ALL="ms ${MS[*]}; interrupts ${IRQS[*]}; timers ${FIRES[*]}"
	tap_is "$completions" $((2 * PAIRS)) "$1: the driver counts a completion for each read of $PAIRS pairs"
}

# like LEAST BELOW IRQS FIRES: prints how many of the pairs took LEAST to BELOW ms, and
# at most that many interrupts and at least that many timers. This machine may do
# something else in the others, which only makes them longer, or B come after A.
like()
{
	local i n=0

	for ((i = 0; i < PAIRS; i++)); do
		[ "${MS[i]}" -lt "$1" ] || [ "${MS[i]}" -ge "$2" ] ||
			[ "${IRQS[i]}" -gt "$3" ] || [ "${FIRES[i]}" -lt "$4" ] || n=$((n + 1))
	done
	echo $n
}

# fastest: prints how long the slowest of the ENOUGH fastest pairs took.
fastest()
{
	printf '%s\n' "${MS[@]}" | sort -n | sed -n ${ENOUGH}p
}

READERS=()
blk_need pvgslow
blk_moderation_keep "$VIRTIO"
reader A
reader B

blk_moderate "$VIRTIO" off
pairs off
base=$(fastest)
tap_num "$(like 160 $((160 + NOISE)) 2 0) >= $ENOUGH" "off: A and B take 80 ms each" "$ALL"
tap_num "$(like 160 $((160 + NOISE)) 2 0) - $(like 160 $((160 + NOISE)) 1 0) >= $ENOUGH" \
	"off: A and B have an interrupt each" "$ALL"

blk_moderate "$VIRTIO" fixed 32 100000
pairs usecs=100000
with_b=$((base + STAGGER))
tap_num "$(like $((with_b - NOISE)) 100000 9 0) >= $ENOUGH" \
	"usecs=100000: A is delivered with B" "$ALL; off $base ms"
tap_num "$(like $((with_b - NOISE)) $((with_b + NOISE)) 9 0) >= $ENOUGH" \
	"usecs=100000: A waits for B, and B does not wait" "$ALL; off $base ms"
tap_num "$(like $((with_b - NOISE)) $((with_b + NOISE)) 1 0) >= $ENOUGH" \
	"usecs=100000: A and B have one interrupt" "$ALL"

for usecs in 1 500 10000; do
	blk_moderate "$VIRTIO" fixed 32 $usecs
	pairs usecs=$usecs
	tap_num "$(like 160 $((base + usecs / 1000 + NOISE)) 9 0) >= $ENOUGH" \
		"usecs=$usecs: A does not wait for B" "$ALL; off $base ms"
	tap_num "$(fastest) <= $base + $usecs / 1000 + $LITTLE" \
		"usecs=$usecs: A waits at most $usecs us" "$(fastest) ms, off $base ms; $ALL"
	tap_num "$(like 160 $((base + usecs / 1000 + NOISE)) 9 1) >= $ENOUGH" \
		"usecs=$usecs: the timer delivers A" "$ALL"
done

# Many in flight on a disk that finishes one each 3.1 ms: frames would be reached
# after 50 ms, usecs is 10 ms. After the disk's first burst of 32, completions
# must be fetched three or four at a time; half as many and twice as many are allowed.
blk_need pvgiops
blk_moderation_keep "$VIRTIO"
blk_moderate "$VIRTIO" fixed 16 10000
blk_stats_reset "$VIRTIO"
blk_fio "$DEV" --rw=randread --bs=4k --size=1g --iodepth=16 --number_ios=320 \
	--iodepth_batch_submit=16 --iodepth_batch_complete_min=16 --iodepth_low=1 > /dev/null
blk_stats_load "$VIRTIO"
tap_num "${STAT[timer_fires]} + ${STAT[interrupts]} >= (320 - 32) / 3.2 / 2" \
	"usecs=10000: at most 6.4 completions are fetched at a time" \
	"${STAT[timer_fires]} timers, ${STAT[interrupts]} interrupts for 320"
tap_num "${STAT[timer_fires]} + ${STAT[interrupts]} <= 32 + (320 - 32) / 3.2 * 2" \
	"usecs=10000: at least 1.6 completions are fetched at a time" \
	"${STAT[timer_fires]} timers, ${STAT[interrupts]} interrupts for 320"

tap_done

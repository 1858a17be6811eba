#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The target changes at random, many times a second, while the guest allocates,
# frees and checks its memory. No page may be the balloon's and another user's
# at once: that would show as wrong content.
#
# PRESSURE_STEPS targets for each kind of balloon (200), and more for at most
# PRESSURE_SECONDS (120) until much memory has moved.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

STEPS=${PRESSURE_STEPS:-$(scaled 200 5)}
LIMIT=${PRESSURE_SECONDS:-120}
STOP=/run/stop-pressure
test_seed

# Copies of files, compared: whatever loses or changes a page is found.
checker()
{
	local n=0

	while [ ! -e "$STOP" ]; do
		cp "/mnt/a" "/mnt/b.$1" && cmp /mnt/a "/mnt/b.$1" || return 1
		n=$((n + 1))
		echo $n > "/run/checked.$1"
	done
}

# Memory that is taken and given back in pieces of all sizes.
churn()
{
	RANDOM=$((SEED + 1))
	while [ ! -e "$STOP" ]; do
		head -c $((RANDOM * 4096)) /dev/zero | tail -c $((RANDOM * 1024)) > /dev/null
	done
}

# pause SECONDS: without a process of its own.
pause()
{
	read -rt "$1" -u 9
}

# much: as much as the guest has went into this balloon, and half of it out.
much()
{
	local in out

	in=$(balloon_stat inflated)
	out=$(balloon_stat deflated)
	echo "$in pages went in, $out out"
	[ $((in * PAGE)) -gt "$RAM" ] && [ $((out * PAGE)) -gt $((RAM / 2)) ]
}

# pressed NAME: at least so many targets against memory pressure, and more until
# much has moved, or for so many seconds.
pressed()
{
	local i size pids=() pid status=0 kills deadline=$((SECONDS + LIMIT))

	kills=$(awk '/^oom_kill / { print $2 }' /proc/vmstat)
	rm -f "$STOP"
	checker 1 &
	pids+=($!)
	checker 2 &
	pids+=($!)
	churn &
	pids+=($!)
	for ((i = 0; i < STEPS || SECONDS < deadline; i++)); do
		[ "$i" -lt "$STEPS" ] || [ $((i % 20)) -ne 0 ] || ! much > /dev/null || break
		size=$(((RANDOM * 32768 + RANDOM) % (RAM * 3 / 4 / PAGE) * PAGE))
		[ $((i % 10)) -ne 0 ] || size=$(((i % 20) * RAM / 12 / PAGE * PAGE))
		balloon_set "$size"
		pause 0.0$((RANDOM % 6))1
		[ $((i % 50)) -ne 0 ] || echo 1 > /proc/sys/vm/compact_memory
		# It answers in order: a busy host must not fall behind.
		[ $((i % 20)) -ne 19 ] || host_actual > /dev/null
	done
	touch "$STOP"
	for pid in "${pids[@]}"; do
		wait "$pid" || status=$?
	done
	tap_is "$status" 0 "$1: memory keeps its content through $i targets"
	tap_num "$(< /run/checked.1) + $(< /run/checked.2) >= 4" \
		"$1: the content of memory was compared at least 4 times" "$(cat /run/checked.*)"
	tap_is "$(awk '/^oom_kill / { print $2 }' /proc/vmstat)" "$kills" "$1: no process was killed for memory"
	tap_check "$1: as much as the guest's memory went in, and half of it out" much
	size=$((RAM / 4 / PAGE * PAGE))
	tap_check "$1: the balloon reaches the last target" balloon_to "$size" 60
	tap_is "$(host_actual)" "$size" "$1: query-balloon has the last target"
	tap_check "$1: the balloon shrinks to nothing" balloon_to 0
	tap_free $((free - SLACK - 16 * MIB)) "$1: all memory is free again"
}

balloon_need
mkfifo /run/pause
exec 9<> /run/pause
mount -t tmpfs -o size=100% none /mnt
seeded $((RAM / 24)) /mnt/a
cp /mnt/a /mnt/b.1
cp /mnt/a /mnt/b.2

balloon_new "a balloon by ranges" '"free-page-reporting": true, "deflate-on-oom": true'
free=$(free_memory)
pressed ranges
balloon_new "a balloon by page numbers"
# This one does not come to the rescue: leave what is needed at the most.
echo $((192 * MIB)) > "$BALLOON/floor"
pressed arrays
umount /mnt
rm /run/pause

tap_done

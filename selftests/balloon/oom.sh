#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A full balloon, and the guest needs its memory: it gets it back before
# anything is killed, as fast as it is needed, and the balloon does not fight
# for it.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

kills()
{
	awk '/^oom_kill / { print $2 }' /proc/vmstat
}

# full_balloon NAME: what this asserts holds for every kind of balloon.
full_balloon()
{
	local kills actual inflated need size

	kills=$(kills)
	size=$(whole $((RAM / 2)))
	echo $((32 * MIB)) > "$BALLOON/floor"
	balloon_set "$size"
	wait_for 60 eval '[ "$(balloon_actual)" -ge $((size * 9 / 10)) ]'
	actual=$(balloon_actual)
	tap_num "$actual >= 0.8 * $size" "$1: the balloon is full" "$actual of $size"

	# Shared memory that nobody can reclaim, twice what is available.
	need=$(($(meminfo MemAvailable) + RAM / 3))
	mount -t tmpfs -o size=100% none /mnt
	inflated=$(balloon_stat inflated)
	tap_check "$1: $((need / MIB)) MiB are to be had" use_memory "$need" /mnt/need
	tap_is "$(stat -c %s /mnt/need)" "$need" "$1: all of them"
	tap_is "$(kills)" "$kills" "$1: nothing was killed"
	tap_num "$(balloon_stat oom_pages) * $PAGE >= $RAM / 5" "$1: they came from the balloon" \
		"$(balloon_stat oom_calls) calls, $(balloon_stat oom_pages) pages"
	tap_num "$(balloon_stat oom_calls) <= $need / $MIB" "$1: in large pieces"
	tap_num "$(balloon_stat inflated) - $inflated <= $RAM / 16 / $PAGE" "$1: it does not grow meanwhile" \
		"$(balloon_stat inflated), before it was $inflated"
	tap_check "$1: the host knows" wait_for 20 host_knows
	actual=$(balloon_actual)
	rm /mnt/need
	umount /mnt
	tap_check "$1: when there is room again it grows" wait_for 90 eval \
		'[ "$(balloon_actual)" -gt $((actual + RAM / 8)) ]'
	tap_check "$1: shrinks to nothing" balloon_to 0
}

balloon_need
swapoff -a 2> /dev/null
balloon_new "a balloon by ranges" '"free-page-reporting": true, "deflate-on-oom": true'
full_balloon ranges
balloon_new "a balloon by page numbers" '"deflate-on-oom": true'
full_balloon arrays

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A full balloon, and the guest needs its memory: the guest gets it back before
# anything is killed, as fast as it is needed, and the balloon does not take it
# again meanwhile.

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
	local kills actual inflated need size calls pages

	kills=$(kills)
	size=$(whole $((RAM / 2)))
	echo $((32 * MIB)) > "$BALLOON/floor"
	balloon_set "$size"
	wait_for 60 eval '[ "$(balloon_actual)" -ge $((size * 9 / 10)) ]'
	actual=$(balloon_actual)
	tap_num "$actual >= 0.9 * $size" "$1: the balloon grows to 90 % of half of the memory" \
		"$actual of $size"

	# Shared memory that cannot be reclaimed, twice what is available.
	need=$(($(meminfo MemAvailable) + RAM / 3))
	mount -t tmpfs -o size=100% none /mnt
	inflated=$(balloon_stat inflated)
	tap_check "$1: the guest can allocate $((need / MIB)) MiB, more than is available" \
		use_memory "$need" /mnt/need
	tap_is "$(stat -c %s /mnt/need)" "$need" "$1: the guest allocated all that it asked for"
	tap_is "$(kills)" "$kills" "$1: no process was killed for memory"
	calls=$(balloon_stat oom_calls) pages=$(balloon_stat oom_pages)
	tap_num "$pages * $PAGE >= $RAM / 5" "$1: at least 1/5 of the guest's memory came from the balloon" \
		"$calls calls, $pages pages"
	tap_diag "$1: $calls calls for $pages pages"
	tap_num "$calls * $MIB <= $pages * $PAGE" "$1: the balloon gives at least 1 MiB at a call on average" \
		"$calls calls, $pages pages"
	tap_num "$(balloon_stat inflated) - $inflated <= $RAM / 16 / $PAGE" \
		"$1: the balloon takes at most 1/16 of the memory while the guest allocates" \
		"$(($(balloon_stat inflated) - inflated)) pages of $((RAM / PAGE))"
	tap_check "$1: query-balloon has the size that is left" wait_for 20 host_knows
	actual=$(balloon_actual)
	rm /mnt/need
	umount /mnt
	tap_check "$1: the balloon grows by 1/8 of the memory when that is free again" wait_for 90 eval \
		'[ "$(balloon_actual)" -gt $((actual + RAM / 8)) ]'
	tap_check "$1: the balloon shrinks to nothing" balloon_to 0
}

balloon_need
swapoff -a 2> /dev/null
balloon_new "a balloon by ranges" '"free-page-reporting": true, "deflate-on-oom": true'
full_balloon ranges
balloon_new "a balloon by page numbers" '"deflate-on-oom": true'
full_balloon arrays

tap_done

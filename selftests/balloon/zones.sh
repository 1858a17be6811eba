#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest whose memory is largely in the movable zone, as memory that was plugged later
# may be. The kernel's own allocations cannot use that zone, so the balloon takes it
# first; what it takes there must not keep a memory block from going offline.
#
#   selftests/vm --mem 2G --append movablecore=1500M balloon/zones.sh

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

BLOCKS=/sys/devices/system/memory

grep -q 'movablecore=' /proc/cmdline ||
	tap_skip_all "this kernel has no movable zone: add --mem 2G --append movablecore=1500M"

# free_in MOVABLE: bytes that are free in the movable zone (1), or in all others (0).
free_in()
{
	awk -v movable="$1" -v page="$PAGE" '
		/^Node/ { wanted = ($4 == "Movable") == movable }
		wanted && ($1 == "nr_free_pages" || $1 == "count:") { sum += $2 }
		END { printf "%.0f\n", sum * page }' /proc/zoneinfo
}

kills()
{
	awk '/^oom_kill / { print $2 }' /proc/vmstat
}

# ballooned_in BLOCK: pages of this memory block that are in a balloon (KPF_OFFLINE).
ballooned_in()
{
	local pages

	pages=$((0x$(< $BLOCKS/block_size_bytes) / PAGE))
	dd if=/proc/kpageflags bs=$((8 * pages)) skip=$((0x$(< "$BLOCKS/$1/phys_index"))) count=1 2> /dev/null |
		od -An -v -tu8 -w8 | awk 'int($1 / 8388608) % 2 { n++ } END { print n + 0 }'
}

# find_block: sets BLOCK to the first of the movable zone that is at least half in a
# balloon, and PAGES to how many pages of it are.
find_block()
{
	local dir

	for dir in "$BLOCKS"/memory*; do
		BLOCK=${dir##*/}
		[[ $(< "$dir/state") = online && $(< "$dir/valid_zones") = *Movable* ]] || continue
		PAGES=$(ballooned_in "$BLOCK")
		[ "${PAGES:-0}" -lt $((0x$(< $BLOCKS/block_size_bytes) / PAGE / 2)) ] || return 0
	done
	BLOCK=
	return 1
}

# crowd N: so many processes, which are killed before the test if memory is short.
crowd()
{
	local i

	for ((i = 0; i < $1; i++)); do
		{
			echo 1000 > "/proc/$BASHPID/oom_score_adj"
			exec sleep 1000
		} &
		PIDS+=($!)
	done
}

alive()
{
	local pid n=0

	for pid in "${PIDS[@]}"; do
		[ ! -e "/proc/$pid/exe" ] || n=$((n + 1))
	done
	echo $n
}

# offlined NAME: a block that is in the balloon goes offline, and the balloon keeps its size.
offlined()
{
	local actual migrated

	actual=$(balloon_actual)
	migrated=$(balloon_stat migrated)
	find_block
	tap_is $? 0 "$1: a block of the movable zone is at least half in the balloon"
	[ -n "$BLOCK" ] || return
	tap_check "$1: a memory block with pages of the balloon goes offline" \
		timeout 200 bash -c "echo offline > $BLOCKS/$BLOCK/state"
	tap_is "$(< "$BLOCKS/$BLOCK/state")" offline "$1: the memory block is offline"
	tap_num "$(balloon_stat migrated) - $migrated >= $PAGES" \
		"$1: all pages of the balloon in the memory block were migrated" \
		"$(($(balloon_stat migrated) - migrated)) of $PAGES"
	tap_check "$1: the balloon has its size after a memory block went offline" wait_for 20 balloon_is "$actual"
	tap_is "$(host_actual)" "$actual" "$1: query-balloon has the size after a memory block went offline"
	tap_check "$1: the memory block goes online" eval "echo online_movable > $BLOCKS/$BLOCK/state"
}

# used NAME: with 1200 MiB in the balloon the kernel still has memory for itself.
used()
{
	local total kernel kills mark size=$((1200 * MIB))

	total=$(meminfo MemTotal)
	kernel=$(free_in 0)
	kills=$(kills)
	mark=$(kmsg_mark)
	tap_check "$1: the balloon grows to $((size / MIB)) MiB" balloon_to "$size" 200
	tap_is "$(host_actual)" "$size" "$1: query-balloon has the size of the balloon"
	tap_num "$(free_in 0) >= $kernel - 100 * $MIB" \
		"$1: the balloon leaves the kernel its zones while the movable zone has free pages" \
		"$(($(free_in 0) / MIB)) of $((kernel / MIB)) MiB; $(($(free_in 1) / MIB)) MiB free in the movable zone"
	PIDS=()
	crowd 500
	wait_for 30 eval '[ "$(alive)" = 500 ]'
	tap_is "$(alive)" 500 "$1: 500 processes run"
	mount -t tmpfs none /mnt
	(cd /mnt && seq 20000 | xargs mkdir)
	tap_is "$(stat -c %h /mnt)" 20002 "$1: 20000 directories are made"
	umount /mnt
	tap_is "$(kills)" "$kills" "$1: no process was killed for memory"
	tap_fails "$1: no allocation of the kernel failed" \
		grep "page allocation failure\|Out of memory" <<< "$(kmsg_since "$mark")"
	kill "${PIDS[@]}"
	wait "${PIDS[@]}" 2> /dev/null
	offlined "$1"
	tap_check "$1: the balloon shrinks to nothing" balloon_to 0
	wait_for 5 total_is "$total"
	tap_is "$(meminfo MemTotal)" "$total" "$1: MemTotal is as before when the balloon is empty"
}

balloon_need
echo -900 > /proc/self/oom_score_adj
balloon_new "a balloon by ranges" '"free-page-reporting": true'
used ranges
balloon_new "a balloon by page numbers"
used arrays

tap_done

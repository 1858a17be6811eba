#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A balloon whose device has no reporting queue: everything goes as arrays of
# page numbers. With fragmented memory these are single pages, which compaction
# must be able to migrate.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

balloon_need
balloon_new "a balloon without reporting"
tap_is "$(balloon_stat mode)" arrays "without reporting the driver tells page numbers"

size=$(whole $((RAM / 3)))
total=$(meminfo MemTotal)
host_gets "$size"
tap_is "$(host_actual)" "$size" "query-balloon has the size of the balloon"
tap_num "$(balloon_stat inflate_requests) * 1024 * $MIB <= 16 * 2 * $size" \
	"the balloon grows in at most 16 requests per GiB" \
	"$(balloon_stat inflate_requests) for twice $((size / MIB)) MiB"
tap_is "$(meminfo MemTotal)" $((total - size)) "MemTotal has fallen by the size of the balloon"
tap_check "the balloon shrinks to nothing" balloon_to 0
tap_num "$(balloon_stat deflate_requests) * 1024 * $MIB <= 16 * 2 * $size" \
	"the balloon shrinks in at most 16 requests per GiB" \
	"$(balloon_stat deflate_requests) for twice $((size / MIB)) MiB"
tap_is "$(meminfo MemTotal)" "$total" "MemTotal is as before when the balloon is empty"

# Fragments: two files that grow page by page in turn, one of which goes.
# Compaction must not move what is left.
chunk=$((320 * MIB))
read -r unevictable < /proc/sys/vm/compact_unevictable_allowed
echo 0 > /proc/sys/vm/compact_unevictable_allowed
read -r boost < /proc/sys/vm/watermark_boost_factor
# Pages of ramfs are not movable, and newer kernels let compaction move nothing to
# where these were; those of a tmpfs that is not swapped are. What these kernels
# raise their watermarks by the balloon would leave to the guest.
if mount -t tmpfs -o noswap,size=100% none /mnt 2> /dev/null; then
	echo 0 > /proc/sys/vm/watermark_boost_factor
else
	mount -t ramfs none /mnt
fi
awk -v pages=$((chunk / PAGE)) -v page="$PAGE" '
	BEGIN {
		for (data = "x"; length(data) < page; data = data data)
			;
		while (pages--) {
			printf "%s", data > "/mnt/keep"
			printf "%s", data > "/mnt/drop"
		}
	}'
rm /mnt/drop
echo $((64 * MIB)) > "$BALLOON/floor"
# Ranges come first; then all that can be taken.
balloon_set "$(whole $((RAM - MIB)))"
tap_check "in fragmented memory the balloon grows until it backs off" wait_for 60 eval \
	'[ "$(balloon_stat backoff_ms)" -ge 400 ]'
more=$(balloon_actual)
balloon_to "$more"
singles=$(balloon_stat single_pages)
tap_num "$singles * $PAGE >= $chunk / 8" \
	"in fragmented memory the balloon takes at least $((chunk / 8 / MIB)) MiB of single pages" \
	"$singles of $((more / PAGE)) pages"
rm /mnt/keep
# One pass may find nothing to move.
compacted()
{
	echo 1 > /proc/sys/vm/compact_memory
	[ "$(balloon_stat migrated)" -gt 0 ]
}
tap_check "compaction migrates pages of the balloon" wait_for 60 compacted
# It may still be at it.
wait_for 5 total_is $((total - more))
tap_is "$(balloon_actual)" "$more" "the balloon has its size after compaction"
tap_is "$(meminfo MemTotal)" $((total - more)) \
	"after compaction MemTotal has fallen by the size of the balloon"
tap_check "the fragmented balloon shrinks to nothing" balloon_to 0
tap_is "$(meminfo MemTotal)" "$total" "MemTotal is as before when the fragmented balloon is empty"
umount /mnt
echo "$unevictable" > /proc/sys/vm/compact_unevictable_allowed
echo "$boost" > /proc/sys/vm/watermark_boost_factor

# For devices that take only short requests; ranges do not fit into them.
if [ "$BALLOON_DRIVER" = pvg_balloon ]; then
	rmmod pvg_balloon
	tap_check "modprobe takes array_pages=256" modprobe pvg_balloon array_pages=256
	tap_check "array_pages=256: the balloon is bound" wait_for 10 balloon_bound
	tap_check "array_pages=256: the balloon grows to 64 MiB" balloon_to $((64 * MIB))
	requests=$((64 * MIB / PAGE / 256))
	tap_num "$(balloon_stat inflate_requests) >= $requests && $(balloon_stat inflate_requests) <= 2 * $requests" \
		"array_pages=256: 64 MiB take $requests to $((2 * requests)) requests" \
		"$(balloon_stat inflate_requests)"
	tap_is "$(balloon_stat single_pages)" $((64 * MIB / PAGE)) \
		"array_pages=256: the balloon has single pages only"
	tap_is "$(host_actual)" $((64 * MIB)) "array_pages=256: query-balloon has the size of the balloon"
	tap_check "array_pages=256: the balloon shrinks to nothing" balloon_to 0
	rmmod pvg_balloon
	modprobe pvg_balloon
fi

tap_done

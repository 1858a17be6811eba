#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A balloon whose device has no reporting queue: everything goes as arrays of
# page numbers. With fragmented memory these are single pages, which compaction
# must be able to migrate.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

balloon_need
balloon_new "a balloon without reporting"
tap_is "$(balloon_stat mode)" arrays "page numbers are told"

size=$(whole $((RAM / 3)))
total=$(meminfo MemTotal)
host_gets "$size"
tap_is "$(host_actual)" "$size" "query-balloon says so"
tap_num "$(balloon_stat inflate_requests) * 1024 * $MIB <= 16 * 2 * $size" \
	"at most 16 requests per GiB" "$(balloon_stat inflate_requests) for twice $((size / MIB)) MiB"
tap_is "$(meminfo MemTotal)" $((total - size)) "it does not count as memory"
tap_check "shrinks to nothing" balloon_to 0
tap_num "$(balloon_stat deflate_requests) * 1024 * $MIB <= 16 * 2 * $size" \
	"at most 16 requests per GiB" "$(balloon_stat deflate_requests) for twice $((size / MIB)) MiB"
tap_is "$(meminfo MemTotal)" "$total" "all of it is memory again"

# Fragments: two files that grow page by page in turn, one of which goes.
# Compaction must not move what is left.
chunk=$((RAM / 12))
chunk=$((chunk - chunk % MIB))
read -r unevictable < /proc/sys/vm/compact_unevictable_allowed
echo 0 > /proc/sys/vm/compact_unevictable_allowed
mount -t ramfs none /mnt
awk -v pages=$((chunk / PAGE)) -v page="$PAGE" '
	BEGIN {
		for (data = "x"; length(data) < page; data = data data)
			;
		while (pages--) {
			printf "%s", data > "/mnt/keep"
			printf "%s", data > "/mnt/drop"
		}
	}'
echo $((16 * MIB)) > "$BALLOON/floor"
ranges=$(whole $(($(meminfo MemAvailable) - 96 * MIB)))
tap_check "grows while there are ranges" balloon_to "$ranges"
singles=$(balloon_stat single_pages)
rm /mnt/drop
more=$((ranges + chunk / 2 + 72 * MIB))
tap_check "grows by fragments" balloon_to "$more" 60
singles=$(($(balloon_stat single_pages) - singles))
tap_num "$singles * $PAGE >= $chunk / 3" "which are single pages" \
	"$singles of $((more / PAGE))"
rm /mnt/keep
migrated=$(balloon_stat migrated)
echo 1 > /proc/sys/vm/compact_memory
tap_num "$(balloon_stat migrated) > $migrated" "compaction migrates them" \
	"$(balloon_stat migrated) now, $(balloon_stat migrate_failed) failed"
tap_is "$(balloon_actual)" "$more" "none is lost on the way"
tap_is "$(meminfo MemTotal)" $((total - more)) "and none counted twice"
tap_check "shrinks to nothing" balloon_to 0
tap_is "$(meminfo MemTotal)" "$total" "all of it is memory again"
umount /mnt
echo "$unevictable" > /proc/sys/vm/compact_unevictable_allowed

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The VM moves to another QEMU while the balloon grows and while it shrinks. On
# the way free pages are hinted, so that they need not be sent; what the guest
# has in its memory must arrive, and the balloon go on.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

hinted_since()
{
	[ "$(balloon_stat hinted)" -gt "$1" ]
}

# move NAME TARGET: to another machine, in the middle of getting there.
move()
{
	local hinted

	hinted=$(balloon_stat hinted)
	balloon_set "$2"
	echo "@migrate"
	tap_check "$1: the driver hints free pages" wait_for 90 hinted_since "$hinted"
	# It answers from where the VM then is; before that there is no answer.
	tap_check "$1: the other QEMU answers" wait_for 90 ask rss
	tap_check "$1: the balloon reaches its target after the move" wait_for 60 balloon_is "$2"
	tap_is "$(host_actual)" "$2" "$1: query-balloon of the other QEMU has the target"
	tap_check "$1: no hinted page is kept after the move" wait_for 20 eval \
		'[ "$(balloon_stat hinted_pages)" = 0 ]'
	tap_is "$(md5sum < /mnt/kept)" "$sum" "$1: memory keeps its content through the move"
	tap_is "$(balloon_stat recoveries)" 0 "$1: the driver does not reset the device for the move"
}

# The devices that the VM was started with, because these move with it.
balloon_need
free=$(free_memory)
mount -t tmpfs -o size=100% none /mnt
seeded $((RAM / 8)) /mnt/kept
sum=$(md5sum < /mnt/kept)
size=$(whole $((RAM * 3 / 8)))
move "move while the balloon grows" "$size"
# How much the balloon had taken when the pages were sent differs, so this is not asked of it
# but of what it takes now, from memory that the other host has supplied.
more=$(whole $((RAM / 16)))
tap_check "memory is in use after the move" use_memory "$more" /mnt/used
rss=$(host_rss)
rm /mnt/used
tap_check "the balloon grows further after the move" balloon_to $((size + more))
left=$(host_rss)
tap_num "$rss - $left >= 0.75 * $more" \
	"after the move the host gets at least 75 % of what the balloon takes" \
	"it supplied $((rss / MIB)) MiB, now $((left / MIB)), for $((more / MIB)) in the balloon"
move "move while the balloon shrinks" $((64 * MIB))
rm /mnt/kept
umount /mnt
tap_check "the balloon shrinks to nothing after two moves" balloon_to 0
tap_free $((free - SLACK)) "after two moves all memory is free again"

tap_done

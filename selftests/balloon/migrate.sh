#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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
	tap_check "$1: free pages are hinted" wait_for 90 hinted_since "$hinted"
	# It answers from where the VM then is; before that nobody does.
	tap_check "$1: the other QEMU answers" wait_for 90 ask rss
	tap_check "$1: gets to its target" wait_for 60 balloon_is "$2"
	tap_is "$(host_actual)" "$2" "$1: and the host knows"
	tap_check "$1: in the end no hinted page is kept" wait_for 20 eval \
		'[ "$(balloon_stat hinted_pages)" = 0 ]'
	tap_is "$(md5sum < /mnt/kept)" "$sum" "$1: memory has kept its content"
	tap_is "$(balloon_stat recoveries)" 0 "$1: without a reset"
}

# The devices that the VM was started with, because these move with it.
balloon_need
free=$(free_memory)
mount -t tmpfs -o size=100% none /mnt
head -c $((RAM / 8)) /dev/urandom > /mnt/kept
sum=$(md5sum < /mnt/kept)
size=$(whole $((RAM / 2)))
move grows "$size"
rss=$(host_rss)
tap_num "$rss < $RAM * 3 / 4" "the new host need not have what is in the balloon" \
	"$((rss / MIB)) MiB"
move shrinks $((64 * MIB))
rm /mnt/kept
umount /mnt
tap_check "shrinks to nothing" balloon_to 0
tap_free $((free - SLACK)) "all memory is back"

tap_done

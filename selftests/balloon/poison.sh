#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest that counts on what free pages contain: it fills them with a pattern
# (page_poison=1) and looks for it when they are used again, or with zeroes
# (init_on_free=1). What the host discards comes back as zeroes, so it must know.
#
#   selftests/vm --append page_poison=1 balloon/poison.sh

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

if grep -qw page_poison=1 /proc/cmdline; then
	mode=arrays
elif grep -qw init_on_free=1 /proc/cmdline; then
	mode=ranges
else
	tap_skip_all "this kernel does not count on what free pages contain: add --append page_poison=1"
fi

# intact NAME: the kernel found what it left in all pages.
intact()
{
	tap_fails "$1: the kernel finds no free page whose content has changed" \
		grep -q 'pagealloc: .*\(corruption\|bit error\)' <<< "$(kmsg_since "$mark")"
}

reported()
{
	[ "$(balloon_stat reported)" -gt 0 ]
}

balloon_need
mark=$(kmsg_mark)
size=$(whole $((RAM / 3)))

balloon_new "a device that can be told" '"free-page-reporting": true, "page-poison": true'
tap_is "$(balloon_stat mode)" $mode "page-poison on: the driver uses $mode"
host_gets "$size"
tap_is "$(host_actual)" "$size" "page-poison on: query-balloon has the size of the balloon"
tap_check "page-poison on: the balloon shrinks to nothing" balloon_to 0
touch_memory
tap_check "page-poison on: the driver reports free pages" wait_for 40 reported
touch_memory
intact "page-poison on"

balloon_new "a device that cannot be told" '"free-page-reporting": true, "page-poison": false' reporting
tap_is "$(balloon_stat mode)" arrays "page-poison off: the driver uses arrays"
tap_check "page-poison off: the balloon grows" balloon_to "$size"
tap_check "page-poison off: the balloon shrinks to nothing" balloon_to 0
touch_memory
sleep 4	# the kernel reports what is free for 2 s
touch_memory
tap_is "$(balloon_stat reported)" 0 "page-poison off: the driver reports no free page"
intact "page-poison off"

tap_done

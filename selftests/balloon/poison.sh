#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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
	tap_skip_all "free pages contain nothing here: add --append page_poison=1"
fi

# intact NAME: the kernel found what it left in all pages.
intact()
{
	tap_fails "$1: free pages have kept their content" \
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
tap_is "$(balloon_stat mode)" $mode "it gets $mode"
host_gets "$size"
tap_is "$(host_actual)" "$size" "query-balloon says so"
tap_check "shrinks to nothing" balloon_to 0
touch_memory
tap_check "free pages are reported" wait_for 40 reported
touch_memory
intact "it knows"

balloon_new "one that cannot be told" '"free-page-reporting": true, "page-poison": false'
tap_is "$(balloon_stat mode)" arrays "it gets arrays"
tap_check "grows" balloon_to "$size"
tap_check "shrinks to nothing" balloon_to 0
touch_memory
sleep 4	# the kernel reports what is free for 2 s
touch_memory
tap_is "$(balloon_stat reported)" 0 "no free page is reported to it"
intact "it does not know"

tap_done

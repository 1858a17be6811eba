#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Whole ranges and the kernel's accounts of memory: what the driver frees is what it has
# allocated. And a page that has left the balloon and enters it again may be locked by
# compaction, because it says that it is movable until it is freed; kernels before 7.0
# take a locked page that a driver adds to its balloon for a bug. On pvg_fakehost, which
# locks such a page.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

TRACING=/sys/kernel/tracing/instances/pvg-balloon

fake_need
modprobe "$BALLOON_DRIVER"
PAGE=$(getconf PAGESIZE 2> /dev/null || echo 4096)

# fake_to BYTES: and wait until it is so.
fake_to()
{
	fake_target "$1"
	wait_for 60 balloon_is "$1"
}

# in_ranges: pages that are in ranges of 2 MiB and more.
in_ranges()
{
	local order n pages=0

	while read -r order n; do
		[ "$order" -lt 9 ] || pages=$((pages + (n << order)))
	done < "$BALLOON/ranges"
	echo $pages
}

# mismatched: pages that the trace has as allocated, and then freed, in another order.
mismatched()
{
	awk '{
			pfn = order = ""
			for (i = 1; i <= NF; i++)
				if ($i ~ /^pfn=/)
					pfn = $i
				else if ($i ~ /^order=/)
					order = $i
		}
		/ mm_page_alloc: / { allocated[pfn] = order }
		/ mm_page_free: / {
			if (pfn in allocated && allocated[pfn] != order)
				print pfn, allocated[pfn], "freed as", order
			delete allocated[pfn]
		}' "$TRACING/trace"
}

# traced NAME: how many such events there are.
traced()
{
	grep -c " $1: " "$TRACING/trace"
}

# A whole range needs a request that has room for it.
rmmod "$BALLOON_DRIVER"
modprobe "$BALLOON_DRIVER" array_pages=32768
fake_balloon "whole ranges: the device" must_tell=0
mkdir "$TRACING"
tap_at_exit rmdir "$TRACING"
for event in mm_page_alloc mm_page_free; do
	echo "order >= 5" > "$TRACING/events/kmem/$event/filter"
	echo 1 > "$TRACING/events/kmem/$event/enable"
done
size=$((64 * MIB))
tap_check "whole ranges: the balloon grows to 64 MiB" fake_to "$size"
tap_num "$(in_ranges) * $PAGE >= $size / 2" \
	"whole ranges: at least half of the balloon is in ranges of 2 MiB and more" \
	"$(xargs < "$BALLOON/ranges")"
tap_check "whole ranges: the balloon shrinks to an odd number of pages" fake_to $((size / 2 - 3 * PAGE))
tap_check "whole ranges: the balloon shrinks to nothing" fake_to 0
echo 0 > "$TRACING/tracing_on"
tap_num "$(traced mm_page_free) >= 4" "whole ranges: pages are freed in orders of 5 and more" \
	"$(traced mm_page_alloc) allocated, $(traced mm_page_free) freed"
tap_is "$(mismatched | head -n 4)" "" "whole ranges: what is freed is what was allocated"
rmmod pvg_fakehost
rmmod "$BALLOON_DRIVER"
modprobe "$BALLOON_DRIVER"

# After a suspend the device is told again of pages, which leave the balloon for that.
fake_balloon "locked page: the device" must_tell=0
size=$((8 * MIB))
tap_check "locked page: the balloon grows to 8 MiB" fake_to "$size"
echo freeze > "$FAKE/power"
echo "look 500" > "$FAKE/inject"
echo restore > "$FAKE/power"
tap_check "locked page: the balloon has its size again" wait_for 20 balloon_is "$size"
tap_is "$(fake_state looks)" 1 "locked page: one page was locked when it entered the balloon again"
tap_check "locked page: the balloon shrinks to nothing" fake_to 0

# One that compaction has just then cannot leave the balloon, and must be told later.
fake_balloon "page locked during resume: the device" must_tell=1
tap_check "page locked during resume: the balloon grows to 8 MiB" fake_to "$size"
echo "lock 3000" > "$FAKE/inject" &
tap_check "page locked during resume: a page is locked" wait_for 5 eval '[ "$(fake_state looks)" = 1 ]'
echo freeze > "$FAKE/power"
echo restore > "$FAKE/power"
tap_check "page locked during resume: the balloon has its size again" wait_for 20 balloon_is "$size"
wait
tap_is "$(fake_state held)" $((size / PAGE)) "page locked during resume: the device is told of all pages"
tap_check "page locked during resume: the balloon shrinks to nothing" fake_to 0
tap_is "$(($(fake_state vq0_drops) + $(fake_state vq1_drops)))" 0 \
	"page locked during resume: the device is told of no page twice"

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a manager of VMs does all day: sets a target, asks for the size, polls
# the statistics. Ranges go through the reporting queue; the host must get its
# memory back, in few requests, and be told the truth.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

balloon_need
balloon_new "a balloon by ranges" '"free-page-reporting": true, "deflate-on-oom": true'
tap_check "the balloon is empty at first" balloon_to 0
tap_is "$(balloon_stat mode)" ranges "ranges are reported"

size=$(whole $((RAM / 2)))
total=$(meminfo MemTotal)
free=$(free_memory)
host_gets "$size"
tap_is "$(host_actual)" "$size" "query-balloon says so"
tap_is "$(cat "$BALLOON/target")" "$size" "the target is shown"
balloon_to 0
# What is reported without the balloon would count, too, and not be free meanwhile.
wait_for 30 reporting_is_over
requests=$(balloon_stat report_requests)
pages=$(balloon_stat report_request_pages)
before=$(free_memory)
balloon_to "$size"
taken=$((before - $(free_memory)))
requests=$(($(balloon_stat report_requests) - requests))
pages=$(($(balloon_stat report_request_pages) - pages))
tap_num "$requests * 1024 * $MIB <= 16 * $pages * $PAGE" "at most 16 requests per GiB" \
	"$requests for $pages pages"
tap_num "$(balloon_stat inflate_requests) + $(balloon_stat deflate_requests) < 8" \
	"whole ranges need no page numbers"
tap_is "$(meminfo MemTotal)" "$total" "it counts as memory in use, because it can be had back"
tap_num "$taken > 0.95 * $size - $SLACK" "it is not free memory any more" "$((taken / MIB)) MiB"
sum=0
while read -r order count; do
	sum=$((sum + (count << order)))
done < "$BALLOON/ranges"
tap_is $sum $((size / PAGE)) "ranges sum up to the whole"
tap_num "$(cat "$BALLOON/rate") > 0" "there is a rate"
if grep -q ^Balloon: /proc/meminfo; then
	tap_is "$(meminfo Balloon)" "$size" "Balloon in /proc/meminfo"
else
	tap_skip "Balloon in /proc/meminfo" "this kernel has no such line"
fi

# A part of a range.
odd=$((size - 3 * MIB - 3 * PAGE))
tap_check "gives back 3 MiB and 3 pages" balloon_to "$odd"
tap_num "$(balloon_stat splits) >= 1" "for which a range was split"
tap_num "$(balloon_stat single_pages) > 0" "whose rest stays as single pages"
tap_is "$(host_actual)" "$odd" "query-balloon says so"
tap_check "takes one page more" balloon_to $((odd + PAGE))

# A new target in the middle of a large movement: from the interrupt that
# announces it until the driver acts on it. By the guest's clock, which on a busy
# host runs on while the guest does not: so five times.
TRACE=/sys/kernel/tracing
reactions()
{
	awk '{ sub(/.*\] +[^ ]+ +/, "") }
		/pvg_changed/ && !since { since = $1 + 0 }
		/pvg_balloon_target/ {
			if (since && / target=0 /)
				print ($1 - since) * 1000
			since = 0
		}' "$TRACE/trace" | sort -n
}
mountpoint -q $TRACE || mount -t tracefs none $TRACE
echo 'p:pvg_changed pvg_balloon:pvg_balloon_config_changed' > $TRACE/kprobe_events
echo 1 > $TRACE/events/kprobes/pvg_changed/enable
echo 1 > $TRACE/events/pvg_balloon/pvg_balloon_target/enable
balloon_to 0
standstill=/run/standstill
standstill_watch $standstill
echo > $TRACE/trace
for _ in 1 2 3 4 5; do
	balloon_set $((RAM * 7 / 10))
	wait_for 20 eval '[ "$(balloon_actual)" -gt $((32 * MIB)) ]'
	balloon_set 0
	wait_for 20 balloon_is 0 || break
done
tap_check "a change of mind stops it" balloon_is 0
mapfile -t ms < <(reactions)
tap_is "${#ms[@]}" 5 "each of five"
tap_num "${ms[2]:-1e9} < 100" "within 100 ms" "${ms[*]}"
tap_num "${ms[4]:-1e9} < 1000 + $(cat $standstill) / 1000" "and always soon" "${ms[*]}"
tap_diag "after ${ms[*]} ms"
echo 0 > $TRACE/events/pvg_balloon/pvg_balloon_target/enable
echo 0 > $TRACE/events/kprobes/pvg_changed/enable
echo > $TRACE/kprobe_events
tap_free $((free - SLACK)) "and everything is free again"

# Statistics.
stats()
{
	ask qmp '{"execute": "qom-get", "arguments": {"path": "/machine/peripheral/balloon", "property": "guest-stats"}}'
}
fresh_stats()
{
	[ "$(field last-update "$(stats)")" -gt "$1" ]
}
qmp '{"execute": "qom-set", "arguments": {"path": "/machine/peripheral/balloon", "property": "guest-stats-polling-interval", "value": 1}}'
tap_check "the host gets statistics" wait_for 15 fresh_stats 0
last=$(field last-update "$(stats)")
tap_check "again and again" wait_for 15 fresh_stats "$last"
all=$(stats)
tap_num "$(field stat-total-memory "$all") == $total" "total memory" "$all"
tap_num "$(field stat-free-memory "$all") / $(meminfo MemFree) > 0.9" "free memory" "$all"
tap_num "$(field stat-available-memory "$all") / $(meminfo MemAvailable) > 0.9" "available memory"
tap_num "$(field stat-minor-faults "$all") > 1000" "page faults"
# Two are of huge pages, which a kernel may be without.
tags=$((14 + 2 * $(grep -c '^HugePages_Total:' /proc/meminfo)))
tap_is "$(grep -c '^stat_' "$DEBUGFS/pvguest/$VIRTIO/balloon")" $tags "$tags statistics are sent"
qmp '{"execute": "qom-set", "arguments": {"path": "/machine/peripheral/balloon", "property": "guest-stats-polling-interval", "value": 0}}'

# Free pages are reported without being in the balloon.
reported=$(balloon_stat reported)
touch_memory
tap_check "free pages are reported" wait_for 40 eval '[ $(($(host_rss) + RAM / 8)) -lt "$TOUCHED" ]'
tap_num "($(balloon_stat reported) - $reported) * $PAGE >= $RAM / 8" "by us"

tap_done

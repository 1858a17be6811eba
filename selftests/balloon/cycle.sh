#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a manager of VMs does all day: sets a target, asks for the size, polls
# the statistics. Ranges go through the reporting queue; the host must get its
# memory back, in few requests, and right answers.

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
tap_is "$(balloon_stat mode)" ranges "with reporting the driver reports ranges"

size=$(whole $((RAM / 2)))
total=$(meminfo MemTotal)
free=$(free_memory)
host_gets "$size"
tap_is "$(host_actual)" "$size" "query-balloon has the size of the balloon"
tap_is "$(cat "$BALLOON/target")" "$size" "sysfs shows the target"
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
tap_num "$requests * 1024 * $MIB <= 16 * $pages * $PAGE" \
	"the balloon grows in at most 16 reporting requests per GiB" "$requests for $pages pages"
tap_num "$(balloon_stat inflate_requests) + $(balloon_stat deflate_requests) < 8" \
	"whole ranges take fewer than 8 requests with page numbers" \
	"$(balloon_stat inflate_requests) to inflate, $(balloon_stat deflate_requests) to deflate"
tap_is "$(meminfo MemTotal)" "$total" \
	"MemTotal is unchanged by a balloon that deflates when memory is short"
tap_num "$taken > 0.95 * $size - $SLACK" "free memory falls by the size of the balloon" \
	"by $((taken / MIB)) of $((size / MIB)) MiB"
sum=0
while read -r order count; do
	sum=$((sum + (count << order)))
done < "$BALLOON/ranges"
tap_is $sum $((size / PAGE)) "the ranges that sysfs shows sum up to the size of the balloon"
tap_num "$(cat "$BALLOON/rate") > 0" "sysfs shows a rate above 0"
if grep -q ^Balloon: /proc/meminfo; then
	tap_is "$(meminfo Balloon)" "$size" "Balloon in /proc/meminfo is the size of the balloon"
else
	tap_skip "Balloon in /proc/meminfo is the size of the balloon" "this kernel has no such line"
fi

# A part of a range.
odd=$((size - 3 * MIB - 3 * PAGE))
tap_check "the balloon gives back 3 MiB and 3 pages" balloon_to "$odd"
tap_num "$(balloon_stat splits) >= 1" "3 MiB and 3 pages given back split a range"
tap_num "$(balloon_stat single_pages) > 0" "the rest of a split range stays as single pages"
tap_is "$(host_actual)" "$odd" "query-balloon has the size less 3 MiB and 3 pages"
tap_check "the balloon takes one page more" balloon_to $((odd + PAGE))

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
tap_check "a balloon that grows shrinks to nothing at a target of 0, five times" balloon_is 0
mapfile -t ms < <(reactions)
tap_is "${#ms[@]}" 5 "the driver acts on each of five targets set while the balloon grows"
tap_num "${ms[2]:-1e9} < 100" \
	"the driver acts on a target set while the balloon grows within 100 ms (median of 5)" \
	"${ms[*]} ms"
tap_num "${ms[4]:-1e9} < 1000 + $(cat $standstill) / 1000" \
	"the driver acts on a target set while the balloon grows within 1 s (longest of 5)" "${ms[*]} ms"
tap_diag "targets set while the balloon grows were acted on after ${ms[*]} ms"
echo 0 > $TRACE/events/pvg_balloon/pvg_balloon_target/enable
echo 0 > $TRACE/events/kprobes/pvg_changed/enable
echo > $TRACE/kprobe_events
tap_free $((free - SLACK)) "after five targets of 0 all memory is free again"

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
tap_check "the host gets statistics the second time" wait_for 15 fresh_stats "$last"
all=$(stats)
tap_num "$(field stat-total-memory "$all") == $total" "statistics: total memory is MemTotal" "$all"
ratio="$(field stat-free-memory "$all") / $(meminfo MemFree)"
tap_num "$ratio > 0.9 && $ratio < 1.1" \
	"statistics: free memory is MemFree (+- 10 %)" "$all"
ratio="$(field stat-available-memory "$all") / $(meminfo MemAvailable)"
tap_num "$ratio > 0.9 && $ratio < 1.1" \
	"statistics: available memory is MemAvailable (+- 10 %)" "$all"
faults=$(awk '$1 == "pgfault" { print $2 }' /proc/vmstat)
tap_num "$(field stat-minor-faults "$all") > 1000 && $(field stat-minor-faults "$all") <= $faults" \
	"statistics: minor faults are more than 1000 and not more than pgfault" "pgfault $faults, $all"
# Two are of huge pages, which a kernel may be without.
tags=$((14 + 2 * $(grep -c '^HugePages_Total:' /proc/meminfo)))
tap_is "$(grep -c '^stat_' "$DEBUGFS/pvguest/$VIRTIO/balloon")" $tags "the driver sends $tags statistics"
qmp '{"execute": "qom-set", "arguments": {"path": "/machine/peripheral/balloon", "property": "guest-stats-polling-interval", "value": 0}}'

# Free pages are reported without being in the balloon.
reported=$(balloon_stat reported)
touch_memory
tap_check "without a target the host gets at least 1/8 of the guest's memory, which is free" \
	wait_for 40 eval '[ $(($(host_rss) + RAM / 8)) -lt "$TOUCHED" ]'
tap_num "($(balloon_stat reported) - $reported) * $PAGE >= $RAM / 8" \
	"the driver has reported at least 1/8 of the guest's memory as free" \
	"$((($(balloon_stat reported) - reported) * PAGE / MIB)) of $((RAM / MIB)) MiB"

tap_done

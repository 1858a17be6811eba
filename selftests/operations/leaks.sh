#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A thousand requests, of all kinds of ends, leave no descriptor, process or byte behind; and a
# daemon that has nothing to do costs nothing.

set -u
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ECHO=1 CRASH=3 SLEEP=4 JOB=5 JOIN=0x101

# round N: 6 x N requests
round()
{
	client -n "$1" -o -b 10000 $ECHO
	client -n "$1" -b 100000 -p alice $ECHO
	client -n "$1" -o $CRASH
	client -n "$1" -d 100 $SLEEP
	client_begin -n "$1" -j 1000 -l 60000 $JOB
	wait_for 30 ops_has_workers "$1"
	client_end
	client -n "$1" -j 1000 $JOIN
} > /dev/null

# processes: the daemon's own
processes()
{
	echo "$OPS_PID"
	ops_front
}

descriptors()
{
	processes | while read -r pid; do
		find "/proc/$pid/fd" -mindepth 1 | wc -l
	done | xargs
}

# memory: KiB that are each process's alone
memory()
{
	processes | while read -r pid; do
		awk '/^Private_(Dirty|Clean):/ { sum += $2 } END { print sum }' "/proc/$pid/smaps_rollup"
	done | xargs
}

pss()
{
	processes | while read -r pid; do
		sed -n 's/^Pss: *\([0-9]*\) kB/\1/p' "/proc/$pid/smaps_rollup"
	done | awk '{ sum += $1 } END { print sum }'
}

switches()
{
	processes | while read -r pid; do
		awk '/ctxt_switches/ { sum += $2 } END { print sum }' "/proc/$pid/status"
	done | awk '{ sum += $1 } END { print sum }'
}

ops_start
tap_diag "idle, just started: $(pss) KiB PSS in $(processes | wc -l) processes"
[ "$OPS_BUILD" != build ] || tap_num "$(pss) <= 2048" "an idle daemon has at most 2 MiB PSS" "$(pss) KiB"
round 40
wait_for 10 ops_has_workers 0
sleep 0.5
before=$(descriptors) before_memory=$(memory)
for _ in {1..5}; do
	round 40
done
tap_check "no process is left of 1000 requests" wait_for 10 ops_has_workers 0
sleep 0.5
tap_is "$(descriptors)" "$before" "no descriptor is left of 1000 requests"
after_memory=$(memory)
tap_diag "KiB of each process before and after: $before_memory; $after_memory"
# A page or two are touched for the first time by chance; a byte for each request would be 1000.
if [ "$OPS_BUILD" = build ]; then
	# Pages come and go; one allocation lost in each request would be 37 KiB at least.
	tap_num "${after_memory%% *} <= ${before_memory%% *} + 24" "the broker's memory does not grow" \
		"from $before_memory to $after_memory KiB"
	tap_num "${after_memory##* } <= ${before_memory##* } + 16" "nor that of the process that speaks the protocol" \
		"from $before_memory to $after_memory KiB"
	tap_num "$(pss) <= 2048" "a daemon that is idle again has at most 2 MiB PSS" "$(pss) KiB"
fi
before=$(switches)
sleep 10
after=$(switches)
tap_is "$((after - before))" 0 "an idle daemon is not woken in 10 s"
tap_diag "idle: $(pss) KiB PSS in $(processes | wc -l) processes, $((after - before)) wake-ups in 10 s"
ops_stop
tap_done

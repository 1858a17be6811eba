#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a program in the guest costs that has nothing to say, when others were run before: counts,
# for each "pvhost exec true" of many, over one session.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

RUNS=20
TRACEFS=/sys/kernel/tracing
SYSCALLS=$TRACEFS/events/raw_syscalls/sys_enter
FORKS=$TRACEFS/events/sched/sched_process_fork

# counted NAME: a counter of both queues of the control channel's port.
counted()
{
	cat "$DEBUGFS/pvguest/$VIRTIO"/{in,out}."${PORT##*p}"/stats |
		awk -v name="$1:" '$1 == name { sum += $2 } END { print sum + 0 }'
}

run_all()
{
	local i

	for ((i = 0; i < RUNS; i++)); do
		"$PVHOST" exec true < /dev/null || return
	done
}

# hits FILE: of processes that are the daemon's, until they are another program.
hits()
{
	awk -F '[:}]' '$2 ~ /^ *pv(guestd|g-exec) / { sum += $NF } END { print sum + 0 }' "$1"
}

# each TOTAL
each()
{
	awk -v total="$1" -v n=$RUNS 'BEGIN { printf "%.2f", total / n }'
}

untrace()
{
	echo '!hist:keys=common_pid.execname' > "$SYSCALLS/trigger"
	echo '!hist:keys=parent_comm' > "$FORKS/trigger"
} 2> /dev/null

ops_begin
[ -n "${PVG_QMP:-}" ] || tap_absent "there are no counters of a control channel"
ops_start
serve_begin
tap_check "programs can be run" run_all

SECONDS=0
interrupts=$(counted interrupts) doorbells=$(counted doorbells) timers=$(counted timer_starts)
tap_check "and again" run_all
interrupts=$(($(counted interrupts) - interrupts))
doorbells=$(($(counted doorbells) - doorbells))
timers=$(($(counted timer_starts) - timers))
tap_diag "of each: $(each $interrupts) interrupts, $(each $doorbells) doorbells, $(each $timers) timers"
# Heartbeats are among them, one a second either way: the machine may be slow.
beats=$((2 * (SECONDS + 1)))
# One would do; a machine that is slow takes what was sent so late that an interrupt tells of it.
tap_num "$interrupts <= $RUNS * 2 + $beats" "an interrupt brings all of a request, another at most tells that all is sent" \
	"$interrupts for $RUNS, $beats heartbeats"
tap_num "$doorbells <= $RUNS * 5 / 4 + $beats" "one doorbell takes the end of all streams, and the answer" \
	"$doorbells for $RUNS, $beats heartbeats"
tap_num "$timers <= $RUNS * 5 / 4 + $beats" "and one timer looks after what was sent" \
	"$timers for $RUNS, $beats heartbeats"

mountpoint -q $TRACEFS || mount -t tracefs none $TRACEFS
tap_at_exit untrace
echo 'hist:keys=parent_comm' > "$FORKS/trigger"
tap_check "and once more" run_all
forks=$(hits "$FORKS/hist")
tap_is "$(each "$forks")" 2.00 "the daemon begins two processes for each" "$forks"
echo 'hist:keys=common_pid.execname:size=4096' > "$SYSCALLS/trigger"
tap_check "and for the last time" run_all
syscalls=$(hits "$SYSCALLS/hist")
tap_diag "of each: $(each "$syscalls") system calls"
# Those of the program are among them, from its first one on.
tap_num "$syscalls >= $RUNS * 100" "its system calls are counted" "$syscalls"
tap_num "$syscalls <= $RUNS * 300" "at most 300 system calls of the daemon and the program for each" \
	"$(each "$syscalls")"

ops_stop
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a program in the guest may use: limits that the host sets, and that the policy sets, of a
# cgroup of the job's own. A guest whose cgroups cannot do it runs nothing without the limit.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

# To be run with -k: prints how many of eight processes could be begun at a time, beside the shell itself.
# shellcheck disable=SC2016 # for the shell in the guest
COUNT='n=0; for i in 1 2 3 4 5 6 7 8; do sleep 20 & n=$((n + 1)); echo $n; done'

# limits TEXT: the policy allows everything within these limits
limits()
{
	ops_policy "[rule \"all\"]
allow = @all
user = *
command = /** **
root = / rw
target = tcp:*:*
[limits \"few\"]
$1"
}

has_controllers()
{
	local file=/sys/fs/cgroup/cgroup.controllers

	[ -e "$file" ] || return 1
	grep -qw pids "$file" && grep -qw memory "$file"
}

ops_begin
# The lab's guests have no systemd, which would have mounted it.
if ! mountpoint -q /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup; then
	tap_at_exit umount -l /sys/fs/cgroup
fi
ops_start
if has_controllers; then
	ex -k --pids 4 sh -c "$COUNT"
	tap_is "$(tail -n 1 <<< "$OUT")" 3 "--pids 4: a shell and three more"
	ex -k sh -c "$COUNT"
	tap_is "$STATUS $(tail -n 1 <<< "$OUT")" "0 8" "without a limit there are as many as there are"
	ex --memory 16M sh -c 'head -c 64M /dev/zero | tail -c 64M | wc -c'
	tap_fails "--memory 16M: what needs more is killed" [ "$STATUS $OUT" = "0 67108864" ]
	limits "processes = 4"
	ex -k sh -c "$COUNT"
	tap_is "$(tail -n 1 <<< "$OUT")" 3 "the policy's limit of processes is one of each job"
	ex -k --pids 100 sh -c "$COUNT"
	tap_is "$(tail -n 1 <<< "$OUT")" 3 "... which the host does not raise"
	ex -k --pids 2 sh -c "$COUNT"
	tap_is "$(tail -n 1 <<< "$OUT")" 1 "... but may set lower"
	ex -k -u nobody -C / sh -c "$COUNT"
	tap_is "$(tail -n 1 <<< "$OUT")" 3 "... whoever the user is"
	ex -m echo merged
	tap_is "$STATUS $OUT" "0 merged" "what needs no more runs"
	JOB=$(pvhost exec -k -d sh -c "$COUNT; wait")
	wait_for 10 has_state "$JOB" exited
	tap_is "$(pvhost attach -n "$JOB" 2> /dev/null | tail -n 1)" 3 "a detached job has it, too"
else
	ex --pids 4 true
	tap_is "$STATUS" 125 "--pids is refused where cgroups have no pids.max"
	limits "processes = 4"
	ex true
	tap_is "$STATUS" 125 "and so is exec where the policy has a limit of processes"
	tap_has "$ERR" "limited" "... and why is told"
fi
limits "principal = nobody-else
processes = 4"
ex true
tap_is "$STATUS" 0 "another principal's limit is none of ours"
limits "processes = 0"
ex true
tap_is "$STATUS" 126 "with a limit of 0 nothing is executed"
tap_has "$ERR" "no process" "... and why is told"
ops_stop
tap_done

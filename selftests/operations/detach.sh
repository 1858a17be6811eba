#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Jobs without their host: detached ones, and those whose host was killed.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

ops_start

DIRECT=$PVHOST_SOCKET
serve_begin

# Detached.
JOB=$(pvhost exec -d -c "echo 1; echo 2 >&2; while [ ! -e $OPS_DIR/go ]; do sleep 0.05; done; echo 3; exit 7")
tap_is "$?" 0 "exec --detach ends with 0 when the program has begun"
tap_check "it prints the job's number" grep -qE '^[0-9a-f]{16}$' <<< "$JOB"
tap_is "$(job_state "$JOB")" detached "the job is in the list"
tap_has "$(pvhost jobs)" "echo 1; echo 2" "and its command"
pvhost exec -d nosuchcommand > "$OPS_DIR/out" 2>&1
tap_is "$?" 127 "a command that does not exist is told though it is detached"
pvhost attach "$JOB" > "$OPS_DIR/out" 2> "$OPS_DIR/err" < /dev/null &
PVHOST_PID=$!
wait_for 10 has_state "$JOB" attached
pvhost attach -n "$JOB" > "$OPS_DIR/second" 2>&1
tap_is "$?" 125 "a second host cannot attach to it"
tap_has "$(< "$OPS_DIR/second")" "busy" "and is told why"
touch "$OPS_DIR/go"
wait "$PVHOST_PID"
tap_is "$? $(xargs < "$OPS_DIR/out") $(< "$OPS_DIR/err")" "7 1 3 2" \
	"attach gives what it wrote before and since, and ends with its status"
tap_is "$(job_state "$JOB")" exited "the result is kept"
pvhost attach -n "$JOB" > "$OPS_DIR/out" 2> /dev/null
tap_is "$? $(xargs < "$OPS_DIR/out")" "7 1 3" "and can be had again"
for wrong in 0 x 123456789abcdef0 ''; do
	pvhost attach -n "$wrong" > /dev/null 2>&1
	tap_is "$?" 125 "attach to '$wrong' is refused"
done
JOB=$(pvhost exec -d -c "seq 300000; echo end")
wait_for 10 has_state "$JOB" exited
pvhost attach -n "$JOB" > "$OPS_DIR/out"
tap_is "$(wc -c < "$OPS_DIR/out")" 524288 "of more than 512 KiB the last are kept"
tap_is "$(tail -n 2 "$OPS_DIR/out" | xargs)" "300000 end" "to the end"
JOB=$(pvhost exec -d sleep 60)
pid=$(job_pid "$JOB")
pvhost kill -J -s KILL "$JOB"
tap_is "$?" 0 "kill -J sends a signal to a job"
wait_for 5 has_state "$JOB" exited
pvhost attach -n "$JOB"
tap_is "$?" 137 "which ends it"
tap_check "for good" is_gone "$pid"
JOB=$(pvhost exec -d -c "cat /dev/zero")
tap_is "$(job_state "$JOB")" detached "a detached job is not held up by its output"
pvhost kill -J -s KILL "$JOB"
# Another principal's jobs are none of ours: see core.sh for whose they are.

pvhost exec -n sh -c 'echo $$; sleep 60' > "$OPS_DIR/out" 2> /dev/null &
PVHOST_PID=$!
wait_for 10 test -s "$OPS_DIR/out"
kill -9 "$(pvhost_pid)"
wait "$PVHOST_PID" 2> /dev/null
JOB=$(pvhost -j jobs | jq -r "select(.pid == $(< "$OPS_DIR/out")) | .job")
wait_for 10 has_state "$JOB" "cut off"
tap_is "$(job_state "$JOB")" "cut off" "a program whose pvhost was killed beneath pvhost serve is cut off"
pvhost kill -J -s KILL "$JOB"
kill "$SERVE_PID"
wait "$SERVE_PID" 2> /dev/null
PVHOST_SOCKET=$DIRECT

# It comes back no more.
pvhost exec -n sh -c 'echo $$; sleep 60' > "$OPS_DIR/out" 2> /dev/null &
PVHOST_PID=$!
wait_for 10 test -s "$OPS_DIR/out"
kill -9 "$(pvhost_pid)"
wait "$PVHOST_PID" 2> /dev/null
tap_fails "a program whose host was killed goes on for a while" is_gone "$(< "$OPS_DIR/out")"
tap_is "$(pvhost -j jobs | jq -r "select(.pid == $(< "$OPS_DIR/out")) | .state")" "cut off" \
	"and is listed as cut off"
JOB=$(pvhost -j jobs | jq -r "select(.pid == $(< "$OPS_DIR/out")) | .job")
kill "$(< "$OPS_DIR/out")"
wait_for 10 has_state "$JOB" exited
pvhost attach -n "$JOB" > "$OPS_DIR/second"
tap_is "$? $(< "$OPS_DIR/second")" "143 $(< "$OPS_DIR/out")" "another host can attach to it"

# Results that are kept do not use up what there may be of requests.
FIRST=$(pvhost exec -d sh -c 'exit 3')
wait_for 10 has_state "$FIRST" exited
begun=0
for _ in {1..40}; do
	JOB=$(pvhost exec -d sh -c 'exit 4' 2> "$OPS_DIR/err") || break
	begun=$((begun + 1))
done
tap_is "$begun $(< "$OPS_DIR/err")" "40 " "40 detached jobs begin, one after the other"
wait_for 10 has_state "$JOB" exited
pvhost attach -n "$JOB"
tap_is "$?" 4 "the result of the last is kept"
few_are_kept()
{
	[ "$(pvhost -j jobs | jq -r 'select(.command | endswith("exit 4")) | .job' | wc -l)" -eq 32 ]
}
tap_check "and those of 31 others" wait_for 10 few_are_kept
pvhost attach -n "$FIRST" 2> "$OPS_DIR/err"
tap_is "$?" 125 "that of the first is not"
tap_has "$(< "$OPS_DIR/err")" "not-found" "and attach says so"

# A daemon that ends takes the jobs with it.
JOB=$(pvhost exec -d sleep 60)
pid=$(job_pid "$JOB")
ops_stop
wait_for 5 is_gone "$pid"
tap_check "a daemon that ends leaves no job behind" is_gone "$pid"
tap_done

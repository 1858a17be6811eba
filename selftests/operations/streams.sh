#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The data of a program in the guest: whole, bounded in memory, to its end and no longer; and
# signals to it.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

ops_start

head -c 3000000 /dev/urandom > "$OPS_DIR/data"
SUM=$(sha256sum < "$OPS_DIR/data")
tap_is "$(pvhost exec cat < "$OPS_DIR/data" | sha256sum)" "$SUM" \
	"3 MB of any bytes go through a program's stdin and stdout"
tap_is "$(pvhost exec sh -c 'cat >&2' < "$OPS_DIR/data" 2>&1 > /dev/null | sha256sum)" "$SUM" \
	"and through its stderr"
# shellcheck disable=SC2002 # a pipe
tap_is "$(cat "$OPS_DIR/data" | pvhost exec cat | sha256sum)" "$SUM" "stdin may be a pipe"
tap_is "$(printf 'no newline' | pvhost exec cat)" "no newline" "the end of stdin arrives"
tap_is "$(pvhost exec wc -c < /dev/null)" 0 "an empty stdin ends at once"
ex cat
tap_is "$STATUS$OUT" 0 "with --no-stdin it does, too"
tap_is "$(yes | pvhost exec head -n 2 | xargs)" "y y" \
	"a program that does not read all of stdin ends with its own status"
tap_is "$(pvhost exec sh -c 'exec <&-; sleep 0.3; echo done' < "$OPS_DIR/data")" "done" \
	"a program that closes stdin goes on"
pvhost exec -n yes | head -n 1 > "$OPS_DIR/head"
tap_is "${PIPESTATUS[0]} $(< "$OPS_DIR/head")" "141 y" "a reader that goes away ends it, as SIGPIPE would"
wait_for 10 ops_has_workers 0
tap_check "and the worker, too" ops_has_workers 0

# The program exits; something that it has started has stdout still.
SECONDS=0
ex sh -c 'sleep 20 & echo $!'
tap_num "$SECONDS < 10" "a child that keeps stdout does not delay the exit" "$SECONDS s"
tap_check "what it wrote is delivered, and the child goes on" kill -0 "$OUT"
kill "$OUT"
ex -k sh -c 'sleep 20 & echo $!'
tap_is "$STATUS" 0 "with --kill-group the exit status is the program's"
wait_for 5 is_gone "$OUT"
tap_check "and the child is killed" is_gone "$OUT"
ex --timeout 0.3 sh -c 'trap "" TERM; sleep 20 & echo $!; exec sleep 20'
tap_is "$STATUS" 124 "a program that ignores SIGTERM is ended by --timeout"
wait_for 5 is_gone "$OUT"
tap_check "and with it what it has started" is_gone "$OUT"

# KiB of all processes of the daemon, shared pages in proportion.
memory()
{
	local pid

	for pid in "$OPS_PID" $(pgrep -P "$OPS_PID"); do
		awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup"
	done | awk '{ sum += $1 } END { print sum }'
}

# What one side does not take the other cannot send without bounds.
mkfifo "$OPS_DIR/slow"
pvhost exec -n head -c 100000000 /dev/zero > "$OPS_DIR/slow" &
PVHOST_PID=$!
exec 8< "$OPS_DIR/slow"
head -c 1000 <&8 > /dev/null
sleep 1
memory=$(memory)
tap_num "$memory < 8192" "100 MB that nothing reads take less than 8 MiB in the daemon's processes" "$memory KiB"
tap_num "$(awk '/^VmRSS/ { print $2 }' "/proc/$(pvhost_pid)/status") < 16384" \
	"and less than 16 MiB in pvhost"
tap_is "$(wc -c <&8)" 99999000 "then the rest of it arrives"
exec 8<&-
wait "$PVHOST_PID"
tap_is $? 0 "and pvhost ends with the program's status"

# Signals.
pvhost exec -n sh -c 'trap "echo got; exit 9" INT; echo ready; while :; do sleep 0.1; done' > "$OPS_DIR/out" &
PVHOST_PID=$!
wait_for 10 grep -q ready "$OPS_DIR/out"
kill -INT "$(pvhost_pid)"
wait "$PVHOST_PID"
tap_is "$? $(tail -n 1 "$OPS_DIR/out")" "9 got" "SIGINT of pvhost goes to the program, whose status counts"
pvhost exec -n sh -c 'echo ready; sleep 60' > "$OPS_DIR/out" &
PVHOST_PID=$!
wait_for 10 grep -q ready "$OPS_DIR/out"
kill -TERM "$(pvhost_pid)"
wait "$PVHOST_PID"
tap_is "$?" 143 "SIGTERM goes to the program's group, which it ends"
pvhost exec -n sh -c 'trap "" INT HUP; echo $$; while :; do sleep 0.1; done' > "$OPS_DIR/out" &
PVHOST_PID=$!
wait_for 10 test -s "$OPS_DIR/out"
for _ in 1 2 3; do
	kill -INT "$(pvhost_pid)"
	sleep 0.1
done
wait "$PVHOST_PID"
tap_is "$?" 130 "the third SIGINT ends pvhost, though the program ignores it"
wait_for 15 is_gone "$(< "$OPS_DIR/out")"
tap_check "and the guest then ends the program" is_gone "$(< "$OPS_DIR/out")"

# Each of the processes is killed.
pvhost exec -n sh -c 'echo $$; sleep 60' > "$OPS_DIR/out" 2> "$OPS_DIR/err" &
PVHOST_PID=$!
wait_for 10 test -s "$OPS_DIR/out"
kill -9 "$(ops_workers)"
wait "$PVHOST_PID"
tap_is "$?" 125 "a supervisor that is killed gives 125"
wait_for 5 is_gone "$(< "$OPS_DIR/out")"
tap_check "and its program does not go on without it" is_gone "$(< "$OPS_DIR/out")"
tap_has "$(< "$OPS_DIR/err")" aborted "the host is told that it was aborted"
pvhost exec -n sh -c 'echo $$; sleep 60' > "$OPS_DIR/out" &
PVHOST_PID=$!
wait_for 10 test -s "$OPS_DIR/out"
kill -9 "$(< "$OPS_DIR/out")"
wait "$PVHOST_PID"
tap_is "$?" 137 "a program that is killed gives 137"

# Nothing is left behind.
# descriptors: how many the broker has
descriptors()
{
	find "/proc/$OPS_PID/fd" -mindepth 1 | wc -l
}

before=$(descriptors)
# A port has one host at a time.
at_once=4
[ -z "${PVG_QMP:-}" ] || at_once=1
seq 200 | xargs -P "$at_once" -I {} timeout "$OPS_LIMIT" "$PVHOST" -t "$OPS_LIMIT" exec -n \
	sh -c 'echo {}; echo {} >&2' 2> "$OPS_DIR/err" | sort -n > "$OPS_DIR/out"
tap_check "200 programs, several at a time, say what they have to say" \
	cmp <(seq 200) "$OPS_DIR/out"
tap_check "on stderr, too" cmp <(seq 200) <(sort -n "$OPS_DIR/err")
wait_for 10 ops_has_workers 0
tap_check "no worker is left" ops_has_workers 0
tap_is "$(descriptors)" "$before" "and no descriptor"

ops_stop
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs whose session is lost: the host finds them again, byte for byte, and none is run
# twice. On the build machine: a port cannot be taken away from its host.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

# A program that ends early fails its checks, not the test.
trap '' PIPE
ops_start
DIRECT=$PVHOST_SOCKET
cut_begin

# The session is lost while a program runs.
mkfifo "$OPS_DIR/in"
pvhost exec sh -c "echo run >> $OPS_DIR/runs; cat; echo done; exit 5" < "$OPS_DIR/in" > "$OPS_DIR/out" 2> "$OPS_DIR/err" &
PVHOST_PID=$!
exec 8> "$OPS_DIR/in"
echo before >&8
wait_for 10 grep -q before "$OPS_DIR/out"
cut_off
echo between >&8
sleep 0.3
cut_connect
echo after >&8
wait_for 10 grep -q after "$OPS_DIR/out"
exec 8>&-
wait "$PVHOST_PID"
tap_is "$? $(xargs < "$OPS_DIR/out")" "5 before between after done" \
	"a program goes on over a lost session, with its input and output"
tap_is "$(wc -l < "$OPS_DIR/runs")" 1 "and was run once"

# Again and again, while much goes through.
head -c 20000000 /dev/urandom > "$OPS_DIR/data"
pvhost exec sh -c "echo run >> $OPS_DIR/runs2; tee /dev/stderr" < "$OPS_DIR/data" > "$OPS_DIR/out" 2> "$OPS_DIR/err" &
PVHOST_PID=$!
cuts=0
while kill -0 "$PVHOST_PID" 2> /dev/null && [ "$cuts" -lt 10 ]; do
	sleep 0.2
	cut_off
	cut_connect
	cuts=$((cuts + 1))
done
wait "$PVHOST_PID"
tap_is "$?" 0 "20 MB go through a program over $cuts lost sessions"
tap_check "its stdout is intact" cmp "$OPS_DIR/data" "$OPS_DIR/out"
tap_check "its stderr is intact" cmp "$OPS_DIR/data" "$OPS_DIR/err"
tap_is "$(wc -l < "$OPS_DIR/runs2")" 1 "and it was run once"

# The session is lost before anything was heard of the program. Without one, pvhost says so; and
# if it is lost so late that the answer was on its way, that the program has ended.
for _ in 1 2 3 4 5 6; do
	pvhost exec -n sh -c "echo run >> $OPS_DIR/runs3; sleep 0.3; echo out" > "$OPS_DIR/out" 2> "$OPS_DIR/err" &
	PVHOST_PID=$!
	wait_for 10 cut_is_used
	sleep 0.0$((RANDOM % 10))
	cut_off
	cut_connect
	wait "$PVHOST_PID"
	echo "$? $(< "$OPS_DIR/out")$(grep -o 'it has ended (exit status 0)' "$OPS_DIR/err")"
done > "$OPS_DIR/results"
tap_is "$(grep -cvx -e '0 out' -e '125 ' -e '125 it has ended (exit status 0)' "$OPS_DIR/results")" 0 \
	"a session that is lost at the begin costs no program its output" "$(< "$OPS_DIR/results")"
tap_is "$(wc -l < "$OPS_DIR/runs3")" "$(grep -cx -e '0 out' -e '125 it has .*' "$OPS_DIR/results")" \
	"none is run twice, and each that was run is told of"

cut_off
PVHOST_SOCKET=$DIRECT
ops_stop
tap_done

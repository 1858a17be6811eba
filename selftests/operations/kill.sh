#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each process of the daemon is killed, at any moment; and the daemon is asked to end. What is
# left is told, cleaned up and begun again.

set -u
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ECHO=1 SLEEP=4 JOB=5

# sleeping [OPTION...]: a request that waits
sleeping()
{
	client_begin -l 20000 "$@"
	wait_for 10 ops_has_workers "${WORKERS:-1}"
}

gone()
{
	! kill -0 "$CLIENT" 2> /dev/null
}

answered()
{
	tap_is "$(client -b 100000 $ECHO)" "ok 100000 intact a086010000000000" "$1"
}

ops_begin
test_seed
ops_start

# A worker.
client_begin -n 2 $SLEEP
wait_for 10 ops_has_workers 2
ops_workers | xargs kill -9
wait_for 10 gone
tap_is "$(sort "$OPS_DIR/client" | uniq -c | xargs)" "2 aborted 0 intact" \
	"workers that are killed are told as aborted"
answered "the next request is answered"
for _ in {1..10}; do
	client_begin -n 4 -b 2000000 $ECHO
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	ops_workers | shuf -n 2 --random-source=<(seeded_bytes 1000) | xargs -r kill -9 2> /dev/null
	wait "$CLIENT"
done
tap_check "no worker is left of ten transfers, half of whose workers were killed" \
	wait_for 10 ops_has_workers 0
answered "... and the next request is answered"

# The process that speaks the protocol.
if [ ${#OPS_LISTEN[@]} -gt 0 ]; then
	for _ in 1 2; do
		sleeping $SLEEP
		front=$(ops_front)
		kill -9 "$front"
		client_end
		tap_check "the workers of a session end when the process that speaks the protocol is killed" \
			wait_for 10 ops_has_workers 0
		wait_for 10 ops_front
		answered "it is started again, and the next request is answered"
	done
	tap_check "the log says so" ops_log "the process that speaks with the host has ended"
fi

# The broker.
for workers in 0 1 3; do
	WORKERS=$workers
	[ "$workers" -eq 0 ] || sleeping -n "$workers" $SLEEP
	kill -9 "$OPS_PID"
	wait "$OPS_PID" 2> /dev/null
	tap_check "with the broker its $workers workers end" wait_for 10 _ops_alone
	client_end
	ops_start
	answered "a daemon that is started again answers"
done
for _ in {1..5}; do
	client_begin -n 4 -b 2000000 $ECHO
	sleep "0.0$((RANDOM % 10))"
	kill -9 "$OPS_PID"
	wait "$OPS_PID" 2> /dev/null
	client_end
	ops_launch
done
answered "... and after five brokers that were killed at any moment"

# SIGTERM, with a request under way and a job that goes on without its host.
WORKERS=1 sleeping -j 9 $JOB
client_end
WORKERS=2 sleeping $SLEEP
ops_stop
client_end
ops_start
kill -HUP "$OPS_PID"
answered "a daemon that got SIGHUP answers"
ops_stop
tap_done

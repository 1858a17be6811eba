#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Requests with keys are carried out at most once: over the end of sessions, of their worker
# and of the daemon.

set -u
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ECHO=1 CRASH=3 SLEEP=4 APPEND=8

# times_done: how often APPEND was carried out
times_done()
{
	stat -c %s "$OPS_DIR/root/times" 2> /dev/null || echo 0
}

# append KEY [OPTION...]
append()
{
	client -k "$@" -r "$OPS_DIR/root/times" $APPEND
}

ops_begin
ops_policy "[rule \"all\"]
allow = @test
user = *
root = $OPS_DIR/root rw"
mkdir "$OPS_DIR/root"
ops_start

tap_is "$(append 100 -q)" "not-found 0 intact " "a key of no request is not found"
tap_is "$(append 100)" "ok 0 intact done" "a request with a key is carried out"
tap_is "$(append 100)" "ok 0 intact done" "the same key again has the same answer"
tap_is "$(times_done)" 1 "... and the request was carried out once"
tap_is "$(append 100 -q)" "ok 0 intact done" "a query of its key has the answer"
tap_is "$(client -k 100 $ECHO | cut -d ' ' -f 1)" "invalid" \
	"the key with another operation is invalid"
tap_is "$(append 100 -p another) $(append 100 -p another -q)" "invalid 0 intact  invalid 0 intact " \
	"the key of another principal's request is invalid, and has no answer"
tap_is "$(client -q $ECHO | cut -d ' ' -f 1)" "invalid" "a query without a key is invalid"

# The session ends while it is carried out.
client_begin -k 200 -l 20000 $SLEEP
wait_for 10 ops_has_workers 1
client_end
tap_check "the worker of a session that ended goes on or ends" wait_for 10 ops_has_workers 0
tap_is "$(client -k 200 -q $SLEEP)" "aborted 0 intact " \
	"a request whose worker ended without an answer is known as aborted"
client_begin -k 300 -l 20000 $SLEEP
wait_for 10 ops_has_workers 1
client_end
wait_for 10 ops_has_workers 0
tap_is "$(client -k 300 $SLEEP)" "aborted 0 intact " "... and is not carried out again"

tap_is "$(client -k 400 $CRASH) $(client -k 400 -q $CRASH)" \
	"aborted 0 intact  aborted 0 intact " "a request whose worker crashed is aborted"

# The daemon is killed, and started again.
append 500 > /dev/null
client_begin -k 600 -l 20000 $SLEEP
wait_for 10 ops_has_workers 1
kill -9 "$OPS_PID"
wait "$OPS_PID" 2> /dev/null
client_end
before=$(times_done)
ops_start
tap_is "$(append 500)" "ok 0 intact done" "a daemon that was killed and started again has the answer"
tap_is "$(times_done)" "$before" "... and carries nothing out again"
tap_is "$(client -k 600 $SLEEP)" "aborted 0 intact " \
	"what was being carried out when it was killed is aborted"

# More than are remembered.
client -k 1000 -n 70 -o -r "$OPS_DIR/root/times" $APPEND > "$OPS_DIR/many"
tap_is "$(sort "$OPS_DIR/many" | uniq -c | xargs)" "70 ok 0 intact done" \
	"70 requests with keys are carried out"
tap_is "$(append 1000 | cut -d ' ' -f 1)" "forgotten" \
	"one so long ago that its answer is forgotten is not carried out again"
tap_is "$(times_done)" $((before + 70)) "... nor was any of them twice"

# A file that is damaged, and one that is not the daemon's.
ops_stop
echo garbage > "$OPS_DIR/run/keys"
ops_start
tap_is "$(append 2000)" "ok 0 intact done" "a file of keys that is damaged is begun again"
ops_stop

# refuses_keys: the daemon ends at once, with 1.
refuses_keys()
{
	timeout 20 "$OPS_TOOLS/$OPS_BUILD/$OPS_DAEMON" "${OPS_LISTEN[@]}" --policy "$OPS_DIR/policy.d" \
		--run "$OPS_DIR/run"
	[ $? -eq 1 ]
}

# another WHAT COMMAND...: with what the command puts in place of the file of keys
another()
{
	local what=$1

	shift
	rm "$OPS_DIR/run/keys"
	echo precious > "$OPS_DIR/precious"
	"$@"
	tap_check "$what in place of the file of keys is refused" refuses_keys
	tap_is "$(cat "$OPS_DIR/precious")" precious "$what in place of the file of keys is not written to"
}

another "a link" ln -s ../precious "$OPS_DIR/run/keys"
another "a hard link" ln "$OPS_DIR/precious" "$OPS_DIR/run/keys"
rm "$OPS_DIR/run/keys"
echo precious > "$OPS_DIR/run/keys"
chown 65534 "$OPS_DIR/run/keys"
tap_check "another user's file of keys is refused" refuses_keys
tap_is "$(cat "$OPS_DIR/run/keys")" precious "another user's file of keys is not written to"

# A page, where the file needs more: what is written to later would end the daemon (SIGBUS).
mkdir "$OPS_DIR/full"
mount -t tmpfs -o size=4k,mode=711 full "$OPS_DIR/full"
tap_at_exit umount "$OPS_DIR/full"
timeout 10 "$OPS_TOOLS/$OPS_BUILD/$OPS_DAEMON" "${OPS_LISTEN[@]}" --policy "$OPS_DIR/policy.d" \
	--run "$OPS_DIR/full" 2> "$OPS_DIR/err"
tap_is "$? $(grep -c 'full: No space left on device' "$OPS_DIR/err")" "1 1" \
	"a directory without room for the file of keys is told, and the daemon does not begin"
tap_done

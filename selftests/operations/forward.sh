#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# connect and forward: sockets of the guest from the host, and the other way; half-close, data
# to the last byte, many connections at once, targets that refuse.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ECHO=5101 SUM=5102 FILE=5103 CLOSED=5104 BREAK=5108
LOCAL=5105 LOCAL_CLOSED=5107 LOCAL_BREAK=5109 REMOTE=5106 REMOTE_BREAK=5110
SOCKETS=../operations/sockets
BYTES=$((64 << 20))
pids=()

# listening PORT: somebody does.
listening()
{
	grep -q ":$(printf %04X "$1") .* 0A " /proc/net/tcp
}

# server PORT COMMAND...: the command serves the port, until the test ends.
server()
{
	"${@:2}" 2>> "$OPS_DIR/servers" &
	pids+=($!)
	wait_for 10 listening "$1"
}

# serve_command PORT COMMAND: each connection is stdin and stdout of the command.
serve_command()
{
	server "$1" socat -t 30 "TCP-LISTEN:$1,fork,reuseaddr,bind=127.0.0.1" "EXEC:$2"
}

stop_all()
{
	kill "${pids[@]}" 2> /dev/null
	wait "${pids[@]}" 2> /dev/null
	pids=()
}

# sum: of stdin
sum()
{
	sha256sum | cut -d ' ' -f 1
}

# forwarder ARGUMENT...: pvhost forward in the background, once it says so often that it is there.
forwarder()
{
	: > "$OPS_DIR/forward"
	"$PVHOST" -t 30 forward "$@" 2> "$OPS_DIR/forward" &
	pids+=($!)
	wait_for 20 grep -q 'leads to' "$OPS_DIR/forward"
}

no_workers()
{
	ops_has_workers 0
}

# talk PORT N: so many connections at once, each with bytes of its own, which an echo sends back.
talk()
{
	"$SOCKETS" talk "$1" "$2" 4000
}

# audited STATUS: a connection that ended with it is in the audit log.
audited()
{
	ops_log "audit: connect by 'root' as root: ended: $1 after"
}

tap_at_exit stop_all
ops_begin
ops_start --journal "$OPS_DIR/none"
head -c $BYTES /dev/urandom > "$OPS_DIR/data"
want=$(sum < "$OPS_DIR/data")
server $ECHO "$SOCKETS" echo $ECHO
server $BREAK "$SOCKETS" break $BREAK
serve_command $SUM sha256sum
serve_command $FILE "cat $OPS_DIR/data"
socat -t 30 "UNIX-LISTEN:$OPS_DIR/unix,fork" EXEC:cat &
pids+=($!)
wait_for 10 test -S "$OPS_DIR/unix"

# connect
tap_is "$(echo hello | pvhost connect $ECHO)" hello "connect: a line comes back from an echo"
wait_for 5 audited ok
tap_check "connect: a connection of which both directions have ended is logged as ok" audited ok
tap_is "$(echo hello | pvhost connect "unix:$OPS_DIR/unix")" hello "connect: a line comes back from a unix socket"
tap_is "$(pvhost connect $SUM < "$OPS_DIR/data" | cut -d ' ' -f 1)" "$want" \
	"connect: the answer comes after the end of 64 MiB that were sent, which arrive intact"
tap_is "$(pvhost connect 127.0.0.1:$FILE < /dev/null | sum)" "$want" "connect: 64 MiB come intact, with their end"
tap_is "$(pvhost connect $ECHO < "$OPS_DIR/data" | sum)" "$want" "connect: 64 MiB go and come back at a time"
tap_is "$(pvhost connect $CLOSED < /dev/null 2>&1; echo $?)" \
	"pvhost: connect $CLOSED: failed: connect: tcp:127.0.0.1:$CLOSED: Connection refused
1" "connect: a target that refuses is told"
pvhost connect $BREAK < "$OPS_DIR/policy.d/50-test.conf" > "$OPS_DIR/out" 2>&1
tap_is "$? $(cat "$OPS_DIR/out")" "1 pvhost: connect $BREAK: aborted" \
	"connect: a connection that the target resets is aborted"
wait_for 5 audited aborted
tap_check "connect: a connection that the target resets is logged as aborted" audited aborted
for target in 0 70000 host:1 unix:relative ::1:22 ""; do
	pvhost connect "$target" < /dev/null > "$OPS_DIR/out" 2>&1
	tap_is $? 2 "connect: '$target' is no target"
done

# The policy: asked by the worker, for the name of the socket itself.
ops_policy "[rule \"one\"]
allow = connect
user = *
target = tcp:127.0.0.1:$ECHO, unix:$OPS_DIR/link"
ln -s "$OPS_DIR/unix" "$OPS_DIR/link"
tap_is "$(echo hello | pvhost connect $ECHO)" hello "policy: a target that it names is connected to"
tap_fails "policy: another port is refused" pvhost connect $SUM < /dev/null
tap_is "$(pvhost connect $SUM < /dev/null 2>&1 | grep -c "connect $SUM: denied: connect tcp:127.0.0.1:$SUM")" 1 \
	"policy: the refusal names the verb and the target"
tap_is "$(echo hello | pvhost connect "unix:$OPS_DIR/link" 2> "$OPS_DIR/out")$(grep -c "denied.*unix:$OPS_DIR/unix" "$OPS_DIR/out")" 1 \
	"policy: a link that it names does not lead to a socket that it does not"
pvhost -t 20 forward -R $REMOTE:$ECHO > "$OPS_DIR/out" 2>&1
tap_is "$? $(grep -c denied "$OPS_DIR/out")" "1 1" "policy: listen is refused where it allows connect alone"
ops_allow_all

# forward: many connections of one pvhost
forwarder $LOCAL:$ECHO $LOCAL_BREAK:$BREAK -L 127.0.0.1:$LOCAL_CLOSED:127.0.0.1:$CLOSED
tap_check "forward: the host listens" wait_for 10 listening $LOCAL
tap_is "$(talk $LOCAL 64)" "64 intact 0 wrong 0 reset" \
	"forward: 64 connections at once have their bytes back"
tap_is "$(socat -t 60 - TCP:127.0.0.1:$LOCAL < "$OPS_DIR/data" | sum)" "$want" "forward: 64 MiB go and come back"
socat -t 10 - TCP:127.0.0.1:$LOCAL_CLOSED < /dev/null > "$OPS_DIR/out" 2>&1
wait_for 10 grep -q "127.0.0.1:$CLOSED: failed: connect: .*Connection refused" "$OPS_DIR/forward"
tap_is $? 0 "forward: a target that refuses is told on stderr"
tap_is "$(talk $LOCAL_BREAK 8)" "0 intact 0 wrong 8 reset" \
	"forward: connections that the target resets are reset"
kill "${pids[-1]}"
wait "${pids[-1]}" 2> /dev/null
unset 'pids[-1]'
wait_for 20 no_workers
tap_check "forward: no worker is left when pvhost is gone" no_workers

# The other way.
forwarder -R $REMOTE:$ECHO -R $REMOTE_BREAK:$BREAK
wait_for 20 grep -q "$REMOTE_BREAK leads to" "$OPS_DIR/forward"
tap_check "forward -R: the guest listens" wait_for 10 listening $REMOTE
tap_is "$(echo hello | socat -t 30 - TCP:127.0.0.1:$REMOTE)" hello "forward -R: a line comes back from the host's echo"
tap_is "$(talk $REMOTE 32)" "32 intact 0 wrong 0 reset" \
	"forward -R: 32 connections at once have their bytes back"
tap_is "$(socat -t 60 - TCP:127.0.0.1:$REMOTE < "$OPS_DIR/data" | sum)" "$want" "forward -R: 64 MiB go and come back"
tap_is "$(talk $REMOTE_BREAK 8)" "0 intact 0 wrong 8 reset" \
	"forward -R: connections that the target resets are reset"
kill "${pids[-1]}"
wait "${pids[-1]}" 2> /dev/null
unset 'pids[-1]'
wait_for 20 no_workers
tap_check "forward -R: no worker is left when pvhost is gone" no_workers
tap_fails "forward -R: the guest listens no more" listening $REMOTE
forwarder -R $REMOTE:$CLOSED
tap_is "$(echo hello | socat -t 10 - TCP:127.0.0.1:$REMOTE 2> /dev/null)" "" \
	"forward -R: a connection whose target refuses is closed"
stop_all
pvhost forward > "$OPS_DIR/out" 2>&1
tap_is $? 2 "forward: without a port it exits with 2"
for spec in 80 x:80 1:2:3:4 70000:80 "[::1:80:80"; do
	pvhost forward "$spec" > "$OPS_DIR/out" 2>&1
	tap_is $? 2 "forward: '$spec' is nothing to forward"
done
ops_stop
tap_done

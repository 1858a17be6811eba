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

ECHO=5101 SUM=5102 FILE=5103 CLOSED=5104 LOCAL=5105 REMOTE=5106 LOCAL2=5107
BYTES=$((64 << 20))
pids=()

# listening PORT: somebody does.
listening()
{
	grep -q ":$(printf %04X "$1") .* 0A " /proc/net/tcp
}

# server PORT COMMAND: each connection is stdin and stdout of the command.
server()
{
	socat -t 30 "TCP-LISTEN:$1,fork,reuseaddr,bind=127.0.0.1,backlog=128" "EXEC:$2" 2> "$OPS_DIR/socat" &
	pids+=($!)
	wait_for 10 listening "$1"
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

# echos PORT N: so many connections at once, each with bytes of its own; how many are wrong.
echos()
{
	local i bad=0 children=()

	for i in $(seq "$2"); do
		{
			head -c $((i * 1009)) "$OPS_DIR/data" | tail -c 4000 |
				socat -t 30 - "TCP:127.0.0.1:$1" | cmp -s - <(head -c $((i * 1009)) "$OPS_DIR/data" | tail -c 4000)
		} &
		children+=($!)
	done
	for i in "${children[@]}"; do
		wait "$i" || bad=$((bad + 1))
	done
	echo "$bad"
}

tap_at_exit stop_all
ops_start
head -c $BYTES /dev/urandom > "$OPS_DIR/data"
want=$(sum < "$OPS_DIR/data")
server $ECHO cat
server $SUM sha256sum
server $FILE "cat $OPS_DIR/data"
socat -t 30 "UNIX-LISTEN:$OPS_DIR/unix,fork" EXEC:cat &
pids+=($!)
wait_for 10 test -S "$OPS_DIR/unix"

# connect
tap_is "$(echo hello | pvhost connect $ECHO)" hello "connect: a line comes back from an echo"
tap_is "$(echo hello | pvhost connect "unix:$OPS_DIR/unix")" hello "connect: a line comes back from a unix socket"
tap_is "$(pvhost connect $SUM < "$OPS_DIR/data" | cut -d ' ' -f 1)" "$want" \
	"connect: the answer comes after the end of 64 MiB that were sent, which arrive intact"
tap_is "$(pvhost connect 127.0.0.1:$FILE < /dev/null | sum)" "$want" "connect: 64 MiB come intact, with their end"
tap_is "$(pvhost connect $ECHO < "$OPS_DIR/data" | sum)" "$want" "connect: 64 MiB go and come back at a time"
tap_is "$(pvhost connect $CLOSED < /dev/null 2>&1; echo $?)" \
	"pvhost: connect $CLOSED: failed: connect: tcp:127.0.0.1:$CLOSED: Connection refused
1" "connect: a target that refuses is told"
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
forwarder $LOCAL:$ECHO -L 127.0.0.1:$LOCAL2:127.0.0.1:$CLOSED
tap_check "forward: the host listens" wait_for 10 listening $LOCAL
tap_is "$(echos $LOCAL 64)" 0 "forward: 64 connections at once have their bytes back"
tap_is "$(socat -t 60 - TCP:127.0.0.1:$LOCAL < "$OPS_DIR/data" | sum)" "$want" "forward: 64 MiB go and come back"
socat -t 10 - TCP:127.0.0.1:$LOCAL2 < /dev/null > "$OPS_DIR/out" 2>&1
wait_for 10 grep -q "127.0.0.1:$CLOSED: failed: connect: .*Connection refused" "$OPS_DIR/forward"
tap_is $? 0 "forward: a target that refuses is told on stderr"
kill "${pids[-1]}"
wait "${pids[-1]}" 2> /dev/null
unset 'pids[-1]'
wait_for 20 no_workers
tap_check "forward: no worker is left when pvhost is gone" no_workers

# The other way.
forwarder -R $REMOTE:$ECHO
tap_check "forward -R: the guest listens" wait_for 10 listening $REMOTE
tap_is "$(echo hello | socat -t 30 - TCP:127.0.0.1:$REMOTE)" hello "forward -R: a line comes back from the host's echo"
tap_is "$(echos $REMOTE 32)" 0 "forward -R: 32 connections at once have their bytes back"
tap_is "$(socat -t 60 - TCP:127.0.0.1:$REMOTE < "$OPS_DIR/data" | sum)" "$want" "forward -R: 64 MiB go and come back"
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

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a worker has given up when it looks at what the host sent: for each KEEP_* the probes of
# test_probes.c, and for a worker of each kind of user what the kernel says of it.

set -u
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

SLEEP=4
JOB=5

# allowed OPERATION: the probes that it lets through, in their order.
allowed()
{
	client -w "$OPS_DIR/probes" -r "$OPS_DIR/root" "$1" > /dev/null
	awk '$2 == "ok" { print $1 }' "$OPS_DIR/probes" | xargs
}

# refused OPERATION: the errors of the others
refused()
{
	client -w "$OPS_DIR/probes" -r "$OPS_DIR/root" "$1" > /dev/null
	awk '$2 != "ok" { print $2 }' "$OPS_DIR/probes" | sort -n | uniq | xargs
}

has_landlock()
{
	! ops_log "this kernel has no Landlock"
}

# status FIELD: of the one worker
status()
{
	sed -n "s/^$1:[[:space:]]*//p" "/proc/$(ops_workers)/status" | tr '\t' ' ' | sed 's/ *$//'
}

# sleeper OPTION... OPERATION: a worker that waits
sleeper()
{
	client_begin -l 20000 "$@"
	wait_for 10 ops_has_workers 1
	wait_for 10 grep -q '^Seccomp:.*2' "/proc/$(ops_workers)/status"
}

awake()
{
	client_end
	kill -9 "$(ops_workers)" 2> /dev/null
	wait_for 10 ops_has_workers 0
}

ops_begin
ops_policy "[rule \"all\"]
allow = @test
user = *
root = $OPS_DIR/root rw"
ops_start
mkdir -m 755 "$OPS_DIR/root"
echo > "$OPS_DIR/root/there"

tap_is "$(allowed 16)" "" "a worker that keeps nothing can do nothing of all that is tried"
tap_is "$(refused 16)" 1 "... and each is refused with EPERM"
tap_is "$(allowed 17)" "" "KEEP_ROOT allows nothing more by itself"
tap_is "$(allowed 18)" "fork" "KEEP_FORK allows a fork and nothing else"
tap_is "$(allowed 19)" "socket-inet socket-unix" "KEEP_NET allows sockets of IP and unix alone"
if has_landlock; then
	tap_is "$(allowed 20)" "read-below write-below mkdir" \
		"KEEP_FILES allows files beneath the policy's root alone"
	tap_is "$(allowed 21)" "open-proc" "KEEP_PROC allows to read /proc alone"
else
	tap_skip "KEEP_FILES and KEEP_PROC" "this kernel has no Landlock"
fi
tap_is "$(allowed 22)" "signal-own signal-parent" "KEEP_SIGNAL allows kill() alone"
tap_fails "nothing was made beside the root" test -e "$OPS_DIR/beside"
tap_is "$(allowed 23)" \
	"open-etc open-proc open-memory read-below write-below write-beside map-code" \
	"KEEP_EXEC allows what a program needs, and no fork, socket or signal"

sleeper $SLEEP
tap_is "$(status Uid)/$(status Gid)" "65534 65534 65534 65534/65534 65534 65534 65534" \
	"a worker of root that needs no user is nobody"
tap_is "$(status CapEff) $(status CapPrm) $(status CapBnd) $(status CapAmb)" \
	"0000000000000000 0000000000000000 0000000000000000 0000000000000000" \
	"... has no capability, and can get none"
tap_is "$(status NoNewPrivs) $(status Seccomp)" "1 2" "... no new privileges, and a filter"
tap_is "$(status Groups)" 65534 "... and no group but its own"
# Standard descriptors, the stream, in port mode the answer, and the broker.
tap_is "$(find "/proc/$(ops_workers)/fd" -mindepth 1 | wc -l)" \
	$((${#OPS_LISTEN[@]} ? 6 : 5)) "... and no descriptor of others"
tap_is "$(awk '/^Max core file size/ { print $5, $6 } /^Max open files/ { print $4, $5 }' \
	"/proc/$(ops_workers)/limits" | xargs)" "0 0 256 256" "... no core, 256 descriptors"
awake
sleeper -u daemon $SLEEP
tap_is "$(status Uid)/$(status Gid)" "1 1 1 1/1 1 1 1" "a worker of another user is that user"
awake
sleeper -j 7 $JOB
tap_is "$(status Seccomp)" 2 "a worker of a job has a filter"
awake
tap_is "$(client -u nosuch $SLEEP | cut -d ' ' -f 1)" "invalid" \
	"a user that /etc/passwd does not have is refused"
if [ ${#OPS_LISTEN[@]} -gt 0 ]; then
	OPS_FRONT=/proc/$(ops_front)/status
	tap_is "$(awk '/^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):/ { print $2 }' "$OPS_FRONT" | xargs)" \
		"65534 0000000000000000 0000000000000000 1 2" \
		"the process that speaks the protocol is nobody, without capabilities"
fi
tap_is "$(stat -c '%a %u' "$OPS_DIR/run") $(stat -c %a "$OPS_DIR/run/keys")" "711 0 600" \
	"the daemon's directory lets others reach its sockets, not see them; the keys are root's"
ops_stop
tap_done

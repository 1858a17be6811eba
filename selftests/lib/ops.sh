# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Guest operations: pvguestd, and pvhost that asks it. Sourced after tap.sh. In a VM of
# selftests/vm the daemon has the kernel module's channel, or the stock port where the
# in-tree driver has it, and pvhost the port at its other end; on another machine both have a
# unix socket.
#
#   OPS_BUILD   where the programs are, from tools/ on; build is the default
#   OPS_DAEMON  pvguestd, or pvguestd-test with the operations of test_operations.c

# shellcheck source=ctl.sh
. "${BASH_SOURCE[0]%/*}/ctl.sh"
# shellcheck source=channel.sh
. "${BASH_SOURCE[0]%/*}/channel.sh"

OPS_TOOLS=$(cd "${BASH_SOURCE[0]%/*}/../../tools" && pwd)
OPS_BUILD=${OPS_BUILD:-build}
OPS_DAEMON=${OPS_DAEMON:-pvguestd}
OPS_DIR=
OPS_PID=
OPS_LIMIT=30	# seconds that a verb of pvhost may take

# ops_begin: the directory of this test, $OPS_DIR, and the socket; called by ops_start.
ops_begin()
{
	local vport

	[ -z "$OPS_DIR" ] || return 0
	need_root
	OPS_DIR=$(mktemp -d "${TMPDIR:-/tmp}/ops.XXXXXX")
	mkdir "$OPS_DIR/policy.d"
	chmod 755 "$OPS_DIR"
	tap_at_exit _ops_clean
	OPS_LISTEN=(--listen "$OPS_DIR/sock")
	export PVHOST_SOCKET=$OPS_DIR/sock
	[ -n "${PVG_QMP:-}" ] || return 0
	tap_check "every console device is bound to $CTL_DRIVER" ctl_claim
	ctl_need org.pvguest.control.0
	vport=$(ctl_wait pvg.controlhost) ||
		tap_absent "there is no port with the name pvg.controlhost"
	export PVHOST_SOCKET=/dev/$vport
	OPS_LISTEN=()
	[ "$CTL_DRIVER" = pvg_ctl ] || OPS_LISTEN=(--port "$PORT")
}

_ops_clean()
{
	[ -z "$OPS_PID" ] || kill -9 "$OPS_PID" 2> /dev/null
	_ops_processes | xargs -r kill -9 2> /dev/null
	rm -rf "$OPS_DIR"
}

# _ops_processes: those that the daemon has started, itself among them, whatever has become
# of their parents; not what a command was executed with another environment.
_ops_processes()
{
	grep -lz "^OPS_ID=$OPS_DIR\$" /proc/[0-9]*/environ 2> /dev/null |
		cut -d / -f 3 | grep -vxF "$$" | while read -r pid; do
		# Ended, and not reaped.
		grep -qs '^State:.[ZX]' "/proc/$pid/status" || echo "$pid"
	done
}

# ops_policy TEXT: the policy is TEXT alone, from the next request on.
ops_policy()
{
	ops_begin
	printf '%s\n' "$1" > "$OPS_DIR/policy.new"
	mv "$OPS_DIR/policy.new" "$OPS_DIR/policy.d/50-test.conf"
}

# ops_allow_all: the policy allows everything.
ops_allow_all()
{
	ops_policy '[rule "all"]
allow = @all
user = *
command = /** **
root = / rw
target = tcp:*:*, unix:/**'
}

# ops_start [OPTION]...: starts the daemon, with these options of its. Without a policy
# everything is allowed.
# shellcheck disable=SC2120
ops_start()
{
	ops_launch "$@"
	tap_check "the daemon is ready" _ops_ready
}

# ops_launch [OPTION]...: the same, without a check of its own.
# shellcheck disable=SC2120
ops_launch()
{
	ops_begin
	[ -n "$(ls -A "$OPS_DIR/policy.d")" ] || ops_allow_all
	# What a worker has at its end is the kernel's to take; nor may LeakSanitizer trace it.
	export ASAN_OPTIONS=detect_leaks=${OPS_LEAKS:-0}
	OPS_ID=$OPS_DIR "$OPS_TOOLS/$OPS_BUILD/$OPS_DAEMON" "${OPS_LISTEN[@]}" --policy "$OPS_DIR/policy.d" \
		--run "$OPS_DIR/run" "$@" 2>> "$OPS_DIR/log" &
	OPS_PID=$!
	wait_for 10 _ops_ready
}

_ops_ready()
{
	grep -q "^<6>pvguestd $OPS_PID: ready" "$OPS_DIR/log"
}

# ops_log TEXT: the daemon's log has it.
ops_log()
{
	grep -qF -- "$1" "$OPS_DIR/log"
}

_ops_gone()
{
	! kill -0 "$OPS_PID" 2> /dev/null
}

_ops_alone()
{
	[ -z "$(_ops_processes)" ]
}

# ops_workers: the processes of the daemon's workers.
ops_workers()
{
	pgrep -P "$OPS_PID" '^pvg-'
}

# ops_front: the process that speaks the protocol, in port mode.
ops_front()
{
	pgrep -P "$OPS_PID" -x pvguestd-front
}

# ops_has_workers N
ops_has_workers()
{
	[ "$(ops_workers | wc -l)" -eq "$1" ]
}

# ops_stop: the daemon ends when it is asked to, and leaves no process behind.
ops_stop()
{
	local status

	kill -TERM "$OPS_PID"
	wait_for 15 _ops_gone || kill -9 "$OPS_PID"
	wait "$OPS_PID"
	status=$?
	OPS_PID=
	tap_is "$status" 0 "the daemon ends with status 0 when it gets SIGTERM"
	wait_for 5 _ops_alone
	tap_check "the daemon leaves no process behind" _ops_alone ||
		tap_diag "$(_ops_processes | xargs -r ps -o pid,ppid,stat,wchan:20,args -p)"
	tap_fails "the sanitizers have nothing to report" \
		grep -E 'AddressSanitizer|LeakSanitizer|runtime error:' "$OPS_DIR/log"
	[ "$status" -eq 0 ] || tap_diag "$(tail -n 30 "$OPS_DIR/log")"
}

# pvhost VERB...
pvhost()
{
	timeout "$OPS_LIMIT" "$PVHOST" -t "$OPS_LIMIT" "$@"
}

# client OPTION...: see selftests/operations/client.c
client()
{
	"$OPS_TOOLS/../selftests/operations/client" "$@" "$PVHOST_SOCKET"
}

# client_begin OPTION...: one that is left to itself, what it prints in $OPS_DIR/client.
# Sets CLIENT.
client_begin()
{
	"$OPS_TOOLS/../selftests/operations/client" "$@" "$PVHOST_SOCKET" > "$OPS_DIR/client" 2>&1 &
	CLIENT=$!
}

# client_end: kills it.
client_end()
{
	kill "$CLIENT" 2> /dev/null
	wait "$CLIENT" 2> /dev/null
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Programs in the guest, for the tests of exec. Sourced after ops.sh.

# ex ARGUMENT...: pvhost exec without stdin. Sets STATUS, OUT and ERR.
ex()
{
	# shellcheck disable=SC2034 # for the tests
	OUT=$(pvhost exec -n "$@" 2> "$OPS_DIR/err")
	# shellcheck disable=SC2034
	STATUS=$?
	# shellcheck disable=SC2034
	ERR=$(< "$OPS_DIR/err")
}

# pvhost_pid: that of the pvhost which runs in the background beneath $PVHOST_PID.
pvhost_pid()
{
	local pid=$PVHOST_PID child

	while child=$(pgrep -P "$pid"); do
		pid=$child
	done
	echo "$pid"
}

# tap_has TEXT PART DESCRIPTION
tap_has()
{
	if [[ $1 == *"$2"* ]]; then
		tap_ok "$3"
	else
		tap_not_ok "$3" "no '$2' in '$1'"
	fi
}

# job_state JOB: as pvhost jobs has it; empty: there is no such job.
job_state()
{
	pvhost -j jobs | jq -r "select(.job == \"$1\") | .state"
}

has_state()
{
	[ "$(job_state "$1")" = "$2" ]
}

# job_pid JOB: of its program
job_pid()
{
	pvhost -j jobs | jq -r "select(.job == \"$1\") | .pid"
}

is_gone()
{
	! kill -0 "$1" 2> /dev/null || grep -qs '^State:.[ZX]' "/proc/$1/status"
}

# cut_begin: pvhost reaches the daemon by way of a process that can be ended; see cut_off.
cut_begin()
{
	CUT_TARGET=$PVHOST_SOCKET
	CUT_PID=
	if [ -S "$CUT_TARGET" ]; then
		CUT_TARGET=UNIX-CONNECT:$CUT_TARGET
	else
		CUT_TARGET=$CUT_TARGET,rawer
	fi
	tap_at_exit _cut_end
	export PVHOST_SOCKET=$OPS_DIR/cut
	cut_connect
}

# cut_connect: there is a connection again. (Descriptor 8 is the test's own.)
cut_connect()
{
	rm -f "$PVHOST_SOCKET"
	socat "UNIX-LISTEN:$PVHOST_SOCKET,fork,max-children=1" "$CUT_TARGET" 2> /dev/null 8>&- &
	CUT_PID=$!
	wait_for 5 test -S "$PVHOST_SOCKET"
}

# cut_off: the connection breaks, and there is none until cut_connect.
cut_off()
{
	pkill -9 -P "$CUT_PID"
	kill -9 "$CUT_PID"
	wait "$CUT_PID" 2> /dev/null
	rm -f "$PVHOST_SOCKET"
}

cut_is_used()
{
	pgrep -P "$CUT_PID"
}

_cut_end()
{
	[ -n "$CUT_PID" ] || return 0
	pkill -9 -P "$CUT_PID"
	kill -9 "$CUT_PID" 2> /dev/null
}

# serve_begin: several pvhost at a time have the guest, by way of pvhost serve.
serve_begin()
{
	local direct=$PVHOST_SOCKET

	export PVHOST_SOCKET=$OPS_DIR/serve
	"$PVHOST" -s "$direct" serve --listen="$PVHOST_SOCKET" 2> "$OPS_DIR/serve.log" &
	SERVE_PID=$!
	tap_at_exit _serve_end
	wait_for 10 test -S "$PVHOST_SOCKET"
}

_serve_end()
{
	kill "$SERVE_PID" 2> /dev/null
}

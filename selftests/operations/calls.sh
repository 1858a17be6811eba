#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What a put and a get through pvhost serve cost in system calls: frames go to a socket several
# at a time. On this machine only, where all that takes part is a process.

set -u
cd "$(dirname "$0")" || exit
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/files.sh
. ../lib/files.sh

MIB=32

# writes PROCESS: how many it has made; read() and write() of a socket count, send() does not.
writes()
{
	awk '$1 == "syscw:" { print $2 }' "/proc/$1/io"
}

# costs PROCESS NAME VERB...: $((MIB)) MiB cost the process no more than 60 writes each. A frame
# has 16 KiB, of which there are 64 in a MiB; 64 KiB that are written at a time are 16, what does
# not fill them and CREDIT come on top.
costs()
{
	local pid=$1 name=$2 before each

	shift 2
	before=$(writes "$pid")
	tap_check "$1 of $MIB MiB" pvhost "$@"
	each=$((($(writes "$pid") - before) / MIB))
	tap_diag "$1: $each writes of $name for each MiB"
	tap_num "$each <= 60" "$1 costs $name 60 writes for each MiB at most" "$each writes"
}

ops_start
files_begin
front=$(pgrep -P "$OPS_PID" | head -n 1)
"$PVHOST" -s "$OPS_DIR/sock" serve --listen "$OPS_DIR/served" 2> "$OPS_DIR/serve.log" &
server=$!
tap_at_exit kill $server
tap_check "pvhost serve listens" wait_for 10 test -S "$OPS_DIR/served"
export PVHOST_SOCKET=$OPS_DIR/served
head -c ${MIB}M /dev/urandom > "$FILES_DIR/host/data"
costs "$server" "pvhost serve" put -q "$FILES_DIR/host/data" "$FILES_DIR/guest/data"
costs "$front" "the daemon's front" get -q "$FILES_DIR/guest/data" "$FILES_DIR/host/back"
tap_check "what came back is the same" cmp "$FILES_DIR/host/data" "$FILES_DIR/host/back"
tap_done

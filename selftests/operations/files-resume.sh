#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Transfers whose session is lost on the way, and workers that are killed: what arrives is
# whole, goes on where it was, and is done once.
#
#   RESUME_MIB    of the file, 64
#   RESUME_CUTS   how often the host is cut off, 20

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/files.sh
. ../lib/files.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

MIB=${RESUME_MIB:-64}
CUTS=${RESUME_CUTS:-20}
[ -z "${PVG_QMP:-}" ] || tap_skip_all "the port's other end cannot be cut off here"

ops_start
files_begin
H=$FILES_DIR/host G=$FILES_DIR/guest
DIRECT=$PVHOST_SOCKET
CUTTER=

# cutter BYTES CUTS: pvhost's connections are cut from now on.
cutter()
{
	[ -z "$CUTTER" ] || { kill "$CUTTER"; wait "$CUTTER"; }
	rm -f "$FILES_DIR/cut"
	./cut "$FILES_DIR/cut" "$DIRECT" "$1" "$2" > "$FILES_DIR/cuts" 2> /dev/null &
	CUTTER=$!
	wait_for 5 test -S "$FILES_DIR/cut"
	export PVHOST_SOCKET=$FILES_DIR/cut
}
uncut()
{
	[ -z "$CUTTER" ] || kill "$CUTTER"
}
tap_at_exit uncut

cuts()
{
	wc -l < "$FILES_DIR/cuts"
}

head -c "${MIB}M" /dev/urandom > "$H/data"
bytes=$((MIB * 1048576 / (CUTS + 3)))

cutter "$bytes" "$CUTS"
sent=$(pvhost put "$H/data" "$G/data")
tap_is "$?" 0 "put goes on over $CUTS lost sessions"
tap_is "$(cuts)" "$CUTS" "the sessions were lost"
tap_check "what arrived is the same" cmp "$H/data" "$G/data"
tap_diag "$sent"
files_clean_guest "nothing is left of the parts"
tap_num "$(grep -c 'audit: put .*ended: ok' "$OPS_DIR/log") == 1" "it was done once"

cutter "$bytes" "$CUTS"
tap_check "get goes on over $CUTS lost sessions" pvhost get -q "$G/data" "$H/back"
tap_is "$(cuts)" "$CUTS" "the sessions were lost, too"
tap_check "what came back is the same" cmp "$H/data" "$H/back"
tap_is "$(files_leftovers "$H")" "" "nothing is left of the parts on the host"

# Without what is there already: from the beginning, as often as it takes.
cutter 3000000 3
head -c 8000000 "$H/data" > "$H/small"
tap_check "put --no-resume begins again" pvhost put -q --no-resume "$H/small" "$G/small"
tap_check "what arrived is the same" cmp "$H/small" "$G/small"

# A tree goes on after the last file that is in place.
mkdir -p "$H/tree/a" "$H/tree/b"
for i in $(seq 300); do
	head -c 20000 "$H/data" > "$H/tree/a/$i"
	ln "$H/tree/a/$i" "$H/tree/b/$i"
done
cutter 2000000 4
tap_check "put -r goes on over lost sessions" pvhost put -qr "$H/tree" "$G/tree"
tap_is "$(cuts)" 4 "they were lost"
tap_check "the tree is the same" diff -r "$H/tree" "$G/tree"
cutter 2000000 4
tap_check "get -r goes on over lost sessions" pvhost get -qr "$G/tree" "$H/tree2"
tap_check "what came back is the same" diff -r "$H/tree" "$H/tree2"
files_clean_guest "nothing is left of files without a name"

# The part that is there is not what the file begins with any more.
cutter 4000000 1
pvhost -t 1 put -q "$H/data" "$G/changed" & 
waiting=$!
begun()
{
	[ -n "$(files_leftovers "$G")" ]
}
wait_for 10 begun
kill -9 "$waiting" 2> /dev/null
wait "$waiting" 2> /dev/null
export PVHOST_SOCKET=$DIRECT
tap_check "what was begun by a pvhost that was killed can be gone on with" \
	pvhost put -q "$H/data" "$G/changed"
tap_check "it is the same" cmp "$H/data" "$G/changed"
part=$G/.pvguest-$(printf '0%.0s' $(seq 32)).part
printf 'wrong' > "$part"
tap_check "a part of another transfer does not hold up this one" \
	pvhost put -q "$H/data" "$G/again"
touch -d '30 days ago' "$part"
pvhost put -q "$H/data" "$G/again"
tap_fails "parts that are old are removed" test -e "$part"
for i in $(seq 20); do
	printf x > "$G/.pvguest-$(printf '%032d' "$i").part"
done
for i in 1 2 3 4 5 6; do
	pvhost put -q "$H/data" "$G/again"
done
tap_num "$(files_leftovers "$G" | wc -l) < 16" "parts that are too many are removed"
find "$G" -name '.pvguest-*' -delete

# Killed in any phase: nothing has the final name that is not whole.
worker()
{
	_ops_processes | while read -r pid; do
		[ "$pid" != "$OPS_PID" ] && grep -qs "$FILES_DIR" <(ls -l "/proc/$pid/fd" 2> /dev/null) &&
			echo "$pid"
	done
}
working()
{
	[ -n "$(worker)" ] || ! kill -0 "$putting" 2> /dev/null
}
# So much that it takes longer than to find the worker.
head -c 150M /dev/urandom > "$H/large"
whole=0 absent=0 wrong=0
for delay in 0 0.01 0.02 0.05 0.1 0.15 0.2 0.3 0.4 0.5; do
	rm -f "$G/killed"
	pvhost put -q --no-resume "$H/large" "$G/killed" 2> /dev/null &
	putting=$!
	wait_for 5 working
	sleep "$delay"
	worker | xargs -r kill -9
	wait "$putting"
	if [ ! -e "$G/killed" ]; then
		absent=$((absent + 1))
	elif cmp -s "$H/large" "$G/killed"; then
		whole=$((whole + 1))
	else
		wrong=$((wrong + 1))
	fi
done
tap_is "$wrong" 0 "a worker that is killed leaves nothing half-written under the final name"
tap_num "$absent > 0" "workers were killed before they were done" "$absent absent, $whole whole"
rm -f "$H/large" "$G/killed"
files_clean_guest "they leave no temporary file"
tap_check "the next put works" pvhost put -q "$H/data" "$G/killed"


# The session is lost while files are removed: that goes on, and how it ended is asked for.
[ -z "$CUTTER" ] || { kill "$CUTTER"; wait "$CUTTER"; }
CUTTER=
PVHOST_SOCKET=$DIRECT
cut_begin
mkdir "$G/many"
(cd "$G/many" && seq 40000 | xargs touch)
some_are_gone()
{
	[ "$(find "$G/many" -type f 2> /dev/null | wc -l)" -lt 40000 ]
}
pvhost rm -r "$G/many" 2> "$FILES_DIR/err" &
removing=$!
until some_are_gone; do
	sleep 0.01
done
cut_off
tap_check "the session is lost while a tree is removed" test -d "$G/many"
cut_connect
wait "$removing"
tap_is "$? $(< "$FILES_DIR/err")" "0 " "rm ends as it ended in the guest"
tap_fails "all was removed" test -e "$G/many"
cut_off
PVHOST_SOCKET=$DIRECT

# A guest that has crashed and booted again need not have what it had put in place last.
rm -rf "$H/tree" "$G/tree"
mkdir "$H/tree"
for ((i = 1000; i < 3000; i++)); do
	head -c 20000 /dev/urandom > "$H/tree/$i"
done
pvhost put -qr "$H/tree" "$G/tree" 2> "$FILES_DIR/err" &
putting=$!
until [ "$(find "$G/tree" -name '1*' 2> /dev/null | wc -l)" -gt 200 ]; do
	sleep 0.01
done
kill -9 "$OPS_PID"
_ops_processes | xargs -r kill -9 2> /dev/null
wait "$OPS_PID" 2> /dev/null
tap_num "$(find "$G/tree" -name '[12]*' | wc -l) < 2000" "the guest goes while a tree is put into it"
rm "$G/tree/1000" "$G/tree/1100"
ops_launch
wait "$putting"
tap_is "$? $(< "$FILES_DIR/err")" "0 " "the put goes on in the next boot"
tap_check "nothing is missing of what was in place before" diff -r "$H/tree" "$G/tree"

ops_stop
tap_done

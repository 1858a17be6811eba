#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost sync, in both directions: what differs is copied and nothing else.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/files.sh
. ../lib/files.sh

ops_start
files_begin
H=$FILES_DIR/host G=$FILES_DIR/guest
umask 022

# copied ARGUMENT...: files and removals that a sync tells of.
copied()
{
	pvhost --json sync "$@" | jq -r '"\(.files) \(.removed) \(.errors)"'
}

# tree DIRECTORY
tree()
{
	local i

	mkdir -p "$1/a/b" "$1/c"
	for i in 1 2 3; do
		head -c $((i * 50000)) /dev/urandom > "$1/a/$i"
		echo "$i" > "$1/a/b/$i"
	done
	ln -s a/1 "$1/link"
	touch -d '2003-01-02 03:04:05.678' "$1/a/1" "$1/a/b" "$1/c"
}

# both FROM TO NAME: what is the same for both directions; FROM and TO are directories here,
# and the arguments of sync are in $from and $to.
both()
{
	tree "$1"
	tap_is "$(copied "$from" "$to")" "7 0 0" "$3: all is copied to a directory that is not there"
	tap_check "$3: it is the same" files_same "$1" "$2"
	tap_is "$(copied "$from" "$to")" "0 0 0" "$3: nothing is copied again"
	echo more >> "$1/a/b/2"
	chmod 600 "$1/a/2"
	tap_is "$(copied "$from" "$to")" "2 0 0" "$3: what has another size or mode is copied"
	tap_check "$3: it is the same after changes" files_same "$1" "$2"
	echo other > "$1/a/b/1"
	echo 12345 > "$1/a/b/1"
	touch -r "$1/a/b/3" "$1/a/b/1"
	echo 54321 > "$2/a/b/1"
	touch -r "$1/a/b/3" "$2/a/b/1"
	touch -r "$1/a/b" "$2/a/b"
	tap_is "$(copied "$from" "$to")" "0 0 0" "$3: equal size and time are taken for equal content"
	tap_is "$(copied --checksum "$from" "$to")" "1 0 0" "$3: --checksum is not deceived"
	tap_is "$(cat "$2/a/b/1")" 12345 "$3: it has the content then"
	mkdir "$2/extra"
	touch "$2/extra/1" "$2/a/extra"
	tap_is "$(copied "$from" "$to")" "0 0 0" "$3: what is there alone stays"
	tap_is "$(pvhost sync -n --delete "$from" "$to" | sort | tr '\n' ' ')" \
		"remove a/extra remove extra " "$3: -n tells what --delete would remove"
	tap_check "$3: and does nothing" test -e "$2/extra/1"
	tap_is "$(copied --delete "$from" "$to")" "0 3 0" "$3: --delete removes it"
	tap_check "$3: it is the same after --delete" files_same "$1" "$2"
	rm -r "$1/c" "$1/a/3" "$1/link"
	echo file > "$1/c"
	mkdir "$1/a/3"
	touch "$1/a/3/x"
	ln -s a/2 "$1/link"
	tap_fails "$3: without --delete no directory becomes a file" pvhost sync -q "$from" "$to"
	tap_check "$3: it is a directory still" test -d "$2/c"
	tap_is "$(copied --delete "$from" "$to")" "2 2 0" "$3: with --delete types change"
	tap_check "$3: it is the same after types have changed" files_same "$1" "$2"
	mkfifo "$1/fifo"
	tap_check "$3: a fifo is left out and told" grep -q "1 fifos, sockets or devices" \
		<(pvhost sync -q "$from" "$to" 2>&1)
	rm "$1/fifo"
}

from=$H/one to=guest:$G/one
both "$H/one" "$G/one" "to the guest"
from=guest:$G/two to=$H/two
both "$G/two" "$H/two" "from the guest"

# Mistakes.
tap_fails "one of the two has to be the guest's" pvhost sync "$H/one" "$H/x"
tap_fails "not both" pvhost sync "guest:$G/one" "guest:$G/x"
tap_fails "a directory of the guest that is not there cannot be had" \
	pvhost sync "guest:$G/none" "$H/none"
files_says "No such file" "it is told" sync "guest:$G/none" "$H/none"
tap_fails "a file is no directory" pvhost sync "$H/one/c" "guest:$G/one"
mkdir "$FILES_DIR/away"
echo precious > "$FILES_DIR/away/file"
mkdir "$G/three"
ln -s "$FILES_DIR/away" "$G/three/sub"
mkdir -p "$H/three/sub"
touch "$H/three/sub/new"
tap_fails "a link in place of a directory is not followed" pvhost sync -q "$H/three" "guest:$G/three"
tap_is "$(ls "$FILES_DIR/away")" file "nothing was written through it"
tap_check "--delete replaces the link" pvhost sync -q --delete "$H/three" "guest:$G/three"
tap_is "$(cat "$FILES_DIR/away/file")" precious "and not what it leads to"

# What cannot be read is not taken for what is not there.
if grep -q ^nobody: /etc/passwd; then
	mkdir -m 755 "$G/four" "$H/four"
	mkdir -m 700 "$G/four/closed"
	touch "$G/four/closed/x"
	mkdir "$H/four/closed"
	touch "$H/four/closed/x"
	chmod 711 "$FILES_DIR" "$G"
	tap_fails "sync fails where not all can be read" \
		pvhost sync -q -u nobody --delete "guest:$G/four" "$H/four"
	tap_check "and removes nothing" test -e "$H/four/closed/x"
fi

ops_policy '[rule "no removal"]
allow = sync, put, get
user = *
root = / rw'
kill -HUP "$OPS_PID"
touch "$G/one/extra"
denied() { pvhost sync -q --delete "$H/one" "guest:$G/one" 2>&1 | grep -q "rm"; }
wait_for 5 denied
tap_check "--delete needs the policy's rm" denied
tap_check "what would go stays" test -e "$G/one/extra"

ops_stop
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How scripts/mutate takes what a VM says, with a selftests/vm that only pretends: the
# first check that fails ends it, and each status means what it should.

set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../../scripts/mutate.d/lane.sh
. ../../scripts/mutate.d/lane.sh

LANE=$(mktemp -d)
tap_at_exit rm -rf "$LANE"
OUT=$LANE
WORK=$LANE
CACHE=$LANE
GROUP=
mkdir "$LANE/selftests" "$LANE/mutate"

# vm STATUS LINE...: what the next VM prints and returns.
vm()
{
	{
		echo '#!/bin/bash'
		echo "echo run >> $LANE/runs"
		printf 'echo %q\n' "${@:2}"
		echo "exit $1"
	} > "$LANE/selftests/vm"
	chmod +x "$LANE/selftests/vm"
	: > "$LANE/runs"
}

# line WANTED KILLER NAME: a line of tests returns that.
line()
{
	local status=0

	KILLER=
	run_line "vm 6.1 1 60 block/some.sh" || status=$?
	tap_is "$((status != 0)) $KILLER" "$1 $2" "$3"
}

vm 0 "TAP version 13" "ok 1 - block/some.sh: a" "1..1"
line 0 "" "a VM in which everything passes kills nothing"
vm 1 "ok 1 - block/some.sh: a" "not ok 2 - block/some.sh: b" "not ok 3 - block/some.sh: c"
line 1 "block/some.sh: b" "the first check that fails is the one that kills"
vm 98 "ok 1 - block/some.sh: a"
line 1 "the VM, which died in block/some.sh" "a VM that dies kills"
vm 124 "ok 1 - block/some.sh: a"
line 1 "the limit of 60 s for block/some.sh" "a VM that does not end kills"
vm 99 "ok 1 - block/some.sh: a"
KILLER=
run_line "vm 6.1 1 60 block/some.sh"
tap_is "$? ${KILLER%%:*}" "1 the kernel's log" "a kernel that complains kills"
vm 97 "ok 1 - block/some.sh: a"
run_line "vm 6.1 1 60 block/some.sh"
tap_is "$(wc -l < "$LANE/runs")" 2 "a VM that lost a timer is run again, once"
vm 2
run_line "vm 6.1 1 60 block/some.sh" 2> /dev/null
tap_check "a VM that could not be run ends the whole run" test -s "$LANE/trouble"

# One that hangs after its first failure is stopped, with all that it started.
{
	echo '#!/bin/bash'
	echo "sleep 1000 & echo \$! > $LANE/pid"
	echo "echo 'not ok 1 - block/some.sh: a'"
	echo wait
} > "$LANE/selftests/vm"
start=$SECONDS
run_line "vm 6.1 1 60 block/some.sh"
tap_is $? 1 "a VM that goes on after a check that failed kills"
tap_num "$((SECONDS - start)) < 15" "a VM is stopped at the first check that fails"
tap_fails "nothing that the VM started is left" kill -0 "$(cat "$LANE/pid")"

tap_done

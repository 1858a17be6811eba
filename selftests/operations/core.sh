#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The daemon's core: a request becomes a worker, its record and data reach it and its answer
# the host; jobs; and what is wrong with a request is told.

set -u
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# Of enum test_op.
ECHO=1 CRASH=3 SLEEP=4 JOB=5 JOBS=6 RECORD=7 JOIN=0x101

# refused STATUS TEXT NAME OPTION...: the answer is that, and says so
refused()
{
	local got

	got=$(client "${@:4}")
	tap_is "${got%% *}" "$1" "$3: $1"
	if [[ $got == *"$2"* ]]; then
		tap_ok "$3: says why"
	else
		tap_not_ok "$3: says why" "'$got' has no '$2'"
	fi
}

ops_start
tap_check "the host sees the guest's status" pvhost status
tap_is "$(client -b 1000000 $ECHO)" "ok 1000000 intact 40420f0000000000" \
	"a megabyte comes back"
tap_is "$(client -b 3000000 -n 5 $ECHO | sort | uniq -c | xargs)" \
	"5 ok 3000000 intact c0c62d0000000000" "five times three megabytes come back at once"
tap_is "$(client -n 200 -o $ECHO | sort | uniq -c | xargs)" \
	"200 ok 0 intact 0000000000000000" "200 requests in turn are answered"
tap_is "$(client $CRASH)" "aborted 0 intact " "a worker that crashes is told as aborted"
tap_is "$(client -d 300 $SLEEP)" "timed-out 0 intact " "a deadline that passes is told"
tap_check "... and the worker ends" wait_for 10 ops_has_workers 0

# Records.
tap_is "$(client -R 262144 $RECORD)" "ok 262144 intact " "a record of 256 KiB, the most, arrives"
tap_is "$(client -R 1 $RECORD) $(client $RECORD)" "ok 1 intact  ok 0 intact " \
	"a record of one byte and one of none arrive"
refused invalid "the record has 5 bytes, and 3 came" "a record that is too short" \
	-r abc -H 4=5 $RECORD
refused invalid "the record has 2 bytes, and 3 came" "a record that is too long" \
	-r abc -H 4=2 $RECORD
refused invalid "the data ends within the record" "a record whose data ends" \
	-m -H 4=50 -b 20 $RECORD
refused timed-out "has not come within" "a record that does not come" -h -m -H 4=50 $RECORD

# Headers.
refused invalid "no header of 64 bytes" "no arguments" -x 0 $ECHO
refused invalid "no header of 64 bytes" "half a header" -x 63 $ECHO
refused invalid "no header of 64 bytes" "another size of the header" -H 0=65 $ECHO
refused invalid "unknown flags" "flags of the header" -H 3=1 $ECHO
refused invalid "longer than 262144 bytes" "a record of more than 256 KiB" -H 4=1 -H 6=4 $ECHO
refused invalid "reserved bytes" "reserved bytes of the header" -H 63=1 $ECHO
refused invalid "has no end" "a user's name of 32 bytes" -u "$(printf 'u%.0s' {1..32})" $ECHO
refused invalid "not filled up" "something behind the user's name" -u root -H 30=65 $ECHO
refused invalid "/etc/passwd has no user 'nosuch'" "a user that there is not" -u nosuch $ECHO
refused unsupported "no operation 99 of service 63" "an operation that there is not" 99
tap_is "$(client -s 62 1 | cut -d ' ' -f 1)" no-service "a service that there is not: no-service"

# Jobs.
refused invalid "it begins no job" "a job of an operation that begins none" -j 5 $ECHO
refused not-found "no such job" "a stream for a job that there is not" -j 5 $JOIN
client_begin -j 5 -r "a note" -l 60000 -p bob $JOB
wait_for 10 ops_has_workers 1
client_end
tap_is "$(client -j 5 -r hello -p bob $JOIN)" "ok 0 intact hello" "a stream joins a job"
tap_is "$(client -j 5 -r hello -p eve $JOIN | cut -d ' ' -f 1)" not-found \
	"... not that of another principal"
tap_is "$(client -w "$OPS_DIR/notes" -p bob $JOBS > /dev/null; cat "$OPS_DIR/notes")" "a note" \
	"the note of a job is known"
tap_is "$(client -w "$OPS_DIR/notes" -p eve $JOBS > /dev/null; cat "$OPS_DIR/notes")" "" \
	"... to its principal alone"
refused invalid "the job runs already" "a job that runs already" -j 5 -p bob $JOB
refused invalid "at most 4096 bytes" "a long record for a job" -j 5 -p bob -r "$(printf '%5000s' x)" $JOIN
tap_is "$(client -j 5 -k 77 -r once -p bob $JOIN) $(client -j 5 -k 77 -q -p bob $JOIN | cut -d ' ' -f 1)" \
	"ok 0 intact once forgotten" "a stream with a key joins, and may not do so again"
tap_is "$(client -j 5 -p bob $JOIN)" "ok 0 intact " "an empty record ends this job"
tap_check "... and its worker" wait_for 10 ops_has_workers 0

# The policy.
ops_policy '[rule "ping"]
allow = ping'
refused denied "test" "what the policy does not allow" $ECHO
ops_policy '[rule "bad"]
allow = nonsense'
refused denied "test" "with a policy that is damaged, what is closed by default" $ECHO
tap_check "... and the log names the file and line" ops_log "50-test.conf:2"
ops_allow_all
tap_is "$(client $ECHO | cut -d ' ' -f 1)" ok "a policy that was mended is used at once"
tap_is "$("$OPS_TOOLS/$OPS_BUILD/pvguestd" --version)" \
	"pvguestd $(sed -n 's/^#define PVG_VERSION[^"]*"\(.*\)"/\1/p' "$OPS_TOOLS/../include/pvguest/version.h" 2> /dev/null || modinfo -F version pvg_ctl)" \
	"--version"
for options in --nonsense word "--listen a --port b" --listen; do
	# shellcheck disable=SC2086 # several words
	"$OPS_TOOLS/$OPS_BUILD/pvguestd" $options > "$OPS_DIR/usage" 2>&1
	tap_is "$? $(wc -l < "$OPS_DIR/usage")" "2 1" "pvguestd $options is one line of error, and 2"
done
ops_stop
tap_done

# shellcheck shell=bash disable=SC2016,SC2153
# SPDX-License-Identifier: GPL-2.0-only
#
# What scripts/check makes of results: collect(), retries, results that are reused,
# durations and the order of jobs.

# in_check TREE COMMAND...: with the parts of scripts/check and directories of its own.
# Prints what the command does; counts are in $TMP/state/counts.
in_check()
{
	local tree=$1

	shift
	mkdir -p "$TMP/state/check" "$TMP/cache/check"
	bash -c '
		TREE=$1 CODE=$2 WORK=$3/state CHECK=$3/state/check CACHE=$3/cache REUSE=1
		LANES=1 TAP_LOG=$3/state/log
		shift 3
		for part in results durations reuse preflight jobs static docs run; do
			[ ! -e "$CODE/scripts/check.d/$part.sh" ] || . "$CODE/scripts/check.d/$part.sh"
		done
		[ -z "${EXPECT_FILE:-}" ] || EXPECTED_SKIPS=$EXPECT_FILE
		"$@"' in_check "$tree" "$TREE" "$TMP" "$@"
}

# judged NAME PASSED FAILED SKIPPED: of the TAP stream on stdin, from a VM with 6.1.
judged()
{
	local got

	rm -rf "$TMP/state"
	EXPECT_FILE=$TMP/expected in_check "$TREE" collect row 6.1 > "$TMP/collect"
	got=$(for word in passed failed skipped; do
		grep -cs "^$word" "$TMP/state/counts"
	done | paste -sd' ')
	if [ "$got" = "$2 $3 $4" ]; then
		tap_ok "collect: $1"
	else
		tap_not_ok "collect: $1" "passed failed skipped: got '$got', wanted '$2 $3 $4'" "$(cat "$TMP/collect")"
	fi
}

collected()
{
	printf '%s\n' '# a comment | x' '6.1 | fake/a.sh: odd one | not on 6.1' > "$TMP/expected"
	printf '%s\n' 'ok 1 - fake/a.sh: one' 'not ok 2 - fake/a.sh: two' '1..2' |
		judged "results are counted" 1 1 0
	printf '%s\n' 'ok 1 - fake/a.sh: odd one # SKIP not on 6.1' '1..1' |
		judged "an expected skip is one" 0 0 1
	printf '%s\n' 'ok 1 - fake/a.sh: one # SKIP not on 6.1' '1..1' |
		judged "the skip of another check is a failure" 0 1 0
	printf '%s\n' 'ok 1 - fake/a.sh: odd one # SKIP no disk' '1..1' |
		judged "a skip for another reason is a failure" 0 1 0
	printf '%s\n' 'ok 1 - fake/a.sh # SKIP not on 6.1' '1..1' |
		judged "the skip of a whole test is a failure" 0 1 0
	printf '%s\n' 'ok 1 - fake/a.sh: one' '1..2' |
		judged "a plan that is not fulfilled is a failure" 1 1 0
	printf '%s\n' 'ok 1 - fake/a.sh: one' |
		judged "a stream that breaks off before its plan is a failure" 1 1 0
	judged "no output is a failure" 0 1 0 < /dev/null
	echo '1..0 # SKIP needs root' |
		judged "a suite that runs nothing is a failure" 0 1 0
	printf '%s\n' 'ok 1 - a' '1..1' 'TAP version 13' '1..2' 'ok 1 - b' 'ok 2 - c' |
		judged "streams after each other are added up" 3 0 0
	rm -rf "$TMP/state"
	printf '%s\n' 'ok 1 - fake/a.sh: one' '1..1' |
		EXPECT_FILE=$TMP/expected in_check "$TREE" collect row 6.1 > "$TMP/collect"
	tap_is "$(EXPECT_FILE=$TMP/expected in_check "$TREE" unseen_skips 2>&1)" \
		"6.1 | fake/a.sh: odd one | not on 6.1" "an expected skip that does not happen is told"
}

# ended N: the last lines of a check with one passed result and N retries.
ended()
{
	local i

	rm -rf "$TMP/state"
	mkdir -p "$TMP/state/check"
	: > "$TMP/state/tap"
	for ((i = 0; i < $1; i++)); do
		echo "vm-$i: lost timer" >> "$TMP/state/check/retries"
	done
	in_check "$TREE" eval 'pass one; finish' > "$TMP/ended" 2>&1
	STATUS=$?
}

retries()
{
	ended 0
	tap_is "$STATUS $(tail -n 2 "$TMP/ended" | paste -sd';')" "0 retries: 0 (none);1 passed, 0 failed" \
		"retries: none are told in the line before the last"
	ended 2
	tap_is "$STATUS $(tail -n 2 "$TMP/ended" | paste -sd';')" \
		"0 retries: 2 (vm-0: lost timer, vm-1: lost timer);1 passed, 0 failed" \
		"retries: two are counted and named"
	ended 3
	tap_is "$STATUS $(tail -n 1 "$TMP/ended")" "1 1 passed, 1 failed" "retries: three fail the check"
	rm -rf "$TMP/state"
	in_check "$TREE" eval 'log_tap "row: not ok 1 - first result"; retried row "lost timer"; cat "$WORK/first"' \
		> "$TMP/first" 2>&1
	tap_check "retries: the first result is kept" grep -q '^first try .*not ok 1 - first result' "$TMP/first"
	rm -rf "$TMP/state"
	in_check "$TREE" eval 'log_tap "row: not ok 1 - first result"; retried row "lost timer"
		cat "$WORK/first" > "$WORK/tap"; log_tap "row-7: not ok 12 - a/b.sh: two"
		counts failed; failure "row: lives"; finish' > "$TMP/ended" 2>&1
	tap_is "$(sed -n '/^failed:/,/^all results/p' "$TMP/ended" | sed '1d;$d')" \
		"$(printf '         %s\n' "row-7: a/b.sh: two" "row: lives")" \
		"failed: the last lines name what failed, not the first result of what was retried"
	rm -rf "$TMP/state"
	in_check "$TREE" eval ': > "$WORK/tap"; finish' > "$TMP/ended" 2>&1
	tap_is "$? $(tail -n 1 "$TMP/ended")" "1 0 passed, 1 failed" "a check without a result fails"
}

# again COMMAND...: try_once with the key of a file; prints how often the command ran.
again()
{
	rm -rf "$TMP/state"
	in_check "$TMP/files" eval 'try_once "$(key_of file -- words)" "the check" '"$*" > "$TMP/again" 2>&1
	wc -l < "$TMP/files/ran"
}

reused()
{
	mkdir -p "$TMP/files"
	: > "$TMP/files/ran"
	echo 1 > "$TMP/files/file"
	tap_is "$(again "eval 'echo >> $TMP/files/ran; false'")" 1 "reuse: a check that fails runs"
	tap_is "$(again "eval 'echo >> $TMP/files/ran; true'")" 2 "reuse: a failure is not kept"
	tap_is "$(again "eval 'echo >> $TMP/files/ran; true'")" 2 "reuse: a pass is kept while nothing has changed"
	tap_check "reuse: a kept result counts as passed" grep -q '^passed' "$TMP/state/counts"
	tap_check "reuse: a kept result is noted" grep -q '^the check' "$TMP/state/check/reused"
	echo 2 > "$TMP/files/file"
	tap_is "$(again "eval 'echo >> $TMP/files/ran; true'")" 3 "reuse: a changed file makes it run"
}

durations()
{
	rm -rf "$TMP/state"
	printf '%s\n' 'ok 1 - fake/a.sh: one' '# fake/a.sh took 17 s' '# row: case took 5 s' '# part: of a test took 5 s' '1..1' |
		EXPECT_FILE=$TMP/expected in_check "$TREE" collect row 6.1 > /dev/null
	in_check "$TREE" eval 'slowest' > "$TMP/slowest" 2>&1
	tap_is "$(grep row/fake "$TMP/slowest")" "    17 s  row/fake/a.sh" "durations: the slowest tests are printed"
	tap_is "$(in_check "$TREE" duration_of row/fake/a.sh)" 17 "durations: they are kept for the next run"
	tap_is "$(in_check "$TREE" duration_of row/case)" 5 "durations: a case of a suite is kept"
	printf '%s\n' 'short 5' 'long 80' 'count-a 50' 'count-b 60' 'base 1' > "$TMP/cache/check/durations"
	tap_is "$(in_check "$TREE" eval '
		job short work "" true; job long work "" true; job count-a counts "" true
		job count-b counts "" true; job base work "" true; job needs work base true
		job last alone "" true; job kernel kernel "" true
		while weigh_jobs; n=$(next_job); do echo "${JOB_NAMES[n]}"; JOB_STATES[n]=over; done' | paste -sd' ')" \
		"kernel base needs count-b long count-a short last" \
		"jobs: kernels first, then needed ones, then the longest; counts by their sum; what runs alone last"
	tap_is "$(in_check "$TREE" eval '
		job a counts "" true; job b counts "" true; job c work "" true; job d alone "" true
		JOB_STATES[0]=running; for n in 1 2 3; do may_start $n && echo "${JOB_NAMES[n]}"; done
		JOB_STATES=(over over over running); JOB_STATES[2]=waiting; may_start 2 && echo beside' | paste -sd' ')" \
		c "jobs: one counts job at a time, work beside it, nothing beside what runs alone"
	tap_is "$(in_check "$TREE" eval 'job a work "" true; job b work "" true; job a work "" true
		echo "${JOB_NAMES[*]}"')" "a b" "jobs: a row of two suites is one job"
}

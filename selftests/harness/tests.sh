# shellcheck shell=bash disable=SC2016,SC2153
# SPDX-License-Identifier: GPL-2.0-only
#
# What selftests/run makes of a single test, and which tests are run at all.

# fake NAME BODY: a test of a made-up suite.
fake()
{
	mkdir -p "$TMP/suites/fake"
	cp "$TREE/selftests/run" "$TMP/suites/"
	cp -r "$TREE/selftests/lib" "$TMP/suites/"
	printf 'TEST_PROGS := %s\n' "$1" > "$TMP/suites/fake/Makefile"
	printf 'timeout=5\n' > "$TMP/suites/fake/settings"
	printf '#!/bin/bash\n%s\n' "$2" > "$TMP/suites/fake/$1"
	chmod +x "$TMP/suites/fake/$1"
}

# run_fake BODY [VARIABLE=VALUE]: selftests/run on a test; sets STATUS, output in $TMP/run.
run_fake()
{
	fake test.sh "$1"
	env "${@:2}" "$TMP/suites/run" fake/test.sh > "$TMP/run" 2>&1
	STATUS=$?
}

# fails WORDS DESCRIPTION BODY [VARIABLE=VALUE]: such a test is a failure that is told.
fails()
{
	run_fake "${@:3}"
	if [ "$STATUS" -eq 1 ] && grep -q "^not ok .*$1" "$TMP/run"; then
		tap_ok "$2 fails"
	else
		tap_not_ok "$2 fails" "status $STATUS" "$(cat "$TMP/run")"
	fi
}

# passes DESCRIPTION BODY [VARIABLE=VALUE]
passes()
{
	run_fake "${@:2}"
	if [ "$STATUS" -eq 0 ] && ! grep -q '^not ok' "$TMP/run"; then
		tap_ok "$1 passes"
	else
		tap_not_ok "$1 passes" "status $STATUS" "$(cat "$TMP/run")"
	fi
}

one_test()
{
	local lib='. ../lib/tap.sh; '

	passes "a test whose checks pass" "$lib tap_ok one; tap_ok two; tap_done"
	passes "a test that cannot run here and says why" "$lib tap_skip_all 'no such device'"
	tap_check "a test that cannot run is told as skipped" grep -q '^ok 1 - fake/test.sh # SKIP no such device' "$TMP/run"
	passes "a test with one check skipped" "$lib tap_ok one; tap_skip two 'not here'; tap_done"
	fails "fake/test.sh: one" "a failed check" "$lib tap_not_ok one; tap_done"
	fails "no check is left out after the first" "a test that skips its rest after a check" \
		"$lib tap_ok one; tap_skip_all 'no such device'"
	fails "does not skip the rest after 1" "a program that plans nothing after a check" \
		'echo "ok 1 - one"; echo "1..0 # SKIP no such device"; exit 4'
	fails "reports at least one check" "exit 4 without output" 'exit 4'
	fails "reports at least one check" "a plan of nothing without a reason" 'echo 1..0; exit 4'
	fails "reports at least one check" "a test without a single check" "$lib tap_done"
	fails "reports at least one check" "a program that prints nothing" 'exit 0'
	fails "reports the 3 checks it planned (1 seen)" "a plan that is not fulfilled" \
		'echo 1..3; echo "ok 1 - one"'
	fails "reports the unknown number of checks" "a test without a plan" 'echo "ok 1 - one"'
	fails "test ran to its end" "a test that ends before tap_done" "$lib tap_ok one; exit 0"
	fails "exits 0 when no check failed" "status 1 without a failed check" \
		'echo "ok 1 - one"; echo 1..1; exit 1'
	fails "exits 1 when a check failed" "status 0 with a failed check" \
		'echo "not ok 1 - one"; echo 1..1; exit 0'
	fails "exits 4 only when each check was skipped" "status 4 with a check that passed" \
		'echo "ok 1 - one"; echo 1..1; exit 4'
	fails "does not bail out" "a program that bails out" 'echo "ok 1 - one"; echo "Bail out! lost"; echo 1..1; exit 1'
	fails "ends within 5 seconds" "a test that hangs" "$lib sleep 60"
	absent
}

# A device that selftests/vm supplies and that is not there, as when a driver binds
# nothing.
absent()
{
	local suite=$TMP/suites

	fails "the machine has what the test needs" "an absent device under selftests/vm" \
		'. ../lib/tap.sh; tap_absent "no disk"' PVG_QMP=1
	passes "an absent device on another machine" '. ../lib/tap.sh; tap_absent "no disk"'
	fake test.sh ''
	cp -r "$TREE"/selftests/{block,net,balloon,control} "$suite/"
	# This machine has none of the devices.
	for test in block/integrity.sh net/integrity.sh balloon/cycle.sh control/files.sh control/channel.sh; do
		PVG_QMP=1 timeout 60 "$suite/run" "$test" > "$TMP/run" 2>&1 < /dev/null
		tap_is $? 1 "$test fails under selftests/vm when its device is absent"
	done
}

# check_rows in a made-up tree.
docs()
{
	local tree=$TMP/docs

	mkdir -p "$tree/Documentation" "$tree/selftests/fake"
	printf '[a](Documentation/a.md) [out](https://example.org/none)\n```\n[no](link)\n```\n' > "$tree/README.md"
	printf '[back](../README.md#top)\n' > "$tree/Documentation/a.md"
	tap_check "docs: links that lead somewhere pass" in_check "$tree" check_links
	printf '[back](../NONE.md)\n' > "$tree/Documentation/a.md"
	tap_is "$(in_check "$tree" check_links)" "Documentation/a.md: there is no ../NONE.md" \
		"docs: a link that leads nowhere is told"
	: > "$tree/Documentation/a.md"
	: > "$tree/Documentation/b.md"
	tap_is "$(in_check "$tree" check_links)" "README.md does not name Documentation/b.md" \
		"docs: a page that README does not name is told"
	printf '| it works | `fake/a.sh` | `works well` |\n' > "$tree/Documentation/promises.md"
	echo 'tap_ok "it works well"' > "$tree/selftests/fake/a.sh"
	tap_check "docs: a promise with its test passes" in_check "$tree" check_promises
	echo 'tap_ok "it works"' > "$tree/selftests/fake/a.sh"
	tap_is "$(in_check "$tree" check_promises)" "promises.md: selftests/fake/a.sh has not 'works well'" \
		"docs: a promise without its test is told"
}

# check_traces in a made-up tree: the fields of an event and of another's class.
traces()
{
	local tree=$TMP/traces bt=$TMP/traces/tools/bpftrace/a.bt

	mkdir -p "$tree/tools/bpftrace" "$tree/drivers/fake" "$tree/scripts/check.d"
	cp "$TREE/scripts/check.d/traces.awk" "$tree/scripts/check.d/"
	printf '%s\n' '#define TRACE_SYSTEM fake' 'DECLARE_EVENT_CLASS(some_class,' '	__field(int, a)' \
		'DEFINE_EVENT(some_class, fake_one,' 'TRACE_EVENT(fake_two,' '	__string(b, c)' > "$tree/drivers/fake/trace.h"
	printf 'tracepoint:fake:fake_one\n{\n\t@ = args->a;\n}\ntracepoint:fake:fake_two\n{\n\t@ = args->b;\n}\n' > "$bt"
	tap_check "traces: tracepoints and fields that exist pass" in_check "$tree" check_traces
	sed -i 's/args->a/args->b/' "$bt"
	tap_is "$(in_check "$tree" check_traces)" "tools/bpftrace/a.bt:3: fake:fake_one has no field b" \
		"traces: a field of another tracepoint is told"
	echo 'tracepoint:fake:fake_three { }' > "$bt"
	tap_is "$(in_check "$tree" check_traces)" "tools/bpftrace/a.bt:1: there is no tracepoint fake:fake_three" \
		"traces: a tracepoint that does not exist is told"
	echo 'interval:s:1 { }' > "$bt"
	tap_is "$(in_check "$tree" check_traces)" "tools/bpftrace/a.bt: no tracepoint found" \
		"traces: a script without any is told"
}

rows()
{
	local tree=$TMP/rows

	mkdir -p "$tree/selftests/fake"
	printf '. ../lib/tap.sh\n' | tee "$tree/selftests/fake/a.sh" > "$tree/selftests/fake/b.sh"
	chmod +x "$tree"/selftests/fake/*.sh
	printf 'TEST_PROGS := a.sh b.sh\n' > "$tree/selftests/fake/Makefile"
	: > "$tree/selftests/long.list"
	printf 'fake-6.1 6.1 1 100 fake/a.sh fake/b.sh\n' > "$tree/selftests/vm.list"
	in_check "$tree" check_rows > "$TMP/rows.out" 2>&1
	tap_is $? 0 "rows: a tree whose tests are all in rows passes"
	printf 'fake-6.1 6.1 1 100 fake/a.sh\n' > "$tree/selftests/vm.list"
	in_check "$tree" check_rows > "$TMP/rows.out" 2>&1
	tap_is "$? $(cat "$TMP/rows.out")" \
		"1 fake/b.sh is neither in selftests/vm.list nor in selftests/long.list" \
		"rows: a test that nothing runs is told"
	printf 'long-6.1 6.1 1 100 fake/b.sh\n' > "$tree/selftests/long.list"
	in_check "$tree" check_rows > "$TMP/rows.out" 2>&1
	tap_is "$? $(cat "$TMP/rows.out")" "1 long.list: no comment above says what covers long-6.1 on each change" \
		"rows: a test of the long check needs a line that says what covers it"
	printf '# fake/a.sh covers it\nlong-6.1 6.1 1 100 fake/b.sh\n' > "$tree/selftests/long.list"
	in_check "$tree" check_rows > "$TMP/rows.out" 2>&1
	tap_is $? 0 "rows: a test of the long check with such a line passes"
	printf 'TEST_PROGS := a.sh\n' > "$tree/selftests/fake/Makefile"
	in_check "$tree" check_rows > "$TMP/rows.out" 2>&1
	tap_is $? 1 "rows: a test that the suite's Makefile does not know is told"
	printf 'TEST_PROGS := a.sh \\\n\tb.sh\n' > "$tree/selftests/fake/Makefile"
	tap_is "$(in_check "$tree" only_here fake)" b.sh \
		"rows: a test that no VM of the check runs is one for this machine"
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Collects results for scripts/check: every TAP line goes into the log TAP_LOG,
# failures and progress to stdout.

PASSED=0
FAILED=0
SKIPPED=0

# say TEXT: a progress line with the time since the start.
say()
{
	printf '%5d s  %s\n' "$SECONDS" "$*"
}

log_tap()
{
	printf '%s\n' "$*" >> "$TAP_LOG"
}

pass()
{
	PASSED=$((PASSED + 1))
	log_tap "ok - $1"
}

# failure NAME [FILE]: a failure, with the end of FILE as its reason.
failure()
{
	FAILED=$((FAILED + 1))
	log_tap "not ok - $1"
	say "FAILED  $1"
	[ -z "${2:-}" ] || tail -n 40 "$2" | sed 's/^/         | /'
}

# try NAME COMMAND...: the command must succeed and may be long-winded.
try()
{
	local name=$1 start=$SECONDS

	shift
	if "$@" > "$WORK/output" 2>&1; then
		pass "$name"
		say "passed  $name ($((SECONDS - start)) s)"
	else
		failure "$name" "$WORK/output"
	fi
}

# collect NAME: counts the TAP stream on stdin. Progress is a line for each
# test; failures come with the diagnosis that follows them.
collect()
{
	local name=$1 line showing=

	while IFS= read -r line; do
		line=${line%$'\r'}
		log_tap "$name: $line"
		case $line in
		ok*"# SKIP"*)
			showing=
			SKIPPED=$((SKIPPED + 1))
			say "skipped $name: ${line#ok * - }" ;;
		ok*)
			showing=
			PASSED=$((PASSED + 1)) ;;
		"not ok"*)
			showing=1
			FAILED=$((FAILED + 1))
			say "FAILED  $name: ${line#not ok * - }" ;;
		"# totals:"*)
			showing=
			say "$name ${line#\# }" ;;
		"# "*" took "*)
			showing=
			say "        $name: ${line#\# }" ;;
		"#"*)
			[ -z "$showing" ] || printf '         | %s\n' "${line#\# }" ;;
		esac
	done
}

# finish: the last line, and the exit status.
finish()
{
	local line="$PASSED passed, $FAILED failed"

	[ "$SKIPPED" -eq 0 ] || line+=", $SKIPPED skipped"
	echo "all results: $TAP_LOG"
	echo "$line"
	[ "$FAILED" -eq 0 ]
	exit
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Collects results for scripts/check: every TAP line goes into $WORK/tap, a word
# for each result into $WORK/counts, failures and progress to stdout.

# say TEXT: a progress line with the time since the start.
say()
{
	printf '%5d s  %s\n' "$SECONDS" "$*"
}

log_tap()
{
	printf '%s\n' "$*" >> "$WORK/tap"
}

# counts passed|failed|skipped: one more. In a file, so that it outlives whatever
# happens to the shell that counts.
counts()
{
	printf '%s\n' "$1" >> "$WORK/counts"
}

# reason NAME: what is on stdin belongs to the failure of NAME. With the name on
# each line, since the lines of something else may come in between.
reason()
{
	sed "s|^|         \| $1: |"
}

pass()
{
	counts passed
	log_tap "ok - $1"
}

# failure NAME [FILE]: a failure, with the end of FILE as its reason.
failure()
{
	counts failed
	log_tap "not ok - $1"
	say "FAILED  $1"
	[ -z "${2:-}" ] || tail -n 40 "$2" | reason "${1%%:*}"
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
			counts skipped
			say "skipped $name: ${line#ok * - }" ;;
		ok*)
			showing=
			counts passed ;;
		"not ok"*)
			showing=1
			counts failed
			say "FAILED  $name: ${line#not ok * - }" ;;
		"# totals:"*)
			showing=
			say "$name ${line#\# }" ;;
		"# "*" took "*)
			showing=
			say "        $name: ${line#\# }" ;;
		"#"*)
			[ -z "$showing" ] || printf '         | %s: %s\n' "$name" "${line#\# }" ;;
		esac
	done
}

# counted [WORD]: how many results there are in $WORK/counts.
counted()
{
	grep -cs "^${1:-}" "$WORK/counts" || true
}

# finish: the last line, and the exit status.
finish()
{
	local line skipped

	line="$(($(counted passed))) passed, $(($(counted failed))) failed"
	skipped=$(counted skipped)
	[ "$((skipped))" -eq 0 ] || line+=", $skipped skipped"
	cat "$WORK/tap" >> "$TAP_LOG"
	echo "all results: $TAP_LOG"
	echo "$line"
	[ "$(($(counted failed)))" -eq 0 ]
	exit
}

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Collects results for scripts/check: every TAP line goes into $WORK/tap, a word
# for each result into $WORK/counts, failures and progress to stdout. CHECK is a
# directory that all jobs of one check share: retries, skips, results that were reused.

EXPECTED_SKIPS=$TREE/selftests/expected-skips
RETRIES_ALLOWED=2

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

# note FILE TEXT: a line of what all jobs share.
note()
{
	printf '%s\n' "$2" >> "$CHECK/$1"
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

# try NAME COMMAND...: the command must succeed; its output is shown if it does not.
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

# expected_skip KERNEL DESCRIPTION REASON: one of the skips that EXPECTED_SKIPS allows.
# Which of them were seen is noted, for unseen_skips().
expected_skip()
{
	local n=0 kernel description reason

	while IFS='|' read -r kernel description reason; do
		n=$((n + 1))
		[[ $kernel != \#* && -n $description ]] || continue
		# shellcheck disable=SC2053 # patterns
		if [[ $1 == $kernel && $2 == $description && $3 == $reason ]]; then
			note skips "$n"
			return 0
		fi
	done < <(sed 's/[[:space:]]*|[[:space:]]*/|/g' "$EXPECTED_SKIPS")
	return 1
}

# unseen_skips: the lines of EXPECTED_SKIPS that no test of a whole check has used: each
# of them would hide a skip that is not expected any more.
unseen_skips()
{
	local n=0 line

	while IFS= read -r line; do
		n=$((n + 1))
		[[ $line == *\|* && $line != \#* ]] || continue
		grep -qsx "$n" "$CHECK/skips" || printf '%s\n' "$line"
	done < "$EXPECTED_SKIPS"
}

# collect NAME KERNEL: counts the TAP stream on stdin, which may consist of several.
# Progress is a line for each test; failures come with the diagnosis that follows them.
# A skip that is not expected, a plan that is not fulfilled and a stream without a single
# result are failures of their own.
collect()
{
	local name=$1 kernel=$2 line showing='' planned='' seen=0 what

	while IFS= read -r line; do
		line=${line%$'\r'}
		log_tap "$name: $line"
		case $line in
		"ok"*)
			showing=
			seen=$((seen + 1))
			if [[ $line != *"# SKIP"* ]]; then
				counts passed
				continue
			fi
			what=${line#ok * - }
			if expected_skip "$kernel" "${what%% # SKIP*}" "${what#*# SKIP }"; then
				counts skipped
				say "skipped $name: $what"
			else
				failure "$name: no skip but those of selftests/expected-skips: $what"
			fi ;;
		"not ok"*)
			showing=1
			seen=$((seen + 1))
			counts failed
			say "FAILED  $name: ${line#not ok * - }" ;;
		"Bail out!"*)
			failure "$name: no test bails out: $line" ;;
		1..[0-9]*)
			line=${line#1..}
			planned=$((planned + ${line%%[!0-9]*})) ;;
		"# totals:"*)
			showing=
			say "$name ${line#\# }" ;;
		"# "*/*".sh took "*" s" | "# ${name%%-*}: "*" took "*" s")
			showing=
			line=${line#\# }
			what=${line%% took *}
			line=${line% s}
			note durations "$name/${what##* } ${line##* took }"
			say "        $name: $line s" ;;
		"#"*)
			[ -z "$showing" ] || printf '         | %s: %s\n' "$name" "${line#\# }" ;;
		esac
	done
	if [ "$seen" -eq 0 ]; then
		failure "$name: at least one check is run"
	elif [ "${planned:-none}" != "$seen" ]; then
		failure "$name: as many results as planned (${planned:-no plan}, $seen seen)"
	fi
}

# counted [WORD]: how many results there are in $WORK/counts.
counted()
{
	local number

	number=$(grep -cs "^${1:-}" "$WORK/counts")
	echo "${number:-0}"
}

# retried NAME WHY: a VM was started a second time. What came of the first is kept.
retried()
{
	note retries "$1: $2"
	sed "s|^|first try ($2): |" "$WORK/tap" >> "$WORK/first" 2> /dev/null
}

# judge_retries: prints what was retried, in one line. More than RETRIES_ALLOWED are a
# failure: what needs so many is not an accident of the emulator.
judge_retries()
{
	local number=0 list=none

	if [ -s "$CHECK/retries" ]; then
		number=$(wc -l < "$CHECK/retries")
		list=$(sort "$CHECK/retries" | paste -sd, | sed 's/,/, /g')
	fi
	[ "$number" -le "$RETRIES_ALLOWED" ] ||
		failure "retries: at most $RETRIES_ALLOWED VMs are started a second time ($number were)"
	RETRIES_LINE="retries: $number ($list)"
}

# failures: what failed, once more, since the end of a long log is what is read first. The
# first results of what was retried are not among it.
failures()
{
	[ "$(counted failed)" -gt 0 ] || return
	echo "failed:"
	sed -n '/^first try/d; s/^\(.*: \)\?not ok \([0-9]* \)\?- \(.*\)/         \1\3/p' "$WORK/tap" |
		sort -u | head -n 40
}

# finish: the last lines, and the exit status.
finish()
{
	local line skipped reused

	slowest
	judge_retries
	[ "$(counted)" -gt 0 ] || failure "check: at least one check is run"
	failures
	line="$(counted passed) passed, $(counted failed) failed"
	skipped=$(counted skipped)
	[ "$skipped" -eq 0 ] || line+=", $skipped skipped"
	cat "$WORK/tap" >> "$TAP_LOG"
	echo "all results: $TAP_LOG"
	reused=$(sort "$CHECK/reused" 2> /dev/null | paste -sd, | sed 's/,/, /g')
	[ -z "$reused" ] || echo "reused, since nothing that they depend on has changed: $reused"
	echo "$RETRIES_LINE"
	echo "$line"
	[ "$(counted failed)" -eq 0 ]
	exit
}

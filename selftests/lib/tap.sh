# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# TAP version 13 for test programs written in bash. A test sources this file,
# reports with the functions below and ends with tap_done. Exit status is that
# of kselftest: 0 passed, 1 failed, 4 skipped. A test that dies before tap_done
# (set -e, a signal, a forgotten call) reports that as a failure of its own.

TAP_COUNT=0
TAP_FAILED=0
TAP_SKIPPED=0
TAP_ENDED=
TAP_ON_EXIT=()

# tap_at_exit COMMAND...: run COMMAND when the test ends, last registered first.
tap_at_exit()
{
	TAP_ON_EXIT=("$(printf '%q ' "$@")" "${TAP_ON_EXIT[@]}")
}

_tap_exit()
{
	local status=$? command

	set +e
	for command in "${TAP_ON_EXIT[@]}"; do
		eval "$command"
	done
	[ -n "$TAP_ENDED" ] && exit "$TAP_ENDED"
	tap_not_ok "test ran to its end" "it stopped with status $status"
	echo "1..$TAP_COUNT"
	exit 1
}

tap_diag()
{
	local line

	while IFS= read -r line; do
		printf '# %s\n' "$line"
	done <<< "$*"
}

tap_ok()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	echo "ok $TAP_COUNT - $1"
}

# tap_not_ok DESCRIPTION [DIAGNOSIS...]
tap_not_ok()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_COUNT - $1"
	shift
	[ $# -eq 0 ] || tap_diag "$*"
}

# tap_skip DESCRIPTION REASON: this one check cannot run here.
tap_skip()
{
	TAP_COUNT=$((TAP_COUNT + 1))
	TAP_SKIPPED=$((TAP_SKIPPED + 1))
	echo "ok $TAP_COUNT - $1 # SKIP $2"
}

# tap_skip_all REASON: nothing of this test can run here. A test that has reported
# something cannot say so any more.
tap_skip_all()
{
	if [ "$TAP_COUNT" -gt 0 ]; then
		tap_not_ok "no check is left out after the first" "$1"
		tap_done
	fi
	TAP_ENDED=4
	echo "1..0 # SKIP $1"
	exit 4
}

# tap_absent REASON: what the test needs and selftests/vm provides is absent. Under
# selftests/vm (PVG_QMP=1) that is a failure, since a driver that binds nothing must not
# pass; on another machine nothing of the test can run.
tap_absent()
{
	[ -n "${PVG_QMP:-}" ] || tap_skip_all "$1: start the VM with selftests/vm"
	tap_not_ok "the machine has what the test needs" "$1"
	tap_done
}

# tap_check DESCRIPTION COMMAND...: the command must succeed; what it printed
# is shown only if it does not.
tap_check()
{
	local what=$1 output status=0

	shift
	output=$("$@" 2>&1) || status=$?
	if [ "$status" -eq 0 ]; then
		tap_ok "$what"
	else
		tap_not_ok "$what" "exit status $status: $*"$'\n'"$output"
	fi
	return "$status"
}

# tap_fails DESCRIPTION COMMAND...: the command must fail.
tap_fails()
{
	local what=$1 output

	shift
	if output=$("$@" 2>&1); then
		tap_not_ok "$what" "succeeded: $*"$'\n'"$output"
	else
		tap_ok "$what"
	fi
}

# tap_is GOT WANTED DESCRIPTION: equal as strings.
tap_is()
{
	if [ "$1" = "$2" ]; then
		tap_ok "$3"
	else
		tap_not_ok "$3" "got '$1', wanted '$2'"
	fi
}

# tap_num EXPRESSION DESCRIPTION [DIAGNOSIS]: the arithmetic expression (bc-like
# reals and comparisons, as awk has them) must be true. A word in it is a variable
# that lacks its $, which awk would take for 0.
tap_num()
{
	if [[ $1 =~ [A-Za-z_]{2} ]]; then
		tap_not_ok "$2" "not a number: ${BASH_REMATCH[0]} in $1"
	elif awk "BEGIN { exit !($1) }"; then
		tap_ok "$2"
	else
		tap_not_ok "$2" "not true: $1${3:+; $3}"
	fi
}

# tap_forward PREFIX COMMAND...: runs a program that prints TAP and reports each of its
# checks as one of this test, named "PREFIX: ..." (PREFIX may be empty). A plan that is
# missing or not fulfilled, no check at all, and an exit status that does not fit the
# results (0 when all passed, 1 when one failed) are failures of their own. What else it
# prints goes out unchanged, requests to the host among it. Returns its exit status.
tap_forward()
{
	local name=${1:+$1: } program=${2##*/} line what plan='' seen=0 failed=0 wanted status fd pid

	shift
	exec {fd}< <({ exec "$@"; } 2>&1)
	pid=$!
	while IFS= read -r line <&"$fd" || [ -n "$line" ]; do
		line=${line%$'\r'}
		if [[ $line =~ ^(not\ )?ok\ [0-9]+(\ -)?\ (.*)$ ]]; then
			seen=$((seen + 1))
			what=${BASH_REMATCH[3]}
			if [ -n "${BASH_REMATCH[1]}" ]; then
				failed=$((failed + 1))
				tap_not_ok "$name$what"
			elif [[ $what == *" # SKIP "* ]]; then
				tap_skip "$name${what%% # SKIP *}" "${what#* # SKIP }"
			else
				tap_ok "$name$what"
			fi
		elif [[ $line =~ ^1\.\.([0-9]+) ]]; then
			[ -z "$plan" ] || tap_not_ok "$name$program prints one plan" "a second: $line"
			plan=${BASH_REMATCH[1]}
		elif [[ $line != "TAP version "* ]]; then
			echo "$line"
		fi
	done
	exec {fd}<&-
	wait "$pid"
	status=$?
	wanted=$((failed > 0))
	if [ "$seen" -eq 0 ]; then
		tap_not_ok "$name$program runs at least one check" \
			"plan ${plan:-missing}, exit status $status"
	elif [ "$plan" != "$seen" ]; then
		tap_not_ok "$name$program runs the checks it planned" \
			"planned ${plan:-nothing}, ran $seen, exit status $status"
	fi
	[ "$status" -eq "$wanted" ] ||
		tap_not_ok "$name$program exits with $wanted after $failed failed checks" \
			"exit status $status"
	return "$status"
}

tap_done()
{
	echo "1..$TAP_COUNT"
	if [ "$TAP_FAILED" -gt 0 ]; then
		TAP_ENDED=1
	elif [ "$TAP_COUNT" -eq "$TAP_SKIPPED" ]; then
		TAP_ENDED=4
	else
		TAP_ENDED=0
	fi
	exit "$TAP_ENDED"
}

trap _tap_exit EXIT
echo "TAP version 13"

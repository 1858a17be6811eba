# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How long jobs and tests took. The last duration of each is kept in the cache, in
# lines of "NAME SECONDS", and decides in which order jobs.sh starts jobs.

DURATIONS=$CACHE/check/durations

# duration_of NAME: seconds, as it took last time, or nothing.
duration_of()
{
	awk -v name="$1" '$1 == name { print $2 }' "$DURATIONS" 2> /dev/null
}

# keep_durations: those of this run in the place of older ones.
keep_durations()
{
	local lock

	[ -s "$CHECK/durations" ] || return 0
	exec {lock}> "$CACHE/check/lock" && flock "$lock" || return
	cat "$DURATIONS" "$CHECK/durations" 2> /dev/null |
		awk '{ last[$1] = $2 } END { for (name in last) print name, last[name] }' |
		sort > "$DURATIONS.new" && mv "$DURATIONS.new" "$DURATIONS"
	exec {lock}>&-
}

# slowest: the ten tests that took longest, in two columns.
slowest()
{
	keep_durations
	grep -s / "$CHECK/durations" > "$WORK/slow" || return 0
	echo "slowest tests:"
	sort -k2,2nr "$WORK/slow" | head -n 10 |
		while read -r name seconds; do
			printf '%6d s  %s\n' "$seconds" "$name"
		done
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz.sh [--learn] SECONDS: run the fuzzers from their corpora, all at a time, and
# report as TAP. PVG_SEED=N repeats the choices of an earlier run.
# With --learn what it finds is merged into the corpus, otherwise dropped. An
# input that fails is kept here, as crash-* or timeout-*.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/guest.sh
. ../lib/guest.sh

learn=
if [ "${1:-}" = --learn ]; then
	learn=1
	shift
fi
seconds=${1:?usage: fuzz.sh [--learn] SECONDS}
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
test_seed

# What is found must not be found only because the input is long.
options=(-max_len=1024 -timeout=60 -rss_limit_mb=1024 -print_final_stats=1 -seed="$SEED")

# Each fuzzer, and the percentage of its edges that its corpus reaches at least: nine
# tenths of what it does reach. With a tenth of the corpus, it is 21.
fuzzers=("guest 35" "host 34" "services 25")
pids=()

# value PATTERN FILE: the number that the pattern has in a fuzzer's output, or 0.
value()
{
	local number

	number=$(sed -n "s/^$1.*/\\1/p" "$2" | head -n 1)
	echo "${number:-0}"
}

# kill_rest: the fuzzers that have not ended.
kill_rest()
{
	[ "${#pids[@]}" -eq 0 ] || kill -KILL "${pids[@]}" 2> /dev/null
}

for fuzzer in "${fuzzers[@]}"; do
	side=${fuzzer% *}
	mkdir -p "$TMP/$side"
	"./fuzz-$side" "${options[@]}" -max_total_time="$seconds" \
		"$TMP/$side" "corpus/$side" > "$TMP/$side.log" 2>&1 &
	pids+=($!)
done
tap_at_exit kill_rest
for fuzzer in "${fuzzers[@]}"; do
	read -r side percent <<< "$fuzzer"
	wait "${pids[0]}"
	status=$?
	pids=("${pids[@]:1}")
	if [ $status -eq 0 ]; then
		tap_ok "fuzz-$side finds no failing input in $seconds s"
	else
		tap_not_ok "fuzz-$side finds no failing input in $seconds s" \
			"exit status $status"$'\n'"$(tail -n 40 "$TMP/$side.log")"
	fi
	files=$(find "corpus/$side" -type f | wc -l)
	runs=$(value 'stat::number_of_executed_units: *\([0-9]*\)' "$TMP/$side.log")
	tap_num "$files > 0 && $runs > $files" "fuzz-$side runs more inputs than its corpus has" \
		"$runs inputs, $files files"
	covered=$(value '#[0-9]*[[:space:]]*INITED cov: \([0-9]*\)' "$TMP/$side.log")
	edges=$(value '.*Loaded 1 modules *(\([0-9]*\) ' "$TMP/$side.log")
	tap_num "$edges > 0 && $covered * 100 >= $edges * $percent" \
		"fuzz-$side: the corpus reaches $percent % of the edges" "$covered of $edges"
	if [ -n "$learn" ]; then
		"./fuzz-$side" "${options[@]}" -merge=1 "corpus/$side" "$TMP/$side" \
			> /dev/null 2>&1
	fi
done
tap_done

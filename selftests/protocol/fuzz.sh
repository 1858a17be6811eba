#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh [--learn] SECONDS: run the fuzzers from their corpora, all at a time, and
# report as TAP.
# With --learn what it finds is merged into the corpus, otherwise dropped. An
# input that fails is kept here, as crash-* or timeout-*.
set -u
cd "$(dirname "$0")" || exit 1

learn=
if [ "${1:-}" = --learn ]; then
	learn=1
	shift
fi
seconds=${1:?usage: fuzz.sh [--learn] SECONDS}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# What is found must not be found only because the input is long.
options=(-max_len=1024 -timeout=60 -rss_limit_mb=1024 -print_final_stats=1)
failed=0
count=0
sides=(guest host services)

# report DESCRIPTION PASSED DIAGNOSIS
report()
{
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $count - $1"
	else
		failed=1
		echo "not ok $count - $1"
		printf '%s\n' "$3" | sed 's/^/# /'
	fi
}

echo "1..$((2 * ${#sides[@]}))"
for side in "${sides[@]}"; do
	mkdir -p "$tmp/$side"
	"./fuzz-$side" "${options[@]}" -max_total_time="$seconds" \
		"$tmp/$side" "corpus/$side" > "$tmp/$side.log" 2>&1 &
	pids+=($!)
done
for side in "${sides[@]}"; do
	wait "${pids[0]}"
	report "fuzz-$side: $seconds s" $? "$(tail -n 40 "$tmp/$side.log")"
	pids=("${pids[@]:1}")
	# That the corpus still reaches a session, and further, is worth a test:
	# if it does not, the fuzzer looks at nothing but the handshake.
	covered=$(sed -n 's/^#[0-9]*[[:space:]]*INITED cov: \([0-9]*\).*/\1/p' "$tmp/$side.log")
	[ "${covered:-0}" -ge 400 ]
	report "fuzz-$side: the corpus covers 400 edges" $? "it covers ${covered:-none}"
	if [ -n "$learn" ]; then
		"./fuzz-$side" "${options[@]}" -merge=1 "corpus/$side" "$tmp/$side" \
			> /dev/null 2>&1
	fi
done
exit $failed

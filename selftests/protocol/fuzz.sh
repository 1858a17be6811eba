#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# fuzz.sh [--learn] SECONDS: run each fuzzer from its corpus, and report as TAP.
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
options=(-max_len=1024 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1)
failed=0
count=0

echo "1..6"
for side in guest host services; do
	count=$((count + 1))
	mkdir -p "$tmp/$side"
	if "./fuzz-$side" "${options[@]}" -max_total_time="$seconds" \
		"$tmp/$side" "corpus/$side" > "$tmp/log" 2>&1; then
		echo "ok $count - fuzz-$side: $seconds s"
	else
		failed=1
		echo "not ok $count - fuzz-$side: $seconds s"
		tail -n 40 "$tmp/log" | sed 's/^/# /'
	fi
	# That the corpus still reaches a session, and further, is worth a test:
	# if it does not, the fuzzer looks at nothing but the handshake.
	count=$((count + 1))
	covered=$(sed -n 's/^#[0-9]*[[:space:]]*INITED cov: \([0-9]*\).*/\1/p' "$tmp/log")
	if [ "${covered:-0}" -ge 400 ]; then
		echo "ok $count - fuzz-$side: the corpus covers 400 edges"
	else
		failed=1
		echo "not ok $count - fuzz-$side: the corpus covers 400 edges"
		echo "# it covers ${covered:-nothing}"
	fi
	if [ -n "$learn" ]; then
		"./fuzz-$side" "${options[@]}" -merge=1 "corpus/$side" "$tmp/$side" \
			> /dev/null 2>&1
	fi
done
exit $failed

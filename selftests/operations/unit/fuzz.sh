#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# fuzz.sh [--learn] SECONDS FUZZER...: runs each from its corpus for so long, and reports as
# TAP. With --learn what it finds is merged into the corpus, otherwise dropped. An input that
# fails is kept here, as crash-* or timeout-*.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../../lib/tap.sh
. ../../lib/tap.sh

learn=
if [ "${1:-}" = --learn ]; then
	learn=1
	shift
fi
seconds=${1:?usage: fuzz.sh [--learn] SECONDS FUZZER...}
shift
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

for fuzzer; do
	options=(-max_len=2048 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1)
	corpus=corpus/${fuzzer#fuzz-}
	[ ! -e "corpus/${fuzzer#fuzz-}.dict" ] || options+=("-dict=$corpus.dict")
	mkdir -p "$TMP/$fuzzer"
	status=0
	"./$fuzzer" "${options[@]}" -max_total_time="$seconds" "$TMP/$fuzzer" "$corpus" \
		> "$TMP/$fuzzer.log" 2>&1 || status=$?
	tap_is "$status" 0 "$fuzzer finds no failing input in $seconds s" ||
		tap_diag "$(tail -n 40 "$TMP/$fuzzer.log")"
	[ "$status" -eq 0 ] || tap_diag "$(tail -n 40 "$TMP/$fuzzer.log")"
	files=$(find "$corpus" -type f | wc -l)
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$TMP/$fuzzer.log")
	tap_num "$files > 0 && ${runs:-0} > $files" "$fuzzer runs more inputs than its corpus has" \
		"${runs:-0} inputs, $files files"
	[ -z "$learn" ] ||
		"./$fuzzer" "${options[@]}" -merge=1 "$corpus" "$TMP/$fuzzer" > /dev/null 2>&1
done
tap_done

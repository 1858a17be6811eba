#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The screen of pvhost top is the one in render.expected/, and never wider or longer than the
# terminal, whatever the guest says. To accept what it is now: render.sh --accept.

set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
export LC_ALL=C.UTF-8

# columns rows characters order texts
cases='80 24 utf8 cpu plain
80 24 ascii memory plain
132 50 utf8 memory plain
40 10 utf8 cpu plain
80 40 utf8 cpu hostile
80 24 ascii cpu hostile'

out=$(mktemp)
tap_at_exit rm -f "$out"
while read -r args; do
	# shellcheck disable=SC2086
	./render $args > "$out"
	[ "${1:-}" != --accept ] || cp "$out" "render.expected/${args// /-}"
	tap_check "top of $args is as expected" diff -u "render.expected/${args// /-}" "$out"
done <<< "$cases"
for columns in 1 2 3 7 20 33 79 200 500; do
	for rows in 1 2 5 19 20 24 100; do
		for texts in plain hostile; do
			./render $columns $rows utf8 cpu $texts > "$out" || echo failed
			[ "$(wc -L < "$out")" -le $columns ] && [ "$(wc -l < "$out")" -le $rows ] ||
				echo "$columns $rows $texts: $(wc -Ll < "$out")"
			./render $columns $rows ascii memory $texts > "$out"
			[ "$(tr -d '\n -~' < "$out" | wc -c)" -eq 0 ] || echo "$columns $rows $texts: not ASCII"
		done
	done
done > "$out.bad"
tap_is "$(cat "$out.bad")" "" "frames of all sizes fit, with whatever text, and are ASCII where that is asked for"
rm -f "$out.bad"
./render 80 40 utf8 cpu hostile > "$out"
tap_is "$(LC_ALL=C tr -d '\n -~\200-\377' < "$out" | wc -c)" 0 "no control character of the guest is in a frame"
tap_check "a frame is UTF-8" iconv -f UTF-8 -t UTF-8 -o /dev/null "$out"
tap_is "$(grep -cP '[\x{80}-\x{9f}\x{202a}-\x{202e}\x{200b}-\x{200f}]' "$out")" 0 \
	"no C1 control and no format character of the guest is in a frame"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What scripts/mutate.d/mutants makes of sample.txt is what it says there: which places,
# under which names, and with what in their stead. On this machine, without a VM.

set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

MUTANTS=../../scripts/mutate.d/mutants
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

list()
{
	"$MUTANTS" list sample.rules sample.txt
}

list | tr '\t' '|' > "$TMP/list"
tap_check "the mutants of sample.txt are those of sample.expected" \
	diff -u sample.expected "$TMP/list"
tap_is "$(cut -d'|' -f1 "$TMP/list" | sort | uniq -d)" "" "no two mutants have the same ID"

# Each changes the place that it names, and no line but its own.
while IFS='|' read -r id line _; do
	"$MUTANTS" apply sample.rules "$id" > "$TMP/mutant"
	tap_is "$(diff sample.txt "$TMP/mutant" | grep -c '^[0-9]')" 1 "$id: it changes one place"
	tap_is "$(wc -l < "$TMP/mutant")" "$(wc -l < sample.txt)" "$id: lines keep their numbers"
	tap_check "$id: the change is at line $line" \
		bash -c "diff sample.txt $TMP/mutant | grep -qE '^([0-9]+,)?$line(,[0-9]+)?c'"
done < "$TMP/list"

tap_fails "a mutant that does not exist is an error" \
	"$MUTANTS" apply sample.rules sample.txt:checks:drop:nothing

# IDs do not depend on where a check is.
(cd "$TMP" && { echo; sed 's/^static int checks/\n\n&/' "$OLDPWD/sample.txt"; } > sample.txt)
cp sample.rules "$TMP"
mutants=$(realpath "$MUTANTS")
tap_is "$(cd "$TMP" && "$mutants" list sample.rules sample.txt | cut -f1)" "$(list | cut -f1)" \
	"a check that moves keeps its ID"

# sample SEED N
sample()
{
	list | "$MUTANTS" sample "$1" "$2" | cut -f1
}

tap_is "$(sample 7 4 | wc -l)" 4 "a sample of four is four"
tap_is "$(sample 7 4)" "$(sample 7 4)" "a seed gives the same sample each time"
tap_num "$(for seed in 1 2 3 4 5 6; do sample $seed 4 | md5sum; done | sort -u | wc -l) > 1" \
	"other seeds give other samples"
tap_is "$(sample 7 1000 | wc -l)" "$(list | wc -l)" "a sample of more than there are is all"

# A rule without a place is told, and only that.
printf 'sample.txt:checks\tdrop\t.\nsample.txt:gone\tdrop\t.\n' > "$TMP/two.rules"
tap_is "$("$MUTANTS" unused "$TMP/two.rules" sample.txt; echo $?)" \
	"$TMP/two.rules:2: sample.txt:gone
1" "a rule that matches no place is told"

# The tree's own lists.
cd ../.. || exit 1
tap_is "$(git ls-files 'drivers/*.[ch]' 'protocol/*.[ch]' 'include/pvguest/*.h' |
	xargs scripts/mutate.d/mutants unused scripts/mutate.d/rules)" "" \
	"each rule of scripts/mutate matches some place"
all=$(find drivers include/pvguest -name '*.[ch]' ! -name '*.mod.c' | sort |
	xargs scripts/mutate.d/mutants list scripts/mutate.d/rules | cut -f1)
tap_is "$(grep -v '^#' scripts/mutate.d/survivors | awk 'NF { print $1 }' |
	grep -vxF -f <(echo "$all"))" "" "every reason in survivors is for a mutant that exists"
tap_is "$(grep -v '^#' scripts/mutate.d/survivors | awk 'NF == 1')" "" \
	"no mutant in survivors lacks a reason"
tap_is "$(grep -v '^#' scripts/mutate.d/tests | grep -oE '[a-z]+/[a-z_0-9]+\.sh' |
	while read -r test; do
		[ -x "selftests/$test" ] || echo "$test"
	done)" "" "every test in scripts/mutate.d/tests exists"

tap_done

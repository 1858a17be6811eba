#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The manuals and completions that are made of what pvhost prints, and the checks that the
# documentation names. On the build machine.

set -u
cd "$(dirname "$0")" || exit
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

TOOLS=../../tools
tap_check "manuals and completions are made" make -s -C "$TOOLS" docs || tap_done

for page in "$TOOLS"/build/man/*; do
	tap_is "$(man --warnings -E UTF-8 -l "$page" 2>&1 > /dev/null)" "" \
		"the manual ${page##*/} has no error"
done
"$TOOLS/pvhost" --help | sed -n '/^usage:/,/^ *-/s/^  \([a-z]\{2,\}\)  .*$/\1/p' > verbs.tmp
tap_at_exit rm -f verbs.tmp
tap_num "$(wc -l < verbs.tmp) >= 10" "pvhost --help lists its verbs"
tap_is "$(man -l "$TOOLS/build/man/pvhost.1" | grep -oE '^ +pvhost [a-z]+$' | awk '{ print $2 }')" \
	"$(cat verbs.tmp)" "pvhost(1) describes each verb"

# complete WORD...: what bash offers for the last one
complete()
{
	# shellcheck disable=SC2016 # for the other shell
	bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _pvhost
		echo "${COMPREPLY[@]}"' - "$TOOLS/build/completion.bash" "$@"
}

tap_is "$(complete pvhost exe)" exec "bash completes a verb"
tap_is "$(complete pvhost -s socket ex)" exec "bash completes a verb after an option with a value"
tap_is "$(complete pvhost --sock)" --socket= "bash completes a common option"
tap_is "$(complete pvhost exec --us)" --user= "bash completes an option of a verb"
tap_is "$(complete pvhost ping --us)" "" "bash offers no option that a verb has not"
tap_is "$(complete pvhost "" | tr ' ' '\n')" "$(cat verbs.tmp)" "bash offers each verb"
tap_check "the completion for zsh has no error" zsh -n "$TOOLS/build/completion.zsh"
tap_is "$(sed -n "s/^\t\t\t'\([a-z]*\):.*/\1/p" "$TOOLS/build/completion.zsh")" "$(cat verbs.tmp)" \
	"the completion for zsh has each verb"

# has_check FILE NAME: a line of code in the test has all of the name, but for what "..." stands
# for; a test in C runs a function of that name.
has_check()
{
	local code rest=$2

	if [ "${1%.c}" != "$1" ]; then
		grep -q "^[[:space:]]*cmocka_unit_test.*($2[,)]" "../$1"
		return
	fi
	[ -x "../$1" ] && grep -qw -- "${1##*/}" "../${1%%/*}/Makefile" || return
	code=$(grep -v '^[[:space:]]*#' "../$1")
	while [[ $rest == ?*...* ]]; do
		grep -qF -- "${rest%%...*}" <<< "$code" || return
		rest=${rest#*...}
	done
	grep -qF -- "$rest" <<< "$code"
}

# What has gone wrong elsewhere: `FILE`: "NAME" for each check.
named=0
# shellcheck disable=SC2016 # no command
while IFS= read -r check; do
	file=${check#\`} name=${check#*\"}
	file=${file%%\`*} name=${name%\"}
	tap_check "guest-operations.md: $file has a check '$name'" has_check "$file" "$name"
	named=$((named + 1))
done < <(sed -n '/^## What has gone wrong elsewhere/,$p' ../../Documentation/guest-operations.md |
	grep -oE '`[a-z/]+/[a-z_-]+\.(sh|c)`: "[^"]+"' | sort -u)
tap_num "$named >= 40" "guest-operations.md names checks" "$named"
tap_done

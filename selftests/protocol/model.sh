#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The models of the session and of the freeze lease, checked by SPIN: each configuration
# in all its states, and each fault that is put back has to be found, in the assertion
# that it violates. See Documentation/control-protocol.md, section 9.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

MODELS=$PWD
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# Configurations: name, model, and its macros. Each is a search of its own, since all of
# it together would have too many states.
proofs=(
	"two hosts, two requests:session:-DHOSTS=2 -DREQUESTS=2"
	"three hosts, one request:session:-DHOSTS=3 -DREQUESTS=1"
	"the port goes away:session:-DHOSTS=2 -DREQUESTS=1 -DUNPLUGS=1"
	"a snapshot is restored:session:-DHOSTS=1 -DREQUESTS=1 -DSPURIOUS=1 -DRESTORES=1"
	"a key is forgotten for others:session:-DHOSTS=2 -DREQUESTS=1 -DEVICTIONS"
	"a frame is lost:session:-DHOSTS=2 -DREQUESTS=1 -DSPURIOUS=1 -DLOSSES=1"
	"three leases:lease:-DLEASES=3"
)

# What no state of a configuration needs to reach: HELLO is repeated when nothing else can
# happen only where a RESYNC in time was lost, or a snapshot was restored.
spare='h_tried|h_hello = 1'
declare -A unreached=([0]=$spare [1]=$spare [2]=$spare [4]=$spare)

# Faults: name, model, macros, and what stands in the assertion that finds them.
faults=(
	"stream numbers are given at open:session:-DFAULT_NUMBER_AT_OPEN:why != BY_PROTOCOL"
	"a late PORT_OPEN(0) ends a session in silence:session:-DFAULT_LATE_CLOSE:g_session == h_session"
	"no sync run before HELLO:session:-DFAULT_NO_RUN:!h_tried"
	"one nonce for all calls:session:-DFAULT_NO_NONCE:g_session == h_session"
	"keys are forgotten with the session:session:-DFAULT_KEYS_OF_SESSION:carried_out[i] == 1"
	"HELLO cuts the guest's run short:session:-DFAULT_RUN_CUT_SHORT -DUNPLUGS=1:g_session == h_session"
	"a restored guest that listens says nothing:session:-DFAULT_RESTORED_LISTENING -DRESTORES=1:g_session == h_session"
	"THAW names no lease:lease:-DFAULT_THAW_WITHOUT_NUMBER:h_lease[h]"
	"RENEW names no lease:lease:-DFAULT_RENEW_WITHOUT_NUMBER:number == h_lease[h]"
	"host and owner share a verdict:lease:-DFAULT_SHARED_VERDICT:answer != NOT_FROZEN"
	"the owner takes the verdict of another lease:lease:-DFAULT_VERDICT_OF_ANOTHER:answer != NOT_FROZEN"
	"a late worker thaws the next lease:lease:-DFAULT_LATE_WORK:whole[h_lease[h]]"
	"a host repeats what a guest that has booted does not know:session:-DFAULT_GUEST_FORGETS -DUNPLUGS=1:carried_out[i] == 1"
	"a key that was forgotten is unknown:session:-DEVICTIONS -DFAULT_EVICTED_UNKNOWN:carried_out[i] == 1"
)

# has_macros FILE MACRO...: a model looks at each macro, so that none is there in vain.
has_macros()
{
	local macro name

	for macro in "${@:2}"; do
		name=${macro#-D}
		grep -Eq "^#(if|ifn?def) ${name%%=*}\$" "$1" || {
			echo "error: $1 does not look at ${name%%=*}"
			return 1
		}
	done
}

# search DIRECTORY MODEL MACRO...: all states of a model, or until an assertion is
# violated. SPIN reports with status 0 whatever it finds.
search()
{
	local dir=$TMP/$1 model=$2.pml

	mkdir "$dir" && cp "$MODELS/$model" "$dir" && cd "$dir" || return
	{
		has_macros "$model" "${@:3}" && spin -a "${@:3}" "$model" &&
			${CC:-cc} -O2 -w -DSAFETY -DNOREDUCE -DMEMLIM=900 -o pan pan.c &&
			timeout 300 ./pan -m100000 -w22
	} > output 2>&1
	echo "exit status $?" >> output
	[ ! -e "$model.trail" ] || spin -t -p "${@:3}" "$model" > trail 2>&1
}

# search_all MODE: those of the list named MODE, as many at a time as there are CPUs.
search_all()
{
	local -n list=$1
	local number name model macros rest

	for number in "${!list[@]}"; do
		IFS=: read -r name model macros rest <<< "${list[number]}"
		while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do
			wait -n
		done
		# shellcheck disable=SC2086 # several macros
		search "$1-$number" "$model" $macros &
	done
	wait
}

# states FILE: how many were stored.
states()
{
	sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' "$1" | head -n 1
}

# is_whole FILE: the search ended by itself, and nothing was cut off.
is_whole()
{
	grep -q '^exit status 0$' "$1" && grep -q '^Full statespace search' "$1" &&
		grep -q 'errors: 0$' "$1" &&
		! grep -Eiq 'max search depth too small|not completed|out of memory|memory limit|error:|truncated' "$1"
}

# is_reached FILE PATTERN: no statement was left out, but for those of the pattern.
is_reached()
{
	grep -q '^unreached in proctype' "$1" &&
		! sed -n '/^unreached in/,/^pan:/s/^[[:space:]]*\([a-z]*\.pml:.*\)/\1/p' "$1" |
			grep -Ev "${2:-^$}"
}

# asserted DIR MODEL: the text of the assertion that was violated.
asserted()
{
	local line

	[ -e "$1/trail" ] || return
	line=$(sed -n 's/^spin: [a-z]*\.pml:\([0-9]*\), Error: assertion violated.*/\1/p' \
		"$1/trail" | head -n 1)
	[ -z "$line" ] || sed -n "${line},$((line + 1))p" "$MODELS/$2.pml"
}

tap_check "spin is there" spin -V || tap_done
search_all proofs
for number in "${!proofs[@]}"; do
	IFS=: read -r name model macros _ <<< "${proofs[number]}"
	output=$TMP/proofs-$number/output
	count=$(states "$output")
	tap_check "model: $model, $name: no assertion fails in any state" is_whole "$output" ||
		tap_diag "$(cat "$output")"
	tap_num "${count:-0} > 10000" "model: $model, $name: there are more than 10000 states" \
		"${count:-none}"
	tap_check "model: $model, $name: each statement is reached" \
		is_reached "$output" "${unreached[$number]:-}"
	tap_diag "$name: ${count:-no} states"
done
search_all faults
for number in "${!faults[@]}"; do
	IFS=: read -r name model macros wanted <<< "${faults[number]}"
	dir=$TMP/faults-$number
	got=$(asserted "$dir" "$model")
	if [[ $got == *"$wanted"* ]]; then
		tap_ok "model: $model finds: $name"
	else
		tap_not_ok "model: $model finds: $name" \
			"wanted an assertion with '$wanted', got '$got'"$'\n'"$(tail -n 40 "$dir/output")"
	fi
	tap_diag "$name: found after $(states "$dir/output") states"
done
tap_done

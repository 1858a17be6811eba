#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The key-value store, from both sides: values, limits, conditions, watchers, and what is left
# of it when its process is killed.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ops_begin
STATE=$OPS_DIR/state

# guest VERB...: "pvguest kv" in the guest
guest()
{
	"$OPS_TOOLS/$OPS_BUILD/pvguestd" kv "$1" -r "$OPS_DIR/run" "${@:2}"
}

# The process that has the values: the one that has the file of the store's user open.
store_pid()
{
	local pid

	for pid in $(_ops_processes); do
		find "/proc/$pid/fd" -lname "$STATE/kv" 2> /dev/null | grep -q . && echo "$pid"
	done
}

start()
{
	ops_start --state "$STATE"
}

# host_says WANTED VERB...: pvhost kv fails, and its text has WANTED.
host_says()
{
	local wanted=$1 output

	shift
	if output=$(pvhost kv "$@" 2>&1); then
		echo "succeeded: $output"
		return 1
	fi
	[[ $output == *"$wanted"* ]] || { echo "$output"; return 1; }
}

generation()
{
	guest list "$1" | cut -f 1
}

start
tap_is "$(store_pid)" "" "no process has the values before anybody asks for one"
tap_check "the host sets a value" pvhost kv set app/color blue
tap_is "$(guest get app/color)" blue "the guest has it"
tap_check "the guest sets a value" guest set app/size 12
tap_is "$(pvhost kv get app/size)" 12 "the host has it"
tap_is "$(pvhost kv list -l)" $'app/color=blue\napp/size=12' "the host lists both"
tap_is "$(guest list app/ | cut -f 2-)" $'4\t-h\tapp/color\n2\t--\tapp/size' "the guest as well"
tap_is "$(pvhost -j kv get app/color | sed 's/,"time_ms":[0-9]*//')" \
	'{"key":"app/color","generation":1,"size":4,"volatile":false,"by":"host","value":"blue"}' \
	"as JSON"
tap_check "a value of any bytes comes through" \
	cmp <(head -c 3000 /bin/sh) <(pvhost kv set bin < <(head -c 3000 /bin/sh) && guest get bin)
tap_check "an empty value is one" pvhost kv set empty ""
tap_is "$(guest get empty)" "" "it is empty in the guest"
tap_check "a value is deleted" pvhost kv delete empty
tap_check "then it is not found" host_says "not-found" get empty
tap_check "nor deleted again" host_says "not-found" delete empty

# Who has it
pid=$(store_pid)
tap_check "a process has the values" test -n "$pid"
tap_is "$(awk '/^Uid:/ { print ($2 != 0 && $2 == $3 && $3 == $4) }' "/proc/$pid/status")" 1 \
	"it is not root's"
tap_is "$(awk '/^Cap(Prm|Eff|Bnd|Inh|Amb):/ { print $2 }' "/proc/$pid/status" | sort -u)" \
	0000000000000000 "it has no capability"
tap_is "$(awk '/^(Seccomp|NoNewPrivs):/ { printf "%s ", $2 }' "/proc/$pid/status")" "1 2 " \
	"it has a filter of system calls, and gets no privileges"
tap_is "$(stat -c %a "$STATE/kv") $(stat -c %a "$STATE/kv/values")" "700 600" \
	"nobody else reads its files"

# Limits
tap_check "a key with a blank is refused" host_says "a key is of letters, digits" set "a b" x
tap_check "a key of 129 bytes is refused" host_says "a key has 1 to 128 bytes" \
	set "$(printf 'k%.0s' {1..129})" x
tap_check "a key of 128 bytes is one" pvhost kv set "$(printf 'k%.0s' {1..128})" x
tap_check "a value of 65536 bytes is one" eval 'head -c 65536 /dev/zero | pvhost kv set big'
tap_is "$(pvhost kv get big | wc -c)" 65536 "it comes back whole"
tap_check "a value of 65537 bytes is refused" \
	eval '! head -c 65537 /dev/zero | pvhost kv set big2 2> /dev/null'
fill()
{
	local i

	for ((i = 0; i < 20; i++)); do
		head -c 65536 /dev/zero | guest set "fill/$i" || return
	done
}
tap_is "$(fill 2>&1)" \
	"pvguest: kv: fill/14: failed: all keys and values would be more than 1048576 bytes" \
	"more than 1 MiB in all is refused, with the limit"
for key in $(guest list fill/ | cut -f 4); do
	guest delete "$key"
done

# Conditions
pvhost kv set cas 1
n=$(generation cas)
tap_check "a set with the generation of the key is made" pvhost kv set -g "$n" cas 2
tap_check "the same again is not" host_says "the key has generation" set -g "$n" cas 3
tap_is "$(guest get cas)" 2 "it changed nothing"
tap_check "generation 0 is of no key" host_says "the key has generation" set -g 0 cas 3
tap_check "a key that is not there has generation 0" pvhost kv set -g 0 cas2 1
tap_check "a delete with another generation is not made" host_says "the key has generation" \
	delete -g "$n" cas

# Two watchers, on either side. The host has one connection: what it changes comes after.
OPS_LIMIT=200 pvhost kv watch -c 4 w/ > "$OPS_DIR/host-watch" &
one=$!
"$OPS_TOOLS/$OPS_BUILD/pvguestd" kv watch -r "$OPS_DIR/run" w/ > "$OPS_DIR/guest-watch" &
two=$!
tap_check "the host's watcher has the values of now" \
	wait_for 20 grep -q current "$OPS_DIR/host-watch"
tap_check "the guest's watcher has them" wait_for 10 grep -q current "$OPS_DIR/guest-watch"
guest set w/a 1
guest set other 1
guest set w/b 22
guest delete w/a
wait "$one"
tap_is "$? $(awk '{ print $1, $2 }' "$OPS_DIR/host-watch" | paste -sd,)" \
	"0 current ,value w/a,value w/b,deleted w/a" \
	"the host's watcher hears of changes in their order, and of no other keys"
pvhost kv set w/c 333
tap_check "the guest's watcher hears of a change of the host" \
	wait_for 10 grep -q 'w/c' "$OPS_DIR/guest-watch"
tap_is "$(cut -f 2- "$OPS_DIR/guest-watch")" \
	$'current\n1\t--\tw/a\n2\t--\tw/b\n-\t--\tw/a\n3\t-h\tw/c' \
	"and of all others in their order"

# A watcher that does not read: others are served, and it hears what is last.
kill -STOP "$two"
for ((i = 0; i < 12; i++)); do
	head -c 60000 /dev/zero | guest set "w/$((i % 2))"
done
tap_check "while a watcher does not read values can be set" guest set w/last x
tap_is "$(pvhost kv get w/last)" x "and the host has them"
kill -CONT "$two"
tap_check "the slow watcher hears of the last change" \
	wait_for 10 grep -q 'w/last' "$OPS_DIR/guest-watch"
kill "$two"
wait "$two" 2> /dev/null

# The policy
ops_policy '[rule "mine"]
deny = @kv
key = !w/**'
tap_check "a key that the policy does not let the host have is denied" \
	host_says "kv-get is denied by rule \"mine\"" get cas
tap_is "$(pvhost kv list | grep -ac cas)" 0 "nor does the host see it in a list"
tap_is "$(pvhost kv get w/last)" x "another one it has"
ops_allow_all

# What is left: the process is killed again and again while values are set.
pvhost kv set -v volatile x
tap_is "$(guest get volatile)" x "a volatile value is there"
writer()
{
	local i=0

	while [ ! -e "$OPS_DIR/enough" ]; do
		i=$((i + 1))
		guest set kill/value "$i $(printf 'x%.0s' {1..2000})" 2> /dev/null && echo "$i"
	done > "$OPS_DIR/acknowledged"
	echo "$i" > "$OPS_DIR/tried"
}
writer &
writer=$!
lost=
for ((round = 0; round < 8; round++)); do
	wait_for 10 test -s "$OPS_DIR/acknowledged"
	before=$(tail -n 1 "$OPS_DIR/acknowledged")
	store_pid | xargs -r kill -9
	now=$(guest get kill/value | cut -d ' ' -f 1)
	[ "${now:-0}" -ge "$before" ] || lost="$lost $before:$now"
done
: > "$OPS_DIR/enough"
wait "$writer"
tap_is "$lost" "" "no acknowledged value was lost when the process was killed"
tap_is "$(guest get app/color)" blue "nor one that is older"
tap_check "a volatile one is gone" host_says not-found get volatile
tap_num "$(generation kill/value) > 4096" "numbers of changes go on from where they were"
ops_stop

# Damage
start
tap_is "$(pvhost kv get app/color)" blue "values outlive the daemon"
pvhost kv set torn 1
pvhost kv set torn 2
ops_stop
truncate -s -5 "$STATE/kv/values"
start
tap_is "$(pvhost kv get app/color) $(pvhost kv get torn)" "blue 1" \
	"of a file that is torn, the one before counts"
tap_check "the log says so" ops_log "kv: the file values cannot be used: its checksum is wrong"
tap_check "the torn file is kept" test -s "$STATE/kv/values.damaged"
ops_stop

# A disk that takes nothing: what was there is there still, and nothing is said to be kept.
mkdir -p "$OPS_DIR/small"
if mount -t tmpfs -o size=64k,mode=755 none "$OPS_DIR/small" 2> /dev/null; then
	tap_at_exit umount "$OPS_DIR/small"
	STATE=$OPS_DIR/small
	start
	tap_check "a value fits on a small disk" pvhost kv set a first
	# shellcheck disable=SC2016 # for eval
	tap_check "one that does not is refused" eval \
		'! head -c 65536 /dev/urandom | pvhost kv set b 2> "$OPS_DIR/full"'
	tap_check "the refusal says why" grep -q "No space left on device" "$OPS_DIR/full"
	tap_is "$(pvhost kv get a)" first "the value before is there still"
	tap_check "the one that was refused is not" host_says not-found get b
	tap_check "a volatile one needs no disk" eval 'head -c 60000 /dev/urandom | pvhost kv set -v c'
	ops_stop
else
	tap_skip "a value on a full disk" "tmpfs cannot be mounted here"
fi
tap_done

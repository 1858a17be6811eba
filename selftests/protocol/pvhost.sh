#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost against a simulated guest: the kernel's services in a process, behind
# a socket. Both are built with the sanitizers.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/guest.sh
. ../lib/guest.sh

dir=$(mktemp -d)
export PVHOST_SOCKET=$dir/socket
pvhost=./pvhost

start_guest()
{
	mkfifo "$dir/commands"
	exec 9<> "$dir/commands"
	: > "$dir/log"
	./simguest "$PVHOST_SOCKET" < "$dir/commands" > "$dir/log" 2>&1 &
	guest=$!
	seen booted
}

stop_guest()
{
	kill "$guest" 2> /dev/null
	wait "$guest" 2> /dev/null
	rm -rf "$dir"
}

# seen TEXT [TIMES]: the guest prints it, that often, within a minute.
seen()
{
	local _

	for _ in {1..1200}; do
		[ "$(grep -cxs "$1" "$dir/log")" -lt "${2:-1}" ] || return 0
		sleep 0.05
	done
	cat "$dir/log"
	return 1
}

# tell COMMAND: have the guest do something, and wait until it has.
tell()
{
	local before

	before=$(grep -cx "done ${1%% *}" "$dir/log")
	echo "$1" >&9
	seen "done ${1%% *}" $((before + 1))
}

# value NAME VERB...: a value of the JSON that a verb prints.
value()
{
	"$pvhost" -t 60 -j "${@:2}" 2> "$dir/err" | jq -r ".$1"
}

# offset WANTED_MS: pvhost finds the guest's clock behind by that, as exactly as the
# time for which it looked allows: what it could not know is how much of the way to the
# guest and back was there, and how much was back. Prints what is wrong.
offset()
{
	local start=${EPOCHREALTIME/./} got slack

	got=$(value offset_ns time)
	slack=$(((${EPOCHREALTIME/./} - start + SYNC_US) / 1000 + 50))
	echo "$got ns, wanted $1 +- $slack ms"
	[ -n "$got" ] && [ "$got" -gt $((($1 - slack) * 1000000)) ] &&
		[ "$got" -lt $((($1 + slack) * 1000000)) ]
}

# sync ARGUMENTS...: what the guest does with the time it is given. It is as right as
# the time that took allows: SYNC_US.
sync()
{
	local start=${EPOCHREALTIME/./}

	ACTION=$(value action time "$@")
	SYNC_US=$((${EPOCHREALTIME/./} - start))
}

# watched FILTER [TIMES]: the events that have been seen match it so often.
watched()
{
	local _

	for _ in {1..1200}; do
		[ "$(jq -r "select($1) | 1" "$dir/watch" | wc -l)" -lt "${2:-1}" ] || return 0
		sleep 0.05
	done
	cat "$dir/watch"
	return 1
}

# fails STATUS DESCRIPTION ARGUMENT...: pvhost exits with that status.
fails()
{
	local status

	"$pvhost" "${@:3}" > "$dir/out" 2>&1
	status=$?
	if [ $status -eq "$1" ]; then
		tap_ok "pvhost exits with $1: $2"
	else
		tap_not_ok "pvhost exits with $1: $2" "exit status $status"$'\n'"$(cat "$dir/out")"
	fi
}

tap_at_exit stop_guest
test_seed
export PVG_SEED=$SEED
start_guest > "$dir/out"
tap_is $? 0 "the simulated guest says that it has booted" || tap_done

tap_check "three pings are answered" "$pvhost" ping -c 3 -i 10
tap_is "$("$pvhost" -j ping -c 3 -i 10 | jq -s 'map(.ping) | add')" 6 \
	"ping --json prints one object a line: 1, 2 and 3 add up to 6"
tap_is "$(value release status)" 6.1-sim "status --json has the release of the guest"
tap_is "$(value kernel status)" true "status --json says that a kernel answers"
tap_is "$("$pvhost" status | sed -n 's/^frozen  *//p')" no \
	"status without --json says that nothing is frozen"

# Time: 50 seconds behind, then 20 ahead, which is more than an answer may take.
SYNC_US=0
tell "offset -50000"
tap_check "time: the offset is 50 s for a guest whose clock is 50 s behind" offset 50000
tap_is "$(value action time --dry-run)" stepped "time --dry-run says that it would step"
tap_check "time --dry-run leaves the clock 50 s behind" offset 50000
tap_is "$(value time_wanted status)" true "status: a guest whose clock is behind wants the time"
sync --sync
tap_is "$ACTION" stepped "time --sync steps a clock that is 50 s behind"
tap_check "the clock of the guest is right after time --sync" offset 0
tap_is "$(value time_wanted status)" false "status: the guest no longer wants the time after time --sync"
tell "offset 20000"
sync -S
tap_is "$ACTION" left-not-backward "time -S leaves a clock that is 20 s ahead"
sync -S -R
tap_is "$ACTION" stepped "time -S -R steps a clock that is 20 s ahead"
tap_check "the clock of the guest is right after time -S -R" offset 0
tell "offset -50000"
tell restore
start=${EPOCHREALTIME/./}
"$pvhost" watch -c 3 --serve-time > "$dir/out"
tap_is $? 0 "watch -c 3 exits with 0 after three heartbeats"
SYNC_US=$((${EPOCHREALTIME/./} - start))
tap_check "watch --serve-time sets the clock of a guest that asks" offset 0

# The freeze lease.
fails 1 "thaw with nothing frozen fails" thaw
tell "freeze 60000"
tap_is "$(value frozen status)" true "status: frozen after the guest froze"
tap_num "$(value remaining_ms renew 100) > 99000" "renew 100 leaves more than 99 s of the lease"
lease=$(value lease status)
other=$((lease % 4294967295 + 1))
tap_is "$(value status thaw -l $other) $(value status renew -l $other 100)" "not-found not-found" \
	"thaw and renew of a lease with another number say 'not-found'"
tap_is "$(value frozen status)" true "status: frozen after the thaw of a lease with another number"
tap_is "$(value 'status + " " + (.lease | tostring)' thaw)" "ok $lease" "thaw of a frozen guest is ok"
tell "freeze 300"
seen thawed 2 > "$dir/out"
tap_is $? 0 "a lease of 300 ms thaws at its end"
tap_is "$(value status thaw)" expired "thaw after the end of a lease says 'expired'"
tell "freeze 60000"
tell die
tap_is "$(value last_end thaw)" owner-gone "thaw after the death of a lease's owner says 'owner-gone'"

# What happens while a host watches. A session may also be lost because nothing came
# for too long, on a busy machine: what is looked at are the losses that follow.
"$pvhost" -j watch > "$dir/watch" 2> "$dir/err" &
watcher=$!
watched '.event == "heartbeat"' > /dev/null
tell "notice out of order"
watched '.event == "notice"' > /dev/null
tap_is "$(jq -r 'select(.event == "notice") | .kind + " " + .text' "$dir/watch")" \
	"panic out of order" "watch shows the notice of a panic with its text"
for what in boot restore; do
	losses=$(jq -r 'select(.event == "lost") | 1' "$dir/watch" | wc -l)
	tell $what
	watched '.event == "lost"' $((losses + 1)) > /dev/null
	tap_is "$(jq -r 'select(.event == "lost") | .why' "$dir/watch" | sed -n "$((losses + 1))p")" \
		peer-restarted "$what: watch shows that the session was lost since the peer restarted"
	watched '.event == "session"' $((losses + 2)) > /dev/null
	tap_is $? 0 "$what: watch shows the next session"
done
tap_is "$(jq -r 'select(.event == "session") | .boot_id' "$dir/watch" | sort -u |
	wc -l)" 2 "watch shows two boot ids after one boot"
kill $watcher
wait $watcher 2> /dev/null

# Power; a reboot in the middle of a reboot is no news.
"$pvhost" -t 60 reboot --wait > "$dir/out" 2>&1 &
waiter=$!
seen "power reboot" > /dev/null
tell boot
wait $waiter
tap_is "$? $(cat "$dir/out")" "0 reboot           done" "reboot --wait ends with 'done' when the guest boots"
tap_check "shutdown is accepted" "$pvhost" shutdown
seen "power shutdown" > "$dir/out"
tap_is $? 0 "shutdown makes the guest shut down"
fails 1 "a second shutdown fails" shutdown
tap_is "$(value status shutdown)" busy "a second shutdown says 'busy'"
tell boot

# Its answer is lost with the guest, whose next kernel knows nothing of it.
tell "crash 1"
reboots=$(grep -cx "power reboot" "$dir/log")
tap_is "$(value status reboot)" forgotten "a reboot that ended the guest before its answer is 'forgotten'"
tap_is "$(grep -cx "power reboot" "$dir/log")" $((reboots + 1)) \
	"a reboot that ended the guest before its answer is not repeated"
tell "crash 0"

# What can go wrong.
tell "mute 1"
fails 4 "status of a guest that does not answer" -t 0.5 status
tell "mute 0"
tap_check "status of a guest that answers once more" "$pvhost" status
fails 3 "a socket that does not exist" -s "$dir/none" status
fails 2 "an unknown verb" frobnicate
fails 2 "a command line without a verb"
fails 2 "an option of another verb" status --force
fails 2 "an argument too many" status 1
fails 2 "an argument missing" renew
fails 2 "a lease of 901 s" renew 901
fails 2 "a lease with number 0" thaw -l 0
fails 2 "a count that is no number" ping -c 1x
fails 2 "a count of 0" ping -c 0
tap_is "$(PVHOST_SOCKET='' "$pvhost" status 2>&1)" "pvhost: : Connection refused" \
	"an empty PVHOST_SOCKET is refused"

# Killed in the middle of what it does, fifty times: the next one is served.
for _ in {1..50}; do
	"$pvhost" -t 1 ping -c 1000 -i 0 > /dev/null 2>&1 &
	victim=$!
	sleep "0.0$((RANDOM % 5))"
	kill -9 $victim
	wait $victim
done 2> /dev/null
tap_check "status after 50 hosts that were killed" "$pvhost" -t 60 status
tap_is "$(grep -c ERROR "$dir/log")" 0 "the sanitizers report no error in the simulated guest"

# The guest dies.
"$pvhost" -t 60 shutdown --wait > "$dir/out" 2>&1 &
waiter=$!
seen "power shutdown" 2 > /dev/null
echo quit >&9
wait $waiter
tap_is "$? $(head -1 "$dir/out")" "0 shutdown         done" "shutdown --wait ends with 'done' when the guest dies"
tap_done

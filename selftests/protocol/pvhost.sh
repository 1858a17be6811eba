#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pvhost against a simulated guest: the kernel's services in a process, behind
# a socket. Both are built with the sanitizers.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

dir=$(mktemp -d)
export PVHOST_SOCKET=$dir/socket
pvhost=./pvhost

start_guest()
{
	mkfifo "$dir/commands"
	exec 9<> "$dir/commands"
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

# seen TEXT [TIMES]: the guest prints it, that often, within five seconds.
seen()
{
	local _

	for _ in {1..100}; do
		[ "$(grep -cx "$1" "$dir/log")" -lt "${2:-1}" ] || return 0
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
	"$pvhost" -j "${@:2}" 2> "$dir/err" | jq -r ".$1"
}

# fails STATUS DESCRIPTION ARGUMENT...: pvhost exits with that status.
fails()
{
	"$pvhost" "${@:3}" > "$dir/out" 2>&1
	tap_is $? "$1" "$2 (exit status $1)" || cat "$dir/out"
}

tap_at_exit stop_guest
start_guest > /dev/null

tap_check "ping" "$pvhost" ping -c 3 -i 10
tap_is "$("$pvhost" -j ping -c 3 -i 10 | jq -s 'map(.ping) | add')" 6 \
	"--json is one object a line"
tap_is "$(value release status)" 6.1-sim "status: the guest's release"
tap_is "$(value kernel status)" true "status: the kernel answers"
tap_is "$("$pvhost" status | sed -n 's/^frozen  *//p')" no \
	"status: the same for people"

# Time: five seconds behind, then two ahead.
tell "offset -5000"
tap_num "$(value offset_ns time) > 4.9e9 && $(value offset_ns time) < 5.1e9" \
	"time: the guest is 5 s behind"
tap_is "$(value action time --dry-run)" stepped "time --dry-run says step"
tap_num "$(value offset_ns time) > 4.9e9" "and does not"
tap_is "$(value time_wanted status)" true "the guest wants to know the time"
tap_is "$(value action time --sync)" stepped "time --sync steps"
tap_num "$(value offset_ns time) < 1e8 && $(value offset_ns time) > -1e8" \
	"the guest's clock is right then"
tap_is "$(value time_wanted status)" false "and it does not want it any more"
tell "offset 2000"
tap_is "$(value action time -S)" left-not-backward "no step backward"
tap_is "$(value action time -S -R)" stepped "unless a snapshot was restored"
tell "offset -5000"
tell restore
"$pvhost" watch -c 3 --serve-time > "$dir/out"
tap_num "$(value offset_ns time) < 1e8" "watch --serve-time answers who asks"

# The freeze lease.
fails 1 "thaw with nothing frozen" thaw
tell "freeze 60000"
tap_is "$(value frozen status)" true "a freeze is seen"
tap_num "$(value remaining_ms renew 100) > 99000" "it is renewed"
tap_is "$(value status thaw)" ok "it is thawed"
tell "freeze 300"
seen thawed 2 > "$dir/out"
tap_is $? 0 "a lease that runs out thaws by itself"
tap_is "$(value status thaw)" expired "and that is said to who thaws later"
tell "freeze 60000"
tell die
tap_is "$(value last_end thaw)" owner-gone "so it does when its owner dies"

# What happens while somebody watches.
"$pvhost" -j watch -c 20 > "$dir/watch" 2> "$dir/err" &
watcher=$!
sleep 0.5
tell "notice out of order"
sleep 0.3
tell boot
sleep 0.5
tell restore
wait $watcher
tap_is $? 0 "watch ends after that many heartbeats"
tap_is "$(jq -r 'select(.event == "notice") | .kind + " " + .text' "$dir/watch")" \
	"panic out of order" "watch shows notices"
tap_is "$(jq -r 'select(.event == "session") | .boot_id' "$dir/watch" | sort -u |
	wc -l)" 2 "watch sees the guest boot"
tap_is "$(jq -r 'select(.event == "lost") | .why' "$dir/watch" | sort | tr '\n' ' ')" \
	"peer-restarted peer-restarted " "and each time why the session was lost"

# Power; a reboot in the middle of a reboot is no news.
"$pvhost" reboot --wait > "$dir/out" 2>&1 &
waiter=$!
seen "power reboot" > /dev/null
tell boot
wait $waiter
tap_is "$? $(cat "$dir/out")" "0 reboot           done" "reboot --wait"
tap_check "shutdown" "$pvhost" shutdown
seen "power shutdown" > "$dir/out"
tap_is $? 0 "the guest shuts down"
fails 1 "shutdown while it does" shutdown
tap_is "$(value status shutdown)" busy "which says busy"
tell boot

# What can go wrong.
tell "mute 1"
fails 4 "a guest that does not answer" -t 0.5 status
tell "mute 0"
tap_check "which answers again later" "$pvhost" status
fails 3 "no such socket" -s "$dir/none" status
fails 2 "no such verb" frobnicate
fails 2 "no verb"
fails 2 "an option of another verb" status --force
fails 2 "an argument too many" status 1
fails 2 "an argument missing" renew
fails 2 "a lease that is too long" renew 901
fails 2 "a count that is none" ping -c 1x
fails 2 "a count of nothing" ping -c 0
tap_is "$(PVHOST_SOCKET='' "$pvhost" status 2>&1)" "pvhost: : Connection refused" \
	"an empty name is no socket"

# Killed in the middle of what it does, fifty times: the next one is served.
for _ in {1..50}; do
	"$pvhost" -t 1 ping -c 1000 -i 0 > /dev/null 2>&1 &
	victim=$!
	sleep "0.0$((RANDOM % 5))"
	kill -9 $victim
	wait $victim
done 2> /dev/null
tap_check "after 50 that were killed" "$pvhost" -t 5 status
tap_is "$(grep -c ERROR "$dir/log")" 0 "no complaint of the sanitizers"

# The guest dies.
"$pvhost" shutdown --wait > "$dir/out" 2>&1 &
waiter=$!
seen "power shutdown" 2 > /dev/null
tell quit > /dev/null
wait $waiter
tap_is "$? $(head -1 "$dir/out")" "0 shutdown         done" "shutdown --wait"
tap_done

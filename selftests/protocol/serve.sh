#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost serve in front of the simulated guest: clients together, hostile ones and dead ones
# among them, and a guest that goes away and comes back.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

dir=$(mktemp -d)
chmod 755 "$dir"
mkfifo "$dir/commands"
exec 9<> "$dir/commands"
pids=()

start_guest()
{
	: > "$dir/log"
	./simguest "$dir/guest" < "$dir/commands" >> "$dir/log" 2>&1 &
	guest=$!
	seen booted
}

stop()
{
	kill "$guest" "$server" ${pids[@]+"${pids[@]}"} 2> /dev/null
	wait 2> /dev/null
	rm -rf "$dir"
}

# seen TEXT [FILE [TIMES]]: a line that begins so is in the file, within half a minute.
seen()
{
	local _

	for _ in {1..600}; do
		[ "$(grep -cs "^$1" "${2:-$dir/log}")" -lt "${3:-1}" ] || return 0
		sleep 0.05
	done
	tail "${2:-$dir/log}"
	return 1
}

# background MODE: a client in the background, once it is at it.
background()
{
	: > "$dir/$1"
	./clients "$dir/served" "$1" > "$dir/$1" 2>&1 &
	pids+=($!)
	disown $!
	seen . "$dir/$1" > /dev/null
}

# together COMMAND...: sixteen of it at once; how many fail.
together()
{
	local i failed=0 children=()

	for i in {1..16}; do
		"$@" > "$dir/together.$i" 2>&1 &
		children+=($!)
	done
	for i in "${children[@]}"; do
		wait "$i" || failed=$((failed + 1))
	done
	[ $failed -eq 0 ] || cat "$dir"/together.* >&2
	echo "$failed"
}

rss()
{
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$server/status"
}

tap_at_exit stop
./pvhost -s "$dir/guest" serve --listen "$dir/served" --allow-user nobody 2> "$dir/server" &
server=$!
seen "pvhost: serve: serving" "$dir/server"
tap_is $? 0 "serve says that it serves though there is no guest yet"
./pvhost -s "$dir/served" -t 0.3 status > "$dir/out" 2>&1
tap_is $? 4 "a client has no answer while there is no guest"
./pvhost -s "$dir/served" -t 30 status > "$dir/early" 2>&1 &
early=$!
start_guest > "$dir/out"
wait $early
tap_is "$? $(sed -n 's/^release  *//p' "$dir/early")" "0 6.1-sim" \
	"a client that waited has its answer when there is a guest"
tap_is "$(./pvhost -s "$dir/served" -j status | jq -r .software)" \
	"$(sed -n 's/.*session with the guest: //p' "$dir/server" | head -1)" \
	"status through serve names the guest's software"
tap_check "three pings are answered through serve" ./pvhost -s "$dir/served" ping -c 3 -i 10
tap_is "$(./pvhost -s "$dir/served" -t 60 -j watch -c 2 | jq -r 'select(.event == "heartbeat") | .count' | paste -sd ' ')" \
	"1 2" "watch through serve counts the heartbeats of its session"

# All that streams of one client do, through the broker, with the connection cut off.
tap_forward "through serve" ./streams "$dir/served"
tap_is "$(together ./clients "$dir/served" echo)" 0 "16 clients at once have their eight echos each"
tap_is "$(together ./pvhost -s "$dir/served" ping -c 20 -i 5)" 0 "16 clients at once have their 20 pings each"

# Who asks.
user=$(id -un)
tap_is "$(./clients "$dir/served" who)" "$user" "the principal is the name of the client's user"
if [ "$(id -u)" -eq 0 ]; then
	cp clients "$dir/clients"
	tap_is "$(setpriv --reuid nobody --regid nogroup --clear-groups "$dir/clients" "$dir/served" who)" \
		nobody "a user that is allowed may connect, and is the principal"
	setpriv --reuid daemon --regid nogroup --clear-groups "$dir/clients" "$dir/served" who \
		> "$dir/out" 2>&1
	tap_is $? 3 "a user that is not allowed may not connect"
	# The log has no more than 50 lines in ten seconds.
	for _ in {1..20}; do
		! grep -q "^pvhost: serve: uid $(id -u daemon), process [0-9]*: refused" "$dir/server" || break
		sleep 1
		setpriv --reuid daemon --regid nogroup --clear-groups "$dir/clients" "$dir/served" who \
			> /dev/null 2>&1
	done
	tap_check "the log names the user that was refused" \
		grep -q "^pvhost: serve: uid $(id -u daemon), process [0-9]*: refused" "$dir/server"
else
	tap_skip "two users are refused or allowed" "only root can be another user"
fi

# The bad ones, all at once, while the good ones work.
for mode in many deaf hello junk credit; do
	background $mode
done
taken=$(cat "$dir/many")
tap_is "$taken" 55 "a client that opens 200 streams is given 55"
before=$(rss)
tap_is "$(together ./clients "$dir/served" two)" 0 "16 clients have two echos each beside five hostile ones"
tap_is "$(together ./pvhost -s "$dir/served" -t 20 ping -c 20 -i 5)" 0 "16 clients have their pings beside five hostile ones"
background die
tap_check "a client has its two echos after one that died with 40 open streams" ./clients "$dir/served" two
tap_num "$(rss) - $before < 65536" "serve takes less than 64 MiB more for that: KiB"
kill -STOP "${pids[0]}"
tap_check "a client has its two echos beside a client that is stopped" ./clients "$dir/served" two
kill -9 "${pids[@]}" 2> /dev/null
for _ in {1..100}; do
	busy=$(./pvhost -s "$dir/served" -t 20 ping -c 1 > "$dir/out" 2>&1; echo $?)
	[ "$busy" -eq 0 ] && ./clients "$dir/served" two > "$dir/out" 2>&1 && break
	sleep 0.05
done
tap_is "$busy" 0 "serve answers after the hostile clients were killed"
pids=()
background many
tap_is "$(cat "$dir/many")" 55 "the streams of clients that were killed are free again"
kill -9 "${pids[@]}"
pids=()

# The guest goes, and another one comes.
./pvhost -s "$dir/served" -j watch > "$dir/watch" 2>&1 &
pids+=($!)
seen '{"event":"heartbeat"' "$dir/watch" > "$dir/out"
kill -9 $guest
wait $guest 2> /dev/null
seen '{"event":"lost"' "$dir/watch" > "$dir/out"
tap_is $? 0 "a client is told that the session is lost when the guest is gone"
start_guest > "$dir/out"
seen '{"event":"session"' "$dir/watch" 2 > "$dir/out"
tap_is $? 0 "the same client has a session with the guest that comes then"
seen '{"event":"heartbeat"' "$dir/watch" 2 > "$dir/out"
tap_is "$(jq -r 'select(.event == "session") | .boot_id' "$dir/watch" | wc -l)" 2 \
	"the client sees two sessions in all"
echo "notice out of order" >&9
seen '{"event":"notice".*out of order' "$dir/watch" > "$dir/out"
tap_is $? 0 "a notice of the guest reaches the client"

./pvhost -s "$dir/guest" serve --listen "$dir/served" > "$dir/out" 2>&1
tap_is "$? $(cat "$dir/out")" "1 pvhost: serve: $dir/served: Address already in use" \
	"a second serve at the same path fails"
./pvhost -s "$dir/guest" serve > "$dir/out" 2>&1
tap_is $? 2 "serve without --listen exits with 2"
./pvhost -s "$dir/guest" serve --listen "$dir/x" --allow-user no-such-user > "$dir/out" 2>&1
tap_is $? 2 "serve with an unknown user exits with 2"
kill $server
wait $server
tap_is "$? $(ls "$dir/served" 2> /dev/null)" "0 " "serve ends with SIGTERM, exit status 0, and removes its socket"
tap_is "$(grep -c "ERROR\|runtime error" "$dir/server" "$dir/log" | paste -sd ' ')" \
	"$dir/server:0 $dir/log:0" "the sanitizers report no error"
tap_done

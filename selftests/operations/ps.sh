#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost ps and kill.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

ops_start

sleep 100 &
SLEEPER=$!
wait_for 5 grep -q sleep "/proc/$SLEEPER/comm"
pvhost -j ps "$SLEEPER" > "$OPS_DIR/ps"
tap_is "$(jq -r '"\(.pid) \(.ppid) \(.user) \(.state) \(.comm) \(.command)"' "$OPS_DIR/ps")" \
	"$SLEEPER $$ root S sleep sleep 100" "ps tells a process's numbers, user, state and command"
tap_num "($(jq .rss "$OPS_DIR/ps") > 65536) && ($(date +%s) - $(jq .began "$OPS_DIR/ps")) < 60" \
	"its memory and when it began"
tap_is "$(pvhost ps "$SLEEPER" | tail -n 1 | awk '{ print $1, $2, $4 }')" "root $SLEEPER S" \
	"for a terminal it is a table"
tap_is "$(pvhost -j ps | jq -r .pid | grep -cx -e 1 -e "$SLEEPER")" 2 "ps alone lists all processes"
# There is one of that user.
NOBODYS=$(pvhost exec -d -u nobody -C / sleep 60)
tap_is "$(pvhost -j ps -U nobody | jq -r .user | sort -u)" "$(ps -U nobody -o user= | sort -u)" \
	"-U only those of a user"
pvhost kill -J "$NOBODYS" 2> /dev/null
exec 8< <(exec -a $'e\e[31mvil\n' sleep 100)
wait_for 5 grep -q vil "/proc/$!/cmdline"
tap_is "$(pvhost ps $! | tail -n 1 | grep -c $'\e')" 0 "a name does not reach the terminal as it is"
tap_is "$(pvhost ps $! | wc -l)" 2 "and stays in its line"
kill $!
exec 8<&-
pvhost ps 4194304 > /dev/null 2> "$OPS_DIR/err"
tap_is "$?" 1 "a process that does not exist is told"
tap_has "$(< "$OPS_DIR/err")" "no process 4194304" "by its number"
for wrong in 0 x "1 2" "-U $(printf 'x%.0s' {1..40})"; do
	# shellcheck disable=SC2086 # words
	pvhost ps $wrong > /dev/null 2>&1
	tap_is "$?" 2 "ps ${wrong:0:8} is refused"
done

pvhost kill -s 0 "$SLEEPER"
tap_is "$?" 0 "kill -s 0 looks whether a process is there"
pvhost kill -u nobody "$SLEEPER" 2> "$OPS_DIR/err"
tap_is "$?" 1 "a user cannot signal the process of another"
tap_has "$(< "$OPS_DIR/err")" "not one of user nobody" "and is told"
tap_check "it goes on" kill -0 "$SLEEPER"
pvhost kill -s USR1 "$SLEEPER"
wait "$SLEEPER" 2> /dev/null
tap_is "$?" "$((128 + 10))" "kill -s USR1 sends SIGUSR1"
pvhost kill "$SLEEPER" 2> "$OPS_DIR/err"
tap_is "$?" 1 "a process that has ended is told"
for wrong in "" 0 -1 x 99999999999 "-s NOSUCH 1" "-s 65 1" "-s -1 1" "-J x" "-J"; do
	# shellcheck disable=SC2086 # words
	pvhost kill $wrong > /dev/null 2>&1
	tap_is "$?" 2 "kill $wrong is refused"
done

# What is printed and cannot be written is no success, unless it is not wanted.
for verb in ps "ps 1" "-j ps" jobs "ls /proc" "-j ls /proc" "stat /proc" "info os" "-j info os" "top --once" \
	status "online cpu" "kv get a"; do
	[ "$verb" != jobs ] || JOB=$(pvhost exec -d sleep 60)
	[ "$verb" != "kv get a" ] || pvhost kv set a b > /dev/null
	# shellcheck disable=SC2086 # a verb and its arguments
	pvhost $verb > /dev/full 2> "$OPS_DIR/err"
	tap_is "$? $(grep -c pvhost "$OPS_DIR/err")" "1 1" "$verb: a disk that is full is an error"
done
pvhost kill -J -s KILL "$JOB"
pvhost exec -d true > /dev/full 2> "$OPS_DIR/err"
tap_is "$? $(grep -c pvhost "$OPS_DIR/err")" "125 1" "exec -d: the same, with the status of pvhost's own errors"
pvhost ls -R /proc/sys 2> "$OPS_DIR/err" | head -n 1 > "$OPS_DIR/out"
tap_is "$(< "$OPS_DIR/err")" "" "a reader that wants no more is none"

ops_stop
tap_done

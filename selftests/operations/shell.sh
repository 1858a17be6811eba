#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Terminals: a login shell, its size, its keys, and pvhost's own terminal as it was before,
# however it ends.
# shellcheck disable=SC2016 # what stands in quotes is for the guest to expand

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

# screen VERB...: runs pvhost at a terminal of 33 rows and 101 columns; see pty.c.
screen()
{
	TERM=vt220 ./pty 33 101 "$PVHOST" -t "$OPS_LIMIT" "$@" \
		> "$OPS_DIR/screen"
}

# shown TEXT: a line of the screen is TEXT, but for what makes it coloured.
shown()
{
	sed 's/\x1b\[[?0-9;]*[a-zA-Z]//g; s/\r//g' "$OPS_DIR/screen" | grep -qxF -- "$1"
}

ops_start

screen shell -e PS1=READY: <<- 'END'
	type stty size; tty | sed s,[0-9]*$,N,; echo =$0=$TERM=$PWD=\r
	expect =vt220=
	size 44 55
	type sleep 0.2; stty size\r
	expect 44 55
	type exit 6\r
	exit
END
tap_is "$?" 0 "pvhost shell runs a shell at a terminal"
tap_check "the terminal has the size of pvhost's" shown "33 101"
tap_check "it is one" shown "/dev/pts/N"
tap_check "the shell is a login shell, with pvhost's TERM, in the user's home" shown "=-$(basename "$(grep ^root: /etc/passwd | cut -d : -f 7)")=vt220=/root="
tap_check "a change of the size arrives" shown "44 55"
tap_check "its exit status is pvhost's" shown "status 6"
tap_check "and pvhost's terminal is as it was" shown "restored"

screen exec -t -- sh -c 'trap "echo GOT" INT; echo UP; sleep 0.1; read x; echo "=$x="; cat; exit 8' <<- 'END'
	expect UP
	type \x03
	expect GOT
	type abc\r
	expect =abc=
	type line\r
	expect line
	type \x04
	exit
END
tap_check "^C is the program's SIGINT, and ^D its end of input" shown "status 8"

screen exec -t sh -c 'echo UP; stty -echo; cat' <<- 'END'
	expect UP
	type \r~~x\r
	expect ~x
	type ~?
	expect ends the program
	type \r~.
	exit
END
tap_check "~. ends pvhost" shown "status 129"
tap_check "and restores the terminal" shown "restored"
wait_for 10 ops_has_workers 0
tap_check "the program was ended, too" ops_has_workers 0

screen exec -t sh -c 'echo UP; sleep 60' <<- 'END'
	expect UP
	type \r~d
	exit
END
tap_check "~d ends pvhost with 0" shown "status 0"
JOB=$(tr -d '\r' < "$OPS_DIR/screen" | grep -xE '[0-9a-f]{16}')
tap_is "$(job_state "$JOB")" detached "and the program goes on, detached"
screen attach "$JOB" <<- 'END'
	expect UP
	type \x03
	exit
END
tap_check "attach has its terminal again, and ^C ends it" shown "status 130"

for signal in 15 1 11 6; do
	screen exec -t sh -c 'trap "" TERM HUP; echo UP; stty size; sleep 60' <<- END
		expect UP
		expect 101
		signal $signal
		$([ "$signal" = 11 ] || [ "$signal" = 6 ] || printf '%s' 'type \r~.')
		exit
	END
	tap_check "pvhost's terminal is restored after signal $signal" shown "restored"
done

kill_worker()
{
	wait_for 10 grep -q UP "$OPS_DIR/screen"
	# shellcheck disable=SC2046 # those of jobs that were left before among them
	kill -9 $(ops_workers)
}

: > "$OPS_DIR/screen"
kill_worker &
screen exec -t sh -c 'echo UP; sleep 60' <<- 'END'
	exit
END
tap_check "it is restored when the supervisor is killed" shown "restored"
tap_check "which gives 125" shown "status 125"

tap_is "$(pvhost shell <<< 'echo =$((6 * 7))=; exit 3'; echo "$?")" $'=42=\n3' \
	"without a terminal here a shell has none there"
ex -t sh -c 'tty > /dev/null; echo $?; stty size'
tap_is "$(tr -d '\r' <<< "$OUT" | xargs)" "0 0 0" "-t gives one though there is none here"
ex -t -T true
tap_is "$STATUS" 125 "-t and -T are refused"
pvhost shell ls < /dev/null > /dev/null 2>&1
tap_is "$?" 125 "shell with a command is refused"
ex -u nobody -C / -t sh -c 'stat -Lc %U /proc/self/fd/0'
tap_is "$(tr -d '\r' <<< "$OUT")" nobody "the terminal is the user's own"

ops_stop
tap_done

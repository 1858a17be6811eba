#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A program in the guest: each option on its good path and with what makes no sense, what the
# program finds around itself, and the exit statuses of pvhost.
# shellcheck disable=SC2016 # what stands in quotes is for the guest to expand

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/exec.sh
. ../lib/exec.sh

ops_start

# The program's exit status, and where it goes wrong.
ex true
tap_is "$STATUS$OUT$ERR" 0 "a program that says nothing ends with its status, 0"
ex sh -c 'echo out; echo err >&2; exit 3'
tap_is "$STATUS $OUT $ERR" "3 out err" "stdout, stderr and the exit status arrive, each by itself"
ex -m sh -c 'echo 1; echo 2 >&2; echo 3'
tap_is "$OUT$ERR" $'1\n2\n3' "with --merge stderr goes with stdout, in order"
ex sh -c 'kill -KILL $$'
tap_is "$STATUS" 137 "a program that SIGKILL ended gives 128 + 9"
ex nosuchcommand
tap_is "$STATUS" 127 "a command that does not exist gives 127"
tap_has "$ERR" "there is no command 'nosuchcommand'" "and its name is told"
ex /etc/passwd
tap_is "$STATUS" 126 "a file that is not executable gives 126"
ex /etc
tap_is "$STATUS" 126 "a directory gives 126"
printf 'true\n' > "$OPS_DIR/plain"
chmod 755 "$OPS_DIR/plain"
ex "$OPS_DIR/plain"
tap_is "$STATUS" 126 "a file that is neither a program nor begins with #! gives 126"
tap_has "$ERR" "begins with #!" "and why is told"
printf '#!/bin/sh\necho "$0:$*"\n' > "$OPS_DIR/script"
chmod 755 "$OPS_DIR/script"
ex "$OPS_DIR/script" a 'b c'
tap_is "$STATUS $OUT" "0 $OPS_DIR/script:a b c" "a script is executed, and finds its own path"
ex -c 'echo "$0" | cat; exit 4'
tap_is "$STATUS $OUT" "4 $(basename "$(grep ^root: /etc/passwd | cut -d : -f 7)")" \
	"-c gives its text to the user's shell"
ex -- printf '%s,' '' a\ b '*' $'c\nd' '$HOME'
tap_is "$OUT" $',a b,*,c\nd,$HOME,' "arguments arrive as they are, empty ones among them"
ex sleep 0.1
tap_is "$(sh -c 'cat /proc/self/comm')" cat "(a process has the name of its program)"
ex cat /proc/self/comm
tap_is "$OUT" cat "and so has one that was started by exec"

# What it finds around itself.
ex env
tap_is "$(sort <<< "$OUT" | grep -v ^LANG=)" "HOME=/root
LOGNAME=root
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SHELL=$(grep ^root: /etc/passwd | cut -d : -f 7)
USER=root" "the environment is that of a login, and has nothing of the daemon's"
ex -e A=1 -e B= -e 'C=x y' -e A=2 -e HOME=/tmp sh -c 'echo "$A,${B-unset},$C,$HOME"'
tap_is "$OUT" "2,,x y,/tmp" "-e sets variables, over those of a login; the last one counts"
OUT=$(A_OF_MINE=7 pvhost exec -n -e A_OF_MINE -e NOT_SET_HERE env | grep -c -e A_OF_MINE=7 -e NOT_SET)
tap_is "$OUT" 1 "-e NAME passes on what is set here, and nothing else"
ex ls -l /proc/self/fd
tap_is "$(grep -c -- '->' <<< "$OUT")" 4 "no descriptor but 0 to 2 is inherited" "$OUT"
ex sh -c 'umask; pwd; cat /proc/self/oom_score_adj; ps -o sid= -p $$ | tr -d " "; echo $$'
tap_is "$(sed -n 1p <<< "$OUT")" 0022 "the umask is 022"
tap_is "$(sed -n 2p <<< "$OUT")" /root "the working directory is the user's home"
tap_is "$(sed -n 3p <<< "$OUT")" 0 "the kernel may kill it when memory is short, like any other"
tap_is "$(sed -n 4p <<< "$OUT")" "$(sed -n 5p <<< "$OUT")" "it leads a session of its own"
ex grep -E '^(Sig(Blk|Ign)|NoNewPrivs|Seccomp):' /proc/self/status
tap_is "$(tr -d '\t\n' <<< "$OUT")" "SigBlk:0000000000000000SigIgn:0000000000000000NoNewPrivs:0Seccomp:0" \
	"no signal is blocked or ignored, and nothing of the worker's filter is inherited"
ex --umask 077 sh -c umask
tap_is "$OUT" 0077 "--umask sets it"
ex -C /usr pwd
tap_is "$OUT" /usr "-C sets the working directory"
ex -C /nosuch true
tap_is "$STATUS" 125 "a working directory that does not exist gives 125"
tap_has "$ERR" "the working directory /nosuch cannot be entered" "and is named"

# Who it is.
ex -u nobody -C / sh -c 'id -u; id -G; grep -E "^Cap(Prm|Eff|Inh|Amb):" /proc/self/status | cut -f 2 | sort -u; echo $HOME $USER'
tap_is "$OUT" "65534
65534
0000000000000000
$(grep ^nobody: /etc/passwd | cut -d : -f 6) nobody" "-u: it is the user, in that user's groups, without capabilities"
ex -u nobodyatall true
tap_is "$STATUS" 125 "a user that does not exist gives 125"
ex -g daemon -G adm,tty sh -c 'id -gn; id -Gn | tr " " "\n" | sort | xargs'
tap_is "$OUT" "daemon
adm daemon tty" "-g and -G set the groups, for root any"
ex -u nobody -C / -g daemon true
tap_is "$STATUS" 126 "a user cannot have a group that it is not in"
tap_has "$ERR" "user nobody is not in group 'daemon'" "and which is told"
ex -g nosuchgroup true
tap_is "$STATUS" 125 "a group that does not exist gives 125"

# Limits.
ex --rlimit nofile=32:64 --rlimit core=0 sh -c 'ulimit -Sn; ulimit -Hn; ulimit -c'
tap_is "$(xargs <<< "$OUT")" "32 64 0" "--rlimit sets soft and hard limits"
ex -u nobody -C / --rlimit nofile=unlimited true
tap_is "$STATUS" 126 "only root may raise a limit"
for wrong in nosuch=1 nofile nofile= nofile=9:8 nofile=x; do
	ex --rlimit "$wrong" true
	tap_is "$STATUS" 125 "--rlimit $wrong is refused"
done
for wrong in "--umask 8" "--umask 1777" "--timeout 0" "--timeout x" "-C usr" "-e =1" "--pids 0" \
	"--memory 0" "--cpus 0" "-u $(printf 'x%.0s' {1..40})" "-g $(printf 'x%.0s' {1..40})" "-E ab"; do
	# shellcheck disable=SC2086 # words
	ex $wrong true
	tap_is "$STATUS" 125 "${wrong:0:20} is refused"
	tap_num "$(wc -l <<< "$ERR") == 1" "with one line"
done
ex
tap_is "$STATUS" 125 "exec without a command is refused"
ex -c 'true' true
tap_is "$STATUS" 125 "-c with another command is refused"
SECONDS=0
ex --timeout 0.2 sleep 30
tap_is "$STATUS" 124 "a program that takes longer than --timeout gives 124"
tap_num "$SECONDS < 10" "and ends at once" "$SECONDS s"
ex -j sh -c 'echo 12345; exit 2'
tap_is "$(jq -r '"\(.code) \(.signal) \(.stdout_bytes) \(.running)"' <<< "$ERR")" "2 0 6 false" \
	"--json tells the result on stderr"

# Long arguments.
long=$(head -c 100000 /dev/zero | tr '\0' x)
ex -e "L=$long" sh -c 'echo ${#1} ${#L}' sh "$long"
tap_is "$OUT" "100000 100000" "arguments of 200 KB arrive"
ex -e "L=$long" true "$long" "$long"
tap_is "$STATUS" 125 "more than 256 KiB of arguments are refused"
tap_has "$ERR" 262144 "and the limit is told"
# shellcheck disable=SC2046
ex true $(seq 4095)
tap_is "$STATUS" 0 "4096 arguments are as many as there may be"
# shellcheck disable=SC2046
ex true $(seq 4096)
tap_is "$STATUS" 125 "one more is refused"
ex --rlimit stack=64K true "$long"
tap_is "$STATUS" 125 "an argument that the guest's kernel does not take is refused"
tap_has "$ERR" "takes no argument list that long" "and why is told"

ERR=$("$PVHOST" exec -- echo hello 2>&1 > /dev/full)
tap_is "$? $ERR" "125 pvhost: write: No space left on device" "output that cannot be written is told"

# As pvhost serve does, when it has as many clients as it takes.
socat "UNIX-LISTEN:$OPS_DIR/closes,fork" SYSTEM:: &
closer=$!
wait_for 10 test -S "$OPS_DIR/closes"
ERR=$("$PVHOST" -s "$OPS_DIR/closes" exec -- true 2>&1)
tap_is "$? $ERR" "125 pvhost: the hypervisor closed the socket" "a socket that is closed at once is told"
kill $closer

ops_stop
tap_done

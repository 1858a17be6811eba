#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost top: its numbers against loads that are known, what processes may call themselves, and
# the screen. In namespaces of its own.

set -u
[ -n "${OPS_INNER:-}" ] || OPS_INNER=1 exec unshare --mount --net --pid --fork --kill-child --mount-proc -- "$0" "$@"
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ESC=$'\e'
export LC_ALL=C.UTF-8

# ticks PID: CPU time it has had, in ns
ticks()
{
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); printf "%.0f", ($12 + $13) * 1e9 / hz }' "/proc/$1/stat"
}

# of PID FILTER: of its record in each turn
of()
{
	jq -c --argjson pid "$1" ".processes[] | select(.pid == \$pid) | $2" "$OPS_DIR/top"
}

turns()
{
	[ "$(wc -l < "$OPS_DIR/top")" -ge "$1" ]
}

mount -t tmpfs tmpfs /run
export TMPDIR=/run
ip link set lo up
ops_start

# A process that computes, one that holds memory
sh -c 'while :; do :; done' &
busy=$!
coproc tail -n 1
# shellcheck disable=SC2154 # of coproc
holder=$COPROC_PID
head -c 50000000 /dev/zero >&"${COPROC[1]}"
before=$(ticks $busy)
pvhost -j top -c 3 -i 0.5 > "$OPS_DIR/top"
after=$(ticks $busy)
tap_is "$(wc -l < "$OPS_DIR/top")" 3 "top -c 3 --json prints three lines"
tap_is "$(jq -s 'map(.turn)' -c "$OPS_DIR/top")" "[1,2,3]" "turns are counted from 1"
tap_num "$(of $busy .cpu_total_ns | head -n 1) >= $before && $(of $busy .cpu_total_ns | tail -n 1) <= $after" \
	"the CPU time of a process is between what /proc said before and after"
tap_num "$(of $busy .cpu_ns | sed -n 2p) + $(of $busy .cpu_ns | sed -n 3p) == $(of $busy .cpu_total_ns | sed -n 3p) - $(of $busy .cpu_total_ns | sed -n 1p)" \
	"the CPU time of the turns adds up to the difference"
tap_is "$(of $busy '.by_cpu == (.cpu_ns > 0)' | sort -u),$(of $busy .by_cpu | tail -n 1)" true,true \
	"a process is among the first by CPU time in the turns in which it computes"
tap_num "$(of "$holder" .rss | tail -n 1) / $(($(awk '{ print $2 }' "/proc/$holder/statm") * $(getconf PAGESIZE))) > 0.98" \
	"the memory of a process is that of statm"
tap_is "$(of "$holder" .by_memory | tail -n 1)" true "a process with memory is among the first by memory"
tap_num "$(jq -s 'map(.interval_ns) | add' "$OPS_DIR/top") >= 1499000000" "three intervals are as long as was asked for"
tap_num "$(jq -s '.[1] | .user_permille + .system_permille' "$OPS_DIR/top") >= 1000 / $(nproc) - 150" \
	"the CPU share is at least that of the process that computes"
tap_is "$(jq -s '.[2].memory' "$OPS_DIR/top")" "$(awk '/^MemTotal/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)" \
	"memory is that of /proc/meminfo"
kill $busy "$holder"

# A disk and an interface: counted exactly, in whatever turns it falls
truncate -s 16M "$OPS_DIR/image"
modprobe -q loop 2> /dev/null
LOOP=$(losetup -f --show "$OPS_DIR/image" 2> /dev/null)
[ -z "$LOOP" ] || { tap_at_exit losetup -d "$LOOP"; dd if="$LOOP" of=/dev/null bs=4k count=1 status=none; }
"$PVHOST" -t 30 -j top -i 0.3 > "$OPS_DIR/top" &
watcher=$!
wait_for 20 turns 1
sent=$(awk '/lo:/ { print $11 }' /proc/net/dev)
for i in {1..50}; do
	echo "$i" > /dev/udp/127.0.0.1/9
done 2> /dev/null
sent=$(($(awk '/lo:/ { print $11 }' /proc/net/dev) - sent))
[ -z "$LOOP" ] || dd if=/dev/zero of="$LOOP" bs=1M count=8 oflag=direct status=none
last=$(wc -l < "$OPS_DIR/top")
wait_for 20 turns $((last + 2))
kill $watcher
wait $watcher 2> /dev/null
tap_num "$sent >= 50" "the test sends packets"
tap_is "$(jq -s 'map(.nics[] | select(.name == "lo") | .tx_packets) | add' "$OPS_DIR/top")" "$sent" \
	"the packets of an interface add up to those of /proc/net/dev"
if [ -n "$LOOP" ]; then
	tap_is "$(jq -s --arg n "${LOOP#/dev/}" 'map(.disks[] | select(.name == $n) | .written_bytes) | add' "$OPS_DIR/top")" \
		8388608 "the bytes written to a disk add up to what was written"
else
	tap_skip "the bytes written to a disk add up" "there is no loop device"
fi
if compgen -G '/sys/bus/virtio/devices/*/moderation/stats' > /dev/null; then
	tap_is "$(jq -s '.[0].devices | map(.name) | sort | join(" ")' -r "$OPS_DIR/top")" \
		"$(cd /sys/bus/virtio/devices && for f in */moderation/stats; do echo "${f%%/*}"; done | sort | xargs)" \
		"each device of pvguest is told"
else
	tap_is "$(jq -s '.[0].devices' -c "$OPS_DIR/top")" "[]" "without pvguest's drivers no device is told"
fi

# Names that anybody may choose
(printf 'x) R 1 (\n\e[31m' > /proc/self/comm; exec -a $'\e[2J\xff\xc2\x9bevil\u202e\nname' tail -f /dev/null) &
evil=$!
bash -c 'printf "x) R 1 (\n\e]0;" > /proc/$$/comm; head -c 20000000 /dev/zero | tail -n 1 > /dev/null; read -r x < <(sleep 60)' &
comm=$!
wait_for 10 grep -q evil "/proc/$evil/cmdline"
pvhost -j top --once -n 200 -i 0.3 > "$OPS_DIR/top"
tap_check "JSON of processes with hostile names is valid" jq -e . "$OPS_DIR/top"
tap_is "$(of $evil .command)" '"\\x1b[2J\\xff\\xc2\\x9bevil'$'\u202e''\\x0aname -f /dev/null"' \
	"a hostile command line is told with its bytes as \\xNN"
tap_is "$(of $comm .ppid)" $$ "a comm with brackets does not hide the parent"
pvhost top --once -m -n 200 -i 0.3 > "$OPS_DIR/out"
tap_is "$(grep -c "[$ESC"$'\u202e'"]" "$OPS_DIR/out")" 0 "top prints no control or format character of the guest"
tap_check "top prints what is left of the name" grep -q 'evil?' "$OPS_DIR/out"
tap_num "$(wc -L < "$OPS_DIR/out") <= 80" "no line is wider than 80 columns"
kill $evil $comm

# Bounds
tap_num "$(pvhost -j top --once -n 2 -i 0.1 | jq '.processes | length') <= 4" "-n 2 is four processes at most"
tap_is "$(pvhost -j top --once -n 0 -i 0.1 | jq '[.processes, .processes_all]' -c)" "[[],0]" "-n 0 looks at no process"
for i in 0.05 61 x; do
	pvhost top -i $i > /dev/null 2>&1
	tap_is "$?" 2 "top -i $i exits with 2"
done
pvhost top -n 201 > /dev/null 2>&1
tap_is "$?" 2 "top -n 201 exits with 2"
tap_is "$(client -s 16 -r $'\x08\x63' 3 | cut -d ' ' -f 1)" invalid "an interval of 99 ms is invalid"
tap_is "$(client -s 16 -r $'\x08\xe1\xd4\x03' 3 | cut -d ' ' -f 1)" invalid "an interval of 60001 ms is invalid"
tap_is "$(client -s 16 -r $'\x08\x64\x10\xc9\x01' 3 | cut -d ' ' -f 1)" invalid "201 processes are invalid"
tap_is "$(client -s 16 -r $'\x08\xff' 3 | cut -d ' ' -f 1)" invalid "a malformed record is invalid"

# The screen: it is left as it was, however top ends.
# on_screen COMMAND...: top on a terminal of 100 columns and 30 rows; COMMAND ends it
on_screen()
{
	: > "$OPS_DIR/out"
	script -qfec "$OPS_DIR/on-terminal" "$OPS_DIR/out" < "$OPS_DIR/keys" > /dev/null 2>&1 &
	script=$!
	exec 8> "$OPS_DIR/keys"
	wait_for 20 shown "CPU%"
	"$@"
	wait_for 20 gone
	exec 8>&-
	wait $script
}

shown()
{
	grep -qaF "$1" "$OPS_DIR/out"
}

gone()
{
	! pgrep -f "^$PVHOST -s $PVHOST_SOCKET top"
}

press()
{
	printf '%s' "$1" >&8
}

signal()
{
	pkill "-$1" -f "^$PVHOST -s $PVHOST_SOCKET top"
}

# restored WHY: the alternate page, hidden cursor and no wrapping, all taken back at the end
restored()
{
	tap_is "$(tr "$ESC" ^ < "$OPS_DIR/out" | grep -aoE '\^\[\?1049[hl]|\^\[\?25h|\^\[\?7h' | xargs)" \
		"^[?1049h ^[?7h ^[?25h ^[?1049l" "the screen is begun, and given back after $1"
}

press_m()
{
	press m
	wait_for 10 shown ">MEM%"
	tap_check "m sorts by memory" shown ">MEM%"
	press p
	wait_for 10 shown paused
	tap_check "p pauses" shown paused
	press q
}

mkfifo "$OPS_DIR/keys"
printf '#!/bin/sh\nstty cols 100 rows 30\nexec %s -s %s top -i 0.2\n' "$PVHOST" "$PVHOST_SOCKET" > "$OPS_DIR/on-terminal"
chmod 755 "$OPS_DIR/on-terminal"
on_screen press q
restored "q"
on_screen press_m
on_screen signal TERM
restored "SIGTERM"
on_screen signal INT
restored "SIGINT"
on_screen signal SEGV
restored "SIGSEGV"
wait_for 10 ops_has_workers 0
tap_check "no worker is left" ops_has_workers 0
ops_stop
tap_done

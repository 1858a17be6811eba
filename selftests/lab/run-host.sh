#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests scripts/lab itself. Unlike the other suites this one runs on the host,
# since what it tests starts the virtual machines. A VM serves several checks where
# none loses by that: 13 are booted. About two minutes.
# shellcheck disable=SC2016 # what stands in quotes is for the guest to expand

HERE=$(cd "$(dirname "$0")" && pwd)
LAB=$HERE/../../scripts/lab
# scripts/check has fetched and built every kernel that it tests.
CHECK=${PVG_CHECK:-}

# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# lab ARG...: run it, keeping what it printed and its status.
lab()
{
	"$LAB" "$@" > "$TMP/out" 2> "$TMP/err" < /dev/null
	STATUS=$?
}

# vm ARG...: the same for a run in a VM without any driver.
vm()
{
	lab run --drivers none "$@"
}

# expect DESCRIPTION STATUS [OUTPUT]: of the last run.
expect()
{
	if [ "$STATUS" != "$2" ]; then
		tap_not_ok "$1" "status $STATUS, wanted $2"$'\n'"$(tail -n 20 "$TMP/err")"
	elif [ $# -gt 2 ] && [ "$(cat "$TMP/out")" != "$3" ]; then
		tap_not_ok "$1" "unexpected output: $(head -c 500 "$TMP/out")"
	else
		tap_ok "$1"
	fi
}

# tells DESCRIPTION WORDS: the last run had them on stderr.
tells()
{
	if grep -qF -- "$2" "$TMP/err"; then
		tap_ok "$1"
	else
		tap_not_ok "$1" "not on stderr: $2"$'\n'"$(tail -n 20 "$TMP/err")"
	fi
}

# log: prints the directory of the last run's log.
log()
{
	sed -n 's/^lab: log: //p' "$TMP/err"
}

# complains DESCRIPTION STATUS WORDS: in one line on stderr, and nothing else.
complains()
{
	if [ "$STATUS" = "$2" ] && [ "$(wc -l < "$TMP/err")" = 1 ] &&
		grep -qF -- "$3" "$TMP/err" && [ ! -s "$TMP/out" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1" "status $STATUS, wanted $2, with: $3"$'\n'"$(cat "$TMP/err")"
	fi
}

bad_arguments()
{
	lab run --kernel 5.10 -- true
	complains "an unknown kernel is refused" 2 "unknown kernel '5.10'"
	lab run --drivers best -- true
	complains "unknown drivers are refused" 2 "unknown drivers 'best'"
	lab run --colour red -- true
	complains "an unknown option is refused" 2 "unknown option '--colour'"
	lab run --mem lots -- true
	complains "a bad memory size is refused" 2 "--mem 'lots'"
	lab run --mem 900000G -- true
	complains "more memory than there is is refused" 2 "this machine has free"
	lab run --smp 0 -- true
	complains "a VM without a CPU is refused" 2 "--smp '0'"
	lab run --smp two -- true
	complains "a bad number of CPUs is refused" 2 "--smp 'two'"
	lab run --disk big -- true
	complains "a bad disk size is refused" 2 "--disk 'big'"
	lab run --qemu "-name 'x" -- true
	complains "an open quote in --qemu is refused" 2 "quotes do not match"
	lab run
	complains "a run without a command is refused" 2 "no command"
	lab walk
	complains "an unknown verb is refused" 2 "unknown command 'walk'"
}

statuses()
{
	local start=$SECONDS

	vm -- no-such-program
	expect "a command that does not exist has status 127" 127
	BOOT_SECONDS=$((SECONDS - start))
	vm --smp 2 -- sh -c 'echo out; echo err >&2; test -t 1 || echo no terminal; pwd; ls
		echo "all is well" > /dev/kmsg; sleep 100 & exit 1'
	expect "stdout and stderr both arrive, in order, with status 1 while a child runs on" 1 \
		$'out\nerr\nno terminal\n/pvguest\nscripts\nselftests\ntools'
	tap_check "the log's directory, which stderr names, has the console with a line of the command" \
		grep -q "all is well" "$(log)/console"
}

# Every byte value, many times, behind the arguments: nothing is translated or lost.
output()
{
	local arguments=('a b' "it's" '"$HOME"' '' '*' $'two\nlines' '--') bytes

	bytes='printf "<%s>" "$@"; for i in 0 1 2 3 4 5 6 7; do for b in $(seq 0 255); do
		printf "\\$(printf %03o "$b")"; done; done'
	bash -c "$bytes" bash "${arguments[@]}" > "$TMP/want"
	lab run --drivers intree --disk none -- bash -c "lsblk -n; $bytes; exit 255" bash "${arguments[@]}"
	expect "status 255 is passed on" 255
	tap_check "arguments and output arrive byte by byte; --disk none leaves the disk out" \
		cmp "$TMP/want" "$TMP/out"
}

machine()
{
	local release

	release=$("$LAB" kernels | awk '$1 == "6.1" { print $2 }')
	lab run --drivers intree --disk 64M --smp 2 --mem 512M --append "foo=bar" --qemu "-name 'a b' -uuid \
		12345678-1234-1234-1234-123456789abc" -- sh -c 'uname -r; nproc; cat /proc/cmdline |
		grep -o foo=bar; cat /sys/class/dmi/id/product_uuid
		cat /sys/devices/system/clocksource/*/current_clocksource
		awk "/MemTotal/ { print (\$2 < 524288) }" /proc/meminfo
		cd /sys/block/vda && cat size serial ro'
	expect "kernel 6.1 boots, --smp, --mem, --append, --qemu and --disk act, the clock is tsc" 0 \
		"$release"$'\n2\nfoo=bar\n12345678-1234-1234-1234-123456789abc\ntsc\n1\n131072\npvgtest0'
}

# ask COMMAND: prints what QEMU answers once the socket of the VM is there.
ask()
{
	local i

	for ((i = 0; i < 1200; i++)); do
		[ ! -S "$TMP/qmp.sock" ] || break
		sleep 0.1
	done
	printf '{"execute":"%s"}\n' qmp_capabilities "$1" |
		timeout 60 socat -t 10 - "UNIX-CONNECT:$TMP/qmp.sock"
}

# A test on the host uses the QMP socket while the VM runs.
qmp()
{
	local reply

	vm --qmp "$TMP/qmp.sock" -- sleep 20 &
	reply=$(ask quit)
	tap_check "--qmp gives a socket that answers" grep -q return <<< "$reply"
	wait $!	# not for the VM of timeout_start
	tap_check "the socket of --qmp is gone after the VM" test ! -e "$TMP/qmp.sock"
}

# A kernel that stops before /init is not what a run tests. The second boot takes
# longer than LAB_BOOT_SECONDS, too.
boot_again()
{
	local reply

	(
		export LAB_BOOT_SECONDS=3 LAB_RETRIES=$TMP/retries
		vm --qmp "$TMP/qmp.sock" -- sh -c 'echo up; exit 7'
		exit "$STATUS"
	) &
	reply=$(ask stop)
	wait $!
	STATUS=$?
	tap_check "QEMU stops a kernel that boots" grep -q '"STOP"' <<< "$reply"
	expect "a kernel that stops while it boots is booted again" 7 up
	tap_is "$(grep -c "starting it again; see $(log)/console.first" "$TMP/err")" 1 \
		"a kernel that stops while it boots is booted again once, and stderr says so"
	tap_check "the console of a kernel that stopped while it booted is kept" test -e "$(log)/console.first"
	tap_is "$(cat "$TMP/retries" 2> /dev/null)" "$(basename "$(log)"): not at /init" \
		"a kernel that stopped while it booted is counted where LAB_RETRIES says"
}

# What the kernel says of a CPU whose timer does not come any more.
LOST_TIMER='rcu: 	Possible timer handling issue on cpu=1 timer-softirq=1
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
NMI backtrace for cpu 1 skipped: idling at here'

lost_timer()
{
	vm --smp 2 -- bash -c 'while read -r line; do echo "$line" > /dev/kmsg; done <<< "$1"; sleep 300' \
		bash "$LOST_TIMER"
	expect "a machine that loses a timer has status 97" 97
	tap_check "the log has what QEMU knows of a CPU that lost its timer" \
		grep -q "dumping local APIC state for CPU 1" "$(log)/state"
}

# In the background, since it has to have booted by then, which takes as long as this
# machine is busy. A boot that was held up once must not hold up the suite for longer.
LONGEST_LIMIT=240

timeout_start()
{
	LIMIT=$((30 + 6 * ${BOOT_SECONDS:-10}))
	[ "$LIMIT" -le "$LONGEST_LIMIT" ] || LIMIT=$LONGEST_LIMIT
	(
		start=$SECONDS
		"$LAB" run --drivers none --timeout "$LIMIT" -- sh -c 'echo before; sleep 3600' \
			> "$TMP/timeout.out" 2> "$TMP/timeout.err" < /dev/null
		echo $? $((SECONDS - start)) > "$TMP/timeout"
	) &
	TIMEOUT_PID=$!
}

timeout_end()
{
	local took

	wait "$TIMEOUT_PID"
	read -r STATUS took < "$TMP/timeout"
	cp "$TMP/timeout.out" "$TMP/out"
	cp "$TMP/timeout.err" "$TMP/err"
	expect "--timeout ends the VM with status 124 and keeps the output before" 124 before
	# QEMU's state is asked for before it ends.
	tap_num "$took >= $LIMIT && $took < 2 * $LIMIT + 50" \
		"--timeout ends the VM in time" "after $took s, limit $LIMIT s"
}

endings()
{
	vm -- poweroff -f
	expect "a VM that ends without a status has status 98" 98 ""
	lab run --drivers none --qemu "-device no-such-device" -- true
	expect "a QEMU that does not start has status 98" 98 ""
	tells "a QEMU that does not start: stderr says why" "no-such-device"
}

# console DESCRIPTION EXCERPT COMMAND: must fail the run whatever it returns.
console()
{
	vm -- sh -c "$3"
	expect "$1 on the console: the run has status 99" 99
	tells "$1 on the console: stderr shows it" "$2"
}

# verdict_of END STATUS LINE...: of a VM that ended so, whose command had that status, with
# these lines on the console.
verdict_of()
{
	rm -rf "$TMP/verdict"
	mkdir "$TMP/verdict"
	printf '%s\r\n' "${@:3}" > "$TMP/verdict/console"
	: > "$TMP/verdict/qemu"
	[ -z "$2" ] || echo "$2" > "$TMP/verdict/status"
	# shellcheck disable=SC2016,SC2097,SC2098
	bash -euc '. "$1/common.sh"; . "$1/verdict.sh"; V_DIR=$2 V_END=$3 O_TIMEOUT=60; vm_verdict' \
		bash "${LAB}.d" "$TMP/verdict" "$1" > "$TMP/out" 2> "$TMP/err"
	STATUS=$?
}

# verdict_is DESCRIPTION STATUS LINE: of a command that returned 0.
verdict_is()
{
	verdict_of 'done' 0 "[    1.2] before" "[    1.3] $3" "[    1.4] after"
	expect "$1 on the console gives status $2" "$2"
	[ "$2" = 0 ] || tells "$1 on the console: stderr shows it" "$3"
}

# That a console decides is tested with a VM, what decides on it without.
consoles()
{
	console "a warning" "WARNING: of this test" 'echo "WARNING: of this test" > /dev/kmsg; exit 0'
	console "a crash" "Kernel panic" 'echo c > /proc/sysrq-trigger'
}

verdict()
{
	local what status line

	while IFS='|' read -r what status line; do
		verdict_is "$what" "$status" "$line"
	done <<- 'END'
		a warning with a place|99|WARNING: CPU: 0 PID: 1 at kernel/x.c:1 f+0x1/0x2
		a bug|99|kernel BUG at mm/slub.c:435!
		an oops|99|Oops: 0000 [#1] PREEMPT SMP PTI
		a KASAN report|99|BUG: KASAN: use-after-free in f+0x1/0x2
		a UBSAN report|99|UBSAN: array-index-out-of-bounds in drivers/x.c:1:1
		a lockdep report|99|WARNING: possible circular locking dependency detected
		lockdep's report of a state|99|inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.
		an RCU report|99|suspicious RCU usage
		an RCU stall|99|rcu: INFO: rcu_preempt self-detected stall on CPU
		a hung task|99|INFO: task kworker/0:1:9 blocked for more than 120 seconds.
		a sleep in atomic context|99|BUG: sleeping function called from invalid context at f.c:1
		a DMA mistake|99|DMA-API: virtio-pci 0000:00:03.0: device driver frees DMA memory with wrong size
		a refcount|99|refcount_t: underflow; use-after-free.
		a lost interrupt|99|irq 24: nobody cared (try booting with the "irqpoll" option)
		a transmit timeout|99|NETDEV WATCHDOG: eth0 (pvg_net): transmit queue 0 timed out
		a leak|99|lab: kmemleak: memory was lost:
		a harmless line|0|all is well
		the size of DMA-API's table|0|DMA-API: preallocated 65536 debug entries
		the kernel's command line|0|Command line: oops=panic BUG: Oops
	END
	verdict_of 'done' 3 "lab: expected: WARNING: of a [a-z]*" "WARNING: of a test"
	expect "a warning that the command announced leaves its status" 3
	verdict_of 'done' 3 "lab: expected: WARNING: of a [a-z]*" "WARNING: of 1 test"
	expect "a warning that the command did not announce has status 99" 99
	verdict_of lost '' "$LOST_TIMER"
	expect "a console with a lost timer alone gives status 97" 97
	verdict_of lost '' "WARNING: of a driver" "$LOST_TIMER"
	expect "a console with a warning beside a lost timer gives status 99" 99
	verdict_of 'done' '' nothing
	expect "no status of the command gives status 98" 98
	verdict_of hung 0 nothing
	expect "a VM that does not power off gives status 98 although the command returned 0" 98
	verdict_of timeout '' nothing
	expect "a VM that reached its timeout gives status 124" 124
	verdict_of 'done' setup nothing
	expect "a guest that was not ready gives status 2" 2
}

# absent KERNEL NAME: fetching a kernel is not what is tested here, unless it was to be
# fetched before.
absent()
{
	"$LAB" kernels | grep -q "^$1 .*not cached" || return
	if [ -n "$CHECK" ]; then
		tap_not_ok "$2" "kernel $1 is not in the cache"
	else
		tap_skip "$2" "kernel $1 is not in the cache: scripts/lab fetch --kernel $1"
	fi
}

kernel_boots()
{
	vm --kernel "$1" -- uname -r
	expect "kernel $1 boots" 0 "$2"
}

# 6.1 is the kernel of the other parts, the debug kernel that of leaks.
kernels()
{
	local kernel release

	while read -r kernel release _ <&3; do
		[[ $kernel =~ ^(6.1|debug)$ ]] || absent "$kernel" "kernel $kernel boots" ||
			kernel_boots "$kernel" "$release"
	done 3< <("$LAB" kernels | tail -n +2)
}

leaks()
{
	local name="the debug kernel boots, and memory that a module lost gives status 99" release

	! absent debug "$name" || return 0
	release=$("$LAB" kernels | awk '$1 == "debug" { print $2 }')
	lab run --kernel debug --drivers none -- sh -c 'uname -r; modprobe kmemleak-test'
	expect "$name" 99 "$release"
	tells "memory that a module lost: stderr shows kmemleak's report" "kmemleak: memory was lost"
}

if [ $# -eq 0 ]; then
	set -- bad_arguments verdict statuses timeout_start output machine qmp boot_again lost_timer \
		endings consoles kernels leaks timeout_end
fi
for part; do
	start=$SECONDS
	"$part"
	tap_diag "lab: $part took $((SECONDS - start)) s"
done
tap_done

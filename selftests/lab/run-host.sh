#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Tests scripts/lab itself. Unlike the other suites this one runs on the host,
# since what it tests starts the virtual machines. About two minutes.
# shellcheck disable=SC2016 # what stands in quotes is for the guest to expand

HERE=$(cd "$(dirname "$0")" && pwd)
LAB=$HERE/../../scripts/lab

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

# expect DESCRIPTION STATUS [OUTPUT]
expect()
{
	if [ "$STATUS" != "$2" ]; then
		tap_not_ok "$1" "status $STATUS, not $2" "$(tail -n 20 "$TMP/err")"
	elif [ $# -gt 2 ] && [ "$(cat "$TMP/out")" != "$3" ]; then
		tap_not_ok "$1" "unexpected output: $(head -c 500 "$TMP/out")"
	else
		tap_ok "$1"
	fi
}

# complains DESCRIPTION STATUS WORDS: in one line on stderr, and nothing else.
complains()
{
	if [ "$STATUS" = "$2" ] && [ "$(wc -l < "$TMP/err")" = 1 ] &&
		grep -qF -- "$3" "$TMP/err" && [ ! -s "$TMP/out" ]; then
		tap_ok "$1"
	else
		tap_not_ok "$1" "status $STATUS, not $2: $(cat "$TMP/err")"
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
	local status

	for status in 0 1 255; do
		vm -- sh -c "exit $status"
		expect "status $status is passed on" "$status" ""
	done
	vm -- no-such-program
	expect "a command that does not exist has status 127" 127
}

output()
{
	local words

	vm -- printf '<%s>' 'a b' "it's" '"$HOME"' '' '*' $'two\nlines' '--'
	expect "arguments arrive as they are" 0 "$(printf '<%s>' 'a b' "it's" \
		'"$HOME"' '' '*' $'two\nlines' '--')"
	# Every byte value, many times: nothing is translated or lost.
	words='for i in 0 1 2 3 4 5 6 7; do for b in $(seq 0 255); do
		printf "\\$(printf %03o "$b")"; done; done'
	bash -c "$words" > "$TMP/want"
	vm -- bash -c "$words"
	tap_check "output arrives byte by byte" cmp "$TMP/want" "$TMP/out"
	vm -- sh -c 'echo out; echo err >&2; test -t 1 || echo no terminal; pwd; ls'
	expect "stdout and stderr both arrive, in order" 0 \
		$'out\nerr\nno terminal\n/pvguest\nscripts\nselftests\ntools'
}

machine()
{
	vm --smp 2 --mem 512M --append "foo=bar" --qemu "-name 'a b' -uuid \
		12345678-1234-1234-1234-123456789abc" -- sh -c 'nproc; cat /proc/cmdline |
		grep -o foo=bar; cat /sys/class/dmi/id/product_uuid
		cat /sys/devices/system/clocksource/*/current_clocksource
		awk "/MemTotal/ { print (\$2 < 524288) }" /proc/meminfo'
	expect "--smp, --mem, --append and --qemu have their effect; the clock is tsc" 0 \
		$'2\nfoo=bar\n12345678-1234-1234-1234-123456789abc\ntsc\n1'
	lab run --drivers intree --disk 64M -- sh -c 'cd /sys/block/vda && cat size serial ro'
	expect "the disk is there" 0 $'131072\npvgtest0'
	lab run --drivers intree --disk none -- lsblk -n
	expect "--disk none leaves it out" 0 ""
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
	wait
	tap_check "... and is gone afterwards" test ! -e "$TMP/qmp.sock"
}

# A kernel that stands still before /init is not what anybody wants to test.
boot_again()
{
	local log reply

	(
		export LAB_BOOT_SECONDS=20 LAB_RETRIES=$TMP/retries
		vm --qmp "$TMP/qmp.sock" -- sh -c 'sleep 20; echo up; exit 7'
		exit "$STATUS"
	) &
	reply=$(ask stop)
	wait $!
	STATUS=$?
	tap_check "a kernel that stops while it boots" grep -q '"STOP"' <<< "$reply"
	expect "... is booted again, and only once" 7 up
	log=$(sed -n 's/^lab: log: //p' "$TMP/err")
	tap_check "... which is told" grep -qF "starting it again; see $log/console.first" "$TMP/err"
	tap_check "... and its console kept" test -e "$log/console.first"
	tap_is "$(cat "$TMP/retries" 2> /dev/null)" "${log##*/}: not at /init" \
		"... and it is counted where LAB_RETRIES says"
}

# What the kernel says of a CPU whose timer does not come any more.
lost_timer()
{
	local log words='echo "rcu: 	Possible timer handling issue on cpu=1 timer-softirq=1" > /dev/kmsg
		echo "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:" > /dev/kmsg
		echo "NMI backtrace for cpu 1 skipped: idling at here" > /dev/kmsg'

	vm --smp 2 -- sh -c "$words; sleep 300"
	expect "a machine that loses a timer is noticed" 97
	log=$(sed -n 's/^lab: log: //p' "$TMP/err")
	tap_check "... with what QEMU knows of it" grep -q "dumping local APIC state for CPU 1" "$log/state"
	vm --smp 2 -- sh -c "echo 'WARNING: of a driver' > /dev/kmsg; $words; sleep 300"
	expect "... but is no excuse for other trouble" 99
}

endings()
{
	local start=$SECONDS limit

	# It has to have booted by then, which takes as long as this machine is busy.
	vm -- true
	limit=$((20 + 4 * (SECONDS - start)))
	start=$SECONDS
	vm --timeout "$limit" -- sh -c 'echo before; sleep 3600'
	expect "a timeout ends the VM" 124 before
	tap_check "... in time" test $((SECONDS - start)) -lt $((2 * limit + 50))
	vm -- poweroff -f
	expect "a VM that ends without a status is noticed" 98 ""
	vm -- sh -c 'sleep 100 & exit 3'
	expect "what is left in the background does not matter" 3
	lab run --drivers none --qemu "-device no-such-device" -- true
	expect "a QEMU that does not start is noticed" 98 ""
	tap_check "... and says why" grep -q "no-such-device" "$TMP/err"
}

# console DESCRIPTION EXCERPT COMMAND: must fail the run whatever it returns.
console()
{
	vm -- sh -c "$3"
	expect "$1 fails the run" 99
	tap_check "... and is shown" grep -q -- "$2" "$TMP/err"
}

verdict()
{
	console "a warning on the console" "WARNING: of this test" \
		'echo "WARNING: of this test" > /dev/kmsg; exit 0'
	console "a lockdep report" "possible circular locking" \
		'echo "possible circular locking dependency" > /dev/kmsg'
	console "a crash" "Kernel panic" 'echo c > /proc/sysrq-trigger'
	vm -- sh -c 'echo "all is well" > /dev/kmsg; exit 0'
	expect "a harmless line does not" 0
	tap_check "the place of the log is told" test -d "$(sed -n 's/^lab: log: //p' "$TMP/err")"
	tap_check "... and the console is there" grep -q "all is well" \
		"$(sed -n 's/^lab: log: //p' "$TMP/err")/console"
}

# Every kernel that is in the cache; fetching one is not what is tested here.
kernels()
{
	local kernel release where

	while read -r kernel release where; do
		if [ ! -d "$where" ]; then
			tap_skip "kernel $kernel boots" "not cached: scripts/lab fetch"
			continue
		fi
		vm --kernel "$kernel" -- uname -r
		expect "kernel $kernel boots" 0 "$release"
	done < <("$LAB" kernels | tail -n +2)
}

leaks()
{
	if "$LAB" kernels | grep -q '^debug .*not cached'; then
		tap_skip "a leak fails the run" "the debug kernel is not cached"
		return
	fi
	lab run --kernel debug --drivers none -- modprobe kmemleak-test
	expect "a leak fails the run" 99
	tap_check "... and is shown" grep -q "kmemleak: memory was lost" "$TMP/err"
}

[ $# -gt 0 ] ||
	set -- bad_arguments statuses output machine qmp boot_again lost_timer endings verdict kernels leaks
for part; do
	"$part"
done
tap_done

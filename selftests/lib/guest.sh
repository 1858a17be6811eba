# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the tests of all drivers share, in a guest: virtio devices and their
# drivers, the kernel's log, functions that fail. Sourced after tap.sh by blk.sh,
# net.sh and ctl.sh.

VIRTIO_BUS=/sys/bus/virtio
DEBUGFS=/sys/kernel/debug

# need_root: or nothing of the test runs.
need_root()
{
	[ "$(id -u)" = 0 ] || tap_skip_all "needs root"
}

# is_slow: true on kernels where everything takes several times as long.
is_slow()
{
	[ -e "$DEBUGFS/kmemleak" ]
}

# scaled N [DIVISOR]: N, or less on a slow kernel (default a quarter).
scaled()
{
	if is_slow; then
		echo $(($1 / ${2:-4}))
	else
		echo "$1"
	fi
}

# behind COMMAND...: a load. On a slow kernel it gets the time that the test leaves: what
# the test does meanwhile would take most of the run otherwise. Becomes COMMAND.
behind()
{
	exec nice -n "$(is_slow && echo 19 || echo 0)" "$@"
}

# wait_for SECONDS COMMAND...: until it succeeds; four times as long on a slow
# kernel. The machine may do nothing between a look and the clock, so there is one
# more look when the time is over.
wait_for()
{
	local deadline=$((SECONDS + $1 * ($(is_slow && echo 4 || echo 1))))

	shift
	until "$@" > /dev/null 2>&1; do
		if [ "$SECONDS" -ge "$deadline" ]; then
			"$@" > /dev/null 2>&1
			return
		fi
		sleep 0.1
	done
}

# test_seed: sets SEED, from which all randomness of a test follows, and prints it: a
# run is repeated with PVG_SEED=N. The first call sets bash's RANDOM too, which a
# subshell does not inherit.
test_seed()
{
	[ -z "${SEED:-}" ] || return 0
	SEED=${PVG_SEED:-$SRANDOM}
	if ! [[ $SEED =~ ^[0-9]{1,10}$ ]]; then
		tap_not_ok "PVG_SEED is a number of up to ten digits" "PVG_SEED=$SEED"
		tap_done
	fi
	SEED=$((10#$SEED & 0x7fffffff))
	echo "# seed: $SEED"
	RANDOM=$SEED
}

# seeded_bytes N [VARIANT]: prints N random bytes that follow from SEED and VARIANT, a
# number.
seeded_bytes()
{
	LC_ALL=C awk -v n="$1" -v seed=$((SEED + ${2:-0})) 'BEGIN {
		srand(seed)
		while (n-- > 0)
			printf "%c", int(rand() * 256)
	}'
}

# standstill_watch FILE: from now on FILE tells the longest, in microseconds, that
# a process that was ready had to wait: so long the machine may have done nothing for
# the guest. Writing 0 to FILE starts over.
standstill_watch()
{
	local never before now worst

	echo 0 > "$1"
	(
		exec {never}<> <(:)
		before=${EPOCHREALTIME//[!0-9]/}
		while :; do
			read -rt 0.1 -u "$never"
			now=${EPOCHREALTIME//[!0-9]/}
			read -r worst < "$1"
			[ $((now - before - 100000)) -le "${worst:-0}" ] ||
				echo $((now - before - 100000)) > "$1"
			before=$now
		done
	) > /dev/null 2>&1 &
	tap_at_exit kill $!
}

# irq_cpu NAME: prints the CPU that takes the interrupt of that name, such as
# virtio0-req.0, or the first whose name has it in it.
irq_cpu()
{
	local irq

	irq=$(awk -F: -v name="$1" 'index($0, name) { print $1 + 0; exit }' /proc/interrupts)
	cat "/proc/irq/${irq:-0}/effective_affinity_list"
}

# is_over PID: a child of ours is a zombie without threads, or gone.
is_over()
{
	local -a stat

	read -ra stat 2> /dev/null < "/proc/$1/stat" || return 0
	[ "${stat[2]}" = Z ] && [ "${stat[19]}" -le 1 ]
}

# virtio_driver VIRTIO: prints the driver that the device is bound to, or "none".
virtio_driver()
{
	local link

	if link=$(readlink "$VIRTIO_BUS/devices/$1/driver"); then
		echo "${link##*/}"
	else
		echo none
	fi
}

# virtio_bind DRIVER VIRTIO
virtio_bind()
{
	echo "$2" > "$VIRTIO_BUS/drivers/$1/bind"
}

# virtio_unbind VIRTIO
virtio_unbind()
{
	echo "$1" > "$VIRTIO_BUS/devices/$1/driver/unbind"
}

# no_trace: debugfs has nothing of $VIRTIO any more, which goes last.
no_trace()
{
	[ ! -e "$DEBUGFS/pvguest/$VIRTIO" ]
}

# kmsg_mark: prints a mark for kmsg_since MARK, which prints what the kernel
# logged after it: all there is, where the mark is no longer.
kmsg_mark()
{
	local mark=pvg-selftest-$$-$SECONDS-$RANDOM

	echo "<7>$mark" > /dev/kmsg
	echo "$mark"
}

kmsg_since()
{
	dmesg | awk -v mark="$1" '
		index($0, mark) { first = NR }
		{ line[NR] = $0 }
		END { for (n = first + 1; n <= NR; n++) print line[n] }'
}

# kmsg_has TEXT MARK: the text is among what the kernel logged since.
kmsg_has()
{
	kmsg_since "$2" | grep -qF -- "$1"
}

# The debug kernel can make functions fail that carry ALLOW_ERROR_INJECTION.
FAIL=$DEBUGFS/fail_function

# may_fail: or nothing of the test runs.
may_fail()
{
	need_root
	[ -d "$FAIL" ] ||
		tap_skip_all "this kernel cannot make functions fail: use --kernel debug"
}

# functions_that_fail PREFIX: prints those whose names begin so, with what they
# return when they fail: NULL, ERRNO or ERRNO_NULL.
functions_that_fail()
{
	sed -n "s/^\($1[a-z0-9_]*\)[[:space:]]*\(\[.*\][[:space:]]*\)\{0,1\}\([A-Z_]*\)\$/\1 \3/p" \
		"$DEBUGFS/error_injection/list"
}

# one_in N [OFFSET]: of the lines on stdin each Nth, beginning with one that the seed
# chooses (see test_seed). The check does a part of what the long check, with PVG_ALL=1,
# does whole.
one_in()
{
	awk -v n="$1" -v first="$(((SEED + ${2:-0}) % $1))" -v all="${PVG_ALL:-}" \
		'all || NR % n == first'
}

# fail_next FUNCTION [RETURNS]: its next call fails, with NULL where that is what it
# may return, otherwise with -ENOMEM. Quietly: the stack trace that fault injection
# likes to print would look like trouble.
fail_next()
{
	echo "$1" > "$FAIL/inject" || return 1
	case ${2:-} in
	*NULL*) echo 0 > "$FAIL/$1/retval" ;;
	*) echo 0xfffffffffffffff4 > "$FAIL/$1/retval" ;;
	esac
	echo 0 > "$FAIL/verbose"
	echo 0 > "$FAIL/space"
	echo 1 > "$FAIL/interval"
	echo 100 > "$FAIL/probability"
	echo 1 > "$FAIL/times"
}

fail_nothing()
{
	echo > "$FAIL/inject"
}

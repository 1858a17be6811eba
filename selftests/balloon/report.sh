#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Memory back on demand: what the guest has free goes to the host when that is asked for,
# sooner than the kernel would report it, or not before. And the order of what is reported.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

KERNEL_ORDER=/sys/module/page_reporting/parameters/page_reporting_order

# reported_more THAN: the driver has reported more than so many pages.
reported_more()
{
	[ "$(balloon_stat reported)" -gt "$1" ]
}

# all_but PERCENT: beside what is in use the host has at most so much of free memory.
all_but()
{
	local rss free

	rss=$(host_rss)
	free=$(free_memory)
	SHARE=$(awk "BEGIN { print 100 * ($RAM - $rss) / $free }")
	[ $((rss * 100)) -le $((RAM * 100 - free * (100 - $1))) ]
}

# give_back: as an administrator does it.
give_back()
{
	sync
	echo 3 > /proc/sys/vm/drop_caches
	echo 1 > /proc/sys/vm/compact_memory
	echo 1 > "$BALLOON/report"
}

# free_us: 64 MiB become free; prints how long it takes until some of it is reported.
free_us()
{
	local before start

	mount -t tmpfs -o size=100% none /mnt
	use_memory $((64 * MIB)) /mnt/some
	wait_for 20 reporting_is_over
	before=$(balloon_stat reported)
	start=${EPOCHREALTIME/./}
	umount /mnt
	wait_for 20 reported_more "$before" || return
	echo $((${EPOCHREALTIME/./} - start))
}

# fastest: of three times.
fastest()
{
	{ free_us; free_us; free_us; } | sort -n | head -n 1
}

# refuses FILE VALUE: and the log names what is allowed.
refuses()
{
	local lines

	lines=$(dmesg | wc -l)
	! echo "$2" 2> /dev/null > "$BALLOON/$1" &&
		dmesg | tail -n "+$((lines + 1))" | grep -q "balloon: $1 "
}

balloon_need
balloon_new "a balloon that reports free pages" '"free-page-reporting": true'
tap_is "$(cat "$BALLOON/report_delay")" 2000 "free pages are reported after 2 s by default"
for value in 99 3600001 -1 soon; do
	tap_check "report_delay refuses $value and names what it takes" refuses report_delay "$value"
done
tap_check "report refuses 0 and names what it takes" refuses report 0

# Put off: nothing goes by itself, all of it on demand.
echo 3600000 > "$BALLOON/report_delay"
wait_for 20 reporting_is_over
reported=$(balloon_stat reported)
touch_memory
sleep 5
tap_is "$(balloon_stat reported)" "$reported" "report_delay of an hour: 5 s after memory became free none is reported"
tap_num "$TOUCHED > 0.85 * $RAM" "the host has supplied 85 % of the guest's memory" "$TOUCHED of $RAM"
give_back
wait_for 20 all_but 5
tap_num "$SHARE >= 95" "95 % of free memory go to the host on demand" "$SHARE %"
tap_diag "on demand: $SHARE % of $(($(free_memory) / MIB)) MiB free, order $(< $KERNEL_ORDER)"

# Brought forward: the kernel's own delay is 2 s, which the machine can only add to.
echo 2000 > "$BALLOON/report_delay"
slow=$(fastest)
echo 100 > "$BALLOON/report_delay"
fast=$(fastest)
tap_num "${fast:-0} > 0 && ${fast:-0} < 0.75 * ${slow:-0}" \
	"report_delay of 100 ms: what becomes free is reported in less than 3/4 of the time of 2000 ms" \
	"${fast:-never}, ${slow:-never} us"
tap_diag "reported after ${fast:-never} us with report_delay of 100 ms, ${slow:-never} us of 2000 ms"

# And by the kernel itself again.
echo 2000 > "$BALLOON/report_delay"
reported=$(balloon_stat reported)
touch_memory
tap_check "report_delay of 2 s: the kernel reports what becomes free" wait_for 20 reported_more "$reported"

# A device without it.
balloon_new "a balloon that does not report free pages"
tap_check "without reporting the driver refuses report" eval '! echo 1 2> /dev/null > "$BALLOON/report"'
tap_check "without reporting the driver refuses report_delay" \
	eval '! echo 100 2> /dev/null > "$BALLOON/report_delay"'

# The order.
balloon_new "a balloon that reports free pages" '"free-page-reporting": true'
rmmod "$BALLOON_DRIVER"
modprobe "$BALLOON_DRIVER" report_order=99
tap_check "the driver refuses report_order=99 and names what it takes" eval \
	'dmesg | grep -q "report_order 99 out of range, allowed are 0 to"'
rmmod "$BALLOON_DRIVER"
modprobe "$BALLOON_DRIVER" report_order=4
tap_check "the driver takes report_order=4" wait_for 10 balloon_bound
# Newer kernels keep the order of who was first, or of their own parameter.
case $(uname -r) in
6.1.*) tap_is "$(< $KERNEL_ORDER)" 4 "the kernel reports free blocks of the order report_order" ;;
esac
echo 4 > $KERNEL_ORDER
touch_memory
give_back
wait_for 20 all_but 5
tap_num "$SHARE >= 95" "order 4: 95 % of free memory go to the host on demand" "$SHARE %"
tap_diag "order 4: $SHARE % of $(($(free_memory) / MIB)) MiB free"
rmmod "$BALLOON_DRIVER"
modprobe "$BALLOON_DRIVER"

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Over a reset of the device and over suspend, ports stay open: a reader that waits
# goes on waiting and sees no end of file, and data flows again afterwards. The
# kernel's pm_test wakes it up by itself once all devices are asleep.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

both_connected()
{
	[ "$(grep -c "host=connected .*name=pvg.[ab]$" "$DEBUGFS/pvguest/$VIRTIO/ports")" = 2 ]
}

# last_read LINE: is the last that was read.
last_read()
{
	[ "$(tail -n 1 "$TMP/read")" = "$1" ]
}

# goes_on WHAT: after the device was away.
goes_on()
{
	tap_check "the reader still waits after $1" kill -0 $reader
	sleep 3
	tap_check "both ports have their host after $1" wait_for 20 both_connected
	echo "after $1" >&6
	tap_check "a line passes between the ports after $1" wait_for 20 last_read "after $1"
}

ctl_begin
ctl_need pvg.conhost
cat "$PORT" > /dev/null &
tap_at_exit kill $!
ctl_need pvg.b
exec 6<> "$PORT"
ctl_need pvg.a
exec 5<> "$PORT"
echo "before" >&6
tap_is "$(timeout 60 head -n 1 <&5)" "before" "a line passes between the ports before the first reset"
echo "unread" >&6
sleep 1
cat <&5 > "$TMP/read" 2> "$TMP/err" &
reader=$!
# What is on its way between the two ports when the device is reset is lost.
tap_check "a line that was sent before the reader opens is read" wait_for 60 last_read unread
for round in 1 2 3; do
	echo 1 > "$DEBUGFS/pvguest/$VIRTIO/reset"
	sleep 1
	goes_on "reset $round"
done
if [ -w /sys/power/pm_test ]; then
	for round in 1 2; do
		echo devices > /sys/power/pm_test
		tap_check "suspend $round: the system suspends to idle and resumes" sh -c 'echo freeze > /sys/power/state'
		echo none > /sys/power/pm_test
		goes_on "suspend $round"
	done
else
	tap_skip "ports stay open over suspend" "this kernel has no /sys/power/pm_test"
fi
tap_is "$(head -n 1 "$TMP/read")" "unread" "the line that was read before the first reset is still the first"
kill $reader

tap_done

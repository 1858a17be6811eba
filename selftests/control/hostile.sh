#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that breaks the rules. A control message that makes no sense is ignored
# with a line in the log, a ring that makes none is reset, a process that has the port
# open hears of it, and nothing else happens.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

FAKE=$DEBUGFS/pvg_fakehost
# enum of virtio_console_control.event (virtio 1.2, 5.3.6.2)
ADD=1 REMOVE=2 CONSOLE=4 RESIZE=5 OPEN=6 NAME=7

need_root
modprobe -q -n pvg_fakehost || tap_absent "there is no module pvg_fakehost"
tap_at_exit fake_off

fake_off()
{
	{ exec 7>&-; } 2> /dev/null
	rmmod pvg_fakehost 2> /dev/null
}

# fake_on: a fresh device, its port open as 7.
fake_on()
{
	fake_off
	modprobe pvg_fakehost kind=console && fake_open
}

# fake_open: once the port is there and can be opened.
fake_open()
{
	local i

	for ((i = 0; i < 100; i++)); do
		VPORT=$(ctl_wait fake.0) && { exec 7<> "/dev/$VPORT"; } 2> /dev/null && return
		sleep 0.2
	done
	return 1
}

# say ID EVENT VALUE LEN COUNT [TEXT]: control messages; LEN -1 is their true length.
# A single one waits for a buffer, which are rare after many.
say()
{
	local _

	for _ in {1..300}; do
		! { echo -n "$*" > "$FAKE/inject"; } 2> /dev/null || return 0
		[ "$5" = 1 ] || return 0
		sleep 0.1
	done
	return 1
}

# echoes: what is written comes back.
echoes()
{
	local line

	echo "a line $RANDOM, and at the end of it $RANDOM" > "$TMP/sent"
	cat "$TMP/sent" >&7 || return
	IFS= read -r -t 60 line <&7
	[ "$line" = "$(cat "$TMP/sent")" ]
}

# back_again: what is written comes back, after whatever else was on its way.
back_again()
{
	local mark="back again $RANDOM$RANDOM" line

	echo "$mark" >&7 || return
	while IFS= read -r -t 1 line <&7; do
		[ "$line" != "$mark" ] || return 0
	done
	return 1
}

# ignored WHAT TEXT ID EVENT VALUE LEN [MORE]: with a line that has TEXT in it.
ignored()
{
	local what=$1 text=$2

	shift 2
	MARK=$(kmsg_mark)
	say "$1" "$2" "$3" "$4" 1 "${5:-}"
	tap_check "$what: ignored, and the log says so" wait_for 60 kmsg_has "$text" "$MARK"
	tap_check "$what: a line comes back from the port afterwards" echoes
}

# survived WHAT: after what was said.
survived()
{
	sleep 0.5
	tap_check "$1: a line comes back from the port afterwards" echoes
}

messages()
{
	ignored "a message for a port beyond the last" "for port 1 ignored" 1 $OPEN 1 -1
	ignored "a message for port 2^32-1" "for port 4294967295 ignored" 4294967295 $ADD 1 -1
	ignored "a message with an event that does not exist" "message 99 for port 0 ignored" 0 99 1 -1
	ignored "a message without a header" "message of 7 bytes ignored" 0 $OPEN 0 7
	ignored "a message of no bytes" "message of 0 bytes ignored" 0 $OPEN 0 0
	ignored "a message longer than its buffer" "message of 1025 bytes ignored" 0 $NAME 1 1025
	ignored "a message of nearly 4 GiB" "message of 4294967295 bytes ignored" 0 $NAME 1 4294967295
	ignored "a RESIZE message without a size" "message 5 for port 0 ignored" 0 $RESIZE 1 -1
	say 0 $RESIZE 1 -1 1 abcd
	survived "a RESIZE message for a port that is no console"
	say 0 $NAME 1 -1 1 another.name
	survived "a second name for a port"
	say 0 $ADD 1 -1 1
	survived "an ADD message for a port that exists"
	say 0 $CONSOLE 1 -1 1
	survived "a CONSOLE message for a port that is open"
	tap_check "a CONSOLE message for a port that is open makes no tty" test ! -e "/sys/class/hvc/$VPORT"
	say 0 $OPEN 1 -1 100
	survived "a hundred OPEN messages"
	for _ in {1..20}; do
		say 0 99 1 -1 500
	done
	survived "ten thousand messages with an event that does not exist"
}

# small_objects: allocations of a message's size
small_objects()
{
	awk '$1 == "kmalloc-64" { print $2 }' /proc/slabinfo
}

# It asks without end and takes no answer.
flood()
{
	local before after

	echo "silent 1" > "$FAKE/fault"
	before=$(small_objects)
	for _ in {1..200}; do
		say 0 $ADD 1 -1 200
		sleep 0.02
	done
	after=$(small_objects)
	tap_num "$after - $before < 5000" "a flood of ADD messages without an answer taken: the answers do not take all memory" \
		"$before allocations before, $after after"
	echo "silent 0" > "$FAKE/fault"
	survived "a flood of ADD messages without an answer taken"
}

# gone: a write fails as one to a port that was removed
gone()
{
	! { cat "$TMP/sent" >&7; } 2> "$TMP/error" && grep -q "No such device" "$TMP/error"
}

removal()
{
	say 0 $REMOVE 1 -1 1
	tap_check "a write to an open port that the device removed is ENODEV" wait_for 60 gone
	say 0 $REMOVE 1 -1 1
	say 0 $OPEN 1 -1 1
	exec 7>&-
	say 0 $ADD 1 -1 1
	fake_open
	tap_is $? 0 "a removed port that the device adds again can be opened"
	tap_check "a line comes back from a port that was removed and added again" echoes
}

# broken MODE: the ring is, so the device is reset, and works.
broken()
{
	fake_on
	MARK=$(kmsg_mark)
	echo "$1 1" > "$FAKE/bad"
	cat "$TMP/sent" >&7
	tap_check "ring answers with $1: the device is reset" \
		wait_for 60 kmsg_has "broke the protocol: reset" "$MARK"
	# What was on its way is lost or not.
	wait_for 60 back_again
	tap_check "ring answers with $1: a line comes back from the port afterwards" echoes
}

breaches()
{
	kmsg_since "$MARK" | grep "broke the protocol"
}

# breached TIMES: and the log says so.
breached()
{
	[ "$(breaches | wc -l)" -ge "$1" ]
}

# too_late: the last two breaches were ten seconds apart.
too_late()
{
	breaches | tail -n 2 | tr -d '[' |
		awk '{ last = t; t = $1 + 0 } END { exit t - last < 9.9 }'
}

# given_up MODE: for a device that does it again. If it takes this machine longer than
# the ten seconds in which that counts, once more.
given_up()
{
	local n

	broken "$1"
	for n in 2 3 4 5; do
		echo "$1 1" > "$FAKE/bad"
		cat "$TMP/sent" >&7
		wait_for 60 breached $n
		if kmsg_has "again: giving it up" "$MARK" || ! too_late; then
			break
		fi
		wait_for 60 back_again
	done
	tap_check "a device that breaks the protocol again within ten seconds is given up" \
		kmsg_has "again: giving it up" "$MARK"
	tap_check "a write to the port of a device that was given up is ENODEV" wait_for 60 gone
}

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
ctl_begin
FIRST=$(kmsg_mark)
fake_on
tap_is $? 0 "the device of pvg_fakehost has a port that can be opened"
tap_check "the device of pvg_fakehost sends back what is written" echoes
messages
flood
removal
for mode in len-huge id twice index; do
	broken $mode
done
given_up id
fake_on
echo "len-zero 2" > "$FAKE/bad"
cat "$TMP/sent" >&7
survived "buffers that come back empty"
fake_off
tap_is "$(kmsg_since "$FIRST" | grep "WARNING:\|BUG:\|Oops")" "" "the kernel logs no WARNING, BUG or Oops"
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device that insists on being told before its pages are used again
# (VIRTIO_BALLOON_F_MUST_TELL_HOST), which QEMU's does not. pvg_fakehost writes to
# every page that it is given; when one leaves, nobody else may have written to it.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

FAKE=$DEBUGFS/pvg_fakehost
STOP=/run/stop-must-tell

modprobe -q -n pvg_fakehost || tap_skip_all "there is no module pvg_fakehost: use scripts/lab"
modprobe "$BALLOON_DRIVER"
PAGE=$(getconf PAGESIZE 2> /dev/null || echo 4096)
RAM=$(meminfo MemTotal)

fake_state()
{
	awk -v name="$1:" '$1 == name { print $2 }' "$FAKE/state"
}

# fake_find: sets VIRTIO and BALLOON, as balloon_find does of QEMU's.
fake_find()
{
	BALLOON=$(echo /sys/devices/pvg_fakehost/virtio*/balloon)
	VIRTIO=${BALLOON%/balloon}
	VIRTIO=${VIRTIO##*/}
	[ -e "$BALLOON" ]
}

# fake PARAMETER...: the device, anew.
fake()
{
	rmmod pvg_fakehost 2> /dev/null
	modprobe pvg_fakehost kind=balloon "$@" && wait_for 10 fake_find
}

# fake_new WHAT PARAMETER...: asserts that; there is no going on without it.
fake_new()
{
	tap_check "$1" fake "${@:2}" || tap_done
	fake_find
}

# fake_to BYTES [SECONDS]
fake_to()
{
	echo $(($1 / 4096)) > "$FAKE/target"
	wait_for "${2:-60}" balloon_is "$1"
}

# Whatever is free is used, at once and again.
churn()
{
	while [ ! -e $STOP ]; do
		head -c $((RANDOM * 2048)) /dev/zero | tail -c $((RANDOM * 512)) > /dev/null
	done
}

# honest NAME BYTES: what the device has is what was meant.
honest()
{
	tap_is "$(($(fake_state held) * PAGE))" "$2" "$1: the device has $(($2 / MIB)) MiB"
	tap_is "$(($(fake_state actual) * 4096))" "$2" "$1: and was told so"
	tap_is "$(($(fake_state vq0_drops) + $(fake_state vq1_drops)))" 0 \
		"$1: no page came twice, or was used before it knew"
}

# all_of NAME: with this device.
all_of()
{
	local i kills need size

	size=$(whole $((RAM / 3)))
	tap_is "$(balloon_stat mode)" arrays "$1: page numbers are told"
	tap_check "$1: grows" fake_to "$size"
	honest "$1, grown" "$size"
	rm -f $STOP
	churn &
	tap_check "$1: a part is given back" fake_to $((size / 2 - 3 * PAGE))
	honest "$1, shrunk" $((size / 2 - 3 * PAGE))
	for ((i = 0; i < $(scaled 24 4); i++)); do
		fake_to $((RANDOM * 32768 % size / PAGE * PAGE)) 0
		[ $((i % 8)) -ne 0 ] || echo 1 > /proc/sys/vm/compact_memory
	done
	tap_check "$1: gets where it shall after many targets" fake_to "$size"
	honest "$1, after many targets" "$size"
	touch $STOP
	wait

	kills=$(awk '/^oom_kill / { print $2 }' /proc/vmstat)
	need=$(($(meminfo MemAvailable) + RAM / 8))
	mount -t tmpfs -o size=100% none /mnt
	tap_check "$1: memory is to be had" use_memory "$need" /mnt/need
	tap_is "$(stat -c %s /mnt/need)" "$need" "$1: all of it"
	tap_is "$(awk '/^oom_kill / { print $2 }' /proc/vmstat)" "$kills" "$1: nothing was killed"
	tap_num "$(balloon_stat oom_pages) * $PAGE >= $RAM / 16" "$1: it came from the balloon"
	umount /mnt
	tap_check "$1: shrinks to nothing" fake_to 0
	honest "$1, empty" 0
}

tap_at_exit rmmod pvg_fakehost
fake_new "a device that must be told" must_tell=1 delay_ms=5
all_of "short arrays"

size=$(whole $((RAM / 4)))
fake_to "$size"
echo 1 > "$FAKE/needs_reset"
tap_check "reset: recovers" wait_for 20 eval '[ "$(balloon_stat recoveries)" = 1 ]'
tap_check "reset: tells it again" wait_for 60 balloon_is "$size"
honest "reset" "$size"
for bad in id index; do
	fake_new "$bad: a new device" must_tell=1
	echo "$bad 1" > "$FAKE/bad"
	echo $((size / 4096)) > "$FAKE/target"
	tap_check "$bad: recovers" wait_for 20 eval '[ "$(balloon_stat recoveries)" -ge 1 ]'
	tap_check "$bad: and gets there" wait_for 60 balloon_is "$size"
	honest "$bad" "$size"
done

if [ "$BALLOON_DRIVER" = pvg_balloon ]; then
	tap_check "full: rmmod" timeout 60 rmmod pvg_balloon
	tap_is "$(fake_state held)" 0 "full: the device was reset"
	rmmod pvg_fakehost
	tap_check "long arrays" modprobe pvg_balloon array_pages=32768
	fake_new "a device that takes them" must_tell=1 delay_ms=5
	all_of "long arrays"
	tap_num "$(balloon_stat splits) > 0" "for which ranges stay whole"
	rmmod pvg_balloon
	modprobe pvg_balloon
fi

tap_done

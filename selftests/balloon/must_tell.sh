#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that insists on being told before its pages are used again
# (VIRTIO_BALLOON_F_MUST_TELL_HOST), which QEMU's does not. pvg_fakehost writes to
# every page that it is given; when one leaves, it must be as it was written.

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

modprobe -q -n pvg_fakehost || tap_absent "there is no module pvg_fakehost"
test_seed
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

# fake PARAMETER...: the device, in place of the one before.
fake()
{
	rmmod pvg_fakehost 2> /dev/null
	modprobe pvg_fakehost kind=balloon "$@" && wait_for 10 fake_find
}

# fake_new WHAT PARAMETER...: asserts that; the test cannot go on without it.
fake_new()
{
	tap_check "$1 is bound" fake "${@:2}" || tap_done
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
	RANDOM=$((SEED + 1))
	while [ ! -e $STOP ]; do
		head -c $((RANDOM * 2048)) /dev/zero | tail -c $((RANDOM * 512)) > /dev/null
	done
}

# honest NAME BYTES: what the device has is what was meant.
honest()
{
	tap_is "$(($(fake_state held) * PAGE))" "$2" "$1: the device has the pages of $(($2 / MIB)) MiB"
	tap_is "$(($(fake_state actual) * 4096))" "$2" "$1: the driver tells the device $(($2 / MIB)) MiB"
	tap_is "$(($(fake_state vq0_drops) + $(fake_state vq1_drops)))" 0 \
		"$1: no page came twice, or was used before the device was told"
}

# all_of NAME: with this device.
all_of()
{
	local i kills need size

	size=$(whole $((RAM / 3)))
	tap_is "$(balloon_stat mode)" arrays "$1: the driver tells page numbers"
	tap_check "$1: the balloon grows to $((size / MIB)) MiB" fake_to "$size"
	honest "$1, grown" "$size"
	rm -f $STOP
	churn &
	tap_check "$1: the balloon shrinks to half of that less 3 pages" fake_to $((size / 2 - 3 * PAGE))
	honest "$1, shrunk" $((size / 2 - 3 * PAGE))
	for ((i = 0; i < $(scaled 24 4); i++)); do
		fake_to $((RANDOM * 32768 % size / PAGE * PAGE)) 0
		[ $((i % 8)) -ne 0 ] || echo 1 > /proc/sys/vm/compact_memory
	done
	tap_check "$1: the balloon reaches the last of many targets" fake_to "$size"
	honest "$1, after many targets" "$size"
	touch $STOP
	wait

	kills=$(awk '/^oom_kill / { print $2 }' /proc/vmstat)
	need=$(($(meminfo MemAvailable) + RAM / 8))
	mount -t tmpfs -o size=100% none /mnt
	tap_check "$1: the guest can allocate more than is available" use_memory "$need" /mnt/need
	tap_is "$(stat -c %s /mnt/need)" "$need" "$1: the guest allocated all that it asked for"
	tap_is "$(awk '/^oom_kill / { print $2 }' /proc/vmstat)" "$kills" "$1: no process was killed for memory"
	tap_num "$(balloon_stat oom_pages) * $PAGE >= $RAM / 16" \
		"$1: at least 1/16 of the guest's memory came from the balloon" \
		"$(($(balloon_stat oom_pages) * PAGE / MIB)) of $((RAM / MIB)) MiB"
	umount /mnt
	tap_check "$1: the balloon shrinks to nothing" fake_to 0
	honest "$1, empty" 0
}

tap_at_exit rmmod pvg_fakehost
fake_new "short arrays: a device that must be told" must_tell=1 delay_ms=5
all_of "short arrays"

size=$(whole $((RAM / 4)))
fake_to "$size"
echo 1 > "$FAKE/needs_reset"
tap_check "NEEDS_RESET: the driver recovers once" wait_for 20 eval '[ "$(balloon_stat recoveries)" = 1 ]'
tap_check "NEEDS_RESET: the balloon has its size after recovery" wait_for 60 balloon_is "$size"
honest "NEEDS_RESET" "$size"
for bad in id index; do
	fake_new "bad $bad: a new device" must_tell=1
	echo "$bad 1" > "$FAKE/bad"
	echo $((size / 4096)) > "$FAKE/target"
	tap_check "bad $bad: the driver recovers" wait_for 20 eval '[ "$(balloon_stat recoveries)" -ge 1 ]'
	tap_check "bad $bad: the balloon reaches its target after recovery" wait_for 60 balloon_is "$size"
	honest "bad $bad" "$size"
done

if [ "$BALLOON_DRIVER" = pvg_balloon ]; then
	tap_check "full balloon: rmmod pvg_balloon ends" timeout 60 rmmod pvg_balloon
	tap_is "$(fake_state held)" 0 "full balloon: rmmod resets the device, which has no page then"
	rmmod pvg_fakehost
	tap_check "modprobe takes array_pages=32768" modprobe pvg_balloon array_pages=32768
	fake_new "long arrays: a device that takes them" must_tell=1 delay_ms=5
	all_of "long arrays"
	tap_num "$(balloon_stat splits) > 0" "long arrays: ranges stay whole until they are split" \
		"$(balloon_stat splits) splits"
	rmmod pvg_balloon
	modprobe pvg_balloon
fi

tap_done

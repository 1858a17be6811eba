#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The device goes, comes, sleeps and dies, most of it in the middle of a large
# movement. Nothing may hang, and all memory must come back.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

# Of a balloon by ranges.
RANGES='"free-page-reporting": true, "deflate-on-oom": true'

growing()
{
	[ "$(balloon_actual)" -gt $((RAM / 16)) ]
}

# all_back NAME: what was in the balloon is free again.
all_back()
{
	tap_free $((free - SLACK)) "$1: all memory is back"
	wait_for 5 total_is "$total"
	tap_is "$(meminfo MemTotal)" "$total" "$1: MemTotal is as before"
}

balloon_need
balloon_to 0
free=$(free_memory)
total=$(meminfo MemTotal)

# Unplugged by the host.
for kind in "$RANGES" ''; do
	what="unplug by ${kind:+ranges}"
	[ -n "$kind" ] || what+=pages
	balloon_new "$what: a new balloon" "$kind"
	balloon_set $((RAM * 3 / 4))
	wait_for 20 growing
	qmp '{"execute": "device_del", "arguments": {"id": "balloon"}}'
	tap_check "$what: the driver lets go of the device" wait_for 30 balloon_gone
	all_back "$what"
	tap_fails "$what: debugfs has no directory of the device" test -e "$DEBUGFS/pvguest/$VIRTIO"
done

# Taken by another driver and back.
balloon_new "unbind: a new balloon"
[ "$BALLOON_DRIVER" = virtio_balloon ] || modprobe virtio_balloon
balloon_set $((RAM / 2))
wait_for 20 growing
tap_check "unbind: the driver lets go of a balloon that grows" timeout 60 bash -c "echo $VIRTIO > $VIRTIO_BUS/drivers/$BALLOON_DRIVER/unbind"
all_back "unbind"
tap_is "$(host_actual)" 0 "unbind: query-balloon has an empty balloon"
if [ "$BALLOON_DRIVER" = pvg_balloon ]; then
	tap_check "hand over: the in-tree driver takes the device" virtio_bind virtio_balloon "$VIRTIO"
	tap_check "hand over: the in-tree driver inflates" wait_for 60 eval \
		'[ "$(host_actual)" -gt $((RAM / 16)) ]'
	tap_check "hand over: the in-tree driver lets go" timeout 100 bash -c "echo $VIRTIO > $VIRTIO_BUS/drivers/virtio_balloon/unbind"
	rmmod virtio_balloon
fi
tap_check "hand over: $BALLOON_DRIVER takes the device back" virtio_bind "$BALLOON_DRIVER" "$VIRTIO"
tap_check "hand over: $BALLOON_DRIVER reaches the target that was set before" \
	wait_for 60 balloon_is $((RAM / 2))

# Suspended or hibernated, up to where the devices sleep: what is in the balloon
# stays there.
for state in mem disk; do
	if [ ! -e /sys/power/pm_test ] || ! grep -qw $state /sys/power/state; then
		tap_skip "$state: suspend and resume" "this kernel has no /sys/power/pm_test or no state $state"
		continue
	fi
	# The kernel wants half of the memory that is left for its image.
	size=$((RAM / 2))
	[ $state = mem ] || size=$((RAM / 8))
	balloon_to $size
	inflated=$(balloon_stat inflated)
	deflated=$(balloon_stat deflated)
	echo devices > /sys/power/pm_test
	echo 0 > /sys/module/suspend/parameters/pm_test_delay
	tap_check "$state: suspend and resume of devices succeed" timeout 150 bash -c "echo $state > /sys/power/state"
	echo none > /sys/power/pm_test
	tap_check "$state: the balloon has its size after resume" wait_for 30 balloon_is $size
	tap_is "$(host_actual)" $size "$state: query-balloon has the size after resume"
	tap_is "$(balloon_stat deflated)" "$deflated" "$state: the driver gave no page back for suspend"
	tap_num "$(balloon_stat inflated) - $inflated >= $size / $PAGE" \
		"$state: the driver told the device of all pages again after resume" \
		"$(($(balloon_stat inflated) - inflated)) of $((size / PAGE)) pages"
done

# Dead: a reset behind the driver's back. Nothing that is asked is answered.
pci=$(readlink -f "$VIRTIO_BUS/devices/$VIRTIO/..")
echo 1 > "$pci/reset"
balloon_set $((RAM / 4))
host_actual > /dev/null	# answers come in order: the host has set it by then
echo "$((16 * MIB))" > "$BALLOON/floor"	# the driver looks at the target
tap_check "dead device: the driver recovers" wait_for 40 eval '[ "$(balloon_stat recoveries)" -ge 1 ]'
tap_check "dead device: the balloon reaches its target after recovery" \
	wait_for 40 balloon_is $((RAM / 4))
tap_is "$(host_actual)" $((RAM / 4)) "dead device: query-balloon has the target after recovery"
tap_is "$(balloon_stat state)" live "dead device: the driver's state is live after recovery"

# The modules.
for round in 1 2; do
	if [ "$BALLOON_DRIVER" = pvg_balloon ]; then
		[ $round = 1 ] || balloon_to 0
		balloon_set $((RAM / 2))
		[ $round = 1 ] || wait_for 20 growing
	fi
	tap_check "modules $round: rmmod $BALLOON_DRIVER ends" timeout 60 rmmod "$BALLOON_DRIVER"
	all_back "modules $round"
	tap_check "modules $round: modprobe $BALLOON_DRIVER succeeds" modprobe "$BALLOON_DRIVER"
	tap_check "modules $round: the balloon reaches its target after modprobe" \
		wait_for 60 balloon_is $((RAM / 2))
done
tap_check "the balloon shrinks to nothing after two reloads" balloon_to 0

tap_done

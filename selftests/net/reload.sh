#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The driver lets go of devices in use and takes them again: unbind and bind
# under traffic, the in-tree driver in between, modules out and in, suspend and
# resume. Nothing may hang, and in the end everything works.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

# works N: up and intact.
works()
{
	wait_for 20 net_find "$1"
	net_up "$1" && net_answers && net_intact "$(scaled 400000 8)"
}

# A kernel full of debugging looks at what is freed; that is two kinds of buffers.
for n in $(is_slow && echo 1 6 || echo 1 3 5 6); do
	net_need "$n"
	tap_check "net$n: the host answers" net_answers || tap_done
	for round in 1 2; do
		[ $round = 1 ] || { [ "$n" = 1 ] && ! is_slow; } || break
		net_load sink source
		tap_check "net$n round $round: unbind under traffic" timeout 60 bash -c \
			"echo $VIRTIO > $VIRTIO_BUS/drivers/$NET_DRIVER/unbind"
		tap_check "net$n round $round: the interface is gone after unbind" net_lacks "$n"
		tap_fails "net$n round $round: debugfs has no directory of the device after unbind" \
			test -e "$DEBUGFS/pvguest/$VIRTIO"
		net_load_ends "net$n round $round: unbind" lossy || tap_done
		tap_check "net$n round $round: bind after unbind" virtio_bind "$NET_DRIVER" "$VIRTIO"
		tap_check "net$n round $round: streams are intact after bind" works "$n"
	done
done

# Back and forth with the in-tree driver.
other=virtio_net
if [ "$NET_DRIVER" = $other ]; then
	tap_skip "hand over to another driver" "the in-tree driver is under test"
else
	modprobe $other
	for n in $(is_slow && echo 8 || echo 2 6 8); do
		net_need "$n"
		virtio_unbind "$VIRTIO"
		tap_check "net$n: hand over: $other takes the device" virtio_bind $other "$VIRTIO"
		tap_check "net$n: hand over: streams are intact with $other" works "$n"
		virtio_unbind "$VIRTIO"
		tap_check "net$n: hand over: $NET_DRIVER takes the device back" \
			virtio_bind "$NET_DRIVER" "$VIRTIO"
		tap_check "net$n: hand over: streams are intact with $NET_DRIVER again" works "$n"
	done
	rmmod $other
fi

net_need 1
net_need 2
if [ -w /sys/power/pm_test ]; then
	for n in 1 2; do
		net_up $n
		ethtool -C "$DEV" adaptive-rx off rx-usecs 70 rx-frames 7
		net_load sink source
		for level in devices platform; do
			tap_check "net$n: suspend and resume to level $level succeed under traffic" \
				net_suspend $level
		done
		net_load_ends "net$n: suspend and resume"
		tap_is "$(ethtool -c "$DEV" | awk '/^rx-(usecs|frames):/ { print $2 }' | tr '\n' ' ')" \
			"70 7 " "net$n: rx-usecs and rx-frames survive suspend and resume"
		ethtool -C "$DEV" adaptive-rx on
	done
else
	tap_skip "suspend and resume" "this kernel has no /sys/power/pm_test"
fi

net_need 1
net_load sink source
tap_check "rmmod $NET_DRIVER under traffic ends" timeout 120 rmmod "$NET_DRIVER"
tap_check "net1: no interface is left after rmmod" net_lacks 1
net_load_ends "rmmod" lossy || tap_done
tap_check "modprobe $NET_DRIVER succeeds after rmmod" modprobe "$NET_DRIVER"
for n in 1 $(is_slow && echo 5 || echo 2 4 5 7 8); do
	tap_check "net$n: streams are intact after rmmod and modprobe" works "$n"
done

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device is plugged in, used, and unplugged by the host while it is busy. It
# must go without delay, and the same one plugged in again must work.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

net_host

for round in 1 2 $(is_slow || echo 3); do
	# QEMU refuses the name until it has seen the guest let go of the old one.
	for try in 1 2 3 4 5 6 7; do
		net_qmp device_add '"driver": "virtio-net-pci", "netdev": "tap10", "mac": "52:54:00:70:67:0a", "id": "hot-dev", "bus": "hot-port"'
		! wait_for $((try * 2)) net_find 10 || break
	done
	tap_check "round $round: the interface of the plugged device appears" net_find 10 || break
	net_up 10
	tap_is "$(virtio_driver "$VIRTIO")" "$NET_DRIVER" "round $round: the driver is $NET_DRIVER"
	tap_check "round $round: the host answers" net_answers || break
	net_load sink source
	net_qmp device_del '"id": "hot-dev"'
	tap_check "round $round: the interface goes when the host unplugs the device" \
		wait_for 30 net_lacks 10
	net_load_ends "round $round: unplugged" lossy || break
	tap_check "round $round: debugfs has no directory of the unplugged device" wait_for 20 no_trace
done

tap_done

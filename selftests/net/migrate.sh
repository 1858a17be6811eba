#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The VM moves to another QEMU while transfers run: each must arrive intact, and
# the device must tell the network where it is now (VIRTIO_NET_F_GUEST_ANNOUNCE).

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

net_host

# config_irqs N: how often the device has said that its configuration changed.
config_irqs()
{
	awk -v name="$(net_virtio "$(net_find "$1")")-config" '
		$NF == name { for (i = 2; i < NF; i++) if ($i ~ /^[0-9]+$/) n += $i }
		END { print n + 0 }' /proc/interrupts
}

config_changed()
{
	[ "$(config_irqs "$1")" -gt "$2" ]
}

# On 2 nothing is sent but what announces it.
N=2
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
sleep 1
for round in 1 2; do
	before=$(net_count tx_packets)
	sleep 1
	tap_is "$(net_count tx_packets)" "$before" "net$N: nothing is sent for 1 s before announcement $round"
	net_qmp announce-self '"initial": 50, "max": 50, "rounds": 1, "step": 10, "interfaces": ["net2"]'
	tap_check "net$N: the driver announces the interface when the device asks, time $round" \
		wait_for 10 net_counted tx_packets $((before + 1))
done
quiet=$(net_count tx_packets)

N=1
net_need $N
net_need 8
net_up $N
ethtool -C "$DEV" adaptive-rx off rx-usecs 90 rx-frames 9
ip link set "$DEV" mtu 4000
tap_check "net$N: the host answers" net_answers || tap_done
for round in 1 2; do
	irqs=$(config_irqs $N)
	net_load sink source
	echo "@migrate"
	tap_check "move $round: the device asks to be announced" wait_for 90 config_changed $N "$irqs" ||
		tap_done
	# The transfers go on after the move.
	wait_for 10 net_counted rx_packets $(($(net_count rx_packets) + 50))
	net_load_ends "move $round" || tap_done
	tap_check "move $round: a stream each way is intact" net_intact 1000000
	tap_is "$(ethtool -c "$DEV" | awk '/^rx-(usecs|frames):/ { print $2 }' | tr '\n' ' ')" \
		"90 9 " "move $round: rx-usecs and rx-frames are as they were"
	net_up 2
	tap_check "move $round: the driver announced net2" wait_for 10 net_counted tx_packets $((quiet + 1))
	tap_check "move $round: net2: a stream each way is intact" net_intact 300000
	quiet=$(net_count tx_packets)
	for n in 3 4 5 6 7 8; do
		net_up $n
		tap_check "move $round: net$n: the host answers" net_answers
	done
	net_up $N
done
tap_is "$(net_count rx_errors) $(net_count tx_errors)" "0 0" \
	"net$N: the interface has counted no errors through both moves"
ethtool -C "$DEV" adaptive-rx on
ip link set "$DEV" mtu 1500

tap_done

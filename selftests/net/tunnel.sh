#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Segmentation of packets within a UDP tunnel by the device, both ways: large ones
# are exchanged, nothing is damaged, and it can be switched off. Needs kernel 7 and
# QEMU 11 (LAB_QEMU=trixie-backports).

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

FAR=10.8.1.1

# offered BIT: the device and the driver have the feature.
offered()
{
	local bits

	read -r bits < "$VIRTIO_BUS/devices/$VIRTIO/features"
	[ "${bits:$1:1}" = 1 ]
}

# tunnel OPTIONS: there is one, and the other end answers through it.
tunnel()
{
	ip link del vx1 2> /dev/null
	ip link add vx1 type vxlan id 7 dev "$DEV" local 10.9.1.2 remote "$HOST" dstport 4789 "$@" &&
		ip link set vx1 addrgenmode none &&
		ip addr add 10.8.1.2/24 dev vx1 &&
		ip link set vx1 up &&
		wait_for 10 "$PEER" echo "$FAR" 1
}

# mean WAY: sets MEAN, bytes in each of the device's packets since the last time.
mean()
{
	local packets bytes

	packets=$(net_count "$1_packets") bytes=$(net_count "$1_bytes")
	MEAN=$(((bytes - last_bytes) / (packets - last_packets + 1)))
}

begin()
{
	last_packets=$(net_count "$1_packets") last_bytes=$(net_count "$1_bytes")
}

# exchange WHAT TX RX: a stream each way; TX and RX compare with the mean size. More
# than a frame proves that there are segments; how many to a packet TCP decides by how
# fast it is, on a slow machine as few as two.
exchange()
{
	begin tx
	tap_check "$1: a stream out is intact" timeout 120 "$PEER" sink "$FAR" 20000000
	mean tx
	tap_num "$MEAN $2" "$1: packets out have $2 bytes on average" "$MEAN"
	begin rx
	tap_check "$1: a stream in is intact" timeout 120 "$PEER" source "$FAR" 20000000
	mean rx
	tap_num "$MEAN $3" "$1: packets in have $3 bytes on average" "$MEAN"
}

DEV=$(net_find 1) || tap_absent "there is no interface with address ...:67:01"
VIRTIO=$(net_virtio "$DEV")
# The file has a digit for each feature that the kernel's virtio knows.
[ "$(tr -d '\n' < "$VIRTIO_BUS/devices/$VIRTIO/features" | wc -c)" -gt 68 ] ||
	tap_skip_all "this kernel's virtio has no features above 63"
for bit in 65 66 67 68; do
	offered $bit ||
		tap_absent "the device has no feature $bit: QEMU 11 is needed, LAB_QEMU=trixie-backports"
done
net_module vxlan
net_need 1
tap_check "the host answers" net_answers || tap_done
errors=$(net_count rx_errors)
for sum in udpcsum noudpcsum; do
	tap_check "$sum: the host answers through a new tunnel" tunnel $sum || tap_done
	exchange "$sum" "> 2000" "> 2000"
done
tap_check "ethtool -K takes tx-udp_tnl-segmentation off" \
	ethtool -K "$DEV" tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off
exchange "tunnel segmentation off" "< 1600" "> 2000"
tap_check "ethtool -K takes tx-udp_tnl-segmentation on" \
	ethtool -K "$DEV" tx-udp_tnl-segmentation on tx-udp_tnl-csum-segmentation on
tap_check "ethtool -K takes rx-gro-hw off" ethtool -K "$DEV" rx-gro-hw off
exchange "rx-gro-hw off" "> 2000" "< 1600"
tap_check "ethtool -K takes rx-gro-hw on" ethtool -K "$DEV" rx-gro-hw on
exchange "all offloads on again" "> 2000" "> 2000"
tap_is "$(($(net_count rx_errors) - errors))" 0 "the interface has counted no receive errors"
tap_check "outside of the tunnel a stream each way is intact" net_intact 20000000
ip link del vx1

tap_done

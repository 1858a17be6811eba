#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The host's end of the tunnel of tunnel.sh, over the tap DEV, which must not say
# anything by itself: other tests count packets.
#
#   vxlan.sh DEV

ip link add vx1 type vxlan id 7 dev "$1" local 10.9.1.1 remote 10.9.1.2 dstport 4789 &&
	ip link set vx1 addrgenmode none &&
	echo 1 > /proc/sys/net/ipv6/conf/vx1/disable_ipv6 &&
	ip addr add 10.8.1.1/24 dev vx1 &&
	ip link set vx1 up

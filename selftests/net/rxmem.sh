#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Receive memory: what a socket is charged for a packet follows the length of the packet,
# whatever size its buffer has.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

udp_dropped()
{
	awk '/^Udp: [0-9]/ { print $6 }' /proc/net/snmp
}

is_bound()
{
	grep -q ':270F ' /proc/net/udp
}

# unread SIZE: prints how many of 40 datagrams a socket loses that is not read.
unread()
{
	local reader before

	socat -u UDP-RECV:9999 OPEN:/dev/null &
	reader=$!
	wait_for 10 is_bound
	kill -STOP $reader
	before=$(udp_dropped)
	timeout 30 "$PEER" push "$HOST" "10.9.$N.2" 9999 40 "$1" 1000 1 0 > /dev/null
	sleep 0.3
	echo $(($(udp_dropped) - before))
	kill -KILL $reader
	wait $reader
} 2> /dev/null

# charged SIZE NAME: at most what a socket of the default size can afford.
charged()
{
	tap_is "$(unread "$1")" 0 "net$N: $2: an unread socket holds 40 of 40 datagrams of $1 bytes"
}

# After a bulk transfer the buffers are large, however small the packets after it are.
truesize()
{
	local i

	N=1
	net_need $N
	tap_check "net$N: the host answers" net_answers || return
	charged 1000 "before a bulk transfer"
	for i in 1 2 3; do
		timeout 60 "$PEER" source "$HOST" "$(scaled 30000000)" > /dev/null
		charged 1000 "after bulk transfer $i"
	done
	timeout 60 "$PEER" source "$HOST" "$(scaled 30000000)" > /dev/null
	charged 300 "after a bulk transfer"
	tap_check "net$N: a stream each way is intact" net_intact "$(scaled 4000000)"

	# Without merged buffers each has room for the largest packet.
	for N in 5 6; do
		net_need $N
		[ $N = 6 ] || charged 2500 "in more than one part"
		ip link set "$DEV" mtu 9000
		sleep 0.5
		tap_check "net$N: the host answers with an MTU of 9000" net_answers
		charged 1000 "with an MTU of 9000"
		tap_check "net$N: a stream each way is intact" net_intact "$(scaled 4000000)"
		ip link set "$DEV" mtu 1500
		tap_check "net$N: the host answers with an MTU of 1500" net_answers
	done
}

truesize

tap_done

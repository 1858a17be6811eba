#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Receive memory: what a socket is charged for a packet follows the length of the packet,
# whatever size its buffer has; and a queue that could not be given buffers is given them
# as soon as there are some.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

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

# push PORT COUNT SECONDS: the host sends datagrams, and waits so long for them to come back.
push()
{
	timeout 60 "$PEER" push "$HOST" "10.9.$N.2" "$1" "$2" 1000 2000 2 "$3"
}

xsk_is()
{
	grep -qx "$1" "$TMP/xsk"
}

# An AF_XDP socket without XDP_USE_NEED_WAKEUP gives eight frames, and the others a second
# after these were received: all eight have to be posted, and the driver has to look for the
# others without being woken.
fill_ring()
{
	local what="an AF_XDP fill ring that was empty" socket stream pushes

	N=1
	net_need $N
	ethtool -L "$DEV" combined 1
	tap_check "$what: the program is attached" \
		ip link set dev "$DEV" xdpdrv obj xdp.bpf sec xdp/xsk
	"$PEER" xsk "$DEV" 0 zerocopy 8 > "$TMP/xsk" 2>&1 &
	socket=$!
	tap_check "$what: a zero-copy socket is bound" wait_for 10 xsk_is ready || return
	# What comes between them goes to the stack, and the driver keeps its frames.
	timeout 60 "$PEER" source "$HOST" 1000000000 > /dev/null 2>&1 &
	stream=$!
	push 11 20 3 > "$TMP/push" &
	pushes=$!
	tap_check "$what: the socket receives in all of its first eight frames" wait_for 20 xsk_is filled
	kill $stream
	wait $stream $pushes
	tap_is "$(push 11 200 15)" "200 sent, 200 answered" \
		"$what: the socket sends 200 of 200 datagrams back"
	kill $socket
	wait $socket
	ip link set dev "$DEV" xdpdrv off
	tap_check "$what: the host answers after the socket's end" net_answers
}

fill_ring
truesize

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Rings are taken from under those that use them, by resets, changes of the ring size,
# AF_XDP sockets that are killed and resets of a ring that fail. No packet may reach a
# queue that is closed, nothing may be used after it was freed, and each packet of an
# AF_XDP socket has to be completed. It is KASAN that sees most of it.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# silent MARK NAME: the kernel has reported no fault of ours since.
silent()
{
	local found

	found=$(kmsg_since "$1" | grep -E 'BUG:|WARNING:|KASAN|Oops')
	tap_is "$found" "" "$2: the kernel reports no fault"
}

# resets MARK [VIRTIO]: how often the driver has reset the device since.
resets()
{
	kmsg_since "$1" | grep -c "${2:-$VIRTIO}.*resetting the device"
}

# reset_since MARK COUNT
reset_since()
{
	[ "$(resets "$1")" -ge "$2" ]
}

# reset_by_mtu TIMES: net6 has a buffer for each frame, and is reset when frames grow.
reset_by_mtu()
{
	local i mark

	mark=$(kmsg_mark)
	for ((i = 1; i <= $1; i++)); do
		ip link set "$DEV" mtu 1600
		wait_for 10 reset_since "$mark" "$i" || break
		sleep 0.2
		ip link set "$DEV" mtu 1500
	done
	reset_since "$mark" "$1"
}

# background COMMAND...: until ended.
background()
{
	nice timeout 300 "$@" > /dev/null 2>&1 &
	PIDS+=($!)
}

ended()
{
	kill "${PIDS[@]}" 2> /dev/null
	wait "${PIDS[@]}" 2> /dev/null
	PIDS=()
}
PIDS=()
tap_at_exit ended

# push: the host sends datagrams until the test has ended(), to a port without listener.
push()
{
	background "$PEER" push "$HOST" "10.9.$N.2" 9 0 64 200 4
}

# xsk: an AF_XDP socket that sends everything back, XSK.
xsk()
{
	: > "$TMP/xsk"
	"$PEER" xsk "$DEV" 0 zerocopy > "$TMP/xsk" 2>&1 &
	XSK=$!
}

xsk_ready()
{
	grep -qx ready "$TMP/xsk"
}

attach()
{
	ip link set dev "$DEV" xdpdrv obj xdp.bpf sec "$1"
}

# Of two queues one is not in use, and is not started when the interface comes up.
idle_queue()
{
	net_need 1
	ethtool -L "$DEV" combined 1
	ip link set "$DEV" down
	ip link set "$DEV" up
	tap_check "idle queue: a tx ring of 128 is taken" ethtool -G "$DEV" tx 128
	IDLE=$VIRTIO
	IDLE_MARK=$(kmsg_mark)
	IDLE_SINCE=$SECONDS
}

# The watchdog looks every five seconds for a queue that is stopped for as long.
idle_queue_is_left_alone()
{
	while [ $((SECONDS - IDLE_SINCE)) -lt 12 ]; do
		sleep 1
	done
	tap_is "$(resets "$IDLE_MARK" "$IDLE")" 0 \
		"idle queue: the watchdog does not reset the device within 12 s of the new ring size"
	net_up 1
	ethtool -L "$DEV" combined 2
	tap_check "idle queue: the host answers when it is in use again" net_answers
	ethtool -G "$DEV" tx 256
}

flood()
{
	local before mark i

	mark=$(kmsg_mark)
	before=$(net_count tx_dropped)
	for i in 1 2; do
		background "$PEER" send "$HOST" 300 1400
	done
	sleep 1
	i=$(net_count tx_packets)
	tap_check "net$N: the device is reset 3 times under a flood" reset_by_mtu 3
	tap_check "net$N: the flood goes on after the last reset" \
		wait_for 10 net_counted tx_packets $((i + 1000))
	ended
	tap_is "$(($(net_count tx_dropped) - before))" 0 \
		"net$N: no packet reaches a transmit queue that is closed for a reset"
	silent "$mark" "net$N: resets under a flood"
}

# turned_around COUNT: the program has sent so many back.
turned_around()
{
	[ "$("$PEER" map count_tx)" -ge "$1" ]
}

xdp_tx()
{
	local mark sent until failed=0 done=0

	mark=$(kmsg_mark)
	tap_check "net$N: a program that sends back is attached" attach xdp/tx || return
	push
	push
	wait_for 10 net_counted tx_packets $(($(net_count tx_packets) + 100))
	until=$((SECONDS + 12))
	while [ $SECONDS -lt $until ] || [ $done -lt 4 ]; do
		ethtool -G "$DEV" tx $((done % 2 ? 256 : 128)) || failed=$((failed + 1))
		done=$((done + 1))
		sleep 0.1
	done
	sent=$("$PEER" map count_tx)
	tap_is $failed 0 "net$N: each tx ring size that is set under XDP_TX is taken"
	tap_check "net$N: XDP_TX goes on after the last ring size" wait_for 5 turned_around $((sent + 100))
	ended
	ip link set dev "$DEV" xdpdrv off
	silent "$mark" "net$N: ring sizes under XDP_TX"
	tap_check "net$N: the host answers after ring sizes under XDP_TX" net_answers
}

# xsk_ends NAME COUNT: so many packets were received at least; what was received was
# sent, and is completed, whether it was lost or not.
xsk_ends()
{
	local last

	sleep 1
	kill $XSK
	wait $XSK
	last=$(tail -1 "$TMP/xsk")
	tap_num "$(jq .received <<< "$last") >= $2" "$1: the AF_XDP socket receives packets" "$last"
	tap_is "$(jq '.received - .sent' <<< "$last")" 0 "$1: all that the AF_XDP socket sent is completed"
}

# The device is reset while it has packets of an AF_XDP socket.
xsk_resets()
{
	local mark

	mark=$(kmsg_mark)
	tap_check "net$N: a program for AF_XDP is attached" attach xdp/xsk || return
	xsk
	tap_check "net$N: the AF_XDP socket is bound" wait_for 10 xsk_ready || return
	push
	sleep 0.5
	tap_check "net$N: the device is reset twice with an AF_XDP socket" reset_by_mtu 2
	ended
	xsk_ends "net$N: resets with an AF_XDP socket" 100
	ip link set dev "$DEV" xdpdrv off
	silent "$mark" "net$N: resets with an AF_XDP socket"
}

# The pool of a socket that is killed is released when the device is marked dead already.
killed_at_unbind()
{
	local mark round

	mark=$(kmsg_mark)
	for round in 1 2 3; do
		net_up $N
		attach xdp/xsk || break
		xsk
		tap_check "net$N: round $round: the AF_XDP socket is bound" wait_for 10 xsk_ready || break
		sleep 0.3
		kill -9 $XSK
		virtio_unbind "$VIRTIO"
		wait $XSK
		virtio_bind "$NET_DRIVER" "$VIRTIO"
		wait_for 20 net_find $N
	done 2> /dev/null
	silent "$mark" "net$N: AF_XDP sockets killed while the driver is unbound"
	net_up $N
	tap_check "net$N: the host answers after unbinding" net_answers
}

# recovers MARK NAME: from a ring that was not reset.
recovers()
{
	tap_check "$2: the driver resets the device" wait_for 10 reset_since "$1" 1
	tap_check "$2: the host answers" net_answers
	silent "$1" "$2"
}

# One of the two rings is reset, and the other is not.
half_a_switch()
{
	local mark status

	if ! [ -d "$FAIL" ]; then
		tap_skip "net$N: a reset of a ring that fails" "this kernel cannot make functions fail"
		return
	fi
	attach xdp/xsk
	mark=$(kmsg_mark)
	tap_check "net$N: fault injection takes pvg_net_tx_reset" fail_next pvg_net_tx_reset || return
	xsk
	wait $XSK
	status=$?
	fail_nothing
	tap_is $status 1 "net$N: binding fails: the AF_XDP socket is not bound"
	recovers "$mark" "net$N: binding fails"

	xsk
	tap_check "net$N: the AF_XDP socket is bound" wait_for 10 xsk_ready || return
	mark=$(kmsg_mark)
	fail_next pvg_net_rx_reset
	kill $XSK
	wait $XSK
	recovers "$mark" "net$N: releasing fails"
	fail_nothing
	ip link set dev "$DEV" xdpdrv off
}

# A device whose packets may be large, though not those in AF_XDP memory, and which
# does not send.
hostile()
{
	local mark errors

	net_fakehost
	tap_check "hostile: the interface appears" net_fake mergeable=0 guest_tso=1 || return
	net_up 20
	tap_check "hostile: the network answers" net_answers
	mark=$(kmsg_mark)
	tap_check "hostile: a program for AF_XDP is attached" attach xdp/xsk || return
	xsk
	tap_check "hostile: the AF_XDP socket is bound" wait_for 10 xsk_ready || return
	sleep 0.3
	errors=$(net_count rx_errors)
	net_fake_do bad "len-more 5"
	net_fake_do inject 5
	wait_for 5 net_counted rx_errors $((errors + 5))
	tap_is "$(($(net_count rx_errors) - errors))" 5 \
		"hostile: 5 packets longer than their AF_XDP memory are errors"
	net_fake_do fault "silent 1"
	net_fake_do inject 25
	sleep 1
	net_fake_do needs_reset 1
	tap_check "hostile: the device is reset" wait_for 10 reset_since "$mark" 1
	# It has had its reset by then, and does not wait two seconds for an answer.
	sleep 0.5
	net_fake_do fault "silent 0"
	tap_check "hostile: ethtool answers, which waits for the end of the reset" ethtool -i "$DEV"
	# The device gives back what the socket gives back, for ever.
	net_fake_do inject 10
	sleep 1
	ip link set dev "$DEV" xdpdrv off
	xsk_ends "hostile: a device that does not send is reset" 35
	silent "$mark" "hostile"
	tap_check "hostile: the network answers after the socket" net_answers
}

[ "$(nproc)" -lt 2 ] || idle_queue
N=6
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
flood
xdp_tx
xsk_resets
half_a_switch
killed_at_unbind
hostile
[ "$(nproc)" -lt 2 ] || idle_queue_is_left_alone

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# XDP programs: each packet passes the program, its verdict is carried out, and it
# can come and go under traffic.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

# Fewer than fit in a ring, so that none has to be dropped.
SENT=200

attach()
{
	ip link set dev "$DEV" xdpdrv obj xdp.bpf sec "$1"
}

detach()
{
	ip link set dev "$DEV" xdpdrv off
}

# udp [SECONDS]: the host sends SENT packets to a port without a listener, and
# waits so long for them to come back.
udp()
{
	timeout 60 "$PEER" push "$HOST" "10.9.$N.2" 9 $SENT 64 1000 4 "${1:-0}"
}

# counted NAME COUNT: the program has seen so many.
counted()
{
	[ "$("$PEER" map "$1")" -ge "$2" ]
}

for N in 1 5 6; do
	net_need $N
	tap_check "net$N: the host answers" net_answers || tap_done

	tap_check "net$N: a program that passes is attached" attach xdp || continue
	tap_check "net$N: pass: ip link shows the program" \
		sh -c "ip link show $DEV | grep -q 'prog/xdp'"
	before=$(net_count rx_packets) seen=$("$PEER" map count_pass)
	tap_check "net$N: pass: a stream each way is intact" net_intact "$(scaled 4000000 8)"
	# What came between two looks belongs to one of them only.
	before=$(($(net_count rx_packets) - before)) seen=$(($("$PEER" map count_pass) - seen))
	tap_num "$before > 100 && $seen >= $before - 4 && $seen <= $before + 4" \
		"net$N: pass: the program sees every packet that the interface counts" \
		"$seen of $before"
	tap_check "net$N: pass: the program is detached" detach

	tap_check "net$N: a program that drops is attached" attach xdp/drop
	before=$("$PEER" map count_drop)
	packets=$(net_count rx_packets) bytes=$(net_count rx_bytes)
	udp > /dev/null
	wait_for 10 counted count_drop $((before + SENT))
	tap_is "$(($("$PEER" map count_drop) - before))" $SENT "net$N: drop: all $SENT datagrams are dropped"
	tap_num "$(net_count rx_packets) - $packets >= $SENT" \
		"net$N: drop: rx_packets counts the packets that are dropped"
	tap_num "$(net_count rx_bytes) - $bytes >= $SENT * 106" \
		"net$N: drop: rx_bytes counts the bytes that are dropped"
	tap_fails "net$N: drop: no datagram is answered" timeout 1 "$PEER" echo "$HOST" 1
	tap_check "net$N: drop: TCP passes" net_intact 200000
	tap_check "net$N: drop: the program is detached" detach

	tap_check "net$N: a program that sends back is attached" attach xdp/tx
	tx=$(net_count tx_packets)
	tap_is "$(udp 15)" "$SENT sent, $SENT answered" "net$N: tx: the host has its packets back"
	tap_num "$("$PEER" map count_tx) >= $SENT" "net$N: tx: the program sees the packets" \
		"$("$PEER" map count_tx) of $SENT"
	tap_num "$(net_count tx_packets) - $tx >= $SENT" "net$N: tx: tx_packets counts the packets" \
		"$(($(net_count tx_packets) - tx)) of $SENT"
	tap_check "net$N: tx: the program is detached" detach
	tap_check "net$N: without a program datagrams are answered" net_answers

	net_load sink source
	for ((round = 0; round < 2; round++)); do
		tap_check "net$N: round $round: a program is attached under traffic" attach xdp
		wait_for 10 net_counted rx_packets $(($(net_count rx_packets) + 50))
		tap_check "net$N: round $round: the program is detached under traffic" detach
	done
	net_load_ends "net$N: programs attached and detached"
done

gone()
{
	! kill -0 "$1" 2> /dev/null
}

# xsk QUEUE MODE: an AF_XDP socket sends everything back, twice over.
xsk()
{
	local what="net$N: AF_XDP, $2" round pid

	tap_check "$what: the program for the socket is attached" attach xdp/xsk || return
	for round in 1 2; do
		"$PEER" xsk "$DEV" "$1" "$2" > "$TMP/xsk" 2>&1 &
		pid=$!
		if ! tap_check "$what $round: the socket is bound" wait_for 10 grep -qx ready "$TMP/xsk"; then
			tap_diag "$(cat "$TMP/xsk")"
			wait $pid
			break
		fi
		# What was in the ring before goes another way.
		sleep 0.3
		tap_is "$(udp 15)" "$SENT sent, $SENT answered" "$what $round: the host has its packets back"
		kill $pid
		tap_check "$what $round: the socket's program ends" wait_for 10 gone $pid
		wait $pid
		tap_num "$(jq .received < <(tail -1 "$TMP/xsk")) >= $SENT" \
			"$what $round: the socket received all $SENT packets" "$(tail -1 "$TMP/xsk")"
		tap_check "$what $round: TCP passes" net_intact 100000
	done
	tap_check "$what: the program for the socket is detached" detach
	tap_check "$what: a stream each way is intact after the socket" net_intact 1000000
}

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
for N in 1 2; do
	net_need $N
	# So that all packets are on queue 0.
	[ $N != 1 ] || ethtool -L "$DEV" combined 1
	[ $N != 1 ] || xsk 0 copy
	xsk 0 zerocopy
	[ $N != 1 ] || ethtool -L "$DEV" combined "$(nproc)" 2> /dev/null
done

tap_done

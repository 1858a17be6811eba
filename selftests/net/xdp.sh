#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# XDP programs: each packet passes the program, what it decides is done, and it
# can come and go under traffic.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

SENT=500

attach()
{
	ip link set dev "$DEV" xdpdrv obj xdp.bpf sec "$1"
}

detach()
{
	ip link set dev "$DEV" xdpdrv off
}

# udp: the host sends SENT packets to a port where nobody listens.
udp()
{
	timeout 60 "$PEER" push "$HOST" "10.9.$N.2" 9 $SENT 64 1000 8 > /dev/null
	sleep 0.2
}

for N in 1 2 5 6; do
	net_need $N
	tap_check "net$N: the host answers" net_answers || tap_done

	tap_check "net$N: a program that passes" attach xdp || continue
	tap_check "net$N: pass: the link is shown to have it" \
		sh -c "ip link show $DEV | grep -q 'prog/xdp'"
	tap_check "net$N: pass: a stream each way is intact" net_intact "$(net_scaled 4000000)"
	tap_num "$("$PEER" map count_pass) >= 20" "net$N: pass: it saw the packets"
	tap_check "net$N: pass: it goes" detach

	tap_check "net$N: a program that drops" attach xdp/drop
	before=$("$PEER" map count_drop)
	udp
	tap_is "$(($("$PEER" map count_drop) - before))" $SENT "net$N: drop: all of them"
	tap_fails "net$N: drop: no datagram comes back" timeout 3 "$PEER" echo "$HOST" 1
	tap_check "net$N: drop: TCP passes" net_intact 200000
	tap_check "net$N: drop: it goes" detach

	tap_check "net$N: a program that sends back" attach xdp/tx
	tx=$(net_count tx_packets)
	udp
	tap_num "$("$PEER" map count_tx) >= $SENT" "net$N: tx: it saw the packets"
	tap_num "$(net_count tx_packets) - $tx >= $SENT" "net$N: tx: they were sent" \
		"$(($(net_count tx_packets) - tx)) of $SENT"
	tap_check "net$N: tx: it goes" detach
	tap_check "net$N: afterwards datagrams come back" net_answers

	net_load sink source
	for ((round = 0; round < 4; round++)); do
		tap_check "net$N: a program comes under traffic" attach xdp
		sleep 0.3
		tap_check "net$N: and goes" detach
	done
	net_load_ends "net$N: programs that come and go"
done

tap_done

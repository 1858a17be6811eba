#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What is sent arrives as it was sent, each way, with every kind of ring and of
# buffers, with and without offloads, and with small and large MTUs. TCP alone
# proves little where the device says that it checked the sum; so the contents
# are compared.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

BYTES=$(scaled 8000000 8)

# datagrams NAME [MOST]: of lengths around what decides how they are received, up
# to MOST bytes.
datagrams()
{
	local size list="1 17 18 19 210 256 300 1471 1472 1473 4000 9000 40000 65000"

	! is_slow || list="1 18 256 1472 1473 40000"
	for size in $list; do
		[ "$size" -le "${2:-65535}" ] || continue
		if ! output=$(timeout 30 "$PEER" echo "$HOST" 3 "$size" 2>&1); then
			tap_not_ok "$1: datagrams come back as they were sent" "$size bytes: $output"
			return
		fi
	done
	tap_ok "$1: datagrams come back as they were sent"
}

# errors NAME: the driver has seen nothing odd.
errors()
{
	tap_is "$(($(net_count rx_errors) + $(net_count tx_errors)))" 0 \
		"$1: the interface has counted no errors"
}

for n in 1 2 3 4 5 6 7 8; do
	net_need $n
	tap_check "net$n: the host answers" net_answers || continue
	tap_check "net$n: a stream each way is intact" net_intact "$BYTES"
	# The host sends frames of any size, but 6 has buffers for one of 1500.
	datagrams "net$n" "$([ $n = 6 ] && echo 1472)"
	errors "net$n"
done

# net_need compares each device with the list. The list itself has to be complete: a kind
# of ring that it loses would not be missed otherwise. 9 is that of timeout.sh.
tap_is "$(net_listed | sort -n | xargs)" "1 2 3 4 5 6 7 8 9" \
	"selftests/net/devices lists devices 1 to 9"
kinds=$(for n in 1 2 3 4 5 6 7 8; do
	net_wanted $n | grep -E '^(packed|event_idx|mrg_rxbuf)=' | xargs
done | sort -u)
tap_is "$kinds" "packed=off event_idx=off mrg_rxbuf=on
packed=off event_idx=on mrg_rxbuf=off
packed=off event_idx=on mrg_rxbuf=on
packed=on event_idx=off mrg_rxbuf=on
packed=on event_idx=on mrg_rxbuf=on" \
	"selftests/net/devices lists split and packed rings, each with and without event index"

# The same over IPv6, which has segments of its own.
for n in 1 8; do
	net_up $n
	ip addr add "fd09:$n::2/64" dev "$DEV" nodad
	tap_check "net$n: IPv6: a stream each way is intact" net_intact "$BYTES" "fd09:$n::1"
done

# Offloads switched off one after the other.
net_up 1
while read -r feature; do
	tap_check "net1: ethtool -K $feature off is taken" ethtool -K "$DEV" "$feature" off
	tap_check "net1: with $feature off a stream each way is intact" net_intact $((BYTES / 2))
done << 'END'
tso
rx-gro-hw
gro
gso
tx
sg
END
for feature in tx sg tso gso gro rx-gro-hw; do
	ethtool -K "$DEV" $feature on || tap_not_ok "net1: ethtool -K $feature on is taken"
done
tap_check "net1: with all offloads on again a stream each way is intact" net_intact $((BYTES / 2))

# mtu N MTU: both ways, over packets of that size.
mtu()
{
	local bytes=$((BYTES / 2)) most=65000

	net_up "$1"
	if ! tap_check "net$1: MTU $2 is taken" ip link set "$DEV" mtu "$2"; then
		return
	fi
	tap_is "$(cat "/sys/class/net/$DEV/mtu")" "$2" "net$1: MTU $2 is read back"
	# Changing it may reset the device.
	tap_check "net$1: MTU $2: the host answers" net_answers || return
	# What is cut into hundreds of pieces may not fit in a queue.
	[ "$2" -ge 576 ] || bytes=$((BYTES / 64)) most=4000
	[ "$1" != 6 ] || most=$(($2 - 28))
	tap_check "net$1: MTU $2: a stream each way is intact" net_intact $bytes
	datagrams "net$1: MTU $2" $most
	ip link set "$DEV" mtu 1500
}

# TCP's segments are never as small as that, so they have to be cut.
sysctl -q net.ipv4.ip_no_pmtu_disc=1
mtu 1 68
sysctl -q net.ipv4.ip_no_pmtu_disc=0
for size in 576 9000 65521; do
	mtu 1 $size
done
mtu 5 9000
mtu 6 9000

# refused N MTU: it must not be taken.
refused()
{
	net_up "$1"
	tap_fails "net$1: MTU $2 is refused" ip link set "$DEV" mtu "$2"
}

tap_is "$(cat "/sys/class/net/$(net_find 4)/mtu")" 9000 "net4: the MTU at first is the 9000 that the device names"
mtu 4 9000
refused 4 9001
refused 1 67
refused 6 65521

tap_done

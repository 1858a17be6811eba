#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The device filters what it lets through: addresses, multicast, VLANs. It only
# does so right if the driver tells it. Nothing else is on that link, so that
# what comes through can be counted; asking the host for it takes a dozen more.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

SENT=150

# come WANTED TO NAME: packets to 10.9.1.TO arrive (yes), or none does (no). The
# driver tells the device from a work item, so yes may take a moment.
come()
{
	local before got i

	for i in 1 2 3; do
		before=$(net_count rx_packets)
		timeout 30 "$PEER" push "$HOST" "10.9.1.$2" 9 $SENT 64 1000 8 > /dev/null
		sleep 0.2
		got=$(($(net_count rx_packets) - before))
		if { [ "$1" = yes ] && [ $got -ge $SENT ]; } || { [ "$1" = no ] && [ $got -lt $((SENT / 2)) ]; }; then
			tap_ok "$3"
			return
		fi
		sleep 0.3
	done
	tap_not_ok "$3" "$got packets came, $SENT were sent"
}

net_need 1
tap_check "the host answers" net_answers || tap_done

come yes 2 "our address"
come no 61 "another address is filtered"
come no 63 "a multicast group that nobody joined is filtered"

modprobe -q macvlan
ip link add link "$DEV" name mv61 address 52:54:00:70:67:61 type macvlan mode bridge
ip link set mv61 up
come yes 61 "another address that is asked for"
come no 62 "but not yet another one"
tap_num "$(cat /sys/class/net/mv61/statistics/rx_packets) >= $SENT" \
	"it is the interface on top that gets them"
ip link del mv61
come no 61 "another address, no longer asked for"

ip maddr add 01:00:5e:01:02:03 dev "$DEV"
come yes 63 "a multicast address that is asked for"
come no 64 "but not another one"
ip link set "$DEV" allmulticast on
come yes 64 "all multicast"
come no 61 "all multicast: but not another address"
ip link set "$DEV" allmulticast off
ip maddr del 01:00:5e:01:02:03 dev "$DEV"
come no 63 "a multicast address, no longer asked for"

# All multicast off: the host does not even deliver what is asked for.
ip maddr add 01:00:5e:01:02:03 dev "$DEV"
ip link set "$DEV" multicast off
come no 63 "no multicast"
come yes 2 "no multicast: but our address"
ip link set "$DEV" multicast on
come yes 63 "multicast again"
ip maddr del 01:00:5e:01:02:03 dev "$DEV"

ip link set "$DEV" promisc on
come yes 61 "promiscuous: another address"
come yes 64 "promiscuous: any multicast"
ip link set "$DEV" promisc off
come no 61 "no longer promiscuous"

# More addresses than the device has room for: then it passes all.
ip link set "$DEV" promisc off
for ((i = 0; i < 70; i++)); do
	ip maddr add "01:00:5e:02:00:$(printf %02x $i)" dev "$DEV"
done
come yes 63 "more multicast addresses than fit"
for ((i = 0; i < 70; i++)); do
	ip maddr del "01:00:5e:02:00:$(printf %02x $i)" dev "$DEV"
done
come no 63 "and fewer again"

# Our address changes; the host sends on to the old one.
ip link set "$DEV" address 52:54:00:70:67:61
come yes 61 "a new address of our own"
ip link set "$DEV" address 52:54:00:70:67:01
come no 61 "and the old one back"

# On VLANs, the host answers each packet twice: with its tag and with the next.
# vlan VID WANTED NAME: that many of 40 answers arrive, 20 or all. One that asks for
# our address may come between.
vlan()
{
	local before got

	before=$(net_count rx_packets)
	tap_check "$3: the host answers on VLAN $1" timeout 60 "$PEER" echo "10.9.10$1.1" 20 || return
	wait_for 5 net_counted rx_packets $((before + $2))
	sleep 0.2
	got=$(($(net_count rx_packets) - before))
	tap_num "$got >= $2 && $got < $2 + 10" "$3: of 40 answers, $2 pass" "$got"
}

modprobe -q 8021q
for vid in 5 6; do
	ip link add link "$DEV" name "v$vid" type vlan id $vid
	ip addr add 10.9.10$vid.2/24 dev v$vid
	ip link set v$vid up
	ip neigh add 10.9.10$vid.1 lladdr 02:00:00:00:00:0$vid dev v$vid nud permanent
done
vlan 5 40 "VLANs 5 and 6"
vlan 6 20 "VLANs 5 and 6"
ip link del v6
vlan 5 20 "VLAN 6 gone"
# The device forgets all of it in a reset, and has to be told again.
virtio_unbind "$VIRTIO"
tap_check "bound again" virtio_bind "$NET_DRIVER" "$VIRTIO"
wait_for 10 net_find 1
net_need 1
ip link add link "$DEV" name v5 type vlan id 5
ip addr add 10.9.105.2/24 dev v5
ip link set v5 up
ip neigh add 10.9.105.1 lladdr 02:00:00:00:00:05 dev v5 nud permanent
ip maddr add 01:00:5e:01:02:03 dev "$DEV"
tap_check "suspend and resume" net_suspend devices
wait_for 10 timeout 5 "$PEER" echo "$HOST" 1
vlan 5 20 "after a reset"
come yes 63 "after a reset: a multicast address that is asked for"
come no 64 "after a reset: but not another one"
ip maddr del 01:00:5e:01:02:03 dev "$DEV"
ip link del v5

tap_done

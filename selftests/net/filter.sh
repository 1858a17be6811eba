#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
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
		if [ "$1" = yes ]; then
			wait_for 1 net_counted rx_packets $((before + SENT))
		else
			sleep 0.2
		fi
		got=$(($(net_count rx_packets) - before))
		if { [ "$1" = yes ] && [ $got -ge $SENT ]; } || { [ "$1" = no ] && [ $got -lt $((SENT / 4)) ]; }; then
			tap_ok "$3"
			return
		fi
		sleep 0.3
	done
	tap_not_ok "$3" "$got packets came, $SENT were sent"
}

net_module macvlan
net_module 8021q
net_need 1
tap_check "the host answers" net_answers || tap_done

come yes 2 "packets to the interface's own address pass"
come no 61 "packets to another address are filtered"
come no 63 "packets to a multicast group that was not joined are filtered"

ip link add link "$DEV" name mv61 address 52:54:00:70:67:61 type macvlan mode bridge
ip link set mv61 up
come yes 61 "macvlan: packets to the address of the macvlan pass"
come no 62 "macvlan: packets to a third address are filtered"
tap_num "$(cat /sys/class/net/mv61/statistics/rx_packets) >= $SENT" \
	"macvlan: the macvlan counts the packets to its address"
ip link del mv61
come no 61 "macvlan deleted: packets to its address are filtered again"

ip maddr add 01:00:5e:01:02:03 dev "$DEV"
come yes 63 "maddr add: packets to that multicast address pass"
come no 64 "maddr add: packets to another multicast address are filtered"
ip link set "$DEV" allmulticast on
come yes 64 "allmulticast on: packets to any multicast address pass"
come no 61 "allmulticast on: packets to another unicast address are filtered"
ip link set "$DEV" allmulticast off
ip maddr del 01:00:5e:01:02:03 dev "$DEV"
come no 63 "maddr del: packets to that multicast address are filtered again"

# All multicast off: the host does not even deliver what is asked for.
ip maddr add 01:00:5e:01:02:03 dev "$DEV"
ip link set "$DEV" multicast off
come no 63 "multicast off: packets to an added multicast address are filtered"
come yes 2 "multicast off: packets to the interface's own address pass"
ip link set "$DEV" multicast on
come yes 63 "multicast on again: packets to an added multicast address pass"
ip maddr del 01:00:5e:01:02:03 dev "$DEV"

ip link set "$DEV" promisc on
come yes 61 "promisc on: packets to another address pass"
come yes 64 "promisc on: packets to any multicast address pass"
ip link set "$DEV" promisc off
come no 61 "promisc off again: packets to another address are filtered"

# More addresses than the device has room for: then it passes all.
ip link set "$DEV" promisc off
for ((i = 0; i < 70; i++)); do
	ip maddr add "01:00:5e:02:00:$(printf %02x $i)" dev "$DEV"
done
come yes 63 "70 multicast addresses, more than the device holds: packets to any pass"
for ((i = 0; i < 70; i++)); do
	ip maddr del "01:00:5e:02:00:$(printf %02x $i)" dev "$DEV"
done
come no 63 "the 70 multicast addresses deleted: packets to another are filtered again"

# The interface's address changes; the host sends on to the old one.
ip link set "$DEV" address 52:54:00:70:67:61
come yes 61 "new address of the interface: packets to it pass"
ip link set "$DEV" address 52:54:00:70:67:01
come no 61 "first address of the interface back: packets to the other are filtered"

# On VLANs, the host answers each packet twice: with its tag and with the next.
# vlan VID WANTED NAME: that many of 40 answers arrive, 20 or all. A question for the
# interface's address may come between.
vlan()
{
	local before got

	before=$(net_count rx_packets)
	tap_check "$3: the host answers on VLAN $1" timeout 60 "$PEER" echo "10.9.10$1.1" 20 || return
	wait_for 5 net_counted rx_packets $((before + $2))
	sleep 0.2
	got=$(($(net_count rx_packets) - before))
	tap_num "$got >= $2 && $got < $2 + 10" "$3: of 40 answers on VLAN $1 and the next, $2 pass" "$got"
}

for vid in 5 6; do
	ip link add link "$DEV" name "v$vid" type vlan id $vid
	ip addr add 10.9.10$vid.2/24 dev v$vid
	ip link set v$vid up
	ip neigh add 10.9.10$vid.1 lladdr 02:00:00:00:00:0$vid dev v$vid nud permanent
done
vlan 5 40 "VLANs 5 and 6 added"
vlan 6 20 "VLANs 5 and 6 added"
ip link del v6
vlan 5 20 "VLAN 6 deleted"
# The device forgets all of it in a reset, and has to be told again.
virtio_unbind "$VIRTIO"
tap_check "$NET_DRIVER takes the device again after it was unbound" virtio_bind "$NET_DRIVER" "$VIRTIO"
wait_for 10 net_find 1
net_need 1
ip link add link "$DEV" name v5 type vlan id 5
ip addr add 10.9.105.2/24 dev v5
ip link set v5 up
ip neigh add 10.9.105.1 lladdr 02:00:00:00:00:05 dev v5 nud permanent
ip maddr add 01:00:5e:01:02:03 dev "$DEV"
tap_check "suspend and resume of devices succeed with VLANs" net_suspend devices
wait_for 10 timeout 5 "$PEER" echo "$HOST" 1
vlan 5 20 "after a reset, VLAN 5 added"
come yes 63 "after a reset: packets to an added multicast address pass"
come no 64 "after a reset: packets to another multicast address are filtered"
ip maddr del 01:00:5e:01:02:03 dev "$DEV"
ip link del v5

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that stands in (VIRTIO_NET_F_STANDBY) for one that the host plugs and
# unplugs, as it does around a migration. What uses the pair must not lose more than
# a packet.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

net_host
net_module e1000e

# For the host, where stdout is captured.
exec 3>&1

N=11
ADDRESS=52:54:00:70:67:0b

# named DRIVER: prints the interface of the three with that driver.
named()
{
	local dir address

	for dir in /sys/class/net/*; do
		read -r address < "$dir/address" || continue
		if [ "$address" = $ADDRESS ] &&
			ethtool -i "${dir##*/}" | grep -qx "driver: $1"; then
			echo "${dir##*/}"
			return 0
		fi
	done 2> /dev/null
	return 1
}

lacks()
{
	! named "$1" > /dev/null
}

# has_lower DRIVER: the pair uses an interface of that driver.
has_lower()
{
	local lower

	lower=$(named "$1") && [ -e "/sys/class/net/$DEV/lower_$lower" ] &&
		[ "$(cat "/sys/class/net/$lower/carrier")" = 1 ]
}

# plug: the primary. QEMU refuses the name until it has seen the guest let go of
# the one before.
plug()
{
	local try

	for try in 1 2 3 4 5 6 7 8; do
		net_qmp device_add '"driver": "e1000e", "netdev": "primary11", "mac": "52:54:00:70:67:0b", "id": "primary", "bus": "hot-port", "failover_pair_id": "standby"' >&3
		! wait_for $((try * 2)) has_lower e1000e || return 0
	done
	return 1
}

sent_by()
{
	local n

	read -r n < "/sys/class/net/$1/statistics/tx_packets"
	echo "$n"
}

# goes_by INTERFACE OTHER NAME: what is sent goes by one and not by the other.
goes_by()
{
	local one other

	one=$(sent_by "$1") other=$(sent_by "$2")
	tap_check "$3: the host answers" timeout 60 "$PEER" echo "$HOST" 50 || return
	one=$(($(sent_by "$1") - one)) other=$(($(sent_by "$2") - other))
	tap_num "$one >= 50 && $other < 5" "$3: packets go by $(basename "$(readlink "/sys/class/net/$1/device/driver")")" \
		"$one, and $other by the other"
}

net_qmp device_add '"driver": "virtio-net-pci", "netdev": "standby11", "mac": "52:54:00:70:67:0b", "id": "standby", "bus": "standby-port", "failover": true'
tap_check "a net_failover interface appears with the stand-in" wait_for 60 named net_failover ||
	tap_done
DEV=$(named net_failover)
STANDBY=$(named "$NET_DRIVER")
VIRTIO=$(net_virtio "$STANDBY")
HOST=10.9.$N.1
ip addr add 10.9.$N.2/24 dev "$DEV"
tap_check "the net_failover interface comes up" ip link set "$DEV" addrgenmode none up
tap_is "$(virtio_driver "$VIRTIO")" "$NET_DRIVER" "the driver of the stand-in is $NET_DRIVER"
tap_check "the net_failover interface is on top of the stand-in" \
	wait_for 10 test -e "/sys/class/net/$DEV/lower_$STANDBY"
tap_is "$(cat "/sys/class/net/$STANDBY/phys_port_name")" sby \
	"the phys_port_name of the stand-in is sby"
tap_check "stand-in alone: the host answers" net_answers || tap_done
tap_check "stand-in alone: a stream each way is intact" net_intact 500000
ip link set "$STANDBY" down 2> /dev/null
tap_fails "the stand-in's address cannot be changed" \
	ip link set "$STANDBY" address 52:54:00:70:67:77
ip link set "$STANDBY" up

for round in 1 2; do
	net_load sink source
	tap_check "round $round: the pair takes the primary in under traffic" plug || break
	PRIMARY=$(named e1000e)
	net_load_ends "round $round: primary plugged" || break
	goes_by "$PRIMARY" "$STANDBY" "round $round: with the primary"

	net_load sink source
	net_qmp device_del '"id": "primary"'
	tap_check "round $round: the primary goes under traffic" wait_for 30 lacks e1000e
	net_load_ends "round $round: primary unplugged" || break
	tap_check "round $round: without the primary the host answers" net_answers
	before=$(sent_by "$STANDBY")
	tap_check "round $round: without the primary a stream each way is intact" net_intact 300000
	# The stream is 200 packets of 1500 bytes or five of 64 KiB.
	tap_num "$(sent_by "$STANDBY") >= $before + 5" \
		"round $round: without the primary packets go by the stand-in" \
		"$(($(sent_by "$STANDBY") - before)) packets"
done

if [ -w /sys/power/pm_test ]; then
	net_load sink source
	tap_check "suspend and resume of devices succeed under traffic" net_suspend devices
	net_load_ends "suspend and resume"
else
	tap_skip "suspend and resume" "this kernel has no /sys/power/pm_test"
fi

# The stand-in goes first.
tap_check "the pair takes the primary in for the last part" plug
net_load sink source
net_qmp device_del '"id": "standby"'
tap_check "stand-in unplugged first: the net_failover interface goes" wait_for 30 lacks net_failover
tap_check "stand-in unplugged first: the interface of the stand-in goes" \
	wait_for 30 lacks "$NET_DRIVER"
net_load_ends "stand-in unplugged first" lossy
tap_check "stand-in unplugged first: the primary stays" named e1000e
tap_check "stand-in unplugged first: debugfs has no directory of it" wait_for 20 no_trace
net_qmp device_del '"id": "primary"'
tap_check "the primary goes when the host unplugs it last" wait_for 30 lacks e1000e

tap_done

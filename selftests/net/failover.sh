#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device that stands in (VIRTIO_NET_F_STANDBY) for one that the host plugs and
# unplugs, as it does around a migration. Whoever uses the pair must not notice
# more than a lost packet.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "nobody plugs devices: start with selftests/vm"
modprobe -q e1000e || tap_skip_all "this kernel has no e1000e, which the host plugs in"

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

	sleep 1
	for try in 1 2 3 4 5; do
		net_qmp device_add '"driver": "e1000e", "netdev": "primary11", "mac": "52:54:00:70:67:0b", "id": "primary", "bus": "hot-port", "failover_pair_id": "standby"' >&3
		! wait_for 10 has_lower e1000e || return 0
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
tap_check "the pair appears" wait_for 60 named net_failover || tap_done
DEV=$(named net_failover)
STANDBY=$(named "$NET_DRIVER")
VIRTIO=$(net_virtio "$STANDBY")
HOST=10.9.$N.1
ip addr add 10.9.$N.2/24 dev "$DEV"
tap_check "and comes up" ip link set "$DEV" addrgenmode none up
tap_is "$(virtio_driver "$VIRTIO")" "$NET_DRIVER" "the stand-in is driven by $NET_DRIVER"
tap_check "it is one of the pair" wait_for 10 test -e "/sys/class/net/$DEV/lower_$STANDBY"
tap_is "$(cat "/sys/class/net/$STANDBY/phys_port_name")" sby "its port is called so"
tap_check "alone: the host answers" net_answers || tap_done
tap_check "alone: a stream each way is intact" net_intact 500000
ip link set "$STANDBY" down 2> /dev/null
tap_fails "the stand-in's address cannot be changed" \
	ip link set "$STANDBY" address 52:54:00:70:67:77
ip link set "$STANDBY" up

for round in 1 2; do
	net_load sink source
	tap_check "round $round: the primary is taken in under traffic" plug || break
	PRIMARY=$(named e1000e)
	net_load_ends "round $round: plugged" || break
	goes_by "$PRIMARY" "$STANDBY" "round $round: with the primary"

	net_load sink source
	net_qmp device_del '"id": "primary"'
	tap_check "round $round: the primary goes under traffic" wait_for 30 lacks e1000e
	net_load_ends "round $round: unplugged" || break
	tap_check "round $round: without it the host answers" net_answers
	before=$(sent_by "$STANDBY")
	tap_check "round $round: without it a stream each way is intact" net_intact 300000
	tap_num "$(sent_by "$STANDBY") > $before" "round $round: by the stand-in"
done

if [ -w /sys/power/pm_test ]; then
	net_load sink source
	tap_check "suspend and resume" net_suspend devices
	net_load_ends "suspend and resume"
fi

# The stand-in goes first.
tap_check "the primary again" plug
net_load sink source
net_qmp device_del '"id": "standby"'
tap_check "the pair goes with the stand-in" wait_for 30 lacks net_failover
tap_check "and the stand-in" wait_for 30 lacks "$NET_DRIVER"
net_load_ends "the pair is gone" lossy
tap_check "the primary stays" named e1000e
tap_check "no trace is left in debugfs" wait_for 20 no_trace
net_qmp device_del '"id": "primary"'
tap_check "and goes when it is told to" wait_for 30 lacks e1000e

tap_done

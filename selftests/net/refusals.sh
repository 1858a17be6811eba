#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the driver refuses, as often as it is asked: it says what would be possible,
# nothing changes, and the device is not reset for it, or it would be given up after
# the fifth time. Then what the device refuses.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

# As often as it takes to have a device given up, and once more.
TIMES=7

resets()
{
	kmsg_since "$1" | grep -c "$VIRTIO: resetting the device"
}

# refused NAME TEXT COMMAND...: each time, with the text in what it or the log says.
refused()
{
	local what="net$N: $1" text=$2 mark i said taken=0 silent=0

	shift 2
	mark=$(kmsg_mark)
	for ((i = 0; i < TIMES; i++)); do
		said=$("$@" 2>&1) && taken=$((taken + 1))
		grep -q -- "$text" <<< "$said" || silent=$((silent + 1))
	done
	# Where there is nothing else, the log says so.
	kmsg_since "$mark" | grep -q -- "$text" && silent=0
	tap_num "$taken == 0" "$what is refused" "taken $taken times of $TIMES"
	tap_num "$silent == 0" "$what: it is said what is possible" "$said"
	tap_num "$(resets "$mark") == 0" "$what: the device is not reset" "$(resets "$mark") resets"
}

sizes()
{
	ethtool -g "$DEV" | awk '/^(RX|TX):/ { n[++i] = $2 } END { print n[3], n[4] }'
}

ring_sizes()
{
	local before

	N=1
	net_need $N
	tap_check "net$N: the host answers" net_answers || return
	before=$(sizes)
	refused "an rx ring of 100 on a split ring" "powers of two, 4 (rx) and 32 (tx)" \
		ethtool -G "$DEV" rx 100
	refused "a tx ring of 100 on a split ring" "powers of two, 4 (rx) and 32 (tx)" \
		ethtool -G "$DEV" tx 100
	refused "an rx ring of 2" "powers of two, 4 (rx)" ethtool -G "$DEV" rx 2
	refused "a tx ring of 16" "32 (tx)" ethtool -G "$DEV" tx 16
	refused "an rx ring of 128 with a tx ring of 100" "powers of two" \
		ethtool -G "$DEV" rx 128 tx 100
	tap_is "$(sizes)" "$before" "net$N: the rings have their sizes of before"
	tap_check "net$N: rings of 4 and 32 are taken" ethtool -G "$DEV" rx 4 tx 32
	tap_check "net$N: the host answers with rings of 4 and 32" net_answers
	read -r rx tx <<< "$before"
	tap_check "net$N: the rings get their sizes of before" ethtool -G "$DEV" rx "$rx" tx "$tx"
	tap_check "net$N: the host answers afterwards" net_answers

	N=2
	net_need $N
	before=$(sizes)
	refused "a tx ring of 18 on a packed ring" "3 (rx) and 19 (tx)" ethtool -G "$DEV" tx 18
	tap_check "net$N: rings of 100 are taken on a packed ring" ethtool -G "$DEV" rx 100 tx 100
	tap_check "net$N: the host answers with rings of 100" net_answers
	read -r rx tx <<< "$before"
	ethtool -G "$DEV" rx "$rx" tx "$tx"
	tap_check "net$N: the host answers afterwards" net_answers
}

# What other settings can be is said as well.
other_settings()
{
	N=1
	net_need $N
	refused "rx-usecs 100001" "allowed are 0 to 100000" ethtool -C "$DEV" rx-usecs 100001
	refused "rx-frames 4096" "allowed are 0 (no limit) to 4095" ethtool -C "$DEV" rx-frames 4096
	refused "settings of queue 7" "there are 0 to" ethtool -Q "$DEV" queue_mask 0x80 -C rx-usecs 5
	ip link set dev "$DEV" xdpdrv obj xdp.bpf sec xdp
	refused "an MTU that is too large for the program" "at most 3[0-9]* is possible" \
		ip link set "$DEV" mtu 9000
	ip link set dev "$DEV" xdpdrv off
	tap_check "net$N: the host answers after all" net_answers
}

table()
{
	ethtool -x "$DEV" | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) n[$i]++ }
		END { print n[0] + 0, n[1] + 0 }'
}

# The device cannot be told of an address (no CTRL_MAC_ADDR), and need not know it.
address_while_up()
{
	local what="a device that cannot be told its address" was other=52:54:00:aa:bb:cc

	was=$(cat "/sys/class/net/$DEV/address")
	tap_check "$what: another address is taken while the interface is up" \
		ip link set "$DEV" address $other
	tap_is "$(cat "/sys/class/net/$DEV/address")" $other "$what: the interface has that address"
	tap_check "$what: the network answers to it" net_answers
	ip link set "$DEV" address "$was"
	tap_check "$what: the network answers with the first address again" net_answers
}

# The device refuses, which is no fault of it.
device_refuses()
{
	local what="the device refuses commands" mark

	net_module 8021q
	if [ "$(nproc)" -gt 1 ]; then
		tap_check "$what: a table of queue 0 alone is taken before" ethtool -X "$DEV" equal 1
		net_fake_do bad "ctrl-refuse 1000"
		refused "one channel that the device refuses" "did not take 1 queue pairs" \
			ethtool -L "$DEV" combined 1
		tap_is "$(table)" "128 0" "$what: the indirection table is still the user's after ethtool -L"
		refused "a table that the device refuses" "" ethtool -X "$DEV" equal 2
		tap_is "$(table)" "128 0" "$what: the indirection table is still the user's after ethtool -X"
		net_fake_do bad "none 0"
		tap_check "$what: one channel is taken when the device does" ethtool -L "$DEV" combined 1
	fi
	tap_check "$what: the network answers afterwards" net_answers

	mark=$(kmsg_mark)
	net_fake_do bad "ctrl-refuse 1000"
	tap_check "$what: a VLAN is added" ip link add link "$DEV" name vlan5 type vlan id 5
	tap_check "$what: the log says that the device did not take the VLAN" \
		kmsg_has "did not take a VLAN" "$mark"
	tap_check "$what: the VLAN is deleted" ip link del vlan5
	tap_num "$(resets "$mark") == 0" "$what: the device is not reset for a VLAN"

	# Beginning with the first command.
	virtio_unbind "$VIRTIO"
	mark=$(kmsg_mark)
	tap_check "$what: probe succeeds" virtio_bind "$NET_DRIVER" "$VIRTIO"
	net_fake_do bad "none 0"
	tap_check "$what: the interface appears after that probe" wait_for 20 net_find 20 || return
	net_up $N
	tap_is "$(ethtool -l "$DEV" | awk '/^Combined/ { n = $2 } END { print n }')" 1 \
		"$what: one queue pair is in use after that probe"
	tap_num "$(resets "$mark") == 0" "$what: the device is not reset for that probe"
	tap_check "$what: the network answers after that probe" net_fake_answers
}

sysctl -q net.core.message_cost=0
ring_sizes
other_settings

net_fakehost
tap_check "the interface of pvg_fakehost's device appears" net_fake rss=1 || tap_done
N=20
net_up $N
tap_check "net$N: the network answers" net_fake_answers || tap_done
address_while_up
device_refuses

tap_done

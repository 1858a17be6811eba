#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Receive buffers that do not have the shape that is wanted now: cut by programs, moved
# in AF_XDP memory, without a program to look at them, or from before there was one.
# And packets whose checksum was left to the driver, and too little memory.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

attach()
{
	ip link set dev "$DEV" xdpdrv obj xdp.bpf sec "$1"
}

detach()
{
	ip link set dev "$DEV" xdpdrv off
}

# fresh MTU: the interface of $N is as after a probe: down, and without buffers.
fresh()
{
	net_need $N
	virtio_unbind "$VIRTIO"
	virtio_bind "$NET_DRIVER" "$VIRTIO"
	wait_for 20 net_find $N
	DEV=$(net_find $N)
	ip link set "$DEV" mtu "$1"
}

# fresh_single MTU: net1, fresh and then up, with one queue pair in use.
fresh_single()
{
	N=1
	fresh "$1"
	net_up $N
	ethtool -L "$DEV" combined 1 2> /dev/null
}

# push PORT COUNT SIZE [SECONDS]: the host sends datagrams, and waits so long for them to
# come back.
push()
{
	timeout 60 "$PEER" push "$HOST" "10.9.$N.2" "$1" "$2" "$3" 2000 2 "${4:-1}"
}

# What a program has cut off is freed, and the rest once.
cut_fragments()
{
	local what="fragments cut off" port cut=0

	N=1
	fresh 9000
	tap_check "$what: a program with fragments is attached before up" attach xdp.frags
	net_up $N
	tap_check "$what: the host answers" net_answers || return
	for port in 9 10; do
		push $port "$(scaled 600)" 8000 > /dev/null
		tap_num "$("$PEER" map count_drop) > $cut" \
			"$what: the program cuts datagrams to port $port" "$cut before"
		cut=$("$PEER" map count_drop)
	done
	tap_check "$what: datagrams of 8000 bytes come back intact" \
		timeout 100 "$PEER" echo "$HOST" "$(scaled 100)" 8000
	tap_check "$what: a stream each way is intact" net_intact "$(scaled 1000000)"
	tap_check "$what: the driver is unbound" virtio_unbind "$VIRTIO"
	virtio_bind "$NET_DRIVER" "$VIRTIO"
	wait_for 20 net_find $N
}

gone()
{
	! kill -0 "$1" 2> /dev/null
}

# socket_opens NAME: a zero-copy AF_XDP socket on queue 0 sends back what it is given.
socket_opens()
{
	"$PEER" xsk "$DEV" 0 zerocopy > "$TMP/xsk" 2>&1 &
	SOCKET=$!
	tap_check "$1: a zero-copy socket is bound" wait_for 10 grep -qx ready "$TMP/xsk" || return
	# What was in the ring before goes another way.
	sleep 0.3
}

socket_ends()
{
	kill "$SOCKET"
	tap_check "$1: the socket's program ends" wait_for 10 gone "$SOCKET"
	wait "$SOCKET"
}

# sent_back NAME: the socket has its 200 datagrams, and the host has them back.
sent_back()
{
	tap_is "$(push 11 200 1000 15)" "200 sent, 200 answered" "$1: the socket sends 200 of 200 datagrams back"
}

# Whatever a program did to a packet, the next one in its memory begins where it should.
moved_start()
{
	local what="AF_XDP"

	fresh_single 1500
	tap_check "$what: the program is attached" attach xdp/head
	socket_opens "$what" || return
	sent_back "$what, before"
	push 9 300 1000 > /dev/null
	sent_back "$what, after 300 datagrams that were dropped with their start moved"
	push 10 300 1000 > /dev/null
	sent_back "$what, after 300 datagrams that were redirected to no interface"
	tap_num "$("$PEER" map count_drop) >= 600" "$what: the program sees the 600 datagrams"
	socket_ends "$what"
	detach
}

copied()
{
	ethtool -S "$DEV" | awk '$1 == "rx0_copied:" { print $2 }'
}

# Each packet comes through a program at once, and soon without being copied.
attached_while_up()
{
	local what="attached while up" before

	fresh_single 9000
	tap_check "$what: 8000 bytes come back before" "$PEER" echo "$HOST" 5 8000
	tap_check "$what: a program with fragments is attached" attach xdp.frags
	tap_check "$what: 8000 bytes come back at once" "$PEER" echo "$HOST" 5 8000
	# Each buffer of the ring is used twice.
	push 11 600 200 > /dev/null
	before=$(copied)
	push 11 600 200 > /dev/null
	tap_is "$(($(copied) - before))" 0 "$what: no packet is copied after a turn of the ring"
	tap_check "$what: 8000 bytes come back afterwards" "$PEER" echo "$HOST" 5 8000
	tap_check "$what: a stream each way is intact" net_intact "$(scaled 1000000)"
	detach
	tap_check "$what: 8000 bytes come back after it was detached" "$PEER" echo "$HOST" 5 8000

	N=6
	net_need $N
	ip link set "$DEV" mtu 9000
	tap_fails "net$N: without merged buffers a program with fragments is refused at an MTU of 9000" \
		attach xdp.frags
	detach
	ip link set "$DEV" mtu 1500
}

# merged: prints bytes per packet of a stream that comes from the host.
merged()
{
	local packets bytes

	packets=$(net_count rx_packets) bytes=$(net_count rx_bytes)
	timeout 60 "$PEER" source "$HOST" 2000000 > /dev/null
	packets=$(($(net_count rx_packets) - packets)) bytes=$(($(net_count rx_bytes) - bytes))
	echo $((packets > 0 ? bytes / packets : 0))
}

# A process that only sends through its pool does not cut the interface off.
no_program()
{
	local what="AF_XDP without a program" mark

	fresh_single 1500
	# The socket's program puts itself into a map of this one.
	attach xdp/xsk
	socket_opens "$what" || return
	tap_check "$what: the program is detached" detach
	tap_check "$what: the host answers" timeout 25 "$PEER" echo "$HOST" 1
	tap_check "$what: a stream from the host is intact" timeout 60 "$PEER" source "$HOST" "$(scaled 1000000)"
	mark=$(kmsg_mark)
	tap_fails "$what: an MTU beyond the pool's frames is refused" ip link set "$DEV" mtu 9000
	tap_check "$what: the log names the largest MTU" kmsg_has "at most 38" "$mark"
	socket_ends "$what"
	tap_num "$(merged) > 1514" "$what: the device merges again after the socket's end"
	tap_check "$what: an MTU of 9000 is taken after the socket's end" ip link set "$DEV" mtu 9000
}

# with_checksums NAME: each packet passes the program, and leaves it complete.
with_checksums()
{
	tap_check "$1: a program that passes is attached" attach xdp || return
	tap_check "$1: TCP comes through it" timeout 60 "$PEER" source "$HOST" "$(scaled 1000000)"
	detach
	attach xdp/tx
	tap_is "$(push 9 200 1000 15)" "200 sent, 200 answered" \
		"$1: the host takes all that is sent back for intact"
	detach
	tap_check "$1: TCP comes through without a program" timeout 60 "$PEER" source "$HOST" "$(scaled 1000000)"
}

checksums()
{
	local features

	N=7
	net_need $N
	with_checksums "net$N, checksums only"

	[ -n "${PVG_QMP:-}" ] || return
	N=10
	features=$(printf ', "guest_%s": false' tso4 tso6 ecn ufo uso4 uso6)
	net_qmp device_add "\"driver\": \"virtio-net-pci\", \"netdev\": \"tap10\", \"id\": \"hot-dev\", \"bus\": \"hot-port\", \"mac\": \"52:54:00:70:67:0a\", \"ctrl_guest_offloads\": false$features"
	tap_check "net$N: the interface of the plugged device appears" wait_for 20 net_find $N || return
	net_up $N
	with_checksums "net$N, checksums that cannot be switched off"
	net_qmp device_del '"id": "hot-dev"'
	wait_for 30 net_lacks $N
}

# scarce ORDER: no allocation of that order or above succeeds, or (none) each may.
scarce()
{
	local dir=$DEBUGFS/fail_page_alloc

	if [ "$1" = none ]; then
		echo 0 > "$dir/probability"
		return
	fi
	echo "$1" > "$dir/min-order"
	echo N > "$dir/ignore-gfp-wait"
	echo -1 > "$dir/times"
	echo 0 > "$dir/verbose"
	echo 100 > "$dir/probability"
}

# Headers that the device reads are where it can, however memory is fragmented; and a
# ring that there is no memory for is refused, without harm.
short_memory()
{
	local what="fragmented memory" mark taken=0

	N=2
	fresh 1500
	net_up $N
	tap_at_exit scarce none
	ethtool -G "$DEV" tx 64
	scarce 2
	tap_check "$what: a tx ring of 256 is taken" ethtool -G "$DEV" tx 256
	scarce none
	tap_check "$what: the program is attached" attach xdp/xsk
	socket_opens "$what" || return
	sent_back "$what"
	socket_ends "$what"
	detach
	tap_check "$what: a stream each way is intact" net_intact 200000

	# Rings of QEMU need no allocation that is large enough to fail.
	what="no memory for a ring"
	net_fakehost
	tap_check "$what: the interface appears" net_fake || return
	net_up 20
	ethtool -G "$DEV" tx 64
	mark=$(kmsg_mark)
	scarce 2
	for _ in 1 2 3 4 5 6 7; do
		ethtool -G "$DEV" tx 256 2> /dev/null && taken=$((taken + 1))
	done
	scarce none
	tap_num "$taken == 0" "$what: a tx ring of 256 is refused"
	tap_num "$(kmsg_since "$mark" | grep -c "$VIRTIO: resetting the device") == 0" \
		"$what: the device is not reset"
	tap_check "$what: the network answers with a tx ring of 64" net_fake_answers
	tap_check "$what: a tx ring of 256 is taken when there is" ethtool -G "$DEV" tx 256
	tap_check "$what: the network answers with it" net_fake_answers
}

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
cut_fragments
moved_start
no_program
# These give no memory to another owner: 6.1 tells as much of them as the slow kernel.
if ! is_slow; then
	attached_while_up
	N=1
	fresh 1500
	net_up $N
	checksums
fi
# Only a kernel that can make allocations fail shows it.
[ ! -d "$DEBUGFS/fail_page_alloc" ] || short_memory

tap_done

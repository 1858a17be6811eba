#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Settings are changed while transfers run both ways. TCP has to get over what
# that costs: every stream must arrive intact.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

# changes NAME COMMAND...: each command, in turn, a few times, under traffic.
changes()
{
	local name=$1 round command failed=0 output

	shift
	net_load sink source
	for ((round = 0; round < $(scaled 2 2); round++)); do
		for command; do
			if ! output=$(timeout 60 bash -c "$command" 2>&1); then
				failed=$((failed + 1))
				tap_diag "$command: $output"
			fi
			sleep 0.1
		done
	done
	tap_is "$failed" 0 "net$N: $name: every change is taken"
	net_load_ends "net$N: $name" || tap_done
}

coalesce()
{
	changes coalesce \
		"ethtool -C $DEV adaptive-rx off rx-usecs 100 rx-frames 32" \
		"ethtool -C $DEV adaptive-tx off tx-usecs 50 tx-frames 0" \
		"ethtool -C $DEV rx-usecs 0 rx-frames 1 tx-usecs 0 tx-frames 1" \
		"ethtool -C $DEV adaptive-rx on adaptive-tx on"
}

# ring_sizes: largest of receive and transmit, then what they are.
ring_sizes()
{
	ethtool -g "$DEV" | awk '/^[RT]X:/ { print $2 }' | tr '\n' ' '
}

rings()
{
	local largest

	read -r -a largest < <(ring_sizes)
	changes rings \
		"ethtool -G $DEV rx 64" "ethtool -G $DEV tx 32" "ethtool -G $DEV rx 256 tx 256"
	tap_is "$(ring_sizes)" "${largest[0]} ${largest[1]} 256 256 " \
		"net$N: ethtool -g shows the largest and the set ring sizes"
}

down_and_up()
{
	changes "down and up" "ip link set $DEV down; ip link set $DEV up"
}

features()
{
	changes features \
		"ethtool -K $DEV tso off" "ethtool -K $DEV rx-gro-hw off" "ethtool -K $DEV tx off" \
		"ethtool -K $DEV tx on sg on tso on rx-gro-hw on"
}

mtu()
{
	changes MTU "ip link set $DEV mtu 600" "ip link set $DEV mtu 9000" "ip link set $DEV mtu 1500"
}

# What differs between the kinds of rings is which side is told of what. A kernel full
# of debugging is for what is freed and locked on the way.
while read -r N parts <&3; do
	net_need "$N"
	tap_check "net$N: the host answers" net_answers || tap_done
	for part in $parts; do
		! is_slow || [[ $part =~ rings|down_and_up ]] || continue
		start=$SECONDS
		"$part"
		tap_diag "net$N: $part took $((SECONDS - start)) s"
	done
done 3<< 'END'
1 coalesce rings down_and_up features mtu
2 rings coalesce
3 coalesce down_and_up
END

# Those with several queues.
for N in 1 8; do
	net_need $N
	if [ "$(nproc)" -lt 2 ]; then
		tap_skip "net$N: channels" "one CPU, so one queue"
		continue
	fi
	tap_check "net$N: the host answers" net_answers || tap_done
	changes channels "ethtool -L $DEV combined 1" "ethtool -L $DEV combined 2"
	tap_is "$(ethtool -l "$DEV" | awk '/^Combined/ { print $2 }' | tr '\n' ' ')" "2 2 " \
		"net$N: ethtool -l shows two channels"
	tap_fails "net$N: ethtool -L combined 3 is refused with two queues" ethtool -L "$DEV" combined 3
	tap_fails "net$N: ethtool -L rx 1 is refused" ethtool -L "$DEV" rx 1
done

# The host takes the link down and up.
N=1
net_need 1
if [ -n "${PVG_QMP:-}" ]; then
	net_load sink source
	for _ in 1 2; do
		net_qmp set_link '"name": "net1", "up": false'
		tap_check "link taken down by the host: the interface loses its carrier" \
			wait_for 30 grep -qx 0 "/sys/class/net/$DEV/carrier"
		tap_is "$(ethtool "$DEV" | awk '/Link detected/ { print $3 }')" no \
			"link taken down by the host: ethtool shows no link"
		net_qmp set_link '"name": "net1", "up": true'
		tap_check "link taken up by the host: the interface has a carrier" \
			wait_for 30 grep -qx 1 "/sys/class/net/$DEV/carrier"
	done
	net_load_ends "link down and up"
else
	tap_skip "link down and up" "no host takes the link down: start the VM with selftests/vm"
fi

tap_fails "ethtool -G rx 4096 is refused" ethtool -G "$DEV" rx 4096
output=$(ethtool -G "$DEV" tx 8 2>&1)
tap_check "ethtool -G tx 8 is refused and the message says the least that is needed" \
	grep -q "at least" <<< "$output"
tap_done

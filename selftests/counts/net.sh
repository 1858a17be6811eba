#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the network driver costs, by ../counts.table: interrupts, doorbells and timers
# for each packet, and throughput and latency in ratio to policy off. A packet is what
# the driver and the device exchange: one of 64 KiB is one.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh
# shellcheck source=../lib/doorbells.sh
. ../lib/doorbells.sh
# shellcheck source=gate.sh
. ./gate.sh

ROUNDS=${PVG_COUNTS_ROUNDS:-5}
ROUND_SECONDS=0.25

# The loads: what `load` calls it, connections, pause after each request in microseconds.
declare -A LOADS=(
	[tcp-out]="out 1 0"
	[tcp-in]="in 1 0"
	[rr]="rr 1 0"
	[rr8]="rr 8 0"
	[rr8-think]="rr 8 3000"
)
declare -A NUMBER_OF=([adaptive]=1 [off]=2 [in-tree]=3)
declare -A DEV_OF=() DEVICE_OF=()

answers()
{
	./load rr "10.9.$1.1" 0.01 1 0
}

# take N DRIVER: the driver gets the device, which gets its address, and the host answers.
take()
{
	if [ "$(virtio_driver "$VIRTIO")" != "$2" ]; then
		virtio_unbind "$VIRTIO"
		virtio_bind "$2" "$VIRTIO"
	fi
	wait_for 5 net_find "$1" && net_up "$1"
	tap_is "$(virtio_driver "$VIRTIO")" "$2" "net$1: driven by $2"
	tap_check "net$1: the host answers" wait_for 20 answers "$1" || tap_done
	DEV_OF[$1]=$DEV DEVICE_OF[$1]=$VIRTIO
}

share_devices()
{
	local n dev

	tap_check "the in-tree driver is there" modprobe virtio_net || tap_done
	for n in 1 2 3; do
		dev=$(net_find $n) || tap_absent "no device with address ...:67:0$n"
		VIRTIO=$(net_virtio "$dev")
		if [ $n = 3 ]; then
			tap_at_exit eval "virtio_unbind $VIRTIO; virtio_bind $NET_DRIVER $VIRTIO"
			take 3 virtio_net
		else
			take $n "$NET_DRIVER"
		fi
	done
	tap_check "net2: policy off" gate_policy "${DEVICE_OF[2]}" off
}

# packets NAME: sets it to the packets of $DEV so far, both ways, once what was under
# way has arrived.
packets()
{
	local rx tx

	sleep 0.1
	read -r rx < "/sys/class/net/$DEV/statistics/rx_packets"
	read -r tx < "/sys/class/net/$DEV/statistics/tx_packets"
	printf -v "$1" %s $((rx + tx))
}

# measure LOAD DRIVER ROUND
measure()
{
	local verb threads think n=${NUMBER_OF[$2]}

	DEV=${DEV_OF[$n]}
	VIRTIO=${DEVICE_OF[$n]}
	read -r verb threads think <<< "${LOADS[$1]}"
	gate_round "$1" net "$2" "$3" packets ./load "$verb" "10.9.$n.1" "$ROUND_SECONDS" \
		"$threads" "$think"
}

share_devices
for load in $(gate_loads net); do
	if [ -z "${LOADS[$load]:-}" ]; then
		tap_not_ok "counts.table: $load is a load of net.sh"
		continue
	fi
	for ((round = 1; round <= ROUNDS; round++)); do
		for driver in $(gate_drivers "$load" net "$round"); do
			measure "$load" "$driver" "$round"
		done
	done
done
tap_check "a probe on vp_notify" doorbells_start || tap_done
tap_at_exit doorbells_stop
for load in $(gate_loads net); do
	mapfile -t drivers < <(gate_drivers "$load" net 1)
	[ ${#drivers[@]} -eq 3 ] || continue
	measure "$load" in-tree probe
	measure "$load" adaptive probe
done
gate_judge net
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which CPU takes the interrupts of a queue and sends through it, as CPUs and queues come
# and go; that the control queue takes no interrupt vector from the other queues; and that
# a device is told the address that was chosen for it.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

CPU1=/sys/devices/system/cpu/cpu1/online

# xps QUEUE: the CPUs that send through it, as a number.
xps()
{
	local mask

	read -r mask < "/sys/class/net/$DEV/queues/tx-$1/xps_cpus"
	echo $((0x${mask//,/}))
}

# irq_cpus NAME: the CPUs that may take the interrupt.
irq_cpus()
{
	local irq

	irq=$(awk -F: -v name="$VIRTIO-$1" 'index($0, name) { print $1 + 0; exit }' /proc/interrupts)
	cat "/proc/irq/${irq:-none}/smp_affinity_list"
}

spread()
{
	echo "$(xps 0) $(xps 1), $(irq_cpus input.0) $(irq_cpus output.0)" \
		"$(irq_cpus input.1) $(irq_cpus output.1)"
}

is_spread()
{
	[ "$(spread)" = "$1" ]
}

two_queues()
{
	local apart="1 2, 0 0 1 1"

	N=1
	net_need $N
	ethtool -L "$DEV" combined 2
	tap_is "$(spread)" "$apart" "net$N: each of 2 CPUs has a queue: XPS masks and CPUs of interrupts"
	ethtool -L "$DEV" combined 1
	tap_is "$(xps 0), $(irq_cpus input.0)" "3, 0-1" "net$N: one queue is of both CPUs"
	ethtool -L "$DEV" combined 2
	tap_is "$(spread)" "$apart" "net$N: each of 2 CPUs has a queue again"

	tap_check "net$N: CPU 1 goes" sh -c "echo 0 > $CPU1" || return
	tap_check "net$N: the other CPU has both queues" wait_for 10 is_spread "1 1, 0 0 0 0"
	tap_check "net$N: the host answers with one CPU" net_answers
	echo 1 > "$CPU1"
	wait_for 10 is_spread "$apart"
	tap_is "$(spread)" "$apart" "net$N: each of 2 CPUs has a queue when CPU 1 is back"
	tap_check "net$N: a stream each way is intact" net_intact "$(scaled 1000000)"

	virtio_unbind "$VIRTIO"
	echo 0 > "$CPU1"
	virtio_bind "$NET_DRIVER" "$VIRTIO"
	wait_for 20 net_find $N
	net_up $N
	echo 1 > "$CPU1"
	ethtool -L "$DEV" combined 2
	wait_for 10 is_spread "$apart"
	tap_is "$(spread)" "$apart" "net$N: each of 2 CPUs has a queue when CPU 1 comes after the driver"
}

# has_address ADDRESS: an interface of a virtio device has it.
has_address()
{
	grep -qx "$1" /sys/class/net/*/address
}

# A device without an address is told which one the driver has chosen.
random_address()
{
	local what="a device without an address" mac

	net_fakehost
	tap_check "$what: the module is loaded" modprobe pvg_fakehost no_mac=1
	tap_check "$what: it is told an address" wait_for 10 is_told_address
	mac=$(net_fake_is mac)
	tap_check "$what: it is told the address of the interface" has_address "$mac"
}

is_told_address()
{
	[ "$(net_fake_is mac)" != 00:00:00:00:00:00 ]
}

# interrupts: the names of those that the device has, in order.
interrupts()
{
	awk -v name="$VIRTIO-" 'index($NF, name) == 1 { print substr($NF, length(name) + 1) }' \
		/proc/interrupts | sort | xargs
}

# Vectors for the configuration and both queues of a pair, and none for the control queue.
three_vectors()
{
	local what="a device with 3 vectors"

	[ -n "${PVG_QMP:-}" ] || { tap_diag "nobody can plug a device"; return; }
	N=10
	net_qmp device_add '"driver": "virtio-net-pci", "netdev": "tap10", "id": "hot-dev", "bus": "hot-port", "mac": "52:54:00:70:67:0a", "vectors": 3'
	tap_check "$what: the interface of the plugged device appears" wait_for 20 net_find $N || return
	net_up $N
	tap_is "$(interrupts)" "config input.0 output.0" "$what: each queue of a pair has a vector of its own"
	tap_check "$what: the host answers" net_answers
	tap_check "$what: the device takes a command" ip link set "$DEV" promisc on
	tap_check "$what: a stream each way is intact" net_intact "$(scaled 1000000)"
	net_qmp device_del '"id": "hot-dev"'
	wait_for 30 net_lacks $N
}

[ -w "$CPU1" ] || tap_absent "CPU 1 cannot be taken away"
tap_at_exit sh -c "echo 1 > $CPU1"
two_queues
three_vectors
random_address

tap_done

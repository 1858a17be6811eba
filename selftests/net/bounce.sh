#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest whose DMA goes through bounce buffers, as that of a confidential guest does:
# what is posted for reception takes a part of them only, and a queue that could not be
# given any gets buffers as soon as others have given theirs back.
# The VM is to be booted with swiotlb=4096,force (8 MiB, in slots of 2 KiB).

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

TLB=$DEBUGFS/swiotlb
# Reception: 2048 slots, and one buffer more. Transmission and the control queue: a few.
MOST=2150

net_host
slots=$(cat "$TLB/io_tlb_nslabs" 2> /dev/null)
[ "${slots:-0}" = 4096 ] || tap_absent "the machine has ${slots:-no} bounce buffers, not 4096"

used()
{
	cat "$TLB/io_tlb_used"
}

uses_more_than()
{
	[ "$(used)" -gt "$1" ]
}

uses_at_most()
{
	[ "$(used)" -le "$1" ]
}

# plug [PROPERTIES]: net10 appears, with DMA through bounce buffers.
plug()
{
	local try

	# QEMU refuses the name until it has seen the guest let go of the old one.
	for try in 1 2 3 4 5; do
		net_qmp device_add "\"driver\": \"virtio-net-pci\", \"netdev\": \"tap10\", \"id\": \"hot-dev\", \"bus\": \"hot-port\", \"mac\": \"52:54:00:70:67:0a\", \"iommu_platform\": true, \"disable-legacy\": \"on\", \"rx_queue_size\": 1024${1:-}"
		! wait_for $((try * 2)) net_find 10 || break
	done
	tap_check "$what: the interface of the plugged device appears" net_find 10
}

unplug()
{
	net_qmp device_del '"id": "hot-dev"'
	tap_check "$what: the interface of the unplugged device goes" wait_for 30 net_lacks 10
	tap_check "$what: the bounce buffers of the unplugged device are free" wait_for 10 uses_at_most 8
}

# bounded: a stream from the host makes buffers grow; the ring has 1024 descriptors.
bounded()
{
	net_up $N
	tap_check "$what: the host answers" net_answers || return
	for _ in 1 2; do
		timeout 30 "$PEER" source "$HOST" "$(scaled 15000000)" > /dev/null
	done
	sleep 0.5
	tap_num "$(used) <= $MOST" \
		"$what: at most $MOST of 4096 bounce buffers are in use after bulk transfers"
	tap_check "$what: the host answers after bulk transfers" net_answers
	tap_check "$what: a stream each way is intact" net_intact "$(scaled 2000000)"
}

slow_name()
{
	DISK=$(grep -lx slow /sys/block/*/serial 2> /dev/null | sed 's|/sys/block/\(.*\)/serial|/dev/\1|')
	[ -n "$DISK" ]
}

# slow_disk: one that takes two seconds for each request, with DMA as that of net10.
slow_disk()
{
	net_qmp blockdev-add '"driver": "null-co", "node-name": "slow", "size": 1073741824, "latency-ns": 2000000000'
	net_qmp device_add '"driver": "virtio-blk-pci", "drive": "slow", "id": "slow-disk", "bus": "standby-port", "serial": "slow", "iommu_platform": true, "disable-legacy": "on"'
	tap_check "$what: the slow disk appears" wait_for 20 slow_name && slow_name
}

# none_left: reception begins while the disk has all bounce buffers, and no packet comes
# that would make the driver look again when the disk has given them back.
none_left()
{
	local disk

	slow_disk || return
	# One request comes back once the kernel has looked for partitions.
	dd if="$DISK" of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null
	fio --name=slow --filename="$DISK" --rw=randread --ioengine=libaio --iodepth=400 --direct=1 \
		--bssplit=64k/60:512/40 --time_based --runtime=5 > /dev/null 2>&1 &
	disk=$!
	tap_check "$what: the disk takes the bounce buffers" wait_for 10 uses_more_than 4000
	net_up $N
	wait $disk
	tap_check "$what: the host answers after the disk has given them back" net_answers
	tap_check "$what: a stream each way is intact" net_intact "$(scaled 2000000)"
	ip link set "$DEV" down
}

N=10
what="merged buffers"
plug && bounded
unplug
what="buffers of 64 KiB"
plug ', "mrg_rxbuf": false' && bounded
unplug
what="no bounce buffer left"
plug && none_left
unplug

tap_done

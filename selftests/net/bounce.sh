#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A guest whose DMA goes through few bounce buffers, as that of a confidential guest does
# through more: what is posted for reception takes a share of them only, whatever comes,
# and a queue that was given none gets buffers as soon as others have given theirs back.
# The VM is to be booted with swiotlb=1024,force (2 MiB).

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

TLB=$DEBUGFS/swiotlb

net_host
slots=$(cat "$TLB/io_tlb_nslabs" 2> /dev/null)
[ "${slots:-0}" = 1024 ] || tap_absent "${slots:-no} bounce buffers, not 1024"

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

# plug [PROPERTIES]: net10 appears, its DMA mapped.
plug()
{
	net_qmp device_add "\"driver\": \"virtio-net-pci\", \"netdev\": \"tap10\", \"id\": \"hot-dev\", \"bus\": \"hot-port\", \"mac\": \"52:54:00:70:67:0a\", \"iommu_platform\": true, \"disable-legacy\": \"on\"${1:-}"
	tap_check "$what: the interface of the plugged device appears" wait_for 20 net_find 10
}

unplug()
{
	net_qmp device_del '"id": "hot-dev"'
	tap_check "$what: the interface of the unplugged device goes" wait_for 30 net_lacks 10
	tap_check "$what: the bounce buffers are given back" wait_for 10 uses_at_most 8
}

# A share of an eighth is 128 slots of 2 KiB; a buffer may begin in the middle of a page
# and take a slot more.
bounded()
{
	net_up $N
	tap_check "$what: the host answers" net_answers || return
	for _ in 1 2 3; do
		timeout 30 "$PEER" source "$HOST" "$(scaled 20000000)" > /dev/null
	done
	sleep 0.5
	tap_num "$(used) <= 300" "$what: at most 300 of 1024 bounce buffers are in use after bulk transfers"
	tap_check "$what: the host answers after bulk transfers" net_answers
	tap_check "$what: a stream each way is intact" net_intact "$(scaled 2000000)"
}

slow_name()
{
	DISK=$(grep -lx slow /sys/block/*/serial | sed 's|/sys/block/\(.*\)/serial|/dev/\1|')
	[ -n "$DISK" ]
}

# A disk that takes two seconds for each request, with DMA as that of net10.
slow_disk()
{
	net_qmp blockdev-add '"driver": "null-co", "node-name": "slow", "size": 1073741824, "latency-ns": 2000000000'
	net_qmp device_add '"driver": "virtio-blk-pci", "drive": "slow", "id": "slow-disk", "bus": "standby-port", "serial": "slow", "iommu_platform": true, "disable-legacy": "on"'
	wait_for 20 slow_name && slow_name
}

# Reception begins while there is no bounce buffer, and none comes back for it.
none_left()
{
	local disk

	tap_check "$what: the slow disk appears" slow_disk && slow_name || return
	# Once, when the kernel has looked for partitions.
	dd if="$DISK" of=/dev/null bs=4k count=1 iflag=direct 2> /dev/null
	fio --name=slow --filename="$DISK" --rw=randread --ioengine=libaio --iodepth=200 --direct=1 \
		--bssplit=32k/50:512/50 --time_based --runtime=6 > /dev/null 2>&1 &
	disk=$!
	tap_check "$what: the disk takes the bounce buffers" wait_for 10 uses_more_than 1000
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
what="large buffers"
plug ', "mrg_rxbuf": "off"' && bounded
unplug
what="no bounce buffer left"
plug && none_left
unplug

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Sizes, limits, names and modes are those QEMU was told in `devices`.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

# attr SERIAL FILE WANTED: a file below /sys/block/DISK.
attr()
{
	tap_is "$(cat "/sys/block/$DISK/$2")" "$3" "$1: $2 is $3"
}

# affinities: the CPUs that the request queues' interrupts go to.
affinities()
{
	local irq

	awk -F: -v name="$VIRTIO-req" 'index($0, name) { print $1 + 0 }' /proc/interrupts |
		while read -r irq; do
			cat "/proc/irq/$irq/effective_affinity_list"
		done
}

# ---- the disk with 4 KiB blocks and a topology ------------------------------

blk_need pvg4k
attr pvg4k size $((96 * 2048))
attr pvg4k ro 0
attr pvg4k queue/logical_block_size 4096
attr pvg4k queue/physical_block_size 4096
attr pvg4k queue/minimum_io_size 32768
attr pvg4k queue/optimal_io_size 131072
attr pvg4k queue/discard_granularity 65536
attr pvg4k alignment_offset 0
attr pvg4k cache_type "write through"
attr pvg4k queue/write_cache "write through"
# QEMU offers two segments fewer than the ring has entries.
attr pvg4k queue/max_segments 126
tap_num "$(cat "/sys/block/$DISK/queue/discard_max_bytes") > 0" "pvg4k: discard is offered"
tap_num "$(cat "/sys/block/$DISK/queue/write_zeroes_max_bytes") > 0" \
	"pvg4k: write zeroes is offered"
tap_is "$(blockdev --getss --getpbsz --getiomin --getioopt "$DEV" | xargs)" \
	"4096 4096 32768 131072" "pvg4k: blockdev shows blocks of 4096 and I/O of 32768 to 131072 bytes"
tap_is "$(lsblk -ndo LOG-SEC,PHY-SEC,MIN-IO,OPT-IO,RO "$DEV" | xargs)" \
	"4096 4096 32768 131072 0" "pvg4k: lsblk shows blocks of 4096, I/O of 32768 to 131072 bytes, writable"
tap_fails "pvg4k: a read of 512 bytes is refused" \
	dd if="$DEV" of=/dev/null bs=512 count=1 iflag=direct
tap_check "pvg4k: a pattern that is written is read back" blk_rw "$DEV"

# ---- the disk with QEMU's defaults ------------------------------------------

blk_need pvgsplit
attr pvgsplit queue/logical_block_size 512
attr pvgsplit queue/physical_block_size 512
attr pvgsplit queue/max_segments 254
attr pvgsplit cache_type "write back"
attr pvgsplit queue/write_cache "write back"
attr pvgsplit ro 0
attr pvgsplit serial pvgsplit
tap_check "pvgsplit: a single sector can be read" \
	dd if="$DEV" of=/dev/null bs=512 count=1 iflag=direct

# The cache mode can be chosen where the device can change it.
tap_check "pvgsplit: cache_type takes write through" sh -c "echo write through > /sys/block/$DISK/cache_type"
attr "pvgsplit after cache_type was set" queue/write_cache "write through"
tap_check "pvgsplit: cache_type takes write back" sh -c "echo write back > /sys/block/$DISK/cache_type"
attr "pvgsplit after cache_type was set back" queue/write_cache "write back"
tap_fails "pvgsplit: cache_type refuses an unknown word" sh -c "echo write sideways > /sys/block/$DISK/cache_type"

# The device offers two queues; a queue is of use where there is a CPU for it.
queues=$(nproc)
[ "$queues" -le 2 ] || queues=2
tap_is "$(find "/sys/block/$DISK/mq" -mindepth 1 -maxdepth 1 -type d | wc -l)" "$queues" \
	"pvgsplit: $queues queues for $(nproc) CPUs"
tap_is "$(grep -c "$VIRTIO-req" /proc/interrupts)" "$queues" "pvgsplit: each of $queues queues has an interrupt"
tap_is "$(affinities | sort -u | wc -l)" "$queues" "pvgsplit: the interrupt of each of $queues queues is on a CPU of its own"
for ((cpu = 0; cpu < queues; cpu++)); do
	before=$(awk -v cpu=$cpu -v name="$VIRTIO-req" \
		'index($0, name) { sum += $(cpu + 2) } END { print sum + 0 }' /proc/interrupts)
	taskset -c $cpu dd if="$DEV" of=/dev/null bs=4096 count=50 iflag=direct 2> /dev/null
	after=$(awk -v cpu=$cpu -v name="$VIRTIO-req" \
		'index($0, name) { sum += $(cpu + 2) } END { print sum + 0 }' /proc/interrupts)
	tap_num "$after - $before >= 45" "pvgsplit: CPU $cpu gets the interrupts of its own reads" \
		"$((after - before)) of 50"
done

# ---- the read-only disk -----------------------------------------------------

blk_need pvgro
attr pvgro ro 1
attr pvgro size $((16 * 2048))
attr pvgro queue/logical_block_size 512
attr pvgro queue/physical_block_size 4096
attr pvgro queue/discard_max_bytes 0
attr pvgro queue/write_zeroes_max_bytes 0
tap_is "$(blockdev --getro "$DEV")" 1 "pvgro: blockdev says read-only"
tap_check "pvgro: 1 MiB can be read" dd if="$DEV" of=/dev/null bs=64k count=16 iflag=direct
tap_fails "pvgro: a write is refused" dd if=/dev/zero of="$DEV" bs=4096 count=1 oflag=direct

# ---- discard and write zeroes do what they say ------------------------------

blk_need pvgsplit
dd if=/dev/urandom of="$DEV" bs=1M count=4 oflag=direct 2> /dev/null
tap_check "pvgsplit: blkdiscard -z exits with 0" blkdiscard -z -o 1048576 -l 1048576 "$DEV"
tap_check "pvgsplit: zeroes are read in the range of blkdiscard -z" \
	cmp -n 1048576 -i 1048576:0 "$DEV" /dev/zero
tap_fails "pvgsplit: the bytes behind the range of blkdiscard -z keep their content" cmp -n 4096 -i 2097152:0 "$DEV" /dev/zero
tap_check "pvgsplit: blkdiscard exits with 0" blkdiscard -o 2097152 -l 1048576 "$DEV"

# ---- names ------------------------------------------------------------------

for dir in /sys/block/vd*; do
	name=${dir##*/}
	if [[ $name =~ ^vd[a-z]+$ ]] && [ -b "/dev/$name" ]; then
		tap_ok "$name: the disk has a name vdX and a node of that name"
	else
		tap_not_ok "$name: the disk has a name vdX and a node of that name" \
			"$(ls -l "/dev/$name" 2>&1)"
	fi
done
expected=$(find "$VIRTIO_BUS/drivers/$BLK_DRIVER/" -name 'virtio[0-9]*' | wc -l)
tap_is "$(find /sys/block -name 'vd*' | wc -l)" "$expected" "there are as many disks as devices bound to $BLK_DRIVER"
major=$(stat -c %t "$DEV")
tap_is "$(find /dev -name 'vd*' -type b -exec stat -c %t {} + | sort -u)" "$major" \
	"all disks share one major number"

tap_done

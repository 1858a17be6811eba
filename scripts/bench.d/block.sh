# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/bench block: fio on the in-tree driver and ours.

# shellcheck disable=SC2034 # for scripts/bench
suite_init()
{
	IN_TREE=virtio_blk OURS=pvg_blk
	FIGURES="iops mean_us p99_us irqs doorbells own_doorbells timers exits cpu_us"
	DEVICES="zero lat"
	LOADS="QD1 QD4 QD32 QD32-batch16 2xQD64 seq128k-QD8"
}

suite_qemu_args()
{
	local device

	for device in zero lat; do
		printf '%s ' "-object iothread,id=io-$device" \
			"-blockdev driver=null-co,node-name=$device,size=8589934592,read-zeroes=on$(
				[ $device != lat ] || echo ,latency-ns=2000000)" \
			"-device virtio-blk-pci,drive=$device,iothread=io-$device,serial=bench$device"
	done
}

suite_measure()
{
	in_vm "$(suite_qemu_args)" 24 scripts/bench.d/block-guest.sh
}

suite_table()
{
	jq -r '
		def row($name; $figures): [.device, .load, $name] +
			[$figures | .iops, .mean_us, .p99_us, .irqs, .doorbells,
				.own_doorbells, .timers, .exits, .cpu_us | . // "-"];
		.[] | row("in_tree"; .in_tree), row("ours"; .ours), row("ratio"; .ratio) |
		map(tostring) | join(" ")' "$1" |
		awk -f "$PARTS/block-table.awk" "$PARTS/block-targets" -
}

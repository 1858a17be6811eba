# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# scripts/bench net: iperf3 and others between the VM and this machine.

# shellcheck source=../../selftests/lib/hostnet.sh
. "$PARTS/../../selftests/lib/hostnet.sh"

# shellcheck disable=SC2034 # for scripts/bench
suite_init()
{
	IN_TREE=virtio_net OURS=pvg_net
	FIGURES="rate mean_us p99_us irqs rx_irqs tx_irqs doorbells own_doorbells
		timers exits cpu_ns_byte cpu_us bytes_packet"
	DEVICES=net
	LOADS="tcp-tx-1 tcp-tx-4 tcp-rx-1 tcp-rx-4 udp-tx udp-rx rr xdp-drop"
}

suite_measure()
{
	local programs=$PARTS/../../selftests/net status

	make -s -C "$programs" -f programs.mk >&2 || return
	hostnet_open || return
	# shellcheck disable=SC2034 # for scripts/bench
	at_exit=hostnet_close
	hostnet_tap tap0 1 10.9.0.1/24 || return
	hostnet_spawn iperf3 -s
	hostnet_spawn "$programs/peer" serve
	lab_args+=(--netns "$HOSTNET")
	in_vm "$(hostnet_netdev tap0 1) -device virtio-net-pci,netdev=tap0,mac=52:54:00:70:67:00" \
		16 scripts/bench.d/net-guest.sh
	status=$?
	hostnet_close
	return $status
}

suite_table()
{
	jq -r '
		def row($name; $figures): [.unit, .load, $name] +
			[$figures | .rate, .mean_us, .p99_us, .irqs, .rx_irqs, .doorbells,
				.own_doorbells, .timers, .exits, .cpu_ns_byte, .cpu_us | . // "-"];
		.[] | row("in_tree"; .in_tree), row("ours"; .ours), row("ratio"; .ratio) |
		map(tostring) | join(" ")' "$1" |
		awk -f "$PARTS/net-table.awk" "$PARTS/net-targets" -
}

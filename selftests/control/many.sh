#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# All the ports a controller can have at once: 30 and a console. Each appears with
# its name and its connection, although QEMU drops control messages for which
# it finds no buffer; and all can be used at the same time.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to plug ports"

# The ports of vsmany are connected in pairs: pvg.m1 with pvg.m2, and so on.
qmp_add()
{
	local i x data

	for ((i = 1; i <= 30; i++)); do
		x=$(((i + 1) / 2))
		data="'addr': {'type': 'unix', 'data': {'path': '$PVG_DIR/many$x'}}"
		if ((i % 2)); then
			data="'server': true, 'wait': false, $data"
		else
			data="'server': false, $data"
		fi
		ctl_qmp "{'execute': 'chardev-add', 'arguments': {'id': 'm$i', 'backend': {'type': 'socket', 'data': {$data}}}}"
		ctl_qmp "{'execute': 'device_add', 'arguments': {'driver': 'virtserialport', 'bus': 'vsmany.0', 'nr': $i, 'chardev': 'm$i', 'name': 'pvg.m$i'}}"
	done
}

# all_there: prints how many of the ports have a name and a host.
all_there()
{
	local deadline=$((SECONDS + 60)) n

	while :; do
		n=$(grep -c 'host=connected .*name=pvg.m[0-9]' "$DEBUGFS/pvguest/$VIRTIO/ports")
		if [ "$n" -eq 30 ] || [ "$SECONDS" -ge "$deadline" ]; then
			break
		fi
		sleep 0.2
	done
	echo "$n"
}

# exchange: each pair at once; prints how many lines arrived.
exchange()
{
	local i n=0 fds=() fd

	for ((i = 1; i <= 30; i++)); do
		exec {fd}<> "/dev/$(ctl_find pvg.m$i)"
		fds[i]=$fd
	done
	for ((i = 1; i <= 30; i++)); do
		echo "from $i" >&"${fds[i]}"
	done
	for ((i = 1; i <= 30; i++)); do
		read -r -t 60 line <&"${fds[i]}"
		[ "$line" != "from $((i % 2 ? i + 1 : i - 1))" ] || n=$((n + 1))
	done
	for ((i = 1; i <= 30; i++)); do
		fd=${fds[i]}
		exec {fd}>&-
	done
	echo "$n"
}

ctl_begin
qmp_add
# Half a minute on a busy machine; without it, there is nothing to be tested.
tap_check "the last of 30 plugged-in ports appears" ctl_wait pvg.m30 240
ctl_need pvg.m30
tap_is "$(all_there)" 30 "each of the 30 ports plugged in has its name and its host"
for round in 1 2 3; do
	virtio_unbind "$VIRTIO"
	virtio_bind "$CTL_DRIVER" "$VIRTIO"
	tap_is "$(all_there)" 30 \
		"round $round: each of the 30 ports has its name and its host after the driver is bound"
done
tap_is "$(exchange)" 30 "a line passes through each of the 30 ports, all open at once"
tap_is "$(grep -c held_by=console "$DEBUGFS/pvguest/$VIRTIO/ports")" 1 \
	"the controller with 30 ports has its console"

tap_done

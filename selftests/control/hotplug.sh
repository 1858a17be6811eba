#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Ports and whole controllers come and go while they are in use. A process that waits on
# one is woken and told, and the next one of that name works.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to plug ports"
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# add_port BUS NR CHARDEV NAME
add_port()
{
	ctl_qmp "{'execute': 'device_add', 'arguments': {'driver': 'virtserialport', 'bus': '$1', 'nr': $2, 'chardev': '$3', 'name': '$4', 'id': '$3-port'}}"
}

del_device()
{
	ctl_qmp "{'execute': 'device_del', 'arguments': {'id': '$1'}}"
}

# add_pair ID: chardevs IDx and IDy, connected with each other.
add_pair()
{
	ctl_qmp "{'execute': 'chardev-add', 'arguments': {'id': '$1x', 'backend': {'type': 'socket', 'data': {'server': true, 'wait': false, 'addr': {'type': 'unix', 'data': {'path': '$PVG_DIR/$1'}}}}}}"
	ctl_qmp "{'execute': 'chardev-add', 'arguments': {'id': '$1y', 'backend': {'type': 'socket', 'data': {'server': false, 'addr': {'type': 'unix', 'data': {'path': '$PVG_DIR/$1'}}}}}}"
}

# talks NAME NAME: a line goes from one port to the other.
talks()
{
	local from to

	from=$(ctl_wait_host "$1") && to=$(ctl_wait_host "$2") || return 1
	exec 5<> "/dev/$to"
	echo "hello $SECONDS" > "/dev/$from"
	timeout 60 head -n 1 <&5 | grep -q hello
	local status=$?
	exec 5>&-
	return "$status"
}

# ended PID [SECONDS]: a child of ours ends.
ended()
{
	! wait_for "${2:-60}" is_over "$1" || return 0
	cat "/proc/$1/stack"
	return 1
}

# ---- ports ------------------------------------------------------------------

ctl_begin
ctl_need pvg.a
BUS=vs.0
for round in 1 2 3; do
	# QEMU lets go of a port's chardev a while after the guest has heard that it is gone.
	add_pair hot$round
	add_port $BUS 20 hot${round}x pvg.hotx
	add_port $BUS 21 hot${round}y pvg.hoty
	if ! tap_check "round $round: a line passes between two ports that were plugged in" talks pvg.hotx pvg.hoty; then
		break
	fi
	port=/dev/$(ctl_find pvg.hotx)
	cat "$port" > "$TMP/out" 2> "$TMP/err" &
	reader=$!
	sleep 0.5
	del_device hot${round}x-port
	tap_check "round $round: a port that is being read disappears when it is unplugged" ctl_wait_gone pvg.hotx
	tap_check "round $round: the reader of the unplugged port ends" ended $reader || break
	wait $reader
	tap_num "$? != 0" "round $round: the reader of the unplugged port has an error" "$(cat "$TMP/err")"
	del_device hot${round}y-port
	tap_check "round $round: the idle port disappears when it is unplugged" ctl_wait_gone pvg.hoty
done

# A writer that waits for a host that does not read.
add_pair hotw
add_port $BUS 20 hotwx pvg.hotx
add_port $BUS 21 hotwy pvg.hoty
port=$(ctl_wait pvg.hotx)
other=$(ctl_wait pvg.hoty)
exec 6<> "/dev/$other"
cat /dev/zero > "/dev/$port" 2> "$TMP/err" &
writer=$!
sleep 2
tap_fails "a writer waits while the host does not read" ended $writer 1
del_device hotwx-port
tap_check "a writer that waits ends when its port is unplugged" ended $writer
wait $writer
tap_num "$? != 0" "a writer whose port is unplugged has an error" "$(cat "$TMP/err")"
exec 6>&-
del_device hotwy-port
ctl_wait_gone pvg.hoty

# ---- a controller -----------------------------------------------------------

add_pair hot
for round in 1 2; do
	for _ in 1 2 3 4 5; do
		# QEMU refuses the name until the guest has let go of the old one.
		ctl_qmp "{'execute': 'device_add', 'arguments': {'driver': 'virtio-serial-pci', 'id': 'hotvs', 'bus': 'hot-port', 'max_ports': 4}}"
		add_port hotvs.0 1 hotx pvg.hotx
		add_port hotvs.0 2 hoty pvg.hoty
		! ctl_wait pvg.hoty 8 > /dev/null || break
	done
	ctl_claim
	tap_check "round $round: a line passes between ports of a controller that was plugged in" talks pvg.hotx pvg.hoty || break
	port=$(ctl_find pvg.hotx)
	other=$(ctl_find pvg.hoty)
	exec 6<> "/dev/$other"
	cat "/dev/$port" > /dev/null 2> "$TMP/err" &
	reader=$!
	cat /dev/zero >&6 2> /dev/null &
	writer=$!
	sleep 1
	kill $reader
	cat "/dev/$port" > /dev/null 2> "$TMP/err" &
	reader=$!
	sleep 0.5
	del_device hotvs
	tap_check "round $round: an unplugged controller disappears with its ports in use" ctl_wait_gone pvg.hotx
	tap_check "round $round: the reader of a port of the unplugged controller ends" ended $reader || break
	tap_check "round $round: the writer to a port of the unplugged controller ends" ended $writer || break
	tap_fails "round $round: a write to an open port of the unplugged controller fails" sh -c 'echo x >&6'
	exec 6>&-
done

tap_done

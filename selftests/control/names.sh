#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the host says is not believed: names that could not be names of files, and
# control messages longer than any should be, are refused with a line in the log,
# and the port works without a name.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to plug ports"

# plug NAME: a port with that name on the first controller, as number 25.
plug()
{
	ctl_qmp "{'execute': 'device_add', 'arguments': {'driver': 'virtserialport', 'bus': 'vs.0', 'nr': 25, 'chardev': 'odd', 'name': '$1', 'id': 'odd-port'}}"
}

# wait_node yes|no
wait_node()
{
	local i there

	for ((i = 0; i < 600; i++)); do
		there=no
		[ ! -c "$NODE" ] || there=yes
		[ "$there" != "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

# odd WHAT NAME LOG
odd()
{
	local mark

	mark=$(kmsg_mark)
	plug "$2"
	tap_check "a port named with $1 appears" wait_node yes
	tap_check "a port named with $1: the log says why the name is ignored" wait_for 30 kmsg_has "$3" "$mark"
	tap_fails "a port named with $1 has no name in sysfs" test -e "/sys/bus/virtio-ports/devices/${NODE#/dev/}/name"
	tap_check "a port named with $1 can be opened" sh -c ": <> $NODE"
	ctl_qmp "{'execute': 'device_del', 'arguments': {'id': 'odd-port'}}"
	tap_check "a port named with $1 disappears when it is unplugged" wait_node no
	sleep 0.5
}

ctl_begin
ctl_need pvg.a
NODE=/dev/vport${VIRTIO#virtio}p25
ctl_qmp "{'execute': 'chardev-add', 'arguments': {'id': 'odd', 'backend': {'type': 'null', 'data': {}}}}"
long=$(printf '%0300d' 0)
odd "a path" '../../etc/passwd' "name of 16 bytes ignored"
odd "a leading dot" '.ssh' "name of 4 bytes ignored"
# shellcheck disable=SC1003 # for JSON
odd "a line break" 'a\nb' "name of 3 bytes ignored"
odd "300 bytes" "$long" "name of 300 bytes ignored"
odd "2000 bytes" "$(printf '%02000d' 0)" "control message of 2009 bytes ignored"

plug "pvg.fine name"
tap_check "a port named with a space appears under its name" ctl_wait "pvg.fine name"
ctl_qmp "{'execute': 'device_del', 'arguments': {'id': 'odd-port'}}"
tap_check "a port named with a space disappears when it is unplugged" wait_node no

tap_done

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# What the control tests share: finding ports by their name, moving a device
# between drivers. Sourced after tap.sh. selftests/control/devices tells which
# ports there are.

# shellcheck source=guest.sh
. "${BASH_SOURCE[0]%/*}/guest.sh"

CTL_DRIVER=${PVG_DRIVER:-pvg_ctl}

# ctl_claim: all console devices are bound to the driver under test. On kernels
# with the in-tree driver built in they begin with that.
ctl_claim()
{
	local device driver

	for device in "$VIRTIO_BUS"/devices/virtio*; do
		[ "$(cat "$device/device")" = 0x0003 ] || continue
		device=${device##*/}
		driver=$(virtio_driver "$device")
		[ "$driver" != "$CTL_DRIVER" ] || continue
		[ "$driver" = none ] || virtio_unbind "$device"
		virtio_bind "$CTL_DRIVER" "$device" || return 1
	done
}

# ctl_find NAME: prints the port's device name (vportNpM), or fails. Ports are on
# a bus with our driver, and in a class of that name with the in-tree one.
ctl_find()
{
	local file name

	for file in /sys/bus/virtio-ports/devices/*/name /sys/class/virtio-ports/*/name; do
		name=
		[ ! -r "$file" ] || read -r name 2> /dev/null < "$file" || true
		if [ "$name" = "$1" ]; then
			file=${file%/name}
			echo "${file##*/}"
			return 0
		fi
	done
	return 1
}

# ctl_wait NAME [SECONDS]: ctl_find, waiting for the port to appear.
ctl_wait()
{
	wait_for "${2:-60}" ctl_find "$1" && ctl_find "$1"
}

ctl_lacks()
{
	! ctl_find "$1" > /dev/null
}

# ctl_wait_gone NAME [SECONDS]
ctl_wait_gone()
{
	wait_for "${2:-60}" ctl_lacks "$1"
}

# ctl_host VPORT: the port's host is there. Until the driver has heard of it, who
# reads finds the end of the file.
ctl_host()
{
	grep -qs "^$1 .*host=connected" "$DEBUGFS/pvguest/$(ctl_virtio "$1")/ports" ||
		grep -qs "^host_connected: 1" "$DEBUGFS/virtio-ports/$1"
}

# ctl_wait_host NAME [SECONDS]: ctl_wait, and for its host.
ctl_wait_host()
{
	local vport

	vport=$(ctl_wait "$@") && wait_for "${2:-60}" ctl_host "$vport" && echo "$vport"
}

# ctl_virtio VPORT: prints the virtio device (virtioN) of a port.
ctl_virtio()
{
	local number=${1#vport}

	echo "virtio${number%%p*}"
}

# ctl_need NAME: sets PORT (/dev/vportNpM) and VIRTIO, and asserts that the
# driver under test is the one that drives it. A port this machine was not given
# skips the whole test, with the way to get it.
ctl_need()
{
	local vport

	vport=$(ctl_wait "$1") ||
		tap_skip_all "no port with the name $1: start the VM with selftests/vm"
	VIRTIO=$(ctl_virtio "$vport")
	# shellcheck disable=SC2034 # for the caller
	PORT=/dev/$vport
	tap_is "$(virtio_driver "$VIRTIO")" "$CTL_DRIVER" "$1: driven by $CTL_DRIVER"
}

# ctl_qmp COMMAND: asks the host; see selftests/vm.
ctl_qmp()
{
	echo "@qmp $1"
}

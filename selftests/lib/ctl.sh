# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the control tests share: finding ports by their name, moving a device
# between drivers. Sourced after tap.sh. selftests/control/devices tells which
# ports there are.

# shellcheck source=guest.sh
. "${BASH_SOURCE[0]%/*}/guest.sh"

CTL_DRIVER=${PVG_DRIVER:-pvg_ctl}

# ctl_devices: prints the console devices (virtioN).
ctl_devices()
{
	local device

	for device in "$VIRTIO_BUS"/devices/virtio*; do
		[ "$(cat "$device/device")" != 0x0003 ] || echo "${device##*/}"
	done
}

# ctl_claim: binds all of them to the driver under test. On kernels with the in-tree
# driver built in they begin with that.
ctl_claim()
{
	local device driver

	for device in $(ctl_devices); do
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

# ctl_host VPORT: the port's host is there. Until the driver has heard of it, a
# reader finds the end of the file.
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
# driver under test is the one that drives it. A port that is absent ends the test: see
# tap_absent.
ctl_need()
{
	local vport

	vport=$(ctl_wait "$1") || tap_absent "there is no port with the name $1"
	VIRTIO=$(ctl_virtio "$vport")
	# shellcheck disable=SC2034 # for the caller
	PORT=/dev/$vport
	tap_is "$(virtio_driver "$VIRTIO")" "$CTL_DRIVER" "$1: driven by $CTL_DRIVER"
}

# ctl_declared: the names of the ports that selftests/control/devices has.
ctl_declared()
{
	sed -n 's/^qemu -device virtserialport,.*[, ]name=\([^, ]*\).*/\1/p' \
		"${BASH_SOURCE[0]%/*}/../control/devices" | sort
}

# ctl_found: those of them that are there now.
ctl_found()
{
	local name

	for name in $(ctl_declared); do
		! ctl_find "$name" > /dev/null || echo "$name"
	done
}

ctl_all_there()
{
	[ "$(ctl_found)" = "$(ctl_declared)" ]
}

# ctl_ring VIRTIO: prints the kind of ring that the driver and the device use: split,
# packed, or noev for a split ring without EVENT_IDX.
ctl_ring()
{
	local bits

	read -r bits < "$VIRTIO_BUS/devices/$1/features"
	case ${bits:34:1}${bits:29:1} in
	1*) echo packed ;;
	01) echo split ;;
	*) echo noev ;;
	esac
}

# ctl_begin: all console devices are bound to the driver under test. Under selftests/vm
# the ports of control/devices are there, on a ring of each kind.
ctl_begin()
{
	local pair name

	need_root
	test_seed
	[ -n "$(ctl_devices)" ] || tap_absent "there is no console device"
	tap_check "every console device is bound to $CTL_DRIVER" ctl_claim
	[ -n "${PVG_QMP:-}" ] || return 0
	wait_for 60 ctl_all_there
	tap_is "$(ctl_found | xargs)" "$(ctl_declared | xargs)" \
		"the ports that are there are those of control/devices"
	for pair in pvg.a:split pvg.pka:packed pvg.noa:noev; do
		name=${pair%:*}
		tap_is "$(ctl_ring "$(ctl_virtio "$(ctl_find "$name")")")" "${pair#*:}" \
			"$name: its controller's ring is of the kind ${pair#*:}"
	done
}

# ctl_has_console VIRTIO
ctl_has_console()
{
	grep -qs held_by=console "$DEBUGFS/pvguest/$1/ports"
}

# ctl_hvc0 VIRTIO: /dev/hvc0 is the console of this device. control/devices has two
# consoles, and the kernel numbers them as they come.
ctl_hvc0()
{
	local device

	for device in $(ctl_devices); do
		virtio_unbind "$device"
	done
	virtio_bind "$CTL_DRIVER" "$1" && wait_for 60 ctl_has_console "$1" &&
		ctl_claim && { [ -z "${PVG_QMP:-}" ] || wait_for 60 ctl_all_there; }
}

# ctl_qmp COMMAND: asks the host; see selftests/vm.
ctl_qmp()
{
	echo "@qmp $1"
}

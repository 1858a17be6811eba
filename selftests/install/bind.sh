# shellcheck shell=bash disable=SC2154 # BUS is of guest.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run in a guest after guest.sh: pvguest bind moves what is not in use.

# disk_device SERIAL: the device with that disk.
disk_device()
{
	grep -l "^$1" "$BUS"/virtio*/block/*/serial | cut -d/ -f6
}

driver_of()
{
	basename "$(readlink "$BUS/$1/driver")"
}

check()
{
	local what=$1

	shift
	if "$@" > /run/bind 2>&1; then
		echo "ok - $what"
	else
		echo "not ok - $what"
		sed 's/^/bind: /' /run/bind /run/refused
	fi
}

refused()
{
	! pvguest bind --in-tree "$1" > /run/refused 2>&1 && grep -q "$2" /run/refused &&
		[ "$(driver_of "$1")" = "$3" ]
}

moved()
{
	pvguest bind "$@" && [ "$(driver_of "${!#}")" = "$DRIVER" ]
}

root=$(disk_device rootdisk)
data=$(disk_device datadisk)
net=$(grep -l 0x0001 "$BUS"/virtio*/device | cut -d/ -f6)
name=$(ls "$BUS/$net/net")

check "the root disk is refused" refused "$root" "mounted on /" pvg_blk
check "a disk that the in-tree driver would name like another is refused" \
	refused "$data" "would name it vda" pvg_blk
echo "$data" > "$BUS/$data/driver/unbind"
check "pvguest doctor names a disk without a driver" \
	eval 'pvguest doctor | grep -q "virtio_blk cannot have it beside pvg_blk"'
# The rule of Documentation/tuning.md.
rule=/etc/udev/rules.d/90-pvguest-policy.rules
echo 'ACTION=="add|bind", SUBSYSTEM=="virtio", DRIVER=="pvg_blk", ATTR{moderation/policy}="off"' > $rule
udevadm control --reload
DRIVER=pvg_blk check "a disk without a driver gets pvg_blk" moved "$data"
udevadm settle
check "a udev rule sets the policy of a disk when it is bound" \
	grep -qF '[off]' "$BUS/$data/moderation/policy"
rm $rule
udevadm control --reload
check "a disk that was without a driver is vdb again" grep -q datadisk /sys/block/vdb/serial
mkswap /dev/vdb > /dev/null && swapon /dev/vdb
check "a disk with active swap space is refused" refused "$data" "swap space" pvg_blk
swapoff /dev/vdb
exec 9< /dev/vdb
check "a disk that is open is refused" refused "$data" "vdb is open in process" pvg_blk
exec 9<&-
check "a network device that is up is refused" refused "$net" "is up" pvg_net
# These would bring it up again at once.
systemctl -q stop systemd-networkd.socket systemd-networkd
ip link set "$name" down
DRIVER=virtio_net check "a network device that is down is moved to virtio_net" moved --in-tree "$net"
DRIVER=pvg_net check "a network device that is down is moved back to pvg_net" moved "$net"
check "a device that does not exist is refused" test "$(pvguest bind virtio99 > /dev/null 2>&1; echo $?)" = 1

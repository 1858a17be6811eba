# shellcheck shell=bash disable=SC2154 # TMP and TREE are of run-host.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Systems of the tests' own making, in a directory, for pvguest doctor to look at. An
# initramfs is a list of the files in it, and so lsinitramfs is cat.

MODULES='pvg_ring pvg_blk pvg_net pvg_balloon pvg_ctl'
IN_TREE='virtio_pci virtio_blk virtio_net virtio_balloon virtio_console'

# command_is NAME [LINE...]: a command of that name, before all others.
command_is()
{
	mkdir -p "$TMP/bin"
	printf '%s\n' '#!/bin/sh' "${@:2}" > "$TMP/bin/$1"
	chmod +x "$TMP/bin/$1"
}

# module FILE SRCVERSION [PVGUEST]: an object file with what modinfo reads.
module()
{
	mkdir -p "${1%/*}"
	printf '%s\n' '.section .modinfo,"a"' ".asciz \"srcversion=$2\"" '.asciz "license=GPL"' \
		"${3:+.asciz \"pvguest=$3\"}" '.section .note.GNU-stack,"",@progbits' | as -o "$1" -
}

# system DIRECTORY KERNEL...: a Debian with these kernels and with pvguest installed. Those
# that were made once are copied.
system()
{
	local made="$TMP/made ${*:2}"

	[ -d "$made" ] || system_made "$made" "${@:2}"
	rm -rf "$1"
	cp -a "$made" "$1"
}

system_made()
{
	local root=$1 kernel

	install -D -m 644 "$TREE/scripts/install/modprobe.conf" "$root/usr/lib/modprobe.d/pvguest.conf"
	mkdir -p "$root/boot" "$root/etc" "$root/usr/bin" "$root/usr/src/pvguest-0.1.0"
	printf '#!/bin/sh\n' > "$root/usr/bin/apt-get"
	chmod +x "$root/usr/bin/apt-get"
	for kernel in "${@:2}"; do
		kernel_in "$root" "$kernel"
		initramfs_in "$root" "$kernel" > "$root/boot/initrd.img-$kernel"
	done
}

# kernel_in ROOT KERNEL: its image, modules and headers, without an initramfs.
kernel_in()
{
	local dir=$1/lib/modules/$2 name

	: > "$1/boot/vmlinuz-$2"
	for name in $IN_TREE; do
		module "$dir/kernel/drivers/virtio/$name.ko" "$name"
	done
	for name in $MODULES; do
		module "$dir/updates/dkms/$name.ko" "$name-1" 1
	done
	: > "$dir/modules.builtin"
	: > "$dir/modules.order"
	mkdir -p "$1/usr/src/linux-headers-$2"
	: > "$1/usr/src/linux-headers-$2/Makefile"
	ln -sfn "/usr/src/linux-headers-$2" "$dir/build"
	indexed "$1" "$2"
}

# indexed ROOT KERNEL: what depmod makes.
indexed()
{
	depmod -b "$1" "$2" 2> /dev/null
}

# initramfs_in ROOT KERNEL: the names in the initramfs that our hook makes.
initramfs_in()
{
	local name

	for name in $IN_TREE; do
		echo "usr/lib/modules/$2/kernel/drivers/virtio/$name.ko"
	done
	for name in $MODULES; do
		echo "usr/lib/modules/$2/updates/dkms/$name.ko"
		echo "usr/lib/pvguest/$name.$(modinfo -F srcversion "$1/lib/modules/$2/updates/dkms/$name.ko")"
	done
	echo usr/lib/modprobe.d/pvguest.conf
}

# running ROOT KERNEL: the system in ROOT runs, with that kernel and no device.
running()
{
	mkdir -p "$1/proc/sys/kernel" "$1/sys/bus/virtio/devices" "$1/sys/bus/virtio/drivers" "$1/sys/module"
	echo "$2" > "$1/proc/sys/kernel/osrelease"
	echo "root=/dev/vda1 quiet" > "$1/proc/cmdline"
	echo "btime 4000000000" > "$1/proc/stat"
}

# device ROOT VIRTIO TYPE DRIVER [ENTRY...]: a device with that driver, which is loaded, and
# with files such as block/vda or vport1p1/name=NAME.
device()
{
	local dir=$1/sys/bus/virtio/devices/$2 driver=$1/sys/bus/virtio/drivers/$4 entry

	mkdir -p "$dir"
	echo "$3" > "$dir/device"
	if [ "$4" != none ]; then
		mkdir -p "$driver" "$1/sys/module/$4"
		echo "$4-1" > "$1/sys/module/$4/srcversion"
		ln -sfn "$driver" "$dir/driver"
		ln -sfn "$dir" "$driver/$2"
	fi
	for entry in "${@:5}"; do
		if [[ $entry == *=* ]]; then
			mkdir -p "$dir/${entry%/*}"
			printf '%s\n' "${entry#*=}" > "$dir/${entry%%=*}"
		else
			mkdir -p "$dir/$entry"
		fi
	done
}

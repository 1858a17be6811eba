# shellcheck shell=bash disable=SC2016,SC2154 # TMP and K are of run-host.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Kernels and configuration of other distributions than Debian, and configuration that
# matches the in-tree drivers.

# config FILE LINE...: a file of the image.
config()
{
	mkdir -p "$TMP/image${1%/*}"
	printf '%s\n' "${@:2}" > "$TMP/image$1"
}

# line FILE:LINE FINDING INSTEAD DESCRIPTION: that line is found.
line()
{
	local got

	got=$(jq -r --arg name "$TMP/image${1%:*}" '.[] | select(.name == $name) |
		"\(.line) \(.finding) \(.instead)"' "$TMP/out" | grep "^${1##*:} ")
	tap_is "$got" "${1##*:} $2 $3" "$4"
}

# none FILE DESCRIPTION: nothing is found in it.
none()
{
	tap_is "$(jq -r --arg name "$TMP/image$1" '.[] | select(.name == $name) | .message' "$TMP/out")" "" "$2"
}

kernels()
{
	changed rm "$TMP/image/boot/initrd.img-$K"
	finds 3 no-initramfs "kernels: a kernel with our modules and without an initramfs is a danger" \
		".name == \"$K\" and .severity == 3"
	: > "$TMP/image/boot/vmlinuz-none"
	mkdir -p "$TMP/image/usr/sbin" && cp "$TMP/image/usr/bin/apt-get" "$TMP/image/usr/sbin/update-initramfs"
	echo kernel/drivers/block/virtio_blk.ko > "$TMP/image/lib/modules/$K/modules.builtin"
	finds 1 no-initramfs "kernels: where virtio_blk is built in, the disk is found without one" \
		".command | endswith(\"update-initramfs -c -k $K\")"

	changed rm "$TMP/image/boot/initrd.img-$K"
	rm "$TMP/image/lib/modules/$K/updates/dkms"/*
	indexed "$TMP/image" "$K"
	finds 1 not-built "kernels: one without an initramfs and without our modules is no danger"

	changed mv "$TMP/image/boot/vmlinuz-$K" "$TMP/image/lib/modules/$K/vmlinuz"
	finds 0 no-boot-image "kernels: one that has its image below /lib/modules is judged" '.severity == 0'
	finds 0 next-boot "kernels: ... with its modules" '(.modules | length) == 5 and .notes == ["newest"]'
	mv "$TMP/image/boot/initrd.img-$K" "$TMP/image/boot/initramfs-$K.img"
	finds 0 initramfs "kernels: the initramfs of Fedora is found"
	mv "$TMP/image/boot/initramfs-$K.img" "$TMP/image/boot/initrd-$K"
	finds 0 initramfs "kernels: the initramfs of SUSE is found"
	mkdir -p "$TMP/image/boot/0123/$K"
	mv "$TMP/image/boot/initrd-$K" "$TMP/image/boot/0123/$K/initrd"
	mv "$TMP/image/lib/modules/$K/vmlinuz" "$TMP/image/boot/0123/$K/linux"
	finds 0 initramfs "kernels: those of the boot loader specification are found"
	rm "$TMP/image/boot/0123/$K/linux"
	finds 1 no-kernel "kernels: modules without a kernel are not judged"
	finds 1 no-kernels "kernels: that no kernel was judged is told" '.name == "/boot"'

	system "$TMP/image" 5.10.0-1 "$K"
	rm "$TMP/image/boot/vmlinuz-$K"
	finds 0 next-boot "kernels: the newest is one that has an image" '.name == "5.10.0-1" and .notes == ["newest"]'
}

# pvguest-initramfs, with this directory in place of the root, and with a dracut that says
# what it is asked for.
initramfs_update()
{
	sed "s,/boot/,$TMP/image/boot/,g; s,/lib/modules,$TMP/image/lib/modules,g; s,/usr/,$TMP/image/usr/,g" \
		"$TREE/scripts/install/initramfs-update" > "$TMP/update"
	command_is dracut 'echo "${3#*/image}"'
	PATH=$TMP/bin:$PATH sh "$TMP/update" "$@" 2>&1 | sort | xargs
	rm "$TMP/bin/dracut"
}

update()
{
	changed mv "$TMP/image/boot/vmlinuz-$K" "$TMP/image/lib/modules/$K/vmlinuz"
	tap_is "$(initramfs_update)" "/boot/initrd.img-$K" "update: the initramfs of a kernel that is not in /boot is made"
	mv "$TMP/image/boot/initrd.img-$K" "$TMP/image/boot/initrd-$K"
	tap_is "$(initramfs_update)" "/boot/initrd-$K" "update: that of SUSE is made under its name"
	mkdir -p "$TMP/image/boot/0123/$K"
	mv "$TMP/image/boot/initrd-$K" "$TMP/image/boot/0123/$K/initrd"
	tap_is "$(initramfs_update "$K")" "/boot/0123/$K/initrd" "update: that of the boot loader specification is made under its name"
	rm "$TMP/image/boot/0123/$K/initrd"
	tap_is "$(initramfs_update)" "" "update: a kernel without an initramfs is not given one"
}

network()
{
	changed config /etc/systemd/network/a.network '[Match]' 'Driver=virtio_net' '[Network]' 'DHCP=yes'
	config /etc/systemd/network/b.link '[Match]' 'Driver=virtio* e1000' '[Link]' 'Name=lan0'
	config /etc/systemd/network/c.network '[Match]' 'Driver=virtio_net pvg_net' '[Network]' 'Driver=virtio_net'
	config /etc/systemd/network/d.network '[Match]' 'Driver=!virtio_net'
	config /etc/systemd/network/e.network '[Match]' '#Driver=virtio_net' 'Name=e*' 'Driver=*_net' 'Driver=[foo'
	config /etc/systemd/network/e.network.d/more.conf '[Match]' 'Driver=virtio_ne?'
	config /etc/systemd/network/f.network '[Match]'
	config /usr/lib/systemd/network/f.network '[Match]' 'Driver=virtio_net'
	ln -s /dev/null "$TMP/image/etc/systemd/network/g.network"
	ln -s /nowhere "$TMP/image/etc/systemd/network/g2.network"
	config /usr/lib/systemd/network/g.network '[Match]' 'Driver=virtio_net'
	config /run/systemd/network/h.network '[Match]' 'Driver=virtio_net'
	config /etc/netplan/a.yaml 'network:' '  ethernets:' '    lan:' '      match:' \
		'        driver: virtio_net # of the hypervisor' '    wan:' '      match: {driver: "virtio*", name: ens*}'
	config /etc/netplan/b.yaml '      match:' '        driver:' '          - e1000' '          - virtio_net' \
		'      dhcp4: true' '        driver: ["virtio_net", pvg_net]' '        driver:' '        - virtio_net' '        - pvg*'
	config '/etc/NetworkManager/system-connections/Wired 1.nmconnection' '[match]' 'driver=virtio_net;'
	config /etc/NetworkManager/conf.d/a.conf '[keyfile]' 'unmanaged-devices=driver:virtio_net'
	finds 1 driver-match "network: Driver=virtio_net of networkd is named" '.line == 2 and .severity == 1'
	line /etc/systemd/network/a.network:2 driver-match "Driver=virtio_net pvg_net" "network: ... with what to write"
	line /etc/systemd/network/b.link:2 driver-match "Driver=virtio* e1000 pvg_net" "network: a pattern that has virtio_net alone is named"
	none /etc/systemd/network/c.network "network: a match of both drivers is in order"
	line /etc/systemd/network/d.network:2 driver-match "Driver=!virtio_net pvg_net" "network: a match that leaves out virtio_net alone is named"
	none /etc/systemd/network/e.network "network: comments, patterns of both drivers and broken patterns are in order"
	line /etc/systemd/network/e.network.d/more.conf:2 driver-match "Driver=virtio_ne? pvg_net" "network: drop-ins are read"
	none /usr/lib/systemd/network/f.network "network: a file that another of its name hides does not count"
	none /usr/lib/systemd/network/g.network "network: a file that is masked does not count"
	none /run/systemd/network/h.network "network: what the next boot does not have does not count"
	line /etc/netplan/a.yaml:5 driver-match "driver: [virtio_net, pvg_net]" "network: a driver in netplan is named"
	line /etc/netplan/a.yaml:7 driver-match "driver: [virtio*, pvg_net]" "network: ... in a mapping on one line, too"
	line /etc/netplan/b.yaml:2 driver-match "driver: [e1000, virtio_net, pvg_net]" "network: ... and in a list"
	tap_is "$(jq -c --arg name "$TMP/image/etc/netplan/b.yaml" 'map(select(.name == $name).line)' "$TMP/out")" "[2]" \
		"network: lists of both drivers are in order"
	line '/etc/NetworkManager/system-connections/Wired 1.nmconnection:2' driver-match "driver=virtio_net;pvg_net;" \
		"network: a connection of NetworkManager is named"
	line /etc/NetworkManager/conf.d/a.conf:2 driver-match "unmanaged-devices=driver:virtio_net;driver:pvg_net" \
		"network: a list of devices of NetworkManager is named"
	as_text 1 "network: without --json the same is said" --next --root "$TMP/image"
	tap_is "$(grep -A 2 'a.network:2$' "$TMP/out" | tail -n 1)" "          Driver=virtio_net pvg_net" \
		"network: what to write has a line of its own"
}

rules()
{
	changed config /etc/udev/rules.d/10-net.rules '# ENV{ID_NET_DRIVER}=="virtio_net"' \
		'SUBSYSTEM=="net", ENV{ID_NET_DRIVER}=="virtio_net", NAME="lan0"' \
		'SUBSYSTEM=="net", DRIVERS=="e1000|virtio_net", NAME="lan0"' \
		'SUBSYSTEM=="net", DRIVERS=="virtio_net|pvg_net", NAME="lan0"' \
		'SUBSYSTEM=="net", ENV{ID_NET_DRIVER}!="?*", IMPORT{builtin}="net_driver"' \
		'SUBSYSTEM=="block", DRIVERS=="virtio_blk", ATTR{queue/scheduler}="none"' \
		'SUBSYSTEM=="block", ENV{MAJOR}=="254", SYMLINK+="x"'
	config /etc/lvm/lvm.conf 'devices {' '	types = [ "virtblk", 16 ]' '	filter = [ "a|^/dev/block/254:|", "r|.*|" ]' '}'
	config /etc/systemd/system/a.service '[Service]' 'DeviceAllow=/dev/block/254:0 rw' 'DeviceAllow=block-virtblk rw' \
		'IOReadBandwidthMax=/dev/block/8:0 1M' 'DeviceAllow=char-virtio-portsdev rw' 'DeviceAllow=char-*'
	config /var/lib/lxc/one/config 'lxc.cgroup2.devices.allow = b 254:* rwm' 'lxc.cgroup2.devices.allow = b 8:* rwm'
	config /etc/init.d/agent '# /sys/class/virtio-ports' 'for port in /sys/class/virtio-ports/*; do :; done'
	finds 1 driver-match "rules: ENV{ID_NET_DRIVER} is named" '.line == 2'
	line /etc/udev/rules.d/10-net.rules:2 driver-match 'ENV{ID_NET_DRIVER}=="virtio_net|pvg_net"' "rules: ... with what to write"
	line /etc/udev/rules.d/10-net.rules:3 driver-match 'DRIVERS=="e1000|virtio_net|pvg_net"' "rules: DRIVERS is named"
	line /etc/udev/rules.d/10-net.rules:6 driver-match 'DRIVERS=="virtio_blk|pvg_blk"' "rules: a driver of disks is named"
	tap_is "$(jq -c --arg name "$TMP/image/etc/udev/rules.d/10-net.rules" 'map(select(.name == $name).line)' "$TMP/out")" \
		"[2,3,6,7]" "rules: comments, rules for both drivers and rules for any driver are in order"
	line /etc/lvm/lvm.conf:3 major-maybe "a path below /dev/disk/by-id, or /dev/vd in place of /dev/block" \
		"rules: a filter of LVM by number is named, types by name are in order"
	line /etc/systemd/system/a.service:2 major-maybe "DeviceAllow=block-virtblk rw" "rules: DeviceAllow= by number is named"
	line /etc/systemd/system/a.service:5 driver-match "DeviceAllow=char-pvg_ctl rw" "rules: DeviceAllow= for ports is named"
	tap_is "$(jq -c --arg name "$TMP/image/etc/systemd/system/a.service" 'map(select(.name == $name).line)' "$TMP/out")" \
		"[2,5]" "rules: DeviceAllow= by name, other disks and all devices are in order"
	tap_is "$(jq -c --arg name "$TMP/image/var/lib/lxc/one/config" 'map(select(.name == $name).line)' "$TMP/out")" \
		"[1]" "rules: a container's rule by number is named"
	line /etc/init.d/agent:2 ports-class "for port in /sys/bus/virtio-ports/devices/*; do :; done" \
		"rules: a script that reads /sys/class/virtio-ports is named"

	config /etc/default/grub '# module_blacklist=pvg_ring' 'GRUB_CMDLINE_LINUX="quiet module_blacklist=foo,pvg_ring"'
	config /boot/loader/entries/a.conf 'title Debian' 'options root=/dev/vda1 module_blacklist=pvg_net' 'linux /vmlinuz'
	config /etc/modprobe.d/local.conf 'install pvg_blk /bin/false' 'blacklist pvg_net' 'install foo /bin/false'
	finds 1 switched-off "rules: a command line that switches off is named" '.subject == "configuration"'
	line /etc/default/grub:2 switched-off null "rules: that of GRUB"
	line /boot/loader/entries/a.conf:2 switched-off null "rules: that of the boot loader specification"
	tap_is "$(jq -c --arg name "$TMP/image/etc/modprobe.d/local.conf" 'map(select(.name == $name).line)' "$TMP/out")" "[1]" \
		"rules: a module that modprobe does not load is named; blacklist does not stop a softdep"
	rm "$TMP/image/etc/default/grub" "$TMP/image/boot/loader/entries/a.conf" "$TMP/image/etc/modprobe.d/local.conf"
	rm "$TMP/image/etc/udev/rules.d/10-net.rules" "$TMP/image/etc/init.d/agent"
	sed -i 5d "$TMP/image/etc/systemd/system/a.service"
	finds 0 major-maybe "rules: a number that may be of other devices is no fault of an image"
	running "$TMP/image" "$K"
	device "$TMP/image" virtio0 0x0002 pvg_blk block/vda
	printf '%s\n' 'Character devices:' '254 virtblk' 'Block devices:' '253 virtblk' '254 device-mapper' > "$TMP/image/proc/devices"
	local -x PVGUEST_TEST=$TMP/image
	doctor
	tap_is "$STATUS" 0 "rules: in a guest the numbers of other devices are in order"
	echo '254 virtblk' >> "$TMP/image/proc/devices"
	finds 1 major-number "rules: in a guest the numbers of virtio disks are named" '.line == 3'
}

# certificate: that of DKMS in the image, by its configuration.
certificate()
{
	sh -c '. "$1" && mok_paths 6.1 "$2" && echo "$MOK_KEY $MOK_CERTIFICATE"' sh \
		"$TREE/scripts/install/mok.sh" "$TMP/image"
}

mok()
{
	local dkms=/etc/dkms/framework.conf pub=/var/lib/dkms/mok.pub

	changed true
	tap_is "$(certificate)" "/var/lib/dkms/mok.key $pub" "mok: without configuration, the key is DKMS's own"
	config /etc/os-release 'NAME=Mint' 'ID=linuxmint' 'ID_LIKE="ubuntu debian"'
	tap_is "$(certificate)" "/var/lib/shim-signed/mok/MOK.priv /var/lib/shim-signed/mok/MOK.der" \
		"mok: on Ubuntu, and what is made of it, it is that of the boot loader's tools"
	config $dkms '# mok_signing_key=/none' 'mok_signing_key="/root/mok.key"' "mok_certificate='/root/the key.der' # mine"
	tap_is "$(certificate)" "/root/mok.key /root/the key.der" "mok: framework.conf counts, on Ubuntu as well"
	config $dkms.d/10-a.conf 'mok_certificate=/etc/keys/${kernelver}.der' 'mok_signing_key="$(touch '"$TMP"'/ran)"'
	tap_is "$(certificate | tail -n 1)" "\$(touch $TMP/ran) /etc/keys/6.1.der" "mok: framework.conf.d counts more"
	tap_fails "mok: nothing of these files is run" test -e "$TMP/ran"

	rm -r "$TMP/image/etc/dkms" "$TMP/image/etc/os-release"
	running "$TMP/image" "$K"
	mkdir -p "$TMP/image/sys/module/module/parameters"
	echo Y > "$TMP/image/sys/module/module/parameters/sig_enforce"
	device "$TMP/image" virtio0 0x0002 virtio_blk block/vda
	local -x PVGUEST_TEST=$TMP/image
	command_is mokutil 'echo "$2 is not enrolled"'
	config $pub certificate
	finds 1 key-unknown "mok: doctor has the command that enrols the key" ".command == \"mokutil --import $pub\""
	config $dkms "mok_certificate='/root/the key.der'"
	config "/root/the key.der" certificate
	finds 1 key-unknown "mok: ... quoted as a shell needs it" ".command == \"mokutil --import '/root/the key.der'\""
	tap_is "$(report)" "    mokutil --import '/root/the key.der'" "mok: dkms-report has the command on a line of its own"
	command_is mokutil 'echo "$2 is already in the enrollment request"'
	finds 1 key-requested "mok: doctor says that the key waits to be confirmed" '.command == null'
	command_is mokutil 'echo "$2 is already enrolled"'
	finds 1 key-unknown "mok: doctor says that a module was not signed with the key that is enrolled" \
		'.command | startswith("dkms build --force -m pvguest -v 0.1.0 -k")'
	tap_is "$(report)" "" "mok: dkms-report is silent where the key is enrolled"
	rm "$TMP/image/root/the key.der"
	finds 1 key-unknown "mok: doctor says that DKMS has no key" '.message | contains("DKMS has no key (/root/the key.der)")'
}

# report: the commands that dkms-report has.
report()
{
	PATH=$TMP/bin:$PATH "$TREE/scripts/install/dkms-report" "$K" 2>&1 | grep '^    '
}

# shellcheck shell=bash disable=SC2034,SC2154 # shared with the suite
# SPDX-License-Identifier: GPL-2.0-only
#
# Guests with a disk of their own: a Debian with systemd, made by mmdebstrap once
# and kept in the cache, of which each case has a copy. What is installed is
# installed in a chroot on the copy, at this machine's speed; only boots are
# emulated.

IMAGES=$CACHE/install
IMAGE_MIB=4096
readonly IMAGE_START=1048576	# of the partition, in bytes

GUEST_PACKAGES="systemd,systemd-sysv,udev,dbus,kmod,linux-image-amd64,\
linux-headers-amd64,dkms,gcc,make,dpkg-dev,libc6-dev,patch,iproute2,iputils-ping,procps,\
util-linux,mount,e2fsprogs,fdisk,zstd,ca-certificates,debian-archive-keyring,pciutils"

# guest_base SUITE INITRAMFS: the image that others are copied from, in BASE.
# INITRAMFS is the package that makes initramfs, initramfs-tools or dracut.
guest_base()
{
	local key

	key=$(hash_of "$GUEST_PACKAGES" "$1" "$2" "$IMAGE_MIB" \
		"$(sed -n '/^guest_customize/,/^# in_image/p' "$SUITE/image.sh")" "$(date +%Y%U)")
	BASE=$IMAGES/base-$1-$2-$key.img
	[ -e "$BASE" ] || with_lock "install-$1-$2" guest_base_make "$1" "$2"
}

guest_base_make()
{
	local root=$BASE.root sources start=$SECONDS

	[ ! -e "$BASE" ] || return 0
	say "making a $1 guest with $2 (about 400 MB to download)"
	mkdir -p "$IMAGES" && rm -rf --one-file-system "$root" &&
		sources=$(debian_sources "$1") &&
		run_logged "$IMAGES/$1-$2.log" mmdebstrap --mode=root --variant=minbase \
			--include="$GUEST_PACKAGES,$2" \
			--aptopt='APT::Install-Recommends "false"' \
			--dpkgopt='path-exclude=/usr/share/doc/*' \
			--dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' \
			"$1" "$root" - <<< "$sources" &&
		guest_customize "$root" && image_from "$root" "$BASE" || return
	rm -rf --one-file-system "$root"
	find "$IMAGES" -maxdepth 1 -name "base-$1-$2-*" ! -samefile "$BASE" -mmin +90 -delete
	say "the guest was made in $((SECONDS - start)) s"
}

# guest_customize ROOT: what the tests need in it: a service that runs a script
# of the host's, and a network that takes what it is given.
guest_customize()
{
	local root=$1

	echo pvguest > "$root/etc/hostname"
	passwd -R "$root" -d root > /dev/null
	printf '%s\n' "LABEL=guestroot / ext4 errors=remount-ro 0 1" > "$root/etc/fstab"
	mkdir -p "$root/etc/systemd/network" "$root/etc/systemd/system/multi-user.target.wants"
	printf '%s\n' '[Match]' 'Type=ether' '[Network]' 'DHCP=yes' \
		> "$root/etc/systemd/network/wired.network"
	ln -s /lib/systemd/system/systemd-networkd.service \
		"$root/etc/systemd/system/multi-user.target.wants/"
	cat > "$root/etc/systemd/system/hosttest.service" << 'END'
[Unit]
Description=a script of the host's
After=multi-user.target systemd-networkd.service

[Service]
Type=oneshot
ExecStartPre=-/sbin/modprobe qemu_fw_cfg
ExecStart=/bin/bash /sys/firmware/qemu_fw_cfg/by_name/opt/pvguest/script/raw
StandardOutput=file:/dev/ttyS1
StandardError=inherit
ExecStopPost=/bin/systemctl --no-block poweroff --force
TimeoutStartSec=infinity

[Install]
WantedBy=default.target
END
	mkdir -p "$root/etc/systemd/system/graphical.target.wants"
	ln -s ../hosttest.service "$root/etc/systemd/system/graphical.target.wants/"
	# Nothing that waits, or works in the background, during a boot of seconds.
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
		e2scrub_all.timer fstrim.timer e2scrub_reap.service systemd-networkd-wait-online.service; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done
}

# image_from ROOT IMAGE: a disk with one partition that holds ROOT.
image_from()
{
	local size=$((IMAGE_MIB * 1048576 - IMAGE_START - 1048576))

	rm -f "$2.part" "$2.new"
	truncate -s $size "$2.part" &&
		mke2fs -q -t ext4 -L guestroot -U "$GUEST_UUID" -E root_owner=0:0,discard -d "$1" "$2.part" &&
		truncate -s "${IMAGE_MIB}M" "$2.new" &&
		echo "start=$((IMAGE_START / 512)), size=$((size / 512)), type=83" |
			sfdisk -q --label dos "$2.new" &&
		dd if="$2.part" of="$2.new" bs=1M seek=1 conv=sparse,notrunc status=none || return
	rm -f "$2.part"
	mv "$2.new" "$2"
}

# in_image IMAGE COMMAND...: in a chroot on the disk. The mounts live in a
# namespace of their own and are gone with it. sync would wait for all this machine
# has to write, and dpkg for each file.
in_image()
{
	local image=$1

	shift
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private bash -c '
		root=$(mktemp -d) || exit
		trap "umount -R \"$root\" 2>/dev/null; rmdir \"$root\"" EXIT
		mount -o "loop,offset=$2" "$1" "$root" && mount -t proc proc "$root/proc" &&
		mount -t sysfs -o ro sys "$root/sys" &&
		mount --bind /dev "$root/dev" &&
		mount --bind "$root/bin/true" "$root/bin/sync" || exit
		echo force-unsafe-io > "$root/etc/dpkg/dpkg.cfg.d/zz-unsafe-io"
		mkdir -p "$root/host" && mount --bind "$3" "$root/host" || exit
		[ ! -e /etc/resolv.conf ] || cp -L /etc/resolv.conf "$root/etc/resolv.conf"
		shift 3
		chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
			${http_proxy:+http_proxy="$http_proxy"} \
			${https_proxy:+https_proxy="$https_proxy"} "$@"
		status=$?
		umount -R "$root"
		exit $status
	' in_image "$image" $IMAGE_START "$SHARED" "$@"
}

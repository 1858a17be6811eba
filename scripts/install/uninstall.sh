# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What is installed, and how it is removed, for `make install`, `make uninstall` and `pvguest
# uninstall`. The last has no tree: what it needs is in /usr/lib/pvguest.

# installed_files: mode, where it is in the tree, and where it is installed.
installed_files() {
	cat <<'END'
644 scripts/install/modprobe.conf /usr/lib/modprobe.d/pvguest.conf
755 scripts/install/initramfs-hook /usr/share/initramfs-tools/hooks/pvguest
755 scripts/install/initramfs-disks /usr/share/initramfs-tools/scripts/init-premount/pvguest
755 scripts/install/dracut-module /usr/lib/dracut/modules.d/90pvguest/module-setup.sh
755 scripts/install/initramfs-disks /usr/lib/dracut/modules.d/90pvguest/pvguest-disks.sh
755 scripts/install/header-hook /etc/kernel/header_postinst.d/pvguest
755 scripts/install/initramfs-update /usr/lib/pvguest/pvguest-initramfs
755 scripts/takeover/pvguest-takeover /usr/lib/pvguest/pvguest-takeover
644 scripts/takeover/70-pvguest-control.rules /usr/lib/udev/rules.d/70-pvguest-control.rules
755 tools/guest/pvguest /usr/sbin/pvguest
644 tools/guest/pvguest.8 /usr/share/man/man8/pvguest.8
644 tools/guest/completion.bash /usr/share/bash-completion/completions/pvguest
644 tools/guest/doctor.sh /usr/lib/pvguest/doctor.sh
644 tools/guest/doctor-next.sh /usr/lib/pvguest/doctor-next.sh
644 tools/guest/doctor-config.sh /usr/lib/pvguest/doctor-config.sh
644 tools/guest/doctor-config.awk /usr/lib/pvguest/doctor-config.awk
644 scripts/install/mok.sh /usr/lib/pvguest/mok.sh
644 scripts/install/uninstall.sh /usr/lib/pvguest/uninstall.sh
644 tools/guest/bind.sh /usr/lib/pvguest/bind.sh
644 tools/bpftrace/blk-latency.bt /usr/share/pvguest/bpftrace/blk-latency.bt
644 tools/bpftrace/ring-holds.bt /usr/share/pvguest/bpftrace/ring-holds.bt
644 tools/bpftrace/ring-takes.bt /usr/share/pvguest/bpftrace/ring-takes.bt
644 tools/bpftrace/net-wakeups.bt /usr/share/pvguest/bpftrace/net-wakeups.bt
644 tools/bpftrace/balloon-reasons.bt /usr/share/pvguest/bpftrace/balloon-reasons.bt
END
}

told() {
	echo "pvguest: $*"
}

# no_package ROOT: fails where a package owns the files, and says how that is removed.
no_package() {
	if dpkg-query --admindir="$1/var/lib/dpkg" -W -f '${db:Status-Status}' pvguest-dkms 2>/dev/null |
		grep -q '^installed'; then
		told "the package pvguest-dkms is installed; run: apt-get purge pvguest-dkms" >&2
		return 1
	fi
	# Debian's rpm would make a database to look into.
	if [ -d "$1/var/lib/rpm" ] && [ ! -e "$1/etc/debian_version" ] && rpm --root "${1:-/}" -q pvguest-dkms >/dev/null 2>&1; then
		told "the package pvguest-dkms is installed; remove it with dnf, or zypper" >&2
		return 1
	fi
}

# remove_modules ROOT: of each kernel, those of DKMS as well as others. DKMS may be gone.
remove_modules() {
	if [ -z "$1" ] && command -v dkms >/dev/null; then
		dkms status -m pvguest 2>/dev/null | sed -n 's/^pvguest[/, ]*\([0-9][^,: ]*\).*/\1/p' |
			sort -u | while read -r version; do
			dkms remove -m pvguest -v "$version" --all || true
		done
	fi
	rm -rf "$1/var/lib/dkms/pvguest"
	for modules in "$1"/lib/modules/*; do
		found=$(for dir in updates extra weak-updates; do
			find "$modules/$dir" \( -name 'pvg_ring.ko*' -o -name 'pvg_blk.ko*' -o -name 'pvg_net.ko*' \
				-o -name 'pvg_balloon.ko*' -o -name 'pvg_ctl.ko*' \) -print -exec rm -f {} + 2>/dev/null
		done) || true
		[ -n "$found" ] || continue
		rmdir "$modules/updates/pvguest" "$modules/updates/dkms" "$modules/updates" 2>/dev/null || true
		depmod ${1:+-b "$1"} "${modules##*/}" || true
	done
}

# remove_files ROOT
remove_files() {
	installed_files | while read -r _ _ to; do
		rm -f "$1$to"
	done
	rm -rf "$1"/usr/src/pvguest-[0-9]* "$1/usr/lib/dracut/modules.d/90pvguest"
	rmdir "$1/usr/lib/pvguest" "$1/usr/share/pvguest/bpftrace" "$1/usr/share/pvguest" 2>/dev/null || true
}

# uninstall [--root DIR]. What is loaded stays: a root disk is not taken from under a guest.
uninstall() {
	root=${PVGUEST_TEST:-}
	case "$#,${1:-}" in
	0,) ;;
	2,--root)
		if [ -z "$2" ] || [ ! -d "$2/lib/modules" ]; then
			told "uninstall: --root: no /lib/modules below '$2'; name the directory where the image is mounted" >&2
			exit 2
		fi
		root=$(cd "$2" && pwd)
		root=${root%/} ;;
	*)
		told "uninstall: unknown argument '$*'; there is --root DIR, for an image that is mounted" >&2
		exit 2 ;;
	esac
	[ -n "$root" ] || [ "$(id -u)" = 0 ] || { told "uninstall: needs root: sudo pvguest uninstall" >&2; exit 1; }
	no_package "$root" || exit 1
	if [ ! -e "$root/usr/sbin/pvguest" ]; then
		told "uninstall: pvguest is not installed: there is no $root/usr/sbin/pvguest" >&2
		exit 1
	fi
	initramfs=$(mktemp)
	cat "$root/usr/lib/pvguest/pvguest-initramfs" >"$initramfs" 2>/dev/null || true
	remove_modules "$root"
	remove_files "$root"
	if [ -n "$root" ]; then
		told "removed from $root, but for the initramfs of each kernel; make them there, with update-initramfs -u -k all or dracut --regenerate-all --force"
	else
		udevadm control --reload 2>/dev/null || true
		sh "$initramfs" || told "an initramfs could not be made, see above; the one there was stays" >&2
		told "removed; from the next boot on, the in-tree drivers have the devices."
	fi
	rm -f "$initramfs"
	exit 0
}

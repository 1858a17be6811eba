#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs pvguest in real guests, Debian with systemd and its root on a virtio
# disk, and boots them: after an installation and after everything that can go
# wrong with one. Needs root, for chroots and loop devices.
#
#   run-host.sh [CASE...]
#
# Without a case: those of scripts/check, on Debian 12. "long" stands for the rest.

# shellcheck disable=SC2016 # what stands in quotes is for the guest to expand

HERE=$(cd "$(dirname "$0")" && pwd)
TREE=$(cd "$HERE/../.." && pwd)
SUITE=$HERE
BOOT_SECONDS=600	# one that hangs; a good one beside other VMs took 300

# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"
for part in common chroot kernels qemu; do
	# shellcheck source=/dev/null
	. "$TREE/scripts/lab.d/$part.sh"
done
# shellcheck source=scripts/install/sources.sh
. "$TREE/scripts/install/sources.sh"
# shellcheck source=selftests/install/image.sh
. "$HERE/image.sh"
# shellcheck source=selftests/install/vm.sh
. "$HERE/vm.sh"
# shellcheck source=selftests/install/more.sh
. "$HERE/more.sh"

[ "$(id -u)" = 0 ] || tap_skip_all "selftests/install needs root, for chroots and loop devices"
TMP=$(mktemp -d)
SHARED=$TMP/shared
mkdir -p "$SHARED" "$IMAGES"
tap_check "pvhost builds" with_lock install-tools make -s -C "$TREE/tools" pvhost || tap_done
VM=
O_NETNS= # none, for exec_qemu
export O_NETNS
qemu_prepare
tap_at_exit rm -rf "$TMP"
tap_at_exit stop_guest
tap_at_exit drop_images

# ---- what a boot said --------------------------------------------------------

# fact NAME WANTED DESCRIPTION: the value of what guest.sh found.
fact()
{
	tap_is "$(sed -n "s/^$1 //p" "$TMP/output" | tr -d '\r' | xargs)" "$2" "$3"
}

said()
{
	grep -qsE -- "$1" "$TMP/output"
}

# booted CASE: the guest came up, and what users rely on is as before.
booted()
{
	if ! said '^boot '; then
		tap_not_ok "$1: the guest boots" "$(tail -n 30 "$TMP/console" "$TMP/qemu" "$TMP/output")"
		return 1
	fi
	tap_ok "$1: the guest boots"
	fact root "/dev/vda1" "$1: root is on /dev/vda1"
	fact network works "$1: the network works"
	fact failed "" "$1: no systemd unit failed"
	tap_check "$1: /dev/disk/by-id has the root disk" \
		said '^link disk/by-id/virtio-rootdisk vda'
	tap_check "$1: /dev/disk/by-id has the second disk" said '^link disk/by-id/virtio-datadisk vdb'
	tap_check "$1: /dev/disk/by-id has the root partition" \
		said '^link disk/by-id/virtio-rootdisk-part1 vda1'
	tap_check "$1: /dev/virtio-ports has test.0" said '^link virtio-ports/test.0 vport'
	tap_is "$(cat "$TMP/port" 2> /dev/null)" "hello from the guest" \
		"$1: the host gets what the guest writes to port test.0"
}

# drivers CASE DISK NETWORK CONSOLE BALLOON: which drivers have the devices of each kind.
drivers()
{
	local got

	got=$(sed -n 's/^device \(0x[0-9]*\) virtio[0-9]* /\1 /p' "$TMP/output" | tr -d '\r' |
		sort -u | awk '{ print $2 }' | xargs)
	if [ "$got" = "$3 $2 $4 $5" ]; then
		tap_ok "$1: the drivers of the devices are $2, $3, $4, $5"
	else
		tap_not_ok "$1: the drivers of the devices are $2, $3, $4, $5" \
			"got '$got', wanted '$3 $2 $4 $5'" \
			"$(grep -E '^(device|dmesg)' "$TMP/output")"
	fi
}

ours()
{
	drivers "$1" pvg_blk pvg_net pvg_ctl pvg_balloon
	tap_is "$HOST_STATUS" 0 "$1: the kernel answers pvhost"
}

in_tree()
{
	drivers "$1" virtio_blk virtio_net virtio_console virtio_balloon
}

# doctor CASE STATUS [WORDS]: what pvguest doctor returned and, in part, said.
doctor()
{
	local words=${3:-.}

	if said "^doctor $2" && said "^doctor: .*$words"; then
		tap_ok "$1: pvguest doctor returns $2${3:+ and says: $3}"
	else
		tap_not_ok "$1: pvguest doctor returns $2${3:+ and says: $3}" "$(grep '^doctor' "$TMP/output")"
	fi
}

# bound COUNT: what bind.sh or repair.sh found in the guest.
bound()
{
	local what result

	grep -E '^(ok|not ok) ' "$TMP/output" | while read -r line; do
		echo "${line#* - }|${line%% - *}"
	done > "$TMP/bind"
	while IFS='|' read -r what result; do
		if [ "$result" = ok ]; then
			tap_ok "bind: $what"
		else
			tap_not_ok "bind: $what" "$(grep '^bind: ' "$TMP/output")"
		fi
	done < "$TMP/bind"
	tap_is "$(wc -l < "$TMP/bind")" "$1" "bind: the guest ran all $1 checks"
}

# ---- images ------------------------------------------------------------------

# package: makes the package, in PACKAGE, and copies it to where chroots see it.
package()
{
	"$TREE/scripts/install/deb" "$TMP/deb" > "$TMP/deb.log" 2>&1 || {
		tap_not_ok "make deb makes the package" "$(tail -n 40 "$TMP/deb.log")"
		return 1
	}
	PACKAGE=$(cd "$TMP/deb" && echo pvguest-dkms_*.deb)
	cp "$TMP/deb/$PACKAGE" "$SHARED/"
}

# packaging: what is known of the package without installing it.
packaging()
{
	local version

	version=$(sed -n 's/^#define PVG_VERSION[^"]*"\(.*\)"$/\1/p' "$TREE/include/pvguest/version.h")
	tap_is "$(. "$TREE/dkms.conf"; echo "$PACKAGE_VERSION")" "$version" "dkms.conf has the version of the modules"
	tap_is "$(dpkg-parsechangelog -l "$TREE/debian/changelog" -S Version)" "$version" \
		"debian/changelog has the version of the modules"
	tap_is "$(sed -n '/^%changelog/,$s/^\* .* - \(.*\)-[0-9]*$/\1/p' "$TREE/scripts/install/pvguest-dkms.spec" | head -n 1)" \
		"$version" "the changelog of the RPM has the version of the modules"
	tap_is "$(. "$TREE/dkms.conf"; printf '%s\n' "${BUILT_MODULE_NAME[@]}" | sort | xargs)" \
		"$(cd "$TREE/drivers" && sed -n 's/^obj-.*+= \(.*\)\.o$/\1/p' ./*/Kbuild | sort | xargs)" \
		"DKMS installs every module there is"
	tap_check "lintian finds no error and no warning in the package" lintian --allow-root --fail-on error,warning "$TMP/deb"/*.changes
	tap_check "lintian finds no error and no warning in the source" source_is_clean
	tap_check "make rpm makes the RPM" "$TREE/scripts/install/rpm" "$TMP/rpm" || return
	tap_check "the RPM has the files of the Debian package" same_contents
}

# source_is_clean: of the package's source, by lintian.
source_is_clean()
{
	local at=$TMP/source

	mkdir -p "$at/pvguest" || return
	# shellcheck disable=SC2086 # a list
	(cd "$TREE" && sources $PACKAGE_SOURCES | tar -c -T -) | tar -x -C "$at/pvguest" &&
		(cd "$at/pvguest" && dpkg-buildpackage -S -us -uc -d -nc) &&
		lintian --allow-root --fail-on error,warning "$at"/*_source.changes
}

# same_contents: names, modes and contents are the same in both packages, apart from
# licences and what belongs to Debian's tools.
same_contents()
{
	local at=$TMP/contents kind

	rm -rf "$at" && mkdir -p "$at/rpm" && dpkg-deb -x "$TMP/deb/$PACKAGE" "$at/deb" || return
	rpm2cpio "$TMP"/rpm/*.rpm | (cd "$at/rpm" && cpio --quiet -id) || return
	gunzip -r "$at/deb/usr/share/man" && rm -rf "$at/deb/etc/kernel" \
		"$at"/deb/usr/share/{doc,initramfs-tools} "$at/rpm/usr/share/licenses" || return
	for kind in deb rpm; do
		(cd "$at/$kind" && find . -type f -printf '%m %p ' -exec sha256sum {} \;) |
			sort > "$at/$kind.list"
	done
	[ -s "$at/rpm.list" ] && diff "$at/deb.list" "$at/rpm.list"
}

# copy_of IMAGE NAME: sets IMAGE; gone at the end.
copy_of()
{
	IMAGE=$IMAGES/case-$$-$2.img
	cp --sparse=always "$1" "$IMAGE"
}

drop_images()
{
	rm -f "$IMAGES/case-$$-"*
}

stop_guest()
{
	[ -z "$VM" ] || kill -KILL "$VM" 2> /dev/null
}

# change IMAGE SCRIPT: run in a chroot on it; its output is in $TMP/change.
change()
{
	in_image "$1" bash -c "$2" > "$TMP/change" 2>&1 && return
	cat "$TMP/change"
	return 1
}

# installed: INSTALLED is an image with the package on BASE; kept, since most of
# what it takes is compiling, for as long as what is in the package, but for its
# documentation, is the same.
installed()
{
	local key

	key=$(hash_of "$(dpkg-deb --fsys-tarfile "$TMP/deb/$PACKAGE" |
		tar -xO --exclude=./usr/share/doc | sha256sum)" \
		"$(dpkg-deb --ctrl-tarfile "$TMP/deb/$PACKAGE" | tar -xO --exclude=./md5sums |
			grep -v ^Installed-Size: | sha256sum)" "$BASE")
	INSTALLED=$IMAGES/installed-$DISTRIBUTION-$key.img
	if [ -e "$INSTALLED" ]; then
		touch "$INSTALLED"
		return
	fi
	copy_of "$BASE" installed
	tap_check "$DISTRIBUTION: dpkg -i $PACKAGE succeeds" change "$IMAGE" "dpkg -i /host/$PACKAGE" || return
	# Another run may be using one.
	find "$IMAGES" -maxdepth 1 -name "installed-$DISTRIBUTION-*" -mmin +90 -delete
	mv "$IMAGE" "$INSTALLED"
}

# ---- cases of scripts/check ----------------------------------------------------

# Installed, and booted: the drivers are pvguest's. Then devices change drivers.
fresh()
{
	boot_files "$INSTALLED" || return
	cat "$SUITE/guest.sh" "$SUITE/bind.sh" > "$TMP/with-bind"
	boot "$INSTALLED" "$ROOT_UUID" "$TMP/with-bind"
	booted install || return
	ours install
	doctor install 0 "all is well"
	bound 12
}

# A module that is there and does not load, as after a power cut.
damaged()
{
	copy_of "$INSTALLED" damaged
	tap_check "damaged: an image with a truncated pvg_blk.ko is made" change "$IMAGE" '
		for ko in $(find /lib/modules -name "pvg_blk.ko*"); do
			cp $ko /root/$(basename $ko).good
			truncate -s 20000 $ko
		done
		update-initramfs -u -k all' || return
	boot_files "$IMAGE" || return
	cat "$SUITE/guest.sh" <(sed '/^root=/,$d' "$SUITE/bind.sh") "$SUITE/repair.sh" > "$TMP/with-repair"
	boot "$IMAGE" "$ROOT_UUID" "$TMP/with-repair"
	booted damaged || return
	drivers damaged virtio_blk pvg_net pvg_ctl pvg_balloon
	doctor damaged 1 "is damaged or did not build"
	bound 5
}

# Headers with which nothing builds: dpkg and all hooks run to their end.
stubs()
{
	local log

	copy_of "$BASE" stubs
	tap_check "stubs: dpkg -i succeeds with headers that do not compile" change "$IMAGE" '
		for header in $(find /usr/src -path "*/include/linux/virtio.h"); do
			echo "#error sabotaged" >> $header
		done
		dpkg -i /host/'"$PACKAGE"' && dkms status | grep -q installed' || return
	tap_check "stubs: dpkg warns that the modules do not build" grep -q "WARNING: the modules do NOT build" "$TMP/change"
	log=$(sed -n 's,^ *\(/var/lib/dkms/.*make\.log\)\. .*,\1,p' "$TMP/change" | head -n 1)
	tap_check "stubs: the log that dpkg names has the compiler's error" change "$IMAGE" "grep sabotaged ${log:-/none}"
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted stubs || return
	in_tree stubs
	doctor stubs 1 "stub is in its place"
	tap_check "stubs: the kernel's log says that pvg_blk was not built" said "dmesg: .*pvg_blk: not built for this kernel"
}

# Removed again: as if it had never been there.
uninstall()
{
	copy_of "$INSTALLED" removed
	tap_check "uninstall: dpkg --purge succeeds" change "$IMAGE" "dpkg --purge pvguest-dkms" || return
	change "$IMAGE" 'find / -xdev ! -path "/host*" ! -path "/var/lib/dpkg/*" ! -path "/proc*" \
		\( -name "*pvg*" -o -name "*pvguest*" \)
		for initrd in /boot/initrd*; do lsinitramfs $initrd | grep pvg; done
		true' || return
	tap_is "$(cat "$TMP/change")" "" "uninstall: no file of pvguest is left on the disk or in an initramfs"
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted uninstall || return
	in_tree uninstall
}

# Not "rescue" and "unsigned": each boots with none of the modules, as "stubs" does.
readonly CHECK_CASES="packaging fresh damaged stubs uninstall"

# guest SUITE INITRAMFS: the guest of the cases that follow.
guest()
{
	DISTRIBUTION=$1-$2
	guest_base "$1" "$2" && with_lock "installed-$DISTRIBUTION" installed
}

[ $# -gt 0 ] || set -- check
package || tap_done
for word; do
	case $word in
	check)
		# shellcheck disable=SC2086 # a list
		set -- $CHECK_CASES ;;
	long)
		# shellcheck disable=SC2086
		set -- $LONG_CASES $ALONE_CASES ;;
	esac
done
guest bookworm initramfs-tools || {
	tap_not_ok "a Debian 12 guest with pvguest is made" "see $IMAGES"
	tap_done
}
for part; do
	start=$SECONDS
	"$part"
	tap_diag "install: $part took $((SECONDS - start)) s"
	drop_images
done
tap_done

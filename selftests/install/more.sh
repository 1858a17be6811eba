# shellcheck shell=bash disable=SC2016,SC2034,SC2153,SC2154 # shared with the suite
# SPDX-License-Identifier: GPL-2.0-only
#
# The cases that take too long for scripts/check.

# Roughly the longest first, for scripts/check-all.
readonly LONG_CASES="dracut readme power_cut trixie from_tree roots headers_first kernel \
dep kernel_stubs upgrade probe_fails root_probe_fails nothing_compiles rescue unsigned"
# Those that measure time.
readonly ALONE_CASES="boot_time"

# The administrator needs to boot without pvguest, once.
rescue()
{
	boot_files "$INSTALLED" || return
	boot "$INSTALLED" "$ROOT_UUID module_blacklist=pvg_ring"
	booted rescue || return
	in_tree rescue
	doctor rescue 1 "switched off for this boot"
}

# Secure Boot whose firmware does not know DKMS's key. QEMU's has none here, the
# kernel can be told to be as strict.
unsigned()
{
	boot_files "$INSTALLED" || return
	boot "$INSTALLED" "$ROOT_UUID module.sig_enforce=1"
	booted unsigned || return
	in_tree unsigned
	doctor unsigned 1 "mokutil --import"
}

# Whatever the kernel is told its root is, before and after.
roots()
{
	local name image

	copy_of "$INSTALLED" roots
	tap_check "roots: removed from a copy" change "$IMAGE" "dpkg --purge pvguest-dkms"
	for image in "$INSTALLED" "$IMAGE"; do
		boot_files "$image" || return
		for name in /dev/vda1 /dev/disk/by-id/virtio-rootdisk-part1 LABEL=guestroot; do
			boot "$image" "root=$name"
			booted "root=$name" || continue
			if [ "$image" = "$INSTALLED" ]; then
				ours "root=$name"
			else
				in_tree "root=$name"
			fi
		done
	done
}

# copy_sources DIRECTORY: of what packages are made of.
copy_sources()
{
	# shellcheck disable=SC2086 # a list
	(cd "$TREE" && sources $PACKAGE_SOURCES | tar -c -T -) | tar -x -C "$1"
}

# A newer package over an older one.
upgrade()
{
	rm -rf "$TMP/newer" && mkdir "$TMP/newer"
	copy_sources "$TMP/newer"
	(cd "$TMP/newer" && sed -i 's/0\.1\.0/0.1.1/' dkms.conf debian/changelog include/pvguest/version.h &&
		scripts/install/deb "$SHARED/newer") > "$TMP/deb.log" 2>&1
	copy_of "$INSTALLED" upgrade
	tap_check "upgrade: dpkg -i of a newer version" change "$IMAGE" "dpkg -i /host/newer/pvguest-dkms_*.deb &&
		test \"\$(dkms status pvguest | grep -c 0.1.1)\" = 1 && ! dkms status pvguest | grep 0.1.0" || return
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted upgrade || return
	ours upgrade
	doctor upgrade 0
}

# another_kernel: shell code that sets "other", a release of the archive that is not
# installed.
another_kernel='apt-get -q update > /dev/null
other=$(apt-cache search --names-only "^linux-image-6\.1\.0-[0-9]+-amd64$" | cut -d" " -f1 |
	sed s/linux-image-// | sort -V | while read -r k; do
		[ -e "/lib/modules/$k" ] || echo "$k"
	done | tail -n 1)
[ "$other" ] && echo "$other" > /host/other
install="apt-get -q -y --no-install-recommends install"
'

# A kernel that comes later: its headers with it.
kernel()
{
	copy_of "$INSTALLED" kernel
	tap_check "kernel: another one is installed" change "$IMAGE" "$another_kernel"'
		$install linux-image-$other linux-headers-$other' || return
	boot_files "$IMAGE" "$(cat "$SHARED/other")" || return
	boot "$IMAGE"
	booted kernel || return
	fact kernel "$RELEASE" "kernel: it is the other one"
	ours kernel
	doctor kernel 0
}

# Headers that come after the kernel: its initramfs has to be made again.
headers_first()
{
	copy_of "$INSTALLED" headers
	tap_check "headers: another kernel without its headers" change "$IMAGE" "$another_kernel"'
		$install linux-image-$other && { pvguest doctor --next; [ $? = 1 ]; }' || return
	tap_check "headers: doctor asks for them" grep -q "install linux-headers-" "$TMP/change"
	tap_check "headers: ... which are installed later" change "$IMAGE" "$another_kernel"'
		other=$(ls /lib/modules | sort -V | head -n 1)
		$install linux-headers-$other && echo $other > /host/other && pvguest doctor --next' || return
	boot_files "$IMAGE" "$(cat "$SHARED/other")" || return
	boot "$IMAGE"
	booted headers || return
	ours headers
}

# A kernel that comes later and that nothing builds for: it is installed all the
# same, with an initramfs, and boots.
kernel_stubs()
{
	copy_of "$INSTALLED" kernelstubs
	tap_check "kernel_stubs: a kernel is installed whose headers do not compile" change "$IMAGE" "$another_kernel"'
		for hooks in postinst.d header_postinst.d; do
			mkdir -p /etc/kernel/$hooks
			printf "%s\n" "#!/bin/sh" "for f in /usr/src/linux-headers-*-common/include/linux/virtio.h; do" \
				"grep -q sabotaged \$f || echo \"#error sabotaged\" >> \$f" done > /etc/kernel/$hooks/aaa
			chmod +x /etc/kernel/$hooks/aaa
		done
		$install linux-image-$other linux-headers-$other && test -s /boot/initrd.img-$other' || return
	tap_check "kernel_stubs: loudly" grep -q "WARNING: the modules do NOT build" "$TMP/change"
	boot_files "$IMAGE" "$(cat "$SHARED/other")" || return
	boot "$IMAGE"
	booted kernel_stubs || return
	in_tree kernel_stubs
	doctor kernel_stubs 1
}

# Not even a stub compiles.
nothing_compiles()
{
	copy_of "$BASE" nothing
	tap_check "nothing_compiles: dpkg -i succeeds" change "$IMAGE" '
		for header in $(find /usr/src -path "*/include/linux/module.h"); do
			echo "#error sabotaged" >> $header
		done
		dpkg -i /host/'"$PACKAGE" || return
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted nothing_compiles || return
	in_tree nothing_compiles
	doctor nothing_compiles 1 "did not build"
}

# sabotage CASE CONDITION: IMAGE has a pvg_blk whose probe fails late where CONDITION,
# in C, holds.
sabotage()
{
	copy_of "$INSTALLED" "$1"
	tap_check "$1: a pvg_blk whose probe fails late if $2" change "$IMAGE" "condition='$2'"'
		cd /usr/src/pvguest-* && grep -q "virtio_device_ready(blk->vdev);" drivers/block/main.c &&
		sed -i "0,/virtio_device_ready(.*);/s//if ($condition) { err = -EIO; goto SABOTAGE; } &/" drivers/block/main.c &&
		label=$(awk "/SABOTAGE/ { on = 1 } on && /^[a-z_]+:/ { sub(\":.*\", \"\"); print; exit }" drivers/block/main.c) &&
		sed -i "s/goto SABOTAGE/goto $label/" drivers/block/main.c &&
		version=$(basename $PWD | sed s/pvguest-//) && for k in /lib/modules/*/build; do
			k=$(basename $(dirname $k))
			dkms build --force -m pvguest -v $version -k $k && dkms install --force -m pvguest -v $version -k $k
		done && ! dkms status | grep -i stub && [ "$(modinfo -k $k -F pvguest pvg_blk)" != stub ] &&
		/usr/lib/pvguest/pvguest-initramfs' &&
		boot_files "$IMAGE" && boot "$IMAGE"
}

# Ours loads, and does not take the disks.
probe_fails()
{
	sabotage probe_fails 1 || return
	booted probe_fails || return
	drivers probe_fails virtio_blk pvg_net pvg_ctl pvg_balloon
	doctor probe_fails 1 "pvg_blk did not take it"
}

# It takes another disk and not the root's, which virtio_blk cannot name then.
root_probe_fails()
{
	sabotage root_probe_fails "blk->vdev->index == 0" || return
	booted root_probe_fails || return
	drivers root_probe_fails virtio_blk pvg_net pvg_ctl pvg_balloon
	doctor root_probe_fails 1 "given to virtio_blk in the initramfs"
}

# in_guest IMAGE SCRIPT: in the running guest, which keeps what it does.
in_guest()
{
	printf '%s\n' "$2" > "$TMP/in-guest"
	boot_files "$1" || return
	start_guest "$1" off "$ROOT_UUID" "$TMP/in-guest"
	guest_until false
	end_guest
}

# readme_boot SCRIPT COMMANDS: a boot of IMAGE in which each of so many commands
# succeeds.
readme_boot()
{
	in_guest "$IMAGE" 'cd /root; export DEBIAN_FRONTEND=noninteractive
		udevadm settle; until ip route | grep -q "^default"; do sleep 0.5; done
		'"$1"
	# Without what apt overwrites.
	tap_diag "$(sed 's/\r*$//; s/.*\r//' "$TMP/output")"
	if [ "$(grep -c '^status 0' "$TMP/output")" = "$2" ]; then
		tap_ok "readme: $2 commands succeed"
	else
		tap_not_ok "readme: $2 commands succeed" "$(tail -n 60 "$TMP/console")"
	fi
}

# What README.md has of installing, done by the guest itself, which has the kernel
# of Debian's cloud images and no DKMS. What apt asks is answered with yes.
readme()
{
	local command script='' count=0 all=0

	copy_of "$BASE" readme
	tap_check "readme: a guest with the package in /root" change "$IMAGE" '
		rm /etc/apt/apt.conf.d/99mmdebstrap && apt-get -q update &&
			apt-get -q -y purge dkms "linux-image-*" "linux-headers-*-amd64" &&
			apt-get -q -y --no-install-recommends install linux-{image,headers}-cloud-amd64 &&
			cp /host/'"$PACKAGE"' /root && echo nameserver 10.0.2.3 > /etc/resolv.conf' || return
	while read -r command; do
		if [ "$command" = reboot ]; then
			readme_boot "$script" $count || return
			script='' count=0
		else
			script+="echo '# $command'; yes 2> /dev/null | HOME=/root $command 2>&1
				echo \"status \${PIPESTATUS[1]}, \$SECONDS s\"; "
			count=$((count + 1)) all=$((all + 1))
		fi
	done < <(sed -n '/^## Installing/,/^## Using/p' "$TREE/README.md" | sed -n '/^```/,/^```/s/^# //p')
	tap_num "$all >= 3" "readme: README.md installs, asks doctor and removes"
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted readme || return
	in_tree readme
	tap_fails "readme: nothing is left" said '^doctor'
}

# An initramfs for just this machine, made while ours has the disk.
dep()
{
	local make='sed -i "s/^MODULES=.*/MODULES=dep/" /etc/initramfs-tools/initramfs.conf; update-initramfs -u -k all'

	[[ $DISTRIBUTION != *-dracut ]] ||
		make='dracut --hostonly --force "/boot/initrd.img-$(uname -r)" "$(uname -r)"'
	copy_of "$INSTALLED" dep
	in_guest "$IMAGE" "$make && echo made; sync"
	tap_check "dep: an initramfs for this machine only" said '^made' || return
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted dep || return
	ours dep
	doctor dep 0
	boot "$IMAGE" "$ROOT_UUID module_blacklist=pvg_ring"
	booted dep-rescue && in_tree dep-rescue
}

# The power fails while the modules are copied, before they are known, while the
# initramfs is made, and once it is in its place. Until then the old initramfs has none
# of the modules, so the in-tree drivers have the disk, the network and the balloon, and
# doctor says what is missing. From the third on, the modules are to be whole, and udev
# moves the control port later; before, it may. In the end all is ours. MODULES=dep,
# made while the in-tree driver has the disk, takes the guest a fraction of the time.
power_cut()
{
	local at built console words

	copy_of "$INSTALLED" built
	built=$IMAGE
	tap_check "power cut: a guest is made in which the modules are built and not installed" change "$built" 'for k in /lib/modules/*/build; do
		dkms uninstall -m pvguest -v 0.1.0 -k $(basename $(dirname $k)) || exit
		done; update-initramfs -u -k all' || return
	for at in Installing depmod Generating ended; do
		copy_of "$built" cut
		boot_files "$IMAGE" || return
		echo 'for k in /lib/modules/*/build; do
			dkms install -m pvguest -v 0.1.0 -k $(basename $(dirname $k)); done
			sed -i "s/^MODULES=.*/MODULES=dep/" /etc/initramfs-tools/initramfs.conf
			/usr/lib/pvguest/pvguest-initramfs; echo ended; sleep 100' > "$TMP/install"
		start_guest "$IMAGE" off "$ROOT_UUID" "$TMP/install"
		guest_until said "$at"
		end_guest
		tap_check "power cut at $at: the installation gets as far as '$at'" said "$at"
		[ $at != Generating ] || tap_fails "power cut at $at: the installation has not ended at the cut" said '^ended'
		boot_files "$IMAGE" || continue
		boot "$IMAGE"
		booted "power cut at $at" || continue
		tap_diag "$(grep -E '^(doctor|device)' "$TMP/output")"
		if [ $at = ended ]; then
			ours "power cut at $at"
			doctor "power cut at $at" 0
			continue
		fi
		console="pvg_ctl virtio_console" words="lacks pvg_ring"
		if [ $at != Generating ]; then
			words="(not installed|damaged, or did not build|lacks):? pvg_"
			said '^device 0x0003 .* pvg_ctl' || console=virtio_console
		fi
		drivers "power cut at $at" virtio_blk virtio_net "$console" virtio_balloon
		doctor "power cut at $at" 1 "$words"
	done
}

# make install and make uninstall, without a package, and without DKMS as well; then it is
# the installed tool that removes itself, without the tree.
from_tree()
{
	local how remove

	mkdir -p "$SHARED/tree"
	copy_sources "$SHARED/tree"
	for how in dkms without; do
		copy_of "$BASE" "tree$how"
		[ $how = dkms ] || change "$IMAGE" "dpkg --purge dkms" > /dev/null
		tap_check "make install ($how)" change "$IMAGE" "cd /host/tree && make install" || continue
		boot_files "$IMAGE" || return
		boot "$IMAGE"
		booted "make install ($how)" || continue
		ours "make install ($how)"
		doctor "make install ($how)" 0
		remove="cd /host/tree && make uninstall"
		[ $how = dkms ] || remove="pvguest uninstall"
		tap_check "make uninstall ($how)" change "$IMAGE" "$remove"' &&
			! find / -xdev ! -path "/host*" ! -path "/proc*" \( -name "*pvg*" -o -name "*pvguest*" \) | grep .' ||
			continue
		boot_files "$IMAGE" || return
		boot "$IMAGE"
		booted "make uninstall ($how)" || continue
		in_tree "make uninstall ($how)"
	done
}

# other_guest SUITE INITRAMFS CASE...: cases in another guest than Debian 12's.
other_guest()
{
	local one

	if ! guest "$1" "$2"; then
		tap_not_ok "a $1 guest with $2 is made" "see $IMAGES"
	else
		for one in "${@:3}"; do
			"$one"
		done
	fi
	guest bookworm initramfs-tools
}

dracut()
{
	other_guest bookworm dracut fresh rescue root_probe_fails dep removed_dracut
}

removed_dracut()
{
	copy_of "$INSTALLED" removed
	tap_check "dracut: dpkg --purge" change "$IMAGE" 'dpkg --purge pvguest-dkms &&
		for initrd in /boot/initrd*; do ! lsinitrd $initrd | grep pvg_ || exit; done' || return
	boot_files "$IMAGE" || return
	boot "$IMAGE"
	booted "uninstall (dracut)" && in_tree "uninstall (dracut)"
}

# virtio_console is built in there; udev moves devices that have our port.
trixie()
{
	other_guest trixie initramfs-tools trixie_fresh kernel_7 rescue stubs uninstall
}

# trixie_boot CASE IMAGE
trixie_boot()
{
	boot "$2"
	booted "$1" || return
	drivers "$1" pvg_blk pvg_net "pvg_ctl virtio_console" pvg_balloon
	tap_is "$HOST_STATUS" 0 "$1: the kernel answers pvhost"
	doctor "$1" 0 "virtio_console is built into this kernel"
}

trixie_fresh()
{
	boot_files "$INSTALLED" && trixie_boot trixie "$INSTALLED"
}

# A kernel of a later series comes to an installation.
kernel_7()
{
	copy_of "$INSTALLED" kernel7
	tap_check "kernel_7: the kernel of backports is installed" change "$IMAGE" '
		cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2> /dev/null |
			sed -n "s/ trixie main/ trixie-backports main/p" | sort -u > /etc/apt/backports
		mv /etc/apt/backports /etc/apt/sources.list.d/backports.list
		apt-get -q update > /dev/null && apt-get -q -y --no-install-recommends install \
			-t trixie-backports linux-image-amd64 linux-headers-amd64 &&
			ls /lib/modules | grep "^7" | sort -V | tail -n 1 > /host/other' || return
	boot_files "$IMAGE" "$(cat "$SHARED/other")" || return
	trixie_boot kernel_7 "$IMAGE"
	fact kernel "$RELEASE" "kernel_7: it is that one"
}

# uptimes_of IMAGE: seconds to multi-user, and until there is a default route.
uptimes_of()
{
	echo 'read -r up _ < /proc/uptime; echo "boot $up"
		until ip route | grep -q "^default"; do sleep 0.1; done
		read -r up _ < /proc/uptime; echo "network $up"' > "$TMP/uptimes"
	boot_files "$1" && boot "$1" "$ROOT_UUID" "$TMP/uptimes" > /dev/null &&
		sed -n 's/^\(boot\|network\) //p' "$TMP/output" | tr -d '\r' | xargs
}

# median COLUMN NUMBERS...: of pairs.
median()
{
	printf '%s %s\n' "${@:2}" | awk -v "column=$1" '{ print $column }' | sort -n |
		awk '{ a[NR] = $1 } END { print NR % 2 ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

# In turn, since a shared machine is not equally fast all the time.
boot_time()
{
	local without=() with=() times image column what

	for image in "$BASE" "$INSTALLED" "$INSTALLED" "$BASE" "$BASE" "$INSTALLED" \
		"$INSTALLED" "$BASE" "$BASE" "$INSTALLED"; do
		read -r -a times <<< "$(uptimes_of "$image")"
		tap_num "${#times[@]} == 2" "boot_time: ${image##*/} boots" || return
		case $image in
		"$BASE") without+=("${times[@]}") ;;
		*) with+=("${times[@]}") ;;
		esac
	done
	tap_diag "seconds to multi-user and to the network, without: ${without[*]}; with: ${with[*]}"
	for column in 1 2; do
		what=$([ $column = 1 ] && echo multi-user || echo "the network")
		tap_diag "median to $what: without $(median $column "${without[@]}"), with $(median $column "${with[@]}")"
		tap_num "$(median $column "${with[@]}") <= 1.05 * $(median $column "${without[@]}")" \
			"boot_time: to $what in at most 1.05 of the time without"
	done
}

# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest doctor: which driver has each device and why not ours, and what the next
# boot of each kernel will use. See usage() in pvguest.

STATUS=0

# remark LEVEL TEXT: a line below what it is about; the status is the worst level.
# Level 0 is for what is as it should be.
remark() {
	echo "      $2"
	[ "$1" -le "$STATUS" ] || STATUS=$1
}

# ---- devices ----------------------------------------------------------------

# name_of VIRTIO: what users know it by.
name_of() {
	dir=$BUS/devices/$1
	for entry in "$dir"/block/* "$dir"/net/*; do
		[ ! -e "$entry" ] || printf '%s ' "${entry##*/}"
	done
	for entry in "$dir"/virtio-ports/vport*/name "$dir"/vport*/name; do
		[ ! -r "$entry" ] || printf '%s ' "$(cat "$entry")"
	done
	case " $ROOT_DISKS " in
	*" $1 "*) printf '(root) ' ;;
	esac
}

# root_disks: the virtio devices below the root file system.
root_disks() {
	source=$(findmnt -nro SOURCE / 2>/dev/null) || return
	for disk in $(lsblk -snro NAME "${source%%\[*}" 2>/dev/null); do
		readlink -f "/sys/class/block/$disk" | grep -o '/virtio[0-9]*/' | tr -d /
	done | sort -u | xargs
}

on_cmdline() {
	tr ' ' '\n' </proc/cmdline | sed -n 's/^module_blacklist=//p' | tr ',' '\n' | grep -qx "$1"
}

# said PATTERN: the last thing that the kernel said about it, in this boot.
said() {
	dmesg 2>/dev/null | sed 's/^\[[^]]*\] *//' | grep -E "$1" | tail -n 1 | grep .
}

why_not_loaded() {
	for module in pvg_ring "$1"; do
		if on_cmdline "$module"; then
			echo "switched off for this boot by module_blacklist=$module on the command line"
			return
		fi
	done
	if [ "$(cat /sys/module/module/parameters/sig_enforce 2>/dev/null)" = Y ] ||
		grep -qs '\[\(integrity\|confidentiality\)\]' /sys/kernel/security/lockdown; then
		echo "this kernel accepts only signed modules and does not know the key of $1: mokutil --import /var/lib/dkms/mok.pub"
	elif line=$(said "(^|[^a-z_])($1|pvg_ring): .*([Ii]nvalid|disagrees|[Uu]nknown|magic|ELF|exec|signature|verification|No module)"); then
		echo "$1 does not load: $line"
	elif ! softdep_there; then
		echo "no softdep in modprobe.d asks for $1: is pvguest.conf gone?"
	elif [ "$(stat -c %Y "/lib/modules/$KERNEL/modules.dep")" -gt "$(awk '$1 == "btime" { print $2 }' /proc/stat)" ]; then
		echo "$1 was installed since this boot: reboot, or pvguest bind"
	else
		echo "$1 is not loaded; modprobe $1 may say why"
	fi
}

softdep_there() {
	cat /etc/modprobe.d/*.conf /usr/lib/modprobe.d/*.conf /lib/modprobe.d/*.conf 2>/dev/null |
		grep -q '^softdep virtio_blk pre: pvg_blk'
}

# why_not VIRTIO IN-TREE OURS
why_not() {
	case $(module_state "$KERNEL" "$3") in
	none)
		if [ -e "/lib/modules/$KERNEL/build/Makefile" ]; then
			echo "no $3 was built for this kernel: dkms autoinstall"
		else
			echo "no $3 for this kernel, nor its headers: install linux-headers-$KERNEL"
		fi
		return ;;
	stub)
		echo "$3 did not build for this kernel, a stub is in its place: $(build_log "$KERNEL")"
		return ;;
	broken)
		echo "$(find "/lib/modules/$KERNEL" -name "$3.ko*" | head -n 1) is damaged or did not build: dkms install --force"
		return ;;
	esac
	if [ ! -d "/sys/module/$3" ]; then
		why_not_loaded "$3"
	elif line=$(said "($3: probe of $1 failed|$1: probe with driver $3 failed|$3 $1: .*(fail|error))"); then
		echo "$3 did not take it: $line"
	elif [ "$3" = pvg_blk ] && line=$(said "pvguest: pvg_blk did not take"); then
		echo "given to $2 in the initramfs: $line"
	elif is_builtin "$KERNEL" "$2"; then
		echo "$2 is built into this kernel and came first; pvguest bind $1 moves it"
	else
		echo "$2 came first: pvguest bind $1 moves it if it is not in use, or reboot"
	fi
}

build_log() {
	log=$(find /var/lib/dkms/pvguest -path "*$1*" -name make.log 2>/dev/null | head -n 1)
	echo "${log:-the log of its build is gone}"
}

device() {
	type=$(type_of "$1") || return
	# shellcheck disable=SC2086 # three words
	set -- "$1" $type
	driver=$(driver_of "$1")
	DEVICES=$((DEVICES + 1))
	printf '  %-9s %-8s %-15s %s\n' "$1" "$2" "$driver" "$(name_of "$1")" | sed 's/ *$//'
	if [ "$driver" = "$4" ]; then
		loaded=$(cat "/sys/module/$4/srcversion" 2>/dev/null)
		[ "$loaded" = "$(modinfo -k "$KERNEL" -F srcversion "$4" 2>/dev/null)" ] ||
			remark 1 "the $4 that runs is not the one that is installed: reboot"
	elif is_builtin "$KERNEL" "$3" && [ "$2" = console ] &&
		! name_of "$1" | grep -q 'org\.pvguest\.control\.0'; then
		# As pvguest-takeover would have it, too.
		remark 0 "$(why_not "$1" "$3" "$4")"
	else
		remark 1 "$(why_not "$1" "$3" "$4")"
		if [ "$driver $2" = "none disk" ] &&
			find "$BUS/drivers/$4" -name 'virtio*' 2>/dev/null | grep -q .; then
			remark 1 "$3 cannot have it beside $4, which has the name that it would be given; module_blacklist=pvg_ring boots without"
		fi
	fi
}

devices() {
	KERNEL=$(uname -r)
	DEVICES=0
	ROOT_DISKS=$(root_disks)
	echo "devices, kernel $KERNEL"
	for virtio in $(find "$BUS/devices" -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -V); do
		device "$virtio"
	done
	[ "$DEVICES" -gt 0 ] || echo "  none that pvguest has drivers for"
}

# ---- next boots -------------------------------------------------------------

initramfs_of() {
	for image in "/boot/initrd.img-$1" "/boot/initramfs-$1.img" "/boot/initrd-$1"; do
		[ ! -e "$image" ] || { echo "$image"; return; }
	done
	return 1
}

initramfs_list() {
	if command -v lsinitramfs >/dev/null; then
		lsinitramfs "$1"
	else
		lsinitrd "$1" 2>/dev/null | awk '{ print $NF }'
	fi
}

# in_list NAME: a module, in what initramfs_list wrote.
in_list() {
	echo "$LIST" | grep -qE "/$1\.ko(\.[a-z0-9]+)?$"
}

check_initramfs() {
	missing='' stale=''

	if ! image=$(initramfs_of "$1"); then
		echo "    no initramfs"
		return
	fi
	LIST=$(initramfs_list "$image" | grep -E '/(pvg|virtio)_|pvguest') || LIST=
	for module in $READY; do
		if ! in_list "$module"; then
			missing="$missing $module"
		elif ! echo "$LIST" | grep -qx "usr/lib/pvguest/$module\.$(modinfo -k "$1" -F srcversion "$module")"; then
			stale="$stale $module"
		fi
	done
	if [ -z "$LIST" ]; then
		remark 1 "$image has nothing of virtio (or cannot be read)"
	elif ! in_list virtio_blk && ! is_builtin "$1" virtio_blk; then
		remark 3 "$image has no virtio_blk: should pvg_blk fail, the disk is not found; run pvguest-initramfs"
	fi
	[ -z "$missing" ] || remark 1 "$image lacks$missing: /usr/lib/pvguest/pvguest-initramfs $1"
	[ -z "$stale" ] || remark 1 "$image has another build of$stale: /usr/lib/pvguest/pvguest-initramfs $1"
	if [ -n "$READY" ] && ! echo "$LIST" | grep -q 'modprobe\.d/pvguest\.conf$'; then
		remark 1 "$image lacks modprobe.d/pvguest.conf, so the in-tree drivers may come first"
	fi
	[ -n "$missing$stale" ] || [ -z "$READY" ] || echo "    $image has them"
}

next_boot() {
	READY='' stubs='' lacking='' damaged=''
	for module in $MODULES; do
		case $(module_state "$1" "$module") in
		ours) READY="$READY $module" ;;
		stub) stubs="$stubs $module" ;;
		none) lacking="$lacking $module" ;;
		*) damaged="$damaged $module" ;;
		esac
	done
	echo "  $1${2:+ ($2)}:${READY:- the in-tree drivers}"
	[ -z "$stubs" ] || remark 1 "did not build:$stubs; $(build_log "$1")"
	[ -z "$damaged" ] || remark 1 "damaged, or did not build:$damaged; $(build_log "$1")"
	if [ -n "$lacking" ]; then
		if [ -e "/lib/modules/$1/build/Makefile" ]; then
			remark 1 "not installed:$lacking"
		else
			remark 1 "not installed:$lacking, and no headers: install linux-headers-$1"
		fi
	fi
	for type in 'virtio_blk pvg_blk' 'virtio_net pvg_net' 'virtio_console pvg_ctl' 'virtio_balloon pvg_balloon'; do
		! is_builtin "$1" "${type% *}" ||
			echo "      ${type% *} is built into it and comes first; udev or pvguest bind moves devices to ${type#* }"
	done
	check_initramfs "$1"
}

next_boots() {
	echo "next boots"
	newest=$(for file in /boot/vmlinuz-*; do echo "${file#/boot/vmlinuz-}"; done | sort -V | tail -n 1)
	for kernel in $(find /lib/modules -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V); do
		if [ ! -e "/boot/vmlinuz-$kernel" ] || [ ! -e "/lib/modules/$kernel/modules.dep" ]; then
			continue
		fi
		notes=
		[ "$kernel" != "$(uname -r)" ] || notes=running
		[ "$kernel" != "$newest" ] || notes="${notes:+$notes, }newest"
		next_boot "$kernel" "$notes"
	done
	softdep_there || remark 1 "no modprobe.d/pvguest.conf: the in-tree drivers may come first"
}

doctor() {
	case ${1:-} in
	--next) ;;
	'') devices ;;
	*)
		usage >&2
		exit 2 ;;
	esac
	next_boots
	case $STATUS in
	0) echo "all is well" ;;
	1) echo "the guest boots, but not all on our drivers: see above" ;;
	*) echo "DANGER: a kernel may not find its disk at the next boot: see above" ;;
	esac
	exit "$STATUS"
}

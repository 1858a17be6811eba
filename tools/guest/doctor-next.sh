# shellcheck shell=sh disable=SC2034,SC2153,SC2154 # shared with doctor.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest doctor: the next boot of each kernel, judged by the files below ROOT alone. What
# runs is of no account here, so that an image can be judged while it is built.

# command_there COMMAND...: a command line for the system that is looked at.
command_there() {
	echo "${IMAGE:+chroot $(shell_word "$IMAGE") }$*"
}

# has_headers KERNEL: its headers are installed. The link to them is absolute.
has_headers() {
	link=$(readlink "$ROOT/lib/modules/$1/build")
	case $link in
	/*) [ -e "$ROOT$link/Makefile" ] ;;
	*) [ -e "$ROOT/lib/modules/$1/build/Makefile" ] ;;
	esac
}

# install_headers KERNEL: the command for it.
install_headers() {
	if [ -x "$ROOT/usr/bin/apt-get" ]; then
		command_there apt-get install "linux-headers-$1"
	elif [ -x "$ROOT/usr/bin/dnf" ]; then
		command_there dnf install "kernel-devel-$1"
	elif [ -x "$ROOT/usr/bin/zypper" ]; then
		command_there zypper install "kernel-${1##*-}-devel"
	fi
}

# install_again KERNEL: the command that builds and installs the modules once more.
install_again() {
	version=$(find "$ROOT/usr/src" -maxdepth 1 -name 'pvguest-[0-9]*' -printf '%f\n' 2>/dev/null |
		sort -V | tail -n 1)
	[ -z "$version" ] || command_there dkms install --force -m pvguest -v "${version#pvguest-}" -k "$1"
}

build_log() {
	log=$(find "$ROOT/var/lib/dkms/pvguest" -path "*$1*" -name make.log 2>/dev/null | head -n 1)
	echo "${log:-the log of its build is gone}"
}

softdep_there() {
	cat "$ROOT"/etc/modprobe.d/*.conf "$ROOT"/usr/lib/modprobe.d/*.conf "$ROOT"/lib/modprobe.d/*.conf 2>/dev/null |
		grep -q '^softdep virtio_blk pre: pvg_blk'
}

initramfs_of() {
	for image in "$ROOT/boot/initrd.img-$1" "$ROOT/boot/initramfs-$1.img" "$ROOT/boot/initrd-$1"; do
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

# in_list END: a path in what initramfs_list wrote ends so; compressed modules count as well.
in_list() {
	case "$LIST
" in
	*"/$1
"* | *"/$1."[xgz]*) return 0 ;;
	esac
	return 1
}

check_initramfs() {
	missing='' stale=''

	if ! image=$(initramfs_of "$1"); then
		text "    no initramfs"
		return
	fi
	again=$(command_there /usr/lib/pvguest/pvguest-initramfs "$1")
	LIST=$(initramfs_list "$image" | grep -E '/(pvg|virtio)_|pvguest') || LIST=
	for module in $READY; do
		if ! in_list "$module.ko"; then
			missing="$missing $module"
			continue
		fi
		module_state "$module" "$1"
		case "$LIST
" in
		*"usr/lib/pvguest/$module.$VERSION
"*) ;;
		*) stale="$stale $module" ;;
		esac
	done
	if [ -z "$LIST" ]; then
		remark 1 initramfs-empty "$image has nothing of virtio (or cannot be read)"
	elif ! in_list virtio_blk.ko && ! is_builtin "$1" virtio_blk; then
		remark 3 initramfs-no-fallback "$image has no virtio_blk: should pvg_blk fail, the disk is not found" "$again"
	fi
	[ -z "$missing" ] || remark 1 initramfs-lacks "$image lacks$missing" "$again"
	[ -z "$stale" ] || remark 1 initramfs-stale "$image has another build of$stale" "$again"
	[ -z "$READY" ] || in_list modprobe.d/pvguest.conf ||
		remark 1 initramfs-no-softdep "$image lacks modprobe.d/pvguest.conf, so the in-tree drivers may come first" "$again"
	if [ -z "$missing$stale" ] && [ -n "$READY" ]; then
		text "    $image has them"
		object initramfs 0 "$image has them"
	fi
}

# next_boot KERNEL NOTES
next_boot() {
	READY='' stubs='' lacking='' damaged=''
	modules_of "$1"
	for module in $MODULES; do
		module_state "$module" "$1"
		case $STATE in
		ours) READY="$READY $module" ;;
		stub) stubs="$stubs $module" ;;
		none) lacking="$lacking $module" ;;
		*) damaged="$damaged $module" ;;
		esac
	done
	SUBJECT=kernel NAME=$1
	text "  $1${2:+ ($2)}:${READY:- the in-tree drivers}"
	# shellcheck disable=SC2046,SC2086 # lists
	object next-boot 0 "the next boot has${READY:- the in-tree drivers}" '' '' \
		", \"modules\": $(json_words $READY), \"notes\": $(json_words $(echo "$2" | tr -d ,))"
	[ -z "$stubs" ] || remark 1 stub "did not build:$stubs; $(build_log "$1")"
	[ -z "$damaged" ] || remark 1 damaged "damaged, or did not build:$damaged; $(build_log "$1")" "$(install_again "$1")"
	if [ -n "$lacking" ]; then
		if has_headers "$1"; then
			remark 1 not-built "not installed:$lacking" "$(command_there dkms autoinstall -k "$1")"
		else
			remark 1 no-headers "not installed:$lacking, and no headers" "$(install_headers "$1")"
		fi
	fi
	for type in 'virtio_blk pvg_blk' 'virtio_net pvg_net' 'virtio_console pvg_ctl' 'virtio_balloon pvg_balloon'; do
		! is_builtin "$1" "${type% *}" ||
			remark 0 built-in "${type% *} is built into it and comes first; udev or pvguest bind moves devices to ${type#* }"
	done
	check_initramfs "$1"
}

next_boots() {
	text "next boots"
	newest=$(for file in "$ROOT"/boot/vmlinuz-*; do echo "${file#"$ROOT"/boot/vmlinuz-}"; done | sort -V | tail -n 1)
	for kernel in $(find "$ROOT/lib/modules" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V); do
		if [ ! -e "$ROOT/boot/vmlinuz-$kernel" ] || [ ! -e "$ROOT/lib/modules/$kernel/modules.dep" ]; then
			continue
		fi
		notes=
		[ -n "$NEXT" ] || [ "$kernel" != "$KERNEL" ] || notes=running
		[ "$kernel" != "$newest" ] || notes="${notes:+$notes, }newest"
		next_boot "$kernel" "$notes"
	done
	SUBJECT=configuration NAME=/usr/lib/modprobe.d/pvguest.conf
	softdep_there || remark 1 no-softdep "no modprobe.d/pvguest.conf: the in-tree drivers may come first"
}

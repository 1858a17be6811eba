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
	[ -n "$version" ] || return 0
	version="-m pvguest -v ${version#pvguest-} -k $1"
	# A module that is there is copied only, unless it is built first.
	echo "$(command_there dkms build --force "$version") && $(command_there dkms install --force "$version")"
}

build_log() {
	log=$(find "$ROOT/var/lib/dkms/pvguest" -path "*$1*" -name make.log 2>/dev/null | head -n 1)
	echo "${log:-the log of its build is gone}"
}

softdep_there() {
	cat "$ROOT"/etc/modprobe.d/*.conf "$ROOT"/usr/lib/modprobe.d/*.conf "$ROOT"/lib/modprobe.d/*.conf 2>/dev/null |
		grep -q '^softdep virtio_blk pre: pvg_blk'
}

# first_file FILE...: the first of them that is there, below ROOT.
first_file() {
	for file; do
		[ ! -e "$ROOT$file" ] || { echo "$ROOT$file"; return; }
	done
	return 1
}

# kernel_image KERNEL: in Debian's place, in that of the boot loader specification, or where
# RPM packages have it besides.
kernel_image() {
	first_file "/boot/vmlinuz-$1" "/boot/vmlinux-$1" "/boot/Image-$1" ||
		in_entry "$1" linux || first_file "/lib/modules/$1/vmlinuz" "/lib/modules/$1/Image"
}

# in_entry KERNEL FILE: in the directory of a machine's id.
in_entry() {
	for dir in "$ROOT"/boot/*/"$1" "$ROOT"/efi/*/"$1" "$ROOT"/boot/efi/*/"$1"; do
		[ ! -e "$dir/$2" ] || { echo "$dir/$2"; return; }
	done
	return 1
}

# initramfs_of KERNEL: as Debian, dracut and SUSE name it.
initramfs_of() {
	first_file "/boot/initrd.img-$1" "/boot/initramfs-$1.img" "/boot/initrd-$1" ||
		in_entry "$1" initrd || first_file "/lib/modules/$1/initrd"
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

# no_initramfs KERNEL NOTES: ours are loaded from there only. The kernel that runs got its
# disk, with an initramfs of the hypervisor's.
no_initramfs() {
	if [ -z "$READY" ]; then
		text "    no initramfs"
		return
	fi
	level=3 effect="the disk is not found, since virtio_blk is a module"
	case $2 in
	*running*) level=1 effect="our modules have no disk, unless the hypervisor supplies one" ;;
	esac
	if is_builtin virtio_blk; then
		level=1 effect="the disk stays with virtio_blk, which is built in"
	fi
	if [ -x "$ROOT/usr/sbin/update-initramfs" ]; then
		make=$(command_there update-initramfs -c -k "$1")
	elif [ -x "$ROOT/usr/bin/dracut" ]; then
		make=$(command_there dracut "/boot/initramfs-$1.img" "$1")
	else
		make=
	fi
	remark $level no-initramfs "no initramfs for this kernel: $effect" "$make"
}

# check_initramfs KERNEL NOTES
check_initramfs() {
	missing='' stale=''

	if ! image=$(initramfs_of "$1"); then
		no_initramfs "$1" "$2"
		return
	fi
	if ! command -v lsinitramfs >/dev/null && ! command -v lsinitrd >/dev/null; then
		remark 1 initramfs-unread "$image was not read, since neither lsinitramfs nor lsinitrd is here" \
			"${IMAGE:+$(command_there pvguest doctor --next)}"
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
	elif ! in_list virtio_blk.ko && ! is_builtin virtio_blk; then
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
	text "  $1${2:+ ($2)}:${READY:- the in-tree drivers}"
	# shellcheck disable=SC2046,SC2086 # lists
	object next-boot 0 "the next boot has${READY:- the in-tree drivers}" '' '' \
		", \"modules\": $(json_words $READY), \"notes\": $(json_words $(echo "$2" | tr -d ,))"
	[ -z "$NO_IMAGE" ] || remark 0 no-boot-image "$NO_IMAGE"
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
		! is_builtin "${type% *}" ||
			remark 0 built-in "${type% *} is built into it and comes first; udev or pvguest bind moves devices to ${type#* }"
	done
	check_initramfs "$1" "$2"
}

# check_image KERNEL NOTES: fails for a kernel that cannot boot, which is what is left of one
# that was removed.
check_image() {
	SUBJECT=kernel NAME=$1
	file=$(kernel_image "$1") || file=
	case $file,$2 in
	"$ROOT/lib/modules"*)
		NO_IMAGE="/boot has no image of this kernel; the boot loader must know $file" ;;
	,*running*)
		NO_IMAGE="no image of this kernel: the hypervisor supplies it" ;;
	,*)
		text "  $1: not judged"
		remark 0 no-kernel "neither /boot/vmlinuz-$1 nor /lib/modules/$1/vmlinuz is there: no boot loader finds this kernel"
		return 1 ;;
	*) NO_IMAGE= ;;
	esac
}

# kernels: those that have modules, the newest last.
kernels() {
	for dir in "$ROOT"/lib/modules/*/modules.dep; do
		dir=${dir%/modules.dep}
		[ ! -e "$dir/modules.dep" ] || echo "${dir##*/}"
	done | sort -V
}

next_boots() {
	text "next boots"
	newest=$(for kernel in $(kernels); do
		[ -z "$(kernel_image "$kernel")" ] || echo "$kernel"
	done | tail -n 1)
	for kernel in $(kernels); do
		notes=
		[ -n "$NEXT" ] || [ "$kernel" != "$KERNEL" ] || notes=running
		[ "$kernel" != "$newest" ] || notes="${notes:+$notes, }newest"
		! check_image "$kernel" "$notes" || next_boot "$kernel" "$notes"
	done
	SUBJECT=configuration NAME=/boot
	[ -n "$newest" ] || [ -z "$NEXT" ] ||
		remark 1 no-kernels "no kernel that a boot loader would find was judged: is $ROOT/boot mounted?"
	NAME=/usr/lib/modprobe.d/pvguest.conf
	softdep_there || remark 1 no-softdep "no modprobe.d/pvguest.conf: the in-tree drivers may come first"
}

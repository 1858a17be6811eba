# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# Which kernels there are and where each comes from. Preparing a kernel sets
#   K_NAME     as the user calls it
#   K_RELEASE  as uname -r prints it
#   K_DIR      directory with image (what QEMU boots) and lib/modules/$K_RELEASE
#   K_ROOT     root directory to build modules in: / or a chroot
#   K_KDIR     KDIR for make, as seen from K_ROOT

readonly KERNELS="6.1 6.12 7 debug"

kernel_check() {
	local k

	for k in $KERNELS; do
		[ "$k" = "$1" ] && return
	done
	die "unknown kernel '$1': there are ${KERNELS// /, }"
}

kernel_prepare() {
	K_NAME=$1
	K_ROOT=/
	case $K_NAME in
	6.1) stable_prepare ;;
	debug) debug_prepare ;;
	*) chroot_prepare "$K_NAME" ;;
	esac
}

# The machine's own suite: headers are installed, the image is only unpacked.
stable_release() {
	local dir newest

	newest=$(for dir in /usr/src/linux-headers-6.1.*-amd64; do
		[ -e "$dir/Makefile" ] && basename "$dir"
	done | sort -V | tail -n1)
	[ -n "$newest" ] || die "no linux-headers-amd64 6.1 here: run scripts/setup"
	printf '%s\n' "${newest#linux-headers-}"
}

stable_prepare() {
	K_RELEASE=$(stable_release)
	K_DIR=$CACHE/kernels/$K_RELEASE
	K_KDIR=/usr/src/linux-headers-$K_RELEASE
	[ -e "$K_DIR/image" ] || with_lock "kernel-$K_NAME" image_fetch
}

# Get the linux-image package for K_RELEASE through K_ROOT's apt, unpack it.
image_fetch() {
	local tmp=$K_DIR.tmp image

	[ -e "$K_DIR/image" ] && return
	say "downloading the $K_NAME kernel (linux-image-$K_RELEASE)"
	rm -rf "$tmp" && mkdir -p "$tmp" || return
	image_download "$tmp" || return
	image=$(find "$tmp" -type f \( -name "vmlinuz-$K_RELEASE" -o -name vmlinuz \))
	vmlinux_extract "$image" "$tmp/image" || return
	if [ ! -d "$tmp/lib" ]; then
		mv "$tmp/usr/lib" "$tmp/lib" || return
	fi
	rm -rf "${tmp:?}/boot" "${tmp:?}/usr"
	mv -T "$tmp" "$K_DIR"
}

# Unpacking itself takes a bzImage five seconds without KVM; QEMU boots the
# vmlinux inside as it is (PVH). Where that lies is in the header, see
# Documentation/x86/boot.rst: setup_sects, payload_offset and payload_length.
vmlinux_extract() {
	local image=$1 to=$2 sectors offset length magic unpack

	sectors=$(od -An -tu1 -j 0x1f1 -N 1 "$image")
	read -r offset length < <(od -An -tu4 -j 0x248 -N 8 "$image")
	offset=$(((sectors + 1) * 512 + offset))
	magic=$(od -An -tx4 -j "$offset" -N 4 "$image")
	case $magic in
	*587a37fd) unpack='xz -dc --single-stream' ;;
	*fd2fb528) unpack='zstd -dcq' ;;
	*184c2102) unpack='lz4 -dcq' ;;
	*8b1f) unpack='gzip -dcq' ;;
	*) say "$image: compressed in an unknown way ($magic)"; return 1 ;;
	esac
	# The size appended to the payload makes the unpacker complain at the end.
	tail -c "+$((offset + 1))" "$image" | head -c "$length" |
		$unpack >"$to" 2>/dev/null || true
	if ! readelf -h "$to" >/dev/null 2>&1; then
		say "$image: no vmlinux in it"
		return 1
	fi
}

image_download() {
	local dir=$1 spool=$K_ROOT/tmp/lab-image.$$ deb

	rm -rf "$spool" && mkdir -p "$spool" || return
	# An image that is installed is known to apt even when it has no lists.
	if ! build_env apt-get --print-uris download "linux-image-$K_RELEASE" >/dev/null 2>&1; then
		run_logged "$dir/apt.log" build_env apt-get -q update || return
	fi
	# Newer packages have the kernel, modules and lists in ones that this depends on.
	# shellcheck disable=SC2016 # expanded by the inner shell
	run_logged "$dir/apt.log" build_env sh -c 'cd "$1" && apt-get -q \
		-o APT::Sandbox::User=root download "linux-image-$2" $(
		apt-cache depends --important "linux-image-$2" |
		sed -nE "s/^ *Depends: (linux-(base|binary|modules)-[0-9].*)/\1/p")' \
		sh "/tmp/lab-image.$$" "$K_RELEASE" || return
	for deb in "$spool"/*.deb; do
		dpkg-deb -x "$deb" "$dir" || return
	done
	rm -rf "$spool"
}

lab_kernels() {
	local k release where

	printf '%-7s %-24s %s\n' kernel release where
	for k in $KERNELS; do
		release='' where=''
		# In a subshell: a kernel that is not there ends with a message.
		read -r release where < <(kernel_cached "$k" 2>/dev/null) || true
		[ -e "$where/image" ] || where="not cached: scripts/lab fetch --kernel $k"
		printf '%-7s %-24s %s\n' "$k" "${release:--}" "$where"
	done
}

# Release and directory of a kernel, without fetching anything.
kernel_cached() {
	local dir

	case $1 in
	6.1) K_RELEASE=$(stable_release) ;;
	debug)
		for dir in "$CACHE"/kernels/debug-*/; do
			[ -e "$dir/release" ] && echo "$(cat "$dir/release") ${dir%/}"
		done
		return
		;;
	*) K_RELEASE=$(cat "$CACHE/chroot/$CHROOT_SUITE/.release-$1") ;;
	esac
	echo "$K_RELEASE $CACHE/kernels/$K_RELEASE"
}

lab_fetch() {
	local k list

	list=$(kernels_option "$@") || exit
	for k in $list; do
		kernel_prepare "$k" || exit
		printf '%s %s\n' "$K_RELEASE" "$K_DIR"
	done
}

# Parse the one option build and fetch have: --kernel KERNEL|all.
kernels_option() {
	local want=6.1

	while [ $# -gt 0 ]; do
		case $1 in
		--kernel) want=${2:?}; shift ;;
		--kernel=*) want=${1#*=} ;;
		*) die "unknown option '$1' (--kernel KERNEL|all)" ;;
		esac
		shift
	done
	[ "$want" = all ] && want=$KERNELS
	# shellcheck disable=SC2086 # a list
	set -- $want
	for want; do
		kernel_check "$want"
	done
	printf '%s\n' "$@"
}

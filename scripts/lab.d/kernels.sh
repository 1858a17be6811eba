# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# Which kernels there are and where each comes from. Preparing a kernel sets
#   K_NAME     as the user calls it
#   K_RELEASE  as uname -r prints it
#   K_DIR      directory with vmlinuz and lib/modules/$K_RELEASE
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
	[ -e "$K_DIR/vmlinuz" ] || with_lock "kernel-$K_NAME" image_fetch
}

# Get the linux-image package for K_RELEASE through K_ROOT's apt, unpack it.
image_fetch() {
	local tmp=$K_DIR.tmp

	[ -e "$K_DIR/vmlinuz" ] && return
	say "downloading the $K_NAME kernel (linux-image-$K_RELEASE)"
	rm -rf "$tmp" && mkdir -p "$tmp" || return
	image_download "$tmp" || return
	mv "$tmp/boot/vmlinuz-$K_RELEASE" "$tmp/vmlinuz" || return
	if [ ! -d "$tmp/lib" ]; then
		mv "$tmp/usr/lib" "$tmp/lib" || return
	fi
	rm -rf "$tmp"/*.deb "$tmp/boot" "$tmp/usr"
	mv -T "$tmp" "$K_DIR"
}

image_download() {
	local dir=$1

	if [ "$K_ROOT" = / ]; then
		(cd "$dir" && run_logged "$dir/apt.log" apt-get -q \
			-o APT::Sandbox::User=root download "linux-image-$K_RELEASE") || return
	else
		in_chroot "$K_ROOT" apt-get -q -o APT::Sandbox::User=root \
			-o Dir::Cache::archives=/var/cache/apt/archives \
			--download-only -y --no-install-recommends --reinstall \
			install "linux-image-$K_RELEASE" >"$dir/apt.log" 2>&1 ||
			{ tail "$dir/apt.log" >&2; return 1; }
		mv "$K_ROOT/var/cache/apt/archives/linux-image-$K_RELEASE"_*.deb "$dir"/ || return
	fi
	dpkg-deb -x "$dir"/linux-image-*.deb "$dir"
}

lab_kernels() {
	local k release where

	printf '%-7s %-28s %s\n' kernel release where
	for k in $KERNELS; do
		release=$(kernel_cached "$k")
		where=$CACHE/kernels/$release
		[ -e "$where/vmlinuz" ] || where='not cached; lab fetch gets it'
		printf '%-7s %-28s %s\n' "$k" "${release:--}" "$where"
	done
}

# The release of a kernel without fetching anything.
kernel_cached() {
	case $1 in
	6.1) (stable_release 2>/dev/null) || true ;;
	*) cat "$CACHE/kernels/$1.release" 2>/dev/null || true ;;
	esac
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

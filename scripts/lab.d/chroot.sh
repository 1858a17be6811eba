# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# Kernels newer than this machine's suite: one chroot of the next suite holds the
# headers of its own kernel and of the one in its backports, and the compilers
# they were built with. Mounts live in a namespace, so an interrupted run leaves
# none behind.

readonly CHROOT_SUITE=trixie
# perl and python for the kernel-doc checks of W=1.
readonly CHROOT_PACKAGES="make gcc libc6-dev clang lld llvm kmod pahole xz-utils \
perl python3"

chroot_prepare() {
	K_ROOT=$CACHE/chroot/$CHROOT_SUITE
	if ! chroot_ready "$1"; then
		with_lock chroot chroot_make "$1" || die "$1: no chroot to build it in (see above)"
	fi
	K_RELEASE=$(cat "$K_ROOT/.release-$1")
	K_KDIR=/usr/src/linux-headers-$K_RELEASE
	K_DIR=$CACHE/kernels/$K_RELEASE
	[ -e "$K_DIR/vmlinuz" ] || with_lock "kernel-$1" image_fetch
}

chroot_ready() {
	[ -e "$K_ROOT/.release-$1" ] &&
		[ "$(cat "$K_ROOT/.packages" 2>/dev/null)" = "$CHROOT_PACKAGES" ]
}

chroot_make() {
	local release pattern

	chroot_ready "$1" && return
	[ -d "$K_ROOT" ] || chroot_bootstrap || return
	if [ "$(cat "$K_ROOT/.packages" 2>/dev/null)" != "$CHROOT_PACKAGES" ]; then
		# shellcheck disable=SC2086 # a list
		chroot_install $CHROOT_PACKAGES || return
		echo "$CHROOT_PACKAGES" >"$K_ROOT/.packages"
	fi
	pattern='linux-headers-6.12.*-amd64'
	[ "$1" = 7 ] && pattern='linux-headers-7.*-amd64'
	if [ "$1" = 7 ]; then
		say "adding the headers of $CHROOT_SUITE-backports"
		chroot_install -t "$CHROOT_SUITE-backports" linux-headers-amd64 || return
	fi
	release=$(find "$K_ROOT/usr/src" -maxdepth 1 -name "$pattern" -printf '%f\n' |
		sort -V | tail -n1)
	if [ -z "$release" ]; then
		say "$CHROOT_SUITE has no $pattern any more"
		return 1
	fi
	printf '%s\n' "${release#linux-headers-}" >"$K_ROOT/.release-$1"
}

chroot_install() {
	local log=$CACHE/chroot/install.log

	# What an interrupted run has left half installed.
	run_logged "$log" in_chroot "$K_ROOT" dpkg --configure -a &&
		run_logged "$log" in_chroot "$K_ROOT" apt-get -q update &&
		run_logged "$log" in_chroot "$K_ROOT" apt-get -q -y --no-install-recommends install "$@"
}

# The mirrors come from the machine's own apt, whatever they are.
mirror() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets 'Created-By: Packages' --format '$(LABEL)	$(SITE)' |
		awk -F '\t' -v label="$1" '$1 == label { print $2; exit }'
}

# debian_sources SUITE [POCKET...]: sources for apt, with POCKETs such as backports
# besides the updates.
debian_sources() {
	local suite=$1 main security pocket
	local opt="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"

	shift
	main=$(mirror Debian)
	if [ -z "$main" ]; then # apt knows labels only when it has its lists
		mkdir -p "$CACHE/chroot" &&
			run_logged "$CACHE/chroot/update.log" apt-get -q update || return
		main=$(mirror Debian)
	fi
	security=$(mirror Debian-Security)
	[ -n "$main" ] || { say "apt knows no Debian mirror"; return 1; }
	printf 'deb %s %s %s main\n' "$opt" "$main" "$suite"
	for pocket in updates "$@"; do
		printf 'deb %s %s %s main\n' "$opt" "$main" "$suite-$pocket"
	done
	[ -z "$security" ] ||
		printf 'deb %s %s %s-security main\n' "$opt" "$security" "$suite"
}

chroot_bootstrap() {
	local tmp=$K_ROOT.tmp log=$CACHE/chroot/bootstrap.log sources

	need mmdebstrap
	mkdir -p "$CACHE/chroot"
	rm -rf --one-file-system "$tmp"
	sources=$(debian_sources "$CHROOT_SUITE" backports) || return
	say "making a $CHROOT_SUITE chroot to build modules in (about 300 MB to download)"
	chroot_progress "$tmp" {LOCK_FD}>&- &
	run_logged "$log" mmdebstrap --mode=root --variant=minbase \
		--include="${CHROOT_PACKAGES// /,},linux-headers-amd64,debian-archive-keyring,ca-certificates" \
		--aptopt='APT::Install-Recommends "false"' \
		"$CHROOT_SUITE" "$tmp" - <<<"$sources" || { kill $!; return 1; }
	kill $! 2>/dev/null
	echo "$CHROOT_PACKAGES" >"$tmp/.packages"
	mv -T "$tmp" "$K_ROOT"
}

chroot_progress() {
	while sleep 20 >/dev/null 2>&1 && kill -0 "$$"; do
		say "chroot: $(du -sm "$1" 2>/dev/null | cut -f1) MB so far"
	done
}

# in_chroot ROOT COMMAND...: with /proc, /dev and the build directories there.
in_chroot() {
	local root=$1

	shift
	mkdir -p "$root$CACHE/build" "$CACHE/build" || return
	cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount --propagation private bash -c '
		root=$1 build=$2
		shift 2
		mount -t proc proc "$root/proc" &&
		mount --bind /dev "$root/dev" &&
		mount --bind "$build" "$root$build" || exit
		exec chroot "$root" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
			${http_proxy:+http_proxy="$http_proxy"} \
			${https_proxy:+https_proxy="$https_proxy"} "$@"
	' in_chroot "$root" "$CACHE/build" "$@"
}

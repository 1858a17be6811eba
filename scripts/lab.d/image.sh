# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# The guest's root is an initramfs in three parts, each a cpio archive, which the
# kernel unpacks one after the other:
#   user     programs of this machine's Debian and their libraries
#   modules  the kernel's modules that matter here, and ours
#   run      selftests/, scripts/ and the command of this run
# The first two are kept in the cache.

# Packages whose programs go into the guest, besides busybox. sh is dash: that of
# busybox would run its own ip and the like instead of the real ones.
readonly IMAGE_PACKAGES="bash dash coreutils util-linux mount kmod fio jq iperf3 \
ethtool iproute2 e2fsprogs xfsprogs procps grep sed findutils diffutils \
mawk bc socat libcmocka0 libaio1 libcjson1 libevent-core-2.1-7 libseccomp2 libcap-ng0 \
libxxhash0 libmnl0 libmount1 libinih1 libssl3 acl attr qemu-guest-agent"

# Programs of other packages, which every Debian has.
readonly IMAGE_PROGRAMS="/usr/bin/getconf /usr/bin/script"

# Zones of time for tests that set /etc/localtime.
readonly IMAGE_ZONES="Etc/GMT-3 Etc/GMT-5"

# Programs of theirs that nothing here needs, and that need much.
readonly IMAGE_WITHOUT="xfs_scrub|perl.*|python.*"

readonly STUB_DIR=/lib/x86_64-linux-gnu
readonly STUB_PREFIXES="glfs|nbd|ibv|rdma|rados|rbd|pmemblk|pmem"

# In-tree modules that go into the guest, with what they depend on.
readonly IMAGE_MODULES="virtio_pci virtio_mmio virtio_blk virtio_net \
virtio_balloon virtio_console virtio_scsi virtio_rng sd_mod null_blk loop ext4 xfs \
kyber-iosched bfq sch_fq sch_fq_codel pktgen veth dummy tun bridge 8021q \
macvlan vxlan net_failover vduse virtio_vdpa configfs crc32c_generic libcrc32c \
pci_hotplug brd dm-mod dm-flakey tcp_bbr sch_netem raid1 virtio_iommu tls e1000e \
crc32-pclmul notifier-error-inject kmemleak-test netconsole algif_hash sha256_generic"

# pack DIR ARCHIVE: everything in DIR, owned by root.
pack() {
	(cd "$1" && find . -mindepth 1 -print0 | sort -z |
		cpio -0 -o -H newc -R 0:0 --quiet) >"$2.tmp" || return
	mv "$2.tmp" "$2"
}

image_user() {
	local key

	# shellcheck disable=SC2086 # a list
	key=$(hash_of "$(dpkg-query -W $IMAGE_PACKAGES busybox-static 2>/dev/null)" \
		"$(cat "$LAB_DIR/image.sh" "$LAB_DIR/guest-fstab" | sha256sum)")
	I_USER=$CACHE/image/user-$key.cpio
	[ -e "$I_USER" ] || with_lock image-user user_assemble
}

user_assemble() {
	local root=$CACHE/image/user.tmp

	[ -e "$I_USER" ] && return
	say "assembling the guest's programs"
	rm -rf "$root"
	mkdir -p "$root"/{proc,sys,dev,tmp,run,root,mnt,etc,usr/bin,usr/lib,usr/lib64,var/tmp} || return
	ln -s usr/bin "$root/bin"
	ln -s usr/bin "$root/sbin"
	ln -s bin "$root/usr/sbin"
	ln -s usr/lib "$root/lib"
	ln -s usr/lib64 "$root/lib64"
	user_programs "$root" || return
	user_etc "$root" || return
	find "$CACHE/image" -maxdepth 1 -name "user-*.cpio" -mtime +1 -delete
	pack "$root" "$I_USER" || return
	rm -rf "$root"
}

# Programs into /usr/bin, libraries to where the loader will look for them.
user_programs() {
	local root=$1 package file

	# shellcheck disable=SC2086 # a list
	printf '%s\n' $IMAGE_PROGRAMS >"$root.files"
	for package in $IMAGE_PACKAGES; do
		dpkg -L "$package" 2>/dev/null || say "package $package is missing: run scripts/setup"
	done | grep -E '^(/usr)?/s?bin/.|/lib(cmocka|aio|cjson|event_core-2.1|seccomp|cap-ng|xxhash|mnl|mount|inih|crypto)\.so' | while read -r file; do
		[ -f "$file" ] && printf '%s\n' "$file"
	done | sort -u | grep -vE "/($IMAGE_WITHOUT)$" >>"$root.files"
	user_stubs "$root/usr$STUB_DIR" || return
	grep -E '/s?bin/' "$root.files" | while read -r file; do
		user_program "$root/usr/bin" "$file" || return
	done || return
	for file in $(user_libraries "$root" <"$root.files"); do
		mkdir -p "$root/usr${file%/*}" || return
		cp -L "$file" "$root/usr$file" || return
	done
	rm -f "$root.files"
	cp /bin/busybox "$root/usr/bin/busybox" || return
	for file in $(/bin/busybox --list); do
		[ -e "$root/usr/bin/$file" ] || [ -L "$root/usr/bin/$file" ] ||
			ln -s busybox "$root/usr/bin/$file"
	done
}

# A link to another program stays one, but within the one directory there is.
user_program() {
	local to=$1/${2##*/} real

	real=$(readlink -f "$2")
	if [ "${real##*/}" = "${2##*/}" ]; then
		cp "$real" "$to"
	else
		ln -sf "${real##*/}" "$to"
	fi
}

# Debian's fio links with libraries for ceph, gluster, rdma and more: 80 MB, and
# half a second under TCG whenever fio starts. Libraries of the same names, in
# which every function only traps, take their place.
user_stubs() {
	local dir=$1 source=$1/stub.c lib

	mkdir -p "$dir" || return
	nm -D --with-symbol-versions --undefined-only /usr/bin/fio |
		sed -nE "s/^ +U (($STUB_PREFIXES)_[^@]*)(@@?(.*))?$/\1 \4/p" >"$dir/symbols"
	sed 's/^\([^ ]*\).*/void \1(void) { __builtin_trap(); }/' "$dir/symbols" >"$source"
	awk 'NF == 2 { of[$2] = of[$2] " " $1 ";" }
		END { for (v in of) print v " {" of[v] " };" }' "$dir/symbols" >"$dir/versions"
	for lib in $(readelf -d /usr/bin/fio |
		grep -oE "lib(gfapi|nbd|ibverbs|rdmacm|rados|rbd|pmem|pmemblk)\.so\.[0-9]+"); do
		gcc -shared -nostdlib -w -fPIC -Wl,-soname,"$lib" \
			-Wl,--version-script="$dir/versions" -o "$dir/$lib" "$source" || return
	done
	rm -f "$source" "$dir/symbols" "$dir/versions"
}

# Names, without a leading /usr, of all that the files on stdin link with, except
# for what is already in the image.
user_libraries() {
	local root=$1 file

	while read -r file; do
		case $file in
		*.so*) printf '%s\n' "$file" ;;
		*)
			LD_LIBRARY_PATH=$root/usr$STUB_DIR ldd "$file" 2>/dev/null |
				grep -oE '/[^ ]+' | grep -vF "$root" || true
			;;
		esac
	done | sed -E 's,^/usr/,/,' | sort -u
}

user_etc() {
	local root=$1 zone

	ln -s /proc/self/mounts "$root/etc/mtab"
	printf '%s\n' 'root:x:0:0:root:/root:/bin/bash' 'daemon:x:1:1:daemon:/usr/sbin:/bin/sh' \
		'nobody:x:65534:65534:nobody:/nonexistent:/bin/sh' >"$root/etc/passwd"
	printf '%s\n' root:x:0: daemon:x:1: adm:x:4: tty:x:5: nogroup:x:65534: >"$root/etc/group"
	printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
	cp "$LAB_DIR/guest-fstab" "$root/etc/fstab" || return
	cp /etc/protocols /etc/services "$root/etc/" 2>/dev/null
	for zone in $IMAGE_ZONES; do
		install -D -m 644 "/usr/share/zoneinfo/$zone" "$root/usr/share/zoneinfo/$zone" ||
			say "package tzdata is missing: run scripts/setup"
	done
	echo "/usr$STUB_DIR" >"$root/etc/ld.so.conf"
	ldconfig -r "$root" 2>/dev/null
}

image_modules() {
	local key

	key=$(hash_of "$B_KEY" "$(sha256sum <"$LAB_DIR/image.sh")" \
		"$(stat -c %Y "$K_DIR/image")")
	I_DIR=$CACHE/image/$(basename "$B_DIR")
	I_MODULES=$I_DIR/modules-$key.cpio
	[ -e "$I_MODULES" ] || with_lock "image-$(basename "$B_DIR")" modules_assemble
}

# Ours go to updates/, which depmod prefers, so an alias both have finds ours.
modules_assemble() {
	local root=$I_DIR/modules.tmp lib=lib/modules/$K_RELEASE

	[ -e "$I_MODULES" ] && return
	rm -rf "$root"
	mkdir -p "$root/usr/$lib/updates" || return
	modules_intree "$root/usr/$lib" || return
	built_modules | xargs -r cp -t "$root/usr/$lib/updates" || return
	depmod -b "$root/usr" "$K_RELEASE" || return
	built_modules | sed 's,.*/,,; s,\.ko$,,' >"$root/usr/$lib/pvguest.built"
	find "$I_DIR" -name "modules-*.cpio" -mmin +60 -delete
	pack "$root" "$I_MODULES" || return
	rm -rf "$root"
}

# The kernel's own, which are the same for each build of ours: unpacked once.
modules_intree() {
	local to=$1 kept

	kept=$CACHE/image/intree-$K_RELEASE-$(hash_of "$IMAGE_MODULES" "$(stat -c %Y "$K_DIR/image")" \
		"$(declare -f modules_unpack)")
	if [ ! -d "$kept" ]; then
		# Another lab may do the same at the same time.
		rm -rf "$kept.$$" && mkdir -p "$kept.$$" && modules_unpack "$kept.$$" || return
		mv -T "$kept.$$" "$kept" 2>/dev/null || rm -rf "$kept.$$"
	fi
	cp -a "$kept/." "$to"
}

modules_unpack() {
	local to=$1 from=$K_DIR/lib/modules/$K_RELEASE name file

	[ -e "$from/modules.dep" ] || depmod -b "$K_DIR" "$K_RELEASE" || return
	for name in $IMAGE_MODULES; do # not every kernel has them all
		modprobe -d "$K_DIR" -S "$K_RELEASE" --show-depends "$name" 2>/dev/null || true
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u | while read -r file; do
		mkdir -p "$to/kernel/$(dirname "${file#*/kernel/}")" &&
			cp "$file" "$to/kernel/${file#*/kernel/}" || return
	done || return
	find "$to" -name '*.ko.xz' -exec xz -d {} +
	find "$to" -name '*.ko.zst' -exec zstd -q -d --rm {} +
	cp "$from"/modules.builtin* "$from"/modules.order "$to"
}

# image_run DIR MODE DRIVERS COMMAND...: DIR/initrd with all three parts.
image_run() {
	local dir=$1 mode=$2 drivers=$3 root=$1/root

	shift 3
	mkdir -p "$root/pvguest" "$root/.lab" || return
	cp "$LAB_DIR/guest-init" "$root/init" || return
	for part in selftests scripts tools; do
		[ -d "$TREE/$part" ] && rsync -a --exclude='*.o' --exclude='.*.cmd' --exclude=build-sanitized \
			"$TREE/$part" "$root/pvguest/"
	done
	printf '%s\0' "$@" >"$root/.lab/argv"
	printf '%s\n' "$mode" >"$root/.lab/mode"
	printf '%s\n' "$drivers" >"$root/.lab/drivers"
	pack "$root" "$dir/run.cpio" || return
	cat "$I_USER" "$I_MODULES" "$dir/run.cpio" >"$dir/initrd" || return
	rm -rf "$root" "$dir/run.cpio"
}

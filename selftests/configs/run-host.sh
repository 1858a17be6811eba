#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The modules build for kernels that lack an option, each alone, without a warning; and a
# module that does not build leaves the others their place. Kernels of that kind are
# copies of the installed headers with the option taken out of what Kconfig has generated,
# and with it what depends on the option. And no balloon is in the initramfs of a crash
# kernel.
#
#   selftests/configs/run-host.sh [OPTION | broken | broken_core | initramfs]...
#
# Three minutes on two CPUs, "initramfs" a second.
# shellcheck disable=SC2016 # what stands in quotes is for another shell

HERE=$(cd "$(dirname "$0")" && pwd)
TREE=$(cd "$HERE/../.." && pwd)
# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"

# The names of options are patterns of all that goes with them.
declare -A OPTIONS=(
	[PM_SLEEP]='PM_SLEEP PM_SLEEP_SMP PM_SLEEP_DEBUG SUSPEND SUSPEND_FREEZER HIBERNATION HIBERNATE_CALLBACKS HIBERNATION_SNAPSHOT_DEV'
	[BPF]='BPF BPF_SYSCALL BPF_JIT BPF_JIT_DEFAULT_ON BPF_LSM BPF_EVENTS BPF_STREAM_PARSER CGROUP_BPF IPV6_SEG6_BPF LWTUNNEL_BPF XDP_SOCKETS'
	[COMPACTION]='COMPACTION BALLOON_COMPACTION TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_ALWAYS CONTIG_ALLOC'
	[DEBUG_FS]='DEBUG_FS DEBUG_FS_ALLOW_ALL BLK_DEBUG_FS BLK_DEBUG_FS_ZONED FAULT_INJECTION_DEBUG_FS'
	[HUGETLB]='HUGETLBFS HUGETLB_PAGE HUGETLB_PAGE_OPTIMIZE_VMEMMAP CGROUP_HUGETLB'
)
MODULES='ring block net balloon control'

# headers DIRECTORY [OPTION]: a copy of the newest ones of this machine, without that
# option. Debug information takes long and is of no use here.
headers()
{
	local from name pattern='DEBUG_INFO[A-Z0-9_]*' link

	from=$(find /usr/src -maxdepth 1 -name 'linux-headers-6.1.*-amd64' | sort -V | tail -n 1)
	[ -e "$from/Makefile" ] || return 1
	cp -a "$from" "$1" || return 1
	for link in scripts tools; do
		[ ! -L "$from/$link" ] || ln -sfn "$(readlink -f "$from/$link")" "$1/$link"
	done
	for name in ${2:+${OPTIONS[$2]}}; do
		pattern="$pattern|$name"
	done
	sed -Ei "/CONFIG_($pattern)(_MODULE)?[= ]/d" "$1/include/config/auto.conf" \
		"$1/include/generated/autoconf.h"
	# This would be asked first, and is what kbuild takes for newer than the rest.
	touch -r "$from/include/config/auto.conf" "$1/include/config/auto.conf"
}

# sources DIRECTORY: what the modules are built from, as they are installed.
sources()
{
	mkdir -p "$1" && (cd "$TREE" && find Kbuild Makefile include drivers scripts/compat \
		scripts/install -type f ! -name '*.o' ! -name '*.ko' ! -name '*.mod*' ! -name '.*' \
		! -path 'include/generated/*' -print0 | cpio -pdm0 --quiet "$1")
}

# built DIRECTORY: the modules that are there and are no stubs.
built()
{
	local module

	for module in $MODULES; do
		set -- "$1" "$1/drivers/$module"/pvg_*.ko
		if [ -s "$2" ] && [ "$(modinfo -F pvguest "$2")" != stub ]; then
			echo "$module"
		fi
	done | xargs
}

warnings()
{
	grep -E 'warning:|WARNING:|error:|ERROR:' "$1"
}

# without OPTION
without()
{
	local dir=$TMP/$1 name

	tap_check "without $1: headers for that can be made" headers "$dir.headers" "$1" || return
	for name in ${OPTIONS[$1]}; do
		! grep -q "CONFIG_${name}[ =]" "$dir.headers/include/generated/autoconf.h" ||
			tap_not_ok "without $1: the headers have no $name"
	done
	sources "$dir"
	make -C "$dir" -j"$(nproc)" KDIR="$dir.headers" > "$dir.log" 2>&1
	tap_is "$(built "$dir")" "$MODULES" "without $1: all modules are built"
	tap_is "$(warnings "$dir.log" | head -n 5)" "" "without $1: there is no warning"
	rm -rf "$dir" "$dir.headers"
}

# One module does not compile. DKMS's build puts a stub in its place, and only there.
broken()
{
	local dir=$TMP/broken

	headers "$dir.headers" && sources "$dir"
	echo '#error sabotaged' >> "$dir/drivers/block/name.c"
	tap_check "broken: dkms-build succeeds" \
		sh -c 'cd "$1" && scripts/install/dkms-build 6.1 "$2" > "$3" 2>&1' \
		sh "$dir" "$dir.headers" "$dir.log"
	tap_is "$(built "$dir")" "${MODULES/block /}" "broken: only the module that does not compile is not built"
	tap_is "$(modinfo -F pvguest "$dir/drivers/block/pvg_blk.ko")" stub \
		"broken: a stub is in the place of that module"
	tap_check "broken: the log names that module" \
		grep -q '^pvguest: pvg_blk is not built for 6.1, a stub takes its place' "$dir.log"
	rm -rf "$dir" "$dir.headers"
}

# All others need the core.
broken_core()
{
	local dir=$TMP/broken_core

	headers "$dir.headers" && sources "$dir"
	echo '#error sabotaged' >> "$dir/drivers/ring/ring.c"
	tap_check "broken core: dkms-build succeeds" \
		sh -c 'cd "$1" && scripts/install/dkms-build 6.1 "$2" > "$3" 2>&1' \
		sh "$dir" "$dir.headers" "$dir.log"
	tap_is "$(built "$dir")" "" "broken core: no module is built"
	tap_is "$(modinfo -F pvguest "$dir"/drivers/*/pvg_*.ko | sort | uniq -c | xargs)" "5 stub" \
		"broken core: a stub is in the place of each module"
	rm -rf "$dir" "$dir.headers"
}

# asked_by_hook [NAME=VALUE]: the modules that initramfs-hook asks for.
asked_by_hook()
{
	sed "s|/usr/share/initramfs-tools/hook-functions|$TMP/functions|" \
		"$TREE/scripts/install/initramfs-hook" > "$TMP/hook"
	printf '%s\n' 'manual_add_modules() { for module; do echo "$module"; done; }' > "$TMP/functions"
	env DESTDIR="$TMP/dest" version=6.1 "$@" sh "$TMP/hook" | sort | xargs
}

# asked_by_dracut MODULE...: the same of dracut-module, where dracut has these modules.
asked_by_dracut()
{
	env initdir="$TMP/dest" kernel=6.1 INCLUDED=" $* " bash -c '
		dracut_module_included() { [[ $INCLUDED == *" $1 "* ]]; }
		instmods() { printf "%s\n" "$@"; }
		. "$1" && installkernel' bash "$TREE/scripts/install/dracut-module" | sort | xargs
}

initramfs()
{
	local all crash

	all="pvg_balloon pvg_blk pvg_ctl pvg_net pvg_ring virtio_balloon virtio_blk virtio_console"
	all="$all virtio_mmio virtio_net virtio_pci"
	crash=$(tr ' ' '\n' <<< "$all" | grep -v balloon | xargs)
	tap_is "$(asked_by_hook CONFDIR=/etc/initramfs-tools)" "$all" \
		"initramfs-tools: the initramfs has our modules and the in-tree ones"
	tap_is "$(asked_by_hook CONFDIR=/var/lib/kdump/initramfs-tools)" "$crash" \
		"initramfs-tools: the initramfs of a crash kernel has the same without a balloon"
	tap_is "$(asked_by_dracut base systemd)" "$all" \
		"dracut: the initramfs has our modules and the in-tree ones"
	tap_is "$(asked_by_dracut base kdumpbase)" "$crash" \
		"dracut: the initramfs of a crash kernel has the same without a balloon"
}

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
[ $# -gt 0 ] || set -- PM_SLEEP BPF COMPACTION DEBUG_FS HUGETLB broken broken_core initramfs
for part; do
	if [ -n "${OPTIONS[$part]:-}" ]; then
		without "$part"
	else
		"$part"
	fi
done
tap_done

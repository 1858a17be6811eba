# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# Which QEMU runs the VMs: that of the backports for Debian's next suite, unpacked
# in the cache. Under TCG it starts programs several times faster than the 7.2 of
# this machine's suite, which also translates code while another CPU patches it, so
# that a guest with two CPUs can die of a breakpoint that was long removed. The 10.0
# of the next suite itself loses writes to devices, the end of a timer interrupt
# among them, while another CPU moves a BAR; see Documentation/lab.md.

# Packages of which it consists, with what they depend on.
readonly QEMU_PACKAGES="qemu-system-x86"

readonly QEMU_SUITE=$CHROOT_SUITE-backports

# An emulated CPU. erms and fsrm are slow then. QEMU 7.2 leaves garbage in EFLAGS
# when an interrupt comes right after cmpxchg16b, TF and NT included, and SLUB uses
# it all the time: one boot in 30 died.
readonly QEMU_TCG=(-accel "tcg,thread=multi" -cpu "max,-erms,-fsrm,-cx16")

# Sets QEMU_ROOT: the directory of its usr/, or nothing for this machine's own.
qemu_prepare() {
	local suite=${LAB_QEMU:-$QEMU_SUITE}

	QEMU_ROOT=''
	case $suite in
	system) need qemu-system-x86_64; return ;;
	"$CHROOT_SUITE" | "$QEMU_SUITE") ;;
	*) die "LAB_QEMU '$LAB_QEMU' is none of system, $CHROOT_SUITE, $QEMU_SUITE" ;;
	esac
	QEMU_ROOT=$CACHE/qemu/$suite
	[ -e "$QEMU_ROOT/.packages" ] || with_lock qemu qemu_unpack ||
		die "QEMU was not unpacked; LAB_QEMU=system takes this machine's own"
}

qemu_unpack() {
	local tmp=$QEMU_ROOT.tmp suite=${QEMU_ROOT##*/} sources pocket=() release=()

	[ -e "$QEMU_ROOT/.packages" ] && return
	need mmdebstrap
	mkdir -p "$CACHE/qemu" || return
	rm -rf --one-file-system "$tmp"
	if [ "$suite" != "$CHROOT_SUITE" ]; then
		pocket=(backports)
		release=(--aptopt="APT::Default-Release \"$suite\"")
	fi
	sources=$(debian_sources "$CHROOT_SUITE" "${pocket[@]}") || return
	say "unpacking the QEMU of $suite (about 60 MB to download)"
	run_logged "$CACHE/qemu/unpack.log" mmdebstrap --mode=root --variant=extract \
		--include="${QEMU_PACKAGES// /,}" --aptopt='APT::Install-Recommends "false"' \
		"${release[@]}" "$CHROOT_SUITE" "$tmp" - <<<"$sources" || return
	echo "$QEMU_PACKAGES" >"$tmp/.packages"
	mv -T "$tmp" "$QEMU_ROOT"
}

# exec_in_netns COMMAND...: in the network namespace that was asked for.
exec_in_netns() {
	[ -z "$O_NETNS" ] || exec nsenter --net="$O_NETNS" -- "$@"
	exec "$@"
}

# exec_qemu: becomes QEMU. Its libraries are in its own usr/, which it sees in
# the place of this machine's; everything else has the same name as outside.
exec_qemu() {
	[ -n "$QEMU_ROOT" ] || exec_in_netns "${QEMU[@]}"
	# shellcheck disable=SC2016 # expanded by the inner shell
	exec_in_netns unshare --mount --propagation private sh -c '
		mount --bind "$0/usr" /usr && exec "$@"' "$QEMU_ROOT" "${QEMU[@]}"
}

# tsc_khz: the rate of the counter that an emulated guest reads; see tsc.c. Asked
# once per boot of the host, and nothing where there is no such counter.
tsc_khz() {
	local known=$CACHE/tsc program boot rate

	boot=$(cat /proc/sys/kernel/random/boot_id)
	if ! grep -qs "$boot" "$known"; then
		program=$(mktemp)
		rate=$(cc -O2 -o "$program" "$TREE/scripts/lab.d/tsc.c" 2>/dev/null &&
			"$program") || true
		rm -f "$program"
		[ -n "$rate" ] || return 0
		echo "$rate $boot" >"$known"
	fi
	cut -d' ' -f1 "$known"
}

# tcg_command_line: what an emulated kernel is told. Without tsc=reliable it may fall
# back to a clocksource of several microseconds per reading, and without its rate it
# may have a wrong one.
tcg_command_line() {
	local rate

	rate=$(tsc_khz)
	echo "tsc=reliable${rate:+ tsc_early_khz=$rate} no_timer_check cryptomgr.notests"
}

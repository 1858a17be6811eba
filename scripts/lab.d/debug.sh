# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# The debug kernel: Debian's 6.1 source with debug.config, which asks for
# everything that finds bugs and for little else. An interrupted build goes on
# where it was.

readonly DEBUG_ARCHIVE=/usr/src/linux-source-6.1.tar.xz
# Lines that make prints for a whole build, to show how far it is.
readonly DEBUG_STEPS=2080

# Where Debian's ccache, if it is installed, has its stand-ins for the compilers.
readonly DEBUG_CCACHE=/usr/lib/ccache

# What the configuration never compiles, two thirds of the source: left in the
# archive, except for the Kconfig files and Makefiles, which are always read.
readonly DEBUG_LEFT_OUT="arch/[!x]* drivers/gpu drivers/infiniband drivers/media \
drivers/net/ethernet drivers/net/wireless drivers/scsi drivers/staging drivers/usb sound"

# Where KASAN does not watch: code that handles no memory of ours, or only through
# functions that are watched, and which runs all the time. What is left are the drivers,
# the block layer, the network's core, timers, work and interrupts. The allocators poison
# what is freed wherever that happens.
readonly DEBUG_UNWATCHED="arch/x86 crypto drivers/acpi fs kernel/bpf kernel/events \
kernel/rcu kernel/sched kernel/trace mm net/ipv4 net/ipv6 net/unix security"

debug_prepare() {
	local key

	[ -e "$DEBUG_ARCHIVE" ] || die "no $DEBUG_ARCHIVE here: run scripts/setup"
	DEBUG_VERSION=$(dpkg-query -W -f '${Version}' linux-source-6.1)
	key=$DEBUG_VERSION-$(hash_of "$DEBUG_UNWATCHED" "$(sha256sum <"$LAB_DIR/debug.config")")
	K_DIR=$CACHE/kernels/debug-$key
	K_KDIR=$CACHE/debug/$key
	if [ ! -e "$K_DIR/image" ]; then
		with_lock kernel-debug debug_make || die "the debug kernel was not built"
	fi
	touch -c "$K_DIR" "$K_KDIR"
	K_RELEASE=$(cat "$K_DIR/release")
}

debug_make() {
	[ -e "$K_DIR/image" ] && return
	need flex bison bc
	debug_forget
	[ -d "$K_KDIR" ] || debug_unpack || return
	debug_unwatch || return
	debug_notifiers || return
	debug_configure || return
	debug_compile || return
	debug_install
}

# Those that no tree has asked for in a week; each takes gigabytes.
debug_forget() {
	mkdir -p "$CACHE/debug" "$CACHE/kernels"
	find "$CACHE/debug" "$CACHE/kernels" -mindepth 1 -maxdepth 1 \
		\( -path "$CACHE/debug/*" -o -name 'debug-*' \) -mtime +7 -exec rm -rf {} +
}

# Start from the tree of another configuration if there is one, since most of
# what was compiled there can stay.
debug_unpack() {
	local tmp=$CACHE/debug/tmp.$$ last dirs leave=()

	rm -rf "$CACHE"/debug/tmp.* && mkdir -p "$tmp" || return
	last=$(find "$CACHE/debug" -maxdepth 1 -name "$DEBUG_VERSION-*" -type d \
		-printf '%T@ %p\n' | sort -n | tail -n1 | cut -d' ' -f2-)
	if [ -n "$last" ]; then
		cp -a "$last/." "$tmp/" || return
	else
		say "unpacking the kernel's source"
		read -ra dirs <<<"$DEBUG_LEFT_OUT"
		mapfile -t leave < <(printf -- '--exclude=*/%s/*.[chS]\n' "${dirs[@]}")
		tar -xJf "$DEBUG_ARCHIVE" -C "$tmp" --strip-components=1 "${leave[@]}" || return
	fi
	mv -T "$tmp" "$K_KDIR"
}

# debug_unwatch: at the end of each Makefile of these directories and of no other.
debug_unwatch() {
	local mark='# pvguest' dirs

	find "$K_KDIR" -name Makefile -exec sed -i "/^$mark\$/,\$d" {} + || return
	read -ra dirs <<<"$DEBUG_UNWATCHED"
	(cd "$K_KDIR" && find "${dirs[@]}" -name Makefile \
		-exec sed -i "\$a$mark\nKASAN_SANITIZE := n" {} +)
}

# debug_notifiers: drivers/ring watches submitters by preempt notifiers, which only KVM
# selects; its hundred files are of no use in a guest.
debug_notifiers() {
	sed -i '/^config PREEMPT_NOTIFIERS$/{n;s/bool$/def_bool y/}' "$K_KDIR/init/Kconfig"
}

# An option that the configuration silently drops would be a check we only
# believe to have, so that is an error.
debug_configure() {
	local dropped

	run_logged "$CACHE/debug.log" make -C "$K_KDIR" \
		KCONFIG_ALLCONFIG="$LAB_DIR/debug.config" allnoconfig || return
	dropped=$(grep '^CONFIG_.*=[^n]' "$LAB_DIR/debug.config" |
		grep -vxF -f "$K_KDIR/.config" || true)
	[ -z "$dropped" ] && return
	say "debug.config asks for what this kernel does not offer: ${dropped//$'\n'/ }"
	return 1
}

debug_compile() {
	local log=$CACHE/debug.log watcher rc=0

	say "building the debug kernel: about 7 minutes on two CPUs, once"
	: >"$log"
	debug_progress "$log" {LOCK_FD}>&- &
	watcher=$!
	# A scan for leaks looks at every word there is, each under KASAN's eye: 30 s.
	# UBSAN is for our modules, which are built with the configuration as it stands.
	PATH=$DEBUG_CCACHE:$PATH run_logged "$log" make -C "$K_KDIR" -j"$(nproc)" \
		KASAN_SANITIZE_kmemleak.o=n CONFIG_UBSAN_SANITIZE_ALL= \
		bzImage modules || rc=$?
	kill "$watcher" 2>/dev/null
	return "$rc"
}

debug_progress() {
	while sleep 20 >/dev/null 2>&1 && kill -0 "$$"; do
		say "debug kernel: step $(grep -cE '^ +[A-Z0-9]+ ' "$1") of about $DEBUG_STEPS"
	done
}

debug_install() {
	local tmp=$K_DIR.tmp

	rm -rf "$tmp" && mkdir -p "$tmp" || return
	run_logged "$CACHE/debug.log" make -C "$K_KDIR" -s \
		INSTALL_MOD_PATH="$tmp" modules_install || return
	# Not the vmlinux: KASAN is not up yet where PVH enters it.
	cp "$K_KDIR/arch/x86/boot/bzImage" "$tmp/image" || return
	make -s -C "$K_KDIR" kernelrelease >"$tmp/release" || return
	mv -T "$tmp" "$K_DIR"
}

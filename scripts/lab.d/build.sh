# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0-only
# Builds our modules against one kernel, in a copy of the tree in the cache, so
# that several kernels and several trees never share an object file. Sets
#   B_DIR  the copy; B_KEY  names exactly what is in it
#
# Warnings of a build are kept in B_DIR/.warnings and are printed whenever the build is
# asked for. make compiles only what has changed, so after a build with warnings, or
# one that did not end, the next one begins from nothing: no warning gets lost.

# shellcheck source=scripts/install/sources.sh
. "$TREE/scripts/install/sources.sh"

# What the modules are made of, without what a build in the tree leaves there;
# the userspace tools take no part in it.
build_sources() {
	{
		cd "$TREE" || return
		# shellcheck disable=SC2086 # a list
		sources $MODULE_SOURCES | tr '\n' '\0'
		find selftests -type f \( -name '*.[chS]' -o -name Kbuild \
			-o -name Makefile -o -name '*.mk' \) ! -name '*.mod.c' -print0
	} 2>/dev/null | sort -z || true
}

build_key() {
	{
		printf '%s\n' "$K_RELEASE" "$K_KDIR" "${LAB_MAKE_ARGS:-}" "${LAB_STRICT:-}"
		(cd "$TREE" && build_sources | xargs -0r sha256sum)
	} | sha256sum | cut -c1-16
}

build_modules() {
	B_DIR=$CACHE/build/$K_NAME-$(hash_of "$TREE" "${LAB_MAKE_ARGS:-}" "${LAB_STRICT:-}")
	B_KEY=$(build_key)
	build_is_current || with_lock "build-$(basename "$B_DIR")" build_locked || return
	cat "$B_DIR/.warnings" >&2
}

build_is_current() {
	[ "$(cat "$B_DIR/.key" 2>/dev/null)" = "$B_KEY" ] && [ -e "$B_DIR/.warnings" ]
}

build_locked() {
	build_is_current && return
	mkdir -p "$B_DIR" || return
	rm -f "$B_DIR/.key"
	build_copy || return
	if [ -e "$B_DIR/Makefile" ]; then
		say "building modules for $K_RELEASE"
		[ ! -s "$B_DIR/.warnings" ] || build_clean || return
		echo "the build did not end" >"$B_DIR/.warnings"
		build_make || return
	fi
	grep -E 'warning:|WARNING:' "$B_DIR/make.log" >"$B_DIR/.warnings" 2>/dev/null || true
	printf '%s\n' "$B_KEY" >"$B_DIR/.key"
}

# Objects only: what was copied stays.
build_clean() {
	find "$B_DIR" \( -name '*.o' -o -name '*.ko' -o -name '.*.cmd' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name 'Module.symvers' \) -delete
}

# Bring the copy up to date without touching what make made in it, so that an
# unchanged file keeps its time; and drop sources that have gone.
build_copy() {
	local list=$B_DIR/.sources

	build_sources >"$list.new" || return
	if [ -e "$list" ]; then
		comm -z -23 "$list" "$list.new" | (cd "$B_DIR" && xargs -0r rm -f)
	fi
	rsync -a --from0 --files-from="$list.new" "$TREE/" "$B_DIR/" || return
	mv "$list.new" "$list"
}

build_make() {
	local log=$B_DIR/make.log args

	read -ra args <<<"${LAB_MAKE_ARGS:-}"
	if [ -n "${LAB_STRICT:-}" ]; then
		args+=(W=1)
		# The debug kernel's headers are the same.
		[ "$K_NAME" != 6.1 ] || args+=(C=1)
	fi
	run_logged "$log" build_env make -C "$B_DIR" -j"$(nproc)" KDIR="$K_KDIR" \
		CONFIG_PVG_FAKEHOST=m "${args[@]}" modules
}

# Run a command where K_KDIR is; B_DIR has the same name there.
build_env() {
	if [ "$K_ROOT" = / ]; then
		"$@"
	else
		in_chroot "$K_ROOT" "$@"
	fi
}

# The modules that were built, one path a line.
built_modules() {
	[ "$B_KEY" = none ] && return
	find "$B_DIR" -name '*.ko' | sort
}

lab_build() {
	local k list

	list=$(kernels_option "$@") || exit
	for k in $list; do
		kernel_prepare "$k" || exit
		build_modules || exit
		built_modules
	done
}

# shellcheck shell=bash disable=SC2034,SC2153,SC2154 # shared by the parts
# SPDX-License-Identifier: GPL-2.0
# Builds our modules against one kernel, in a copy of the tree in the cache, so
# that several kernels and several trees never share an object file. Sets
#   B_DIR  the copy; B_KEY  names exactly what is in it

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
		printf '%s\n' "$K_RELEASE" "$K_KDIR" "${LAB_MAKE_ARGS:-}"
		(cd "$TREE" && build_sources | xargs -0r sha256sum)
	} | sha256sum | cut -c1-16
}

build_modules() {
	B_DIR=$CACHE/build/$K_NAME-$(hash_of "$TREE" "${LAB_MAKE_ARGS:-}")
	B_KEY=$(build_key)
	[ "$(cat "$B_DIR/.key" 2>/dev/null)" = "$B_KEY" ] && return
	with_lock "build-$(basename "$B_DIR")" build_locked
}

build_locked() {
	[ "$(cat "$B_DIR/.key" 2>/dev/null)" = "$B_KEY" ] && return
	mkdir -p "$B_DIR" || return
	rm -f "$B_DIR/.key"
	build_copy || return
	if [ -e "$B_DIR/Makefile" ]; then
		say "building modules for $K_RELEASE"
		build_make || return
	fi
	printf '%s\n' "$B_KEY" >"$B_DIR/.key"
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
	run_logged "$log" build_env make -C "$B_DIR" -j"$(nproc)" KDIR="$K_KDIR" \
		CONFIG_PVG_FAKEHOST=m "${args[@]}" modules || return
	grep -E 'warning:|WARNING:' "$log" >&2 || true
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

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
#
# Checks that need no VM: of the scripts, of the style, by two compilers and by
# sparse.

# linux_parts: the few files of a kernel tree that are used here, checkpatch
# and kselftest's makefile and headers, unpacked into the cache once. Sets LINUX.
linux_parts()
{
	local archive=/usr/src/linux-source-6.1.tar.xz top=linux-source-6.1 lock

	LINUX=$CACHE/linux-parts
	exec {lock}> "$CACHE/check/lock" && flock "$lock" || return
	if [ -e "$LINUX/.complete" ]; then
		exec {lock}>&-
		return
	fi
	say "unpacking checkpatch and kselftest from $archive"
	rm -rf "$LINUX"
	mkdir -p "$LINUX"
	tar -xJf "$archive" -C "$LINUX" --strip-components=1 \
		$top/scripts/checkpatch.pl $top/scripts/spelling.txt \
		$top/scripts/const_structs.checkpatch \
		$top/tools/testing/selftests/lib.mk \
		$top/tools/testing/selftests/kselftest.h \
		$top/tools/testing/selftests/kselftest_harness.h \
		$top/tools/testing/selftests/kselftest_module.h \
		$top/tools/testing/selftests/kselftest &&
		touch "$LINUX/.complete" && exec {lock}>&-
}

# our_files: what git tracks or could, so that nothing generated is checked.
our_files()
{
	if git -C "$TREE" rev-parse --git-dir > /dev/null 2>&1; then
		git -C "$TREE" ls-files --cached --others --exclude-standard
	else
		(cd "$TREE" && find . -type f -printf '%P\n')
	fi | sort
}

shell_scripts()
{
	local file

	our_files | while read -r file; do
		[ -f "$TREE/$file" ] || continue
		if [[ $file == *.sh ]] || head -c 64 "$TREE/$file" | head -1 |
			grep -aqE '^#!.*[/ ](ba|da)?sh'; then
			echo "$file"
		fi
	done
}

check_shell()
{
	local file status=0

	while read -r file; do
		(cd "$TREE/$(dirname "$file")" && shellcheck -x -P "SCRIPTDIR:$TREE" "$(basename "$file")") || status=1
	done < <(shell_scripts)
	return $status
}

# check_style: complaints as "file type" against the list of exceptions.
check_style()
{
	local files

	mapfile -t files < <(our_files | grep '^\(drivers\|include\|selftests\|tools\)/.*\.[ch]$')
	(cd "$TREE" && perl "$LINUX/scripts/checkpatch.pl" --no-tree --strict --quiet \
		--no-summary --show-types --terse -f "${files[@]}") > "$WORK/style"
	[ -n "${files[*]}" ] || return 1
	awk '
		FNR == NR {
			if ($0 ~ /^[^#]/)
				except[$1 " " $2] = 1
			next
		}
		{
			split($0, part, ":")
			key = part[1] " " part[4]
			if (key in except)
				used[key] = 1
			else {
				print
				bad = 1
			}
		}
		END {
			for (key in except)
				if (!(key in used)) {
					print "not needed in style-exceptions: " key
					bad = 1
				}
			exit bad
		}' "$TREE/scripts/check.d/style-exceptions" "$WORK/style"
}

# Nothing in the tree may be so long that nobody reads it.
check_length()
{
	our_files | grep -v '^COPYING$' | while read -r file; do
		[ ! -f "$TREE/$file" ] || wc -l "$TREE/$file"
	done | awk '$1 > 800 { print; bad = 1 } END { exit bad }'
}

# build_strict KERNEL ARGUMENTS: without a warning of the compiler, of modpost
# or of sparse.
build_strict()
{
	local status

	LAB_MAKE_ARGS=$2 "$TREE/scripts/lab" build --kernel "$1"
	status=$?
	[ "$status" -eq 0 ] && ! grep -qiE 'warning:' "$WORK/output"
}

suite_static()
{
	linux_parts || { failure "static: checkpatch from the kernel's source"; return; }
	try "static: shellcheck" check_shell
	try "static: checkpatch --strict" check_style
	try "static: no file is longer than 800 lines" check_length
	try "static: gcc W=1, sparse (6.1)" \
		build_strict 6.1 "W=1 C=2 CF=-Wsparse-error KCFLAGS=-Werror"
	try "static: clang W=1 (6.1)" build_strict 6.1 "LLVM=1 W=1 KCFLAGS=-Werror"
}

# build_modules KERNEL
build_modules()
{
	say "build-$1: building for $1 (the first time its kernel is fetched or built)"
	try "build: $1" "$TREE/scripts/lab" build --kernel "$1"
}

# jobs_build: one for each kernel.
jobs_build()
{
	local kernel

	for kernel in 6.1 6.12 7 debug; do
		! wanted_kernel $kernel || job "build-$kernel" build '' build_modules $kernel
	done
}

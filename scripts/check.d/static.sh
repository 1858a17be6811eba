# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
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

# check_shell FILE...: each by itself, with what it sources.
check_shell()
{
	# shellcheck disable=SC2016 # for the inner shell
	printf '%s\0' "$@" | xargs -0 -P "$(nproc)" -n 4 bash -c '
		status=0
		for file; do
			(cd "$0/$(dirname "$file")" && shellcheck -x -P "SCRIPTDIR:$0" "$(basename "$file")") || status=1
		done
		exit $status' "$TREE"
}

# check_style: complaints as "file type" against the list of exceptions.
check_style()
{
	local files

	mapfile -t files < <(our_files | grep '^\(drivers\|include\|protocol\|selftests\|tools\)/.*\.[ch]$')
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
	(cd "$TREE" && our_files | grep -v '^COPYING$' | tr '\n' '\0' |
		xargs -0 wc -l 2> /dev/null) |
		awk '$2 != "total" && $1 > 800 { print; bad = 1 } END { exit bad }'
}

# test_files: the tests of all suites that run in VMs, as selftests/run takes them.
test_files()
{
	(cd "$TREE/selftests" && grep -l '^\. .*lib/tap\.sh' ./*/*.sh) | sed 's,^\./,,' |
		grep -v '/run-host\.sh$'
}

# suite_programs SUITE: the TEST_PROGS of its Makefile, one a line.
suite_programs()
{
	sed -e ':join' -e '/\\$/{N;s/\\\n//;b join' -e '}' "$TREE/selftests/$1/Makefile" |
		sed -n 's/^TEST_PROGS[[:space:]]*[:+]*=//p' | tr -s ' \t' '\n' | sed '/^$/d'
}

# check_rows: each test is in its suite's TEST_PROGS, and in a row of vm.list or, with a
# line that says what covers it, of long.list; or the suite's `make check` runs it on this
# machine.
check_rows()
{
	local test suite status=0

	while read -r test; do
		suite=${test%%/*}
		[ ! -f "$TREE/selftests/$suite/run-host.sh" ] || [ -f "$TREE/selftests/$suite/devices" ] || continue
		! sed -n '/^check:/,/^$/p' "$TREE/selftests/$suite/Makefile" |
			grep -qF "./${test#*/}" || continue
		if ! suite_programs "$suite" | grep -qxF -- "${test#*/}"; then
			echo "$test is not in TEST_PROGS of selftests/$suite/Makefile"
			status=1
		fi
		if ! grep -hv '^#' "$TREE/selftests/vm.list" "$TREE/selftests/long.list" |
			grep -qE "(^| )${test//./\\.}( |\$)"; then
			echo "$test is neither in selftests/vm.list nor in selftests/long.list"
			status=1
		fi
	done < <(test_files)
	while read -r test; do
		[ -x "$TREE/selftests/$test" ] || { echo "vm.list: no executable test $test"; status=1; }
	done < <(grep -hv '^#' "$TREE/selftests/vm.list" "$TREE/selftests/long.list" |
		tr ' ' '\n' | grep -E '^[a-z0-9]+/[a-z0-9_]+\.sh$' | sort -u)
	awk '/^#/ { covered = 1; next } !NF { covered = 0; next }
		!covered { print "long.list: no comment above says what covers " $1 " on each change"; bad = 1 }
		END { exit bad }' "$TREE/selftests/long.list" || status=1
	[ -n "$(test_files)" ] || { echo "no tests found"; status=1; }
	return $status
}

# build_without_warnings KERNEL: the modules for it, without a warning of the compiler,
# of modpost, kernel-doc or sparse.
build_without_warnings()
{
	"$TREE/scripts/lab" build --kernel "$1" || return
	! grep -iE 'warning:' "$WORK/output"
}

# build_clang: the other compiler.
build_clang()
{
	local -x LAB_STRICT='' LAB_MAKE_ARGS="LLVM=1 W=1"

	build_without_warnings 6.1
}

suite_static()
{
	local scripts style modules

	linux_parts || { failure "static: checkpatch from the kernel's source"; return; }
	mapfile -t scripts < <(shell_scripts)
	mapfile -t style < <(our_files | grep -E '^(drivers|include|protocol|selftests|tools)/.*\.[ch]$')
	mapfile -t modules < <(our_files | grep -E '^(Kbuild|Kconfig|Makefile|(include|drivers|protocol|scripts/compat|selftests/fakehost)/.*)$')
	try_once "$(key_of "${scripts[@]}" -- shell "$(versions shellcheck)")" \
		"static: shellcheck" check_shell "${scripts[@]}"
	try_once "$(key_of "${style[@]}" scripts/check.d/style-exceptions -- style "$(versions linux-source-6.1)")" \
		"static: checkpatch --strict" check_style
	try "static: no file is longer than 800 lines" check_length
	try "static: each test is run by the check or the long check" check_rows
	try "static: spelling" check_spelling
	try "static: SPDX tags" check_licences
	try "static: links of the documentation lead somewhere" check_links
	try "static: each promise has its test" check_promises
	try "static: the scripts for bpftrace name tracepoints and fields that exist" check_traces
	! wanted_kernel 6.1 ||
		try_once "$(key_of "${modules[@]}" -- clang "$(versions clang linux-headers-amd64)" "$("$TREE/scripts/lab" kernels)")" \
			"static: clang W=1 (6.1)" build_clang
}

# build_modules KERNEL
build_modules()
{
	say "build-$1: building for $1"
	try "build: $1 without a warning" build_without_warnings "$1"
}

# kernel_ready KERNEL: fetched or built, into the cache.
kernel_ready()
{
	local rest=

	[ "$1" != debug ] || "$TREE/scripts/lab" kernels | grep -q "^debug .*not cached" &&
		rest=" (where it is not cached, this takes long)"
	say "kernel-$1: getting kernel $1$rest"
	try "kernel: $1" "$TREE/scripts/lab" fetch --kernel "$1"
}

# jobs_build: the kernels and our modules for each.
jobs_build()
{
	local kernel

	for kernel in debug 6.1 6.12 7; do
		wanted_kernel $kernel || continue
		if [ $kernel = debug ]; then
			job kernel-debug kernel '' kernel_ready debug
			job build-debug work kernel-debug build_modules debug
		else
			job "build-$kernel" work '' build_modules "$kernel"
		fi
	done
}

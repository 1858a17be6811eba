# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# For the tests of files in the guest. Sourced after ops.sh.

FILES_DIR=

# files_begin: $FILES_DIR has two directories, host and guest. It is in memory, since what a
# disk has to do for others has no bounds.
files_begin()
{
	FILES_DIR=$(mktemp -d "${TMPDIR:-/tmp}/files.XXXXXX")
	tap_at_exit rmdir "$FILES_DIR"
	mount -t tmpfs -o size=600m,mode=755 files "$FILES_DIR" || tap_absent "no tmpfs can be mounted"
	tap_at_exit umount -l "$FILES_DIR"
	mkdir "$FILES_DIR/host" "$FILES_DIR/guest"
}

# files_says PATTERN DESCRIPTION VERB...: pvhost fails and says so.
files_says()
{
	local pattern=$1 what=$2 text

	shift 2
	if text=$(pvhost "$@" 2>&1); then
		tap_not_ok "$what" "succeeded: $*"$'\n'"$text"
	elif grep -q -- "$pattern" <<< "$text"; then
		tap_ok "$what"
	else
		tap_not_ok "$what" "$text"
	fi
}

# files_leftovers DIRECTORY: the files of transfers that have no final name.
files_leftovers()
{
	find "$1" -name '.pvguest-*'
}

# files_clean_guest DESCRIPTION: there are none in the guest's directory.
files_clean_guest()
{
	tap_is "$(files_leftovers "$FILES_DIR/guest")" "" "$1"
}

# files_xxh3 FILE: its XXH3-128; the program is made with the others of the suite.
files_xxh3()
{
	../operations/xxh3 < "$1"
}

# files_same DIRECTORY DIRECTORY: names, types, modes, owners, times, link targets and content.
files_same()
{
	diff <(_files_list "$1") <(_files_list "$2") && diff -r --no-dereference "$1" "$2"
}

_files_list()
{
	(cd "$1" && find . -mindepth 1 -printf '%p %y %m %U:%G %T@ %l\n' | sort)
}

# files_descriptors: how many the daemon and what it has started have open.
files_descriptors()
{
	local pid

	for pid in $(_ops_processes); do
		find "/proc/$pid/fd" -mindepth 1 2> /dev/null
	done | wc -l
}

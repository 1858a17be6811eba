#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Files in the guest: put, get, ls, stat, mkdir, mv and rm, on the good path, on bad input and
# against the policy. The guest and the host of this test are one machine.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/files.sh
. ../lib/files.sh

ops_start
files_begin
H=$FILES_DIR/host G=$FILES_DIR/guest

# One file.
head -c 3000000 /dev/urandom > "$H/data"
tap_check "put copies a file" pvhost put -q "$H/data" "$G/data"
tap_check "the copy is the same" cmp "$H/data" "$G/data"
tap_is "$(stat -c %a "$G/data")" 644 "a new file has mode 0644"
tap_check "get copies it back" pvhost get -q "$G/data" "$H/back"
tap_check "what came back is the same" cmp "$H/data" "$H/back"
tap_is "$(pvhost --json put "$H/data" "$G/data" | jq -c '[.files, .bytes, .errors]')" \
	"[1,3000000,0]" "put tells in JSON what it did"
: > "$H/empty"
tap_check "put copies an empty file" pvhost put -q "$H/empty" "$G/"
tap_check "the empty file is there" test -f "$G/empty" -a ! -s "$G/empty"
# shellcheck disable=SC2016 # that is the point
NAME='with space;$(touch shell)`touch shell`'
printf x > "$H/$NAME"
tap_check "put copies a file with the name of a command" pvhost put -q "$H/$NAME" "$G/"
tap_is "$(cat "$G/$NAME")" x "the file with that name is there"
tap_is "$(find / -xdev -name shell -newer "$H/empty" -path "$FILES_DIR*" 2> /dev/null)" "" \
	"no shell looked at the name"
rm -f "$G"/with*

# SHA-256 is the guest kernel's, which in the lab has one.
mkdir "$G/sums" "$H/sums"
sha256=$(pvhost put -q --sha256 "$H/data" "$H/empty" "$G/sums" 2>&1) && sha256=
[ -z "${PVG_QMP:-}" ] || tap_is "$sha256" "" "put checks the SHA-256"
if [ -z "$sha256" ]; then
	tap_check "put with SHA-256 copies the files" diff <(cd "$H" && sha256sum data empty) \
		<(cd "$G/sums" && sha256sum data empty)
	tap_is "$(pvhost --json stat --sha256 "$G/sums/"{data,empty,data} | jq -r .sha256)" \
		"$(cd "$H" && sha256sum data empty data | cut -d ' ' -f 1)" \
		"stat tells the SHA-256 of each file, as sha256sum does"
	tap_check "get checks the SHA-256" \
		pvhost get -q --sha256 "$G/sums/data" "$G/sums/empty" "$H/sums"
	tap_check "get with SHA-256 copies the files" diff -r "$G/sums" "$H/sums"
else
	tap_check "put refuses SHA-256 where the kernel has none" \
		grep -q "unsupported: put: SHA-256 of the guest's kernel" <<< "$sha256"
	tap_is "$(ls -A "$G/sums")" "" "nothing is there then"
	tap_check "get refuses SHA-256 where the kernel has none" \
		grep -q "unsupported: get: SHA-256" <(pvhost get -q --sha256 "$G/data" "$H/sums" 2>&1)
	tap_is "$(ls -A "$H/sums")" "" "get makes nothing then"
fi
tap_is "$(pvhost --json stat --sum "$G/data" | jq -r .xxh3)" "$(files_xxh3 "$H/data")" \
	"stat tells the XXH3-128"

# Where a copy goes.
mkdir "$G/into"
pvhost put -q "$H/data" "$G/into"
tap_check "put goes into a directory" cmp "$H/data" "$G/into/data"
pvhost put -q "$H/data" "$H/empty" "$G/into"
tap_check "put takes several files" test -e "$G/into/empty"
tap_fails "several files need a directory" pvhost put -q "$H/data" "$H/empty" "$G/none"
tap_fails "a slash at the end means a directory" pvhost put -q "$H/data" "$G/none/"
tap_fails "no file is made then" test -e "$G/none"
tap_fails "put needs an existing parent" pvhost put -q "$H/data" "$G/no/where"
files_says "put: .*No such file or directory" "a missing parent is named" \
	put -q "$H/data" "$G/no/where"
tap_fails "put without -r leaves a directory" pvhost put -q "$H" "$G/dir"
tap_fails "no directory is made then" test -e "$G/dir"
files_says "copied with -r alone" "the refusal says what would do" put -q "$H" "$G/dir"
tap_fails "put of a file that is not there fails" pvhost put -q "$H/absent" "$G/"
tap_fails "put needs an absolute path" pvhost put -q "$H/data" relative
files_says "without \.\." "a path with .. is refused" put -q "$H/data" "$G/../escape"
tap_fails "nothing is made of a path with .." test -e "$FILES_DIR/escape"

# What is replaced.
echo old > "$G/old"
chmod 640 "$G/old"
ln "$G/old" "$G/other"
pvhost put -q "$H/data" "$G/old"
tap_is "$(stat -c %a "$G/old")" 640 "what is replaced hands on its mode"
tap_is "$(cat "$G/other")" old "another hard link of what is replaced keeps its content"
tap_fails "put -n leaves alone what is there" pvhost put -qn "$H/empty" "$G/old"
tap_check "it has its content then" cmp "$H/data" "$G/old"
mkfifo "$H/fifo" "$G/fifo"
files_says "File exists" "put does not replace a fifo" put -q "$H/data" "$G/fifo"
tap_check "the fifo is there, in place of which a file was put" test -p "$G/fifo"
files_says "File exists" "get does not replace a fifo" get -q "$G/data" "$H/fifo"
tap_check "the fifo is there, in place of which a file was fetched" test -p "$H/fifo"
rm "$G/fifo" "$H/fifo"
files_clean_guest "nothing is left of what was put in place of a fifo"
mkdir "$G/isdir"
tap_fails "put -r does not replace a directory by a file" \
	pvhost put -q "$H/data" "$H/../host2/isdir" "$G"
ln -s /nonexistent/x "$G/link"
pvhost put -q "$H/data" "$G/link"
tap_check "a symbolic link is replaced, not followed" test -f "$G/link" -a ! -L "$G/link"
files_clean_guest "no temporary file is left"

# ls, stat, mkdir, mv, rm.
rm -rf "${G:?}"/*
tap_check "mkdir makes a directory" pvhost mkdir "$G/a"
tap_is "$(stat -c %a "$G/a")" 755 "its mode is 0755"
tap_check "mkdir -m sets the mode" pvhost mkdir -m 1770 "$G/m"
tap_is "$(stat -c %a "$G/m")" 1770 "mode 01770"
tap_fails "mkdir of what is there fails" pvhost mkdir "$G/a"
tap_check "mkdir -p of what is there does not" pvhost mkdir -p "$G/a"
tap_fails "mkdir makes no parents" pvhost mkdir "$G/x/y/z"
tap_check "mkdir -p does" pvhost mkdir -p "$G/x/y/z"
tap_check "the parents are there" test -d "$G/x/y/z"
tap_fails "a mode that is none is a usage error" pvhost mkdir -m 9 "$G/q"
touch "$G/a/one" "$G/a/two" "$G/a/.hidden"
printf 'x' > "$G/a/"$'ctl\e[31m'
tap_is "$(pvhost ls "$G/a" | tr '\n' ' ')" 'ctl\x1b[31m one two ' \
	"ls lists what is not hidden, and prints no control characters"
tap_is "$(pvhost ls -a "$G/a" | grep -c hidden)" 1 "ls -a lists hidden files"
tap_is "$(pvhost ls "$G/a/o*" "$G/a/t*" | tr '\n' ' ')" "$G/a/one $G/a/two " \
	"ls takes patterns"
tap_fails "ls of a pattern that nothing matches fails" pvhost ls "$G/nothing*"
tap_is "$(pvhost ls -L "$G/a/o*" 2>&1 | grep -c 'No such file')" 1 "ls -L takes no patterns"
tap_is "$(pvhost ls -R "$G/x" | tr '\n' ' ')" "y y/z " "ls -R goes down"
tap_is "$(pvhost ls -d "$G/a")" "$G/a" "ls -d lists the directory itself"
tap_check "ls -l tells modes" grep -q '^drwxrwx--T .* m$' <(pvhost ls -l "$G")
tap_is "$(pvhost --json ls "$G/a" | jq -r 'select(.name | endswith("one")).type')" file \
	"ls tells in JSON"
ln -s a "$G/l"
tap_is "$(pvhost --json stat "$G/l" | jq -r '.type + " " + .target')" "symlink a" \
	"stat tells of a link, not of what it leads to"
mkfifo "$G/fifo"
tap_is "$(pvhost --json stat "$G/fifo" | jq -r .type)" fifo "stat tells of a fifo"
mkdir "$G/memory"
mount -t tmpfs memory "$G/memory"
truncate -s 9007199254740993 "$G/memory/large"
tap_is "$(pvhost --json stat "$G/memory/large" | grep -o '"size":[0-9]*')" '"size":9007199254740993' \
	"a size above 2^53 is told to the last digit"
umount "$G/memory"
rmdir "$G/memory"
tap_check "mv renames" pvhost mv "$G/a/one" "$G/a/three"
tap_check "the new name is there" test -e "$G/a/three"
tap_check "mv moves into a directory" pvhost mv "$G/a/three" "$G/x"
tap_check "it is there" test -e "$G/x/three"
tap_fails "mv -n replaces nothing" pvhost mv -n "$G/x/three" "$G/a/two"
tap_fails "mv of what is not there fails" pvhost mv "$G/none" "$G/some"
tap_check "rm removes a file" pvhost rm "$G/a/two"
tap_fails "it is gone" test -e "$G/a/two"
tap_fails "rm of what is not there fails" pvhost rm "$G/a/two"
tap_check "rm -f does not" pvhost rm -f "$G/a/two"
tap_fails "rm needs -r for a directory" pvhost rm "$G/x"
tap_check "rm removes what a pattern stands for" pvhost rm -r "$G/[ax]"
tap_is "$(find "$G" -mindepth 1 | wc -l)" 3 "what does not match stays"
tap_check "rm removes a link, not what it leads to" pvhost rm "$G/l"
tap_check "rm removes a fifo" pvhost rm "$G/fifo"

# In the name of a user.
if grep -q ^nobody: /etc/passwd; then
	mkdir -m 777 "$G/pub"
	chmod 711 "$FILES_DIR" "$G"
	echo mine > "$G/pub/secret"
	chmod 600 "$G/pub/secret"
	tap_check "put as a user" pvhost put -q -u nobody "$H/empty" "$G/pub/nobodys"
	tap_is "$(stat -c %U "$G/pub/nobodys")" nobody "the file is that user's"
	tap_fails "a user cannot get what is another's" \
		pvhost get -q -u nobody "$G/pub/secret" "$H/secret"
	tap_fails "nothing was made of it" test -e "$H/secret"
	tap_fails "a user cannot write where it may not" \
		pvhost put -q -u nobody "$H/data" "$G/nobodys"
	files_says "Permission denied" "it is said why" put -q -u nobody "$H/data" "$G/nobodys"
	tap_fails "a user that is not there is refused" \
		pvhost put -q -u '../../root' "$H/data" "$G/pub/x"
fi

ops_stop
tap_done

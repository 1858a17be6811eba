#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Files under attack: by a host that sends names which lead elsewhere, and by a user of the
# guest who exchanges files and directories while a worker that is root is at work. What a
# guest may send to a host is in unit_transfer.c.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/files.sh
. ../lib/files.sh

files_begin
H=$FILES_DIR/host G=$FILES_DIR/guest
mkdir "$G/open" "$G/closed" "$G/read" "$G/other"
ops_policy "[rule \"some\"]
allow = @files
user = *
root = $G/open rw
root = $G/read r
root = $G/other rw
[rule \"not that\"]
deny = @files
root = $G/open/denied rw
root = $G/open/**/hidden rw"
ops_start
echo secret > "$G/closed/secret"
echo readable > "$G/read/file"
mkdir "$G/open/denied"
echo denied > "$G/open/denied/file"
echo data > "$H/data"

# Names.
untouched()
{
	[ "$(cat "$G/closed/secret")" = secret ] && [ "$(ls -A "$G/closed")" = secret ]
}

for path in "$G/open/../closed/x" "$G/closed/x" "/../$G/closed/x" "$G/open/./../closed/x" \
	"$G/openx" "$G/open/.." "$G/closed" "$G" /; do
	tap_fails "put refuses ${path#"$FILES_DIR"}" pvhost put -q "$H/data" "$path"
	tap_fails "get refuses ${path#"$FILES_DIR"}" pvhost get -qr "$path" "$H/got"
	tap_fails "rm refuses ${path#"$FILES_DIR"}" pvhost rm -r "$path"
	tap_fails "mkdir refuses ${path#"$FILES_DIR"}" pvhost mkdir "$path/made"
done
files_says "not an absolute path without \.\." "a path with .. is refused as such, wherever it leads" \
	get -q "$G/open/../read/file" "$H/got"
tap_check "what is outside is as it was" untouched
tap_fails "ls does not list what is outside" pvhost ls "$G/closed"
tap_fails "a pattern does not reach what is outside" pvhost ls "$G/clos*/*"
tap_fails "stat does not tell of what is outside" pvhost stat "$G/closed/secret"
tap_fails "mv does not bring in what is outside" pvhost mv "$G/closed/secret" "$G/open/"
touch "$G/open/mine"
tap_fails "mv does not bring out what is inside" pvhost mv "$G/open/mine" "$G/closed/"
tap_check "what may be read is read" pvhost get -q "$G/read/file" "$H/read"
tap_fails "what may be read alone is not written" pvhost put -q "$H/data" "$G/read/file"
tap_is "$(cat "$G/read/file")" readable "it has its content"
tap_fails "what the policy denies is not read" pvhost get -q "$G/open/denied/file" "$H/denied"
pvhost get -qr "$G/open" "$H/opened" 2> /dev/null
tap_fails "nor with what it is in" test -e "$H/opened/denied/file"
tap_check "what is beside it is" test -e "$H/opened/mine"
tap_fails "a directory with what is denied is not renamed" pvhost mv "$G/open/denied" "$G/open/other"
mkdir -p "$G/other/up/a/hidden"
tap_fails "nor is one that would have something where that is denied" \
	pvhost mv "$G/other/up" "$G/open/up"
tap_check "which stays where it is" test -d "$G/other/up/a/hidden"
tap_fails "a root of the policy is not removed" pvhost rm -r "$G/open"
tap_is "$(pvhost stat "$G/closed/none" 2>&1 | sed 's/none/X/g')" \
	"$(pvhost stat "$G/closed/secret" 2>&1 | sed 's/secret/X/g')" \
	"what is denied is told in the same words whether it is there or not"

# Records that pvhost would not make: field 1 is a path, field 2 flags.
# field TEXT: it as a field 1, of less than 128 bytes
field()
{
	printf '\\x0a\\x%02x%s' ${#1} "$1"
}

# record TEXT...: these fields, with escapes of printf
record()
{
	printf '%b' "$@"
}

FILE=18 PUT=1 REMOVE=7
# PVO_FILE_EXACT: into the directory that the root is in, under the root's name
got=$(client -s $FILE -r "$(record "$(field "$G/open")" '\x10\x80\x40')" $PUT)
tap_is "${got%% *}" denied "a put in the place of a root of the policy is refused"
client -s $FILE -w "$OPS_DIR/told" \
	-r "$(record "$(field "$G/open/none")" "$(field a/relative/path)")" $REMOVE > /dev/null
tap_is "$(grep -ao "$G/open/none\|a/relative/path" "$OPS_DIR/told" | sed "s,$G/open/,," | xargs)" \
	"none none a/relative/path a/relative/path" \
	"a path that is none is told with its own name, not with that of the one before"

# Links of the guest's users.
ln -s "$G/closed" "$G/open/away"
ln -s ../closed/secret "$G/open/relative"
ln -s "$G/closed/secret" "$G/open/absolute"
ln -s /proc/self/root "$G/open/magic"
for link in away/secret relative absolute "magic$G/closed/secret"; do
	tap_fails "get does not follow $link" pvhost get -q "$G/open/${link#/}" "$H/followed"
done
tap_fails "put does not write through a link" pvhost put -q "$H/data" "$G/open/away/new"
tap_fails "mkdir does not" pvhost mkdir "$G/open/away/new"
tap_fails "rm does not" pvhost rm "$G/open/away/secret"
tap_check "put replaces a link" pvhost put -q "$H/data" "$G/open/relative"
tap_check "what is outside is as it was" untouched
mkdir -p "$G/open/tree" "$H/tree/sub"
echo data > "$H/tree/sub/secret"
ln -s "$G/closed" "$G/open/tree/sub"
tap_fails "put -r does not go through a link in the tree" \
	pvhost put -qr "$H/tree" "$G/open"
tap_check "what is outside is as it was after put -r" untouched
rm -f "$H/followed"
tap_check "rm -r removes a link, and not what it leads to" pvhost rm -r "$G/open/tree"
tap_check "what is outside is as it was after rm -r" untouched

# Fifos, devices, and hard links.
mkfifo "$G/open/fifo"
tap_fails "get does not wait for a fifo" timeout 5 "$PVHOST" get -q "$G/open/fifo" "$H/x"
files_says "fifo, a socket or a device" "it says why" get -q "$G/open/fifo" "$H/x"
if mknod "$G/open/zero" c 1 5 2> /dev/null; then
	tap_fails "get does not read a device" pvhost get -q "$G/open/zero" "$H/x"
else
	tap_skip "get does not read a device" "mknod is not permitted"
fi
ln "$G/closed/secret" "$G/open/hard"
tap_check "put to a hard link" pvhost put -q "$H/data" "$G/open/hard"
tap_check "leaves the other one as it was" untouched

# A user who exchanges a directory and a link without pause.
mkdir "$G/open/race" "$G/open/real"
exchange()
{
	local i

	for ((i = 0; ; i++)); do
		ln -sfn "$G/closed" "$G/open/race/link.tmp"
		mv -T "$G/open/race/link.tmp" "$G/open/race/dir" 2> /dev/null
		rm -f "$G/open/race/dir"
		mkdir "$G/open/race/dir" 2> /dev/null
		: > "$G/open/race/dir/secret"
		rm -rf "$G/open/race/dir"
	done
} 2> /dev/null
exchange &
attacker=$!
tap_at_exit kill -9 "$attacker"
end=$((SECONDS + ${RACE_SECONDS:-5}))
tries=0 leaked=0
while [ $SECONDS -lt $end ]; do
	pvhost put -q "$H/data" "$G/open/race/dir/new" 2> /dev/null
	pvhost get -q "$G/open/race/dir/secret" "$H/raced" 2> /dev/null &&
		grep -q secret "$H/raced" && leaked=$((leaked + 1))
	pvhost rm -r "$G/open/race/dir" 2> /dev/null
	pvhost put -qr "$H/tree" "$G/open/race/dir" 2> /dev/null
	tries=$((tries + 4))
done
kill -9 "$attacker"
wait "$attacker" 2> /dev/null
tap_num "$tries >= 8" "the race was run" "$tries requests"
tap_is "$leaked" 0 "nothing outside is read in a race"
tap_check "nothing outside is changed in a race" untouched || tap_diag "$(ls -lA "$G/closed")"

# The same with a link to what the policy denies beneath a root that it allows, which no rule of
# Landlock can say: that the worker follows no link is all there is.
mkdir "$G/open/swap" "$G/open/swap/one"
echo mine > "$G/open/swap/one/file"
ln -s "$G/open/denied" "$G/open/swap/two"
./exchange "$G/open/swap/one" "$G/open/swap/two" &
attacker=$!
tap_at_exit kill -9 "$attacker"
end=$((SECONDS + ${RACE_SECONDS:-5})) last=$((SECONDS + 60))
met=0 read=0
while [ $SECONDS -lt $end ] || { [ $met -eq 0 ] && [ $SECONDS -lt $last ]; }; do
	rm -f "$H/raced"
	pvhost get -q "$G/open/swap/one/file" "$H/raced" 2> /dev/null && met=$((met + 1))
	! grep -qs denied "$H/raced" || read=$((read + 1))
	pvhost put -q "$H/data" "$G/open/swap/one/put" 2> /dev/null
	pvhost mkdir "$G/open/swap/one/made" 2> /dev/null
	pvhost rm "$G/open/swap/one/put" 2> /dev/null
done
kill -9 "$attacker"
wait "$attacker" 2> /dev/null
tap_num "$met >= 1" "the directory is met in a race for what is denied" "$met times"
tap_is "$read" 0 "what the policy denies is not read in a race"
tap_is "$(ls -A "$G/open/denied"; cat "$G/open/denied/file")" $'file\ndenied' \
	"what the policy denies is not changed in a race"

# A file that changes, and one that shrinks, while it is read.
head -c 60000000 /dev/urandom > "$G/open/growing"
while :; do
	printf x >> "$G/open/growing"
done &
writer=$!
files_says "growing: it was changed while it was read" "a file that changes is told" \
	get -q --no-resume "$G/open/growing" "$H/growing"
kill -9 "$writer"
wait "$writer" 2> /dev/null
tap_fails "nothing is left of it" test -e "$H/growing"
for ((size = 60000000; size > 0; size -= 1000)); do
	truncate -s $size "$G/open/growing"
done &
writer=$!
tap_fails "a file that shrinks is told" pvhost get -q --no-resume "$G/open/growing" "$H/growing"
kill -9 "$writer"
wait "$writer" 2> /dev/null
tap_fails "nothing is left of that" test -e "$H/growing"

# A part of a transfer that another user has made, in a directory where all may. A part has the
# same name each time, so that user can know it.
mkdir -m 777 "$G/open/all"
chmod 711 "$FILES_DIR" "$G" "$G/open"
head -c 40000000 /dev/urandom > "$H/big"
"$PVHOST" put -q "$H/big" "$G/open/all/big" 2> /dev/null &
transfer=$!
part=
end=$((SECONDS + 20))
while [ -z "$part" ] && [ $SECONDS -lt $end ]; do
	part=$(compgen -G "$G/open/all/.pvguest-*.part")
done
kill -9 "$transfer"
wait "$transfer" 2> /dev/null
tap_check "a transfer has a part" test -n "$part"
wait_for 20 ops_has_workers 0

# part_is WHAT COMMAND...: with what the command makes in place of the part
part_is()
{
	local what=$1

	shift
	rm -f "$part" "$G/open/all/big"
	echo precious > "$G/open/precious"
	"$@"
	tap_check "with $what in place of a part a put works" \
		timeout 60 "$PVHOST" put -q "$H/big" "$G/open/all/big"
	tap_check "with $what in place of a part the content is right" cmp "$H/big" "$G/open/all/big"
	tap_is "$(stat -c '%U %F' "$G/open/all/big")" "root regular file" \
		"with $what in place of a part the file is its user's own"
	tap_is "$(cat "$G/open/precious")" precious "with $what in place of a part no other file is written"
}

foreign_part()
{
	: > "$part"
	chown 65534 "$part"
	chmod 666 "$part"
}
part_is "another user's file" foreign_part
part_is "a link" ln -s "$G/open/precious" "$part"
part_is "a hard link" ln "$G/open/precious" "$part"
part_is "a fifo" mkfifo "$part"

ops_stop
tap_done

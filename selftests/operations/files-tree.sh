#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Directories and what files have beside their content: holes, modes, owners, times, extended
# attributes, ACLs; many small files; descriptors, processes and memory that stay; a full disk.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh
# shellcheck source=../lib/files.sh
. ../lib/files.sh

# xattr FILE: names and values, without those of security modules; nothing where the machine
# has no getfattr.
xattrs()
{
	getfattr -d -m '^(user|system\.posix_acl)' -e hex "$1" 2> /dev/null | grep '='
}

ops_start
files_begin
H=$FILES_DIR/host G=$FILES_DIR/guest

# A tree with everything.
mkdir -p "$H/tree/sub/deep" "$H/tree/empty"
head -c 200000 /dev/urandom > "$H/tree/data"
head -c 70000 /dev/urandom > "$H/tree/sub/deep/more"
: > "$H/tree/sub/nothing"
ln -s ../data "$H/tree/sub/link"
ln -s /absolute/x "$H/tree/sub/absolute"
chmod 4751 "$H/tree/data"
chmod 600 "$H/tree/sub/nothing"
chown 12345:54321 "$H/tree/sub/nothing" "$H/tree/data"
chmod 4751 "$H/tree/data"
chmod 2750 "$H/tree/sub"
touch -h -d '2001-02-03 04:05:06.789' "$H/tree/sub/link"
find "$H/tree" ! -type l -exec touch -d '2002-03-04 05:06:07.123456789' {} +
tap_check "put -rp copies a tree" pvhost put -qrp "$H/tree" "$G/"
tap_check "it is the same, with modes, owners and times" files_same "$H/tree" "$G/tree"
tap_check "get -rp copies a tree" pvhost get -qr --owner "$G/tree" "$H/back"
tap_check "what came back is the same" files_same "$H/tree" "$H/back"
rm -rf "$H/back"
tap_check "get -rp without --owner" pvhost get -qrp "$G/tree" "$H/back"
tap_is "$(stat -c '%a %u' "$H/back/data")" "751 0" \
	"sets neither a guest's owners nor its set-user-id bits on the host"
rm -rf "$H/back"
tap_check "put -r without -p" pvhost put -qr "$H/tree" "$G/plain"
tap_is "$(stat -c '%a %u' "$G/plain/data" "$G/plain/sub" | tr '\n' ' ')" "751 0 750 0 " \
	"preserves the permissions that the umask leaves, and no owner"
mkdir "$H/into"
tap_check "get of the content alone" pvhost get -qr "$G/tree/." "$H/into"
tap_check "is the content" diff -r --no-dereference "$H/tree" "$H/into"
tap_check "put of the content alone" pvhost put -qr "$H/tree/." "$G/content"
tap_check "is the content, too" diff -r --no-dereference "$H/tree" "$G/content"
tap_check "get -r of a pattern" pvhost get -qr "$G/tr*" "$G/pl*" "$H/into"
tap_check "gets each match" test -d "$H/into/tree" -a -d "$H/into/plain"
mkfifo "$H/tree/fifo"
files_says "$H/tree/fifo: it is a fifo, a socket or a device" "a fifo is refused by its name" \
	put -qr "$H/tree" "$G/withfifo"
tap_check "what is beside it is copied" cmp "$H/tree/sub/deep/more" "$G/withfifo/sub/deep/more"
rm "$H/tree/fifo"

# Holes.
truncate -s 50M "$H/sparse"
printf 'middle' | dd of="$H/sparse" bs=1 seek=20000000 conv=notrunc status=none
tap_check "put copies a file with holes" pvhost put -q "$H/sparse" "$G/sparse"
tap_check "it is the same" cmp "$H/sparse" "$G/sparse"
tap_num "$(stat -c %b "$G/sparse") * 512 <= 1000000" "the holes take no room"
tap_check "get copies a file with holes" pvhost get -q "$G/sparse" "$H/sparse2"
tap_check "what came back is the same" cmp "$H/sparse" "$H/sparse2"
tap_num "$(stat -c %b "$H/sparse2") * 512 <= 1000000" "the holes take no room on the host"
truncate -s 1000 "$H/hole"
tap_check "a file may be nothing but a hole" pvhost put -q "$H/hole" "$G/hole"
tap_check "it is one" cmp "$H/hole" "$G/hole"

# Extended attributes and ACLs.
echo x > "$H/attr"
if setfattr -n user.test -v "value" "$H/attr" 2> /dev/null &&
	setfacl -m u:12345:rw "$H/attr" 2> /dev/null; then
	pvhost put -qp "$H/attr" "$G/attr"
	tap_is "$(xattrs "$G/attr" | sort)" "$(xattrs "$H/attr" | sort)" \
		"put -p preserves extended attributes and ACLs"
	pvhost get -qp "$G/attr" "$H/attr2"
	tap_is "$(xattrs "$H/attr2" | sort)" "$(xattrs "$H/attr" | sort)" \
		"get -p preserves extended attributes and ACLs"
	pvhost put -q "$H/attr" "$G/attr3"
	tap_is "$(xattrs "$G/attr3")" "" "put without -p does not"
	echo new > "$H/new"
	pvhost put -q "$H/new" "$G/attr"
	tap_check "what is replaced hands on its ACL" \
		grep -q posix_acl_access <<< "$(xattrs "$G/attr")"
else
	tap_skip "put -p preserves extended attributes and ACLs" \
		"no setfattr and setfacl, or a file system without: transfer.c tests it"
fi

# Many files.
mkdir "$H/many"
for i in $(seq 50); do
	mkdir "$H/many/$i"
	(cd "$H/many/$i" && seq 200 | split -l 1 -a 3 - f)
done
before=$(files_descriptors)
tap_check "put copies 10000 files" pvhost put -q -r "$H/many" "$G/many"
tap_is "$(find "$G/many" -type f | wc -l)" 10000 "they are there"
tap_check "get copies 10000 files" pvhost get -q -r "$G/many" "$H/many2"
tap_check "they are the same" diff -r "$H/many" "$H/many2"
tap_check "rm -r removes 10000 files" pvhost rm -r "$G/many"
tap_fails "they are gone" test -e "$G/many"
tap_is "$(files_descriptors)" "$before" "the daemon has the descriptors that it had"
files_clean_guest "no temporary file is left"
tap_is "$(files_leftovers "$H")" "" "nor on the host"

# What a host and a guest have no room for.
mkdir "$G/small" "$H/small"
if mount -t tmpfs -o size=1m none "$G/small" && mount -t tmpfs -o size=1m none "$H/small"; then
	tap_at_exit umount -l "$G/small" "$H/small"
	head -c 3000000 /dev/urandom > "$H/large"
	files_says "small/large: No space left on device" "a full disk is told, with the path" \
		put -q "$H/large" "$G/small/"
	tap_is "$(ls -A "$G/small")" "" "nothing is left on it"
	tap_is "$(df --output=used "$G/small" | tail -n 1 | tr -d ' ')" 0 "nor without a name"
	head -c 400000 /dev/urandom > "$H/fits"
	mkdir "$H/set"
	cp "$H/fits" "$H/set/1" && cp "$H/fits" "$H/set/2" && cp "$H/fits" "$H/set/3"
	files_says "small/set.*No space left on device" "a full disk ends a tree" \
		put -qr "$H/set" "$G/small/"
	head -c 3000000 /dev/urandom > "$G/large"
	files_says "No space left on device" "a full disk of the host is told" \
		get -q "$G/large" "$H/small/"
	tap_is "$(ls -A "$H/small")" "" "nothing is left on that"
	mount -o remount,ro "$G/small"
	files_says "small/fits: Read-only file system" "a read-only file system is told" \
		put -q "$H/fits" "$G/small/"
	files_says "Read-only file system" "mkdir tells it" mkdir "$G/small/x"
	files_says "Read-only file system" "rm tells it" rm -r "$G/small/set"
else
	tap_skip "a full disk is told, with the path" "nothing can be mounted here"
fi

# The policy's limit.
ops_policy '[rule "all"]
allow = @files
user = *
root = / rw
[limits "small"]
bytes = 1000000'
kill -HUP "$OPS_PID"
head -c 1500000 /dev/urandom > "$H/over"
limited() { ! pvhost put -q "$H/over" "$G/over" 2> "$FILES_DIR/text"; }
wait_for 5 limited
tap_check "the limit of bytes is told" grep -q "the limit of the policy, 1000000 bytes" \
	"$FILES_DIR/text" || tap_diag "$(cat "$FILES_DIR/text")"
tap_fails "nothing is there then" test -e "$G/over"
tap_check "a smaller file may be put" pvhost put -q "$H/hole" "$G/smaller"

ops_stop
tap_done

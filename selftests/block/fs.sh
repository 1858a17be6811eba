#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Filesystems live on the disk: files survive an unmount, fsck is content, the
# write cache is flushed where a filesystem asks for it, and unused space can
# be given back.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

MNT=$(mktemp -d)
tap_at_exit rmdir "$MNT"
tap_at_exit umount -q "$MNT"

# fill: files of many sizes, from empty to 4 MiB, and their checksums.
fill()
{
	local i

	mkdir -p "$MNT/d" || return 1
	for i in 0 1 511 4096 65537 1048576 4194304; do
		head -c "$i" /dev/urandom > "$MNT/d/$i" || return 1
	done
	(cd "$MNT" && sha256sum d/* > sums) && sync -f "$MNT"
}

verify_sums()
{
	(cd "$MNT" && sha256sum -c --quiet sums)
}

flushes()
{
	awk '{ print $16 }' "/sys/block/$DISK/stat"
}

# trim SERIAL: a filesystem's free space reaches the disk as discards.
trim()
{
	local before after

	if [ "$(cat "/sys/block/$DISK/queue/discard_max_bytes")" -eq 0 ]; then
		tap_not_ok "$1: the disk offers discard, as QEMU was told" "discard_max_bytes is 0"
		return
	fi
	before=$(awk '{ print $14 }' "/sys/block/$DISK/stat")
	tap_check "$1: fstrim exits with 0" fstrim -v "$MNT"
	after=$(awk '{ print $14 }' "/sys/block/$DISK/stat")
	tap_num "$after - $before > 65536" "$1: fstrim discards more than 32 MiB" \
		"$(((after - before) / 2)) KiB"
}

# cycle SERIAL NAME MKFS FSCK: make, fill, remount, verify, check.
cycle()
{
	local what="$1 $2" before

	before=$(flushes)
	tap_check "$what: mkfs exits with 0" sh -c "$3 $DEV" || return
	tap_check "$what: the new filesystem can be mounted" mount "$DEV" "$MNT" || return
	tap_check "$what: files of 0 bytes to 4 MiB can be written" fill
	tap_check "$what: the filesystem can be unmounted after the write" umount "$MNT"
	tap_check "$what: the filesystem can be mounted after the write" mount "$DEV" "$MNT" || return
	tap_check "$what: files have their checksums after the remount" verify_sums
	trim "$what"
	tap_check "$what: files have their checksums after the trim" verify_sums
	tap_check "$what: the filesystem can be unmounted after the trim" umount "$MNT"
	tap_check "$what: fsck finds nothing" sh -c "$4 $DEV"
	tap_num "$(flushes) > $before" "$what: the filesystem flushes the write cache of the disk" "$before flushes before"
}

blk_need_disks
for serial in "${DISKS[@]}"; do
	blk_need "$serial"
	cycle "$serial" ext4 "mkfs.ext4 -q -F -E nodiscard" "e2fsck -fn"
done

# One xfs is enough: it differs in what it asks of a disk, not of a ring. It
# does not go below 300 MiB.
for serial in "${DISKS[@]}"; do
	DISK=$(blk_find "$serial")
	[ "$(cat "/sys/block/$DISK/size")" -lt $((300 * 2048)) ] || break
	serial=
done
[ -n "$serial" ] || tap_absent "there is no disk of 300 MiB, for xfs"
blk_need "$serial"
cycle "$serial" xfs "mkfs.xfs -q -f -K" "xfs_repair -n"

tap_done

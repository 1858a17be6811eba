#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Names and numbers of disks. The major is one that LVM and parted know to have room for
# partitions, and a disk that has gone keeps its letter while it is open.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

# number FILE: "MAJOR MINOR" of a block device in sysfs
number()
{
	local dev

	read -r dev < "$1/dev"
	echo "${dev/:/ }"
}

# is_virtblk MAJOR: /proc/devices calls it so.
is_virtblk()
{
	awk -v major="$1" '/^Block/ { on = 1 } on && $1 == major && $2 == "virtblk" { found = 1 } END { exit !found }' \
		/proc/devices
}

# fake_disk: a new one; prints its name.
fake_disk()
{
	fake block && blk_wait pvgfake
}

fake_need
first=$(fake_disk) || tap_absent "pvg_fakehost makes no disk"
read -r major minor < <(number "/sys/block/$first")
tap_check "the disk's major is called virtblk in /proc/devices" is_virtblk "$major"
tap_num "$minor % 16 == 0" "the disk's minor is a multiple of 16" "$minor"
majors=$(for disk in /sys/block/vd*; do number "$disk"; done | awk '{ print $1 }' | sort -u | xargs)
tap_is "$majors" "$major" "all disks have that major"
minors=$(for disk in /sys/block/vd*; do number "$disk"; done | awk '{ print $2 }' | sort | uniq -d)
tap_is "$minors" "" "no two disks have the same minor"

# A partition table with one partition, from sector 2048 on.
{
	head -c 446 /dev/zero
	printf '\0\0\0\0\x83\0\0\0\0\x08\0\0\0\x10\0\0'
	head -c 48 /dev/zero
	printf '\x55\xaa'
} | dd of="/dev/$first" conv=fsync 2> /dev/null
tap_check "the kernel finds the partition" wait_for 10 eval \
	"blockdev --rereadpt /dev/$first; test -e /sys/block/$first/${first}1/dev"
tap_is "$(number "/sys/block/$first/${first}1")" "$major $((minor + 1))" \
	"the partition has the major of its disk, and the next minor"

# The letter of a disk that has gone.
exec 5< "/dev/$first"
tap_check "a disk can go while it is open" timeout 60 rmmod pvg_fakehost
second=$(fake_disk)
tap_check "the next disk has another letter than $first, which is still open" \
	test -n "$second" -a "$second" != "$first"
exec 5<&-
tap_check "the other disk can go" timeout 60 rmmod pvg_fakehost
tap_is "$(fake_disk)" "$first" "the letter is free when the disk is closed"

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The disk follows when its capacity is changed on the host, idle and under
# load, and says so to userspace.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to resize the disk"
blk_need pvgsplit

# sectors_are SECTORS
sectors_are()
{
	[ "$(cat "/sys/block/$DISK/size")" = "$1" ]
}

# resize MIB
resize()
{
	echo "@qmp {\"execute\": \"block_resize\", \"arguments\":" \
		"{\"node-name\": \"split\", \"size\": $(($1 * 1048576))}}"
	tap_check "the disk has $1 MiB after the host resized it" wait_for 20 sectors_are $(($1 * 2048))
	tap_is "$(blockdev --getsize64 "$DEV")" $(($1 * 1048576)) "blockdev --getsize64 shows $1 MiB"
}

resize 416
tap_check "the last MiB of the disk can be written after it grew" dd if=/dev/zero of="$DEV" bs=1M seek=415 count=1 oflag=direct conv=nocreat
resize 320
tap_fails "no byte can be read beyond the end after the disk shrank" \
	sh -c "dd if=$DEV bs=1M skip=320 count=1 iflag=direct 2> /dev/null | grep -q ."

blk_load /dev/null "$DEV" --rw=randrw --bs=4k --size=64m --iodepth=16
for mib in 448 352 384; do
	resize $mib
done
tap_check "fio still runs after three resizes" kill -0 "$LOAD_PID"
kill -TERM "$LOAD_PID"
tap_check "fio ends when it is told to" blk_load_ended || tap_done
blk_load_status
tap_is $? 128 "fio has no I/O error from three resizes (128: ended by a signal)"

tap_done

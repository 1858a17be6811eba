#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# SECURE_ERASE, DISCARD and WRITE_ZEROES: each is the operation that was asked for, on the
# range that was asked for, in requests that the device allows; limits that make no sense
# are ignored with a line. The device fills what it erases with 0xee, what it discards
# with 0xdd, and fails ranges that are longer, or more, than it has said.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

AREA=1048576	# bytes at the beginning of the disk that have a pattern before each step
START=65536	# of the ranges

fake_need
head -c $AREA /dev/zero | tr '\0' '\021' > /tmp/fresh
tap_at_exit rm -f /tmp/fresh

# taken PARAMETER...: sets DISK and DEV, and MARK to where its log begins.
taken()
{
	MARK=$(kmsg_mark)
	tap_check "$*: pvg_fakehost makes the device" fake block "$@"
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
}

# fresh: all bytes of the area are 0x11.
fresh()
{
	dd if=/tmp/fresh of="$DEV" bs=1M oflag=direct conv=nocreat 2> /dev/null
}

# bytes START LENGTH: prints which bytes there are, in hexadecimal.
bytes()
{
	dd if="$DEV" bs=4096 skip=$(($1 / 4096)) count=$(($2 / 4096)) iflag=direct 2> /dev/null |
		od -An -tx1 | tr -s ' *' '\n' | sort -u | xargs
}

# does WHAT BYTE LENGTH COMMAND...: COMMAND makes BYTE of the range, and nothing of what is
# around it.
does()
{
	local what=$1 byte=$2 length=$3

	shift 3
	fresh
	tap_check "$what: it succeeds" timeout 60 "$@" -o $START -l "$length" "$DEV"
	tap_is "$(bytes $START "$length")" "$byte" "$what: the device did it to the whole range"
	tap_is "$(bytes 0 $START) $(bytes $((START + length)) 65536)" "11 11" \
		"$what: the device did it to nothing else"
}

# limit FILE VALUE WHAT
limit()
{
	tap_is "$(cat "/sys/block/$DISK/queue/$1")" "$2" "$3: $1 is $2"
}

# says WORDS WHAT
says()
{
	tap_is "$(kmsg_since "$MARK" | grep -cF -- "$1")" 1 "$2: the log says once: $1"
}

# ---- by content --------------------------------------------------------------

taken secure_erase=1 max_discard_sectors=65536 max_write_zeroes_sectors=65536
does "blkdiscard --secure" ee 131072 blkdiscard --secure
does "blkdiscard" dd 131072 blkdiscard
does "blkdiscard --zeroout" 00 131072 blkdiscard --zeroout
tap_check "blkdiscard --secure of the whole disk succeeds" timeout 60 blkdiscard --secure -f "$DEV"
tap_is "$(bytes 0 $((16 * 1048576)))" ee "blkdiscard --secure of the whole disk: nothing is left"

taken max_discard_sectors=65536
tap_fails "without SECURE_ERASE blkdiscard --secure fails" timeout 60 blkdiscard --secure -f "$DEV"
does "blkdiscard without SECURE_ERASE" dd 131072 blkdiscard

taken secure_erase=1
limit discard_max_bytes 0 "without DISCARD"
does "blkdiscard --secure without DISCARD" ee 524288 blkdiscard --secure
tap_fails "without DISCARD blkdiscard fails" timeout 60 blkdiscard -f "$DEV"

# ---- within the limits of the device -----------------------------------------

# The block layer merges what follows another, by the limits of discards alone.
for discard in 0 65536 64; do
	taken secure_erase=1 max_secure_erase_sectors=128 max_discard_sectors=$discard
	does "erases of 128 sectors, discards of $discard" ee 524288 blkdiscard --secure
	tap_num "$(fake_state ranges) >= 8" "erases of 128 sectors, discards of $discard: as many as that takes"
done
does "discards of 64 sectors" dd 524288 blkdiscard
taken secure_erase=1 max_secure_erase_sectors=128 max_discard_sectors=65536 discard_sector_alignment=1024
does "erases of 128 sectors, discards aligned to 1024" ee 524288 blkdiscard --secure
does "discards aligned to 1024, erases of 128 sectors" dd 524288 blkdiscard
# An erase begins and ends with the alignment, if the first does.
taken secure_erase=1 max_secure_erase_sectors=100 secure_erase_sector_alignment=16
does "erases of 100 sectors, aligned to 16" ee 524288 blkdiscard --secure
tap_is "$(fake_state ranges)" $(((1024 + 95) / 96)) \
	"erases of 100 sectors, aligned to 16: they have 96 sectors"
taken blk_size=4096 secure_erase=1 max_secure_erase_sectors=21 max_discard_sectors=21 \
	max_write_zeroes_sectors=21
does "blocks of 4096, erases of 21 sectors" ee 131072 blkdiscard --secure
does "blocks of 4096, discards of 21 sectors" dd 131072 blkdiscard
does "blocks of 4096, zeroes of 21 sectors" 00 131072 blkdiscard --zeroout

# ---- limits that make no sense -----------------------------------------------

# 0 is no limit for sectors, and unsaid for the others.
taken secure_erase=1 max_secure_erase_sectors=0 max_secure_erase_seg=0 secure_erase_sector_alignment=0
does "limits of erases are 0" ee 524288 blkdiscard --secure

for alignment in 4096 4294967295; do
	taken secure_erase=1 secure_erase_sector_alignment=$alignment
	says "secure_erase_sector_alignment $alignment is too large: ignored" "erases aligned to $alignment sectors"
	does "erases aligned to $alignment sectors" ee 524288 blkdiscard --secure
done
taken max_discard_sectors=2048 discard_sector_alignment=4096
says "discard_sector_alignment 4096 is too large: ignored" "discards aligned to more than they may have"
limit discard_granularity 512 "discards aligned to more than they may have"
does "discards aligned to more than they may have" dd 524288 blkdiscard

taken blk_size=4096 secure_erase=1 secure_erase_sector_alignment=9 \
	max_discard_sectors=2048 discard_sector_alignment=9
says "secure_erase_sector_alignment 9 is not whole blocks of 4096 bytes: ignored" "erases aligned within a block"
says "discard_sector_alignment 9 is not whole blocks of 4096 bytes: ignored" "discards aligned within a block"
limit discard_granularity 4096 "discards aligned within a block"
does "erases aligned within a block" ee 131072 blkdiscard --secure
does "discards aligned within a block" dd 131072 blkdiscard

taken blk_size=4096 secure_erase=1 max_secure_erase_sectors=7 max_discard_sectors=7 max_write_zeroes_sectors=7
says "max_secure_erase_sectors is 7, a block of 4096 bytes has more: no such request is made" "erases of less than a block"
says "max_discard_sectors is 7, a block of 4096 bytes has more: no such request is made" "discards of less than a block"
says "max_write_zeroes_sectors is 7, a block of 4096 bytes has more: no such request is made" "zeroes of less than a block"
limit discard_max_bytes 0 "discards of less than a block"
limit write_zeroes_max_bytes 0 "zeroes of less than a block"
tap_fails "erases of less than a block: blkdiscard --secure fails" timeout 60 blkdiscard --secure -f "$DEV"
tap_check "limits of less than a block: a pattern is written and read back" blk_rw "$DEV"

# ---- what the device answers ---------------------------------------------------

taken secure_erase=1
for mode in unsupp status no-status; do
	echo "$mode 1" > "$FAKE/bad"
	tap_fails "answer $mode: the erase fails" timeout 60 blkdiscard -f --secure -o 4096 -l 4096 "$DEV"
	tap_check "answer $mode: the next erase succeeds" timeout 60 blkdiscard -f --secure -o 4096 -l 4096 "$DEV"
done

tap_done

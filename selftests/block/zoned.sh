#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ZONED: a host-managed disk shows its zones, and does what blkzone asks for; writes go
# where the write pointer is, and nowhere else. What a device says of its zones that makes
# no sense refuses the disk with one line. A kernel that cannot drive one refuses it too.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

ZONE=1024	# sectors of a zone; the first zone is conventional
GOOD=(capacity=8192 zones=8 "zone_sectors=$ZONE" zone_conv=1 zone_cap=768 max_open_zones=3
	max_active_zones=4 max_append_sectors=64 write_granularity=4096 blk_size=512)

fake_need

# made PARAMETER...: the device, with the parameters of GOOD but for these; sets MARK.
made()
{
	MARK=$(kmsg_mark)
	fake block "${GOOD[@]}" "$@"
}

# taken PARAMETER...: the same; sets DISK and DEV.
taken()
{
	made "$@"
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
}

lines()
{
	kmsg_since "$MARK" | grep -cF -- "$1"
}

# refused WORDS PARAMETER...: the disk is not taken, and the log says why, once.
refused()
{
	local words=$1

	shift
	made "$@"
	wait_for 20 kmsg_has "$words" "$MARK"
	tap_is "$(lines "$words")" 1 "$*: the log says once: $words"
	tap_check "$*: there is no disk" blk_lacks pvgfake
}

# ---- kernels without it ------------------------------------------------------

# decided: the driver has taken the disk, or not.
decided()
{
	blk_find pvgfake > /dev/null || kmsg_has "the disk is host-managed zoned" "$MARK"
}

made
wait_for 20 decided
if ! blk_find pvgfake > /dev/null; then
	tap_is "$(lines "the disk is host-managed zoned, which needs")" 1 \
		"a kernel without zones: the log says once that the disk is not driven"
	taken zone_model=2
	tap_check "a kernel without zones: a host-aware disk is an ordinary one" blk_rw "$DEV"
	taken zone_model=0
	tap_check "a kernel without zones: a disk that has none after all is an ordinary one" blk_rw "$DEV"
	tap_done
fi

# zone N FIELD: of "blkzone report", of zone N: start, len, cap, wptr, reset, non-seq, zcond, type
zone()
{
	blkzone report -o $(($1 * ZONE)) -c 1 "$DEV" | tr '][:,' '    ' | awk -v name="$2" '{
		for (i = 1; i < NF; i++)
			if ($i == name)
				print $(i + 1)
	}' | sed 's/(.*//'
}

# write N OFFSET [COUNT]: 4 KiB, COUNT times, OFFSET * 4 KiB into zone N.
write()
{
	dd if=/tmp/pattern of="$DEV" bs=4k count="${3:-1}" seek=$(($1 * ZONE / 8 + $2)) \
		oflag=direct conv=nocreat 2>&1
}

# fails_with WORDS WHAT COMMAND...: the command fails, and says so.
fails_with()
{
	local words=$1 what=$2 out status

	shift 2
	out=$(LC_ALL=C "$@" 2>&1)
	status=$?
	tap_is "$((status > 0)) $(grep -cF -- "$words" <<< "$out")" "1 1" "$what: $words"
}

# ---- what a disk shows ---------------------------------------------------------

head -c 1048576 /dev/urandom > /tmp/pattern
tap_at_exit rm -f /tmp/pattern
taken
Q=/sys/block/$DISK/queue
tap_is "$(cat "$Q/zoned" "$Q/chunk_sectors" "$Q/nr_zones" "$Q/max_open_zones" "$Q/max_active_zones" | xargs)" \
	"host-managed $ZONE 8 3 4" "sysfs has the model, the size, the number and the limits of zones"
tap_is "$(cat "$Q/physical_block_size" "$Q/zone_append_max_bytes" | xargs)" "4096 32768" \
	"sysfs has the granularity of writes and the limit of appends"
tap_is "$(blkzone report "$DEV" | wc -l)" 8 "blkzone report has a line for each zone"
tap_is "$(zone 0 type) $(zone 0 zcond)" "1 0" "the first zone is conventional"
tap_is "$(zone 3 type) $(zone 3 zcond) $(zone 3 cap)" "2 1 0x000300" \
	"zone 3 is sequential and empty, and has the capacity that the device says"
taken max_discard_sectors=65536
tap_is "$(cat "/sys/block/$DISK/queue/discard_max_bytes")" 0 "a host-managed disk has no discards"

# ---- zones ---------------------------------------------------------------------

taken
tap_check "a write at the write pointer succeeds" write 1 0 4
tap_is "$(zone 1 zcond) $(zone 1 wptr)" "2 0x000020" "the zone is open implicitly, and its write pointer has moved"
tap_check "what was written is read back" cmp -n 16384 <(dd if="$DEV" bs=4k skip=$((ZONE / 8)) count=4 iflag=direct 2> /dev/null) /tmp/pattern
MARK=$(kmsg_mark)
fails_with "Input/output error" "a write elsewhere is EIO" write 1 9
tap_is "$(zone 1 wptr)" 0x000020 "a write elsewhere leaves the write pointer where it was"
tap_check "the next write at the write pointer succeeds" write 1 4
tap_check "blkzone close" blkzone close -o $ZONE -c 1 "$DEV"
tap_is "$(zone 1 zcond)" 4 "the zone is closed"
tap_check "blkzone open" blkzone open -o $ZONE -c 1 "$DEV"
tap_is "$(zone 1 zcond)" 3 "the zone is open explicitly"
tap_check "blkzone finish" blkzone finish -o $ZONE -c 1 "$DEV"
tap_is "$(zone 1 zcond)" 14 "the zone is full"
fails_with "Input/output error" "a write to a full zone is EIO" write 1 5
tap_check "blkzone reset" blkzone reset -o $ZONE -c 1 "$DEV"
tap_is "$(zone 1 zcond) $(zone 1 wptr)" "1 0x000000" "the zone is empty"
tap_check "a zone can be written to its capacity" write 1 0 96
tap_is "$(zone 1 zcond)" 14 "a zone that is written to its capacity is full"
fails_with "Input/output error" "a conventional zone cannot be opened" blkzone open -o 0 -c 1 "$DEV"

tap_check "three zones can be open" blkzone open -o $((2 * ZONE)) -c 3 "$DEV"
fails_with "Too many references" "a fourth one is ETOOMANYREFS" blkzone open -o $((5 * ZONE)) -c 1 "$DEV"
write 2 0
blkzone close -o $((2 * ZONE)) -c 1 "$DEV"
tap_check "after one is closed another one can be opened" blkzone open -o $((5 * ZONE)) -c 1 "$DEV"
fails_with "Value too large for defined data type" "a fifth active zone is EOVERFLOW" blkzone open -o $((6 * ZONE)) -c 1 "$DEV"
tap_check "blkzone reset of all zones" blkzone reset "$DEV"
tap_is "$(for n in 1 2 3 4 5 6 7; do zone $n zcond; done | xargs)" "1 1 1 1 1 1 1" "all sequential zones are empty"

is_ready()
{
	[ "$(fake_state status)" = 0xf ]
}

# ---- many requests, and a reset -------------------------------------------------

tap_check "fio writes zones in parallel and verifies them" fio --name=z --filename="$DEV" --direct=1 \
	--zonemode=zbd --rw=randwrite --bs=4k --size=3584k --offset=512k --ioengine=libaio --iodepth=8 \
	--number_ios=500 --max_open_zones=3 --verify=crc32c --do_verify=1 --randseed="$SEED" --output=/dev/null
blkzone reset "$DEV"
write 1 0 4
MARK=$(kmsg_mark)
echo 1 > "$FAKE/needs_reset"
# What the device holds during the reset is EIO, so the write comes after it.
tap_check "the device is reset" wait_for 20 kmsg_has "resetting it" "$MARK"
tap_check "the device is ready again" wait_for 20 is_ready
tap_check "after a reset of the device zones are written where they were" write 1 4
tap_is "$(zone 1 wptr)" 0x000028 "after a reset of the device the write pointer is where it was"

# ---- appends ----------------------------------------------------------------------

# append ZONE BYTES
append()
{
	echo "append $DEV $(($1 * ZONE)) $2" > "$FAKE/inject"
}

for most in 64 0; do
	taken max_append_sectors=$most
	tap_check "at most $most sectors: an append succeeds" append 2 4096
	tap_is "$(fake_state appended_at)" $((2 * ZONE)) "at most $most sectors: the first append is at the start of the zone"
	append 2 4096
	tap_is "$(fake_state appended_at)" $((2 * ZONE + 8)) "at most $most sectors: the second append is behind it"
	tap_is "$(dd if="$DEV" bs=4k skip=$((2 * ZONE / 8)) count=2 iflag=direct 2> /dev/null | tr -d '\252' | wc -c)" 0 \
		"at most $most sectors: what was appended is read back"
	tap_is "$(fake_state appends)" $((most ? 2 : 0)) \
		"at most $most sectors: the device appends, or the block layer writes where it does not"
done
taken append_lies=1
MARK=$(kmsg_mark)
fails_with "Input/output error" "an append that the device says is in another zone is EIO" append 2 4096
tap_check "an append that the device says is in another zone: the log says so" \
	kmsg_has "the device appended at sector 0, in another zone than that at $((2 * ZONE))" "$MARK"

# ---- what makes no sense ----------------------------------------------------------

refused "zone_sectors is 0, allowed are powers of two of at least a block of 512 bytes" zone_sectors=0
refused "zone_sectors is 1000, allowed are powers of two" zone_sectors=1000
refused "zone_sectors is 4, allowed are powers of two of at least a block of 4096 bytes" zone_sectors=4 blk_size=4096
refused "max_open_zones is 5, at most max_active_zones, 4, is allowed" max_open_zones=5
refused "write_granularity is 0, allowed are powers of two" write_granularity=0
refused "write_granularity is 6144, allowed are powers of two" write_granularity=6144
refused "write_granularity is 512, allowed are powers of two from a block of 4096 bytes" blk_size=4096 write_granularity=512
refused "write_granularity is 1048576, allowed are powers of two" write_granularity=1048576
refused "max_append_sectors is 7, at least a write of 4096 bytes is needed" max_append_sectors=7
refused "zones of 8 sectors, at most 16777216 are allowed" zone_sectors=8 capacity=134217729
refused "the zones that the device reports cannot be used" zone_lies=1
taken max_append_sectors=0
tap_check "without appends a disk is written" write 1 0
taken zone_model=2
tap_is "$(cat "/sys/block/$DISK/queue/zoned")" none "a host-aware disk has no zones"
tap_check "a host-aware disk: a pattern is written and read back" blk_rw "$DEV"

tap_done

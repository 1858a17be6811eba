#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# LIFETIME: what the device says of its wear is in sysfs, and what it may not say is an
# error for the reader and a line in the log; the disk works either way.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

FILES="pre_eol_info device_lifetime_est_typ_a device_lifetime_est_typ_b"

fake_need

# taken PARAMETER...: sets DISK, DEV and DIR, and MARK to where its log begins.
taken()
{
	tap_check "$*: pvg_fakehost makes the device" fake block "$@"
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
	DIR=/sys/block/$DISK
	MARK=$(kmsg_mark)
}

# values: of all files, E where one cannot be read.
values()
{
	local file

	for file in $FILES; do
		cat "$DIR/$file" 2> /dev/null || echo E
	done | xargs
}

# error FILE: of a read, as cat prints it.
error()
{
	{ LC_ALL=C cat "$DIR/$1"; } 2>&1 | sed 's/.*: //'
}

# lines WORDS
lines()
{
	kmsg_since "$MARK" | grep -cF -- "$1"
}

taken
tap_is "$(cd "$DIR" && find . -maxdepth 1 -name '*eol*' -o -maxdepth 1 -name '*life*')" "" \
	"without LIFETIME there is no file"

# The least, the most, and values of which each is another one.
for set in 0,0,0 3,11,11 1,2,10; do
	taken lifetime=$set
	tap_is "$(values)" "${set//,/ }" "lifetime $set: the files say so"
	tap_is "$(lines virtio)" 0 "lifetime $set: nothing is in the log"
done
# shellcheck disable=SC2086 # several words
tap_is "$(cd "$DIR" && stat -c %a $FILES | sort -u)" 444 "the files can be read by all, and written by nobody"

# A device that writes less than it should: what is missing is not taken for 0.
for bytes in 5 3 0; do
	taken lifetime=1,2,3 lifetime_bytes=$bytes
	want=
	for ((i = 0; i < 3; i++)); do
		[ $((2 * i + 2)) -le $bytes ] && want+="$((i + 1)) " || want+="E "
	done
	tap_is "$(values) " "$want" "an answer of $bytes bytes: the reader gets only what is there"
	tap_check "an answer of $bytes bytes: the log says so" \
		kmsg_has "at most 11, or the device has not written it" "$MARK"
done
tap_check "an answer that is short: a pattern is written and read back" blk_rw "$DEV"

# Reserved values.
taken lifetime=4,12,65535
tap_is "$(values)" "E E E" "lifetime 4,12,65535: no file can be read"
tap_is "$(error pre_eol_info)" "Input/output error" "lifetime 4,12,65535: the reader gets EIO"
tap_check "pre_eol_info 4: the log says so" kmsg_has "pre_eol_info is 4, at most 3" "$MARK"
tap_check "typ_a 12: the log says so" kmsg_has "device_lifetime_est_typ_a is 12, at most 11" "$MARK"
tap_check "reserved values: a pattern is written and read back" blk_rw "$DEV"
MARK=$(kmsg_mark)
# Without a process for each, so that they are made within one interval of the limit (5 s).
for ((i = 0; i < 50; i++)); do
	read -r _ < "$DIR/pre_eol_info" 2> /dev/null
done
tap_num "$(lines "pre_eol_info is 4") < 20" "50 reads of a reserved value: the lines are rate-limited"
taken lifetime=1,12,5
tap_is "$(values)" "1 E 5" "lifetime 1,12,5: what is not reserved can be read"

# What the device answers to the request as a whole.
taken lifetime=1,2,3
while read -r mode text; do
	echo "$mode 1" > "$FAKE/bad"
	tap_is "$(error pre_eol_info)" "$text" "answer $mode: the reader gets: $text"
	tap_is "$(values)" "1 2 3" "after the answer $mode the files can be read"
done <<- END
	unsupp Operation not supported
	status Input/output error
	no-status Input/output error
END

# While the device is reset, suspended, and when it is of no use any more.
touch /tmp/lifetime
while [ -e /tmp/lifetime ]; do
	values
done | sort -u > /tmp/lifetimes &
reader=$!
for ((i = 0; i < 3; i++)); do
	echo 1 > "$FAKE/needs_reset"
	sleep 0.2
done
rm /tmp/lifetime
wait_for 20 is_over $reader
tap_is "$(cat /tmp/lifetimes)" "1 2 3" "reads during resets get what the device says"
if [ -e "$FAKE/power" ]; then
	echo freeze > "$FAKE/power"
	echo restore > "$FAKE/power"
	tap_is "$(values)" "1 2 3" "after a suspend the files can be read"
fi
echo "id 1" > "$FAKE/bad"
timeout 20 cat "$DIR/pre_eol_info" > /dev/null 2>&1
wait_for 20 kmsg_has "the device broke the protocol" "$MARK"
tap_is "$(timeout 20 cat "$DIR/pre_eol_info" 2>&1 | sed 's/.*: //')" "No such device" \
	"a device that was given up: the reader gets ENODEV"

tap_done

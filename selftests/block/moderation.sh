#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The moderation directory: what it shows, what it takes, what it refuses.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

blk_need_disks
blk_need "${DISKS[0]}"
dir=$VIRTIO_BUS/devices/$VIRTIO/moderation
if [ ! -d "$dir" ]; then
	tap_not_ok "the device has a directory moderation in sysfs" "$(ls "${dir%/*}")"
	tap_done
fi

tap_is "$(cat "$dir/policy")" "off fixed [adaptive]" "policy is adaptive at first"
blk_moderation_keep "$VIRTIO"

# refuse FILE VALUE RANGE: EINVAL, the old value stays, and the driver logs one line,
# which names the attribute and what is allowed.
refuse()
{
	local file=$dir/$1 value=$2 range=$3 old mark output lines

	old=$(cat "$file")
	mark=$(kmsg_mark)
	if output=$( (LC_ALL=C; echo "$value" > "$file") 2>&1); then
		tap_not_ok "$1 refuses '$value'" "it was taken"
		echo "$old" > "$file"
		return
	fi
	case $output in
	*"Invalid argument"*) tap_ok "$1 refuses '$value' with EINVAL" ;;
	*) tap_not_ok "$1 refuses '$value' with EINVAL" "$output" ;;
	esac
	tap_is "$(cat "$file")" "$old" "$1 keeps its value after '$value'"
	# Other drivers may log something meanwhile.
	lines=$(kmsg_since "$mark" | grep "$BLK_DRIVER")
	if [ "$(grep -c . <<< "$lines")" -eq 1 ] && [[ $lines == *$1*$range* ]]; then
		tap_ok "$1 '$value': one line in the log names the range"
	else
		tap_not_ok "$1 '$value': one line in the log names the range" "$lines"
	fi
}

# accept FILE VALUE
accept()
{
	tap_check "$1 takes $2" sh -c "echo $2 > $dir/$1"
	tap_is "$(cat "$dir/$1")" "$2" "$1 shows $2"
}

for value in 0 4097 65536 4294967297 -1 x ""; do
	refuse frames "$value" 1*4096
done
for value in 0 100001 4294967297 -1 1ms; do
	refuse usecs "$value" 1*100000
done
for value in on Fixed fixedd 1; do
	refuse policy "$value" off*fixed*adaptive
done
for value in 1 2 4096; do
	accept frames "$value"
done
for value in 1 500 100000; do
	accept usecs "$value"
done
tap_check "policy takes off" sh -c "echo off > $dir/policy"
tap_is "$(cat "$dir/policy")" "[off] fixed adaptive" "policy shows off"
tap_check "policy takes fixed" sh -c "echo fixed > $dir/policy"
tap_is "$(cat "$dir/policy")" "off [fixed] adaptive" "policy shows fixed"

# Counters can be told to start again.
dd if="$DEV" of=/dev/null bs=4096 count=32 iflag=direct 2> /dev/null
tap_num "$(blk_stat "$VIRTIO" completions) >= 32" "32 reads are at least 32 completions in stats"
blk_stats_reset "$VIRTIO"
tap_is "$(blk_stat "$VIRTIO" completions)" 0 "completions is 0 after a write to stats"
for name in interrupts spurious timer_starts timer_fires completions submissions \
	doorbells doorbells_suppressed doorbells_held reaped inflight \
	event_threshold prediction_hits prediction_misses; do
	tap_check "stats has a line $name" blk_stat "$VIRTIO" "$name"
done

# The way the device is told where to interrupt follows from what it offers.
mode()
{
	local disk

	disk=$(blk_find "$1") || return 0
	sed -n 's/^event_mode: *//p' \
		"$DEBUGFS/pvguest/$(blk_virtio "$disk")"/*/stats | sort -u
}

while read -r serial want; do
	if ! blk_find "$serial" > /dev/null; then
		[ -z "${PVG_QMP:-}" ] || tap_not_ok "there is a disk with the serial $serial"
		continue
	fi
	tap_is "$(mode "$serial")" "$want" "$serial: event_mode is $want"
done << 'END'
pvgsplit split
pvgpacked packed
pvgnoev plain
pvgpknoev plain
END

tap_done

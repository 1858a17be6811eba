#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Probe without memory: each of the allocations that binding a device makes
# fails in turn (all of them if there is time, evenly spread ones otherwise).
# Binding either succeeds all the same or fails so that the device can be bound
# again, by us or by the in-tree driver.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

TRIES=60
caches=()
others=()
NTH=/proc/self/fail-nth

if ! [ -e "$BLK_DEBUGFS/failslab" ] || ! [ -e "$NTH" ]; then
	tap_skip_all "this kernel cannot make allocations fail: use --kernel debug"
fi
# By default only allocations that may not sleep fail, which probe has few of.
# Only caches of larger objects take part, such as those that drivers allocate:
# names, kobjects and proc entries are the core's, which prints a stack trace
# when it is out of memory for them, and that would look like trouble of ours.
fault_setup()
{
	local cache

	echo 0 > "$BLK_DEBUGFS/failslab/verbose"
	echo N > "$BLK_DEBUGFS/failslab/ignore-gfp-wait"
	echo Y > "$BLK_DEBUGFS/failslab/cache-filter"
	for cache in /sys/kernel/slab/kmalloc-{192,256,512,1k,2k,4k,8k}; do
		echo 1 > "$cache/failslab" && caches+=("$cache")
	done
}

fault_restore()
{
	local cache

	for cache in "${caches[@]}"; do
		echo 0 > "$cache/failslab"
	done
	echo N > "$BLK_DEBUGFS/failslab/cache-filter"
	echo Y > "$BLK_DEBUGFS/failslab/ignore-gfp-wait"
}

# bind_failing NTH: binds with the NTH allocation failing; prints how many
# allocations were left until the failure (0: it happened).
bind_failing()
(
	# Builtins only: the setting is for this one process.
	exec 8> "$NTH" 9> "$BLK_BUS/drivers/$BLK_DRIVER/bind"
	echo "$1" >&8
	echo "$VIRTIO" >&9 2> /dev/null
	read -r left < "$NTH"
	echo 0 >&8
	echo "$left"
)

usable()
{
	local disk

	disk=$(blk_wait "$SERIAL" 10) && blk_rw "/dev/$disk"
}

fault_setup
tap_at_exit fault_restore
tap_num "${#caches[@]} >= 5" "there are caches to fail" "${caches[*]}"

modprobe virtio_blk
SERIAL=$(blk_disks | head -1)
blk_need "${SERIAL:-pvgsplit}"
for device in "$BLK_BUS/drivers/$BLK_DRIVER"/virtio[0-9]*; do
	# The in-tree driver names its disks without a look at ours.
	blk_unbind "${device##*/}"
	[ "${device##*/}" = "$VIRTIO" ] || others+=("${device##*/}")
done

left=$(bind_failing 100000 2> /dev/null)
total=$((100000 - left))
tap_num "$total > 10 && $total < 100000" "binding allocates memory" "$total allocations"
blk_unbind "$VIRTIO" 2> /dev/null

stride=$(((total + TRIES - 1) / TRIES))
refused=0
survived=0
broken=0
for ((nth = 1; nth <= total + 1; nth += stride)); do
	bind_failing $nth > /dev/null 2>&1
	case $(blk_driver_of "$VIRTIO") in
	none)
		refused=$((refused + 1))
		if [ $((refused % 4)) -eq 1 ]; then
			driver=virtio_blk
		else
			driver=$BLK_DRIVER
		fi
		blk_bind "$driver" "$VIRTIO" ;;
	*)
		survived=$((survived + 1)) ;;
	esac
	if ! usable; then
		broken=$((broken + 1))
		tap_not_ok "allocation $nth of $total fails: the device stays usable" \
			"driver $(blk_driver_of "$VIRTIO")"$'\n'"$(dmesg | tail -5)"
	fi
	blk_unbind "$VIRTIO"
done
tap_is $broken 0 "the device is usable after each failure"
tap_num "$refused > 3" "failures made probe fail" "$refused refused, $survived survived"
tap_check "bound again when nothing fails" blk_bind "$BLK_DRIVER" "$VIRTIO"
tap_check "and usable" usable
rmmod virtio_blk
for device in "${others[@]}"; do
	tap_check "$device: bound again" blk_bind "$BLK_DRIVER" "$device"
done

tap_done

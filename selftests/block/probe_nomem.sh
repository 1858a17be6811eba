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
NTH=/proc/self/fail-nth

if ! [ -e "$BLK_DEBUGFS/failslab" ] || ! [ -e "$NTH" ]; then
	tap_skip_all "this kernel cannot make allocations fail: use --kernel debug"
fi
for attr in failslab fail_page_alloc; do
	[ ! -d "$BLK_DEBUGFS/$attr" ] || echo 0 > "$BLK_DEBUGFS/$attr/verbose"
done

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

modprobe virtio_blk
SERIAL=$(blk_disks | head -1)
blk_need "${SERIAL:-pvgsplit}"
blk_unbind "$VIRTIO"

left=$(bind_failing 100000 2> /dev/null)
total=$((100000 - left))
tap_num "$total > 20 && $total < 100000" "binding allocates memory" "$total allocations"
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
tap_num "$refused > 5" "failures made probe fail" "$refused refused, $survived survived"
tap_check "bound again when nothing fails" blk_bind "$BLK_DRIVER" "$VIRTIO"
tap_check "and usable" usable
rmmod virtio_blk

tap_done

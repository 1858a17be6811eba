#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each step of probe that can be told to fail is made to fail in turn. Probe
# must then fail with a line in the log, and leave the device in a state in
# which the in-tree driver can take it.
#
# The steps are the functions of pvg_blk that carry
# ALLOW_ERROR_INJECTION; the debug kernel can make these fail.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

may_fail

serials=()
devices=()

# in_tree_takes NAME: virtio_blk can use the device that our probe let go.
in_tree_takes()
{
	local disk

	tap_check "$1: the in-tree driver takes the device" virtio_bind virtio_blk "$VIRTIO" || return
	if disk=$(blk_wait "$SERIAL"); then
		tap_check "$1: and reads and writes it" timeout 60 bash -c \
			". ../lib/tap.sh > /dev/null; . ../lib/blk.sh; TAP_ENDED=0; blk_rw /dev/$disk"
	else
		tap_not_ok "$1: and reads and writes it" "no disk"
	fi
	virtio_unbind "$VIRTIO"
}

# step FUNCTION TYPE: one step fails.
step()
{
	local mark lines status=0

	if ! fail_next "$1" "$2"; then
		tap_not_ok "$1 can be made to fail"
		return
	fi
	mark=$(kmsg_mark)
	(virtio_bind "$BLK_DRIVER" "$VIRTIO") 2> /dev/null || status=$?
	fail_nothing
	lines=$(kmsg_since "$mark")
	if [ "$(virtio_driver "$VIRTIO")" != none ]; then
		tap_not_ok "$1 fails: probe fails" "it was bound; not called in probe?"
		virtio_unbind "$VIRTIO"
		return
	fi
	tap_num "$status != 0" "$1 fails: probe fails"
	if grep -E "(pvg_blk|$VIRTIO).*(fail|cannot|could not|error|-12|unable)" <<< "$lines" |
		grep -q "$VIRTIO"; then
		tap_ok "$1 fails: the log says so and names the device"
	else
		tap_not_ok "$1 fails: the log says so and names the device" "$lines"
	fi
	in_tree_takes "$1 fails"
}

# The in-tree driver names its disks from vda on without a look at ours: with a
# disk of ours at vda it could not name the one that we let go. So all others
# have to be let go, too.
modprobe virtio_blk
for device in "$VIRTIO_BUS/drivers/$BLK_DRIVER"/virtio[0-9]*; do
	serials+=("$(cat "$device"/block/vd*/serial)")
	devices+=("${device##*/}")
	virtio_unbind "${device##*/}"
done

# A device's worth of each kind of ring: each sets up its event in its own way.
for ((i = 0; i < ${#devices[@]}; i++)); do
	SERIAL=${serials[i]}
	VIRTIO=${devices[i]}
	[[ " pvgsplit pvgpacked pvgnoev pvgtest " == *" $SERIAL "* ]] || continue
	steps=0
	while read -r function type; do
		step "$function" "$type"
		steps=$((steps + 1))
	done < <(functions_that_fail pvg_blk_)
	tap_num "$steps >= 4" "$SERIAL: there are steps to fail" "$steps"
	tap_check "$SERIAL: bound again when nothing fails" virtio_bind "$BLK_DRIVER" "$VIRTIO"
	blk_wait "$SERIAL" > /dev/null
	blk_need "$SERIAL"
	tap_check "$SERIAL: it can be written and read" blk_rw "$DEV"
	virtio_unbind "$VIRTIO"
done
tap_num "${steps:-0} > 0" "there were disks to try it on"
rmmod virtio_blk
for device in "${devices[@]}"; do
	tap_check "$device: bound again" virtio_bind "$BLK_DRIVER" "$device"
done

tap_done

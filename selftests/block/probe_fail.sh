#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each step of probe that can be told to fail is made to fail in turn. Probe
# must then fail with a line in the log, and leave the device in a state in
# which the in-tree driver can take it.
#
# The steps are the functions of pvg_blk that carry
# ALLOW_ERROR_INJECTION; the debug kernel can make these fail. Each is made to fail with
# one of three disks, with PVG_ALL=1 with each of them.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

may_fail

WANTED="pvgsplit pvgpacked pvgnoev"
[ -n "${PVG_QMP:-}" ] || WANTED=pvgtest
serials=()
devices=()
tried=()

# in_tree_takes NAME: virtio_blk can use the device that our probe let go.
in_tree_takes()
{
	local disk

	tap_check "$1: the in-tree driver can be bound to the device" virtio_bind virtio_blk "$VIRTIO" || return
	if disk=$(blk_wait "$SERIAL"); then
		tap_check "$1: a pattern written with the in-tree driver is read back" timeout 60 bash -c \
			". ../lib/tap.sh > /dev/null; . ../lib/blk.sh; TAP_ENDED=0 SEED=$SEED; blk_rw /dev/$disk"
	else
		tap_not_ok "$1: a pattern written with the in-tree driver is read back" "no disk"
	fi
	virtio_unbind "$VIRTIO"
}

# step FUNCTION TYPE: one step fails.
step()
{
	local mark lines status=0

	if ! fail_next "$1" "$2"; then
		tap_not_ok "$1 can be made to fail" "cannot write to $FAIL/inject"
		return
	fi
	mark=$(kmsg_mark)
	(virtio_bind "$BLK_DRIVER" "$VIRTIO") 2> /dev/null || status=$?
	fail_nothing
	lines=$(kmsg_since "$mark")
	if [ "$(virtio_driver "$VIRTIO")" != none ]; then
		tap_not_ok "$1 fails: the device is not bound" "it was bound; is $1 not called in probe?"
		virtio_unbind "$VIRTIO"
		return
	fi
	tap_num "$status != 0" "$1 fails: bind fails"
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
test_seed
steps=$(functions_that_fail pvg_blk_ | wc -l)
tap_num "$steps >= 4" "at least four steps of probe can be made to fail" "$steps"
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
	[[ " $WANTED " == *" $SERIAL "* ]] || continue
	tried+=("$SERIAL")
	while read -r function type; do
		step "$function" "$type"
	done < <(functions_that_fail pvg_blk_ | one_in 3 ${#tried[@]})
	tap_check "$SERIAL: the driver can be bound once no step of probe fails" virtio_bind "$BLK_DRIVER" "$VIRTIO"
	blk_wait "$SERIAL" > /dev/null
	blk_need "$SERIAL"
	tap_check "$SERIAL: a pattern is written and read back once no step of probe fails" blk_rw "$DEV"
	virtio_unbind "$VIRTIO"
done
tap_is "${tried[*]}" "$WANTED" "steps of probe fail with a disk of each kind of ring"
rmmod virtio_blk
for device in "${devices[@]}"; do
	tap_check "$device: the driver can be bound at the end" virtio_bind "$BLK_DRIVER" "$device"
done

tap_done

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

FAIL=$BLK_DEBUGFS/fail_function
LIST=$BLK_DEBUGFS/error_injection/list
ENOMEM=0xfffffffffffffff4

[ -d "$FAIL" ] || tap_skip_all "this kernel cannot make functions fail: use --kernel debug"

serials=()
devices=()

# inject FUNCTION: its next call fails. Quietly: the stack trace that fault
# injection likes to print would look like trouble.
inject()
{
	echo "$1" > "$FAIL/inject" || return 1
	if [[ $2 == *NULL* ]]; then
		echo 0 > "$FAIL/$1/retval"
	else
		echo $ENOMEM > "$FAIL/$1/retval"
	fi
	echo 0 > "$FAIL/verbose"
	echo 0 > "$FAIL/space"
	echo 1 > "$FAIL/interval"
	echo 100 > "$FAIL/probability"
	echo "${3:-1}" > "$FAIL/times"
}

inject_nothing()
{
	echo > "$FAIL/inject"
}

# in_tree_takes NAME: virtio_blk can use the device that our probe let go.
in_tree_takes()
{
	local disk

	tap_check "$1: the in-tree driver takes the device" blk_bind virtio_blk "$VIRTIO" || return
	if disk=$(blk_wait "$SERIAL"); then
		tap_check "$1: and reads and writes it" timeout 60 bash -c \
			". ../lib/tap.sh > /dev/null; . ../lib/blk.sh; TAP_ENDED=0; blk_rw /dev/$disk"
	else
		tap_not_ok "$1: and reads and writes it" "no disk"
	fi
	blk_unbind "$VIRTIO"
}

# step FUNCTION TYPE: one step fails.
step()
{
	local mark lines status=0

	if ! inject "$1" "$2"; then
		tap_not_ok "$1 can be made to fail"
		return
	fi
	mark=$(blk_kmsg_mark)
	(blk_bind "$BLK_DRIVER" "$VIRTIO") 2> /dev/null || status=$?
	inject_nothing
	lines=$(blk_kmsg_since "$mark")
	if [ "$(blk_driver_of "$VIRTIO")" != none ]; then
		tap_not_ok "$1 fails: probe fails" "it was bound; not called in probe?"
		blk_unbind "$VIRTIO"
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
for device in "$BLK_BUS/drivers/$BLK_DRIVER"/virtio[0-9]*; do
	serials+=("$(cat "$device"/block/vd*/serial)")
	devices+=("${device##*/}")
	blk_unbind "${device##*/}"
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
	done < <(sed -n 's/^\(pvg_blk_[a-z0-9_]*\)[[:space:]]*\(\[.*\][[:space:]]*\)\{0,1\}\([A-Z_]*\)$/\1 \3/p' "$LIST")
	tap_num "$steps >= 4" "$SERIAL: there are steps to fail" "$steps in $LIST"
	tap_check "$SERIAL: bound again when nothing fails" blk_bind "$BLK_DRIVER" "$VIRTIO"
	blk_wait "$SERIAL" > /dev/null
	blk_need "$SERIAL"
	tap_check "$SERIAL: it can be written and read" blk_rw "$DEV"
	blk_unbind "$VIRTIO"
done
tap_num "${steps:-0} > 0" "there were disks to try it on"
rmmod virtio_blk
for device in "${devices[@]}"; do
	tap_check "$device: bound again" blk_bind "$BLK_DRIVER" "$device"
done

tap_done

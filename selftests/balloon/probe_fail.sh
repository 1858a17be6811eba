#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each step of probe that can be told to fail is made to fail in turn. Probe
# must then fail with a line in the log, and leave the device in a state in
# which the in-tree driver can take it.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

FAIL=$BLK_DEBUGFS/fail_function
LIST=$BLK_DEBUGFS/error_injection/list
ENOMEM=0xfffffffffffffff4

[ -d "$FAIL" ] || tap_skip_all "this kernel cannot make functions fail: use --kernel debug"

# inject FUNCTION: its next call fails. Quietly: the stack trace that fault
# injection likes to print would look like trouble.
inject()
{
	echo "$1" > "$FAIL/inject" || return 1
	echo $ENOMEM > "$FAIL/$1/retval"
	echo 0 > "$FAIL/verbose"
	echo 0 > "$FAIL/space"
	echo 1 > "$FAIL/interval"
	echo 100 > "$FAIL/probability"
	echo 1 > "$FAIL/times"
}

# step FUNCTION: one step fails.
step()
{
	local mark lines

	if ! inject "$1"; then
		tap_not_ok "$1 can be made to fail"
		return
	fi
	mark=$(blk_kmsg_mark)
	(blk_bind "$BALLOON_DRIVER" "$VIRTIO") 2> /dev/null
	echo > "$FAIL/inject"
	lines=$(blk_kmsg_since "$mark")
	tap_is "$(blk_driver_of "$VIRTIO")" none "$1 fails: probe fails"
	tap_check "$1 fails: the log says so and names the device" \
		grep -q "$VIRTIO: probe failed: .*ENOMEM\|$VIRTIO: probe failed: .*-12" <<< "$lines"
	tap_check "$1 fails: the in-tree driver takes the device" blk_bind virtio_balloon "$VIRTIO"
	tap_check "$1 fails: and grows" wait_for 30 eval '[ "$(host_actual)" -ge $((32 * MIB)) ]'
	blk_unbind "$VIRTIO"
}

balloon_need
balloon_new "a balloon with everything" '"free-page-reporting": true, '"\
"'"deflate-on-oom": true, "free-page-hint": true, "iothread": "balloon-io"'
modprobe virtio_balloon
blk_unbind "$VIRTIO"
balloon_set $((32 * MIB))
steps=0
while read -r function; do
	step "$function"
	steps=$((steps + 1))
done < <(sed -n 's/^\(pvg_balloon_[a-z0-9_]*\)[[:space:]].*/\1/p' "$LIST")
tap_num "$steps >= 7" "there are steps to fail" "$steps in $LIST"
rmmod virtio_balloon
tap_check "bound again when nothing fails" blk_bind "$BALLOON_DRIVER" "$VIRTIO"
tap_check "and it works" wait_for 30 balloon_is $((32 * MIB))
balloon_to 0

tap_done

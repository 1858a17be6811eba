#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each step of probe that can be told to fail is made to fail in turn. Probe
# must then fail with a line in the log, and leave the device in a state in
# which the in-tree driver can take it. Every second step is tried, with PVG_ALL=1 all.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

may_fail

# step FUNCTION RETURNS: one step fails.
step()
{
	local mark lines

	if ! fail_next "$1" "$2"; then
		tap_not_ok "fault injection takes $1"
		return
	fi
	mark=$(kmsg_mark)
	(virtio_bind "$BALLOON_DRIVER" "$VIRTIO") 2> /dev/null
	fail_nothing
	lines=$(kmsg_since "$mark")
	tap_is "$(virtio_driver "$VIRTIO")" none "$1 fails: probe fails"
	tap_check "$1 fails: the log says so and names the device" \
		grep -q "$VIRTIO: probe failed: .*ENOMEM\|$VIRTIO: probe failed: .*-12" <<< "$lines"
	tap_check "$1 fails: the in-tree driver takes the device" virtio_bind virtio_balloon "$VIRTIO"
	tap_check "$1 fails: the balloon grows with the in-tree driver" wait_for 30 eval '[ "$(host_actual)" -ge $((32 * MIB)) ]'
	virtio_unbind "$VIRTIO"
}

balloon_need
balloon_new "a balloon with everything" '"free-page-reporting": true, '"\
"'"deflate-on-oom": true, "free-page-hint": true, "iothread": "balloon-io"'
modprobe virtio_balloon
virtio_unbind "$VIRTIO"
balloon_set $((32 * MIB))
test_seed
steps=$(functions_that_fail pvg_balloon_ | wc -l)
tap_num "$steps >= 7" "at least 7 steps of probe can be made to fail" "$steps"
while read -r function returns; do
	step "$function" "$returns"
done < <(functions_that_fail pvg_balloon_ | one_in 2 1)
rmmod virtio_balloon
tap_check "$BALLOON_DRIVER takes the device when no step fails" \
	virtio_bind "$BALLOON_DRIVER" "$VIRTIO"
tap_check "the balloon reaches its target after all failed probes" \
	wait_for 30 balloon_is $((32 * MIB))
balloon_to 0

tap_done

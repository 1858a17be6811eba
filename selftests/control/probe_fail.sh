#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each step of probe is made to fail in turn. Probe must then fail with a line in
# the log, and leave the device in a state in which the in-tree driver can take
# it. The debug kernel can make the functions fail that carry
# ALLOW_ERROR_INJECTION. Every second of them is tried, with PVG_ALL=1 all.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

may_fail

# talks: a line goes from pvg.noa to pvg.nob.
talks()
{
	local from to

	from=$(ctl_wait_host pvg.noa) && to=$(ctl_wait_host pvg.nob) || return 1
	echo "hello" > "/dev/$from" &
	timeout 60 head -n 1 "/dev/$to" | grep -q hello
}

ctl_begin
modprobe virtio_console
ctl_need pvg.noa
test_seed
steps=$(functions_that_fail pvg_ctl_ | wc -l)
tap_num "$steps >= 5" "at least five steps of probe can be made to fail" "$steps"
while read -r function returns; do
	virtio_unbind "$VIRTIO"
	mark=$(kmsg_mark)
	if ! fail_next "$function" "$returns"; then
		tap_not_ok "$function can be made to fail" "cannot write to $FAIL/inject"
		break
	fi
	(virtio_bind "$CTL_DRIVER" "$VIRTIO") 2> /dev/null
	tap_num "$? != 0" "$function fails: probe fails"
	fail_nothing
	tap_check "$function fails: the log says so and names the device" \
		kmsg_has "$VIRTIO: probe failed: $function" "$mark"
	virtio_bind virtio_console "$VIRTIO"
	tap_check "$function fails: a line passes through the device with the in-tree driver" talks
done < <(functions_that_fail pvg_ctl_ | one_in 2)
virtio_unbind "$VIRTIO"
virtio_bind "$CTL_DRIVER" "$VIRTIO"
tap_check "a line passes through the device once no step of probe fails" talks
rmmod virtio_console

tap_done

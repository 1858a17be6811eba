#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each step of probe is made to fail in turn. Probe must then fail with a line in
# the log, and leave the device in a state in which the in-tree driver can take
# it. The debug kernel can make the functions fail that carry
# ALLOW_ERROR_INJECTION.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

FAIL=$CTL_DEBUGFS/fail_function
LIST=$CTL_DEBUGFS/error_injection/list
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

# talks: a line goes from pvg.noa to pvg.nob.
talks()
{
	local from to

	from=$(ctl_wait pvg.noa) && to=$(ctl_wait pvg.nob) || return 1
	echo "hello" > "/dev/$from" &
	timeout 60 head -n 1 "/dev/$to" | grep -q hello
}

tap_check "devices are bound to $CTL_DRIVER" ctl_claim
modprobe virtio_console
ctl_need pvg.noa
device=$CTL_BUS/devices/$VIRTIO
steps=0
while read -r function; do
	echo "$VIRTIO" > "$device/driver/unbind"
	mark=pvg-probe-$RANDOM
	echo "<7>$mark" > /dev/kmsg
	if ! inject "$function"; then
		tap_not_ok "$function can be made to fail"
		break
	fi
	(echo "$VIRTIO" > "$CTL_BUS/drivers/$CTL_DRIVER/bind") 2> /dev/null
	tap_num "$? != 0" "$function fails: probe fails"
	echo > "$FAIL/inject"
	tap_check "$function fails: the log says so and names the device" sh -c \
		"dmesg | sed '1,/$mark/d' | grep -q '$VIRTIO: probe failed: $function'"
	echo "$VIRTIO" > "$CTL_BUS/drivers/virtio_console/bind"
	tap_check "$function fails: the in-tree driver takes the device" talks
	steps=$((steps + 1))
done < <(sed -n 's/^\(pvg_ctl_[a-z0-9_]*\)[[:space:]].*/\1/p' "$LIST")
tap_num "$steps >= 5" "there are steps to fail" "$steps"
echo "$VIRTIO" > "$device/driver/unbind"
echo "$VIRTIO" > "$CTL_BUS/drivers/$CTL_DRIVER/bind"
tap_check "bound again when nothing fails" talks
rmmod virtio_console

tap_done

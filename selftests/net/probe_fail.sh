#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Each step of probe that can be told to fail is made to fail in turn. Probe
# must then fail with a line in the log, and leave the device in a state in
# which the in-tree driver can take it.
#
# The steps are the functions of pvg_net that carry
# ALLOW_ERROR_INJECTION; the debug kernel can make these fail.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

FAIL=$NET_DEBUGFS/fail_function
LIST=$NET_DEBUGFS/error_injection/list
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

in_tree_works()
{
	net_wait_for 20 net_find "$N" && net_up "$N" && net_answers
}

# step FUNCTION: it fails.
step()
{
	local mark lines status=0

	if ! inject "$1"; then
		tap_not_ok "$1 can be made to fail"
		return
	fi
	mark=$(net_kmsg_mark)
	(net_bind "$NET_DRIVER" "$VIRTIO") 2> /dev/null || status=$?
	echo > "$FAIL/inject"
	lines=$(net_kmsg_since "$mark")
	if [ "$(net_driver_of "$VIRTIO")" != none ]; then
		tap_not_ok "$1 fails: probe fails" "it was bound; not called in probe?"
		net_unbind "$VIRTIO"
		return
	fi
	tap_num "$status != 0" "net$N: $1 fails: probe fails"
	if grep -q "$VIRTIO.*\(fail\|-12\|ENOMEM\)" <<< "$lines"; then
		tap_ok "net$N: $1 fails: the log says so and names the device"
	else
		tap_not_ok "net$N: $1 fails: the log says so and names the device" "$lines"
	fi
	tap_check "net$N: $1 fails: the in-tree driver takes the device" \
		net_bind virtio_net "$VIRTIO" || return
	tap_check "net$N: $1 fails: and works" in_tree_works
	net_unbind "$VIRTIO"
}

modprobe virtio_net
for N in 1 2 8; do
	net_need $N
	device=$VIRTIO
	net_unbind "$VIRTIO"
	steps=0
	while read -r function; do
		step "$function"
		steps=$((steps + 1))
	done < <(sed -n 's/^\(pvg_net_[a-z0-9_]*\)[[:space:]].*/\1/p' "$LIST")
	tap_num "$steps >= 8" "net$N: there are steps to fail" "$steps in $LIST"
	VIRTIO=$device
	tap_check "net$N: bound again when nothing fails" net_bind "$NET_DRIVER" "$VIRTIO"
	net_wait_for 20 net_find $N
	net_need $N
	tap_check "net$N: it works" net_answers
done
rmmod virtio_net

tap_done

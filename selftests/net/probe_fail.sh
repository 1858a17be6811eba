#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each step of probe that can be told to fail is made to fail in turn. Probe
# must then fail with a line in the log, and leave the device in a state in
# which the in-tree driver can take it.
#
# The steps are the functions of pvg_net that carry
# ALLOW_ERROR_INJECTION; the debug kernel can make these fail. A third of them is tried
# with each device, with PVG_ALL=1 all. lifetime.sh has pvg_net_rx_reset and
# pvg_net_tx_reset fail, which are no steps of probe.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

may_fail

in_tree_works()
{
	wait_for 20 net_find "$N" && net_up "$N" && net_answers
}

# step FUNCTION RETURNS: it fails.
step()
{
	local mark lines status=0

	if ! fail_next "$1" "$2"; then
		tap_not_ok "net$N: fault injection takes $1"
		return
	fi
	mark=$(kmsg_mark)
	(virtio_bind "$NET_DRIVER" "$VIRTIO") 2> /dev/null || status=$?
	fail_nothing
	lines=$(kmsg_since "$mark")
	if [ "$(virtio_driver "$VIRTIO")" != none ]; then
		tap_not_ok "net$N: $1 fails: probe fails" "it was bound; not called in probe?"
		virtio_unbind "$VIRTIO"
		return
	fi
	tap_num "$status != 0" "net$N: $1 fails: probe fails"
	if grep -q "$VIRTIO.*\(fail\|-12\|ENOMEM\)" <<< "$lines"; then
		tap_ok "net$N: $1 fails: the log says so and names the device"
	else
		tap_not_ok "net$N: $1 fails: the log says so and names the device" "$lines"
	fi
	# It takes a while, and is the same with the other.
	[ "$N" = 1 ] || return
	tap_check "net$N: $1 fails: the in-tree driver takes the device" \
		virtio_bind virtio_net "$VIRTIO" || return
	tap_check "net$N: $1 fails: the network answers through the in-tree driver" in_tree_works
	virtio_unbind "$VIRTIO"
}

# steps: what can fail.
steps()
{
	functions_that_fail pvg_net_ | grep -v '^pvg_net_[rt]x_reset '
}

test_seed
steps=$(steps | wc -l)
tap_num "$steps >= 8" "at least 8 steps of probe can be made to fail" "$steps"
modprobe virtio_net
for N in 1 8; do
	net_need $N
	device=$VIRTIO
	virtio_unbind "$VIRTIO"
	while read -r function returns; do
		step "$function" "$returns"
	done < <(steps | one_in 3 $N)
	VIRTIO=$device
	tap_check "net$N: $NET_DRIVER takes the device when no step fails" virtio_bind "$NET_DRIVER" "$VIRTIO"
	wait_for 20 net_find $N
	net_need $N
	tap_check "net$N: the host answers after all failed probes" net_answers
done
rmmod virtio_net

tap_done

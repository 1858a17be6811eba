#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What an inflate costs, by ../counts.table: interrupts, doorbells and timers for each
# 2 MiB, by ranges and by page numbers, and how fast it is in ratio to policy off. The
# balloon grows from round to round, so that nothing gets free that would be reported.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh
# shellcheck source=../lib/doorbells.sh
. ../lib/doorbells.sh
# shellcheck source=gate.sh
. ./gate.sh

ROUNDS=${PVG_COUNTS_ROUNDS:-3}
STEP=$((48 * MIB))

# pages: in the balloon, as the kernel counts for the in-tree driver.
pages()
{
	awk '$1 == "balloon_inflate" { n += $2 } $1 == "balloon_deflate" { n -= $2 }
		END { print n }' /proc/vmstat
}

# size NAME: sets it to the size of the balloon in units of 2 MiB.
size()
{
	local bytes

	if [ "$(virtio_driver "$VIRTIO")" = "$BALLOON_DRIVER" ]; then
		bytes=$(balloon_actual)
	else
		bytes=$(($(pages) * PAGE))
	fi
	printf -v "$1" %s $((bytes / (2 * MIB)))
}

has_pages()
{
	[ "$(pages)" -ge "$1" ]
}

# grow BYTES: prints what `load` would; how fast it was, by our driver's own account.
# The host is not asked, which would ring doorbells.
grow()
{
	local before

	if [ "$(virtio_driver "$VIRTIO")" = "$BALLOON_DRIVER" ]; then
		balloon_to "$1" >&2 || return
		echo "$STEP $(cat "$BALLOON/rate") - - -"
	else
		before=$(pages)
		balloon_set "$1" >&2
		wait_for 60 has_pages $((before + STEP / PAGE)) || return
		sleep 0.2
		echo "$STEP - - - -"
	fi
}

# ours DEVICE: the rounds with our driver, which all have the same balloon.
ours()
{
	local round driver bytes=0

	for ((round = 1; round <= ROUNDS; round++)); do
		for driver in off adaptive; do
			bytes=$((bytes + STEP))
			echo "$driver" > "$VIRTIO_BUS/devices/$VIRTIO/moderation/policy"
			gate_round in "$1" "$driver" "$round" size grow $bytes
		done
	done
}

# in_tree DEVICE: the same balloon, empty.
in_tree()
{
	tap_check "the balloon is empty for the in-tree driver" balloon_to 0
	virtio_unbind "$VIRTIO"
	virtio_bind virtio_balloon "$VIRTIO"
	tap_is "$(virtio_driver "$VIRTIO")" virtio_balloon "driven by virtio_balloon"
	gate_round in "$1" in-tree 1 size grow $STEP
	tap_check "a probe on vp_notify" doorbells_start || tap_done
	tap_at_exit doorbells_stop
	gate_round in "$1" in-tree probe size grow $((2 * STEP))
	virtio_unbind "$VIRTIO"
	virtio_bind "$BALLOON_DRIVER" "$VIRTIO"
}

balloon_find || tap_absent "no balloon"
balloon_need
tap_check "the in-tree driver is there" modprobe virtio_balloon || tap_done
tap_is "$(balloon_stat mode)" ranges "ranges are reported"
ours ranges
balloon_new "a balloon without a reporting queue" '"free-page-reporting": false'
ours pages
in_tree pages
gate_judge ranges pages
tap_done

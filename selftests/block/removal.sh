#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The driver is unbound from a device that breaks the rules at that time. Unbinding
# writes back what is dirty and waits for all requests; it must end, whatever the device
# does with them.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

fake_need

# unbinds: in the background, since a process that hangs there cannot be killed.
unbinds()
{
	virtio_unbind "$VIRTIO" &
	wait_for 30 is_over $!
}

# writes_back MODE: the ring breaks at the write-back that unbinding begins with.
writes_back()
{
	fake block
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
	# An open file, so that closing another does not write back.
	exec 7<> "$DEV"
	tap_check "$1: 64 pages are made dirty" dd if=/dev/zero of="$DEV" bs=4k count=64 conv=notrunc
	echo "$1 1" > "$FAKE/bad"
	tap_check "$1: the ring breaks while the driver is unbound, which ends within 30 s" unbinds ||
		tap_done
	exec 7>&-
	tap_check "$1: the driver can be bound afterwards" virtio_bind "$BLK_DRIVER" "$VIRTIO"
	blk_wait pvgfake > /dev/null
	DEV=/dev/$(blk_find pvgfake)
	tap_check "$1: a pattern is written and read back after the bind" blk_rw "$DEV"
}

for mode in id twice index; do
	writes_back $mode
done

tap_done

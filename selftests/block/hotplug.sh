#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A disk is plugged in, used, and unplugged by the host while fio is writing to
# it. fio must get errors rather than wait for ever, the disk must go, and the
# same disk plugged in again must work.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to plug disks"

for round in 1 2 $(is_slow || echo 3); do
	# QEMU refuses the name until it has seen the guest let go of the old one.
	for _ in 1 2 3 4 5; do
		blk_plug
		! blk_wait pvghot 10 || break
	done
	if ! tap_check "round $round: the disk appears when it is plugged in" blk_wait pvghot 30; then
		dmesg | tail -5 | sed 's/^/# /'
		break
	fi
	blk_need pvghot
	tap_check "round $round: a pattern that is written to the plugged disk is read back" blk_rw "$DEV"

	blk_load /dev/null "$DEV" --rw=randwrite --bs=4k --size=32m --iodepth=32 --numjobs=2
	blk_unplug
	tap_check "round $round: the disk disappears when it is unplugged under load" blk_wait_gone pvghot 30
	tap_check "round $round: fio ends when its disk is unplugged" blk_load_ended || break
	blk_load_status
	status=$?
	tap_num "$status % 128 != 0" "round $round: fio has I/O errors when its disk is unplugged" \
		"exit status $status"
	tap_check "round $round: the unplugged disk leaves nothing in debugfs" wait_for 20 no_trace
done

tap_done

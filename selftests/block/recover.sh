#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that asks for a reset, is reset behind the driver's back, is silent, or is gone:
# what it held is given to it again, or fails, as timeout_action says; nothing hangs, is
# lost, or is done for another request.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

# new_disk: a fresh device; sets DISK, DEV, VIRTIO and QUEUE.
new_disk()
{
	fake block
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
	QUEUE=/sys/block/$DISK
}

# verifies: fio in the background writes, reads and compares; VERIFY_PID.
verifies()
{
	local before deadline=$((SECONDS + 60))

	before=$(blk_ios "$DISK")
	behind fio --name=v --filename="$DEV" \
		--allow_file_create=0 --direct=1 --ioengine=libaio \
		--rw=randwrite --bs=4k --size="$(scaled 8)m" --iodepth=16 --verify=crc32c --verify_fatal=1 \
		--randseed="$SEED" --loops="$1" --output-format=json > /tmp/verify 2>&1 &
	VERIFY_PID=$!
	tap_at_exit _blk_load_kill $VERIFY_PID
	until [ "$(blk_ios "$DISK")" -gt $((before + 64)) ] || [ $SECONDS -ge $deadline ]; do
		sleep 0.05
	done
}

# gets_on: fio ends, however long that takes, as long as 30 s do not pass without an answer.
gets_on()
{
	local before=

	until blk_load_ended 30; do
		[ "$(blk_ios "$DISK")" != "$before" ] || return 1
		before=$(blk_ios "$DISK")
	done
}

# verified WHAT: it ends without an error.
verified()
{
	LOAD_PID=$VERIFY_PID
	if ! tap_check "$1: fio ends" gets_on; then
		blk_stats "$VIRTIO" | sort | sed 's/^/# /'
		sed 's/^/# /' "$FAKE/state"
		grep -H . "$DEBUGFS/block/$DISK"/{state,requeue_list,hctx*/{state,dispatch,busy}} 2> /dev/null | sed 's/^/# /'
		tap_done
	fi
	wait $VERIFY_PID
	tap_is $? 0 "$1: all that fio wrote is read back, without an error"
	[ $TAP_FAILED -eq 0 ] || tail -n 3 /tmp/verify | sed 's/^/# /'
}

# reads_block: one read in the background; READ_PID.
reads_block()
{
	dd if="$DEV" of=/dev/null bs=4k count=1 skip="$1" iflag=direct 2> /dev/null &
	READ_PID=$!
}

# logged COUNT TEXT MARK
logged()
{
	[ "$(kmsg_since "$3" | grep -cF -- "$2")" = "$1" ]
}

fails_from_now_on()
{
	tap_fails "$1: a later read fails" blk_gives "$DEV"
	tap_check "$1: the driver can be unbound" timeout 60 bash -c "echo $VIRTIO > $VIRTIO_BUS/devices/$VIRTIO/driver/unbind"
	fault silent 0
	tap_check "$1: the driver can be bound afterwards" virtio_bind "$BLK_DRIVER" "$VIRTIO"
	blk_wait pvgfake > /dev/null
	DISK=$(blk_find pvgfake)
	DEV=/dev/$DISK
	tap_check "$1: a pattern is written and read back after the bind" blk_rw "$DEV"
}

fake_need

# The device asks for a reset while it has requests.
new_disk
verifies "$(scaled 12)"
mark=$(kmsg_mark)
for ((round = 1; round <= 6; round++)); do
	echo 1 > "$FAKE/needs_reset"
	sleep 0.4
done
verified "the device asks for a reset six times under load"
tap_check "the device asks for a reset six times under load: a line in the log for each" \
	logged 6 "[$DISK] the device asks for a reset: resetting it" "$mark"
tap_check "after the resets a pattern is written and read back" blk_rw "$DEV"
tap_check "after the resets a flush succeeds" sync "$DEV"

# With descriptors that do not suffice, so that the block layer waits for some.
fake block ring=4
blk_wait pvgfake > /dev/null
blk_need pvgfake
verifies "$(scaled 4)"
for ((round = 1; round <= 4; round++)); do
	echo 1 > "$FAKE/needs_reset"
	sleep 0.4
done
verified "resets of a ring that is full"

# A suspend that a device would not let happen; what it had goes on afterwards.
if [ -e "$FAKE/power" ]; then
	new_disk
	fault silent 1
	reads_block 5
	sleep 0.5
	tap_check "suspend with a request in a silent device ends within 30 s" timeout 30 bash -c "echo freeze > $FAKE/power"
	fault silent 0
	tap_check "resume succeeds" bash -c "echo restore > $FAKE/power"
	wait_for 10 is_over $READ_PID
	wait $READ_PID
	tap_is $? 0 "the request of before the suspend completes after it"
	tap_check "after the resume a pattern is written and read back" blk_rw "$DEV"
else
	tap_skip "suspend with a request in a silent device ends within 30 s" "this kernel cannot suspend devices"
fi

# Again and again, with nothing that completes.
new_disk
mark=$(kmsg_mark)
for ((round = 1; round <= 4; round++)); do
	echo 1 > "$FAKE/needs_reset"
	sleep 0.5
done
tap_check "four resets without a request: three are done" logged 3 "the device asks for a reset: resetting it" "$mark"
tap_check "four resets without a request: the fourth is the end" \
	logged 1 "the device asks for a reset after 3 resets that did not help: all I/O fails from here on" "$mark"
fails_from_now_on "four resets without a request"

# timeout_action
new_disk
mark=$(kmsg_mark)
tap_is "$(cat "$QUEUE/timeout_action")" "[wait] fail reset" "timeout_action is wait by default"
tap_fails "timeout_action refuses a word that it does not know" bash -c "echo sometimes > $QUEUE/timeout_action"
tap_check "timeout_action: the log says what is allowed" \
	kmsg_has "unknown timeout_action, allowed are wait, fail and reset" "$mark"

echo 1000 > "$QUEUE/queue/io_timeout"
mark=$(kmsg_mark)
fault silent 1
reads_block 100
sleep 5
tap_check "timeout_action wait: the read still waits after 5 s" kill -0 $READ_PID
tap_check "timeout_action wait: the log says so" kmsg_has "it goes on waiting" "$mark"
fault silent 0
tap_check "timeout_action wait: the read ends when the device goes on" wait_for 10 is_over $READ_PID
wait $READ_PID
tap_is $? 0 "timeout_action wait: the read succeeds"

echo reset > "$QUEUE/timeout_action"
mark=$(kmsg_mark)
fault silent 1
reads_block 200
tap_check "timeout_action reset: the device is reset" \
	wait_for 10 kmsg_has "a request took longer than io_timeout: resetting it" "$mark"
fault silent 0
tap_check "timeout_action reset: the read ends" wait_for 10 is_over $READ_PID
wait $READ_PID
tap_is $? 0 "timeout_action reset: the read succeeds"
tap_check "timeout_action reset: a pattern is written and read back" blk_rw "$DEV"

mark=$(kmsg_mark)
fault silent 1
reads_block 300
tap_check "timeout_action reset, no answer ever: the read ends" wait_for 30 is_over $READ_PID
wait $READ_PID
tap_num "$? != 0" "timeout_action reset, no answer ever: the read fails"
tap_check "timeout_action reset, no answer ever: three resets" logged 3 "longer than io_timeout: resetting it" "$mark"
fails_from_now_on "timeout_action reset, no answer ever"

QUEUE=/sys/block/$DISK
tap_is "$(cat "$QUEUE/timeout_action")" "[wait] fail reset" "timeout_action is wait again after a bind"
echo 1000 > "$QUEUE/queue/io_timeout"
echo fail > "$QUEUE/timeout_action"
mark=$(kmsg_mark)
fault silent 1
reads_block 400
tap_check "timeout_action fail: the read ends" wait_for 15 is_over $READ_PID
wait $READ_PID
tap_num "$? != 0" "timeout_action fail: the read fails"
tap_check "timeout_action fail: the log says so" \
	logged 1 "a request took longer than io_timeout: all I/O fails from here on" "$mark"
fails_from_now_on "timeout_action fail"

# A doorbell that cannot be rung breaks the queue.
new_disk
mark=$(kmsg_mark)
fault mute 1
tap_fails "a doorbell that cannot be rung: the read fails" timeout 20 dd if="$DEV" of=/dev/null bs=4k count=1 iflag=direct
tap_check "a doorbell that cannot be rung: the log says that the device is given up" \
	kmsg_has "all I/O fails from here on" "$mark"

# A real device: a reset of its PCI function under load, and one that is switched off.
# Behind a port, where QEMU gives functions such a reset.
if [ -n "${PVG_QMP:-}" ]; then
	for _ in 1 2 3 4 5; do
		blk_plug
		! blk_wait pvghot 10 > /dev/null || break
	done
	blk_need pvghot
	pci=$(readlink -f "/sys/bus/virtio/devices/$VIRTIO/..")
	verifies "$(scaled 8)"
	for ((round = 1; round <= 3; round++)); do
		tap_check "reset of the PCI function, round $round: it succeeds" timeout 60 bash -c "echo 1 > $pci/reset" || break
		sleep 1
	done
	verified "resets of the PCI function under load"
	tap_check "after the resets of the PCI function a pattern is written and read back" blk_rw "$DEV"

	blk_load /dev/null "$DEV" --rw=randrw --bs=4k --size=8m --iodepth=16
	mark=$(kmsg_mark)
	head -c 6 "$pci/config" > /tmp/config
	printf '\0\0' | dd of="$pci/config" bs=1 seek=4 conv=notrunc 2> /dev/null
	tap_check "PCI device switched off under load: fio ends" blk_load_ended 10 || tap_done
	tap_check "PCI device switched off under load: the log says that all I/O fails" \
		kmsg_has "all I/O fails from here on" "$mark"
	tap_check "PCI device switched off under load: the driver can be unbound" \
		timeout 60 bash -c "echo $VIRTIO > $VIRTIO_BUS/devices/$VIRTIO/driver/unbind"
	dd if=/tmp/config of="$pci/config" bs=1 skip=4 seek=4 count=2 conv=notrunc 2> /dev/null
	# It has missed the reset by which the driver let it go.
	echo "${pci##*/}" > /sys/bus/pci/drivers/virtio-pci/unbind
	tap_check "PCI device switched on again: it can be bound" \
		bash -c "echo ${pci##*/} > /sys/bus/pci/drivers/virtio-pci/bind"
	DEV=/dev/$(blk_wait pvghot)
	tap_check "PCI device switched on again: a pattern is written and read back" blk_rw "$DEV"
	blk_unplug
	tap_check "the disk disappears when it is unplugged" blk_wait_gone pvghot 30
fi

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Queues without interrupts (poll_queues): requests that are polled for complete, with the
# right data, without an interrupt and without a timer; all else goes to the other queues.
# Resets, a suspend, an unbind, and a poller that stops polling lose nothing and hang
# nothing. The device says by its own count whether it was asked for an interrupt.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

PARAMETER=/sys/module/$BLK_DRIVER/parameters/poll_queues
DRIVER_DIR=$VIRTIO_BUS/drivers/$BLK_DRIVER

fake_need
# Polls for 512 writes of 4 KiB, then reads and compares.
FIO=(fio --name=p --allow_file_create=0 --direct=1 --ioengine=io_uring --hipri=1 --rw=randwrite
	--bs=4k --size=2m --iodepth=8 --verify=crc32c --verify_fatal=1 --randseed="$SEED"
	--output-format=json)
[ -e "$PARAMETER" ] || tap_absent "$BLK_DRIVER has no parameter poll_queues"
read -r before < "$PARAMETER"
tap_at_exit sh -c "echo $before > $PARAMETER"

# one: fake with as many queues that interrupt as there are CPUs, and one that is polled.
# Sets DISK, DEV, VIRTIO, and POLLED to its statistics, VQ to its number.
one()
{
	VQ=$(getconf _NPROCESSORS_CONF)
	[ "$VQ" -le 4 ] || VQ=4
	fake block num_queues=$((VQ + 1)) vqs=$((VQ + 1)) "$@"
	blk_wait pvgfake > /dev/null
	blk_need pvgfake
	POLLED=$DEBUGFS/pvguest/$VIRTIO/req_poll.$VQ/stats
}

# stat NAME: a counter of the polled queue
stat_of()
{
	sed -n "s/^$1: *//p" "$POLLED"
}

# polls OUTPUT OPTION...: fio writes by polling, reads it back by polling, and compares.
polls()
{
	local output=$1

	shift
	"${FIO[@]}" --filename="$DEV" "$@" > "$output" 2>&1
}

# load OPTION...: the same in the background until it is stopped; LOAD_PID.
load()
{
	local from deadline=$((SECONDS + 60))

	from=$(stat_of completions)
	behind "${FIO[@]}" --filename="$DEV" --thread "$@" > /tmp/load 2>&1 &
	LOAD_PID=$!
	tap_at_exit _blk_load_kill $LOAD_PID
	until [ "$(stat_of completions)" -gt $((from + 32)) ]; do
		[ $SECONDS -lt $deadline ] || return
		sleep 0.05
	done
}

# verified WHAT: the load ends by itself, without an error.
verified()
{
	tap_check "$1: fio ends" blk_load_ended 90 || tap_done
	blk_load_status
	tap_is $? 0 "$1: all that was written is read back, without an error"
	[ $TAP_FAILED -eq 0 ] || tail -n 3 /tmp/load | sed 's/^/# /'
}

unbind()
{
	timeout 60 sh -c "echo $VIRTIO > $DRIVER_DIR/unbind"
}

# again: the driver takes the device again.
again()
{
	virtio_bind "$BLK_DRIVER" "$VIRTIO" && blk_wait pvgfake > /dev/null &&
		DISK=$(blk_find pvgfake) && DEV=/dev/$DISK && blk_rw "$DEV"
}

# ---- the parameter -----------------------------------------------------------

for value in 1025 -1 many 1.5 4294967296; do
	mark=$(kmsg_mark)
	tap_fails "poll_queues=$value is refused" sh -c "echo $value > $PARAMETER"
	tap_check "poll_queues=$value: the log says what is allowed" \
		kmsg_has "poll_queues is $value, allowed are 0 to 1024" "$mark"
done
tap_is "$(cat "$PARAMETER")" "$before" "poll_queues is what it was"
tap_check "poll_queues=1024 is taken" sh -c "echo 1024 > $PARAMETER"

# A queue is left for interrupts, however many are asked for.
mark=$(kmsg_mark)
fake block
blk_wait pvgfake > /dev/null
blk_need pvgfake
tap_check "one queue and poll_queues=1024: the log says that none can be polled" \
	kmsg_has "poll_queues is 1024, of 1 queue that the device has 0 can be polled" "$mark"
tap_is "$(cat "/sys/block/$DISK/queue/io_poll")" 0 "one queue: nothing can be polled"
tap_check "one queue: a pattern is written and read back" blk_rw "$DEV"
echo 0 > "$PARAMETER"
one
tap_is "$(cat "/sys/block/$DISK/queue/io_poll")" 0 "poll_queues=0: nothing can be polled"
tap_fails "poll_queues=0: no queue is polled" test -e "$POLLED"
echo 1 > "$PARAMETER"

# ---- no interrupt ------------------------------------------------------------

mark=$(kmsg_mark)
one
tap_is "$(cat "/sys/block/$DISK/queue/io_poll")" 1 "poll_queues=1: requests can be polled for"
tap_check "poll_queues=1: the log says that one queue is polled" kmsg_has "1 of them polled" "$mark"
tap_check "poll_queues=1: a pattern is written and read back without polling" blk_rw "$DEV"
tap_is "$(stat_of submissions)" 0 "what is not polled for goes to the other queues"

for policy in off fixed adaptive; do
	blk_moderate "$VIRTIO" $policy 16 100
	blk_stats_reset "$VIRTIO"
	tap_check "$policy: what is polled for is written and read back" polls /tmp/polls
	ios=$(jq '.jobs[0] | .read.total_ios + .write.total_ios' < /tmp/polls)
	tap_num "$ios == 1024" "$policy: fio did 1024 requests" "$ios"
	tap_num "$(stat_of completions) >= 0.99 * $ios" "$policy: they went to the polled queue" \
		"$(stat_of completions) of $ios"
	tap_num "$(stat_of reaped) >= 0.5 * $(stat_of completions)" "$policy: pollers took most of them" \
		"$(stat_of reaped) of $(stat_of completions)"
	for name in interrupts timer_starts healed_irq doorbells_held inflight; do
		tap_is "$(stat_of $name)" 0 "$policy: $name of the polled queue is 0"
	done
done
tap_is "$(fake_state "vq${VQ}_interrupts")" 0 "the device was asked for no interrupt by the polled queue"
tap_num "$(fake_state "vq${VQ}_packets") >= 3000" "the device did what was polled for" \
	"$(fake_state "vq${VQ}_packets")"

# So many at once that the event index comes around again.
one ring=4
tap_check "ring=4: what is polled for is written and read back" polls /tmp/polls --iodepth=16
tap_is "$(fake_state "vq${VQ}_interrupts")" 0 "ring=4: the device was asked for no interrupt"

# ---- when something happens meanwhile ----------------------------------------

one
mark=$(kmsg_mark)
load --rate_iops=1000 --loops="$(scaled 4 2)"
for ((round = 1; round <= 4; round++)); do
	echo 1 > "$FAKE/needs_reset"
	sleep 0.3
done
verified "four resets under polled load"
tap_num "$(kmsg_since "$mark" | grep -c "asks for a reset: resetting it") == 4" "each reset was done"

if [ -e "$FAKE/power" ]; then
	load --rate_iops=1000 --loops="$(scaled 4 2)"
	for ((round = 1; round <= 2; round++)); do
		tap_check "suspend $round under polled load ends" timeout 30 sh -c "echo freeze > $FAKE/power"
		tap_check "resume $round succeeds" timeout 30 sh -c "echo restore > $FAKE/power"
	done
	verified "two suspends under polled load"
fi

# A poller that does not poll: the guard takes what has come back.
load --loops=1000
kill -STOP $LOAD_PID
none_inflight()
{
	[ "$(stat_of inflight)" = 0 ]
}
tap_check "a poller that is stopped: its requests complete all the same" wait_for 10 none_inflight
if [ -e "$FAKE/power" ]; then
	tap_check "a poller that is stopped: a suspend ends" timeout 30 sh -c "echo freeze > $FAKE/power"
	tap_check "a poller that is stopped: a resume succeeds" timeout 30 sh -c "echo restore > $FAKE/power"
fi
kill -CONT $LOAD_PID
tap_is "$(stat_of healed_irq)" 0 "a poller that is stopped: no interrupt was lost"
tap_check "unbind under polled load ends" unbind
tap_check "unbind under polled load: fio ends" blk_load_ended 30 || tap_done
tap_check "after that the driver takes the device, and a pattern is written and read back" again

# A device that breaks the ring, and one that answers no more.
load --loops=1000
mark=$(kmsg_mark)
echo "id 1" > "$FAKE/bad"
tap_check "a ring that breaks under polled load: fio ends" blk_load_ended 30 || tap_done
tap_check "a ring that breaks under polled load: the log says so" kmsg_has "the device broke the protocol" "$mark"
tap_check "a ring that broke: the driver can be unbound" unbind
tap_check "a ring that broke: after a bind a pattern is written and read back" again
POLLED=$DEBUGFS/pvguest/$VIRTIO/req_poll.$VQ/stats
echo 1000 > "/sys/block/$DISK/queue/io_timeout"
echo fail > "/sys/block/$DISK/timeout_action"
load --loops=1000
fault silent 1
tap_check "a device that is silent, timeout_action fail: fio ends" blk_load_ended 60 || tap_done
fault silent 0
tap_check "a device that was silent: the driver can be unbound" unbind
tap_check "a device that was silent: after a bind a pattern is written and read back" again
fault lose-kick 16
tap_check "each 16th doorbell is lost: what is polled for is written and read back" \
	timeout 120 bash -c "$(declare -p FIO DEV; declare -f polls); polls /tmp/polls --size=512k"
fault lose-kick 0

# ---- a device of QEMU --------------------------------------------------------

if [ -n "${PVG_QMP:-}" ]; then
	for serial in pvgsplit pvgpacked; do
		blk_need $serial
		unbind
		virtio_bind "$BLK_DRIVER" "$VIRTIO"
		blk_wait $serial > /dev/null
		blk_need $serial
		# A queue for one CPU, and one of the two that pvgsplit has.
		polled=$(find "$DEBUGFS/pvguest/$VIRTIO" -name 'req_poll.*' | head -n 1)
		if [ -z "$polled" ]; then
			tap_is "$(cat "/sys/block/$DISK/queue/io_poll")" 0 "$serial: it has one queue, and that has interrupts"
			continue
		fi
		POLLED=$polled/stats
		tap_fails "$serial: the polled queue has no interrupt" grep -q "$VIRTIO-req_poll" /proc/interrupts
		tap_check "$serial: what is polled for is written and read back" polls /tmp/polls --size=1m
		tap_num "$(stat_of completions) >= 500" "$serial: it went to the polled queue" "$(stat_of completions)"
		tap_is "$(stat_of interrupts)" 0 "$serial: the polled queue has had no interrupt"
		tap_num "$(stat_of reaped) >= 0.5 * $(stat_of completions)" "$serial: pollers took most of the requests" \
			"$(stat_of reaped) of $(stat_of completions)"
	done
	echo 0 > "$PARAMETER"
	blk_need pvgsplit
	unbind
	virtio_bind "$BLK_DRIVER" "$VIRTIO"
	tap_check "without poll_queues pvgsplit is there again" blk_wait pvgsplit
	blk_need pvgsplit
	tap_is "$(cat "/sys/block/$DISK/queue/io_poll")" 0 "pvgsplit: nothing can be polled after that"
fi

tap_done

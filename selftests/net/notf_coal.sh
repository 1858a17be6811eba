#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A device that moderates interrupts itself (NOTF_COAL, VQ_NOTF_COAL) is told to
# do what ethtool -C asks for, and is told again whenever it may have forgotten;
# if it refuses, the driver does it. And what the device counts (DEVICE_STATS).

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

modprobe -q -n pvg_fakehost || tap_skip_all "there is no module pvg_fakehost: use scripts/lab"
tap_at_exit rmmod pvg_fakehost

# told VQ: "frames usecs" that the device has for a virtqueue.
told()
{
	echo "$(net_fake_is "vq$1_max_packets") $(net_fake_is "vq$1_max_usecs")"
}

is_told()
{
	[ "$(told "$1")" = "$2" ]
}

# told_to FRAMES USECS NAME VQ...: each virtqueue of them.
told_to()
{
	local want="$1 $2" name=$3 vq

	shift 3
	for vq; do
		wait_for 20 is_told "$vq" "$want"
		tap_is "$(told "$vq")" "$want" "$name: virtqueue $vq"
	done
}

# received COUNT: it has come to that.
received()
{
	[ "$(net_count rx_packets)" -ge "$1" ]
}

# inject COUNT NAME: as many packets come to queue 0, eight at a time, since what
# comes while the driver polls needs neither interrupt nor timer; STAT is what happened.
inject()
{
	local before sent n

	before=$(net_count rx_packets)
	net_stats_reset
	for ((sent = 0; sent < $1; sent += n)); do
		n=$(($1 - sent < 8 ? $1 - sent : 8))
		net_fake_do inject $n
		wait_for 5 received $((before + sent + n))
	done
	sleep 0.3
	net_stats input.0
	tap_is "$(($(net_count rx_packets) - before))" "$1" "$2: all packets arrive"
}

# by_device NAME, by_driver NAME: who moderates queue 0, frames 8.
by_device()
{
	inject 64 "$1"
	tap_num "${STAT[interrupts]} >= 8 && ${STAT[interrupts]} <= 9" \
		"$1: an interrupt for 8 packets" "${STAT[interrupts]} for 64"
	tap_num "${STAT[timer_starts]} == 0" "$1: without a timer of the driver" "${STAT[timer_starts]}"
}

by_driver()
{
	inject 65 "$1"
	tap_num "${STAT[interrupts]} <= 9" "$1: an interrupt for 8 packets" "${STAT[interrupts]} for 65"
	tap_num "${STAT[timer_starts]} >= 1" "$1: the driver's timer bounds the wait"
}

set_rx()
{
	ethtool -C "$DEV" adaptive-rx off rx-usecs "$1" rx-frames "$2"
}

recovered()
{
	kmsg_since "$mark" | grep -q "$VIRTIO.*resetting the device" && net_fake_answers
}

# Virtqueues: 0 and 2 receive, 1 and 3 transmit.
rx="0" all="0 1"
[ "$(nproc)" -lt 2 ] || rx="0 2" all="0 1 2 3"

tap_check "a device with a setting for each queue" net_fake || tap_done
net_up 20
tap_check "the network behind it answers" net_fake_answers || tap_done
tap_is "$(virtio_driver "$VIRTIO")" "$NET_DRIVER" "driven by $NET_DRIVER"
# shellcheck disable=SC2086 # several words
told_to 0 0 "adaptive at first" $all
tap_check "rx-usecs 100000 rx-frames 8 is taken" set_rx 100000 8
# shellcheck disable=SC2086
told_to 8 100000 "rx-usecs 100000 rx-frames 8" $rx
told_to 0 0 "rx-usecs 100000 rx-frames 8" 1
by_device "each queue"
inject 3 "fewer than 8"
tap_num "${STAT[interrupts]} == 1 && ${STAT[timer_starts]} == 0" \
	"fewer than 8: the device's timer brings them" "${STAT[interrupts]} interrupts"
ethtool -C "$DEV" adaptive-tx off tx-usecs 300 tx-frames 20
told_to 20 300 "tx-usecs 300 tx-frames 20" 1
if [ "$(nproc)" -gt 1 ]; then
	ethtool -Q "$DEV" queue_mask 2 -C rx-usecs 5000 rx-frames 4
	told_to 4 5000 "queue 1 alone" 2
	told_to 8 100000 "queue 1 alone: the other stays" 0
	set_rx 100000 8
	ethtool -L "$DEV" combined 1
	set_rx 100000 7
	ethtool -L "$DEV" combined 2
	told_to 7 100000 "a queue that comes into use" 2
	set_rx 100000 8
fi
tap_check "the ring is reset" ethtool -G "$DEV" rx 128
told_to 8 100000 "after the reset of a ring" 0
mark=$(kmsg_mark)
net_fake_do needs_reset 1
tap_check "a device that needs a reset gets it" wait_for 60 recovered
told_to 8 100000 "after the reset of the device" 0
told_to 20 300 "after the reset of the device" 1
by_device "after the reset of the device"
ethtool -C "$DEV" adaptive-rx on
# shellcheck disable=SC2086
told_to 0 0 "adaptive again" $rx
for setting in policy:fixed frames:12 usecs:700; do
	echo "${setting#*:}" > "$VIRTIO_BUS/devices/$VIRTIO/moderation/${setting%:*}"
done
# shellcheck disable=SC2086
told_to 12 700 "set in sysfs" $all
set_rx 0 1
# shellcheck disable=SC2086
told_to 0 0 "off" $rx

# It does not do it.
mark=$(kmsg_mark)
net_fake_do bad "ctrl-refuse 1000"
tap_check "what the device refuses is taken all the same" set_rx 50000 8
net_fake_do bad "none 0"
tap_check "the log says so" sh -c "dmesg | grep -q 'does not take 8 frames'"
by_driver "refused"
net_fake_do bad "ctrl-silent 1"
set_rx 100000 8
tap_check "a device that does not answer is reset" wait_for 60 recovered
told_to 8 100000 "then it is told" 0
by_device "then it is told"

# value NAME: of ethtool -S.
value()
{
	ethtool -S "$DEV" | awk -v name="$1:" '$1 == name { print $2 }'
}

tap_is "$(value rx0_device_packets)" "$(net_fake_is vq0_packets)" "what the device received"
tap_is "$(value tx0_device_bytes)" "$(net_fake_is vq1_bytes)" "what it sent"
tap_num "$(value ctrl_device_commands_ok) >= 5" "how often it obeyed"
tap_is "$(value rx0_device_csum_bad)" 0 "and wrong checksums"
tap_is "$(value tx0_device_gso_packets)" "" "but not what it does not count"
net_fake_do bad "ctrl-lie 100"
tap_is "$(value rx0_device_packets)" 0 "an answer that makes no sense is 0"
net_fake_do bad "ctrl-refuse 100"
tap_is "$(value rx0_device_packets)" 0 "and so is none"
net_fake_do bad "none 0"
tap_check "the network behind it answers" net_answers

# One setting for all.
tap_check "a device with one setting for all queues" net_fake vq_notf_coal=0 || tap_done
net_up 20
tap_check "the network behind it answers" net_fake_answers
set_rx 100000 8
# shellcheck disable=SC2086
told_to 8 100000 "one for all" $rx
by_device "one for all"
if [ "$(nproc)" -gt 1 ]; then
	ethtool -Q "$DEV" queue_mask 2 -C rx-usecs 5000 rx-frames 4
	told_to 0 0 "where they differ, the device is told not to" 0 2
	by_driver "where they differ"
fi

# And none.
tap_check "a device without" net_fake vq_notf_coal=0 notf_coal=0 || tap_done
net_up 20
tap_check "the network behind it answers" net_fake_answers
set_rx 100000 8
by_driver "a device without"
told_to 0 0 "a device without" 0

tap_done

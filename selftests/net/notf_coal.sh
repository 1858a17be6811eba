#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that moderates interrupts itself (NOTF_COAL, VQ_NOTF_COAL) is told to
# do what ethtool -C asks for, and is told again whenever it may have forgotten;
# if it refuses, the driver does it. And what the device counts (DEVICE_STATS).

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

net_fakehost

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
		tap_is "$(told "$vq")" "$want" \
			"$name: the device is told frames and usecs $want for virtqueue $vq"
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

# by_device NAME: the device moderates queue 0, frames 8.
by_device()
{
	inject 64 "$1"
	tap_num "${STAT[interrupts]} >= 8 && ${STAT[interrupts]} <= 9" \
		"$1: the device interrupts once for 8 packets" "${STAT[interrupts]} for 64"
	tap_num "${STAT[timer_starts]} == 0" "$1: the driver starts no timer" "${STAT[timer_starts]}"
}

# by_driver NAME: the driver does so. The last packet is the timer's.
by_driver()
{
	inject 65 "$1"
	tap_num "${STAT[interrupts]} >= 7 && ${STAT[interrupts]} <= 9" \
		"$1: the driver has one interrupt for 8 packets" "${STAT[interrupts]} for 65"
	tap_num "${STAT[timer_starts]} >= 1 && ${STAT[timer_fires]} >= 1" \
		"$1: the driver's timer brings the last packet" \
		"${STAT[timer_starts]} started, ${STAT[timer_fires]} fired"
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

tap_check "VQ_NOTF_COAL: the interface of a device with a setting for each queue appears" \
	net_fake || tap_done
net_up 20
tap_check "VQ_NOTF_COAL: the network behind the device answers" net_fake_answers || tap_done
tap_is "$(virtio_driver "$VIRTIO")" "$NET_DRIVER" "the driver of pvg_fakehost's device is $NET_DRIVER"
# shellcheck disable=SC2086 # several words
told_to 0 0 "adaptive at first" $all
tap_check "rx-usecs 100000 rx-frames 8 is taken" set_rx 100000 8
# shellcheck disable=SC2086
told_to 8 100000 "rx-usecs 100000 rx-frames 8" $rx
told_to 0 0 "rx-usecs 100000 rx-frames 8, which is not for transmission" 1
by_device "VQ_NOTF_COAL, rx-frames 8"
inject 3 "VQ_NOTF_COAL, rx-frames 8, 3 packets"
tap_num "${STAT[interrupts]} == 1 && ${STAT[timer_starts]} == 0" \
	"VQ_NOTF_COAL, rx-frames 8, 3 packets: the device's timer interrupts once, the driver has none" \
	"${STAT[interrupts]} interrupts, ${STAT[timer_starts]} timers"
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
tap_check "ethtool -G rx 128, which resets the ring, is taken" ethtool -G "$DEV" rx 128
told_to 8 100000 "after the reset of a ring" 0
mark=$(kmsg_mark)
net_fake_do needs_reset 1
tap_check "NEEDS_RESET: the driver resets the device and the network answers" wait_for 60 recovered
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
told_to 12 700 "fixed, 12, 700 in sysfs" $all
set_rx 0 1
# shellcheck disable=SC2086
told_to 0 0 "rx-usecs 0 rx-frames 1" $rx

# It does not do it.
mark=$(kmsg_mark)
net_fake_do bad "ctrl-refuse 1000"
tap_check "ethtool -C takes settings that the device refuses" set_rx 50000 8
net_fake_do bad "none 0"
tap_check "the log says that the device refuses the settings" kmsg_has "does not take 8 frames" "$mark"
by_driver "settings that the device refuses"
net_fake_do bad "ctrl-silent 1"
mark=$(kmsg_mark)
set_rx 100000 8
tap_check "the driver resets a device that does not answer a command" wait_for 60 recovered
told_to 8 100000 "after a command without an answer" 0
by_device "after a command without an answer"

# value NAME: of ethtool -S.
value()
{
	ethtool -S "$DEV" | awk -v name="$1:" '$1 == name { print $2 }'
}

tap_is "$(value rx0_device_packets)" "$(net_fake_is vq0_packets)" \
	"rx0_device_packets is the device's count of received packets"
tap_is "$(value tx0_device_bytes)" "$(net_fake_is vq1_bytes)" \
	"tx0_device_bytes is the device's count of sent bytes"
tap_num "$(value ctrl_device_commands_ok) >= 5" \
	"ctrl_device_commands_ok counts the commands that the device carried out" \
	"$(value ctrl_device_commands_ok)"
tap_is "$(value rx0_device_csum_bad)" 0 "rx0_device_csum_bad is 0 where no checksum was wrong"
tap_is "$(value tx0_device_gso_packets)" "" \
	"ethtool -S leaves out tx0_device_gso_packets, which the device does not count"
net_fake_do bad "ctrl-lie 100"
tap_is "$(value rx0_device_packets)" 0 "rx0_device_packets is 0 after an answer with wrong contents"
net_fake_do bad "ctrl-refuse 100"
tap_is "$(value rx0_device_packets)" 0 "rx0_device_packets is 0 after the device refused the question"
net_fake_do bad "none 0"
tap_check "after wrong and refused statistics the network answers" net_answers

# One setting for all.
tap_check "NOTF_COAL: the interface of a device with one setting for all queues appears" \
	net_fake vq_notf_coal=0 || tap_done
net_up 20
tap_check "NOTF_COAL: the network behind the device answers" net_fake_answers
set_rx 100000 8
# shellcheck disable=SC2086
told_to 8 100000 "NOTF_COAL" $rx
by_device "NOTF_COAL, rx-frames 8"
if [ "$(nproc)" -gt 1 ]; then
	ethtool -Q "$DEV" queue_mask 2 -C rx-usecs 5000 rx-frames 4
	told_to 0 0 "NOTF_COAL, queues that differ" 0 2
	by_driver "NOTF_COAL, queues that differ"
fi

# And none.
tap_check "no NOTF_COAL: the interface of a device that does not moderate appears" \
	net_fake vq_notf_coal=0 notf_coal=0 || tap_done
net_up 20
tap_check "no NOTF_COAL: the network behind the device answers" net_fake_answers
set_rx 100000 8
by_driver "no NOTF_COAL, rx-frames 8"
told_to 0 0 "no NOTF_COAL" 0

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The guest's part of scripts/bench balloon: binds the drivers in turn, uses
# memory, lets the host move the balloon, and prints a line of JSON for each
# movement. Environment: BENCH_ALTERNATIONS, BENCH_BYTES.

set -u
BUS=/sys/bus/virtio
TRACE=/sys/kernel/tracing
ASKED=0

note()
{
	echo "# $*"
}

stop()
{
	echo "bench: $*"
	exit 1
}

# ask BYTES|rss: has balloon-move do that; its answer in ANSWER.
ask()
{
	local id line

	ASKED=$((ASKED + 1))
	id=$$-$ASKED
	echo "@ask $id $1"
	for _ in {1..1000}; do
		line=$(dd if="/dev/$ANSWERS" bs=16384 count=1 iflag=direct 2> /dev/null | tr -d '\0')
		if [ "${line%% *}" = "$id" ]; then
			ANSWER=${line#* }
			[[ $ANSWER == "{"* ]] || stop "the host says: $ANSWER"
			return
		fi
		sleep 0.1
	done
	stop "the host does not answer"
}

# How late a task wakes that sleeps 2 ms, in microseconds, a line each.
probe()
{
	local before after

	exec 9<> /run/bench-fifo
	while :; do
		before=${EPOCHREALTIME/./}
		read -r -t 0.002 -u 9
		after=${EPOCHREALTIME/./}
		echo $((after - before - 2000))
	done
}

# Requests of the driver so far.
requests()
{
	if [ "$1" = ours ]; then
		awk '/_requests:/ { sum += $2 } END { print sum }' \
			"/sys/kernel/debug/pvguest/$VIRTIO/balloon"
	else
		awk '$1 == "bench_balloon" { print $2; found = 1 }
			END { if (!found) print 0 }' "$TRACE/kprobe_profile"
	fi
}

# Nanoseconds that the device had our requests of the kind that enters.
device_ns()
{
	[ "$1" = ours ] || { echo 0; return; }
	awk '/^(report|inflate)_request_ns:/ { sum += $2 } END { print sum }' \
		"/sys/kernel/debug/pvguest/$VIRTIO/balloon"
}

# move DRIVER TOUCHED DIRECTION BYTES
move()
{
	local pid before ns touched=null

	if mountpoint -q /mnt; then
		ask rss
		touched=$(jq .rss <<< "$ANSWER")
		umount /mnt
	fi
	before=$(requests "$1")
	ns=$(device_ns "$1")
	probe > /run/bench-late &
	pid=$!
	sleep 0.3
	ask "$4"
	kill "$pid"
	wait "$pid" 2> /dev/null
	jq -cn --arg driver "$1" --arg memory "$2" --arg direction "$3" \
		--argjson bytes "$BENCH_BYTES" --argjson wanted "$4" --argjson host "$ANSWER" \
		--argjson requests $(($(requests "$1") - before)) \
		--argjson touched "$touched" --argjson device_ns $(($(device_ns "$1") - ns)) \
		--argjson late "$(sort -n /run/bench-late | jq -s -c '[.[length * 99 / 100 | floor], .[-1]]')" '
		if $host.reached != $wanted then error("only \($host.reached) of \($wanted)") else . end |
		{driver: $driver, memory: $memory, direction: $direction, bytes: $bytes,
			ms: $host.ms, requests: $requests, device_ns: $device_ns,
			rss_touched: $touched, rss_before: $host.rss_before, rss_after: $host.rss_after,
			p99_us: $late[0], max_us: $late[1]}' || stop "a movement failed"
}

# touch_memory: nearly all that can be had is in use, until move() starts. The kernel
# reports what becomes free to the host, 2 s after the first of it if there was nothing
# to report before: so by then most movements are over.
touch_memory()
{
	local kib min

	read -r min < /proc/sys/vm/min_free_kbytes
	echo 1024 > /proc/sys/vm/min_free_kbytes
	kib=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
	mount -t tmpfs -o size=100% none /mnt
	head -c $(((kib - 16 * 1024) * 1024)) /dev/zero > /mnt/fill
	echo "$min" > /proc/sys/vm/min_free_kbytes
	sleep 5
}

bind()
{
	[ ! -e "$BUS/devices/$VIRTIO/driver" ] || echo "$VIRTIO" > "$BUS/devices/$VIRTIO/driver/unbind"
	echo "$VIRTIO" > "$BUS/drivers/$1/bind"
}

for disk in /sys/block/vd*; do
	[ "$(cat "$disk/serial")" != pvganswers ] || ANSWERS=${disk##*/}
done
for device in "$BUS"/devices/virtio*; do
	[ "$(cat "$device/device")" != 0x0005 ] || VIRTIO=${device##*/}
done
mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
mountpoint -q "$TRACE" || mount -t tracefs none "$TRACE"
echo 0 > /proc/sys/vm/oom_dump_tasks
mkfifo /run/bench-fifo
modprobe virtio_balloon
echo 'p:bench_balloon virtqueue_add_outbuf' > "$TRACE/kprobe_events" || stop "no kprobe"
echo 1 > "$TRACE/events/kprobes/bench_balloon/enable" || stop "no kprobe"

# What the in-tree driver hands over page by page the host has in small pages from
# then on, even what is used anew, and these take ten times as long to discard. So it
# comes second: it hands over single pages either way.
for ((round = 1; round <= BENCH_ALTERNATIONS; round++)); do
	for driver in ours in_tree; do
		if [ $driver = ours ]; then bind pvg_balloon; else bind virtio_balloon; fi
		# Under TCG, what runs for the first time is translated.
		ask $((64 * 1024 * 1024))
		ask 0
		for memory in touched untouched; do
			note "round $round of $BENCH_ALTERNATIONS: $driver, $memory"
			[ $memory = untouched ] || touch_memory
			move $driver $memory in "$BENCH_BYTES"
			move $driver $memory out 0
		done
	done
done

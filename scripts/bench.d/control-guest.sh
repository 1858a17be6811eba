#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of `scripts/bench control` that runs in the VM: the in-tree driver and
# ours in turn on the same device. Prints one JSON object per run; lines that
# start with # are progress.

set -u

HERE=$(cd "$(dirname "$0")" && pwd)
BUS=/sys/bus/virtio
ALTERNATIONS=${BENCH_ALTERNATIONS:-3}
SECONDS_TIMED=${BENCH_SECONDS:-3}
ONLY=${BENCH_LOADS:-}

# name, then what control-load is to do; sink, source, answer and null are ports.
loads()
{
	cat << 'END'
out-32k-many write 32768 sink
out-64k-many write 65536 sink
out-32k-one ask 32768 answer
out-64k-one ask 65536 answer
null-32k-many write 32768 null
null-64k-many write 65536 null
in-64k read 65536 source
beat-idle beat 64 answer
beat-out beat 64 answer sink
beat-both beat 64 answer sink source
ping-idle ping 100 ping
ping-out ping 100 ping sink
ping-both ping 100 ping sink source
op-session op session:40 ops
op-spawn spawn 40
op-exec op exec:40 ops
op-execs op execs:64 ops
op-put op put:64 ops
op-get op get:64 ops
op-ping op ping:200 ops
op-ping-put op ping-put:200 ops
op-ping-get op ping-get:200 ops
op-agent-exec op agent-exec:10 ops agent
op-agent-put op agent-put:100 ops agent
op-agent-get op agent-get:100 ops agent
END
}

# ping A_SECOND PING [SINK [SOURCE]]: the host pings our kernel while the ports move
# bulk data. Its figures.
ping()
{
	local loads=() figures

	[ -z "${3:-}" ] || { "$HERE/control-load" $((SECONDS_TIMED + 60)) write 65536 "$3" & loads+=($!); }
	[ -z "${4:-}" ] || { "$HERE/control-load" $((SECONDS_TIMED + 60)) read 65536 "$4" & loads+=($!); }
	exec {port}<> "$2" || return
	[ ${#loads[@]} -eq 0 ] || sleep 1
	echo $((SECONDS_TIMED * $1)) >&"$port"
	read -r figures <&"$port"
	exec {port}>&-
	[ ${#loads[@]} -eq 0 ] || kill "${loads[@]}"
	echo "$figures"
	[[ $figures == '{'* ]]
}

# counted NAME: a counter of all queues of the device.
counted()
{
	sed -n "s/^$1: //p" "$BUS/devices/$VIRTIO/moderation/stats"
}

# operation LOAD:COUNT PORT [AGENT]: the host asks pvguestd for guest operations, or
# qemu-ga where its port is given. Its figures, with interrupts and doorbells for each
# of COUNT; the session that they are made in has its share of these.
operation()
{
	local daemon figures irqs bells dir=/tmp/bench-operations

	mkdir -p "$dir/policy.d" "$dir/state"
	printf '[rule "all"]\nallow = @all\nuser = *\ncommand = /** **\nroot = / rw\ntarget = tcp:*:*\n' > "$dir/policy.d/all.conf"
	if [ -n "${3:-}" ]; then
		qemu-ga -m virtio-serial -p "$3" -t "$dir/state" -f "$dir/pid" > "$dir/log" 2>&1 &
	else
		"$HERE/../../tools/build/pvguestd" --policy "$dir/policy.d" --run "$dir/run" 2> "$dir/log" &
	fi
	daemon=$!
	exec {port}<> "$2" || return
	sleep 1
	irqs=$(counted interrupts) bells=$(counted doorbells)
	echo "${1%:*} ${1#*:}" >&"$port"
	read -r figures <&"$port"
	irqs=$(($(counted interrupts) - irqs)) bells=$(($(counted doorbells) - bells))
	exec {port}>&-
	kill $daemon
	wait $daemon
	rm -f /tmp/bench-data /tmp/bench-agent
	if [[ $figures != '{'* ]]; then
		echo "$figures"
		cat "$dir/log" >&2
		return 1
	fi
	awk -v figures="${figures%\}}" -v irqs=$irqs -v bells=$bells -v n="${1#*:}" \
		'BEGIN { printf "%s, \"irqs\": %.2f, \"bells\": %.2f}\n", figures, irqs / n, bells / n }'
}

fail()
{
	echo "bench: $*" >&2
	exit 1
}

# console_device: the virtio device that has the ports.
console_device()
{
	local device

	for device in "$BUS"/devices/virtio*; do
		[ "$(cat "$device/device")" != 0x0003 ] || { echo "${device##*/}" && return; }
	done
}

# port NAME: its path; waits for it.
port()
{
	local i file name

	for ((i = 0; i < 100; i++)); do
		for file in /sys/bus/virtio-ports/devices/*/name /sys/class/virtio-ports/*/name; do
			name=
			[ ! -r "$file" ] || read -r name < "$file"
			if [ "$name" = "bench.$1" ]; then
				file=${file%/name}
				echo "/dev/${file##*/}"
				return
			fi
		done
		sleep 0.1
	done
	fail "no port bench.$1"
}

use_driver()
{
	local bound

	bound=$(readlink "$BUS/devices/$VIRTIO/driver") || bound=none
	[ "${bound##*/}" != "$1" ] || return 0
	[ "$bound" = none ] || echo "$VIRTIO" > "$BUS/devices/$VIRTIO/driver/unbind"
	echo "$VIRTIO" > "$BUS/drivers/$1/bind" || fail "$1 does not take $VIRTIO"
}

modprobe virtio_console 2> /dev/null
[ -e "$BUS/drivers/virtio_console" ] || fail "no in-tree driver"
VIRTIO=$(console_device)
[ -n "$VIRTIO" ] || fail "no console device"
for ((round = 1; round <= ALTERNATIONS; round++)); do
	for driver in virtio_console pvg_ctl; do
		use_driver $driver
		port answer > /dev/null
		sleep 0.5
		while read -r name load chunk ports; do
			[ -z "$ONLY" ] || [[ ,$ONLY, == *,$name,* ]] || continue
			paths=()
			for p in $ports; do
				paths+=("$(port "$p")")
			done
			if [ "$load" = ping ]; then
				[ $driver = pvg_ctl ] || continue
				result=$(ping "$chunk" "${paths[@]}")
			elif [ "$load" = op ]; then
				[ $driver = pvg_ctl ] || continue
				result=$(operation "$chunk" "${paths[@]}")
			elif [ "$load" = spawn ]; then
				[ $driver = pvg_ctl ] || continue
				result=$("$HERE/control-load" "$chunk" spawn /bin/true)
			else
				result=$("$HERE/control-load" "$SECONDS_TIMED" "$load" "$chunk" "${paths[@]}")
			fi || fail "$name with $driver failed: $result"
			echo "{\"load\": \"$name\", \"driver\": \"$driver\", \"round\": $round, \"figures\": $result}"
			echo "# $round $driver $name $result"
		done < <(loads)
	done
done

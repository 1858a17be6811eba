#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of `scripts/bench block` that runs in the VM. For each device and
# load it measures the in-tree driver and ours one after the other on the same
# device, and prints one JSON object per run; lines that start with # are
# progress.
#
# One run is one fio. In its ramp time, which fio does not report, a kprobe on
# the transport's notify function is put in place for a short while to count
# doorbells, the same way for both drivers; then it is taken out again, since it
# slows submission down, and after a pause the timed part follows.
#
# Figures of the timed part are differences between two samples that are taken
# while fio runs: requests from the disk's own statistics, interrupts from
# /proc/interrupts, CPU time as wall time less idle and iowait of /proc/stat
# (which a tickless idle CPU keeps in microseconds and shows in hundredths of a
# second: 0.3% of 3 s), ours from the driver's counters. fio's JSON has IOPS and
# latencies, whole from submission to completion.

set -u

HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=../../selftests/lib/doorbells.sh
. "$HERE/../../selftests/lib/doorbells.sh"

ALTERNATIONS=${BENCH_ALTERNATIONS:-3}
SECONDS_TIMED=${BENCH_SECONDS:-3}
SECONDS_SETTLE=${BENCH_SETTLE:-0.7}
SECONDS_COUNT=${BENCH_COUNT:-1}
POLICY=${BENCH_POLICY:-}
ONLY=${BENCH_LOADS:-}
DEVICES=${BENCH_DEVICES:-zero lat}

OURS=pvg_blk
IN_TREE=virtio_blk
BUS=/sys/bus/virtio
STATS=/sys/kernel/debug/pvguest
TMP=$(mktemp -d)
trap 'doorbells_stop; rm -rf "$TMP"' EXIT

# A descriptor on which nothing ever arrives, to pause without a process.
exec {NEVER}<> <(:)

pause()
{
	read -rt "$1" -u "$NEVER"
}

# The loads of the comparison: name, then fio's options. Batches are 16 requests
# in one io_submit: fio hands over when 16 are queued, and then waits for 16.
loads()
{
	cat <<'END'
QD1 --rw=randread --bs=4k --iodepth=1
QD4 --rw=randread --bs=4k --iodepth=4
QD32 --rw=randread --bs=4k --iodepth=32
QD32-batch16 --rw=randread --bs=4k --iodepth=32 --iodepth_batch_submit=16 --iodepth_low=16 --iodepth_batch_complete_min=16 --iodepth_batch_complete_max=16
2xQD64 --rw=randread --bs=4k --iodepth=64 --numjobs=2
seq128k-QD8 --rw=read --bs=128k --iodepth=8
END
}

fail()
{
	echo "bench: $*" >&2
	exit 1
}

find_disk()
{
	local dir serial

	for dir in /sys/block/vd*; do
		serial=
		[ ! -r "$dir/serial" ] || read -r serial < "$dir/serial" || true
		[ "$serial" != "$1" ] || { echo "${dir##*/}" && return 0; }
	done
	return 1
}

# device_init NAME: sets SERIAL, VIRTIO for the device.
device_init()
{
	local disk device

	SERIAL=bench$1
	release_disks
	for device in "$BUS"/devices/virtio*; do
		echo "${device##*/}" 2>/dev/null > "$BUS/drivers/$OURS/bind" || true
	done
	disk=$(find_disk "$SERIAL") || fail "no disk with serial $SERIAL"
	VIRTIO=$(readlink -f "/sys/block/$disk/device")
	VIRTIO=${VIRTIO##*/}
}

# release_disks: no disk has a driver. The in-tree driver always takes the
# lowest name it has not given out itself, and fails where ours holds it.
release_disks()
{
	local driver device

	for driver in "$OURS" "$IN_TREE"; do
		for device in "$BUS/drivers/$driver"/virtio*; do
			[ ! -e "$device" ] || echo "${device##*/}" > "$device/driver/unbind"
		done
	done
}

# use_driver DRIVER: the device's driver is DRIVER; sets DISK.
use_driver()
{
	local i

	release_disks
	echo "$VIRTIO" > "$BUS/drivers/$1/bind" || fail "$1 does not take $VIRTIO"
	for ((i = 0; i < 100; i++)); do
		DISK=$(find_disk "$SERIAL") && break
		pause 0.1
	done
	[ -n "$DISK" ] || fail "$SERIAL does not appear with $1"
	[ "$1" != "$OURS" ] || [ -z "$POLICY" ] || set_policy
}

# POLICY is "policy" or "policy:frames:usecs".
set_policy()
{
	local dir=$BUS/devices/$VIRTIO/moderation policy frames usecs

	IFS=: read -r policy frames usecs <<< "$POLICY"
	[ -z "$frames" ] || echo "$frames" > "$dir/frames" || fail "frames $frames"
	[ -z "$usecs" ] || echo "$usecs" > "$dir/usecs" || fail "usecs $usecs"
	echo "$policy" > "$dir/policy" || fail "policy $policy"
}

# sample PREFIX: the counters into variables PREFIX_*. No process is started.
# shellcheck disable=SC2034 # set through the references
sample()
{
	local -n at=$1_us ios=$1_ios busy_idle=$1_idle irqs=$1_irqs
	local -a field line
	local text

	at=${EPOCHREALTIME/./}
	read -ra field < "/sys/block/$DISK/stat"
	ios=${field[0]}
	read -ra field < /proc/stat
	busy_idle=$((field[4] + field[5]))
	irqs=0
	mapfile -t line < /proc/interrupts
	for text in "${line[@]}"; do
		case $text in
		*"$VIRTIO-req"*)
			read -ra field <<< "$text"
			for ((i = 1; i <= NCPU; i++)); do
				irqs=$((irqs + field[i]))
			done ;;
		esac
	done
	sample_stats "$1"
}

# sample_stats PREFIX: our counters, 0 with the in-tree driver.
sample_stats()
{
	local -n timers=$1_timers bells=$1_bells
	local name value file

	timers=0 bells=0
	[ "$DRIVER" = "$OURS" ] || return 0
	for file in "$STATS/$VIRTIO"/*/stats; do
		while IFS=': ' read -r name value; do
			case $name in
			timer_starts) timers=$((timers + value)) ;;
			doorbells) bells=$((bells + value)) ;;
			esac
		done < "$file"
	done
}

# wait_for_io PID: until the disk has done something.
wait_for_io()
{
	local i first now
	local -a field

	read -ra field < "/sys/block/$DISK/stat"
	first=${field[0]}
	for ((i = 0; i < 600; i++)); do
		read -ra field < "/sys/block/$DISK/stat"
		now=${field[0]}
		[ "$now" -lt $((first + 4)) ] || return 0
		kill -0 "$1" 2> /dev/null || break
		pause 0.05
	done
	cat "$TMP/fio" >&2
	fail "fio does nothing on $DISK"
}

# count_doorbells: sets COUNT_BELLS and COUNT_IOS over a short while.
count_doorbells()
{
	local bells
	local -a before after

	doorbells_on || fail "the probe on the transport's notify function"
	pause 0.2
	read -ra before < "/sys/block/$DISK/stat"
	doorbells_count
	bells=$DOORBELLS
	pause "$SECONDS_COUNT"
	read -ra after < "/sys/block/$DISK/stat"
	doorbells_count
	COUNT_BELLS=$((DOORBELLS - bells))
	COUNT_IOS=$((after[0] - before[0]))
	doorbells_off
}

# run DEVICE LOAD DRIVER ALTERNATION OPTION...
run()
{
	local device=$1 load=$2 ramp pid left
	DRIVER=$3
	local alternation=$4

	shift 4
	use_driver "$DRIVER"
	# Settling twice, counting, and what starting and stopping the probe takes.
	ramp=$(awk "BEGIN { print int(2 * $SECONDS_SETTLE + $SECONDS_COUNT + 1.7) }")
	chrt -o 0 fio --name=bench --filename="/dev/$DISK" --direct=1 --ioengine=libaio \
		--norandommap --time_based --ramp_time="$ramp" \
		--runtime="$((SECONDS_TIMED + 1))" --lat_percentiles=1 --clat_percentiles=0 \
		--group_reporting --output-format=json --output="$TMP/json" "$@" \
		> "$TMP/fio" 2>&1 &
	pid=$!
	wait_for_io $pid
	T0=${EPOCHREALTIME/./}
	pause "$SECONDS_SETTLE"
	count_doorbells
	# From here on to the end of the ramp nothing disturbs.
	left=$((ramp * 1000000 + 100000 - (${EPOCHREALTIME/./} - T0)))
	[ $left -le 0 ] || pause "$((left / 1000000)).$(printf %06d $((left % 1000000)))"
	sample a
	pause "$WINDOW"
	sample b
	# On a busy machine the counting may have taken longer than the ramp.
	kill -0 $pid 2> /dev/null || fail "$load on $device with $DRIVER ended before it was measured"
	wait $pid || { cat "$TMP/fio" >&2; fail "fio failed: $load on $device with $DRIVER"; }
	report "$device" "$load" "$alternation"
}

# The variables are set through sample's name references.
# shellcheck disable=SC2154
report()
{
	jq -cM --arg device "$1" --arg load "$2" --arg driver "$DRIVER" \
		--argjson alternation "$3" --argjson us $((b_us - a_us)) \
		--argjson ios $((b_ios - a_ios)) --argjson irqs $((b_irqs - a_irqs)) \
		--argjson idle $((b_idle - a_idle)) --argjson ncpu "$NCPU" \
		--argjson timers $((b_timers - a_timers)) \
		--argjson own $((b_bells - a_bells)) \
		--argjson bells "$COUNT_BELLS" --argjson counted "$COUNT_IOS" '
		.jobs[0].read | {
			type: "run", device: $device, load: $load, driver: $driver,
			alternation: $alternation,
			iops: .iops, mean_us: (.lat_ns.mean / 1000),
			p99_us: (.lat_ns.percentile["99.000000"] / 1000),
			irqs: ($irqs / $ios), doorbells: ($bells / $counted),
			timers: ($timers / $ios),
			exits: ($irqs / $ios + $bells / $counted + $timers / $ios),
			cpu_us: (($us * $ncpu - $idle * 10000) / $ios),
			own_doorbells: (if $driver == "pvg_blk" then $own / $ios else null end),
			sample: {ios: $ios, us: $us, irqs: $irqs, idle_ticks: $idle,
				timer_starts: $timers, own_doorbells: $own,
				counted_doorbells: $bells, counted_ios: $counted}
		}' "$TMP/json" || fail "no figures in fio's output"
}

NCPU=$(nproc)
# The load runs for a second more, since sampling takes time; and it must not
# keep the sampling from happening.
WINDOW=$SECONDS_TIMED
chrt -f -p 1 $$
doorbells_define || fail "no probe on the transport's notify function"
for driver in "$OURS" "$IN_TREE"; do
	modprobe "$driver" || fail "no module $driver, and the comparison needs both"
done
done_runs=0
total=$(($(loads | awk -v only=" ${ONLY//,/ } " 'only ~ /^ *$/ || index(only, " " $1 " ")' | wc -l) *
	$(wc -w <<< "$DEVICES") * 2 * ALTERNATIONS))
for ((alternation = 1; alternation <= ALTERNATIONS; alternation++)); do
	for device in $DEVICES; do
		device_init "$device"
		while read -r load options <&3; do
			[ -z "$ONLY" ] || [[ " ${ONLY//,/ } " == *" $load "* ]] || continue
			order=("$IN_TREE" "$OURS")
			[ $((alternation % 2)) -eq 1 ] || order=("$OURS" "$IN_TREE")
			for driver in "${order[@]}"; do
				# shellcheck disable=SC2086 # several options
				run "$device" "$load" "$driver" "$alternation" $options
				done_runs=$((done_runs + 1))
				echo "# $done_runs/$total $device $load $driver"
			done
		done 3< <(loads)
	done
done

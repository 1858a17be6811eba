#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The host wants nearly all of the guest's memory while two loops of the guest read 600 MiB,
# which fit into its memory without the balloon. The guest must not suffer: the balloon
# settles where more of it would cost the guest what it uses.
#
# FLOOR_SECONDS (20) of that are measured, after as many for the balloon to grow.
# FLOOR_BESIDE=1 measures the in-tree driver as well, for comparison; nothing is asserted
# of that.

# shellcheck disable=SC2016,SC2034 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

LENGTH=${FLOOR_SECONDS:-20}
STOP=/run/stop-floor
LATE=/run/floor-late
SLEEP_US=10000

# reader N: counts its passes.
reader()
{
	local n=0

	while [ ! -e "$STOP" ]; do
		dd if="$DATA" of=/dev/null bs=1M 2> /dev/null || return 1
		n=$((n + 1))
		echo $n > "/run/passes.$1"
	done
}

# sleeper: by how many microseconds each sleep is longer than none, a line each.
sleeper()
{
	local before after

	while [ ! -e "$STOP" ]; do
		before=${EPOCHREALTIME/./}
		read -rt 0.01 -u 9
		after=${EPOCHREALTIME/./}
		echo $((after - before))
	done > "$LATE"
}

now_us()
{
	echo "${EPOCHREALTIME/./}"
}

# full_us: microseconds that all tasks waited for memory.
full_us()
{
	sed -n 's/^full .*total=//p' /proc/pressure/memory
}

# worker_ns: CPU time of all workers of the kernel; the balloon's is a part of that.
worker_ns()
{
	local dir name ns sum=0

	for dir in /proc/[0-9]*; do
		{ read -r name < "$dir/comm" && read -r ns _ < "$dir/schedstat"; } 2> /dev/null || continue
		[[ $name != kworker/* ]] || sum=$((sum + ns))
	done
	echo $sum
}

vm_event()
{
	awk -v name="$1" 'index($1, name) == 1 { sum += $2 } END { print sum + 0 }' /proc/vmstat
}

# measure NAME: for LENGTH seconds; sets FULL and WORKERS (per cent), P99 (us), PASSES.
measure()
{
	local start full workers from restores stalls

	from=$(wc -l < "$LATE")
	PASSES=$(($(< /run/passes.1) + $(< /run/passes.2)))
	restores=$(vm_event workingset_restore)
	stalls=$(vm_event allocstall)
	workers=$(worker_ns)
	full=$(full_us)
	start=$(now_us)
	pause "$LENGTH"
	full=$(($(full_us) - full))
	start=$(($(now_us) - start))
	workers=$(($(worker_ns) - workers))
	FULL=$(awk "BEGIN { print 100 * $full / $start }")
	WORKERS=$(awk "BEGIN { print $workers / 10 / $start }")
	P99=$(tail -n "+$((from + 1))" "$LATE" | sort -n |
		awk '{ us[NR] = $1 } END { print us[int(NR * 99 / 100)] }')
	PASSES=$(($(< /run/passes.1) + $(< /run/passes.2) - PASSES))
	tap_diag "$1: full pressure $FULL %, p99 of a sleep of 10 ms $P99 us, workers $WORKERS % CPU," \
		"$PASSES passes, $(($(vm_event workingset_restore) - restores)) pages restored," \
		"$(($(vm_event allocstall) - stalls)) stalls; $(($(meminfo MemAvailable) / MIB)) MiB available," \
		"balloon $(($(host_actual) / MIB)) MiB"
}

# pause SECONDS: without a process of its own.
pause()
{
	read -rt "$1" -u 9
}

# grow NAME: measures while the balloon grows, and then.
grow()
{
	balloon_set $((RAM - 64 * MIB))
	measure "$1, while the balloon grows"
	measure "$1"
	counters
}

counters()
{
	[ ! -e "$DEBUGFS/pvguest/$VIRTIO/balloon" ] ||
		tap_diag "$(grep -E '^(headroom|kernel_h|backoff|pressed|single|inflated|oom)' "$DEBUGFS/pvguest/$VIRTIO/balloon" | xargs)"
}

begin()
{
	rm -f "$STOP"
	echo 0 > /run/passes.1
	echo 0 > /run/passes.2
	reader 1 &
	PIDS=($!)
	reader 2 &
	PIDS+=($!)
	sleeper &
	PIDS+=($!)
	wait_for 120 eval '[ "$(< /run/passes.1)" -ge 2 ]'
}

end()
{
	touch "$STOP"
	wait "${PIDS[@]}"
}

balloon_need
DISK=$(blk_wait pvgdata) || tap_absent "there is no disk to read"
DATA=/dev/$DISK
[ -e /proc/pressure/memory ] || tap_absent "the kernel does not account for pressure"
mkfifo /run/pause
exec 9<> /run/pause
balloon_new "a balloon by ranges" '"free-page-reporting": true, "deflate-on-oom": true'

begin
measure "without a target"
p99=$P99
grow "target of 64 MiB for the guest"
tap_num "$FULL < 10" "all of the guest waits for memory for less than 10 % of the time" "$FULL %"
tap_num "$P99 < 2 * $SLEEP_US || $P99 < 2 * $p99" \
	"p99 of a sleep of 10 ms is below 20 ms, or twice of what it is without a target" "$P99 us, without $p99"
tap_num "$WORKERS < 1" "the kernel's workers use less than 1 % of a CPU" "$WORKERS %"
tap_num "$(host_actual) >= $RAM / 8" "the balloon takes at least what is free" "$(host_actual)"
actual=$(balloon_actual)
end
tap_check "the balloon grows on once the guest does not read any more" wait_for 60 eval \
	'[ "$(balloon_actual)" -gt $((actual + 32 * MIB)) ]'
tap_check "the balloon shrinks to nothing" balloon_to 0

# What the limit is good for.
if [ -n "${FLOOR_BESIDE:-}" ]; then
	echo 0 > "$BALLOON/restore_limit"
	begin
	grow "without restore_limit: target of 64 MiB for the guest"
	end
	balloon_to 0
fi

if [ -n "${FLOOR_BESIDE:-}" ]; then
	echo "$VIRTIO" > "$VIRTIO_BUS/drivers/$BALLOON_DRIVER/unbind"
	modprobe virtio_balloon
	echo "$VIRTIO" > "$VIRTIO_BUS/drivers/virtio_balloon/bind"
	begin
	grow "in-tree: target of 64 MiB for the guest"
	balloon_set 0
	end
	echo "$VIRTIO" > "$VIRTIO_BUS/drivers/virtio_balloon/unbind"
	rmmod virtio_balloon
	echo "$VIRTIO" > "$VIRTIO_BUS/drivers/$BALLOON_DRIVER/bind"
fi
rm /run/pause

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each script of tools/bpftrace attaches, prints a row for the device that has load, with
# figures that fit the load, and ends when it is interrupted.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

SCRIPTS=$PWD/../../tools/bpftrace
readonly PROGRAMS=/mnt/programs
READS=4000
TMP=$(mktemp -d)
declare -A TRACER=()	# process of each script

# programs: mounts the disk that ./programs has made.
programs()
{
	modprobe -q ext4
	mkdir -p "$PROGRAMS" && mount -t ext4 -o ro "/dev/$(blk_find pvgprograms)" "$PROGRAMS"
}

# trace SCRIPT: starts it.
trace()
{
	behind env LD_LIBRARY_PATH=$PROGRAMS $PROGRAMS/bpftrace -B line "$SCRIPTS/$1.bt" > "$TMP/$1" 2>&1 &
	TRACER[$1]=$!
	tap_at_exit _trace_kill "${TRACER[$1]}"
}

_trace_kill()
{
	kill -KILL "$1" 2> /dev/null
}

# attached SCRIPT: it has printed the time of a first interval, or would if it had one.
attached()
{
	if grep -q '^interval' "$SCRIPTS/$1.bt"; then
		grep -qE '^[0-9]{2}:[0-9]{2}:[0-9]{2}$' "$TMP/$1"
	else
		grep -q '^Attaching' "$TMP/$1"
	fi
}

# begun SCRIPT: that, or it has ended.
begun()
{
	attached "$1" || is_over "${TRACER[$1]}"
}

# prints SCRIPT PATTERN
prints()
{
	grep -qE -- "$2" "$TMP/$1"
}

# row SCRIPT PATTERN WHAT: the script prints it within two of its intervals and a little.
row()
{
	tap_check "$1.bt prints $3" wait_for "$(scaled 20)" prints "$1" "$2" ||
		tap_diag "$(tail -n 40 "$TMP/$1")"
}

# interrupted SCRIPT: it ends as it should, and had nothing to complain of.
interrupted()
{
	kill -INT "${TRACER[$1]}"
	tap_check "$1.bt ends when it is interrupted" wait_for "$(scaled 30)" is_over "${TRACER[$1]}" || return
	wait "${TRACER[$1]}"
	tap_is $? 0 "$1.bt exits with 0 when it is interrupted"
	tap_is "$(grep -iE 'error|warning|lost' "$TMP/$1" | grep -v '^@')" "" "$1.bt complains of nothing"
}

# sum SCRIPT PREFIX: of the counts in the rows that begin so.
sum()
{
	awk -v prefix="$2" 'index($0, prefix) == 1 {
			for (i = 2; i < NF; i++)
				if ($i == "count")
					n += $(i + 1)
		}
		END { print n + 0 }' "$TMP/$1"
}

blk_need pvgzero
disk=${VIRTIO#virtio}
numbers=$(tr ':' ' ' < "/sys/block/$DISK/dev")
major=${numbers% *} minor=${numbers#* }
disk_dev=$DEV
net_need 1
net=$DEV net_device=${VIRTIO#virtio}
balloon_need
tap_check "the disk with bpftrace is mounted" programs || tap_done
tap_at_exit umount -l "$PROGRAMS"
tap_at_exit rm -rf "$TMP"

names=$(cd "$SCRIPTS" && printf '%s\n' *.bt | sed 's/\.bt$//')
for name in $names; do
	trace "$name"
done
for name in $names; do
	wait_for 240 begun "$name"
	tap_check "$name.bt attaches" attached "$name" || tap_diag "$(tail -n 20 "$TMP/$name")"
done

# The policy gets used to the load before it holds anything.
blk_fio "$disk_dev" --rw=read --bs=4k --iodepth=32 --number_ios=$READS > /dev/null
row blk-latency "^@requests\\[$major, $minor, R[A-Z]*\\]: count [0-9]+, average [0-9]+" "the latency of reads of the disk"
row ring-holds "^@interrupts\\[$disk, 0\\]: [1-9]" "the interrupts of the disk"
row ring-holds "^@held_us\\[$disk, 0\\]:" "for how long the disk's doorbells were held"
row ring-takes "^@taken\\[$disk, 0, submitter\\]: [1-9]" "the completions that the submitter took"
sleep 6
seen=$(sum blk-latency "@requests[$major, $minor, R")
tap_num "$seen <= $READS && $seen > 0.9 * $READS" "blk-latency.bt has seen the $READS reads, once each" "$seen"

timeout 60 iperf3 -c "$HOST" -t 5 > /dev/null
row net-wakeups "^@polls\\[$net\\]: count [1-9]" "the polls of the interface"
row net-wakeups "^@interrupts\\[$net_device, [0-9]+\\]: [1-9]" "the interrupts of its queues"
row net-wakeups '^@woken\[iperf3\]: [1-9]' "the program that packets wake"

size=$((64 * MIB))
balloon_find
tap_check "the balloon grows to $((size / MIB)) MiB" balloon_to $size
row balloon-reasons "target $VIRTIO wanted $((size / PAGE)) has " "the target that the host has set"
for name in $names; do
	interrupted "$name"
done
row balloon-reasons "^@pages\\[${VIRTIO#virtio}, report\\]: $((size / PAGE))\$" "the pages in the balloon at its end"
tap_done

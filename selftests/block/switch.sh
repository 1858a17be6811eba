#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Policies and their figures can be changed while requests are in flight; no
# completion is lost or left waiting on the way.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh

SWITCHES=$(scaled 60)
SETTINGS=("off" "fixed 64 100000" "adaptive" "fixed 1 1" "fixed 4096 100" "off" "adaptive")

# goes_on: all that is in flight completes, twice, without another change of the policy.
goes_on()
{
	WANTED=$(($(blk_stat "$VIRTIO" completions) + 64))
	wait_for 10 reached
}

reached()
{
	[ "$(blk_stat "$VIRTIO" completions)" -ge "$WANTED" ]
}

# switch_under_load SERIAL OPTION...: fio runs on the disk until the policies
# have been changed SWITCHES times.
switch_under_load()
{
	local serial=$1 i status failures=0 max stuck=

	shift
	echo 0 > "$TMP/standstill"
	blk_stats_reset "$VIRTIO"
	blk_load "$TMP/json" "$DEV" "$@"
	for ((i = 0; i < SWITCHES; i++)); do
		# shellcheck disable=SC2086 # several words
		blk_moderate "$VIRTIO" ${SETTINGS[i % ${#SETTINGS[@]}]} || failures=$((failures + 1))
		sleep 0.02
		# The next change could repair what this one lost.
		((i % 5)) || goes_on || stuck+="change $i to ${SETTINGS[i % ${#SETTINGS[@]}]}; "
	done
	kill -TERM "$LOAD_PID"
	# fio ends once what it has in flight is there: a lost completion hangs it.
	tap_check "$serial: fio ends after $SWITCHES changes" blk_load_ended || tap_done
	blk_load_status
	status=$?
	tap_num "$status == 0 || $status == 128" "$serial: fio has no I/O error" "status $status"
	tap_is "$failures" 0 "$serial: each of $SWITCHES changes of the policy is taken"
	blk_stats_load "$VIRTIO"
	tap_is "${STAT[inflight]}" 0 "$serial: no request is in flight after fio"
	tap_is "$stuck" "" "$serial: requests complete after a change without the next one"
	tap_num "${STAT[completions]} > $SWITCHES" "$serial: there are more completions than changes" \
		"${STAT[completions]} completions"
	# 100 ms is the longest that usecs may ask for. A lost interrupt that
	# something else happens to repair takes longer; so may a busy machine, but not
	# that much, unless all of it stopped.
	max=$(sed -n '/^{/,$p' "$TMP/json" |
		jq '[.jobs[] | .read.lat_ns.max, .write.lat_ns.max] | max / 1000 | floor')
	tap_num "$max < $(is_slow && echo 5000000 || echo 1500000) + $(cat "$TMP/standstill")" \
		"$serial: no request takes 1.5 s, as one with a lost interrupt does" "longest $max us"
}

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
standstill_watch "$TMP/standstill"

# One of each ring and of each pace is enough for what KASAN and lockdep watch.
for serial in pvgzero pvgpkiops $(is_slow || echo pvglat pvgiops); do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	switch_under_load "$serial" --rw=randread --bs=4k --size=1g --iodepth=32
done
for serial in pvgnoev $(is_slow || echo pvgpknoev); do
	blk_need "$serial"
	blk_moderation_keep "$VIRTIO"
	switch_under_load "$serial" --rw=randrw --bs=4k --size=64m --iodepth=32 \
		--iodepth_batch_submit=8 --iodepth_batch_complete_min=4
done

tap_done

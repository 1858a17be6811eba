#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Doorbells and interrupts that are lost, and an avail_event that is stale as after the
# restore of a snapshot: each is made up for within about 100 ms, and counted. A device
# that is slow but healthy is left alone.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

# What the machine may add to 100 ms: timers are late, and it has other work.
SLACK_MS=150
! is_slow || SLACK_MS=500

# reads COUNT DEPTH: so many reads; fails if fio does.
reads()
{
	blk_fio "$DEV" --rw=randread --bs=4k --size=8m --iodepth="$2" --number_ios="$1" \
		> /tmp/guard.json
}

# longest: prints how long the longest of the reads took, in ms.
longest()
{
	awk '/"clat_ns"/ { on = 1 }
		on && /"max"/ { gsub(/[^0-9]/, ""); if ($0 + 0 > max) max = $0 + 0; on = 0 }
		END { printf "%d", max / 1000000 }' /tmp/guard.json
}

# heals WHAT FAULT VALUE LOST COUNTER COUNT DEPTH: LOST of the device's state and COUNTER
# of the driver's tell how often.
heals()
{
	local lost healed worst idle

	blk_stats_reset "$VIRTIO"
	lost=$(fake_state "$4")
	echo 0 > /tmp/standstill
	fault "$2" "$3"
	tap_check "$1: $6 reads, $7 deep, all complete" reads "$6" "$7"
	fault "$2" 0
	lost=$(($(fake_state "$4") - lost))
	healed=$(blk_stat "$VIRTIO" "$5")
	worst=$(longest)
	read -r idle < /tmp/standstill
	idle=$((idle / 1000))
	echo "# $1: lost $lost, $5 $healed, longest read $worst ms, longest standstill $idle ms"
	tap_num "$lost >= 8" "$1: at least 8 are lost" "$lost"
	# One that is late is counted, too: a machine with other work has some.
	tap_num "$healed > 0 && $healed <= $lost * 1.1 + 2" "$1: $5 counts what was lost, and hardly more" "$healed of $lost"
	[ "$7" -gt 1 ] || tap_num "$healed > $lost * 0.9" "$1: at depth 1 $5 counts nearly all" "$healed of $lost"
	tap_num "$worst <= 100 + $SLACK_MS + $idle" "$1: no read takes longer than 100 ms and what the machine needs" "$worst ms"
}

fake_need
fake block
blk_wait pvgfake > /dev/null
blk_need pvgfake
standstill_watch /tmp/standstill

for policy in off adaptive; do
	blk_moderate "$VIRTIO" $policy
	heals "lost doorbells, policy $policy" lose-kick 7 lost_kicks healed_doorbell "$(scaled 300)" 1
	heals "lost interrupts, policy $policy" lose-irq 7 lost_irqs healed_irq "$(scaled 300)" 1
done
heals "lost doorbells at depth" lose-kick 3 lost_kicks healed_doorbell "$(scaled 2000)" 8
blk_moderate "$VIRTIO" off
heals "lost interrupts at depth" lose-irq 3 lost_irqs healed_irq "$(scaled 2000)" 8

# An avail_event from long ago suppresses every doorbell until the device is told.
blk_stats_reset "$VIRTIO"
fault stale-event 5
tap_check "stale avail_event: 20 reads complete" reads 20 1
tap_num "$(blk_stat "$VIRTIO" healed_doorbell) >= 4" \
	"stale avail_event: the forced doorbells are counted" "$(blk_stat "$VIRTIO" healed_doorbell)"
tap_num "$(longest) <= 100 + $SLACK_MS" "stale avail_event: no read takes longer than 100 ms and what the machine needs" "$(longest) ms"

# Slow, but healthy: nothing is lost, so nothing is made up for.
blk_stats_reset "$VIRTIO"
fault slow-ms 2000
fault slow-every 1
tap_check "slow device: 5 reads of 2 s complete" reads 5 1
fault slow-every 0
tap_num "$(blk_stat "$VIRTIO" doorbells_forced) <= 1" "slow device: at most one doorbell is forced" \
	"$(blk_stat "$VIRTIO" doorbells_forced)"
tap_is "$(blk_stat "$VIRTIO" healed_irq)" 0 "slow device: no interrupt is taken for lost"

# One in eight is slow, the others go on.
blk_stats_reset "$VIRTIO"
fault slow-ms 300
fault slow-every 8
tap_check "one slow request in eight: $(scaled 200) reads, 4 deep, complete" reads "$(scaled 200)" 4
fault slow-every 0
tap_num "$(blk_stat "$VIRTIO" doorbells_forced) <= 2" \
	"one slow request in eight: at most two doorbells are forced" "$(blk_stat "$VIRTIO" doorbells_forced)"

# At full speed the guard has nothing to do. Where the machine has other work, the device
# may stand still for longer than the guard waits, but not in each of three rounds.
forced=2
for ((round = 1; round <= 3 && forced > 1; round++)); do
	blk_stats_reset "$VIRTIO"
	tap_check "healthy device, round $round: 10000 reads complete" reads "$(scaled 10000)" 16
	forced=$(blk_stat "$VIRTIO" doorbells_forced)
done
tap_num "$forced <= 1" "healthy device: at most one doorbell is forced in 10000 reads" "$forced"

# The same counters where debugfs is locked.
STATS=$VIRTIO_BUS/devices/$VIRTIO/moderation/stats
in_sysfs()
{
	sed -n "s/^$1: //p" "$STATS"
}
tap_is "$(stat -c %A "$STATS")" "-r--r--r--" "stats in sysfs: everybody may read them, nobody may write"
for name in submissions completions doorbells_forced healed_irq submitters_stayed; do
	tap_is "$(in_sysfs $name)" "$(blk_stat "$VIRTIO" $name)" "stats in sysfs: $name is as in debugfs"
done
mark=$(kmsg_mark)
tap_fails "stats_reset: a 2 is refused" eval "echo 2 > ${STATS}_reset"
tap_check "stats_reset: the log says what is allowed" kmsg_has "stats_reset takes 1" "$mark"
tap_check "stats_reset: a 1 is taken" eval "echo 1 > ${STATS}_reset"
tap_is "$(in_sysfs submissions) $(blk_stat "$VIRTIO" submissions)" "0 0" "stats_reset: submissions are 0 in both"

tap_done

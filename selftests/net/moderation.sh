#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# ethtool -C: what it takes, what it refuses, and that it is honoured to the
# packet and to the microsecond, by the counters in stats.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

# coalesced: "adaptive rx-usecs rx-frames" and the same for tx, as shown.
coalesced()
{
	ethtool "${@:2}" -c "$DEV" 2>&1 | awk -F': *' -v way="$1" '
		/^Adaptive/ { split($0, f, /  */); adaptive = way == "rx" ? f[3] : f[5] }
		$1 == way "-usecs" { usecs = $2 }
		$1 == way "-frames" { frames = $2 }
		END { print adaptive, usecs, frames }'
}

# takes WAY ADAPTIVE USECS FRAMES SETTING...
takes()
{
	local way=$1 want="$2 $3 $4"

	shift 4
	tap_check "ethtool -C takes $*" ethtool -C "$DEV" "$@" || return
	tap_is "$(coalesced "$way")" "$want" "$*: ethtool -c shows adaptive, usecs, frames as $want"
}

# refuses TEXT SETTING...: with that text from the driver, and nothing changes.
refuses()
{
	local text=$1 before output

	shift
	before=$(ethtool -c "$DEV")
	if output=$(ethtool -C "$DEV" "$@" 2>&1); then
		tap_not_ok "ethtool -C refuses $*" "it was taken"
		return
	fi
	tap_check "ethtool -C refuses $* and says '$text'" grep -qF -- "$text" <<< "$output" ||
		tap_diag "$output"
	tap_is "$(ethtool -c "$DEV")" "$before" "$*: refused, and ethtool -c shows what it did before"
}

settings()
{
	local way

	tap_is "$(coalesced rx | cut -d' ' -f1)" on "adaptive-rx is on at first"
	tap_is "$(coalesced tx | cut -d' ' -f1)" on "adaptive-tx is on at first"
	for way in rx tx; do
		takes $way off 100 32 adaptive-$way off $way-usecs 100 $way-frames 32
		takes $way off 100000 4095 $way-usecs 100000 $way-frames 4095
		takes $way off 50 0 $way-usecs 50 $way-frames 0
		takes $way off 0 1 $way-usecs 0 $way-frames 1
		refuses "0 to 100000" $way-usecs 100001
		refuses "0 (no limit) to 4095" $way-usecs 10 $way-frames 4096
		refuses "need usecs" $way-usecs 0 $way-frames 2
	done
	tap_fails "ethtool -C refuses sample-interval, which the driver has not" \
		ethtool -C "$DEV" sample-interval 1
	ethtool -C "$DEV" adaptive-rx on adaptive-tx on
	tap_is "$(coalesced rx | cut -d' ' -f1) $(coalesced tx | cut -d' ' -f1)" "on on" \
		"adaptive-rx and adaptive-tx are on again after they were off"
}

per_queue()
{
	local mark

	if [ "$(nproc)" -lt 2 ]; then
		tap_skip "each queue has its own settings" "one CPU, so one queue"
		return
	fi
	tap_check "queue 1 takes rx-usecs 77 rx-frames 7" \
		ethtool -Q "$DEV" queue_mask 2 -C adaptive-rx off rx-usecs 77 rx-frames 7
	tap_is "$(sed -n 's/^\(usecs\|frames\|policy\): //p' "$DEBUGFS/pvguest/$VIRTIO/input.1/stats" |
		tr '\n' ' ')" "fixed 7 77 " "queue 1: stats shows its own settings"
	tap_is "$(sed -n 's/^policy: //p' "$DEBUGFS/pvguest/$VIRTIO/input.0/stats")" adaptive \
		"queue 0 keeps its policy when queue 1 gets settings"
	mark=$(kmsg_mark)
	# ethtool returns 0 all the same.
	tap_check "queue 1 refuses rx-usecs 100001" grep -q "Invalid argument" < <(
		ethtool -Q "$DEV" queue_mask 2 -C rx-usecs 100001 2>&1)
	tap_check "rx-usecs 100001 for queue 1: the log says what is allowed" \
		kmsg_has "queue 1: usecs out of range, allowed are 0 to 100000" "$mark"
	tap_is "$(sed -n 's/^usecs: //p' "$DEBUGFS/pvguest/$VIRTIO/input.1/stats")" 77 \
		"rx-usecs 100001 for queue 1: the queue keeps its 77"
	tap_fails "settings for a queue 5 that does not exist are refused" ethtool -Q "$DEV" queue_mask 0x20 -C rx-usecs 5
	ethtool -C "$DEV" adaptive-rx on
}

# received COUNT: the driver has taken so many packets since the counters were reset.
received()
{
	net_stats "$IN"
	[ "${STAT[completions]}" -ge "$1" ]
}

# rx_frames FRAMES: packets come one by one, well apart, so that with rx-frames=N
# exactly every Nth interrupts, long before rx-usecs is over. What asks for them costs a
# few packets more, so they are counted while they flow: the counters are reset and read
# in between. Where this machine was busy elsewhere, several are drained at once, or the
# timer comes first; so it is done five times, and three have to be as they should.
rx_frames()
{
	local frames=$1 gap=4000 window=$(($1 > 8 ? 256 : 128)) irqs=0 completions=0 i pid good=0 seen=()

	is_slow && gap=20000
	# The timer must not do what the threshold is for.
	[ $((gap * frames)) -le 40000 ] || gap=$((40000 / frames))
	ethtool -C "$DEV" adaptive-rx off rx-usecs 100000 rx-frames "$frames"
	timeout 120 "$PEER" push "$HOST" "10.9.$N.2" 9 0 64 $gap 1 > /dev/null &
	pid=$!
	net_stats_reset
	if ! tap_check "net$N: rx-frames $frames: packets flow" wait_for 20 received 32; then
		kill $pid
		wait $pid
		return
	fi
	net_stats_reset
	for ((i = 0; i < 5; i++)); do
		wait_for 20 received $((completions + window))
		irqs=$((STAT[interrupts] - irqs))
		completions=$((STAT[completions] - completions))
		seen+=("$irqs for $completions;")
		[ $(((irqs + 1) * frames * 100)) -lt $((completions * 65)) ] || good=$((good + 1))
		irqs=${STAT[interrupts]} completions=${STAT[completions]}
	done
	kill $pid
	wait $pid
	tap_diag "net$N: rx-frames $frames: interrupts ${seen[*]} ${STAT[timer_fires]} timers"
	# A timer that finds nothing makes the next packet interrupt at once.
	tap_num "${STAT[interrupts]} <= $completions / $frames + ${STAT[timer_fires]} + 1" \
		"net$N: rx-frames $frames: no interrupt comes before packet $frames" \
		"${STAT[interrupts]} interrupts, ${STAT[timer_fires]} timers for $completions packets"
	tap_num "$good >= 3" \
		"net$N: rx-frames $frames: an interrupt comes for every $frames packets in 3 of 5 parts" \
		"${seen[*]} ${STAT[timer_fires]} timers"
}

# own_cpu COMMAND...: on the CPU that the queue interrupts. There no answer can
# come while the one before is still being delivered, which would save an interrupt.
own_cpu()
{
	taskset -c "$(irq_cpu "$VIRTIO-$IN")" "$@"
}

# median_us COUNT: of UDP requests, one outstanding. The answer is a packet without
# another behind it, so it is delivered after rx-usecs. Not the mean: this machine may
# stop for a while.
median_us()
{
	own_cpu timeout 60 "$PEER" echo "$HOST" "$1" 64 500 | jq .median_us
}

# median NUMBER...: the one in the middle.
median()
{
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

# The timer started when the packet before was delivered, so an answer waits for
# rx-usecs less the time to the next request. The waits with two settings differ by the
# difference of the settings, whatever else a request takes.
rx_usecs()
{
	local -A medians=([0]='' [10000]='' [40000]='') irqs=([10000]=0 [40000]=0) fires=([10000]=0 [40000]=0)
	local usecs base short long

	for _ in 1 2 3; do
		for usecs in 0 10000 40000; do
			ethtool -C "$DEV" adaptive-rx off rx-usecs $usecs rx-frames $((usecs ? 64 : 1))
			net_stats_reset
			medians[$usecs]+="$(median_us 20) "
			net_stats "$IN"
			[ $usecs = 0 ] || irqs[$usecs]=$((irqs[$usecs] + STAT[interrupts]))
			[ $usecs = 0 ] || fires[$usecs]=$((fires[$usecs] + STAT[timer_fires]))
		done
	done
	# shellcheck disable=SC2086 # numbers
	base=$(median ${medians[0]}) short=$(median ${medians[10000]}) long=$(median ${medians[40000]})
	tap_diag "net$N: median answers after $base us at once, $short us with rx-usecs 10000," \
		"$long us with rx-usecs 40000"
	tap_num "$short >= 7000 && $short <= 10000 + 2 * $base" \
		"net$N: rx-usecs 10000: an answer waits for 7000 to 10000 us more than without" \
		"median $short us, at once $base us"
	tap_num "$long - $short >= 27000 && $long - $short <= 33000" \
		"net$N: rx-usecs 40000: an answer waits for 30000 us (+- 10 %) more than with 10000" \
		"medians $long us and $short us"
	for usecs in 10000 40000; do
		tap_num "${irqs[$usecs]} <= 12 && ${fires[$usecs]} >= 50" \
			"net$N: rx-usecs $usecs: the timer brings the answers, not interrupts" \
			"${irqs[$usecs]} interrupts, ${fires[$usecs]} timers for 60"
	done
}

# at_once: requests, one outstanding. An interrupt and a doorbell belong to each. Neither
# policy holds back what comes alone: with off no timer is started, with adaptive no answer is
# a timer's (that of the transmit queue frees what was sent, which nothing waits for). Counts,
# not times: on a machine that does something else, too, the same request takes twice as long.
# How long one takes with adaptive is compared in scripts/bench net (rr).
at_once()
{
	local -A irqs=() starts=() fires=() bells=() medians=()
	local policy count=30 all=270

	ethtool -C "$DEV" adaptive-rx on adaptive-tx on
	median_us 20 > /dev/null # adaptive learns first
	for _ in 1 2 3 4 5 6 7 8 9; do
		for policy in off adaptive; do
			if [ $policy = off ]; then
				ethtool -C "$DEV" adaptive-rx off rx-usecs 0 rx-frames 1 \
					adaptive-tx off tx-usecs 0 tx-frames 1
			else
				ethtool -C "$DEV" adaptive-rx on adaptive-tx on
			fi
			net_stats_reset
			medians[$policy]+=" $(median_us $count)"
			net_stats "$IN"
			irqs[$policy]=$((${irqs[$policy]:-0} + STAT[interrupts]))
			starts[$policy]=$((${starts[$policy]:-0} + STAT[timer_starts]))
			fires[$policy]=$((${fires[$policy]:-0} + STAT[timer_fires]))
			net_stats "$OUT"
			bells[$policy]=$((${bells[$policy]:-0} + STAT[doorbells]))
			starts[$policy]=$((${starts[$policy]} + STAT[timer_starts]))
		done
	done
	for policy in off adaptive; do
		tap_diag "net$N: $policy: $all requests, ${irqs[$policy]} interrupts, ${starts[$policy]}" \
			"timers started, ${fires[$policy]} fired, ${bells[$policy]} doorbells, medians of" \
			"${medians[$policy]# } us"
		tap_num "${irqs[$policy]} >= $all * 0.97 && ${irqs[$policy]} <= $all * 1.03 + 2" \
			"net$N: $policy: one interrupt for each answer of request/response" \
			"${irqs[$policy]} for $all"
		tap_num "${bells[$policy]} >= $all * 0.97 && ${bells[$policy]} <= $all * 1.03 + 2" \
			"net$N: $policy: one doorbell for each request of request/response" \
			"${bells[$policy]} for $all"
	done
	tap_num "${starts[off]} == 0" "net$N: off: request/response starts no timer" "${starts[off]}"
	tap_num "${fires[adaptive]} <= $all * 0.03" \
		"net$N: adaptive: at most 3 % of the answers of request/response are the timer's" \
		"${fires[adaptive]} for $all"
}

# Bursts are given to the device in one go, which is what pktgen can do.
# pktgen COUNT BURST DELAY: with so many nanoseconds after each burst.
pktgen()
{
	local dir=/proc/net/pktgen

	echo rem_device_all > $dir/kpktgend_0
	echo "add_device $DEV" > $dir/kpktgend_0
	printf '%s\n' "count $1" "burst $2" "delay $3" "pkt_size 60" "dst_mac 02:00:00:00:00:01" \
		"dst 10.9.$N.9" | while read -r line; do
		echo "$line" > "$dir/$DEV"
	done
	echo start > $dir/pgctrl
}

# tx_frames FRAMES: 20 bursts of 32 packets. While the driver takes the first that were
# sent the device goes on, so of 4 interrupts that 8 packets make in a burst there may be
# fewer. Where this machine was busy elsewhere, several bursts are completed at once; so it
# is done three times, and two have to be as they should.
tx_frames()
{
	local frames=$1 burst=32 bursts=20 all=640 good=0 early=0 timely=0 single=0 seen=()

	ethtool -C "$DEV" adaptive-tx off tx-usecs 100000 tx-frames "$frames"
	for _ in 1 2 3; do
		net_stats_reset
		pktgen $all $burst 20000000
		wait_for 5 sent $all && good=$((good + 1))
		net_stats "$OUT"
		seen+=("${STAT[interrupts]} interrupts, ${STAT[timer_fires]} timers, ${STAT[doorbells]} doorbells;")
		[ "${STAT[interrupts]}" -le $((all / frames + STAT[timer_fires] + 4)) ] || early=$((early + 1))
		[ $((STAT[interrupts] * 10)) -lt $((bursts * 7)) ] || timely=$((timely + 1))
		[ "${STAT[doorbells]}" -gt $((bursts + 4)) ] || single=$((single + 1))
	done
	tap_diag "net$N: tx-frames $frames: ${seen[*]}"
	tap_num "$good == 3" "net$N: tx-frames $frames: all $all packets are completed"
	tap_num "$early == 0" "net$N: tx-frames $frames: no interrupt comes before packet $frames" \
		"$((all / frames)) wanted at most: ${seen[*]}"
	tap_num "$timely >= 2" \
		"net$N: tx-frames $frames: interrupts come for at least 7 of 10 bursts in 2 of 3 parts" \
		"of $bursts: ${seen[*]}"
	tap_num "$single == 3" "net$N: tx-frames $frames: a burst is one doorbell" \
		"$bursts wanted: ${seen[*]}"
}

sent()
{
	net_stats "$OUT"
	[ "${STAT[completions]}" -ge "$1" ]
}

net_module pktgen
# 2 has a packed ring, 3 no event index and polls instead.
for N in 1 2; do
	net_need $N
	[ $N != 1 ] || ethtool -L "$DEV" combined 1
	IN=input.0 OUT=output.0
	tap_check "net$N: the host answers" net_answers || tap_done
	if [ $N = 1 ]; then
		settings
		ethtool -L "$DEV" combined "$(nproc)" 2> /dev/null
		per_queue
		ethtool -L "$DEV" combined 1
	fi
	for frames in 1 5 16; do
		rx_frames $frames
	done
	for frames in 8 32; do
		tx_frames $frames
	done
	rx_usecs
	at_once
	if [ $N = 1 ] && [ "$(nproc)" -gt 1 ]; then
		ethtool -L "$DEV" combined 2
	fi
done
net_need 3
for settings in "rx-usecs 200 rx-frames 16 tx-usecs 200 tx-frames 16" "adaptive-rx on adaptive-tx on"; do
	# shellcheck disable=SC2086 # words
	tap_check "net3: ethtool -C takes $settings" ethtool -C "$DEV" $settings
	tap_check "net3: $settings: a stream each way is intact" net_intact 2000000
done

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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
	tap_check "takes $*" ethtool -C "$DEV" "$@" || return
	tap_is "$(coalesced "$way")" "$want" "$*: shows adaptive, usecs, frames as $want"
}

# refuses TEXT SETTING...: with that text from the driver, and nothing changes.
refuses()
{
	local text=$1 before output

	shift
	before=$(ethtool -c "$DEV")
	if output=$(ethtool -C "$DEV" "$@" 2>&1); then
		tap_not_ok "refuses $*" "it was taken"
		return
	fi
	tap_check "refuses $* and says '$text'" grep -qF -- "$text" <<< "$output" || tap_diag "$output"
	tap_is "$(ethtool -c "$DEV")" "$before" "$*: nothing changed"
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
	tap_fails "refuses what it does not do: sample-interval" ethtool -C "$DEV" sample-interval 1
	ethtool -C "$DEV" adaptive-rx on adaptive-tx on
	tap_is "$(coalesced rx | cut -d' ' -f1) $(coalesced tx | cut -d' ' -f1)" "on on" "adaptive goes on again"
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
		tr '\n' ' ')" "fixed 7 77 " "queue 1: stats shows them"
	tap_is "$(sed -n 's/^policy: //p' "$DEBUGFS/pvguest/$VIRTIO/input.0/stats")" adaptive \
		"queue 0 stays as it was"
	mark=$(kmsg_mark)
	# ethtool returns 0 all the same.
	tap_check "queue 1 refuses rx-usecs 100001" grep -q "Invalid argument" < <(
		ethtool -Q "$DEV" queue_mask 2 -C rx-usecs 100001 2>&1)
	tap_check "and the log says what is allowed" \
		kmsg_has "queue 1: usecs out of range, allowed are 0 to 100000" "$mark"
	tap_is "$(sed -n 's/^usecs: //p' "$DEBUGFS/pvguest/$VIRTIO/input.1/stats")" 77 \
		"and it keeps what it had"
	tap_fails "there is no queue 5" ethtool -Q "$DEV" queue_mask 0x20 -C rx-usecs 5
	ethtool -C "$DEV" adaptive-rx on
}

# received: until the driver has taken $1 packets since the counters were reset.
received()
{
	net_stats "$IN"
	[ "${STAT[completions]}" -ge "$1" ]
}

# frames N COUNT: packets come one by one, well apart, so that with rx-frames=N
# exactly every Nth interrupts. What asks for them costs a few packets more, so
# they are counted while they flow: the counters are reset and read in between.
# Where this machine was busy elsewhere, several are drained at once; so it is
# done five times, and three have to be as they should.
rx_frames()
{
	local frames=$1 gap=4000 window=$(($1 > 8 ? 256 : 128)) irqs=0 completions=0 i pid good=0 seen=()

	is_slow && gap=20000
	ethtool -C "$DEV" adaptive-rx off rx-usecs 100000 rx-frames "$frames"
	timeout 120 "$PEER" push "$HOST" "10.9.$N.2" 9 0 64 $gap 1 > /dev/null &
	pid=$!
	net_stats_reset
	if ! tap_check "rx-frames $frames: packets flow" wait_for 20 received 32; then
		kill $pid
		wait $pid
		return
	fi
	net_stats_reset
	for ((i = 0; i < 5; i++)); do
		wait_for 20 received $((completions + window))
		irqs=$((STAT[interrupts] + STAT[timer_fires] - irqs))
		completions=$((STAT[completions] - completions))
		seen+=("$irqs for $completions;")
		[ $(((irqs + 1) * frames * 10)) -lt $((completions * 6)) ] || good=$((good + 1))
		irqs=$((STAT[interrupts] + STAT[timer_fires])) completions=${STAT[completions]}
	done
	kill $pid
	wait $pid
	# A timer that finds nothing makes the next packet interrupt at once.
	tap_num "${STAT[interrupts]} <= $completions / $frames + ${STAT[timer_fires]} + 1" \
		"rx-frames $frames: never an interrupt before the Nth packet" \
		"${STAT[interrupts]} interrupts, ${STAT[timer_fires]} timers for $completions packets"
	tap_num "$good >= 3" "rx-frames $frames: an interrupt at each Nth packet" "${seen[*]}"
}

# own_cpu COMMAND...: on the CPU that the queue interrupts. There no answer can
# come while the one before is still being delivered, which would save an interrupt.
own_cpu()
{
	taskset -c "$(irq_cpu "$VIRTIO-$IN")" "$@"
}

# median_us: of UDP requests, one outstanding. The answer is a packet that nobody
# follows, so it is delivered after rx-usecs. Not the mean: this machine may stand
# still for a while.
median_us()
{
	own_cpu timeout 60 "$PEER" echo "$HOST" "$1" 64 500 | jq .median_us
}

rx_usecs()
{
	local base usecs median

	ethtool -C "$DEV" adaptive-rx off rx-usecs 0 rx-frames 1
	base=$(median_us 30)
	for usecs in 10000 40000; do
		ethtool -C "$DEV" rx-usecs $usecs rx-frames 64
		net_stats_reset
		median=$(median_us 20)
		net_stats "$IN"
		# The timer started with the packet before, or when that was delivered.
		tap_num "$median <= $base + $usecs + $SLACK" \
			"rx-usecs $usecs: no packet waits longer" "median $median us, at once $base us"
		tap_num "$median >= $usecs * 0.3" "rx-usecs $usecs: and not less either" \
			"median $median us, at once $base us"
		tap_num "${STAT[interrupts]} <= 4 && ${STAT[timer_fires]} >= 15" \
			"rx-usecs $usecs: the timer sees to it" \
			"${STAT[interrupts]} interrupts, ${STAT[timer_fires]} timers for 20"
	done
}

# One request outstanding: an interrupt for each answer, at once.
rr()
{
	local setting=$1 base=$2 count=150 median

	net_stats_reset
	median=$(median_us $count)
	net_stats "$IN"
	tap_num "${STAT[interrupts]} >= $count * 0.97 && ${STAT[interrupts]} <= $count * 1.03 + 2" \
		"$setting: request/response: one interrupt for each answer" \
		"${STAT[interrupts]} for $count"
	tap_num "$median <= $base * 1.5 + $SLACK" "$setting: request/response: at once" \
		"median $median us, without moderation $base us"
	LAST_MEDIAN=$median
}

# Bursts of 32 are given to the device in one go, which is what pktgen can do.
pktgen()
{
	local dir=/proc/net/pktgen

	modprobe pktgen 2> /dev/null || return 1
	echo rem_device_all > $dir/kpktgend_0
	echo "add_device $DEV" > $dir/kpktgend_0
	printf '%s\n' "count $1" "burst 32" "delay 20000000" "pkt_size 60" "dst_mac 02:00:00:00:00:01" \
		"dst 10.9.$N.9" | while read -r line; do
		echo "$line" > "$dir/$DEV"
	done
	echo start > $dir/pgctrl
}

tx_frames()
{
	local frames=$1 count=640

	ethtool -C "$DEV" adaptive-tx off tx-usecs 100000 tx-frames "$frames"
	net_stats_reset
	if ! pktgen $count; then
		tap_skip "tx-frames $frames" "this kernel has no pktgen"
		return
	fi
	wait_for 5 sent $count
	net_stats "$OUT"
	tap_num "${STAT[completions]} >= $count" "tx-frames $frames: packets are completed" \
		"${STAT[completions]} of $count"
	tap_num "${STAT[interrupts]} <= $count / $frames + 4" \
		"tx-frames $frames: never an interrupt before the Nth packet" \
		"${STAT[interrupts]} interrupts, ${STAT[timer_fires]} timers for $count packets"
	tap_num "${STAT[doorbells]} <= $count / 32 + 4" "a burst is one doorbell" \
		"${STAT[doorbells]} for $count packets"
}

sent()
{
	net_stats "$OUT"
	[ "${STAT[completions]}" -ge "$1" ]
}

# 2 has a packed ring, 3 no event index and polls instead.
for N in 1 2; do
	net_need $N
	[ $N != 1 ] || ethtool -L "$DEV" combined 1
	IN=input.0 OUT=output.0
	SLACK=$(is_slow && echo 60000 || echo 4000)
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
	ethtool -C "$DEV" adaptive-rx off rx-usecs 0 rx-frames 1 adaptive-tx off tx-usecs 0 tx-frames 1
	rr "net$N: off" 1000000
	ethtool -C "$DEV" adaptive-rx on adaptive-tx on
	rr "net$N: adaptive" "$LAST_MEDIAN"
	if [ $N = 1 ] && [ "$(nproc)" -gt 1 ]; then
		ethtool -L "$DEV" combined 2
	fi
done
net_need 3
for settings in "rx-usecs 200 rx-frames 16 tx-usecs 200 tx-frames 16" "adaptive-rx on adaptive-tx on"; do
	# shellcheck disable=SC2086 # words
	tap_check "net3: takes $settings" ethtool -C "$DEV" $settings
	tap_check "net3: $settings: a stream each way is intact" net_intact 2000000
done

tap_done

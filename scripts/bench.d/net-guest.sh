#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of `scripts/bench net` that runs in the VM. For each load it measures
# the in-tree driver and ours one after the other on the same device, and prints
# one JSON object per run; lines that start with # are progress.
#
# A run is one program (loads(), below). While it warms up, a kprobe on the
# transport's notify function is put in place for a short while to count
# doorbells, the same way for both drivers; then it is taken out again, since it
# slows sending down, and after a pause the timed part follows.
#
# Figures of the timed part are differences between two samples taken while the
# load runs: packets and bytes from the interface's counters, interrupts of the
# queues' vectors from /proc/interrupts, CPU time as wall time less idle and
# iowait of /proc/stat, ours from the driver's counters. Both drivers count what
# they exchange with the device: a segment that the device is to cut up, or has
# put together, is one packet, so that "per packet" means per buffer chain that
# was transmitted or packet that was received. How full those were is told by
# bytes per packet in the JSON. Packets dropped by XDP are counted by the
# program that drops them.

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
HOST=${BENCH_HOST:-10.9.0.1}
GUEST=${BENCH_GUEST:-10.9.0.2/24}
MAC=${BENCH_MAC:-52:54:00:70:67:00}

OURS=pvg_net
IN_TREE=virtio_net
BUS=/sys/bus/virtio
STATS=/sys/kernel/debug/pvguest
PROGRAMS=$HERE/../../selftests/net
TMP=$(mktemp -d)
trap 'doorbells_stop; rm -rf "$TMP"' EXIT

# A descriptor on which nothing ever arrives, to pause without a process.
exec {NEVER}<> <(:)

pause()
{
	read -rt "$1" -u "$NEVER"
}

fail()
{
	echo "bench: $*" >&2
	exit 1
}

# loads: name, what its rate is, and the program. @T@ is for how long it is to
# run, @R@ how much of it is not measured. The host sends 80,000 packets per second
# for udp-rx and 320,000 for xdp-drop, in bursts of 16, which is more than comes
# through here; much more would only take the CPU away from the VM.
loads()
{
	cat << END
tcp-tx-1 Mbit iperf3 -c $HOST -O @R@ -t @S@ -J
tcp-tx-4 Mbit iperf3 -c $HOST -O @R@ -t @S@ -P 4 -J
tcp-rx-1 Mbit iperf3 -c $HOST -O @R@ -t @S@ -R -J
tcp-rx-4 Mbit iperf3 -c $HOST -O @R@ -t @S@ -R -P 4 -J
udp-tx packets $PROGRAMS/peer send $HOST @T@ 64
udp-rx datagrams $PROGRAMS/peer receive $HOST @T@ 64 200 16
rr transactions $PROGRAMS/peer rr $HOST @S@ 1 @R@
xdp-drop drops $PROGRAMS/peer receive $HOST @T@ 64 50 16
END
}

find_device()
{
	local dir address

	for dir in "$BUS"/devices/virtio*/net/*; do
		[ -r "$dir/address" ] || continue
		read -r address < "$dir/address"
		if [ "$address" = "$MAC" ]; then
			dir=${dir%/net/*}
			VIRTIO=${dir##*/}
			return 0
		fi
	done
	return 1
}

# use_driver DRIVER: the device's driver is DRIVER and it is up; sets DEV.
use_driver()
{
	local i

	[ ! -e "$BUS/devices/$VIRTIO/driver" ] || echo "$VIRTIO" > "$BUS/devices/$VIRTIO/driver/unbind"
	echo "$VIRTIO" > "$BUS/drivers/$1/bind" || fail "$1 does not take $VIRTIO"
	DEV=$(echo "$BUS/devices/$VIRTIO/net/"*)
	DEV=${DEV##*/}
	ip addr add "$GUEST" dev "$DEV" || fail "$DEV takes no address with $1"
	ip link set "$DEV" up || fail "$DEV does not come up with $1"
	for ((i = 0; i < 20; i++)); do
		! "$PROGRAMS/peer" echo "$HOST" 1 > /dev/null 2>&1 || break
		pause 0.1
	done
	[ $i -lt 20 ] || fail "no answer from $HOST with $1"
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

# The samples: the counters into variables PREFIX_*. No process is started, but
# for xdp-drop.
# shellcheck disable=SC2034 # set through the references
sample()
{
	local -n at=$1_us idle=$1_idle datagrams=$1_datagrams
	local -a field

	at=${EPOCHREALTIME/./}
	read -ra field < /proc/stat
	idle=$((field[4] + field[5]))
	sample_interface "$1"
	sample_interrupts "$1"
	sample_stats "$1"
	while read -ra field; do
		[ "${field[0]}" != Udp: ] || datagrams=${field[1]}
	done < /proc/net/snmp
}

# shellcheck disable=SC2034
sample_interface()
{
	local -n rx=$1_rx tx=$1_tx bytes=$1_bytes
	local dir=/sys/class/net/$DEV/statistics rx_bytes tx_bytes

	read -r tx < "$dir/tx_packets"
	read -r rx_bytes < "$dir/rx_bytes"
	read -r tx_bytes < "$dir/tx_bytes"
	bytes=$((rx_bytes + tx_bytes))
	if [ "$LOAD" = xdp-drop ]; then
		rx=$("$PROGRAMS/peer" map count_drop)
	else
		read -r rx < "$dir/rx_packets"
	fi
}

# shellcheck disable=SC2034
sample_interrupts()
{
	local -n rx_irqs=$1_rx_irqs tx_irqs=$1_tx_irqs
	local -a line field
	local text i sum

	rx_irqs=0 tx_irqs=0
	mapfile -t line < /proc/interrupts
	for text in "${line[@]}"; do
		case $text in
		*"$VIRTIO-input"* | *"$VIRTIO-output"*) ;;
		*) continue ;;
		esac
		read -ra field <<< "$text"
		sum=0
		for ((i = 1; i <= NCPU; i++)); do
			sum=$((sum + field[i]))
		done
		case $text in
		*-input*) rx_irqs=$((rx_irqs + sum)) ;;
		*) tx_irqs=$((tx_irqs + sum)) ;;
		esac
	done
}

# Our own counters, 0 with the in-tree driver.
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

# packets_now: sets PACKETS, both ways.
packets_now()
{
	# shellcheck disable=SC2034 # set through references
	local p_rx p_tx p_bytes

	sample_interface p
	# shellcheck disable=SC2154
	PACKETS=$((p_rx + p_tx))
}

# count_doorbells: sets COUNT_BELLS and COUNT_PACKETS over a short while.
count_doorbells()
{
	local bells packets

	doorbells_on || fail "the probe on the transport's notify function"
	pause 0.2
	packets_now
	packets=$PACKETS
	doorbells_count
	bells=$DOORBELLS
	pause "$SECONDS_COUNT"
	packets_now
	doorbells_count
	COUNT_BELLS=$((DOORBELLS - bells))
	COUNT_PACKETS=$((PACKETS - packets))
	doorbells_off
}

# wait_for_packets PID: until the load has got going.
wait_for_packets()
{
	local i first

	packets_now
	first=$PACKETS
	for ((i = 0; i < 200; i++)); do
		packets_now
		[ "$PACKETS" -lt $((first + 40)) ] || return 0
		kill -0 "$1" 2> /dev/null || break
		pause 0.05
	done
	cat "$TMP/out" "$TMP/err" >&2
	fail "$LOAD does nothing with $DRIVER"
}

# start_load COMMAND...: sets PID, and RAMP, the seconds until it is measured.
start_load()
{
	local command

	# Settling twice, counting, and what starting and stopping the probe takes.
	RAMP=$(awk "BEGIN { print int(2 * $SECONDS_SETTLE + $SECONDS_COUNT + 1.7) }")
	command=${*//@R@/$RAMP}
	# Sampling takes time, too: what is measured must not end meanwhile.
	command=${command//@S@/$((SECONDS_TIMED + 2))}
	# Floods leave little time for anything else. They are stopped when done.
	command=${command//@T@/120}
	# shellcheck disable=SC2086 # words
	chrt -o 0 $command > "$TMP/out" 2> "$TMP/err" &
	PID=$!
	wait_for_packets $PID
}

# end_load: its figures are in $TMP/out; floods have none of their own.
end_load()
{
	case $LOAD in
	udp-* | xdp-drop)
		kill "$PID"
		wait "$PID" 2> /dev/null
		echo '{}' > "$TMP/out" ;;
	*)
		wait "$PID" || { cat "$TMP/out" "$TMP/err" >&2; fail "$LOAD failed with $DRIVER"; } ;;
	esac
}

# run LOAD UNIT DRIVER ALTERNATION COMMAND...
run()
{
	local unit=$2 alternation=$4 start left

	LOAD=$1
	DRIVER=$3
	shift 4
	use_driver "$DRIVER"
	if [ "$LOAD" = xdp-drop ] &&
		! ip link set "$DEV" xdpdrv obj "$PROGRAMS/xdp.bpf" sec xdp/drop 2> "$TMP/err"; then
		echo "# $LOAD: $DRIVER takes no XDP program: $(tail -1 "$TMP/err")"
		return
	fi
	start_load "$@"
	start=${EPOCHREALTIME/./}
	pause "$SECONDS_SETTLE"
	count_doorbells
	# From here on to the end of the ramp nothing disturbs.
	left=$((RAMP * 1000000 + 100000 - (${EPOCHREALTIME/./} - start)))
	[ $left -le 0 ] || pause "$((left / 1000000)).$(printf %06d $((left % 1000000)))"
	sample a
	pause "$WINDOW"
	sample b
	if ! kill -0 "$PID" 2> /dev/null; then
		cat "$TMP/out" "$TMP/err" >&2
		fail "$LOAD with $DRIVER ended before it was measured"
	fi
	end_load
	report "$unit" "$alternation"
}

# The variables are set through sample's name references.
# shellcheck disable=SC2154
report()
{
	jq -cM --arg load "$LOAD" --arg unit "$1" --arg driver "$DRIVER" \
		--arg ours "$OURS" --argjson alternation "$2" \
		--argjson us $((b_us - a_us)) --argjson ncpu "$NCPU" \
		--argjson idle $((b_idle - a_idle)) \
		--argjson rx $((b_rx - a_rx)) --argjson tx $((b_tx - a_tx)) \
		--argjson bytes $((b_bytes - a_bytes)) \
		--argjson datagrams $((b_datagrams - a_datagrams)) \
		--argjson rx_irqs $((b_rx_irqs - a_rx_irqs)) \
		--argjson tx_irqs $((b_tx_irqs - a_tx_irqs)) \
		--argjson timers $((b_timers - a_timers)) \
		--argjson own $((b_bells - a_bells)) \
		--argjson bells "$COUNT_BELLS" --argjson counted "$COUNT_PACKETS" '
		def per($n; $d): if $d > 0 then $n / $d else null end;
		($rx + $tx) as $packets | ($us / 1e6) as $s |
		($us * $ncpu - $idle * 10000) as $cpu |
		{
			type: "run", device: "net", load: $load, driver: $driver,
			alternation: $alternation, unit: $unit,
			rate: (if $unit == "Mbit" then .end.sum_received.bits_per_second / 1e6
				elif $unit == "packets" then $tx / $s
				elif $unit == "datagrams" then $datagrams / $s
				elif $unit == "drops" then $rx / $s
				else .transactions / .seconds end),
			mean_us: .mean_us, p99_us: .p99_us,
			irqs: per($rx_irqs + $tx_irqs; $packets),
			rx_irqs: per($rx_irqs; $rx), tx_irqs: per($tx_irqs; $tx),
			doorbells: per($bells; $counted),
			own_doorbells: (if $driver == $ours then per($own; $packets) else null end),
			timers: per($timers; $packets),
			exits: (per($rx_irqs + $tx_irqs + $timers; $packets) as $a |
				per($bells; $counted) as $b |
				if $a == null or $b == null then null else $a + $b end),
			cpu_ns_byte: (if $load == "xdp-drop" then null
				else per($cpu * 1000; $bytes) end),
			cpu_us: per($cpu; $packets),
			bytes_packet: per($bytes; $packets),
			sample: {us: $us, rx_packets: $rx, tx_packets: $tx, bytes: $bytes,
				rx_irqs: $rx_irqs, tx_irqs: $tx_irqs, idle_ticks: $idle,
				timer_starts: $timers, own_doorbells: $own,
				counted_doorbells: $bells, counted_packets: $counted}
		}' "$TMP/out" || fail "no figures in what $LOAD printed"
}

NCPU=$(nproc)
LOAD=
# The load must not keep the sampling from happening, which receiving at full
# speed would.
WINDOW=$SECONDS_TIMED
chrt -f -p 1 $$
sysctl -q net.ipv6.conf.default.disable_ipv6=1 2> /dev/null
doorbells_define || fail "no probe on the transport's notify function"
for driver in "$OURS" "$IN_TREE"; do
	modprobe "$driver" || fail "no module $driver, and the comparison needs both"
done
find_device || fail "no network device with address $MAC"
done_runs=0
mapfile -t all < <(loads | awk -v only=" ${ONLY//,/ } " 'only ~ /^ *$/ || index(only, " " $1 " ")')
[ ${#all[@]} -gt 0 ] || fail "none of the loads is called $ONLY"
for ((alternation = 1; alternation <= ALTERNATIONS; alternation++)); do
	for line in "${all[@]}"; do
		read -r load unit command <<< "$line"
		order=("$IN_TREE" "$OURS")
		[ $((alternation % 2)) -eq 1 ] || order=("$OURS" "$IN_TREE")
		for driver in "${order[@]}"; do
			# shellcheck disable=SC2086 # several words
			run "$load" "$unit" "$driver" "$alternation" $command
			done_runs=$((done_runs + 1))
			echo "# $done_runs/$((${#all[@]} * 2 * ALTERNATIONS)) $load $driver"
		done
	done
done

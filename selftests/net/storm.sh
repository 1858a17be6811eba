#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Settings and rings change in a random order under traffic: ring sizes, queues, moderation,
# offloads, hashes, MTU, XDP programs, AF_XDP sockets that are killed, down and up, unbind,
# suspend, resets. Nothing may hang, the kernel may report nothing, and the host answers
# on each device each time that the storm calms down.
#
#   PVG_STORM_SECONDS   how long it lasts (default 30)
#   PVG_SEED            repeats the order of the operations

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

STORM_SECONDS=${PVG_STORM_SECONDS:-30}
if ! [[ $STORM_SECONDS =~ ^[1-9][0-9]{0,5}$ ]]; then
	tap_not_ok "PVG_STORM_SECONDS is a number from 1 to 999999" "PVG_STORM_SECONDS=$STORM_SECONDS"
	tap_done
fi
# 1 has two queues, 6 a buffer for each frame, so that it is reset when the MTU grows, and 8
# spreads packets by hashes.
DEVICES=(1 6 8)
# Operations between two calms.
CALM=30
HANG=120

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
declare -A TAKEN=() REFUSED=() LOST=() SOCKET=()
OPS=0

# pick WORD...: sets PICKED to one of them, and adds it to PICKS.
pick()
{
	local n=$RANDOM

	shift $((n % $#))
	PICKED=$1
	PICKS+=" $1"
}

# run COMMAND...: within HANG seconds, or the storm ends. Returns its status.
run()
{
	local status=0

	timeout -k 5 $HANG "$@" > /dev/null 2>> "$TMP/refusals" || status=$?
	case $status in
	124 | 137) HUNG="$*" ;;
	esac
	return $status
}

# traffic N WAY ARGUMENTS...: transfers one after the other, until the file "stop" appears.
# A transfer without a device does not end on its own.
traffic()
{
	local n=$1 way=$2

	shift 2
	(
		while [ ! -e "$TMP/stop" ]; do
			nice -n 19 timeout 5 "$PEER" "$way" "10.9.$n.1" "$@" && echo >> "$TMP/transfers"
			sleep 0.2
		done
	) > /dev/null 2>&1 &
	TRAFFIC+=($!)
}
TRAFFIC=()

calm_traffic()
{
	: > "$TMP/stop"
	[ ${#TRAFFIC[@]} -eq 0 ] || wait "${TRAFFIC[@]}"
}
tap_at_exit calm_traffic

# at N: that device is the one at hand.
at()
{
	N=$1
	DEV=$(net_find "$N") || return
	VIRTIO=$(net_virtio "$DEV")
	HOST=10.9.$N.1
}

# count_lost: adds what the device at hand has lost since it was bound.
count_lost()
{
	local name value

	while read -r name value; do
		LOST[$name]=$((${LOST[$name]:-0} + value))
	done < <(ethtool -S "$DEV" 2> /dev/null | awk '
		$1 ~ /_(dropped|length_errors|frame_errors|alloc_failed|xdp_dropped|xdp_drop|timeouts):$/ {
			sub(/:$/, "", $1)
			direction = substr($1, 1, 2)
			sub(/^..[0-9]+/, "", $1)
			sum[direction $1] += $2
		}
		END { for (name in sum) if (sum[name]) print name, sum[name] }')
}

end_socket()
{
	[ -z "${SOCKET[$N]:-}" ] || kill "-$1" "${SOCKET[$N]}"
	wait "${SOCKET[$N]:-}"
	SOCKET[$N]=
} 2> /dev/null

detach()
{
	run ip link set dev "$DEV" xdpdrv off
}

# The operations, on the device at hand; each returns non-zero if it was refused.

op_rings()
{
	local which

	pick rx tx
	which=$PICKED
	pick 64 128 256 256
	run ethtool -G "$DEV" "$which" "$PICKED"
}

op_queues()
{
	pick 1 2
	run ethtool -L "$DEV" combined "$PICKED"
}

op_moderation()
{
	local which

	pick rx tx
	which=$PICKED
	pick "adaptive-$which on" "$which-usecs 50" "$which-usecs 0" "$which-frames 8" "$which-frames 1"
	# shellcheck disable=SC2086 # two words
	run ethtool -C "$DEV" $PICKED
}

op_offloads()
{
	local which

	pick rx-gro-hw tso tx gro rxhash sg
	which=$PICKED
	pick on off
	run ethtool -K "$DEV" "$which" "$PICKED"
}

op_hashes()
{
	pick "equal 2" "equal 1" "weight 1 3" default "hkey $(printf '%02x:' {1..39})28"
	# shellcheck disable=SC2086 # several words
	run ethtool -X "$DEV" $PICKED
}

op_mtu()
{
	pick 1500 1600 3000 9000 576
	run ip link set "$DEV" mtu "$PICKED"
}

op_attach()
{
	pick xdp xdp/drop xdp/tx xdp.frags xdp/xsk xdp/head
	run ip -force link set dev "$DEV" xdpdrv obj xdp.bpf sec "$PICKED"
}

op_detach()
{
	detach
}

# has_begun: the socket of the device at hand is bound, or its process has ended.
has_begun()
{
	grep -qx ready "$TMP/xsk$N" || ! kill -0 "${SOCKET[$N]}"
}

# A socket on one of two queues, in place of the one before, which is killed.
op_socket()
{
	local queue

	pick TERM KILL
	end_socket "$PICKED"
	pick 0 0 1
	queue=$PICKED
	run ip -force link set dev "$DEV" xdpdrv obj xdp.bpf sec xdp/xsk || return
	: > "$TMP/xsk$N"
	pick "" 8
	# shellcheck disable=SC2086 # or none
	"$PEER" xsk "$DEV" "$queue" zerocopy $PICKED > "$TMP/xsk$N" 2>> "$TMP/refusals" &
	SOCKET[$N]=$!
	wait_for 5 has_begun
	grep -qx ready "$TMP/xsk$N"
}

op_kill()
{
	[ -n "${SOCKET[$N]:-}" ] || return
	pick TERM KILL
	end_socket "$PICKED"
}

op_down()
{
	run ip link set "$DEV" down
	pick 0 0.3
	sleep "$PICKED"
	run ip link set "$DEV" up
}

op_unbind()
{
	count_lost
	# The socket is killed a moment before, or after.
	pick yes no
	[ "$PICKED" = no ] || [ -z "${SOCKET[$N]:-}" ] || kill -KILL "${SOCKET[$N]}" 2> /dev/null
	run sh -c "echo $VIRTIO > $VIRTIO_BUS/drivers/$NET_DRIVER/unbind"
	end_socket KILL
	run sh -c "echo $VIRTIO > $VIRTIO_BUS/drivers/$NET_DRIVER/bind"
	wait_for 20 net_find "$N" && net_up "$N"
}

op_suspend()
{
	local status=0

	# Without this there would be no way back.
	echo devices > /sys/power/pm_test || return
	echo 0 > /sys/module/suspend/parameters/pm_test_delay
	run sh -c "echo freeze > /sys/power/state" || status=1
	echo none > /sys/power/pm_test
	return "$status"
}

OPERATIONS=(rings rings rings queues queues moderation moderation offloads offloads hashes mtu mtu
	attach attach attach detach socket socket socket kill down unbind suspend)

operate()
{
	local op

	# What is picked does not depend on how the operations before ended.
	RANDOM=$((SEED + 7919 * OPS))
	pick all
	PICKS=
	pick "${DEVICES[@]}"
	at "$PICKED"
	pick "${OPERATIONS[@]}"
	op=$PICKED
	if "op_$op"; then
		TAKEN[$op]=$((${TAKEN[$op]:-0} + 1))
	else
		REFUSED[$op]=$((${REFUSED[$op]:-0} + 1))
	fi
	OPS=$((OPS + 1))
	echo "net$PICKS" >> "$TMP/ops"
}

# calms_down N: the device is as at first, and the host answers.
calms_down()
{
	wait_for 20 net_find "$1" || return
	at "$1"
	end_socket TERM
	detach
	run ip link set "$DEV" mtu 1500
	net_answers > /dev/null 2>&1
}

# calm: each device calms down; or SILENT says which does not.
calm()
{
	local n

	for n in "${DEVICES[@]}"; do
		calms_down "$n" && [ -z "$HUNG" ] && continue
		SILENT="net$n after $OPS operations"
		return
	done
}

# sums NAME: an associative array in one line.
sums()
{
	local -n array=$1
	local key

	for key in "${!array[@]}"; do
		echo "$key ${array[$key]}"
	done | sort | paste -sd, | sed 's/,/, /g'
}

HUNG='' SILENT=''
need_root
for N in "${DEVICES[@]}"; do
	net_need "$N"
	tap_check "net$N: the host answers before the storm" net_answers || tap_done
done
mark=$(kmsg_mark)
# On a slow kernel one kind for each device leaves time for operations.
for n in "${DEVICES[@]}"; do
	case $(is_slow && echo "slow $n") in
	"" | "slow 1") traffic "$n" source "$(scaled 8000000 16)" ;;&
	"" | "slow 6") traffic "$n" sink "$(scaled 8000000 16)" ;;&
	"" | "slow 8") traffic "$n" push "10.9.$n.2" 9 0 600 10000 8 ;;
	esac
done

: > "$TMP/ops"
end=$((SECONDS + STORM_SECONDS))
# On a machine that does other work, until a transfer is complete, or ten times as long.
goes_on()
{
	[ $SECONDS -lt $end ] ||
		{ [ ! -s "$TMP/transfers" ] && [ $SECONDS -lt $((end + 9 * STORM_SECONDS)) ]; }
}

while goes_on && [ -z "$HUNG$SILENT" ]; do
	operate
	[ $((OPS % CALM)) -ne 0 ] || calm
done

tap_is "$HUNG" "" "each operation ends within $HANG s"
calm_traffic
[ -n "$SILENT" ] || calm
tap_is "$SILENT" "" "the host answers on each device whenever the storm calms down"
[ -z "$HUNG$SILENT" ] || tap_diag "the last operations:"$'\n'"$(tail -20 "$TMP/ops")"
for N in "${DEVICES[@]}"; do
	at "$N" && count_lost
	[ -n "$HUNG$SILENT" ] ||
		tap_check "net$N: a stream each way is intact after the storm" net_intact "$(scaled 1000000)"
done
tap_is "$(kmsg_since "$mark" | grep -E 'BUG:|WARNING:|KASAN|Oops|blocked for more')" "" \
	"the kernel reports no fault"
tap_num "$OPS >= $STORM_SECONDS / 30" "operations go on: one in 30 s at least" "$OPS in $STORM_SECONDS s"
# One that is always refused is a tool that is missing, or a storm of nothing.
for op in "${!REFUSED[@]}"; do
	tap_num "${TAKEN[$op]:-0} > 0 || ${REFUSED[$op]} < 4" "$op: not every operation is refused" \
		"${REFUSED[$op]} refused"
done
tap_check "transfers are completed during the storm" test -s "$TMP/transfers"
echo "# $OPS operations, $(wc -l < "$TMP/transfers") transfers completed"
echo "# done: $(sums TAKEN)"
echo "# refused: $(sums REFUSED)"
echo "# lost: $(sums LOST)"

tap_done

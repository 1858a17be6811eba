#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each setting of ethtool that is not moderation's is set, read back, and seen to
# act: by where packets go, how large they are, and what the counters say.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

FLOWS=12
PER_FLOW=5

# counter NAME: of ethtool -S.
counter()
{
	ethtool -S "$DEV" | awk -v name="$1:" '$1 == name { print $2 }'
}

# spread: datagrams of FLOWS flows come from the host; sets Q0 and Q1, how many
# each queue got.
spread()
{
	local port

	Q0=$(counter rx0_packets) Q1=$(counter rx1_packets)
	for ((port = 9000; port < 9000 + FLOWS; port++)); do
		timeout 30 "$PEER" push "$HOST" "10.9.$N.2" $port $PER_FLOW 64 > /dev/null
	done
	# One queue may be behind the other.
	wait_for 5 landed $((Q0 + Q1 + FLOWS * PER_FLOW))
	Q0=$(($(counter rx0_packets) - Q0)) Q1=$(($(counter rx1_packets) - Q1))
}

landed()
{
	[ $(($(counter rx0_packets) + $(counter rx1_packets))) -ge "$1" ]
}

# lands WHERE NAME: they land on queue 0, 1, both, or all on one of them (one).
# Asking the host takes a few packets more, on connections of their own, and what is
# not IP has no hash: it comes to queue 0, if it does, but is less than a flow.
lands()
{
	local all=$((FLOWS * PER_FLOW)) wanted

	spread
	case $1 in
	0) wanted="$Q0 >= $all && $Q1 == 0" ;;
	1) wanted="$Q1 >= $all && $Q0 < $PER_FLOW" ;;
	both) wanted="$Q0 >= 3 * $PER_FLOW && $Q1 >= 3 * $PER_FLOW" ;;
	esac
	tap_num "$wanted" "$2: packets land on queue $1" "$Q0 and $Q1"
}

# datagrams_on_one NAME: each datagram of all flows on the same queue; of the
# connections that ask for them, both may get some.
datagrams_on_one()
{
	local all=$((FLOWS * PER_FLOW)) tcp

	spread
	tcp=$((Q0 + Q1 - all))
	tap_num "$Q0 <= $tcp || $Q1 <= $tcp" "$1: the datagrams land on one queue" \
		"$Q0 and $Q1, $all of them datagrams"
}

indirection()
{
	local zeros

	tap_is "$(ethtool -x "$DEV" | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) n[$i]++ }
		END { print n[0], n[1] }')" "64 64" \
		"the indirection table has 128 entries, half for each queue"
	tap_check "the hash function is toeplitz" sh -c "ethtool -x $DEV | grep -q 'toeplitz: on'"
	lands both "indirection table at first"

	tap_check "ethtool -X weight 1 0 is taken" ethtool -X "$DEV" weight 1 0
	tap_is "$(ethtool -x "$DEV" | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) n[$i]++ }
		END { print n[0], n[1] + 0 }')" "128 0" "ethtool -x shows 128 entries for queue 0 after weight 1 0"
	lands 0 "ethtool -X weight 1 0"
	tap_check "ethtool -X weight 0 1 is taken" ethtool -X "$DEV" weight 0 1
	lands 1 "ethtool -X weight 0 1"
	tap_check "fewer channels than the indirection table uses are refused" \
		sh -c "! ethtool -L $DEV combined 1 2> /dev/null"
	# The device forgets it in a reset, and has to be told again.
	tap_check "suspend and resume of devices succeed with an indirection table" net_suspend devices
	net_answers
	lands 1 "ethtool -X weight 0 1, after a reset of the device"
	tap_check "ethtool -X default is taken" ethtool -X "$DEV" default
	lands both "ethtool -X default"

	# The hash of anything is 0 with a key of zeros, and so is the table's entry.
	zeros=$(printf '00:%.0s' {1..39})00
	KEY=$(ethtool -x "$DEV" | grep -E '^([0-9a-f]{2}:){39}')
	tap_num "${#KEY} == 119" "ethtool -x shows a hash key of 40 bytes" "$KEY"
	tap_check "ethtool -X hkey is taken with a key of zeros" ethtool -X "$DEV" hkey "$zeros"
	tap_is "$(ethtool -x "$DEV" | grep -E '^([0-9a-f]{2}:){39}')" "$zeros" \
		"ethtool -x shows the hash key of zeros that was set"
	lands 0 "hash key of zeros"
	tap_check "ethtool -X hkey is taken with the first key" ethtool -X "$DEV" hkey "$KEY"
	lands both "first hash key again"
	tap_fails "a hash key of 39 bytes is refused" ethtool -X "$DEV" hkey "${zeros%:00}"
	tap_fails "hash function xor is refused" ethtool -X "$DEV" hfunc xor
	tap_fails "an indirection table with a queue 2 that does not exist is refused" \
		ethtool -X "$DEV" weight 0 0 1
}

fields()
{
	local flow

	for flow in tcp4 udp4 tcp6 udp6; do
		tap_check "rx-flow-hash $flow has the ports at first" sh -c \
			"ethtool -n $DEV rx-flow-hash $flow | grep -q 'bytes 2 & 3'"
	done
	tap_check "rx-flow-hash udp4 sd is taken" ethtool -N "$DEV" rx-flow-hash udp4 sd
	tap_check "rx-flow-hash udp4 sd is read back without ports" sh -c \
		"ethtool -n $DEV rx-flow-hash udp4 | grep -q 'IP DA' &&
		! ethtool -n $DEV rx-flow-hash udp4 | grep -q L4"
	tap_check "rx-flow-hash tcp4 keeps the ports when udp4 loses them" sh -c \
		"ethtool -n $DEV rx-flow-hash tcp4 | grep -q 'bytes 2 & 3'"
	datagrams_on_one "rx-flow-hash udp4 sd"
	tap_check "rx-flow-hash udp4 sdfn is taken" ethtool -N "$DEV" rx-flow-hash udp4 sdfn
	lands both "rx-flow-hash udp4 sdfn"
	# ethtool returns 0 all the same.
	for flow in "udp4 s" "tcp4 v" "sctp4 sd"; do
		tap_check "rx-flow-hash $flow is refused" sh -c \
			"ethtool -N $DEV rx-flow-hash $flow 2>&1 | grep -q '^Cannot change'"
	done
	tap_check "a refused rx-flow-hash leaves udp4 with the ports" sh -c \
		"ethtool -n $DEV rx-flow-hash udp4 | grep -q 'bytes 2 & 3'"
}

channels()
{
	tap_check "ethtool -L combined 1 is taken" ethtool -L "$DEV" combined 1
	tap_is "$(ethtool -l "$DEV" | awk '/^Combined/ { n = $2 } END { print n }')" 1 \
		"ethtool -l shows one channel after combined 1"
	lands 0 "ethtool -L combined 1"
	tap_check "ethtool -L combined 2 is taken" ethtool -L "$DEV" combined 2
	lands both "ethtool -L combined 2"
}

# per_packet WAY: of a stream, bytes per packet that were exchanged with the device.
per_packet()
{
	local way=$1 packets bytes

	packets=$(net_count "${way}_packets") bytes=$(net_count "${way}_bytes")
	if [ "$way" = tx ]; then
		timeout 60 "$PEER" sink "$HOST" 2000000 > /dev/null
	else
		timeout 60 "$PEER" source "$HOST" 2000000 > /dev/null
	fi
	packets=$(($(net_count "${way}_packets") - packets))
	bytes=$(($(net_count "${way}_bytes") - bytes))
	echo $((packets > 0 ? bytes / packets : 0))
}

# The largest that a frame may be without help from segmentation.
FRAME=1514

# feature NAME WAY: goes off, which cuts the stream into frames, and on again.
feature()
{
	local packets="$2 packets of a stream"

	tap_num "$(per_packet "$2") > $FRAME" \
		"$1 on at first: $packets have more than $FRAME bytes on average"
	tap_check "$1 off is taken" ethtool -K "$DEV" "$1" off
	tap_check "$1 off is read back" sh -c "ethtool -k $DEV | grep -q '^$1: off'"
	tap_num "$(per_packet "$2") <= $FRAME" \
		"$1 off: $packets have at most $FRAME bytes on average"
	tap_check "$1 on is taken" ethtool -K "$DEV" "$1" on
	tap_num "$(per_packet "$2") > $FRAME" \
		"$1 on again: $packets have more than $FRAME bytes on average"
}

features()
{
	feature tcp-segmentation-offload tx
	feature rx-gro-hw rx
	tap_check "ethtool -k shows rx-checksumming on" sh -c \
		"ethtool -k $DEV | grep -q '^rx-checksumming: on'"
	tap_check "tx-checksumming off is taken" ethtool -K "$DEV" tx off
	tap_check "tx-checksumming off takes tcp-segmentation-offload with it" sh -c \
		"ethtool -k $DEV | grep -q '^tcp-segmentation-offload: off'"
	tap_check "tx-checksumming off: a stream each way is intact" net_intact 500000
	ethtool -K "$DEV" tx on sg on tso on > /dev/null
}

rings()
{
	local inflight

	tap_check "an rx ring of 64 is taken" ethtool -G "$DEV" rx 64
	tap_is "$(ethtool -g "$DEV" | awk '/^RX:/ { n = $2 } END { print n }')" 64 \
		"ethtool -g shows an rx ring of 64 after it was set"
	net_answers
	net_stats input.0
	inflight=${STAT[inflight]}
	tap_num "$inflight > 32 && $inflight <= 64" \
		"rx ring of 64: the device has 33 to 64 buffers" "$inflight"
	tap_check "rx ring of 64: a stream each way is intact" net_intact 500000
	tap_check "an rx ring of 256 is taken" ethtool -G "$DEV" rx 256
	net_answers
	net_stats input.0
	tap_num "${STAT[inflight]} > 128 && ${STAT[inflight]} <= 256" \
		"rx ring of 256: the device has 129 to 256 buffers" "${STAT[inflight]}"
}

# about SPEED: what ethtool tells of device N.
about()
{
	tap_check "net$N: ethtool -i names the driver" sh -c \
		"ethtool -i $DEV | grep -qx 'driver: $NET_DRIVER'"
	tap_check "net$N: ethtool -i has a version" sh -c "ethtool -i $DEV | grep -q '^version: [0-9]'"
	tap_is "$(ethtool -i "$DEV" | sed -n 's/^bus-info: //p')" "$VIRTIO" \
		"net$N: ethtool -i has the device as bus-info"
	tap_check "net$N: ethtool -T shows software-transmit" sh -c \
		"ethtool -T $DEV | grep -q software-transmit"
	tap_is "$(ethtool -S "$DEV" | tail -n +2 | sort | uniq -d)" "" \
		"net$N: no two statistics of ethtool -S have the same name"
	tap_is "$(ethtool "$DEV" | awk '/Speed|Duplex/ { print $2 }' | tr '\n' ' ')" "$1" \
		"net$N: ethtool shows the speed and duplex that the device has"
}

link_settings()
{
	tap_check "ethtool -s speed 1000 duplex half is taken" ethtool -s "$DEV" speed 1000 duplex half
	tap_is "$(ethtool "$DEV" | awk '/Speed|Duplex/ { print $2 }' | tr '\n' ' ')" "1000Mb/s Half " \
		"ethtool shows the speed and duplex that were set"
	tap_is "$(cat "/sys/class/net/$DEV/speed")" 1000 "sysfs shows the speed that was set"
	tap_fails "ethtool -s autoneg on is refused" ethtool -s "$DEV" autoneg on
}

N=2
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
about "25000Mb/s Full "
N=1
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
about "Unknown! Unknown! "
link_settings
features
rings
tap_fails "net$N: without RSS an indirection table is refused" ethtool -X "$DEV" equal 1

N=8
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
if [ "$(nproc)" -gt 1 ]; then
	indirection
	fields
	channels
else
	tap_skip "the indirection table and what is hashed" "one CPU, so one queue"
fi
tap_check "ethtool -K rxhash off is taken" ethtool -K "$DEV" rxhash off
tap_check "with rxhash off a stream each way is intact" net_intact 500000
tap_check "ethtool -K rxhash on is taken" ethtool -K "$DEV" rxhash on

tap_done

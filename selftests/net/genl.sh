#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the netlink family "netdev" shows of an interface: which NAPI context serves a
# queue, whose settings last as long as the device; page pools; statistics, which lose
# nothing when rings and queues change. And the hash that an XDP program may ask for.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

GENL=./genl
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# values NAME WORD [FILTER]: of that name in the answers to WORD, of those with FILTER.
values()
{
	"$GENL" "$2" "$DEV" | grep -- "${3:-}" | grep -oE "(^| )$1=[0-9]+" | cut -d= -f2 | xargs
}

# sum NAME WORD: of all answers.
sum()
{
	values "$1" "$2" | tr ' ' '\n' | awk '{ n += $1 } END { print n + 0 }'
}

# napis: those of the receive queues, in order.
napis()
{
	values napi queues "type=0"
}

# restart HOW: the ways in which a queue ends and begins again.
restart()
{
	case $1 in
	"down and up")
		ip link set "$DEV" down && ip link set "$DEV" up ;;
	"another ring size")
		ethtool -G "$DEV" rx 64 && ethtool -G "$DEV" rx 256 ;;
	"fewer queues and more")
		ethtool -L "$DEV" combined 1 && ethtool -L "$DEV" combined 2 ;;
	"a reset of the device")
		net_suspend devices ;;
	"AF_XDP on one queue")
		attach_xsk ;;
	esac
}

attach_xsk()
{
	local pid

	ip link set dev "$DEV" xdpdrv obj xdp.bpf sec xdp/xsk || return
	"$PEER" xsk "$DEV" 0 zerocopy > "$TMP/xsk" 2>&1 &
	pid=$!
	wait_for 10 grep -qx ready "$TMP/xsk" || cat "$TMP/xsk"
	kill $pid
	wait $pid
	ip link set dev "$DEV" xdpdrv off
}

settings()
{
	"$GENL" napis "$DEV" | grep -o "id=$1 .*" | grep -oE "(defer|gro|suspend)=[0-9]+" | sort | xargs
}

links()
{
	local ids id how wanted="defer=3 gro=70000 suspend=20000000"

	ids=$(napis)
	tap_num "$(wc -w <<< "$ids") == 2 && $(tr ' ' '\n' <<< "$ids" | sort -u | wc -l) == 2" \
		"net$N: each of 2 receive queues has a NAPI context" "$ids"
	for id in $ids; do
		tap_check "net$N: the NAPI context of a queue is one of the interface" \
			grep -qw "$id" <<< "$(values id napis)"
	done
	if [ -z "$(values suspend napis)" ]; then
		tap_skip "settings of a NAPI context" "this kernel has none"
		return
	fi
	for id in $ids; do
		tap_check "net$N: settings of a NAPI context are taken" \
			"$GENL" napi-set "$id" defer=3 gro=70000 suspend=20000000
		tap_is "$(settings "$id")" "$wanted" "net$N: settings of a NAPI context are read back"
	done
	for how in "down and up" "another ring size" "fewer queues and more" \
		"AF_XDP on one queue" "a reset of the device"; do
		tap_check "net$N: $how" restart "$how"
		tap_is "$(napis)" "$ids" "net$N: after $how the queues have the same NAPI contexts"
		for id in $ids; do
			tap_is "$(settings "$id")" "$wanted" "net$N: after $how a NAPI context has its settings"
		done
	done
	net_answers
	for id in $ids; do
		"$GENL" napi-set "$id" defer=0 gro=0 suspend=0
	done
	tap_check "net$N: the host answers afterwards" net_answers
}

# between NAME BEFORE VALUE AFTER
between()
{
	tap_num "${2:-0} <= ${3:--1} && ${3:--1} <= ${4:-0}" "$1" "$2, ${3:-none}, $4"
}

# same_as_sysfs WHEN: netlink counts for the interface what its statistics count.
same_as_sysfs()
{
	local name before value

	for name in rx_packets rx_bytes tx_packets tx_bytes; do
		before=$(net_count $name)
		value=$(values ${name/_/-} totals)
		between "net$N: $1: netlink has the $name of the interface" "$before" "$value" \
			"$(net_count $name)"
	done
}

counter()
{
	ethtool -S "$DEV" | awk -v name="$1:" '$1 == name { print $2 }'
}

statistics()
{
	local queue name before how stop wake

	tap_check "net$N: a stream each way is intact" net_intact "$(scaled 2000000)"
	same_as_sysfs "after a transfer"
	for queue in 0 1; do
		for name in packets bytes; do
			before=$(counter rx${queue}_$name)
			between "net$N: netlink has the received $name of queue $queue" "$before" \
				"$(values rx-$name qstats "type=0 id=$queue ")" "$(counter rx${queue}_$name)"
			before=$(counter tx${queue}_$name)
			between "net$N: netlink has the sent $name of queue $queue" "$before" \
				"$(values tx-$name qstats "type=1 id=$queue ")" "$(counter tx${queue}_$name)"
		done
	done
	for how in "another ring size" "fewer queues and more" "a reset of the device"; do
		restart "$how"
		net_answers
		same_as_sysfs "after $how"
	done
	ethtool -L "$DEV" combined 1
	tap_is "$(values id qstats)" "0 0" "net$N: with one queue pair netlink has one queue of a direction"
	same_as_sysfs "with one queue pair"
	ethtool -L "$DEV" combined 2

	ethtool -G "$DEV" tx 32
	stop=$(values tx-stop totals) wake=$(values tx-wake totals)
	"$PEER" send "$HOST" 1 200 > /dev/null
	wait_for 10 net_answers
	stop=$(($(values tx-stop totals) - stop)) wake=$(($(values tx-wake totals) - wake))
	tap_num "$stop > 0 && $wake == $stop" \
		"net$N: a full queue counts that it stops and goes on" "$stop and $wake"
	ethtool -G "$DEV" tx 256
}

# device_statistics: what a device with DEVICE_STATS tells is there, too.
device_statistics()
{
	local drops

	tap_check "the interface of pvg_fakehost's device appears" net_fake || return
	N=20
	net_up $N
	net_fake_answers
	drops=$(counter rx0_device_drops)
	between "net$N: netlink has what the device dropped" "${drops:--}" "$(values rx-hw-drops totals)" \
		"$(counter rx0_device_drops)"
	tap_num "$(values tx-hw-drop-errors totals | wc -w) == 1" \
		"net$N: netlink has what the device refused to send"
	same_as_sysfs "with statistics of the device"
}

# same_as_ethtool NAME COUNTER: netlink's sum over all pools.
same_as_ethtool()
{
	local before

	before=$(counter "rx_pp_$2")
	between "net$N: ethtool -S has $2 of the page pools" "$before" "$(sum "$1" pool-stats)" \
		"$(counter "rx_pp_$2")"
}

page_pools()
{
	local id before cached

	for id in $(napis); do
		tap_num "$(values id pools "napi=$id " | wc -w) >= 1" \
			"net$N: a NAPI context has a page pool" "$("$GENL" pools "$DEV")"
	done
	tap_num "$(sum memory pools) > 0" "net$N: page pools show their memory"
	if ! "$GENL" pool-stats "$DEV" > /dev/null 2>&1; then
		tap_is "$(ethtool -S "$DEV" | grep -c rx_pp_)" 0 \
			"net$N: ethtool -S has no statistics of page pools if the kernel has none"
		return
	fi
	cached=$(counter rx_pp_recycle_cached)
	for _ in 1 2 3; do
		timeout 60 "$PEER" push "$HOST" "10.9.$N.2" 9 200 1200 500 8 > /dev/null
	done
	tap_num "$(counter rx_pp_recycle_cached) > ${cached:-0}" \
		"net$N: pages of packets that end in a NAPI context go back to its cache" \
		"$cached, $(counter rx_pp_recycle_cached)"
	same_as_ethtool fast alloc_fast
	same_as_ethtool slow alloc_slow
	same_as_ethtool cached recycle_cached
	same_as_ethtool ring recycle_ring
	before=$(counter rx_pp_alloc_fast)
	restart "a reset of the device"
	tap_num "$(counter rx_pp_alloc_fast) >= $before" \
		"net$N: statistics of page pools lose nothing in a reset of the device" \
		"$before, $(counter rx_pp_alloc_fast)"
	net_answers
}

# hashes WHAT WANTED: of 50 datagrams a program has asked for the hash; WANTED is a
# condition of jq on what it was told.
hashes()
{
	local pid said

	"$PEER" rxhash "$DEV" > "$TMP/hash" 2>&1 &
	pid=$!
	if ! wait_for 10 grep -qx ready "$TMP/hash"; then
		tap_not_ok "net$N: $1: a program that asks for hashes is attached" "$(cat "$TMP/hash")"
		wait $pid
		return
	fi
	timeout 60 "$PEER" push "$HOST" "10.9.$N.2" 9 50 64 1000 4 > /dev/null
	kill $pid
	wait $pid
	said=$(tail -1 "$TMP/hash")
	if jq -e ".packets == 50 and .failed == 0 and $2" <<< "$said" > /dev/null; then
		tap_ok "net$N: $1"
	else
		tap_not_ok "net$N: $1" "$said is not $2"
	fi
}

kernel_has_hashes()
{
	grep -q ' bpf_xdp_metadata_rx_hash$' /proc/kallsyms
}

all_hashes()
{
	local zeros key

	hashes "a program gets the hash of IPv4 and UDP of each packet" '.hashed == 50 and .hash != 0 and .type == 41'
	zeros=$(printf '00:%.0s' {1..39})00
	key=$(ethtool -x "$DEV" | grep -E '^([0-9a-f]{2}:){39}')
	ethtool -X "$DEV" hkey "$zeros"
	hashes "with a key of zeros a program gets hashes of 0" '.hashed == 50 and .hash == 0'
	ethtool -X "$DEV" hkey "$key"
	ethtool -K "$DEV" rxhash off
	hashes "with rxhash off a program gets no hash" '.nodata == 50'
	ethtool -K "$DEV" rxhash on
	N=1
	net_need $N
	net_answers
	hashes "of a device without hash reports a program gets no hash" '.nodata == 50'
}

"$GENL" queues lo > /dev/null 2>&1 || tap_skip_all "this kernel has no netlink family netdev"
[ "$(nproc)" -gt 1 ] || tap_absent "the machine has one CPU, so one queue"
net_fakehost
N=8
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
# Before the device is reset: its pools go then, and netlink forgets their statistics.
page_pools
links
statistics
if kernel_has_hashes; then
	all_hashes
else
	tap_skip "hashes for XDP programs" "this kernel has no bpf_xdp_metadata_rx_hash"
fi
device_statistics

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's log over the network (netpoll): the driver tells the device of each
# line at once. In a panic nothing would come later to tell it, and no timer fires.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

LINES_SENT=30

modprobe -q -n netconsole || tap_absent "this kernel has no module netconsole"
N=1
net_need $N
tap_check "net$N: the host answers" net_answers || tap_done
ethtool -L "$DEV" combined 1 2> /dev/null
mac=$(ip neigh show "$HOST" dev "$DEV" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p')
tap_check "netconsole takes net$N" \
	modprobe netconsole "netconsole=6665@10.9.$N.2/$DEV,7701@$HOST/$mac" || tap_done
tap_at_exit modprobe -q -r netconsole

# What the adaptive policy learns from these has it expect that more will follow.
timeout 60 "$PEER" send "$HOST" 1 100 > /dev/null
wait_for 5 net_counted tx_packets 1000
sent=$(net_count tx_packets)
net_stats_reset
for ((i = 0; i < LINES_SENT; i++)); do
	echo "<1>netconsole line $i"
done > /dev/kmsg
wait_for 10 net_counted tx_packets $((sent + LINES_SENT))
net_stats output.0
tap_num "${STAT[submissions]} >= $LINES_SENT" "each of $LINES_SENT lines is a packet" \
	"${STAT[submissions]} packets"
tap_num "${STAT[doorbells_held]} == 0" "no doorbell is held for a line that may follow" \
	"${STAT[doorbells_held]} held, ${STAT[doorbells]} rung"

modprobe -q -r netconsole
ethtool -L "$DEV" combined "$(nproc)" 2> /dev/null
tap_check "net$N: the host answers afterwards" net_answers

tap_done

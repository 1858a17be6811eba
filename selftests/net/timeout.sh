#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The device takes packets and does not send them, because the other end does not
# read. The kernel notices after five seconds; then the driver must reset the device
# and go on, as often as it takes, and packets must flow once the other end reads
# again.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

# Some kernels say so with a WARN.
echo "lab: expected: NETDEV WATCHDOG" > /dev/kmsg
echo "lab: expected: WARNING: .* dev_watchdog" > /dev/kmsg

# sends NAME: packets are sent to an address without an answer, and leave the device.
sends()
{
	local before

	before=$(net_count tx_packets)
	timeout 120 "$PEER" send 10.9.9.1 100 1400 > /dev/null &
	tap_check "$1" wait_for 20 net_counted tx_packets $((before + 50))
	kill $!
	wait $!
}

# restarted TIMES: so often at least since $mark.
restarted()
{
	[ "$(kmsg_since "$mark" | grep -c "$VIRTIO.*resetting the device")" -ge "$1" ]
}

net_need 9
ip neigh replace 10.9.9.1 lladdr 02:00:00:00:00:01 dev "$DEV" nud permanent
net_up 1
"$PEER" flow "$HOST" 1
net_up 9
sends "packets are sent while the other end reads"

"$PEER" flow 10.9.1.1 0
mark=$(kmsg_mark)
# The watchdog looks only at queues that are stopped. What the sockets may have on
# their way need not fill a ring of 1024, and byte queue limits grow with use. The
# host still takes some MiB, which a slow guest needs a while to send.
limit=/sys/class/net/$DEV/queues/tx-0/byte_queue_limits/limit_max
limit_before=$(cat "$limit")
echo 65536 > "$limit"
senders=()
for _ in 1 2 3 4 5 6; do
	timeout 120 "$PEER" send 10.9.9.1 100 1400 > /dev/null &
	senders+=($!)
done
tap_check "the driver notices that nothing is sent" wait_for 90 restarted 1
kill "${senders[@]}"
wait
waited=$(kmsg_since "$mark" |
	sed -n 's/.*output\.0: nothing was sent for \([0-9]*\) ms.*/\1/p' | head -n 1)
tap_num "${waited:-0} >= 5000" \
	"the log names output.0 and a time without progress of at least 5 s" "${waited:-no} ms"
tap_num "${waited:-0} <= 20000" "the log has at most 20 s without progress" "${waited:-no} ms"
tap_num "$(net_count tx_errors) >= 1" "tx_errors counts the queue that made no progress"
# Meanwhile nothing that is asked of the interface may hang.
tap_check "stalled device: ethtool -c answers" timeout 30 ethtool -c "$DEV"
tap_check "stalled device: the interface goes down and up" \
	timeout 60 sh -c "ip link set $DEV down && ip link set $DEV up"
ip neigh replace 10.9.9.1 lladdr 02:00:00:00:00:01 dev "$DEV" nud permanent

echo "$limit_before" > "$limit"
"$PEER" flow 10.9.1.1 1
sends "packets are sent again when the other end reads again"
tap_is "$(cat "/sys/class/net/$DEV/carrier")" 1 "the interface has a carrier after the resets"
net_need 1
tap_check "net1, which was not stalled, answers" net_answers

# Resets without a fault of the device, here for larger buffers, are not counted, or
# the device would be given up after the fifth.
net_need 6
mark=$(kmsg_mark)
for i in 1 2 3 4 5 6 7; do
	ip link set "$DEV" mtu 1500
	ip link set "$DEV" mtu 1600
	wait_for 10 restarted $i || break
done
tap_check "net6: seven changes of the MTU reset the device seven times" restarted 7
tap_check "net6: the host answers after seven resets" net_answers
ip link set "$DEV" mtu 1500

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A device that breaks the rules. A packet that makes no sense is dropped and
# counted, a ring that makes none is reset, and nothing else happens.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/net.sh
. ../lib/net.sh

net_fakehost

recovered()
{
	kmsg_since "$mark" | grep -q "$VIRTIO.*resetting the device" && net_fake_answers
}

resets()
{
	kmsg_since "$mark" | grep -c "$VIRTIO.*resetting the device"
}

# taken COUNT: so many packets came, good or bad.
taken()
{
	[ $(($(net_count rx_errors) + $(net_count rx_packets))) -ge "$1" ]
}

# dropped MODE: 5 of 25 packets are bad, and counted as errors.
dropped()
{
	local errors packets

	mark=$(kmsg_mark)
	errors=$(net_count rx_errors) packets=$(net_count rx_packets)
	net_fake_do bad "$1 5"
	net_fake_do inject 25
	wait_for 5 taken $((errors + packets + 25))
	tap_is "$(($(net_count rx_errors) - errors)) $(($(net_count rx_packets) - packets))" "5 20" \
		"$what: $1: 5 errors, and 20 packets arrive"
	tap_check "$what: $1: the network answers" net_answers
	tap_is "$(resets)" 0 "$what: $1: the driver does not reset the device"
}

# reset MODE: the ring is broken, so the device is reset.
reset()
{
	mark=$(kmsg_mark)
	net_fake_do bad "$1 1"
	net_fake_do inject 8
	tap_check "$what: $1: the device is reset and works" wait_for 60 recovered
	tap_num "$(resets) == 1" "$what: $1: the driver resets the device once" "$(resets) times"
}

reset_seen()
{
	[ "$(resets)" -gt 0 ] && [ "$(cat "/sys/class/net/$DEV/carrier")" = 1 ]
}

given_up()
{
	kmsg_has "$VIRTIO: the device was given up" "$since" &&
		[ "$(cat "/sys/class/net/$DEV/carrier" 2> /dev/null)" = 0 ]
}

reset_or_given_up()
{
	reset_seen || given_up
}

# segments_since SEGMENTS ANSWERS: the segments have come, and TCP has answered.
segments_since()
{
	[ "$(snmp IpExt InNoECTPkts)" -ge $(($1 + 60)) ] && [ "$(snmp Tcp OutRsts)" -gt "$2" ]
}

for mergeable in 1 0; do
	what="mergeable=$mergeable"
	tap_check "$what: the interface appears" net_fake mergeable=$mergeable || tap_done
	net_up 20
	tap_check "$what: the network answers" net_fake_answers || tap_done
	# Which fields are looked at does not depend on the kernel; what becomes of a buffer may.
	for mode in len-huge len-short $(is_slow || echo len-zero gso-type gso-size csum-start); do
		dropped "$mode"
	done
	[ $mergeable = 0 ] || for mode in buffers-zero buffers-many; do
		dropped "$mode"
	done
	for mode in id twice index; do
		reset $mode
	done
done

# With a program it is another path.
tap_check "XDP: a program that passes is attached" ip link set dev "$DEV" xdpdrv obj xdp.bpf sec xdp
what=XDP
for mode in len-huge len-short $(is_slow || echo len-zero csum-start); do
	dropped "$mode"
done
ip link set dev "$DEV" xdpdrv off

# Segments that the device has coalesced (RSC_EXT): the header says how many, and
# its other fields are missing as QEMU leaves them out, or there.
snmp()
{
	awk -v name="$1:" -v field="$2" '$1 == name && !n { n = 1; split($0, head); next }
		$1 == name { for (i in head) if (head[i] == field) print $i }' \
		/proc/net/snmp /proc/net/netstat
}

# An answer is a reset of TCP: no program listens.
for bare in $(is_slow || echo 0) 1; do
	what="coalesced, bare=$bare"
	tap_check "$what: the interface appears" net_fake rsc=3 rsc_bare="$bare" || tap_done
	net_up 20
	tap_check "$what: the network answers" net_fake_answers || tap_done
	errors=$(net_count rx_errors) segments=$(snmp IpExt InNoECTPkts)
	bad=$(($(snmp Tcp InErrs) + $(snmp Ip InHdrErrors) + $(snmp Tcp InCsumErrors) +
		$(snmp IpExt InCsumErrors)))
	answers=$(snmp Tcp OutRsts)
	net_fake_do inject 20
	wait_for 5 segments_since "$segments" "$answers"
	tap_is "$(($(net_count rx_errors) - errors))" 0 "$what: the interface counts no errors"
	tap_is "$(($(snmp Tcp InErrs) + $(snmp Ip InHdrErrors) + $(snmp Tcp InCsumErrors) +
		$(snmp IpExt InCsumErrors) - bad))" 0 "$what: IP and TCP count no bad header or checksum"
	segments=$(($(snmp IpExt InNoECTPkts) - segments))
	tap_num "$segments >= 60 && $segments < 70" "$what: 20 packets of 3 segments count as 60" \
		"$segments"
	tap_num "$(($(snmp Tcp OutRsts) - answers)) > 0" "$what: TCP answers the segments with a reset"
	dropped gso-type
done

# A reset does not help for ever.
tap_check "always NEEDS_RESET: the interface appears" net_fake || tap_done
net_up 20
since=$(kmsg_mark)
for _ in 1 2 3 4 5 6 7 8 9 10; do
	mark=$(kmsg_mark)
	net_fake_do needs_reset 1
	wait_for 5 reset_or_given_up
	timeout 3 "$PEER" echo "$HOST" 1 > /dev/null 2>&1
	! given_up || break
done
tap_check "always NEEDS_RESET: the driver gives the device up" wait_for 10 given_up
tap_check "always NEEDS_RESET: the log says that the device was given up" \
	kmsg_has "$VIRTIO: the device was given up" "$since"
tap_check "device given up: the interface can be taken down" timeout 30 ip link set "$DEV" down
tap_fails "device given up: the interface cannot be taken up" timeout 30 ip link set "$DEV" up
tap_check "device given up: the interface can be shown" timeout 30 ip link show "$DEV"
tap_check "device given up: rmmod pvg_fakehost ends" timeout 60 rmmod pvg_fakehost
tap_check "device given up: no interface is left after rmmod" net_lacks 20
modprobe -q pvg_fakehost

tap_done

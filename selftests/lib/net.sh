# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the network tests share: finding devices by the last byte N of their
# address (selftests/net/devices describes each), giving them their network,
# transfers, counters. Sourced after tap.sh.

# shellcheck source=guest.sh
. "${BASH_SOURCE[0]%/*}/guest.sh"

NET_DRIVER=${PVG_DRIVER:-pvg_net}
PEER=./peer
NET_DEVICES=${BASH_SOURCE[0]%/*}/../net/devices

# The contents of all streams follow from the seed, and from how many came before, which
# the programs count in this file: no two streams are alike, so that what an earlier one
# left in a buffer is not taken for the right content.
test_seed
PEER_STREAMS=$(mktemp)
export PEER_STREAMS PEER_SEED=$SEED
tap_at_exit rm -f "$PEER_STREAMS"

# net_find N: prints the interface's name, or fails.
net_find()
{
	local dir address

	for dir in /sys/class/net/*; do
		# One on top of another has the same address.
		[ -e "$dir/device" ] || continue
		read -r address < "$dir/address" || continue
		if [ "$address" = "52:54:00:70:67:$(printf %02x "$1")" ]; then
			echo "${dir##*/}"
			return 0
		fi
	done 2> /dev/null
	return 1
}

# net_lacks N: there is no such interface.
net_lacks()
{
	! net_find "$1" > /dev/null
}

# net_virtio DEV: prints the virtio device (virtioN) behind the interface.
net_virtio()
{
	local link

	link=$(readlink -f "/sys/class/net/$1/device") || return 1
	echo "${link##*/}"
}

# net_up N: the interface gets its address and comes up; sets DEV, VIRTIO, HOST.
net_up()
{
	DEV=$(net_find "$1") || return 1
	VIRTIO=$(net_virtio "$DEV")
	HOST=10.9.$1.1
	sysctl -q "net.ipv6.conf.$DEV.accept_dad=0" "net.ipv6.conf.$DEV.router_solicitations=0" \
		2> /dev/null
	ip addr replace "10.9.$1.2/24" dev "$DEV" &&
		ip link set "$DEV" addrgenmode none up
}

# net_listed: the numbers of the virtio devices that `devices` gives the VM.
net_listed()
{
	local number

	sed -n 's/^qemu -device virtio-net-pci,.*mac=52:54:00:70:67:\([0-9a-f]*\),.*/0x\1/p' \
		"$NET_DEVICES" | while read -r number; do
		echo $((number))
	done
}

# What QEMU's properties say of the features that the driver has to negotiate: property,
# bit, and whether the feature is there without the property.
NET_PROPERTIES="packed:34:off event_idx:29:on mrg_rxbuf:15:on mq:22:off csum:0:on
guest_csum:1:on host_tso4:11:on guest_tso4:7:on rss:60:off hash:57:off speed:63:off
host_mtu:3:off"

# net_wanted N: "property=on" or "property=off" for each of NET_PROPERTIES, as `devices`
# has it for device N. On a socket, which takes no header, QEMU offers no offload.
net_wanted()
{
	local line rule name bit value

	line=$(grep "^qemu -device virtio-net-pci,.*mac=52:54:00:70:67:$(printf %02x "$1")," "$NET_DEVICES")
	for rule in $NET_PROPERTIES; do
		IFS=: read -r name bit value <<< "$rule"
		case ,$line, in
		*,"$name=off",*) value=off ;;
		*,"$name="*) value=on ;;
		esac
		[[ ,$line, != *,netdev=stalled,* ]] || [[ $name != *csum && $name != *_tso4 ]] || value=off
		echo "$name=$value"
	done
}

# net_negotiated: the same of what the driver of $VIRTIO has negotiated.
net_negotiated()
{
	local bits rule name bit

	read -r bits < "$VIRTIO_BUS/devices/$VIRTIO/features"
	for rule in $NET_PROPERTIES; do
		IFS=: read -r name bit _ <<< "$rule"
		echo "$name=$([ "${bits:bit:1}" = 1 ] && echo on || echo off)"
	done
}

# net_need N: net_up, and the driver under test drives the device with the kind of ring
# and of buffers that `devices` gives it. A device that is absent where selftests/vm
# supplies it is a failure.
net_need()
{
	if ! net_find "$1" > /dev/null; then
		[ "$TAP_COUNT" -gt 0 ] ||
			tap_absent "there is no interface with address ...:67:$(printf %02x "$1")"
		tap_not_ok "net$1: the interface is there" "$(ip -brief link)"
		tap_done
	fi
	net_up "$1"
	tap_is "$(virtio_driver "$VIRTIO")" "$NET_DRIVER" "net$1: the driver of $VIRTIO is $NET_DRIVER"
	tap_is "$(net_negotiated | xargs)" "$(net_wanted "$1" | xargs)" \
		"net$1: $VIRTIO has the ring and the offloads that selftests/net/devices lists"
}

# net_module NAME: the module is loaded, or built in.
net_module()
{
	modprobe -q "$1" || tap_absent "this kernel has no module $1"
}

# net_host: there is a host that carries out what a test asks it for.
net_host()
{
	[ -n "${PVG_QMP:-}" ] || tap_absent "no host listens to this machine"
}

# net_answers: the host answers on the device that net_up was for.
net_answers()
{
	local try

	for try in 1 2 3 4 5; do
		if timeout 10 "$PEER" echo "$HOST" 1 > /dev/null 2>&1; then
			return 0
		fi
		sleep 0.$try
	done
	timeout 30 "$PEER" echo "$HOST" 1
}

# net_intact BYTES [HOST]: a stream each way arrives as it was sent.
net_intact()
{
	timeout 120 "$PEER" sink "${2:-$HOST}" "$1" &&
		timeout 120 "$PEER" source "${2:-$HOST}" "$1"
}

# net_count NAME: a counter of the interface.
net_count()
{
	local value

	read -r value < "/sys/class/net/$DEV/statistics/$1"
	echo "$value"
}

# net_counted NAME COUNT: it is as much, at least.
net_counted()
{
	[ "$(net_count "$1")" -ge "$2" ]
}

# net_stats QUEUE: the moderation counters of one queue (input.0, output.0) of
# $VIRTIO into the associative array STAT.
net_stats()
{
	local name value

	declare -gA STAT=()
	# All at once: the shell reads a file in pieces, and seeks back to where a line ended,
	# which is in the middle of another when a counter has got one digit more.
	while IFS=': ' read -r name value; do
		# shellcheck disable=SC2034 # for the caller
		STAT[$name]=$value
	done < <(cat "$DEBUGFS/pvguest/$VIRTIO/$1/stats")
}

net_stats_reset()
{
	local file

	for file in "$DEBUGFS/pvguest/$VIRTIO"/*/stats; do
		echo 0 > "$file"
	done
}

# net_load WAY: transfers to (sink), from (source) or both ways with the host,
# until net_load_ends. Each transfer is checked.
net_load()
{
	local way before

	before=$(net_count rx_packets)
	LOAD_DIR=$(mktemp -d)
	LOAD_PIDS=()
	for way; do
		# One at least, however late it starts.
		(while :; do
			nice -n 19 timeout 120 "$PEER" "$way" "$HOST" "$(scaled 2000000 8)" ||
				echo "$way failed" >> "$LOAD_DIR/failed"
			echo >> "$LOAD_DIR/done"
			[ ! -e "$LOAD_DIR/stop" ] || break
		done > /dev/null 2>> "$LOAD_DIR/failed") &
		LOAD_PIDS+=("$!")
	done
	tap_at_exit rm -rf "$LOAD_DIR"
	wait_for 10 net_counted rx_packets $((before + 20))
	sleep 0.3
}

# net_load_ends NAME [lossy]: the transfers end and none had an error. lossy:
# they may have failed, but ended. Without the device TCP would go on for a
# quarter of an hour, so these are told to.
net_load_ends()
{
	local pid what="the transfers during it arrived intact"

	echo > "$LOAD_DIR/stop"
	if [ "${2:-}" = lossy ]; then
		what="the transfers during it ended"
		for pid in "${LOAD_PIDS[@]}"; do
			pkill -x -P "$pid" timeout
		done
	fi
	if ! wait_for 130 net_load_over; then
		tap_not_ok "$1: the transfers end within 130 s of the request to stop" \
			"$(ps -o pid,stat,wchan:20,args)"
		return 1
	fi
	for pid in "${LOAD_PIDS[@]}"; do
		wait "$pid"
	done
	if [ "${2:-}" != lossy ] && [ -s "$LOAD_DIR/failed" ]; then
		tap_not_ok "$1: $what" "$(cat "$LOAD_DIR/failed")"
	elif [ "${2:-}" != lossy ] && [ ! -s "$LOAD_DIR/done" ]; then
		tap_not_ok "$1: $what" "no transfer was completed"
	else
		tap_ok "$1: $what"
	fi
}

net_load_over()
{
	local pid

	for pid in "${LOAD_PIDS[@]}"; do
		! kill -0 "$pid" 2> /dev/null || return 1
	done
}

# net_suspend LEVEL: as far as that (devices: all drivers are told), and back.
net_suspend()
{
	local status=0

	# It would stay there for five seconds.
	echo 0 > /sys/module/suspend/parameters/pm_test_delay
	echo "$1" > /sys/power/pm_test || return
	echo freeze > /sys/power/state || status=1
	echo none > /sys/power/pm_test
	return $status
}

# net_qmp EXECUTE ARGUMENTS: asks the host.
net_qmp()
{
	echo "@qmp {\"execute\": \"$1\", \"arguments\": {$2}}"
}

# net_fakehost: the module that makes devices, which goes when the test ends.
net_fakehost()
{
	modprobe -q -n pvg_fakehost || tap_absent "there is no module pvg_fakehost"
	tap_at_exit rmmod pvg_fakehost
}

# net_fake PARAMETER...: a device that pvg_fakehost makes, as number 20; the one
# that was there before goes.
net_fake()
{
	rmmod pvg_fakehost 2> /dev/null
	modprobe pvg_fakehost "$@" || return
	wait_for 10 net_find 20
}

# net_fake_answers: the network behind it. Its address is set for good, since the kernel
# would ask for it again after a while and packets are counted to the last.
net_fake_answers()
{
	net_answers && ip neigh replace "$HOST" nud permanent dev "$DEV" \
		lladdr "$(ip neigh show "$HOST" dev "$DEV" | sed -n 's/.*lladdr \([0-9a-f:]*\).*/\1/p')"
}

# net_fake_is NAME: prints a value of its state.
net_fake_is()
{
	sed -n "s/^$1: //p" "$DEBUGFS/pvg_fakehost/state"
}

# net_fake_do FILE WORDS: tell it.
net_fake_do()
{
	echo "$2" > "$DEBUGFS/pvg_fakehost/$1"
}

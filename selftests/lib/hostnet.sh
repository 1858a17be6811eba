# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A network for a VM, on the host's side: a namespace of its own with a tap for
# each network device, in which QEMU runs (scripts/lab run --netns) beside the
# programs that the guest talks to. It leaves the host's own network alone, and
# goes when hostnet_close is called or the shell ends, however it does.
#
#   hostnet_open && hostnet_tap tap1 1 10.9.1.1/24 && hostnet_spawn iperf3 -s
#   scripts/lab run --netns "$HOSTNET" --qemu "$(hostnet_netdev tap1 1) ..." ...
#   hostnet_close

HOSTNET=
HOSTNET_PIDS=()

# hostnet_open: sets HOSTNET, the name of the namespace for nsenter.
hostnet_open()
{
	local ready fd pid

	if ! [ -w /dev/net/tun ] || [ "$(id -u)" -ne 0 ]; then
		echo "hostnet: a network for the VM needs root and /dev/net/tun" >&2
		return 1
	fi
	exec {fd}< <(exec setpriv --pdeathsig KILL unshare --net bash -c \
		'ip link set lo up && echo ready && exec sleep infinity')
	pid=$!
	HOSTNET_PIDS+=("$pid")
	read -rt 10 -u "$fd" ready
	exec {fd}<&-
	[ "$ready" = ready ] || return 1
	HOSTNET=/proc/$pid/ns/net
}

# hostnet_run COMMAND...: in the namespace.
hostnet_run()
{
	nsenter --net="$HOSTNET" -- "$@"
}

# hostnet_spawn COMMAND...: the same in the background, until hostnet_close.
hostnet_spawn()
{
	setpriv --pdeathsig KILL nsenter --net="$HOSTNET" -- "$@" > /dev/null 2>&1 < /dev/null &
	HOSTNET_PIDS+=("$!")
}

# hostnet_tap NAME QUEUES ADDRESS [MTU]: a tap for a device with so many queue
# pairs. Nothing is sent that nobody asked for: no IPv6 of the kernel's own.
hostnet_tap()
{
	local queues=()

	[ "$2" -le 1 ] || queues=(multi_queue)
	hostnet_run ip tuntap add dev "$1" mode tap vnet_hdr "${queues[@]}" &&
		hostnet_run ip link set "$1" mtu "${4:-1500}" addrgenmode none &&
		hostnet_run ip addr add "$3" dev "$1" &&
		hostnet_run ip link set "$1" up
}

# hostnet_netdev NAME QUEUES: QEMU's argument for it; the netdev's id is NAME.
hostnet_netdev()
{
	printf '%s' "-netdev tap,id=$1,ifname=$1,script=no,downscript=no"
	[ "$2" -le 1 ] || printf '%s' ",queues=$2"
}

hostnet_close()
{
	local pid

	for pid in "${HOSTNET_PIDS[@]}"; do
		kill "$pid" 2> /dev/null
	done
	HOSTNET_PIDS=()
	HOSTNET=
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# pvhost where it belongs: on the host of virtual machines, which run no daemon
# and are shut down, rebooted, crash, and are stopped for a while. Three VMs, about two
# minutes, and two that panic while the channel is busy (PVG_PANICS). None is told to go on
# before the host has seen what it looks for.
# shellcheck disable=SC2016 # what stands in quotes is for the guest to expand

HERE=$(cd "$(dirname "$0")" && pwd)
LAB=$HERE/../../scripts/lab
PVHOST=$HERE/../../tools/pvhost

# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

qmp()
{
	"$HERE/../lib/qmp" "$TMP/qmp" "$1" > /dev/null 2>&1
}

# boot COMMAND: a VM with the port, in the background; returns when QEMU is there. The
# command can have "until_told", which waits for go.
boot()
{
	local _

	rm -f "$TMP/socket" "$TMP/out"
	"$LAB" run --kernel 6.1 --timeout 600 --qmp "$TMP/qmp" --qemu "-device virtio-serial-pci,id=vs \
		-chardev socket,id=pvc,path=$TMP/socket,server=on,wait=off \
		-device virtserialport,chardev=pvc,name=org.pvguest.control.0" \
		-- bash -c "until_told() {
			until grep -qsx go /sys/bus/virtio-ports/devices/*/name; do sleep 0.2; done
		}
		$1" > "$TMP/out" 2>&1 < /dev/null &
	VM=$!
	# Its monitor answers when all of its sockets listen.
	for _ in {1..3000}; do
		! { [ -S "$TMP/socket" ] && qmp '{"execute": "query-status"}'; } || break
		kill -0 "$VM" 2> /dev/null || break
		sleep 0.1
	done
}

# go: a port with that name.
go()
{
	qmp '{"execute": "chardev-add", "arguments": {"id": "go", "backend": {"type": "null", "data": {}}}}' &&
		qmp '{"execute": "device_add", "arguments": {"driver": "virtserialport", "bus": "vs.0", "chardev": "go", "name": "go"}}'
}

# wait_ready: until the guest has said "ready".
wait_ready()
{
	local _

	for _ in {1..3000}; do
		! grep -qs ready "$TMP/out" || break
		sleep 0.1
	done
}

# watch: what the guest says until it is gone, to $TMP/watch, in the background as
# WATCHER; returns after three heartbeats.
watch()
{
	local _

	: > "$TMP/watch"
	host -j watch > "$TMP/watch" 2> /dev/null &
	WATCHER=$!
	for _ in {1..3000}; do
		[ "$(events heartbeat count | wc -l)" -lt 3 ] || break
		kill -0 "$WATCHER" 2> /dev/null || break
		sleep 0.1
	done
}

host()
{
	"$PVHOST" -s "$TMP/socket" -t 300 "$@"
}

ends()
{
	wait "$VM"
	tap_check "the VM of the $1 is gone" test ! -e "/proc/$VM"
}

events()
{
	jq -r "select(.event == \"$1\") | .$2" "$TMP/watch"
}

tap_check "pvhost builds" make -s -C "$HERE/../../tools" pvhost || tap_done

# The host calls before there is a kernel. Then it asks for the end.
boot 'echo "/bin/busybox poweroff -f" > /proc/sys/kernel/poweroff_cmd; echo ready; sleep 590'
host -j status > "$TMP/status"
tap_is $? 0 "status asked before the guest has booted is answered"
tap_is "$(jq -r '.daemon' "$TMP/status")" false "status: no daemon runs in the guest"
tap_check "three pings are answered" host ping -c 3 -i 100
qmp '{"execute": "stop"}'
host -t 2 status > "$TMP/stopped" 2>&1
tap_is $? 4 "status of a guest that is stopped times out (exit status 4)"
qmp '{"execute": "cont"}'
tap_check "status of the guest is answered when it goes on" host status
wait_ready
host shutdown --wait > "$TMP/shutdown" 2>&1
tap_is "$? $(cat "$TMP/shutdown")" "0 shutdown         done" "shutdown --wait ends with 'done'"
ends shutdown

# A host that watches hears of a reboot by the guest.
boot 'until_told; /bin/busybox reboot -f; sleep 60'
watch
go
wait $WATCHER
tap_is "$(events notice kind)" reboot "watch shows the notice of a reboot by the guest"
tap_num "$(events heartbeat count | wc -l) >= 3" "watch shows three heartbeats before the reboot"
ends reboot

# And of its death.
boot 'until_told; echo c > /proc/sysrq-trigger; sleep 60'
watch
go
wait $WATCHER
tap_is "$(events notice kind)" panic "watch shows the notice of a panic"
tap_is "$(events notice text)" "sysrq triggered crash" "watch shows the reason of the panic"
ends panic

# Whatever the channel is at when an NMI comes, the panic ends.
for ((i = 1; i <= ${PVG_PANICS:-2}; i++)); do
	boot 'echo 1 > /proc/sys/kernel/unknown_nmi_panic; echo ready; sleep 500'
	wait_ready
	: > "$TMP/ping"
	host -j ping -c 1000000 -i 1 > "$TMP/ping" 2>&1 &
	PINGER=$!
	for _ in {1..300}; do
		[ "$(wc -l < "$TMP/ping")" -lt 20 ] || break
		sleep 0.1
	done
	tap_num "$(wc -l < "$TMP/ping") >= 20" "busy panic $i: the host is answered before it"
	qmp '{"execute": "inject-nmi"}'
	for _ in {1..600}; do
		kill -0 "$VM" 2> /dev/null || break
		sleep 0.1
	done
	tap_check "busy panic $i: it ends within a minute" test ! -e "/proc/$VM"
	tap_check "busy panic $i: it was one" grep -q "panic" "$TMP/out"
	kill "$PINGER" "$VM" 2> /dev/null
	wait "$VM" "$PINGER" 2> /dev/null
done
tap_done

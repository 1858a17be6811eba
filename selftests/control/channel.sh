#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel's services over the control channel, with no daemon in the guest. The
# shutdown at the end is not carried out; after it the kernel freezes nothing, so this
# test is the last one of its VM.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
channel_need

tap_check "five pings are answered" host ping -c 5 -i 10
tap_is "$(host_value release status)" "$(uname -r)" "status: the kernel's release"
tap_is "$(host_value daemon status)" false "status: no daemon while /dev/pvg_control is closed"
tap_is "$(host_value software status)" "$(modinfo -F version pvg_ctl | sed 's/^/pvg_ctl /')" \
	"status: the software is pvg_ctl with its version"
read -r uptime _ < /proc/uptime
uptime_ms=$(host_value uptime_ms status)
read -r after _ < /proc/uptime
tap_num "$uptime_ms >= $uptime * 1000 && $uptime_ms <= $after * 1000 + 10" \
	"status: the uptime is that of /proc/uptime" "before $uptime s, after $after s"
boot_id=$(host_value boot_id status)
tap_num "${#boot_id} > 8" "status: there is a boot id" "'$boot_id'"
tap_is "$(host_value boot_id status)" "$boot_id" \
	"status: the boot id stays the same in one boot"
tap_check "three heartbeats arrive at the host" host watch -c 3

# The kernel keeps the port for itself.
tap_fails "the control channel's port cannot be opened as a file" dd if="$PORT" of=/dev/null count=1
# A process that has the device open is the daemon.
exec 6<> /dev/pvg_control
tap_is "$(host_value daemon status)" true "status: a daemon while /dev/pvg_control is open"
exec 6>&-
tap_is "$(host_value daemon status)" false "status: no daemon after /dev/pvg_control was closed"

# The time. Both are the same clock here: set back, it does not fit to itself; so
# the host's word is what a shifted pvhost says.
host time -n > "$TMP/time"
tap_is $? 0 "time -n exits with 0"
# Where the answer took a second to get, the difference may be just that.
for _ in {1..10}; do
	start=${EPOCHREALTIME/./}
	action=$(host_value action time -n)
	if [ "$action" = none ] || [ $((${EPOCHREALTIME/./} - start)) -lt 1000000 ]; then
		break
	fi
done
tap_is "$action" none "time -n: no correction where guest and host have one clock"
tap_is "$(cat /sys/module/pvg_ctl/parameters/time_policy)" forward "time_policy is forward by default"
for policy in off both forward; do
	echo $policy > /sys/module/pvg_ctl/parameters/time_policy
	tap_is "$(cat /sys/module/pvg_ctl/parameters/time_policy)" $policy "time_policy shows $policy after it was written"
done
tap_fails "time_policy refuses an unknown word" \
	eval 'echo sideways > /sys/module/pvg_ctl/parameters/time_policy'

# Hosts that are killed at any moment, and the next is served.
for _ in {1..20}; do
	"$PVHOST" -t 5 ping -c 1000 -i 0 > /dev/null 2>&1 &
	sleep "0.0$((RANDOM % 10))"
	kill -9 $!
	wait $!
done 2> /dev/null
tap_check "a host is served after 20 that were killed" host status
# And one that speaks something else.
seeded_bytes 300000 > "$PVHOST_SOCKET"
tap_check "a host is served after 300 kB of noise" host status

# A guest that lets the host neither stop it nor see or set its clock.
tap_is "$(cat /sys/module/pvg_ctl/parameters/host_requests)" Y "host_requests is Y by default"
echo 0 > /sys/module/pvg_ctl/parameters/host_requests
tap_is "$(host_value status shutdown) $(host_value status reboot)" "denied denied" \
	"with host_requests=0 shutdown and reboot are denied"
tap_fails "with host_requests=0 the time is denied" host time -n
tap_check "with host_requests=0 the status is answered" host status
echo 1 > /sys/module/pvg_ctl/parameters/host_requests

# Down, but not quite.
printf '#!/bin/sh\ntouch %s/off\n' "$TMP" > "$TMP/poweroff"
chmod +x "$TMP/poweroff"
echo "$TMP/poweroff" > /proc/sys/kernel/poweroff_cmd
mark=$(kmsg_mark)
tap_check "shutdown is accepted" host shutdown
tap_check "shutdown runs poweroff_cmd in user space" wait_for 40 test -e "$TMP/off"
tap_is "$(host_value stopping status)" true "status: stopping after the shutdown"
tap_is "$(host_value status reboot)" busy "a reboot during the shutdown is refused as busy"
tap_check "the log says that the host asked for the shutdown" kmsg_has "pvg_ctl: the host asked for a shutdown" "$mark"
tap_done

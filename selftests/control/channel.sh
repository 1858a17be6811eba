#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's services over the control channel, with no daemon in the guest.

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

tap_check "ping" host ping -c 5 -i 10
tap_is "$(host_value release status)" "$(uname -r)" "status: the kernel's release"
tap_is "$(host_value daemon status)" false "status: no daemon"
tap_is "$(host_value software status)" "$(modinfo -F version pvg_ctl | sed 's/^/pvg_ctl /')" \
	"status: who answers"
read -r uptime _ < /proc/uptime
tap_num "$(host_value uptime_ms status) >= $uptime * 1000" "status: the uptime"
tap_is "$(host_value boot_id status)" "$(host_value boot_id status)" \
	"status: one boot has one id"
tap_check "heartbeats come" host watch -c 3

# Nobody else has the port.
tap_fails "the kernel's port cannot be opened" dd if="$PORT" of=/dev/null count=1
# Whoever has the device open is the daemon.
exec 6<> /dev/pvg_control
tap_is "$(host_value daemon status)" true "status: a daemon is attached"
exec 6>&-
tap_is "$(host_value daemon status)" false "and gone"

# The time. Both are the same clock here: set back, it does not fit to itself; so
# the host's word is what a shifted pvhost says.
host time -n > "$TMP/time"
tap_is $? 0 "time: the offset"
# Where the answer took a second to get, the difference may be just that.
for _ in {1..10}; do
	start=${EPOCHREALTIME/./}
	action=$(host_value action time -n)
	if [ "$action" = none ] || [ $((${EPOCHREALTIME/./} - start)) -lt 1000000 ]; then
		break
	fi
done
tap_is "$action" none "time: nothing to correct"
tap_is "$(cat /sys/module/pvg_ctl/parameters/time_policy)" forward "time_policy: the default"
for policy in off both forward; do
	echo $policy > /sys/module/pvg_ctl/parameters/time_policy
	tap_is "$(cat /sys/module/pvg_ctl/parameters/time_policy)" $policy "time_policy: $policy"
done
tap_fails "time_policy: nothing else" \
	eval 'echo sideways > /sys/module/pvg_ctl/parameters/time_policy'

# Hosts that are killed at any moment, and the next is served.
for _ in {1..20}; do
	"$PVHOST" -t 5 ping -c 1000 -i 0 > /dev/null 2>&1 &
	sleep "0.0$((RANDOM % 10))"
	kill -9 $!
	wait $!
done 2> /dev/null
tap_check "after 20 hosts that were killed" host status
# And one that speaks something else.
head -c 300000 /dev/urandom > "$PVHOST_SOCKET"
tap_check "after 300 kB of noise" host status

# Down, but not quite.
printf '#!/bin/sh\ntouch %s/off\n' "$TMP" > "$TMP/poweroff"
chmod +x "$TMP/poweroff"
echo "$TMP/poweroff" > /proc/sys/kernel/poweroff_cmd
mark=$(kmsg_mark)
tap_check "shutdown" host shutdown
tap_check "user space is asked to" wait_for 40 test -e "$TMP/off"
tap_is "$(host_value stopping status)" true "status: on its way"
tap_is "$(host_value status reboot)" busy "no second one meanwhile"
tap_check "the log says who asked" kmsg_has "pvg_ctl: the host asked for a shutdown" "$mark"
tap_done

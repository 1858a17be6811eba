# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The control channel, from the host's side: the port that the kernel has taken
# is connected with pvg.controlhost, at which pvhost plays the host. Sourced
# after tap.sh and ctl.sh.

PVHOST=../../tools/pvhost

# channel_need: the kernel has the port of the control channel, and the test its other
# end.
channel_need()
{
	local vport

	ctl_begin
	ctl_need org.pvguest.control.0
	vport=$(ctl_wait pvg.controlhost) ||
		tap_absent "there is no port with the name pvg.controlhost"
	export PVHOST_SOCKET=/dev/$vport
}

# host VERB...: pvhost
host()
{
	"$PVHOST" -t 60 "$@"
}

# host_value NAME VERB...: a value of the JSON that a verb prints
host_value()
{
	"$PVHOST" -t 60 -j "${@:2}" 2> /dev/null | jq -r ".$1"
}

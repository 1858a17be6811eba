# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Counts doorbells where they leave the guest: a kprobe on the PCI transport's
# notify function, read through kprobe_profile. It sees every virtio-pci device,
# so count while the others are quiet. The probe makes each doorbell slower:
# never time anything while it is enabled.

DOORBELLS_TRACEFS=/sys/kernel/tracing
DOORBELLS_EVENT=pvg_doorbells/notify

# doorbells_symbol: vp_notify, qualified if the transport is a module (on newer
# kernels it is built in).
doorbells_symbol()
{
	if grep -q ' vp_notify[[:space:]]*\[virtio_pci\]' /proc/kallsyms; then
		echo virtio_pci:vp_notify
	else
		echo vp_notify
	fi
}

# doorbells_define: the probe, not yet in place. Slow, as it looks up a symbol.
doorbells_define()
{
	mountpoint -q "$DOORBELLS_TRACEFS" || mount -t tracefs none "$DOORBELLS_TRACEFS" || return 1
	echo "p:$DOORBELLS_EVENT $(doorbells_symbol)" >> "$DOORBELLS_TRACEFS/kprobe_events" || return 1
	# Only the counting is wanted: with tracing off nothing fills the buffer.
	echo 0 > "$DOORBELLS_TRACEFS/tracing_on"
}

# doorbells_on, doorbells_off: put the probe in place, and take it out.
doorbells_on()
{
	echo 1 > "$DOORBELLS_TRACEFS/events/$DOORBELLS_EVENT/enable"
}

doorbells_off()
{
	echo 0 > "$DOORBELLS_TRACEFS/events/$DOORBELLS_EVENT/enable"
}

doorbells_start()
{
	doorbells_define && doorbells_on
}

# doorbells_count: sets DOORBELLS to the hits so far, without any process.
doorbells_count()
{
	local name hits

	DOORBELLS=
	while read -r name hits _; do
		[ "$name" != "${DOORBELLS_EVENT#*/}" ] || DOORBELLS=$hits
	done < "$DOORBELLS_TRACEFS/kprobe_profile"
	[ -n "$DOORBELLS" ]
}

doorbells_stop()
{
	[ -e "$DOORBELLS_TRACEFS/events/$DOORBELLS_EVENT" ] || return 0
	doorbells_off
	echo "-:$DOORBELLS_EVENT" >> "$DOORBELLS_TRACEFS/kprobe_events"
	echo 1 > "$DOORBELLS_TRACEFS/tracing_on"
}

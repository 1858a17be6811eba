#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Moving devices between the in-tree driver and ours with pvguest-takeover: what
# it does, what it refuses, and what udev's rule would have it do.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh

TAKEOVER=../../scripts/takeover/pvguest-takeover
TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
tap_at_exit ctl_claim
export PVGUEST_TAKEOVER_CONF=$TMP/conf

# works NAME NAME: a line goes through.
works()
{
	local from to

	from=$(ctl_wait_host "$1") && to=$(ctl_wait_host "$2") || return 1
	echo "through $from" > "/dev/$from" &
	timeout 60 head -n 1 "/dev/$to" | grep -q "through $from"
}

# has_console VIRTIO: the in-tree driver, which has just got it, knows.
has_console()
{
	"$TAKEOVER" status | grep -q "^$1 driver=virtio_console uses=.*console"
}

configure()
{
	printf '%s\n' "$@" > "$PVGUEST_TAKEOVER_CONF"
}

# auto VIRTIO WANTED WHAT: what the rule does, and which driver has the device then.
auto()
{
	"$TAKEOVER" auto "$1"
	tap_is "$(virtio_driver "$1")" "$2" "auto: $3"
}

need_root
modprobe virtio_console 2> /dev/null
[ -e "$VIRTIO_BUS/drivers/virtio_console" ] || tap_absent "this kernel has no driver virtio_console"
ctl_begin
ctl_need pvg.pka
plain=$VIRTIO
ctl_need pvg.noa
other=$VIRTIO
ctl_need pvg.a
mine=$VIRTIO
withcon=
for device in "$VIRTIO_BUS/drivers/$CTL_DRIVER"/virtio*; do
	device=${device##*/}
	case $device in
	"$plain" | "$other" | "$mine") ;;
	*) withcon=$device ;;
	esac
done

# ---- there and back ---------------------------------------------------------

tap_check "release: exits with 0" "$TAKEOVER" release "$plain"
tap_is "$(virtio_driver "$plain")" virtio_console "release: the in-tree driver has the device"
tap_check "release: a line passes between ports of the device" works pvg.pka pvg.pkb
tap_is "$("$TAKEOVER" status | grep -c "^$plain driver=virtio_console uses=none ports=pvg.pk")" 1 \
	"status: names the in-tree driver and the ports of the released device"
tap_check "take: exits with 0" "$TAKEOVER" take "$plain"
tap_is "$(virtio_driver "$plain")" pvg_ctl "take: pvg_ctl has the device"
tap_check "take: a line passes between ports of the device" works pvg.pka pvg.pkb
tap_check "take: exits with 0 for a device that pvg_ctl has" "$TAKEOVER" take "$plain"
tap_is "$(virtio_driver "$plain")" pvg_ctl "take: pvg_ctl keeps a device that it has"
tap_fails "take: refuses the name of a device that does not exist" "$TAKEOVER" take virtio999
tap_fails "take: refuses to run without a device" "$TAKEOVER" take

# ---- what is not taken ------------------------------------------------------

tap_check "release: exits with 0 for a device with a console" "$TAKEOVER" release "$withcon"
tap_check "status: names the console of the released device" wait_for 60 has_console "$withcon"
tap_fails "take: refuses a device with a console" "$TAKEOVER" take "$withcon"
configure TAKEOVER=all
auto "$withcon" virtio_console \
	"a device with a console stays where it is with TAKEOVER=all"
configure TAKEOVER=all CONSOLE=yes
auto "$withcon" pvg_ctl \
	"a device with a console is taken with TAKEOVER=all CONSOLE=yes"
tap_check "release: exits with 0 for a device with a console that udev's rule took" \
	"$TAKEOVER" release "$withcon"
wait_for 60 has_console "$withcon"
tap_check "take: --console takes a device with a console" "$TAKEOVER" --console take "$withcon"

tap_check "release: exits with 0 for a second device" "$TAKEOVER" release "$other"
exec 7<> "/dev/$(ctl_wait pvg.noa)"
tap_fails "take: refuses a device with an open port" "$TAKEOVER" take "$other"
tap_is "$(virtio_driver "$other")" virtio_console "a device with an open port stays where it is"
tap_check "take: --force takes a device with an open port" "$TAKEOVER" --force take "$other"
exec 7>&-
exec 7<> "/dev/$(ctl_wait pvg.noa)"
tap_fails "release: refuses a device with an open port" "$TAKEOVER" release "$other"
exec 7>&-
tap_check "release: exits with 0 once the port is closed" "$TAKEOVER" release "$other"
ctl_wait pvg.noa > /dev/null

# ---- udev's rule ------------------------------------------------------------

rm -f "$PVGUEST_TAKEOVER_CONF"
auto "$other" virtio_console "a device without the control port stays where it is"
configure TAKEOVER=none 'PORTS="pvg.noa"'
auto "$other" virtio_console "a device with a port in PORTS stays where it is with TAKEOVER=none"
configure 'PORTS="pvg.pka pvg.noa"'
auto "$other" pvg_ctl "a device with a port in PORTS is taken"
tap_check "a line passes between ports of a device that udev's rule took" works pvg.noa pvg.nob
configure TAKEOVER=sometimes
"$TAKEOVER" release "$other"
tap_fails "auto: refuses a configuration with an unknown word" "$TAKEOVER" auto "$other"

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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

# auto VIRTIO WANTED WHAT: what the rule does, and who has the device then.
auto()
{
	"$TAKEOVER" auto "$1"
	tap_is "$(virtio_driver "$1")" "$2" "auto: $3"
}

modprobe virtio_console 2> /dev/null
[ -e "$VIRTIO_BUS/drivers/virtio_console" ] || tap_skip_all "this kernel has no virtio_console"
tap_check "devices are bound to $CTL_DRIVER" ctl_claim
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

tap_check "a device is released" "$TAKEOVER" release "$plain"
tap_is "$(virtio_driver "$plain")" virtio_console "the in-tree driver has it"
tap_check "and its ports work" works pvg.pka pvg.pkb
tap_is "$("$TAKEOVER" status | grep -c "^$plain driver=virtio_console uses=none ports=pvg.pk")" 1 \
	"status says so"
tap_check "it is taken" "$TAKEOVER" take "$plain"
tap_is "$(virtio_driver "$plain")" pvg_ctl "we have it"
tap_check "and its ports work again" works pvg.pka pvg.pkb
tap_check "taking it again changes nothing" "$TAKEOVER" take "$plain"
tap_fails "a device that is none is refused" "$TAKEOVER" take virtio999
tap_fails "no device at all, too" "$TAKEOVER" take

# ---- what is not taken ------------------------------------------------------

tap_check "a device with a console is released" "$TAKEOVER" release "$withcon"
tap_check "and is known to have one" wait_for 60 has_console "$withcon"
tap_fails "it is not taken without being asked" "$TAKEOVER" take "$withcon"
configure TAKEOVER=all
auto "$withcon" virtio_console "nor by udev"
configure TAKEOVER=all CONSOLE=yes
auto "$withcon" pvg_ctl "but if it is configured"
tap_check "it is released again" "$TAKEOVER" release "$withcon"
wait_for 60 has_console "$withcon"
tap_check "and taken with --console" "$TAKEOVER" --console take "$withcon"

tap_check "another is released" "$TAKEOVER" release "$other"
exec 7<> "/dev/$(ctl_wait pvg.noa)"
tap_fails "a device with an open port is not taken" "$TAKEOVER" take "$other"
tap_is "$(virtio_driver "$other")" virtio_console "and stays where it is"
tap_check "unless by force" "$TAKEOVER" --force take "$other"
exec 7>&-
exec 7<> "/dev/$(ctl_wait pvg.noa)"
tap_fails "nor is one released" "$TAKEOVER" release "$other"
exec 7>&-
tap_check "before it is closed" "$TAKEOVER" release "$other"
ctl_wait pvg.noa > /dev/null

# ---- udev's rule ------------------------------------------------------------

rm -f "$PVGUEST_TAKEOVER_CONF"
auto "$other" virtio_console "without the control port, nothing happens"
configure TAKEOVER=none 'PORTS="pvg.noa"'
auto "$other" virtio_console "nor if it is off"
configure 'PORTS="pvg.pka pvg.noa"'
auto "$other" pvg_ctl "a port that is named has its device taken"
tap_check "which works" works pvg.noa pvg.nob
configure TAKEOVER=sometimes
"$TAKEOVER" release "$other"
tap_fails "a configuration that makes no sense is refused" "$TAKEOVER" auto "$other"

tap_done

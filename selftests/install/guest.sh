# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Run in a guest by run-host.sh at the end of its boot: facts, one a line, as
# "name value", then what pvguest doctor says and returns, then what the host
# added below.

BUS=/sys/bus/virtio/devices

# udev moves devices where the in-tree driver is built in, which may be later than this.
udevadm settle --timeout=120
# The network comes up by itself, but not at once.
for _ in {1..240}; do
	! ip route | grep -q '^default' || break
	sleep 0.5
done

echo "kernel $(uname -r)"
echo "root $(readlink -f "$(findmnt -nro SOURCE /)")" # which may be the name it was given
for virtio in "$BUS"/virtio*; do
	driver=$(readlink "$virtio/driver")
	echo "device $(cat "$virtio/device") ${virtio##*/} ${driver##*/}"
	for disk in "$virtio"/block/*; do
		[ ! -e "$disk" ] || echo "disk ${disk##*/} $(cat "$disk/serial") ${driver##*/}"
	done
done
for link in /dev/disk/by-id/virtio-* /dev/disk/by-uuid/* /dev/disk/by-label/* /dev/virtio-ports/*; do
	[ ! -e "$link" ] || echo "link ${link#/dev/} $(readlink "$link" | sed 's,.*/,,')"
done
if ping -q -c 1 -w 60 10.0.2.2 > /dev/null 2>&1; then
	echo "network works"
else
	echo "network none"
	ip addr
fi
[ ! -e /dev/virtio-ports/test.0 ] || echo "hello from the guest" > /dev/virtio-ports/test.0
echo "failed $(systemctl --failed --plain --no-legend | awk '{ print $1 }' | xargs)"
echo "boot $(awk '{ print $1 }' /proc/uptime) $(systemd-analyze 2> /dev/null | head -n 1)"
if [ -x /usr/sbin/pvguest ]; then
	pvguest doctor > /run/doctor 2>&1
	echo "doctor $?"
	sed 's/^/doctor: /' /run/doctor
fi
dmesg | grep -E 'pvg_|pvguest|virtio_(blk|net)|rejected' | sed 's/^/dmesg: /'

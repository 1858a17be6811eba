# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the block tests share: finding disks by their serial, moving a device
# between drivers, reading the moderation counters. Sourced after tap.sh.
#
# Tests know disks by serial, never by name, because names depend on the order
# of discovery: see selftests/block/devices for the serials.

# shellcheck source=guest.sh
. "${BASH_SOURCE[0]%/*}/guest.sh"

BLK_DRIVER=${PVG_DRIVER:-pvg_blk}

# blk_find SERIAL: prints the disk's name (vdX), or fails.
blk_find()
{
	local dir serial

	for dir in /sys/block/vd*; do
		serial=
		[ ! -r "$dir/serial" ] || read -r serial 2> /dev/null < "$dir/serial" || true
		if [ "$serial" = "$1" ]; then
			echo "${dir##*/}"
			return 0
		fi
	done
	return 1
}

# blk_wait SERIAL [SECONDS]: blk_find, waiting for the disk to appear.
blk_wait()
{
	wait_for "${2:-20}" blk_find "$1" && blk_find "$1"
}

blk_lacks()
{
	! blk_find "$1" > /dev/null
}

# blk_wait_gone SERIAL [SECONDS]
blk_wait_gone()
{
	wait_for "${2:-20}" blk_lacks "$1"
}

# blk_virtio DISK: prints the virtio device (virtioN) behind the disk.
blk_virtio()
{
	local link

	link=$(readlink -f "/sys/block/$1/device") || return 1
	echo "${link##*/}"
}

# blk_need SERIAL: sets DISK, DEV and VIRTIO, and asserts that the driver under
# test is the one that drives it. A disk that is absent ends the test: see tap_absent.
blk_need()
{
	need_root
	test_seed
	DISK=$(blk_find "$1") || tap_absent "there is no disk with the serial $1"
	VIRTIO=$(blk_virtio "$DISK")
	# shellcheck disable=SC2034 # for the caller
	DEV=/dev/$DISK
	tap_is "$(virtio_driver "$VIRTIO")" "$BLK_DRIVER" "$1: driven by $BLK_DRIVER"
}

# blk_declared: the serials of the disks with sectors of 512 bytes that keep what is
# written to them, as selftests/block/devices has them.
blk_declared()
{
	awk '
		function value(name) {
			if (!match($0, "[ ,]" name "=[^, ]*"))
				return ""
			return substr($0, RSTART + length(name) + 2, RLENGTH - length(name) - 2)
		}
		/^qemu -blockdev/ && value("driver") == "file" && value("read-only") != "on" {
			keeps[value("node-name")] = 1
		}
		/^qemu -blockdev/ && value("file") in keeps { keeps[value("node-name")] = 1 }
		/^qemu -device virtio-blk-pci/ && value("drive") in keeps && !/logical_block_size/ {
			print value("serial")
		}
	' "${BASH_SOURCE[0]%/*}/../block/devices"
}

# blk_disks: those of them that are there now, or the one that the lab gives by default.
blk_disks()
{
	local serial

	for serial in $(blk_declared) pvgtest; do
		! blk_find "$serial" > /dev/null || echo "$serial"
	done
}

# blk_all_there: the disks of blk_declared are.
blk_all_there()
{
	[ "$(blk_disks | xargs)" = "$(blk_declared | xargs)" ]
}

# blk_need_disks: sets DISKS to blk_disks. Under selftests/vm these are the disks that
# the suite's `devices` file declares: each kind of ring is among them, and a loop over
# DISKS leaves none out.
blk_need_disks()
{
	need_root
	[ -z "${PVG_QMP:-}" ] || wait_for 20 blk_all_there
	mapfile -t DISKS < <(blk_disks)
	[ "${#DISKS[@]}" -gt 0 ] || tap_absent "there is no disk that keeps what is written to it"
	[ -n "${PVG_QMP:-}" ] || return 0
	tap_is "${DISKS[*]}" "$(blk_declared | xargs)" \
		"the disks that keep their data are those of block/devices"
}

# blk_stats VIRTIO: `name value` per counter, summed over the device's queues.
blk_stats()
{
	cat "$DEBUGFS/pvguest/$1"/*/stats | awk -F': *' '
		$2 ~ /^[0-9]+$/ { sum[$1] += $2 }
		END { for (name in sum) print name, sum[name] }'
}

# blk_stat VIRTIO NAME: one counter; fails if there is none of that name.
blk_stat()
{
	blk_stats "$1" | awk -v name="$2" '
		$1 == name { print $2; found = 1 }
		END { exit !found }'
}

# blk_stats_load VIRTIO: the counters into the associative array STAT.
blk_stats_load()
{
	local name value

	declare -gA STAT=()
	while read -r name value; do
		# shellcheck disable=SC2034 # for the caller
		STAT[$name]=$value
	done < <(blk_stats "$1")
}

blk_stats_reset()
{
	local file

	for file in "$DEBUGFS/pvguest/$1"/*/stats; do
		echo 0 > "$file"
	done
}

# blk_moderate VIRTIO POLICY [FRAMES USECS]
blk_moderate()
{
	local dir=$VIRTIO_BUS/devices/$1/moderation

	[ $# -lt 4 ] || { echo "$3" > "$dir/frames" && echo "$4" > "$dir/usecs"; }
	echo "$2" > "$dir/policy"
}

# blk_moderation_keep VIRTIO: put the moderation back when the test ends.
blk_moderation_keep()
{
	local dir=$VIRTIO_BUS/devices/$1/moderation frames usecs policy

	read -r frames < "$dir/frames"
	read -r usecs < "$dir/usecs"
	policy=$(sed 's/.*\[\(.*\)\].*/\1/' "$dir/policy")
	tap_at_exit blk_moderate "$1" "$policy" "$frames" "$usecs"
}

# blk_irqs VIRTIO: interrupts the kernel has counted for the request queues.
blk_irqs()
{
	awk -v name="^$1-req" '
		$NF ~ name { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i }
		END { print sum + 0 }' /proc/interrupts
}

# blk_ios DISK: requests completed since the disk appeared, of every kind.
blk_ios()
{
	awk '{ print $1 + $5 + $12 + $16 }' "/sys/block/$1/stat"
}

# blk_fio DEVICE OPTION...: one direct fio job, random by the test's SEED; JSON on
# stdout. It must not make a file of the disk's name where the disk has gone.
blk_fio()
{
	local dev=$1

	shift
	fio --name=t --filename="$dev" --allow_file_create=0 --direct=1 \
		--ioengine=libaio --norandommap --randseed="$SEED" --output-format=json "$@"
}

# blk_load OUTPUT DEVICE OPTION...: fio in the background until it is signalled
# or has an error. LOAD_PID is fio itself. Returns once requests are flowing.
blk_load()
{
	local output=$1 dev=$2 disk=${2##*/} deadline=$((SECONDS + 60)) before

	shift 2
	before=$(blk_ios "$disk")
	behind fio --name=t --filename="$dev" --allow_file_create=0 --direct=1 \
		--ioengine=libaio --norandommap --randseed="$SEED" --thread --time_based \
		--runtime=900 --output-format=json "$@" > "$output" 2>&1 &
	LOAD_PID=$!
	tap_at_exit _blk_load_kill "$LOAD_PID"
	until [ "$(blk_ios "$disk")" -gt $((before + 32)) ]; do
		if [ "$SECONDS" -ge "$deadline" ] || ! kill -0 "$LOAD_PID"; then
			tap_not_ok "fio completes more than 32 requests on $disk within 60 s" \
				"$(($(blk_ios "$disk") - before)) requests"
			return 1
		fi
		sleep 0.05
	done
}

_blk_load_kill()
{
	kill -KILL "$1" 2> /dev/null
}

# blk_load_ended [SECONDS]: wait until the load is over; fails if it is still
# there. A lost completion keeps fio for ever, so nothing here may simply `wait`
# for it.
blk_load_ended()
{
	local task

	! wait_for "${1:-60}" is_over "$LOAD_PID" || return 0
	echo "fio is still there:"
	for task in "/proc/$LOAD_PID/task"/*; do
		echo "${task##*/}: $(cat "$task/stack")"
	done
	return 1
}

# blk_load_status: how fio ended: 0 or, when it was stopped by a signal, 128;
# anything else is I/O errors.
blk_load_status()
{
	wait "$LOAD_PID"
}

# blk_plug: the host is asked for the disk of the serial number pvghot; blk_unplug: to take
# it away again.
blk_plug()
{
	echo '@qmp {"execute": "device_add", "arguments": {"driver": "virtio-blk-pci",' \
		'"drive": "hot", "serial": "pvghot", "id": "hot-dev",' \
		'"bus": "hot-port"}}'
}

blk_unplug()
{
	echo '@qmp {"execute": "device_del", "arguments": {"id": "hot-dev"}}'
}

# blk_gives DEV [BLOCKS [SECONDS]]: a read from the device gets something, and no error. A
# disk that is dead has no size on newer kernels, so that a read ends without an error there.
blk_gives()
{
	local got

	got=$(set -o pipefail
		timeout "${3:-20}" dd if="$1" bs=4k count="${2:-1}" iflag=direct status=none \
			2> /dev/null | wc -c) && [ "$got" -gt 0 ]
}

# blk_rw DEVICE: write a fresh pattern, read it back.
blk_rw()
{
	local dev=$1 tmp=${TMPDIR:-/tmp}/blk_rw.$$

	dd if=/dev/urandom of="$tmp" bs=4096 count=16 2> /dev/null &&
		dd if="$tmp" of="$dev" bs=4096 count=16 oflag=direct conv=nocreat,fsync \
			2> /dev/null &&
		dd if="$dev" bs=4096 count=16 iflag=direct 2> /dev/null | cmp - "$tmp"
	local status=$?
	rm -f "$tmp"
	return "$status"
}

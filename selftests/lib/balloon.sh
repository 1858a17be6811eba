# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the balloon tests share: asking the host, setting a target and waiting
# for it, the driver's counters. Sourced after tap.sh and blk.sh.

BALLOON_DRIVER=${PVG_DRIVER:-pvg_balloon}
MIB=$((1024 * 1024))
ASKED=0
BALLOON_DEVICES=${BASH_SOURCE[0]%/*}/../balloon/devices
# What the kernel may keep to itself meanwhile; KASAN keeps freed memory.
# shellcheck disable=SC2034 # for the caller
if is_slow; then
	SLACK=$((128 * MIB))
	USE_SECONDS=400
else
	SLACK=$((24 * MIB))
	USE_SECONDS=100
fi

# ask qmp COMMAND | ask rss: the host's answer; fails if there is none.
ask()
{
	local disk deadline=$((SECONDS + 30)) id line

	ASKED=$((ASKED + 1))
	# In a subshell ASKED does not count on. Not RANDOM, whose sequence is the test's.
	id=$$-$ASKED-$SRANDOM
	disk=$(blk_wait pvganswers) || return 1
	echo "@ask $id $*" >&3
	while [ "$SECONDS" -lt "$deadline" ]; do
		line=$(dd if="/dev/$disk" bs=16384 count=1 iflag=direct 2> /dev/null |
			tr -d '\0')
		if [ "${line%% *}" = "$id" ]; then
			echo "${line#* }"
			return
		fi
		sleep 0.05
	done
	return 1
}

# field NAME JSON: the number that belongs to the name.
field()
{
	sed -n "s/.*\"$1\": *\\([0-9][0-9]*\\).*/\\1/p" <<< "$2"
}

# host_rss: bytes of the host's memory that the guest's memory has.
host_rss()
{
	echo $(($(field rss-kib "$(ask rss)") * 1024))
}

# qmp COMMAND: to the host, without waiting for the answer.
qmp()
{
	echo "@qmp $1" >&3
}

# balloon_find: sets VIRTIO, BALLOON (its directory) and PAGE (bytes).
balloon_find()
{
	local dir

	for dir in "$VIRTIO_BUS"/devices/virtio*; do
		[ "$(< "$dir/device")" = 0x0005 ] || continue
		VIRTIO=${dir##*/}
		BALLOON=$(readlink -f "$dir")/balloon
		# shellcheck disable=SC2034 # for the caller
		PAGE=$(getconf PAGESIZE 2> /dev/null || echo 4096)
		return 0
	done
	return 1
}

balloon_bound()
{
	balloon_find && [ "$(virtio_driver "$VIRTIO")" = "$BALLOON_DRIVER" ]
}

# balloon_gone: its driver has let go, too, which is after the bus lost it.
balloon_gone()
{
	! balloon_find && [ ! -e "${BALLOON%/*}" ]
}

# balloon_offers PROPERTY WHERE: "on" or "off", as WHERE, which is text for QEMU, has it.
balloon_offers()
{
	case $2 in
	*"$1=on"* | *"\"$1\": true"*) echo on ;;
	*) echo off ;;
	esac
}

# balloon_features WHERE: "property=on" or "property=off" of each of QEMU's properties
# that are features, as WHERE has them.
balloon_features()
{
	local name

	for name in deflate-on-oom free-page-hint page-poison free-page-reporting; do
		echo "$name=$(balloon_offers $name "$1")"
	done
}

# balloon_negotiated: the same of what the driver has negotiated.
balloon_negotiated()
{
	local bits rule

	read -r bits < "$VIRTIO_BUS/devices/$VIRTIO/features"
	for rule in deflate-on-oom:2 free-page-hint:3 page-poison:4 free-page-reporting:5; do
		echo "${rule%:*}=$([ "${bits:${rule#*:}:1}" = 1 ] && echo on || echo off)"
	done
}

# balloon_as WHAT WHERE [BUT]: the driver has the features that WHERE has. QEMU offers
# page-poison unless told otherwise; whether the driver takes it depends on the kernel.
balloon_as()
{
	tap_is "$(balloon_negotiated | grep -v "page-poison\|${3:-page-poison}" | xargs)" \
		"$(balloon_features "$2" | grep -v "page-poison\|${3:-page-poison}" | xargs)" "$1"
}

# The properties of the last balloon that a test of this VM plugged.
BALLOON_PLUGGED=/run/pvg-balloon-plugged

# balloon_need: there are the balloon that `devices` lists, with its features, and a host
# that sets targets. Their absence where selftests/vm supplies them is a failure.
balloon_need()
{
	[ -n "${PVG_QMP:-}" ] || tap_absent "no host sets a target"
	wait_for 10 balloon_find || tap_absent "there is no balloon"
	tap_check "the driver of the balloon is $BALLOON_DRIVER" wait_for 10 balloon_bound || tap_done
	if [ -e "$BALLOON_PLUGGED" ]; then
		balloon_as "the balloon has the features with which a test before plugged it" \
			"$(cat "$BALLOON_PLUGGED")"
	else
		balloon_as "the balloon has the features that selftests/balloon/devices lists" \
			"$(grep '^qemu -device virtio-balloon' "$BALLOON_DEVICES")"
	fi
	RAM=$(field base-memory "$(ask qmp '{"execute": "query-memory-size-summary"}')")
	tap_num "${RAM:-0} >= 256 * $MIB" "the host says how much memory the guest has" || tap_done
}

# balloon_plug [PROPERTIES]: the next balloon, with these properties of QEMU's, a
# JSON object's without the braces.
balloon_plug()
{
	local try

	if balloon_find; then
		qmp '{"execute": "device_del", "arguments": {"id": "balloon"}}'
		wait_for 30 balloon_gone || return 1
	fi
	# QEMU refuses the name until it has seen the guest let go of the old one.
	for try in 1 2 3 4 5 6; do
		qmp '{"execute": "device_add", "arguments": {"driver": "virtio-balloon-pci", '"\
"'"id": "balloon", "bus": "balloon-port"'"${1:+, $1}"'}}'
		if wait_for $((2 * try)) balloon_find; then
			printf '%s\n' "${1:-}" > "$BALLOON_PLUGGED"
			wait_for 20 balloon_bound
			return
		fi
	done
	return 1
}

# balloon_new WHAT [PROPERTIES [BUT]]: asserts that, and that the driver takes all these
# features BUT those whose names have that in them; the test cannot go on without it.
balloon_new()
{
	tap_check "$1 is plugged and bound" balloon_plug "${2:-}" || tap_done
	balloon_find
	balloon_as "$1 has the features that QEMU was told" "${2:-}" "${3:-}"
}

# whole BYTES: less what is not a range of 4 MiB.
whole()
{
	echo $(($1 - $1 % (4 * MIB)))
}

# balloon_set BYTES: how large it shall be.
balloon_set()
{
	qmp '{"execute": "balloon", "arguments": {"value": '$((RAM - $1))'}}'
}

balloon_actual()
{
	cat "$BALLOON/actual"
}

# balloon_is BYTES: and the driver has nothing left to do, nor to wait for.
balloon_is()
{
	local name

	[ "$(balloon_actual)" = "$1" ] || return
	for name in entering leaving untold; do
		[ "$(balloon_stat ${name}_pages)" = 0 ] || return
	done
}

# balloon_to BYTES [SECONDS]: set, and wait until it is so.
balloon_to()
{
	balloon_set "$1"
	wait_for "${2:-60}" balloon_is "$1"
}

# fake_balloon WHAT PARAMETER...: a device of fake.sh that the driver takes, whose files
# VIRTIO and BALLOON name; WHAT is what the checks call it. The test cannot go on without.
fake_balloon()
{
	tap_check "$1 is made" fake balloon "${@:2}" || tap_done
	BALLOON=$(echo /sys/devices/pvg_fakehost/virtio*/balloon)
	VIRTIO=${BALLOON%/balloon}
	VIRTIO=${VIRTIO##*/}
	tap_check "$1 is bound" wait_for 10 test -e "$BALLOON" || tap_done
}

# fake_target BYTES: what that device wants.
fake_target()
{
	echo $(($1 / 4096)) > "$FAKE/target"
}

# balloon_stat NAME: one value of the debugfs page.
balloon_stat()
{
	awk -v name="$1:" '$1 == name { print $2; found = 1 } END { exit !found }' \
		"$DEBUGFS/pvguest/$VIRTIO/balloon"
}

# host_actual: bytes in the balloon as the host has it.
host_actual()
{
	echo $((RAM - $(field actual "$(ask qmp '{"execute": "query-balloon"}')")))
}

# meminfo NAME: bytes.
meminfo()
{
	awk -v name="$1:" '$1 == name { printf "%.0f\n", $2 * 1024; found = 1 } END { exit !found }' \
		/proc/meminfo
}

# free_memory: bytes. Those that wait on a list of some CPU are free, too: with
# newer kernels these are tens of MiB.
free_memory()
{
	awk -v page="$PAGE" '
		$1 == "nr_free_pages" || $1 == "count:" { sum += $2 }
		END { printf "%.0f\n", sum * page }' /proc/zoneinfo
}

# free_at_least BYTES: fails with what there is. Pages that are just being
# reported to the host are missing for a moment: see wait_for.
free_at_least()
{
	local now

	now=$(free_memory)
	echo "$now are free"
	[ "$now" -ge "$1" ]
}

# tap_free BYTES DESCRIPTION: so much gets free, soon.
tap_free()
{
	if wait_for 20 free_at_least "$1"; then
		tap_ok "$2"
	else
		tap_not_ok "$2" "$(free_memory) are free, not $1"
	fi
}

# reporting_is_over: the kernel has told the host of what is free, for which it takes
# it away for a moment. It begins two seconds after something got free.
reporting_is_over()
{
	local before

	before=$(balloon_stat reported)
	sleep 3
	[ "$(balloon_stat reported)" = "$before" ]
}

# total_is BYTES: so much is counted as memory.
total_is()
{
	[ "$(meminfo MemTotal)" = "$1" ]
}

# host_knows: it has the same size as the guest.
host_knows()
{
	[ "$(host_actual)" = "$(balloon_actual)" ]
}

# seeded BYTES FILE: fills the file, whose size becomes a number of MiB, with what follows
# from the seed.
seeded()
{
	test_seed
	fio --name=seeded --filename="$2" --rw=write --bs=1M --size=$(($1 / MIB))M --ioengine=psync \
		--randseed="$SEED" --refill_buffers --output=/dev/null
}

# use_memory BYTES FILE: of a file system in memory.
use_memory()
{
	timeout $USE_SECONDS head -c "$1" /dev/zero > "$2"
}

# touch_memory: nearly all of free memory, so that the host has to supply it; sets
# TOUCHED to how much it then had. Free pages may be reported as soon as they are.
touch_memory()
{
	local min

	read -r min < /proc/sys/vm/min_free_kbytes
	echo 1024 > /proc/sys/vm/min_free_kbytes
	mount -t tmpfs -o size=100% none /mnt
	use_memory $(($(meminfo MemAvailable) - 24 * MIB)) /mnt/touched
	TOUCHED=$(host_rss)
	umount /mnt
	echo "$min" > /proc/sys/vm/min_free_kbytes
}

# host_gets BYTES: the balloon grows to that size from nothing, and the host must get the
# memory. Some of what the balloon takes may not have been touched before; but
# a kernel that zeroes what it allocates touches all of it in passing, so the
# second time none of it may be left.
host_gets()
{
	local before after

	touch_memory
	before=$TOUCHED
	tap_check "the balloon grows to $(($1 / MIB)) MiB" balloon_to "$1"
	after=$(host_rss)
	tap_num "$before - $after >= 0.75 * $1" \
		"$(($1 / MIB)) MiB in the balloon: the host gets at least 75 % of it from memory in use" \
		"the guest had $((before / MIB)) MiB of the host, now $((after / MIB))"
	balloon_to 0
	before=$(host_rss)
	tap_check "the balloon grows to $(($1 / MIB)) MiB the second time" balloon_to "$1"
	after=$(host_rss)
	tap_num "$after - $before <= 0.01 * $1 + 8 * $MIB" \
		"$(($1 / MIB)) MiB in the balloon the second time: the host keeps none of it for the guest" \
		"the guest had $((before / MIB)) MiB of the host, now $((after / MIB))"
}

# What a test prints inside $( ) must still reach the host.
exec 3>&1

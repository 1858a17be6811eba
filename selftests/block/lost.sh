#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Doorbells and interrupts that are lost, of all four drivers: LOST of each kind, in
# equal parts on eight devices of each driver at the same time, since each takes about
# 50 ms to heal. Every second doorbell of a queue is lost, so that the one of the progress
# guard is heard; and every interrupt. A heal is measured as its user has it: a read of a
# disk, an echo from the network or a port, a balloon that reaches its target. Each has
# lost something, but the first. Half of the devices have the policy off: under the
# adaptive one a timer or a submitter may come before the guard.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

LOST=${PVG_LOST:-160}
DEVICES=8
# What one device loses.
EACH=$(((LOST / 4 + DEVICES - 1) / DEVICES))
# What the machine may add to 100 ms: timers are late, and it has other work.
SLACK_MS=150
! is_slow || SLACK_MS=500
# Who waits longer than this counts as hung.
HUNG_SECONDS=5
OUT=$(mktemp -d)
tap_at_exit rm -rf "$OUT"
exec {NEVER}<> <(:)

# Turns, by which one user of a device sets a buffer in motion and waits for it.

turn_net()
{
	echo >&7 && read -rt "$HUNG_SECONDS" -u 7
}

# By a reader that waits already: one that comes later finds the answer by itself.
turn_console()
{
	echo >&7 && read -rt "$HUNG_SECONDS" -u 8
}

# Empty and 64 KiB in turn, which one request does.
turn_balloon()
{
	local actual deadline=$((SECONDS + HUNG_SECONDS))

	GOAL=$((GOAL ? 0 : 65536))
	echo $((GOAL / 4096)) > "$FAKE_DIR/target"
	while read -r actual < "$PLACE/balloon/actual" && [ "$actual" != "$GOAL" ]; do
		[ "$SECONDS" -le "$deadline" ] || return
		read -rt 0.005 -u "$NEVER"
	done
	[ "$actual" = "$GOAL" ]
}

# open_KIND N: what the turns of device N need.

open_net()
{
	local dev

	dev=$(ls "$PLACE/net")
	sysctl -q "net.ipv6.conf.$dev.disable_ipv6=1" 2> /dev/null
	ip addr replace "10.9.$((40 + $1)).2/24" dev "$dev" && ip link set "$dev" up &&
		ip neigh replace "10.9.$((40 + $1)).1" nud permanent dev "$dev" \
			lladdr 02:00:00:00:00:14 &&
		exec 7<> "/dev/udp/10.9.$((40 + $1)).1/9"
}

open_console()
{
	local virtio=${PLACE##*/}
	local port=/dev/vport${virtio#virtio}p0

	wait_for 20 test -c "$port" && exec 7<> "$port" || return
	# Before that there is nothing to wait for, but the end of the file.
	wait_for 20 grep -q host=connected "$DEBUGFS/pvguest/$virtio/ports" || return
	exec 8< <(exec cat <&7)
	READER=$!
}

open_balloon()
{
	GOAL=0
	wait_for 10 test -e "$PLACE/balloon/actual"
}

# fake_dir N: where device N has its files.
fake_dir()
{
	if [ "$1" = 0 ]; then
		echo "$FAKE"
	else
		echo "$FAKE/$1"
	fi
}

# lost: what the device of FAKE_DIR has lost, of both; without another process.
lost()
{
	local name value sum=0

	while read -r name value; do
		[[ $name != lost_* ]] || sum=$((sum + value))
	done < "$FAKE_DIR/state"
	echo "$sum"
}

# user KIND N: turns of one device, until EACH are lost. Prints how many hung, and the
# longest in microseconds.
user()
{
	local n begin took goal worst=0 hung=0

	READER=
	PLACE=${PLACES[$2]}
	FAKE_DIR=$(fake_dir "$2")
	[ $(($2 % 2)) = 0 ] || blk_moderate "${PLACE##*/}" off
	"open_$1" "$2" || { echo "no 0"; return; }
	# One without a fault, so that what is set up at first use is there.
	"turn_$1"
	echo "$FAULT" > "$FAKE_DIR/fault"
	goal=$(($(lost) + EACH))
	for ((n = 1; n <= EACH * 5 && hung < 3; n++)); do
		[ $((n % 8)) != 0 ] || [ "$(lost)" -lt "$goal" ] || break
		begin=${EPOCHREALTIME//[!0-9]/}
		"turn_$1" || hung=$((hung + 1))
		took=$((${EPOCHREALTIME//[!0-9]/} - begin))
		[ "$took" -le "$worst" ] || worst=$took
	done
	echo "${FAULT% *} 0" > "$FAKE_DIR/fault"
	[ -z "$READER" ] || kill "$READER"
	echo "$hung $worst"
}

# users KIND: all devices, at the same time; into $OUT/N.
users()
{
	local n pids=()

	for ((n = 0; n < DEVICES; n++)); do
		user "$1" "$n" > "$OUT/$n" &
		pids+=($!)
	done
	wait "${pids[@]}"
}

# users_of_disks: the same by fio, whose longest read is in nanoseconds.
users_of_disks()
{
	local n jobs=()

	for ((n = 0; n < DEVICES; n++)); do
		[ $((n % 2)) = 0 ] || blk_moderate "${PLACES[$n]##*/}" off
		jobs+=(--name="$n" --filename="/dev/$(ls "${PLACES[$n]}/block")")
		echo "$FAULT" > "$(fake_dir "$n")/fault"
	done
	timeout $((60 + EACH * HUNG_SECONDS)) fio --allow_file_create=0 --direct=1 --thread \
		--rw=randread --bs=4k --size=8m --ioengine=psync --number_ios=$((EACH + 1)) \
		--randseed="$SEED" --output-format=json "${jobs[@]}" > "$OUT/fio" 2>&1
	[ $? = 124 ] && echo "hung 0" > "$OUT/0"
	for ((n = 0; n < DEVICES; n++)); do
		echo "${FAULT% *} 0" > "$(fake_dir "$n")/fault"
	done
	awk -v s=$HUNG_SECONDS -v reads=$(((EACH + 1) * DEVICES)) '
		/"clat_ns"/ { on = 1 }
		on && /"max"/ { gsub(/[^0-9]/, ""); if ($0 + 0 > max) max = $0 + 0; on = 0 }
		/"total_ios"/ && !seen[NR] { gsub(/[^0-9]/, ""); done += $0 }
		END { print (done < reads) + (max > s * 1e9), int(max / 1000) }' "$OUT/fio" > "$OUT/0"
}

# sum_state NAME: a counter of the devices' state, of all of them.
sum_state()
{
	cat "$FAKE/state" "$FAKE"/[0-9]*/state | awk -v name="$1:" '$1 == name { n += $2 } END { print n + 0 }'
}

# sum_stat NAME: a counter of the driver, of all devices.
sum_stat()
{
	local place

	for place in "${PLACES[@]}"; do
		blk_stat "${place##*/}" "$1"
	done | awk '{ n += $1 } END { print n + 0 }'
}

# places: where the devices are in sysfs, in their order; into PLACES.
places()
{
	mapfile -t PLACES < <(printf '%s\n' /sys/devices/pvg_fakehost/virtio* | sort -V)
}

# all_there KIND: each device has what its driver makes.
all_there()
{
	local place

	places
	[ "${#PLACES[@]}" = "$DEVICES" ] || return
	for place in "${PLACES[@]}"; do
		case $1 in
		block | net) ls "$place/$1"/* ;;
		*) test -e "$place/driver" ;;
		esac || return
	done
}

# heals KIND WHAT FAULT LOST COUNTER
heals()
{
	local hung worst idle lost healed users=$DEVICES begin=$SECONDS

	FAULT=$3
	places
	lost=$(sum_state "$4")
	healed=$(sum_stat "$5")
	rm -f "$OUT"/*
	echo 0 > /tmp/standstill
	if [ "$1" = block ]; then
		users=1
		users_of_disks
	else
		users "$1"
	fi
	lost=$(($(sum_state "$4") - lost))
	healed=$(($(sum_stat "$5") - healed))
	# Who has not reported counts, too.
	hung=$(cat "$OUT"/[0-9] | awk -v users="$users" '
		$1 == $1 + 0 { n += $1; users-- }
		END { print n + users }')
	worst=$(awk '$2 > max { max = $2 } END { printf "%d", max / 1000 }' "$OUT"/[0-9])
	read -r idle < /tmp/standstill
	idle=$((idle / 1000))
	echo "# $1: $2: lost $lost, $5 $healed, hung $hung, longest $worst ms, longest standstill $idle ms, $((SECONDS - begin)) s"
	tap_is "$hung" 0 "$1: $2: nothing hangs"
	tap_num "$lost >= $EACH * $DEVICES" "$1: $2: at least $((EACH * DEVICES)) are lost" "$lost"
	tap_num "$healed >= 0.45 * $EACH * $DEVICES" "$1: $2: $5 counts those that only the guard makes up for" "$healed"
	tap_num "$worst <= 100 + $SLACK_MS + $idle" \
		"$1: $2: nobody waits longer than 100 ms and what the machine needs" "$worst ms"
	ALL_LOST=$((ALL_LOST + lost))
	[ "$worst" -le "$ALL_WORST" ] || ALL_WORST=$worst
}

fake_need
standstill_watch /tmp/standstill
ALL_LOST=0
ALL_WORST=0
for kind in block net console balloon; do
	fake $kind devices=$DEVICES must_tell=0
	tap_check "$kind: $DEVICES devices are there" wait_for 60 all_there $kind || continue
	heals $kind "lost doorbells" "lose-kick 2" lost_kicks healed_doorbell
	heals $kind "lost interrupts" "lose-irq 1" lost_irqs healed_irq
done
echo "# all: lost $ALL_LOST, longest $ALL_WORST ms"
tap_done

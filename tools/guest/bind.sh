# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# pvguest bind: moves devices that are not in use. See usage() in pvguest.

# users_of DISK: what has it or one of its partitions; nothing if nobody does.
users_of() {
	for dir in "/sys/block/$1" "/sys/block/$1/$1"*; do
		[ -r "$dir/dev" ] || continue
		name=${dir##*/}
		number=$(cat "$dir/dev")
		for holder in "$dir"/holders/*; do
			[ ! -e "$holder" ] || echo "$name is part of ${holder##*/}"
		done
		# In any mount namespace. btrfs has numbers of its own there.
		cat /proc/[0-9]*/mountinfo 2>/dev/null | awk -v number="$number" -v name="/dev/$name" '
			$3 == number || $0 ~ " - [^ ]+ " name " " { print $5 }' | sort -u |
			sed "s,^,$name is mounted on ,"
		grep -qs "^/dev/$name " /proc/swaps && echo "$name is swap space"
		for fd in /proc/[0-9]*/fd/*; do
			[ "$(readlink "$fd")" != "/dev/$name" ] || echo "$name is open in process $(echo "$fd" | cut -d/ -f3)"
		done
	done
}

disk_in_use() {
	for dir in "$BUS/devices/$1"/block/*; do
		[ -e "$dir" ] || continue
		disk=${dir##*/}
		users=$(users_of "$disk" | head -n 3)
		if [ -n "$users" ]; then
			echo "$users"
			return
		fi
		# The kernel knows best; it refuses this while anybody has a claim.
		blockdev --rereadpt "/dev/$disk" 2>/dev/null || echo "$disk is in use"
	done
}

# virtio_blk counts only its own disks, and fails where the name that it comes to
# is taken: it cannot have the second disk while ours has the first.
name_conflict() {
	for letter in a b c d e f g h i j k l m n o p q r s t u v w x y z; do
		disk=/sys/block/vd$letter
		[ -e "$disk" ] || return
		case $(readlink -f "$disk/device") in
		*/"$1") return ;;
		esac
		holder=$(basename "$(readlink "$disk/device/driver")")
		if [ "$holder" != virtio_blk ]; then
			echo "virtio_blk would name it vd$letter, which is a disk of $holder"
			return
		fi
	done
}

network_in_use() {
	for dir in "$BUS/devices/$1"/net/*; do
		[ -e "$dir" ] || continue
		name=${dir##*/}
		if [ $(($(cat "$dir/flags") & 1)) -ne 0 ]; then
			echo "$name is up, and would lose its addresses: ip link set $name down first"
		elif [ -e "$dir/master" ]; then
			echo "$name belongs to $(basename "$(readlink "$dir/master")")"
		fi
		for upper in "$dir"/upper_*; do
			[ ! -e "$upper" ] || echo "${upper##*/upper_} is on top of $name"
		done
	done
}

# Unbinding gives all pages back, which the host may not have any more.
balloon_in_use() {
	awk '$1 == "balloon_inflate" { pages += $2 } $1 == "balloon_deflate" { pages -= $2 }
		END { if (pages > 0) print "it holds " pages " pages; the host has to let it deflate first" }' /proc/vmstat
}

# move VIRTIO FROM TO
move() {
	if [ ! -e "$BUS/drivers/$3" ] && ! modprobe "$3"; then
		say "$1: $3 does not load"
		return 1
	fi
	# Loading it may have been enough.
	[ "$(driver_of "$1")" != "$3" ] || return 0
	[ "$2" = none ] || echo "$1" >"$BUS/devices/$1/driver/unbind" || return 1
	if ! echo "$1" 2>/dev/null >"$BUS/drivers/$3/bind" || [ "$(driver_of "$1")" != "$3" ]; then
		say "$1: $3 does not take it, back to $2"
		# The in-tree drivers leave rings behind, which our first try clears.
		[ "$2" = none ] || echo "$1" 2>/dev/null >"$BUS/drivers/$2/bind" ||
			echo "$1" >"$BUS/drivers/$2/bind"
		return 1
	fi
}

# bind_one VIRTIO TO-OURS
bind_one() {
	if ! type=$(type_of "$1"); then
		say "$1: no device that pvguest has a driver for; pvguest doctor lists them"
		return 1
	fi
	# shellcheck disable=SC2086 # three words
	set -- "$1" "$2" $type
	to=$5
	[ -n "$2" ] || to=$4
	from=$(driver_of "$1")
	[ "$from" != "$to" ] || return 0
	case $3 in
	console)
		verb=take
		[ -n "$2" ] || verb=release
		"$TAKEOVER" $verb "$1"
		return ;;
	disk)
		users=$(disk_in_use "$1")
		[ -n "$users$2" ] || users=$(name_conflict "$1") ;;
	network) users=$(network_in_use "$1") ;;
	balloon) users=$(balloon_in_use) ;;
	esac
	if [ -n "$users" ]; then
		echo "$users" | while read -r line; do
			say "$1 is not moved: $line"
		done
		return 1
	fi
	move "$1" "$from" "$to"
}

bind() {
	ours=1
	if [ "${1:-}" = --in-tree ]; then
		ours=
		shift
	fi
	case ${1:-} in
	'') wrong "bind: which device; pvguest doctor lists them" ;;
	-*) wrong "bind: unknown option '$1'; there is --in-tree" ;;
	esac
	[ -n "$ROOT" ] || [ "$(id -u)" = 0 ] || { say "bind: needs root: sudo pvguest bind"; exit 1; }
	TAKEOVER=$LIB/pvguest-takeover
	[ -e "$TAKEOVER" ] || TAKEOVER=$LIB/../../scripts/takeover/pvguest-takeover
	result=0
	for virtio; do
		bind_one "$virtio" "$ours" || result=1
	done
	exit $result
}

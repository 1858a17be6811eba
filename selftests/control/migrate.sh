#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The VM moves to another QEMU, with another VM generation id, while a port carries
# data, a host pings and file systems are frozen. What is in the host's sockets then
# is lost, as it is when a host goes away; nothing else may be, and all goes on.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"

# size_of FILE
size_of()
{
	stat -c %s "$1"
}

# grows FILE: within 60 s.
grows()
{
	local size i

	size=$(size_of "$1")
	for ((i = 0; i < 600; i++)); do
		[ "$(size_of "$1")" -lt $((size + 20000)) ] || return 0
		sleep 0.1
	done
	return 1
}

# gaps FILE: how often a line is not the one after that before it. The first may
# have lost its beginning, the last its end.
gaps()
{
	awk 'NR > 2 && $0 != last + 1 { n++ } { last = $0 } END { print n + 0 }' \
		<(sed '$d' "$1")
}

# served: the host is, by the kernel's end of the channel.
served()
{
	local i

	for ((i = 0; i < 60; i++)); do
		! "$PVHOST" -t 5 status > /dev/null 2>&1 || return 0
		sleep 0.5
	done
	return 1
}

# restored TIMES: so often, says the kernel.
restored()
{
	[ "$(host_value restores status)" = "$1" ]
}

[ -n "${PVG_QMP:-}" ] || tap_skip_all "no selftests/vm to move the VM"
channel_need
ctl_need pvg.pkb
exec 6<> "$PORT"
ctl_need pvg.pka
exec 5<> "$PORT"

# Numbered lines, at about 40 kB/s so that there always are some on their way. Each
# end is a process group of its own, all of which is killed in the end.
# shellcheck disable=SC2016 # for the other shell
setsid bash -c 'for ((n = 1000000; ; n += 500)); do
	seq $n $((n + 499))
	sleep 0.1
done' >&6 2> /dev/null &
tap_at_exit kill -- -$!
setsid bash -c 'while :; do
	cat
	sleep 0.1
done' <&5 > "$TMP/lines" 2> /dev/null &
tap_at_exit kill -- -$!
tap_check "numbered lines pass between two ports before the first move" grows "$TMP/lines"

for module in loop ext4; do
	modprobe -q $module || tap_absent "there is no module $module"
done
truncate -s 32M "$TMP/img"
tap_check "ext4 can be made and mounted on a loop device" \
	sh -c "mkfs.ext4 -q '$TMP/img' && mkdir '$TMP/fs' && mount -o loop '$TMP/img' '$TMP/fs'" || tap_done
tap_at_exit umount -q "$TMP/fs"
boot_id=$(host_value boot_id status)
tap_num "${#boot_id} > 8" "status has a boot id before the first move" "'$boot_id'"

for round in 1 2; do
	mkfifo "$TMP/orders$round"
	exec 7<> "$TMP/orders$round"
	./lease 300000 0 "$TMP/fs" < "$TMP/orders$round" >> "$TMP/lease$round" 7>&- &
	holder=$!
	wait_for 30 grep -q . "$TMP/lease$round"
	tap_is "$(cat "$TMP/lease$round")" "frozen 1" "move $round: a file system is frozen before it"
	"$PVHOST" -t 0 watch > "$TMP/watch" 2>&1 &
	watch=$!
	wait_for 60 grep -q heartbeat "$TMP/watch"

	echo "@migrate"
	for ((i = 0; i < 2000; i++)); do
		kill -0 $watch 2> /dev/null || break
		! grep -q lost "$TMP/watch" || break
		sleep 0.1
	done
	tap_num "$i < 2000" "move $round: the host that was connected loses its session" \
		"$(tail -n 3 "$TMP/watch")"
	kill $watch 2> /dev/null
	tap_check "move $round: a new host is served" served
	tap_is "$(host_value boot_id status)" "$boot_id" "move $round: the boot id is the one from before"
	# The host may have lost its session because nothing came for too long, and the
	# guest may learn only now that it has another id.
	wait_for 120 restored $round
	tap_is "$(host_value restores status)" $round "move $round: status counts it as a restore"
	tap_is "$(host_value frozen status)" true "move $round: the lease still holds"
	tap_check "move $round: numbered lines pass between two ports afterwards" grows "$TMP/lines"
	: > "$TMP/lease$round"
	echo thaw >&7
	wait_for 30 grep -q . "$TMP/lease$round"
	tap_is "$(cat "$TMP/lease$round")" "thaw: ok" "move $round: the lease thaws on command"
	exec 7>&-
	wait $holder
done
sleep 1
tap_num "$(gaps "$TMP/lines") <= 4" "the numbered lines have at most two gaps for each move" \
	"$(gaps "$TMP/lines") gaps in $(wc -l < "$TMP/lines") lines"
tap_check "the file system can be written after both moves" touch "$TMP/fs/file"

tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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

[ -n "${PVG_QMP:-}" ] || tap_skip_all "nobody moves the VM: start with selftests/vm"
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
tap_check "data flows" grows "$TMP/lines"

modprobe -q loop
modprobe -q ext4
truncate -s 32M "$TMP/img"
mkfs.ext4 -q "$TMP/img" && mkdir "$TMP/fs" && mount -o loop "$TMP/img" "$TMP/fs"
tap_at_exit umount -q "$TMP/fs"
boot_id=$(host_value boot_id status)
tap_num "${#boot_id} > 8" "the host is served" "$boot_id"

for round in 1 2; do
	mkfifo "$TMP/orders$round"
	exec 7<> "$TMP/orders$round"
	./lease 300000 0 "$TMP/fs" < "$TMP/orders$round" >> "$TMP/lease$round" 7>&- &
	holder=$!
	wait_for 30 grep -q . "$TMP/lease$round"
	tap_is "$(cat "$TMP/lease$round")" "frozen 1" "move $round: a file system is frozen"
	"$PVHOST" -t 0 watch > "$TMP/watch" 2>&1 &
	watch=$!
	wait_for 60 grep -q heartbeat "$TMP/watch"

	echo "@migrate"
	for ((i = 0; i < 2000; i++)); do
		kill -0 $watch 2> /dev/null || break
		! grep -q lost "$TMP/watch" || break
		sleep 0.1
	done
	tap_num "$i < 2000" "move $round: the host that was connected notices" \
		"$(tail -n 3 "$TMP/watch")"
	kill $watch 2> /dev/null
	tap_check "move $round: a host is served" served
	tap_is "$(host_value boot_id status)" "$boot_id" "move $round: by the same kernel"
	# The host may have lost its session because nothing came for too long, and the
	# guest may learn only now that it has another id.
	wait_for 120 restored $round
	tap_is "$(host_value restores status)" $round "move $round: which knows that it was moved"
	tap_is "$(host_value frozen status)" true "move $round: which still holds the lease"
	tap_check "move $round: data flows again" grows "$TMP/lines"
	: > "$TMP/lease$round"
	echo thaw >&7
	wait_for 30 grep -q . "$TMP/lease$round"
	tap_is "$(cat "$TMP/lease$round")" "thaw: ok" "move $round: and thaws on command"
	exec 7>&-
	wait $holder
done
sleep 1
tap_num "$(gaps "$TMP/lines") <= 4" "what arrived is whole but for what each move lost" \
	"$(gaps "$TMP/lines") gaps in $(wc -l < "$TMP/lines") lines"
tap_check "the file system can be written" touch "$TMP/fs/file"

tap_done

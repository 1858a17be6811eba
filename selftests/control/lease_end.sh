#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The end of a freeze lease comes in time, whatever the host or the owner is doing.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh
# shellcheck source=../lib/lease.sh
. ../lib/lease.sh

# lease_has_ended: no file system is frozen
lease_has_ended()
{
	[[ $(order status) == "status: none "* ]]
}

lease_need

# A host that sends without a pause, and no frame. Each byte is the first one of a
# frame's magic, so that the guest searches as slowly as it can.
tr '\0' P < /dev/zero > "$PVHOST_SOCKET" &
FLOOD=$!
start=$(now_ms)
hold 4000 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "flood by the host: one filesystem is frozen in it"
write_starts "$TMP/a"
tap_check "flood by the host: the write ends at the end of a term of 4 s" write_ends $((4000 + SLACK))
took=$(($(now_ms) - start))
tap_num "$took >= 4000" "flood by the host: the write does not end earlier" "after $took ms"
tap_is "$(order status)" "status: none 0 filesystems, end 2, session no" \
	"flood by the host: PVG_CONTROL_STATUS is answered, the lease has expired"
let_go
kill $FLOOD
wait $FLOOD 2> /dev/null
tap_check "a host is served after the flood" host status

# Two leases: the first one expires, the second one is another process's.
hold 5000 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "two leases: the first one freezes one filesystem"
first=$(order number)
tap_check "two leases: the first one expires" wait_for 60 lease_has_ended
mkfifo "$TMP/others"
exec 8<> "$TMP/others"
./lease $TERM_MS 0 "$TMP/b" < "$TMP/others" > "$TMP/second" 7>&- 8>&- &
SECOND=$!
wait_for 20 grep -q frozen "$TMP/second"
tap_is "$(cat "$TMP/second")" "frozen 1" "two leases: the second one freezes one filesystem"
second=$(order number)
tap_num "${second#* } == ${first#* } + 1" "two leases: their numbers follow one another"
write_starts "$TMP/b"
tap_is "$(host_value status thaw -l "${first#* }")" expired \
	"two leases: the host that thaws the first one is told 'expired'"
tap_is "$(host_value status renew -l "${first#* }" 60)" expired \
	"two leases: the host that renews the first one is told 'expired'"
tap_is "$(order "renew 1000")" "renew: ETIME" "two leases: the owner of the first one renews it: ETIME"
tap_is "$(order thaw)" "thaw: ETIME" "two leases: the owner of the first one thaws it: ETIME"
tap_is "$(order thaw)" "thaw: EPERM" "two leases: the owner of the first one thaws once more: EPERM"
tap_check "two leases: a write to what the second one has frozen waits" writes_still
tap_is "$(host_value status thaw -l "${second#* }")" ok \
	"two leases: the host that thaws the second one is told 'ok'"
tap_check "two leases: the write ends" write_ends $SLACK
echo thaw >&8
tap_check "two leases: the owner of the second one is told 'ok', too" \
	wait_for 20 grep -q "thaw: ok" "$TMP/second"
kill $SECOND
exec 8>&-
let_go

# killed SIGNAL WHAT: an owner that has a thread which waits to write to what is frozen.
killed()
{
	: > "$TMP/a/blocked"
	hold $TERM_MS 0 "$TMP/a"
	tap_is "$HELD $(order "block $TMP/a/blocked")" "frozen 1 block: ok" \
		"$2: its owner has a thread that writes there"
	write_starts "$TMP/a"
	tap_check "$2: a write waits before it" writes_still
	kill -"$1" "$HOLDER"
	tap_check "$2: the write that waited ends" write_ends $SLACK
	tap_is "$(host_value last_end thaw)" owner-gone \
		"$2: a thaw by the host afterwards is told 'owner-gone'"
	let_go
}

killed KILL "owner with a blocked thread killed"
# It writes its memory to what is frozen.
core=$(cat /proc/sys/kernel/core_pattern)
echo "$TMP/a/core" > /proc/sys/kernel/core_pattern
ulimit -c unlimited
killed SEGV "owner that dumps core to a frozen filesystem"
echo "$core" > /proc/sys/kernel/core_pattern

# A child has the descriptor, too: the lease is its own then.
hold $TERM_MS 0 "$TMP/a"
child=$(order fork)
tap_num "${child#* } > 1" "owner with a child killed: the child inherits the descriptor" "$HELD, $child"
write_starts "$TMP/a"
let_go
tap_check "owner with a child killed: a write waits, since the child has the descriptor" \
	eval 'sleep 2; writes_still'
kill -9 "${child#* }"
tap_check "owner with a child killed: the write ends when the child is killed" write_ends $SLACK
tap_done

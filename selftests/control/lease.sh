#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The freeze lease: whatever becomes of its owner, writes go on at its end, and the
# host hears the truth about it.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh
# shellcheck source=../lib/lease.sh
. ../lib/lease.sh

# without_session: the last host is gone, and the kernel knows
without_session()
{
	[[ $(order status) != *"session yes" ]]
}

# watch: a host, in WATCHER, for as long as it is not killed; what it
# says is in $TMP/watch. Returns when the guest has sent a heartbeat.
watch()
{
	: > "$TMP/watch"
	"$PVHOST" -t 0 -j watch > "$TMP/watch" 2> /dev/null &
	WATCHER=$!
	wait_for 30 grep -q '"heartbeat"' "$TMP/watch"
}

watch_ends()
{
	kill -9 $WATCHER
	wait $WATCHER 2> /dev/null
}

# hold_with_session: a lease that ends with its session, and a writer that waits; in
# STILL is how that went. Where the machine did nothing for so long that the session
# ended by itself, there had to be a thaw: that is not what is looked for.
hold_with_session()
{
	local _

	for _ in {1..5}; do
		watch
		hold $TERM_MS 1 "$TMP/a"
		write_starts "$TMP/a"
		STILL=0
		writes_still || STILL=$?
		[ "$HELD $STILL" != "frozen 1 0" ] || return 0
		wait_for 5 grep -q '"lost"' "$TMP/watch" || return
		watch_ends
		let_go
		write_ends $SLACK
	done
}

lease_need

# Thawed by its owner.
hold $TERM_MS 0 "$TMP/a" "$TMP/b" "$TMP/a"
tap_is "$HELD" "frozen 2" "a lease on two filesystems, one of them given twice, freezes two"
tap_is "$(host_value frozen status)" true "status tells the host that the guest is frozen"
tap_check "five pings are answered while the guest is frozen" host ping -c 5 -i 10
write_starts "$TMP/b"
tap_check "thaw by the owner: a write waits before it" writes_still
tap_check "the sessions of the hosts that asked end" wait_for 20 without_session
tap_is "$(order status)" "status: frozen 2 filesystems, end 0, session no" \
	"PVG_CONTROL_STATUS: two filesystems are frozen, no session"
tap_is "$(order "renew 900001")" "renew: EINVAL" "PVG_CONTROL_RENEW: a term above 900 s is EINVAL"
tap_is "$(order "renew $TERM_MS")" "renew: ok" "PVG_CONTROL_RENEW: another term is taken"
tap_is "$(order unknown)" "unknown: ENOTTY" "an unknown ioctl is ENOTTY"
tap_is "$(./lease 1000 0 "$TMP/a" < /dev/null)" "freeze: EBUSY" "a second lease is EBUSY"
tap_is "$(order thaw)" "thaw: ok" "PVG_CONTROL_THAW: the owner thaws"
tap_check "thaw by the owner: the write that waited ends" write_ends $SLACK
tap_check "thaw by the owner: a filesystem can be unmounted" umount "$TMP/b"
mount -o loop "$TMP/b.img" "$TMP/b"
tap_is "$(order thaw)" "thaw: ENOENT" "PVG_CONTROL_THAW: without a lease it is ENOENT"
tap_is "$(order "renew 1000")" "renew: ENOENT" "PVG_CONTROL_RENEW: without a lease it is ENOENT"
let_go

# Thawed by the host.
hold $TERM_MS 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "thaw by the host: one filesystem is frozen before it"
write_starts "$TMP/a"
tap_check "thaw by the host: a write waits before it" writes_still
tap_is "$(host_value status thaw)" ok "thaw by the host: its answer is ok"
tap_check "thaw by the host: the write that waited ends" write_ends $SLACK
let_go

# The term ends.
start=$(now_ms)
hold 5000 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "term of 5 s: one filesystem is frozen"
write_starts "$TMP/a"
tap_check "term of 5 s: the write ends at its end" write_ends $((5000 + SLACK))
took=$(($(now_ms) - start))
tap_num "$took >= 5000" "term of 5 s: the write does not end earlier" "after $took ms"
tap_is "$(host_value status thaw)" expired "term of 5 s: a thaw by the host afterwards is told 'expired'"
let_go

# The owner is killed.
hold $TERM_MS 0 "$TMP/a" "$TMP/b"
tap_is "$HELD" "frozen 2" "owner killed: two filesystems are frozen before it"
write_starts "$TMP/a"
tap_check "owner killed: a write waits before it" writes_still
watch
tap_is $? 0 "owner killed: a host watches and has a heartbeat"
let_go
tap_check "owner killed: the write that waited ends" write_ends $SLACK
wait_for 20 grep -q '"notice"' "$TMP/watch"
watch_ends
tap_is "$(jq -r 'select(.event == "notice") | .kind' "$TMP/watch")" thawed \
	"owner killed: the host that watches has the notice 'thawed'"
tap_is "$(host_value last_end thaw)" owner-gone \
	"owner killed: a thaw by the host afterwards is told 'owner-gone'"

# With the session.
hold $TERM_MS 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "lease without PVG_CONTROL_FREEZE_SESSION: one filesystem is frozen"
write_starts "$TMP/a"
host ping > /dev/null
tap_check "lease without PVG_CONTROL_FREEZE_SESSION: the session ends" wait_for 20 without_session
tap_check "lease without PVG_CONTROL_FREEZE_SESSION: a write waits after the session" writes_still
let_go
write_ends $SLACK
hold_with_session
tap_is "$HELD" "frozen 1" "lease with PVG_CONTROL_FREEZE_SESSION: one filesystem is frozen"
tap_is "$STILL" 0 "lease with PVG_CONTROL_FREEZE_SESSION: a write waits during the session"
# The socket between the two ports stays open, so that the guest only notices
# that nothing comes any more, for three times the second that pvhost promises.
watch_ends
tap_check "lease with PVG_CONTROL_FREEZE_SESSION: the write ends after the session" \
	write_ends $((3000 + SLACK))
let_go

# What cannot be.
for bad in "900001 0 $TMP/a" "1000 2 $TMP/a" "1000 0"; do
	# shellcheck disable=SC2086 # words
	tap_is "$(./lease $bad < /dev/null)" "freeze: EINVAL" \
		"PVG_CONTROL_FREEZE with term, flags and paths '${bad//$TMP/}' is EINVAL"
done
tap_is "$(./lease 1000 0 "$TMP/none" < /dev/null)" "freeze: EBADF" \
	"PVG_CONTROL_FREEZE with a file descriptor that is not open is EBADF"
tap_is "$(./lease $TERM_MS 0 "$TMP/a" /proc < /dev/null)" "freeze: EOPNOTSUPP" \
	"PVG_CONTROL_FREEZE of /proc is EOPNOTSUPP"
write_starts "$TMP/a"
tap_check "a filesystem that was frozen before the freeze of /proc failed is thawed" write_ends $SLACK

# A thaw behind the driver's back does no harm.
hold $TERM_MS 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "fsfreeze --unfreeze: one filesystem is frozen before it"
tap_check "fsfreeze --unfreeze thaws a filesystem under a lease" fsfreeze --unfreeze "$TMP/a"
tap_is "$(host_value status thaw)" ok "a thaw by the host after fsfreeze --unfreeze is ok"
let_go
tap_done

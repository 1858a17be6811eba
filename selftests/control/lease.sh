#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The freeze lease: whatever becomes of who froze, writes go on at its end, and
# the host hears the truth about it.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh

TMP=$(mktemp -d)
SLACK=1000	# ms that a thaw may come late
is_slow && SLACK=8000
# Where something else than its term is to end a lease, that is longer than all else.
TERM_MS=120000

# cleanup: nothing may stay frozen, or the VM would not go down.
cleanup()
{
	{ exec 7>&-; } 2> /dev/null
	sleep 0.5
	umount "$TMP/a" "$TMP/b" 2> /dev/null
	rm -rf "$TMP"
}
tap_at_exit cleanup

make_fs()
{
	modprobe -q loop
	modprobe -q ext4
	truncate -s 32M "$TMP/$1.img"
	mkfs.ext4 -q "$TMP/$1.img" && mkdir "$TMP/$1" && mount -o loop "$TMP/$1.img" "$TMP/$1"
}

# hold MS FLAGS PATH...: a process with a lease. What came of it is in HELD.
hold()
{
	rm -f "$TMP/orders"
	mkfifo "$TMP/orders"
	exec 7<> "$TMP/orders"
	: > "$TMP/answers"
	./lease "$@" < "$TMP/orders" > "$TMP/answers" 2>&1 7>&- &
	HOLDER=$!
	HELD=$(answer "fr*")
}

# answer PATTERN: waits for a line, prints it
answer()
{
	local line _

	for _ in {1..600}; do
		while IFS= read -r line; do
			# shellcheck disable=SC2053 # a pattern
			[[ $line == $1 ]] || continue
			echo "$line"
			return 0
		done < "$TMP/answers"
		sleep 0.1
	done
	cat "$TMP/answers"
	return 1
}

# order COMMAND: its answer
order()
{
	: > "$TMP/answers"
	echo "$1" >&7
	answer "${1%% *}: *"
}

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
# STILL is how that went. Where the machine stood still for so long that the session
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

# let_go: the process is killed
let_go()
{
	kill -9 "$HOLDER" 2> /dev/null
	wait "$HOLDER" 2> /dev/null
	exec 7>&-
}

now_ms()
{
	local s rest

	read -r s rest < /proc/uptime
	echo $((10#${s/./} * 10))
}

# write_starts DIR: a process that has to write; write_ends MS: it has, in time. While
# the machine does something else for a while, nobody could write: of what is between
# two looks, 200 ms count.
write_starts()
{
	dd if=/dev/zero of="$1/file" bs=4k count=1 conv=fsync 2> /dev/null &
	WRITER=$!
}

writes_still()
{
	sleep 0.3
	kill -0 "$WRITER" 2> /dev/null
}

write_ends()
{
	local passed=0 last now

	last=$(now_ms)
	while kill -0 "$WRITER" 2> /dev/null; do
		[ $passed -le "$1" ] || return 1
		sleep 0.05
		now=$(now_ms)
		passed=$((passed + (now - last < 200 ? now - last : 200)))
		last=$now
	done
}

channel_need
tap_check "two file systems" eval 'make_fs a && make_fs b'

# Thawed by its owner.
hold $TERM_MS 0 "$TMP/a" "$TMP/b" "$TMP/a"
tap_is "$HELD" "frozen 2" "freeze, one of them twice"
tap_is "$(host_value frozen status)" true "the host sees it"
tap_check "ping while frozen" host ping -c 5 -i 10
write_starts "$TMP/b"
tap_check "who writes waits" writes_still
tap_check "the hosts that asked have gone" wait_for 20 without_session
tap_is "$(order status)" "status: frozen 2 filesystems, end 0, session no" "status"
tap_is "$(order "renew 900001")" "renew: EINVAL" "a term that is too long"
tap_is "$(order "renew $TERM_MS")" "renew: ok" "another term"
tap_is "$(order unknown)" "unknown: ENOTTY" "an ioctl there is not"
tap_is "$(./lease 1000 0 "$TMP/a" < /dev/null)" "freeze: EBUSY" "one lease at a time"
tap_is "$(order thaw)" "thaw: ok" "thaw"
tap_check "who waits writes" write_ends $SLACK
tap_check "and it can be unmounted" umount "$TMP/b"
mount -o loop "$TMP/b.img" "$TMP/b"
tap_is "$(order thaw)" "thaw: ENOENT" "nothing left to thaw"
tap_is "$(order "renew 1000")" "renew: ENOENT" "or to renew"
let_go

# Thawed by the host.
hold $TERM_MS 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "freeze one"
write_starts "$TMP/a"
tap_check "who writes waits" writes_still
tap_is "$(host_value status thaw)" ok "the host thaws"
tap_check "who waits writes" write_ends $SLACK
let_go

# Nobody thaws.
start=$(now_ms)
hold 5000 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "freeze for 5 s"
write_starts "$TMP/a"
tap_check "it thaws by itself" write_ends $((5000 + SLACK))
tap_num "$(now_ms) - $start >= 5000" "and not before"
tap_is "$(host_value status thaw)" expired "the host is told that it was too short"
let_go

# Killed.
hold $TERM_MS 0 "$TMP/a" "$TMP/b"
tap_is "$HELD" "frozen 2" "freeze for $((TERM_MS / 1000)) s"
write_starts "$TMP/a"
tap_check "who writes waits" writes_still
watch
tap_is $? 0 "a host watches"
let_go
tap_check "the owner is killed: it thaws" write_ends $SLACK
wait_for 20 grep -q '"notice"' "$TMP/watch"
watch_ends
tap_is "$(jq -r 'select(.event == "notice") | .kind' "$TMP/watch")" thawed "the host is told"
tap_is "$(host_value last_end thaw)" owner-gone "and asked, it says why"

# With the session.
hold $TERM_MS 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "freeze for $((TERM_MS / 1000)) s"
write_starts "$TMP/a"
host ping > /dev/null
tap_check "the session ends" wait_for 20 without_session
tap_check "which is nothing to it" writes_still
let_go
write_ends $SLACK
hold_with_session
tap_is "$HELD" "frozen 1" "freeze as long as there is a session"
tap_is "$STILL" 0 "who writes waits"
# The socket between the two ports stays open, so that the guest only notices
# that nothing comes any more, for three times the second that pvhost promises.
watch_ends
tap_check "the host goes: it thaws" write_ends $((3000 + SLACK))
let_go

# What cannot be.
for bad in "900001 0 $TMP/a" "1000 2 $TMP/a" "1000 0"; do
	# shellcheck disable=SC2086 # words
	tap_is "$(./lease $bad < /dev/null)" "freeze: EINVAL" "freeze ${bad//$TMP/}"
done
tap_is "$(./lease 1000 0 "$TMP/none" < /dev/null)" "freeze: EBADF" "freeze what is not open"
tap_is "$(./lease $TERM_MS 0 "$TMP/a" /proc < /dev/null)" "freeze: EOPNOTSUPP" "freeze /proc"
write_starts "$TMP/a"
tap_check "what was frozen before it failed is thawed" write_ends $SLACK

# An escape: who thaws behind our back does no harm.
hold $TERM_MS 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "freeze"
tap_check "fsfreeze --unfreeze" fsfreeze --unfreeze "$TMP/a"
tap_is "$(host_value status thaw)" ok "thaw afterwards"
let_go
tap_done

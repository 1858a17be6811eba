# shellcheck shell=bash disable=SC2034 # used by those who source this
# SPDX-License-Identifier: GPL-2.0-only
#
# Freeze leases on two file systems, $TMP/a and $TMP/b, and processes that write to
# them. Sourced after tap.sh and channel.sh.

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
# the machine does something else for a while, no process could write: of what is
# between two looks, 200 ms count.
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

# lease_need: the control channel, and the two file systems.
lease_need()
{
	local module

	channel_need
	for module in loop ext4; do
		modprobe -q $module || tap_absent "there is no module $module"
	done
	tap_check "two ext4 filesystems are made and mounted on loop devices" \
		eval 'make_fs a && make_fs b' || tap_done
}

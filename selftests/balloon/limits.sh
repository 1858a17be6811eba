#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# More is wanted than the guest can give. The driver stops at its floor, tries again
# less and less often, and takes what comes free.

# shellcheck disable=SC2016,SC2034 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

# boost: bytes by which the kernel has raised its watermarks, which are left on
# top of the floor.
boost()
{
	awk -v page="$PAGE" '$1 == "boost" { sum += $2 } END { printf "%.0f\n", sum * page }' /proc/zoneinfo
}

balloon_need
balloon_new "a new balloon" '"free-page-reporting": true, "deflate-on-oom": true'
kills=$(awk '/^oom_kill / { print $2 }' /proc/vmstat)
floor=$((128 * MIB))

for bad in nonsense -1 '' $((RAM * 2)) 1k; do
	mark=$(kmsg_mark)
	tap_fails "floor refuses '$bad'" eval 'echo "$bad" > "$BALLOON/floor"'
done
tap_check "a refused floor: the log says what is allowed" grep -q 'floor is not a number of bytes from 0 to' \
	<<< "$(kmsg_since "$mark")"
default=$(cat "$BALLOON/floor")
total=$(meminfo MemTotal)
tap_num "$default >= 0.98 * $total / 16 && $default <= 1.02 * $total / 16" \
	"the default floor is 1/16 of MemTotal (+- 2 %)" "$default of $total"
echo "$floor" > "$BALLOON/floor"
tap_is "$(cat "$BALLOON/floor")" "$floor" "sysfs shows the floor that was set"

# Clean page cache is no reason to stop.
head -c $((64 * MIB)) /dev/zero > /root/cache 2> /dev/null
balloon_set $((RAM - MIB))
tap_check "the balloon grows down to the floor" wait_for 60 eval \
	'[ "$(meminfo MemAvailable)" -lt $((floor + $(boost) + 24 * MIB)) ]'
tap_check "at the floor the time between tries grows to 1600 ms" wait_for 20 eval \
	'[ "$(balloon_stat backoff_ms)" -ge 1600 ]'
tap_num "$(meminfo MemAvailable) > $floor - 24 * $MIB" \
	"MemAvailable stays above the floor less 24 MiB" "$(meminfo MemAvailable), floor $floor"
tap_num "$(balloon_actual) < $RAM - $floor" "the balloon leaves the floor to the guest" \
	"$(balloon_actual) of $RAM"
tap_is "$(cat "$BALLOON/target")" $((RAM - MIB)) "sysfs shows the target that cannot be reached"
tap_check "query-balloon has the size of the balloon at the floor" wait_for 20 host_knows
# At most one of the tries was due before: then it takes 1.6 s and more.
read -r start _ < /proc/uptime
backoffs=$(balloon_stat backoffs)
sleep 2
backoffs=$(($(balloon_stat backoffs) - backoffs))
read -r end _ < /proc/uptime
tap_num "$backoffs <= 1 + ($end - $start) / 1.6" \
	"at the floor the driver tries at most once in 1600 ms" "$backoffs times in $end - $start s"

# More room: by the floor, at once.
actual=$(balloon_actual)
echo $((floor - 32 * MIB)) > "$BALLOON/floor"
tap_check "the balloon grows within 10 s when the floor is lowered by 32 MiB" wait_for 10 eval \
	'[ "$(balloon_actual)" -gt $((actual + 16 * MIB)) ]'
echo "$floor" > "$BALLOON/floor"
tap_check "the balloon shrinks to nothing" balloon_to 0
tap_is "$(balloon_stat backoff_ms)" 0 "the driver does not back off with an empty balloon"
tap_is "$(awk '/^oom_kill / { print $2 }' /proc/vmstat)" "$kills" \
	"no process was killed for memory at the floor"
echo "$default" > "$BALLOON/floor"
rm -f /root/cache

tap_done

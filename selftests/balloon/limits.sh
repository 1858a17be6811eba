#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# More is wanted than the guest can give. It stops at its floor, tries again
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
tap_check "and says what is allowed" grep -q 'floor is not a number of bytes from 0 to' \
	<<< "$(kmsg_since "$mark")"
default=$(cat "$BALLOON/floor")
tap_num "$default >= $RAM / 20 && $default <= $RAM / 10" "a default floor" "$default"
echo "$floor" > "$BALLOON/floor"
tap_is "$(cat "$BALLOON/floor")" "$floor" "it can be set"

# Clean page cache is no reason to stop.
head -c $((64 * MIB)) /dev/urandom > /root/cache 2> /dev/null
balloon_set $((RAM - MIB))
tap_check "reaches the floor" wait_for 60 eval \
	'[ "$(meminfo MemAvailable)" -lt $((floor + $(boost) + 24 * MIB)) ]'
tap_check "and backs off" wait_for 20 eval '[ "$(balloon_stat backoff_ms)" -ge 400 ]'
tap_num "$(meminfo MemAvailable) > $floor - 24 * $MIB" "the floor holds" "$(meminfo MemAvailable)"
tap_num "$(balloon_actual) < $RAM - $floor" "the target is not reached" "$(balloon_actual)"
tap_is "$(cat "$BALLOON/target")" $((RAM - MIB)) "but not forgotten"
tap_check "the host knows" wait_for 20 host_knows
read -r start _ < /proc/uptime
backoffs=$(balloon_stat backoffs)
sleep 2
backoffs=$(($(balloon_stat backoffs) - backoffs))
read -r end _ < /proc/uptime
tap_num "$backoffs <= 3 * ($end - $start)" "it does not try all the time" \
	"$backoffs times in $end - $start s"

# More room: by the floor, at once.
actual=$(balloon_actual)
echo $((floor - 32 * MIB)) > "$BALLOON/floor"
tap_check "a lower floor gives more at once" wait_for 10 eval \
	'[ "$(balloon_actual)" -gt $((actual + 16 * MIB)) ]'
echo "$floor" > "$BALLOON/floor"
tap_check "shrinks to nothing" balloon_to 0
tap_is "$(balloon_stat backoff_ms)" 0 "and the back-off is over"
tap_is "$(awk '/^oom_kill / { print $2 }' /proc/vmstat)" "$kills" "nothing was killed"
echo "$default" > "$BALLOON/floor"
rm -f /root/cache

tap_done

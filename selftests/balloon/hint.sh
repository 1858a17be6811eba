#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# While the guest is migrated it tells the host of its free pages, and has them
# back as soon as it needs them or the migration is over.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh

migration()
{
	ask qmp '{"execute": "query-migrate"}'
}

# migration_is STATUS
migration_is()
{
	[[ $(migration) == *"\"status\": \"$1\""* ]]
}

# hinting_is_over: nothing was added for a moment, and the driver's work does not wait
# for the host, as it does where the host is slow to take them.
hinting_is_over()
{
	local before

	before=$(balloon_stat hinted)
	sleep 0.3
	[ "$before" -gt "$hinted" ] &&
		! grep -qsF pvg_balloon_hint_work /proc/[0-9]*/stack &&
		[ "$(balloon_stat hinted)" = "$before" ]
}

balloon_need
# Without reporting, which would tell the host of the same pages.
balloon_new "a balloon that hints" '"free-page-hint": true, "iothread": "balloon-io"'
free=$(free_memory)

# So slow that it does not end by itself.
qmp '{"execute": "migrate-set-parameters", "arguments": {"max-bandwidth": 100000}}'
for round in 1 2; do
	hinted=$(balloon_stat hinted)
	qmp '{"execute": "migrate", "arguments": {"uri": "file:'"$PVG_DIR"'/migrated"}}'
	# Something else of the configuration changes meanwhile, if only by name.
	for _ in 1 2 3; do
		qmp '{"execute": "balloon", "arguments": {"value": '"$RAM"'}}'
	done
	# Else there would not be what is needed below.
	tap_check "round $round: the driver hints free pages to the end" wait_for 30 hinting_is_over ||
		tap_done
	kept=$(($(balloon_stat hinted_pages) * PAGE))
	hinted=$((($(balloon_stat hinted) - hinted) * PAGE))
	tap_num "$hinted >= 0.75 * $free - $SLACK" "round $round: at least 75 % of free memory is hinted" \
		"$((hinted / MIB)) MiB of $((free / MIB))"
	tap_num "$hinted <= $free" "round $round: no free page is hinted twice" \
		"$((hinted / MIB)) MiB of $((free / MIB))"
	tap_num "$(free_memory) > 4 * $MIB" "round $round: hinting leaves more than 4 MiB to the guest" \
		"$(($(free_memory) / MIB)) MiB"
	tap_num "$kept >= 0.5 * $hinted" "round $round: at least half of the hinted pages are kept" \
		"$((kept / MIB)) of $((hinted / MIB)) MiB"
	left=$(field remaining "$(migration)")
	tap_num "$left <= $RAM - 0.9 * $hinted" "round $round: the host does not send hinted pages" \
		"$((left / MIB)) MiB of $((RAM / MIB)) are left to send, $((hinted / MIB)) were hinted"
	# More than is free: it comes out of what was hinted.
	need=$(($(free_memory) + kept / 3))
	mount -t tmpfs -o size=100% none /mnt
	tap_check "round $round: the guest can allocate hinted pages" \
		use_memory "$need" /mnt/need
	tap_is "$(stat -c %s /mnt/need)" "$need" "round $round: the guest allocated all that it asked for"
	umount /mnt
	qmp '{"execute": "migrate_cancel"}'
	tap_check "round $round: no hinted page is kept after the migration" wait_for 20 eval \
		'[ "$(balloon_stat hinted_pages)" = 0 ]'
	tap_free $((free * 9 / 10)) "round $round: 90 % of the memory is free again after the migration"
	tap_check "round $round: QEMU says that the migration was cancelled" \
		wait_for 20 migration_is cancelled
done

tap_done

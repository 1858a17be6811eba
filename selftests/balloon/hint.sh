#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
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

balloon_need
balloon_new "a balloon that hints" \
	'"free-page-hint": true, "iothread": "balloon-io", "free-page-reporting": true'
free=$(meminfo MemFree)

# So slow that it does not end by itself.
qmp '{"execute": "migrate-set-parameters", "arguments": {"max-bandwidth": 100000}}'
for round in 1 2; do
	hinted=$(balloon_stat hinted)
	qmp '{"execute": "migrate", "arguments": {"uri": "exec:cat > /dev/null"}}'
	tap_check "round $round: free pages are hinted" wait_for 20 eval \
		'[ $((($(balloon_stat hinted) - hinted) * PAGE)) -ge $((free / 2)) ]'
	tap_num "($(balloon_stat hinted) - $hinted) * $PAGE <= $free" "round $round: each once" \
		"$(balloon_stat hinted)"
	tap_num "$(meminfo MemFree) > 4 * $MIB" "round $round: some are left to the guest"
	# More than is free: it comes out of what was hinted.
	need=$(($(meminfo MemFree) + RAM / 4))
	mount -t tmpfs -o size=100% none /mnt
	tap_check "round $round: hinted pages are there for who needs them" \
		use_memory "$need" /mnt/need
	tap_is "$(stat -c %s /mnt/need)" "$need" "round $round: all of them"
	umount /mnt
	qmp '{"execute": "migrate_cancel"}'
	tap_check "round $round: in the end none is kept" wait_for 20 eval \
		'[ "$(balloon_stat hinted_pages)" = 0 ]'
	tap_num "$(meminfo MemFree) > 0.9 * $free" "round $round: and all are free" \
		"$(meminfo MemFree) of $free"
done

tap_done

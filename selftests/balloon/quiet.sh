#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the driver leaves alone: hinted pages while the device sleeps or is given up, an
# identifier that the device may not have read, and a suspend while nothing moves. On
# pvg_fakehost, which can hold hints back.

# shellcheck disable=SC2016 # expanded by eval, each time
set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

fake_need
modprobe "$BALLOON_DRIVER"
PAGE=$(getconf PAGESIZE 2> /dev/null || echo 4096)
RAM=$(meminfo MemTotal)

inject()
{
	echo "$*" > "$FAKE/inject"
}

# ids: what the device was given, in order.
ids()
{
	sed -n 's/^hint_ids: *//p' "$FAKE/state"
}

# hinted: the driver keeps hinted pages, and has ended the last series.
hinted()
{
	local before

	before=$(balloon_stat hinted)
	sleep 0.5
	[ "$(balloon_stat hinted_pages)" -gt 0 ] && [ "$(balloon_stat hinted)" = "$before" ]
}

has_state()
{
	[ "$(balloon_stat state)" = "$1" ]
}

wakes()
{
	[ "$(cat "${BALLOON%/*}/power/wakeup_active")" = "$1" ]
}

# What the device has not read yet.
fake_balloon "held hints: the device" must_tell=0 hint=1
inject hold 1
inject hint 0x80000001
tap_check "held hints: the driver hints free pages" wait_for 30 hinted
inject hint 0x80000002
sleep 2
inject hold 0
wait_for 20 eval '[[ $(ids) = *80000002*0 ]]'
tap_is "$(ids)" "80000001 0 80000002 0" \
	"held hints: the device reads the identifier that each series began with"

# Asleep.
inject hint 0x80000003
tap_check "suspend: the driver hints free pages" wait_for 30 hinted
echo freeze > "$FAKE/power"
tap_is "$(balloon_stat hinted_pages)" 0 "suspend: no hinted page is kept while the device sleeps"
echo restore > "$FAKE/power"
tap_check "suspend: the driver is live after resume" wait_for 10 has_state live

# Given up: the fourth failure within a minute.
fake_balloon "given up: the device" must_tell=0 hint=1
inject hint 0x80000001
tap_check "given up: the driver hints free pages" wait_for 30 hinted
for n in 1 2 3; do
	echo 1 > "$FAKE/needs_reset"
	tap_check "given up: the driver recovers from failure $n" wait_for 20 eval \
		'[ "$(balloon_stat recoveries)" = $n ] && has_state live'
done
wait_for 30 hinted
echo 1 > "$FAKE/needs_reset"
tap_check "given up: the fourth failure is final" wait_for 20 has_state failed
tap_is "$(balloon_stat hinted_pages)" 0 "given up: no hinted page is kept"

# A suspend waits for the balloon as long as it moves.
fake_balloon "wakeup: the device" must_tell=0 deflate_on_oom=0
tap_check "wakeup: user space can allow the balloon to put off a suspend" \
	eval 'echo enabled > "${BALLOON%/*}/power/wakeup"'
tap_check "wakeup: a balloon at its target does not put off a suspend" wait_for 5 wakes 0
fault silent 1
fake_target $((64 * MIB))
tap_check "wakeup: a balloon that moves puts off a suspend" wait_for 5 wakes 1
sleep 1
tap_check "wakeup: a balloon that waits for the device puts off a suspend" wakes 1
fault silent 0
tap_check "wakeup: the balloon reaches its target" wait_for 20 balloon_is $((64 * MIB))
tap_check "wakeup: a balloon that has reached its target does not put off a suspend" wait_for 10 wakes 0
fake_target $((RAM * 2))
tap_check "wakeup: the balloon backs off at its floor" wait_for 60 eval '[ "$(balloon_stat backoff_ms)" -ge 400 ]'
tap_check "wakeup: a balloon that backs off does not put off a suspend" wait_for 10 wakes 0
fake_target 0
tap_check "wakeup: the balloon shrinks to nothing" wait_for 60 balloon_is 0

tap_done

# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The device that pvg_fakehost makes, and what it can be told to do wrong. Sourced after
# the library of the driver under test.

FAKE=$DEBUGFS/pvg_fakehost

# fake_need: or the test ends; the device goes when it does.
fake_need()
{
	need_root
	test_seed
	modprobe -q -n pvg_fakehost || tap_absent "there is no module pvg_fakehost"
	tap_at_exit rmmod pvg_fakehost
}

# fake KIND PARAMETER...: a new device; the driver under test is asked to take it.
fake()
{
	rmmod pvg_fakehost 2> /dev/null
	timeout 60 modprobe pvg_fakehost "kind=$1" "${@:2}"
}

# fault NAME VALUE: see selftests/fakehost/fault.c
fault()
{
	echo "$1 $2" > "$FAKE/fault"
}

# fake_state NAME: a counter of the device
fake_state()
{
	sed -n "s/^$1: //p" "$FAKE/state"
}

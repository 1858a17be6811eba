#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The streams of pvhost against a simulated guest: streams.c.
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

dir=$(mktemp -d)
mkfifo "$dir/commands"
exec 9<> "$dir/commands"
./simguest "$dir/socket" < "$dir/commands" > "$dir/log" 2>&1 &
guest=$!

stop_guest()
{
	kill "$guest" 2> /dev/null
	wait "$guest" 2> /dev/null
	rm -rf "$dir"
}

tap_at_exit stop_guest
for _ in {1..600}; do
	! grep -qx booted "$dir/log" || break
	sleep 0.05
done
tap_forward "" ./streams "$dir/socket"
tap_is "$(grep -c ERROR "$dir/log")" 0 "the sanitizers report no error in the simulated guest"
tap_done

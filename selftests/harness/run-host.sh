#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of what judges the tests: selftests/run, lib/tap.sh and the parts of
# scripts/check. They need no VM: what is judged here are tests made up for it, each
# with one fault that must not pass.
# shellcheck disable=SC2016 # what stands in quotes is for another shell

shopt -s lastpipe
HERE=$(cd "$(dirname "$0")" && pwd)
TREE=$(cd "$HERE/../.." && pwd)

# shellcheck source=selftests/lib/tap.sh
. "$HERE/../lib/tap.sh"

TMP=$(mktemp -d)
tap_at_exit rm -rf "$TMP"
unset PVG_QMP PVG_SEED PVG_CHECK LAB_STRICT LAB_RETRIES

# shellcheck source=selftests/harness/tests.sh
. "$HERE/tests.sh"
# shellcheck source=selftests/harness/results.sh
. "$HERE/results.sh"
# shellcheck source=selftests/harness/check.sh
. "$HERE/check.sh"

[ $# -gt 0 ] || set -- one_test docs traces rows collected retries reused durations builds command_line
for part; do
	"$part"
done
tap_done

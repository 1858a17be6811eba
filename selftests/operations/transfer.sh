#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# transfer.sh [SECONDS]: the unit tests of tools/transfer, then its fuzzer from its corpus.
# On the build machine.

set -u
cd "$(dirname "$0")" || exit
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh

seconds=${1:-20}
tap_check "the programs are made" make -s -f programs.mk unit_transfer fuzz_files || tap_done
tap_check "the unit tests of transfers pass" env CMOCKA_MESSAGE_OUTPUT=TAP ./unit_transfer
TMP=$(mktemp -d)
clean()
{
	rm -rf "$TMP" /dev/shm/fuzz-files.*
}
tap_at_exit clean
mkdir "$TMP/found"
tap_check "fuzz_files finds no failing input in $seconds s" ./fuzz_files -max_len=2048 \
	-timeout=60 -rss_limit_mb=1024 -max_total_time="$seconds" "$TMP/found" corpus/files
tap_done

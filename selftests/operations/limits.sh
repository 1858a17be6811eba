#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# How much the host may ask for at a time, and that what exceeds it is told as busy, with the
# limit, and passes.

set -u
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ECHO=1 BURN=2 SLEEP=4 JOB=5 JOIN=0x101

ops_start
client -p alice -n 100 -e 4 $SLEEP > "$OPS_DIR/out"
tap_is "$(grep -c '^open' "$OPS_DIR/out") $(grep -c '^busy' "$OPS_DIR/out")" "96 4" \
	"one principal has 96 requests at a time, the next are busy"
tap_check "... and hears the limit" \
	grep -q "test: 96 requests of 'alice' are being dealt with, the most one principal may have" "$OPS_DIR/out"
wait_for 20 ops_has_workers 0

client_begin -p alice -n 96 -j 100 -l 60000 $JOB
tap_check "96 jobs begin" wait_for 30 ops_has_workers 96
client_end
client -p bob -n 40 -e 8 $SLEEP > "$OPS_DIR/out"
tap_is "$(grep -c '^open' "$OPS_DIR/out") $(grep -c '^busy' "$OPS_DIR/out")" "32 8" \
	"all principals have 128 requests at a time"
tap_check "... and hear the limit" \
	grep -q "128 requests are being dealt with, the most there can be" "$OPS_DIR/out"
tap_is "$(client -p bob $ECHO | cut -d ' ' -f 1)" ok "another principal is served beside them"
client -p alice -n 96 -j 100 $JOIN | sort | uniq -c | xargs > "$OPS_DIR/out"
tap_is "$(cat "$OPS_DIR/out")" "96 ok 0 intact" "all jobs end when they are told to"
wait_for 20 ops_has_workers 0

ops_policy '[rule "all"]
allow = @test
user = *
root = / r
[limits "few"]
principal = alice
jobs = 2
[limits "seldom"]
principal = carol
rate = 3/min'
client -p alice -n 3 -j 200 -e 1 $JOB > "$OPS_DIR/out"
tap_is "$(grep -c '^open' "$OPS_DIR/out") $(sed -n 's/^busy 0 intact //p' "$OPS_DIR/out")" \
	"2 test: 2 jobs of 'alice' run, the most that the policy lets it have" \
	"the policy's limit of jobs"
client -p alice -n 2 -j 200 $JOIN > /dev/null
client -p carol -n 5 -o $ECHO > "$OPS_DIR/out"
tap_is "$(grep -c '^ok' "$OPS_DIR/out") $(grep -c "^busy .* 'carol' make 3 requests a minute" "$OPS_DIR/out")" \
	"3 2" "the policy's limit of requests a minute"
tap_is "$(client -p alice $ECHO | cut -d ' ' -f 1)" ok "... is not another principal's"

# A worker that uses the CPU without end.
client_begin -n 2 -l 20000 $BURN
wait_for 10 ops_has_workers 2
tap_check "the daemon's host is served while workers burn the CPU" ops_has_workers 2
client_end
tap_is "$(client $ECHO | cut -d ' ' -f 1)" ok "... and afterwards"
tap_check "what the host has given up is killed, though it does not listen" wait_for 15 ops_has_workers 0

# Which nothing can join, so that they end with the daemon.
client -p alice -n 3 -e 1 -l 3000 $JOB > "$OPS_DIR/out"
tap_is "$(grep -c '^open' "$OPS_DIR/out") $(grep -c "^busy .*: 2 jobs of 'alice' run" "$OPS_DIR/out")" "2 1" \
	"the limit of jobs is one of those without a number, too"
ops_stop
tap_done

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The daemon's core: a request becomes a worker, its data and its answer reach the host.

set -u
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

# Of enum test_op.
ECHO=1 CRASH=3

ops_start
tap_check "the host sees the guest's status" pvhost status
tap_is "$(client -b 1000000 $ECHO)" "ok 1000000 intact 40420f0000000000" \
	"a megabyte comes back"
tap_is "$(client -r $'\x09' $CRASH)" "aborted 0 intact " \
	"a worker that is killed is told as aborted"
ops_stop
tap_done

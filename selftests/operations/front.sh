#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The process that speaks the protocol as a unit of its own, as systemd starts it for each
# connection of the broker; and what systemd-analyze says of the units. On this machine only,
# which has systemd's tools.

set -u
cd "$(dirname "$0")" || exit
# shellcheck disable=SC2034 # for ops.sh
OPS_DAEMON=pvguestd-test
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ops.sh
. ../lib/ops.sh

ECHO=1

ops_begin
programs=$OPS_TOOLS/$OPS_BUILD
systemd-socket-activate --seqpacket --accept -l "$OPS_DIR/front" \
	"$programs/$OPS_DAEMON" --speak --listen "$OPS_DIR/sock" 2>> "$OPS_DIR/front.log" &
activator=$!
tap_at_exit kill $activator
wait_for 10 test -S "$OPS_DIR/front"
# shellcheck disable=SC2034 # for ops.sh
OPS_LISTEN=(--port /nonexistent --front "$OPS_DIR/front")
ops_start
wait_for 10 test -S "$OPS_DIR/sock"
tap_is "$(client -b 1000000 $ECHO)" "ok 1000000 intact 40420f0000000000" "a megabyte comes back"
speaker=$(pgrep -P $activator)
tap_is "$(awk '/^(Uid|CapEff|NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$speaker/status" | xargs)" \
	"65534 0000000000000000 1 2" "the process that speaks the protocol has no rights"
rm "$OPS_DIR/sock"
kill -9 "$speaker"
tap_check "the broker connects again when it is killed" wait_for 15 test -S "$OPS_DIR/sock"
tap_is "$(client -b 1000 $ECHO)" "ok 1000 intact e803000000000000" "... and the host is served"
speaker=$(pgrep -P $activator)
ops_stop
tap_check "it ends with the broker" wait_for 10 test ! -e "/proc/$speaker/exe"

units=$OPS_TOOLS/pvguestd
score=$(systemd-analyze security --offline=true --no-pager "$units/pvguestd-front@.service" |
	sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')
tap_num "${score:-10} <= 2.0" "systemd-analyze security: pvguestd-front@.service is at most 2.0" "$score"
tap_diag "systemd-analyze security: pvguestd-front@.service $score, pvguestd.service" \
	"$(systemd-analyze security --offline=true --no-pager "$units/pvguestd.service" |
	sed -n 's/.*exposure level.*: \([0-9.]*\) .*/\1/p')"
tap_check "the programs are installed" \
	make -s -C "$OPS_TOOLS" install-guest install-host "DESTDIR=$OPS_DIR/installed"
tap_is "$(find "$OPS_DIR/installed" -perm /7000; getcap -r "$OPS_DIR/installed")" "" \
	"nothing that is installed has a set-user-id or set-group-id bit, or capabilities"
for unit in pvguestd.service pvguestd-front.socket pvguestd-front@.service; do
	tap_is "$(systemd-analyze verify --man=no "$units/$unit" 2>&1 | grep -v 'is not executable')" "" \
		"systemd-analyze verify: $unit"
done
tap_done

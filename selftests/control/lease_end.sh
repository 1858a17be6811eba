#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The end of a freeze lease comes in time, whatever the host or the owner is doing.

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/ctl.sh
. ../lib/ctl.sh
# shellcheck source=../lib/channel.sh
. ../lib/channel.sh
# shellcheck source=../lib/lease.sh
. ../lib/lease.sh

lease_need

# A host that sends without a pause, and no frame. Each byte is the first one of a
# frame's magic, so that the guest searches as slowly as it can.
tr '\0' P < /dev/zero > "$PVHOST_SOCKET" &
FLOOD=$!
start=$(now_ms)
hold 4000 0 "$TMP/a"
tap_is "$HELD" "frozen 1" "flood by the host: one filesystem is frozen in it"
write_starts "$TMP/a"
tap_check "flood by the host: the write ends at the end of a term of 4 s" write_ends $((4000 + SLACK))
took=$(($(now_ms) - start))
tap_num "$took >= 4000" "flood by the host: the write does not end earlier" "after $took ms"
tap_is "$(order status)" "status: none 0 filesystems, end 2, session no" \
	"flood by the host: PVG_CONTROL_STATUS is answered, the lease has expired"
let_go
kill $FLOOD
wait $FLOOD 2> /dev/null
tap_check "a host is served after the flood" host status
tap_done

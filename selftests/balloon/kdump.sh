#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A kernel that was started to write the dump of another one has little memory, and gives
# none of it to the host. What makes it such a kernel is elfcorehdr= on its command line,
# here the address of something that is neither memory nor a dump:
#
#   selftests/vm --append elfcorehdr=960K balloon/kdump.sh

set -u
# shellcheck source=../lib/tap.sh
. ../lib/tap.sh
# shellcheck source=../lib/blk.sh
. ../lib/blk.sh
# shellcheck source=../lib/balloon.sh
. ../lib/balloon.sh
# shellcheck source=../lib/fake.sh
. ../lib/fake.sh

grep -q elfcorehdr= /proc/cmdline || tap_absent "elfcorehdr= is not on the command line"

# The balloon that the VM was started with.
tap_check "the VM's balloon is bound" wait_for 10 balloon_bound || tap_done
balloon_find
RAM=$(field base-memory "$(ask qmp '{"execute": "query-memory-size-summary"}')")
tap_num "${RAM:-0} >= 256 * $MIB" "the host says how much memory the guest has" || tap_done
balloon_set $((64 * MIB))
sleep 3
tap_is "$(balloon_actual)" 0 "the VM's balloon stays empty"
tap_is "$(balloon_stat inflate_requests)$(balloon_stat report_requests)" 00 \
	"the VM's balloon: the driver sends no request to inflate or report"
tap_is "$(host_actual)" 0 "the host knows that the VM's balloon is empty"
tap_is "$(balloon_stat state)" live "the VM's balloon: the driver is live"
tap_num "$(balloon_stat array_pages) <= 256" "the VM's balloon: requests are small" \
	"$(balloon_stat array_pages) page numbers"
tap_check "the kernel's log says that the balloon stays empty" \
	grep -q "balloon of a crash kernel: it stays empty" <(dmesg)

# One that asks for hints.
fake_need
fake_balloon "a device that asks for hints" must_tell=0 hint=1
echo "hint 0x80000001" > "$FAKE/inject"
fake_target $((64 * MIB))
sleep 2
tap_is "$(balloon_stat hinted)" 0 "a device that asks for hints gets none"
tap_is "$(fake_state vq0_packets)" 0 "a device that asks for pages gets none"
tap_check "the device can be removed" timeout 60 rmmod pvg_fakehost

tap_done

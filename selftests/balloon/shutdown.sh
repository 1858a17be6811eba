#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The kernel ends, perhaps to start another by kexec: the device must have nothing of
# it then. pvg_fakehost is shut down as the kernel would do it. For kernels whose virtio
# bus leaves that to the driver: others reset the device themselves, and a driver that
# sees it while the system runs on has to recover.
#
#   selftests/vm --kernel 7 balloon/shutdown.sh

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
fake_balloon "the device" must_tell=0 hint=1
fake_target $((64 * MIB))
tap_check "the balloon grows to 64 MiB" wait_for 30 balloon_is $((64 * MIB))
tap_is "$(fake_state actual)" $((64 * MIB / 4096)) "the device is told of 64 MiB"

echo shutdown > "$FAKE/power"
tap_is "$(fake_state status)" 0x0 "shutdown: the device is reset"
tap_is "$(fake_state actual)" 0 "shutdown: the device is told of an empty balloon"
tap_is "$(balloon_stat state)" dead "shutdown: the driver is done with the device"
requests=$(fake_state vq0_packets)
fake_target $((128 * MIB))
sleep 1
tap_is "$(fake_state vq0_packets)" "$requests" "shutdown: the driver sends no request afterwards"
tap_is "$(fake_state status)" 0x0 "shutdown: the device stays reset"
tap_check "shutdown: the device can be removed" timeout 60 rmmod pvg_fakehost
modprobe pvg_fakehost kind=balloon
tap_check "another device is bound" wait_for 10 test -e /sys/devices/pvg_fakehost/virtio*/balloon

tap_done

# shellcheck shell=bash disable=SC2154 # BUS is of guest.sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Run in a guest after guest.sh and the functions of bind.sh, where pvg_blk was
# damaged: it is mended, and takes a disk while the in-tree driver has the root.

for good in /root/pvg_blk.ko*.good; do
	cp "$good" "$(modinfo -F filename pvg_ring | sed "s,[^/]*$,$(basename "$good" .good),")"
done
data=$(disk_device datadisk)
DRIVER=pvg_blk check "a disk that is not in use is moved to the mended pvg_blk" moved "$data"
udevadm settle
check "the disk with the mended pvg_blk is vdb" grep -q datadisk /sys/block/vdb/serial
check "the disk with the mended pvg_blk can be read" \
	dd if=/dev/vdb of=/dev/null bs=1M count=4 iflag=direct
DRIVER=virtio_blk check "the disk is moved back to virtio_blk" moved --in-tree "$data"
udevadm settle
check "the disk back with virtio_blk is vdb" grep -q datadisk /sys/block/vdb/serial

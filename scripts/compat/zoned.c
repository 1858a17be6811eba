// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>
#include <linux/virtio_blk.h>

#ifndef CONFIG_BLK_DEV_ZONED
#error zones are not in this kernel
#endif

int probe(struct gendisk *disk, struct queue_limits *lim);
int probe(struct gendisk *disk, struct queue_limits *lim)
{
	lim->features |= BLK_FEAT_ZONED;
	lim->max_open_zones = VIRTIO_BLK_Z_HM;
	return blk_revalidate_disk_zones(disk);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>

int probe(struct block_device_operations *ops, struct gendisk *disk);
int probe(struct block_device_operations *ops, struct gendisk *disk)
{
	return ops->getgeo(disk, NULL);
}

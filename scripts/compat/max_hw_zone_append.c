// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blkdev.h>

unsigned int probe(struct queue_limits *lim);
unsigned int probe(struct queue_limits *lim)
{
	return lim->max_hw_zone_append_sectors;
}

// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blk-mq.h>

void probe(struct blk_mq_queue_map *map, struct device *dev);
void probe(struct blk_mq_queue_map *map, struct device *dev)
{
	blk_mq_map_hw_queues(map, dev, 0);
}

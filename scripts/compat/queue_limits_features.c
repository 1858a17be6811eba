// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blk-mq.h>

void *probe(struct blk_mq_tag_set *set, struct queue_limits *lim);
void *probe(struct blk_mq_tag_set *set, struct queue_limits *lim)
{
	lim->features |= BLK_FEAT_WRITE_CACHE;
	return blk_mq_alloc_disk(set, lim, NULL);
}

// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blk-mq.h>

unsigned int probe(struct request_queue *q);
unsigned int probe(struct request_queue *q)
{
	unsigned int memflags = blk_mq_freeze_queue(q);

	blk_mq_unfreeze_queue(q, memflags);
	return memflags;
}

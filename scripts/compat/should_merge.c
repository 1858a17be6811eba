// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blk-mq.h>

int probe(void);
int probe(void)
{
	return BLK_MQ_F_SHOULD_MERGE;
}

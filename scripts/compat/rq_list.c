// SPDX-License-Identifier: GPL-2.0-only
#include <linux/blk-mq.h>

struct request *probe(struct rq_list *l);
struct request *probe(struct rq_list *l)
{
	return rq_list_pop(l);
}

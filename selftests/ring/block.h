/* SPDX-License-Identifier: GPL-2.0-only */
/* What drivers/block/pvg_blk.h and its compat header need of the block layer. */
#ifndef _PVG_TEST_BLOCK_H
#define _PVG_TEST_BLOCK_H

#include "kernel.h"
#include <linux/virtio_blk.h>

typedef u8 blk_status_t;
struct hd_geometry;
struct work_struct { int unused; };
struct sg_table { int unused; };
struct blk_mq_queue_map { int unused; };
struct blk_mq_tag_set { int unused; };
struct blk_mq_ops;
struct request_queue {
	struct { u32 discard_granularity; } limits;
};

struct gendisk { struct request_queue *queue; };
struct block_device { struct gendisk *bd_disk; };
struct request {
	struct request_queue *q;
	struct request *next;
};

#define QUEUE_FLAG_NONROT	0
#define IS_ERR(p)	(!(p))
#define blk_mq_alloc_disk(...)	NULL
#define blk_queue_flag_set(...)	((void)0)
#define blk_queue_write_cache(...)	((void)0)
#define blk_queue_logical_block_size(...)	((void)0)
#define blk_queue_physical_block_size(...)	((void)0)
#define blk_queue_alignment_offset(...)	((void)0)
#define blk_queue_io_min(...)	((void)0)
#define blk_queue_io_opt(...)	((void)0)
#define blk_queue_max_hw_sectors(...)	((void)0)
#define blk_queue_max_segments(...)	((void)0)
#define blk_queue_max_segment_size(...)	((void)0)
#define blk_queue_max_discard_sectors(...)	((void)0)
#define blk_queue_max_discard_segments(...)	((void)0)
#define blk_queue_max_write_zeroes_sectors(...)	((void)0)
#define blk_rq_map_sg(...)	0
#define blk_rq_map_kern(...)	0
#define blk_mq_freeze_queue(q)	((void)(q))
#define blk_mq_quiesce_queue(q)	((void)(q))
#define blk_mq_unfreeze_queue(q)	((void)(q))
#define blk_mq_virtio_map_queues(...)	((void)0)

static inline void rq_list_add(struct request **list, struct request *rq)
{
	rq->next = *list;
	*list = rq;
}

static inline struct request *rq_list_pop(struct request **list)
{
	struct request *rq = *list;

	if (rq)
		*list = rq->next;
	return rq;
}

#endif /* _PVG_TEST_BLOCK_H */

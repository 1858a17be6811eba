/* SPDX-License-Identifier: GPL-2.0-only */
/* The block layer's share of compat.h. */
#ifndef _PVGUEST_COMPAT_BLK_H
#define _PVGUEST_COMPAT_BLK_H

#include <linux/blk-mq.h>
#include <linux/sched/mm.h>
#include <linux/virtio_blk.h>

#include "pvguest/compat.h"

#ifndef PVG_HAVE_MAP_HW_QUEUES
#include <linux/blk-mq-virtio.h>
#endif

/* Of the specification; uapi has none of these so far. */
#ifndef VIRTIO_BLK_F_LIFETIME
#define VIRTIO_BLK_F_LIFETIME	15
#endif
#ifndef VIRTIO_BLK_F_ZONED
#define VIRTIO_BLK_F_ZONED	17	/* uapi since 6.3 */
#endif
#ifndef VIRTIO_BLK_T_ZONE_REPORT
#define VIRTIO_BLK_T_ZONE_REPORT	16
#endif
#ifndef VIRTIO_BLK_T_GET_LIFETIME
#define VIRTIO_BLK_T_GET_LIFETIME	10
#endif

#ifndef PVG_HAVE_SHOULD_MERGE
#define BLK_MQ_F_SHOULD_MERGE	0	/* merging is the default by then */
#endif

/**
 * struct pvg_blk_limits - what a device can do, validated
 * @logical_block_size: bytes, power of two
 * @physical_block_size: bytes, power of two, at least @logical_block_size
 * @alignment_offset: bytes
 * @io_min: bytes, 0 if unknown
 * @io_opt: bytes, 0 if unknown
 * @max_segments: data segments per request, at least 1
 * @max_segment_size: bytes
 * @dma_alignment: of a request's memory, bytes less one; 0: as the kernel has it
 * @discard_granularity: bytes
 * @max_discard_sectors: 512-byte sectors per range, 0 without DISCARD
 * @max_discard_segments: ranges per request
 * @max_secure_erase_sectors: 512-byte sectors of a request, 0 without SECURE_ERASE
 * @max_write_zeroes_sectors: 512-byte sectors, 0 without WRITE_ZEROES
 * @zone_sectors: 512-byte sectors of each zone, a power of two; 0: it has no zones
 * @max_open_zones: 0: no limit
 * @max_active_zones: 0: no limit
 * @max_append_sectors: 512-byte sectors, 0: the device does not append
 * @write_cache: writes need a flush to be stable
 */
struct pvg_blk_limits {
	u32 logical_block_size;
	u32 physical_block_size;
	u32 alignment_offset;
	u32 io_min;
	u32 io_opt;
	u32 max_segments;
	u32 max_segment_size;
	u32 dma_alignment;
	u32 discard_granularity;
	u32 max_discard_sectors;
	u32 max_discard_segments;
	u32 max_secure_erase_sectors;
	u32 max_write_zeroes_sectors;
	u32 zone_sectors;
	u32 max_open_zones;
	u32 max_active_zones;
	u32 max_append_sectors;
	bool write_cache;
};

#ifdef PVG_HAVE_QUEUE_LIMITS_FEATURES

static inline void pvg_blk_set_zones(struct queue_limits *lim,
				     const struct pvg_blk_limits *l)
{
#ifdef PVG_HAVE_ZONED
	if (!l->zone_sectors)
		return;
	lim->features |= BLK_FEAT_ZONED;
	lim->chunk_sectors = l->zone_sectors;
	lim->max_open_zones = l->max_open_zones;
	lim->max_active_zones = l->max_active_zones;
#ifdef PVG_HAVE_MAX_HW_ZONE_APPEND
	lim->max_hw_zone_append_sectors = l->max_append_sectors;
#else
	lim->max_zone_append_sectors = l->max_append_sectors;
#endif
#endif
}

static inline struct gendisk *
pvg_blk_mq_alloc_disk(struct blk_mq_tag_set *set,
		      const struct pvg_blk_limits *l, void *queuedata)
{
	struct queue_limits lim = {
		.features = l->write_cache ? BLK_FEAT_WRITE_CACHE : 0,
		.logical_block_size = l->logical_block_size,
		.physical_block_size = l->physical_block_size,
		.alignment_offset = l->alignment_offset,
		.io_min = l->io_min,
		.io_opt = l->io_opt,
		.max_hw_sectors = UINT_MAX,
		.max_segments = l->max_segments,
		.max_segment_size = l->max_segment_size,
		.dma_alignment = l->dma_alignment,
		.discard_granularity = l->discard_granularity,
		.max_hw_discard_sectors = l->max_discard_sectors,
		.max_discard_segments = l->max_discard_segments,
		.max_secure_erase_sectors = l->max_secure_erase_sectors,
		.max_write_zeroes_sectors = l->max_write_zeroes_sectors,
	};

	pvg_blk_set_zones(&lim, l);
	return blk_mq_alloc_disk(set, &lim, queuedata);
}

static inline int pvg_blk_set_write_cache(struct request_queue *q, bool on)
{
	struct queue_limits lim = queue_limits_start_update(q);

	if (on)
		lim.features |= BLK_FEAT_WRITE_CACHE;
	else
		lim.features &= ~BLK_FEAT_WRITE_CACHE;
#ifdef PVG_HAVE_QUEUE_LIMITS_COMMIT_FROZEN
	return queue_limits_commit_update_frozen(q, &lim);
#else
	int err;

	blk_mq_freeze_queue(q);
	err = queue_limits_commit_update(q, &lim);
	blk_mq_unfreeze_queue(q);
	return err;
#endif
}

#else /* !PVG_HAVE_QUEUE_LIMITS_FEATURES */

static inline struct gendisk *
pvg_blk_mq_alloc_disk(struct blk_mq_tag_set *set,
		      const struct pvg_blk_limits *l, void *queuedata)
{
	struct gendisk *disk = blk_mq_alloc_disk(set, queuedata);
	struct request_queue *q;

	if (IS_ERR(disk))
		return disk;
	q = disk->queue;
	blk_queue_flag_set(QUEUE_FLAG_NONROT, q);
	blk_queue_write_cache(q, l->write_cache, false);
	blk_queue_logical_block_size(q, l->logical_block_size);
	blk_queue_physical_block_size(q, l->physical_block_size);
	blk_queue_alignment_offset(q, l->alignment_offset);
	if (l->io_min)
		blk_queue_io_min(q, l->io_min);
	if (l->io_opt)
		blk_queue_io_opt(q, l->io_opt);
	blk_queue_max_hw_sectors(q, UINT_MAX);
	blk_queue_max_segments(q, l->max_segments);
	blk_queue_max_segment_size(q, l->max_segment_size);
	if (l->dma_alignment)
		blk_queue_dma_alignment(q, l->dma_alignment);
	if (l->max_discard_sectors) {
		q->limits.discard_granularity = l->discard_granularity;
		blk_queue_max_discard_sectors(q, l->max_discard_sectors);
		blk_queue_max_discard_segments(q, l->max_discard_segments);
	}
	blk_queue_max_secure_erase_sectors(q, l->max_secure_erase_sectors);
	blk_queue_max_write_zeroes_sectors(q, l->max_write_zeroes_sectors);
	return disk;
}

static inline int pvg_blk_set_write_cache(struct request_queue *q, bool on)
{
	blk_queue_write_cache(q, on, false);
	return 0;
}

#endif /* PVG_HAVE_QUEUE_LIMITS_FEATURES */

static inline int pvg_blk_rq_map_sg(struct request *rq, struct scatterlist *sg)
{
#ifdef PVG_HAVE_RQ_MAP_SG_2
	return blk_rq_map_sg(rq, sg);
#else
	return blk_rq_map_sg(rq->q, rq, sg);
#endif
}

static inline int pvg_blk_rq_map_kern(struct request *rq, void *buf,
				      unsigned int len, gfp_t gfp)
{
#ifdef PVG_HAVE_RQ_MAP_KERN_4
	return blk_rq_map_kern(rq, buf, len, gfp);
#else
	return blk_rq_map_kern(rq->q, rq, buf, len, gfp);
#endif
}

/*
 * Wait up to @timeout, in jiffies, for all requests and for whoever is still
 * submitting them; then none starts until blk_mq_unquiesce_queue(). Return:
 * whether all had completed.
 */
static inline bool pvg_blk_drain_and_quiesce(struct request_queue *q,
					     unsigned long timeout)
{
	bool drained;
#ifdef PVG_HAVE_FREEZE_MEMFLAGS
	unsigned int memflags = memalloc_noio_save();
#endif

	blk_freeze_queue_start(q);
	drained = blk_mq_freeze_queue_wait_timeout(q, timeout);
	blk_mq_quiesce_queue(q);
#ifdef PVG_HAVE_FREEZE_MEMFLAGS
	blk_mq_unfreeze_queue(q, memflags);
#else
	blk_mq_unfreeze_queue(q);
#endif
	return drained;
}

static inline void pvg_blk_map_queues(struct blk_mq_queue_map *map,
				      struct virtio_device *vdev)
{
#ifdef PVG_HAVE_MAP_HW_QUEUES
	blk_mq_map_hw_queues(map, &vdev->dev, 0);
#else
	blk_mq_virtio_map_queues(map, vdev, 0);
#endif
}

/*
 * Lists of requests as a plug has them: oldest first where they have a tail,
 * newest first where they do not.
 */
#ifdef PVG_HAVE_RQ_LIST

typedef struct rq_list pvg_rq_list;
#define PVG_RQ_LIST_INIT	{}

static inline void pvg_rq_list_add(pvg_rq_list *list, struct request *rq)
{
	rq_list_add_tail(list, rq);
}

static inline void pvg_rq_list_oldest_first(pvg_rq_list *list)
{
}

#else /* !PVG_HAVE_RQ_LIST */

typedef struct request *pvg_rq_list;
#define PVG_RQ_LIST_INIT	NULL

static inline void pvg_rq_list_add(pvg_rq_list *list, struct request *rq)
{
	rq_list_add(list, rq);
}

static inline void pvg_rq_list_oldest_first(pvg_rq_list *list)
{
	struct request *reversed = NULL, *rq;

	while ((rq = rq_list_pop(list)))
		rq_list_add(&reversed, rq);
	*list = reversed;
}

#endif /* PVG_HAVE_RQ_LIST */

static inline struct request *pvg_rq_list_pop(pvg_rq_list *list)
{
	return rq_list_pop(list);
}

/* What the operation report_zones gets to report a zone with. */
#ifdef PVG_HAVE_REPORT_ZONES_ARGS
#define PVG_REPORT_PARAMS	struct blk_report_zones_args *args
#define pvg_report_zone(disk, zone, i)	disk_report_zone(disk, zone, i, args)
#else
#define PVG_REPORT_PARAMS	report_zones_cb cb, void *data
#define pvg_report_zone(disk, zone, i)	cb(zone, i, data)
#endif

#ifdef PVG_HAVE_GETGEO_DISK
typedef struct gendisk pvg_getgeo_arg;
#define pvg_getgeo_disk(arg)	(arg)
#else
typedef struct block_device pvg_getgeo_arg;
#define pvg_getgeo_disk(arg)	((arg)->bd_disk)
#endif

#endif /* _PVGUEST_COMPAT_BLK_H */

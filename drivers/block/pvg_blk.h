/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of pvg_blk share with each other. */
#ifndef _PVG_BLK_H
#define _PVG_BLK_H

#include <linux/blk-mq.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/scatterlist.h>
#include <linux/virtio_blk.h>
#include <linux/workqueue.h>

#include "pvguest/compat_blk.h"
#include "pvguest/ring.h"

struct device_attribute;
struct virtio_device;

/**
 * enum pvg_blk_state - life of a device; changed by pvg_blk_set_state() only
 * @PVG_BLK_NEW: being probed
 * @PVG_BLK_LIVE: virtqueues run
 * @PVG_BLK_STOPPED: suspended or being reset: virtqueues gone, queue quiesced
 * @PVG_BLK_FAILED: broken beyond repair: as stopped, and all I/O fails
 * @PVG_BLK_DEAD: being removed; nothing brings it back
 */
enum pvg_blk_state {
	PVG_BLK_NEW,
	PVG_BLK_LIVE,
	PVG_BLK_STOPPED,
	PVG_BLK_FAILED,
	PVG_BLK_DEAD,
};

/**
 * enum pvg_blk_timeout_action - what to do about a request that takes too long
 * @PVG_BLK_TIMEOUT_WAIT: the request goes on waiting
 * @PVG_BLK_TIMEOUT_FAIL: the device is given up
 * @PVG_BLK_TIMEOUT_RESET: the device is reset, and gets its requests again
 */
enum pvg_blk_timeout_action {
	PVG_BLK_TIMEOUT_WAIT,
	PVG_BLK_TIMEOUT_FAIL,
	PVG_BLK_TIMEOUT_RESET,
};

/* Bits of &pvg_blk.wants: what fault_work is asked to do. */
enum {
	PVG_BLK_WANT_FAIL,
	PVG_BLK_WANT_RESET,
};

/**
 * struct pvg_blk_queue - a request virtqueue and its hardware context
 * @pvg: the moderated queue
 * @blk: the device
 * @full: a hardware context was stopped for lack of descriptors; protected by
 *	&pvg_queue.lock
 * @name: of the virtqueue
 */
struct pvg_blk_queue {
	struct pvg_queue pvg;
	struct pvg_blk *blk;
	bool full;
	char name[24];
};

#define PVG_BLK_LATENCY_OPS	6
#define PVG_BLK_LATENCY_BUCKETS	27	/* up to 2^25 us, beyond io_timeout; and the rest */

/**
 * struct pvg_blk_latency - how many requests took how long, see latency.c
 * @n: by operation and bucket; free-running, wraps
 */
struct pvg_blk_latency {
	unsigned long n[PVG_BLK_LATENCY_OPS][PVG_BLK_LATENCY_BUCKETS];
};

/**
 * struct pvg_blk - a device
 *
 * Allocated by probe; freed with its disk if that was ever added, since an
 * open file keeps the disk beyond removal.
 */
struct pvg_blk {
	/* Set by probe, then only read. */
	struct virtio_device *vdev;
	struct pvg_blk_limits limits;
	u16 cylinders;				/* 0: the device did not say */
	u8 heads;
	u8 sectors;
	struct pvg_blk_queue *queues;
	unsigned int nr_queues;
	unsigned int nr_poll_queues;		/* of these, the last ones */
	unsigned int ring_size;			/* descriptors per queue */
	/* Written by the task or interrupt that takes requests back, on its CPU. */
	struct pvg_blk_latency __percpu *latency;

	/* What exists already, in the order of creation; for tear-down. */
	bool ring_registered;
	bool have_vqs;
	bool have_tags;
	struct gendisk *disk;
	bool have_name;				/* @name_index is ours */
	int name_index;				/* 0: vda */
	bool disk_added;

	enum pvg_blk_state state;	/* under @state_lock */
	struct mutex state_lock;	/* of bring-up and stop */
	struct pvg_ring ring;
	struct blk_mq_tag_set tags;
	struct work_struct config_work;
	struct work_struct fault_work;
	struct work_struct reap_work;
	unsigned long wants;			/* bits; atomic */
	enum pvg_blk_timeout_action timeout_action; /* no lock */
	/* In a row without a completion, which sets it to 0 without a lock. */
	unsigned int resets;
	unsigned long first_reset;		/* jiffies; under @state_lock */

	struct mutex latency_lock;		/* of resetting and reading counts */
	struct pvg_blk_latency latency_base;	/* under @latency_lock */
};

/* Queues with interrupts, the first ones. */
static inline unsigned int pvg_blk_nr_irq_queues(const struct pvg_blk *blk)
{
	return blk->nr_queues - blk->nr_poll_queues;
}

/* Is it a queue without interrupts, for tasks that poll? */
static inline bool pvg_blk_is_polled(const struct pvg_blk *blk, unsigned int i)
{
	return i >= pvg_blk_nr_irq_queues(blk);
}

/*
 * Segments that a request has room for by itself. Where there are more, and for
 * several ranges, a tag allocates room when it is first needed, and keeps it: at most
 * PVG_BLK_ROOM_MAX bytes, as much as a ring of 256 descriptors can ask for.
 */
#define PVG_BLK_INLINE_SG	2
#define PVG_BLK_ROOM_MIN	512
#define PVG_BLK_ROOM_MAX	8192

/**
 * struct pvg_blk_lifetime - what a device answers to GET_LIFETIME (virtio 1.2, 5.2.6)
 * @pre_eol_info: share of the reserved blocks that is consumed, 0 to 3
 * @est_typ_a: tenths of its life that SLC cells are through, 0 to 11
 * @est_typ_b: the same of MLC cells
 */
struct pvg_blk_lifetime {
	__virtio16 pre_eol_info;
	__virtio16 est_typ_a;
	__virtio16 est_typ_b;
};

static_assert(sizeof(struct pvg_blk_lifetime) == 6);

/**
 * struct pvg_blk_req - per-request data (virtio 1.2, section 5.2.6)
 * @hdr: read by the device
 * @append_sector: of an append, written by the device, as what precedes @status
 * @status: written by the device; read once, by pvg_blk_used()
 * @urgent: somebody waits for this very request
 * @pooled: @table is not in @sg or @room, but of a pool
 * @own_type: VIRTIO_BLK_T_ of a REQ_OP_DRV_IN; set when that is allocated
 * @result: what @status was found to mean
 * @next: the next completed request of a drain
 * @range: of a discard, an erase or a write of zeroes that has one
 * @lifetime: written by the device
 * @own_sector: of a request whose @own_type has one
 * @table: data, mapped for the virtqueue
 * @room: of @room_size bytes, kept by the tag; a longer @table, or several ranges
 * @room_size: power of two, or 0
 * @sg: a short @table
 */
struct pvg_blk_req {
	struct virtio_blk_outhdr hdr;
	__virtio64 append_sector;
	u8 status;
	bool urgent;
	bool pooled;
	blk_status_t result;
	u32 own_type;
	struct pvg_blk_req *next;
	union {
		struct virtio_blk_discard_write_zeroes range;
		struct pvg_blk_lifetime lifetime;
		u64 own_sector;
	};
	struct sg_table table;
	void *room;
	u32 room_size;
	struct scatterlist sg[PVG_BLK_INLINE_SG];
};

/* The device writes both in one piece (virtio 1.3, struct virtio_blk_req_za). */
static_assert(offsetof(struct pvg_blk_req, status) ==
	      offsetofend(struct pvg_blk_req, append_sector));

/* limits.c */
int pvg_blk_read_limits(struct pvg_blk *blk);
int pvg_blk_read_nr_queues(struct virtio_device *vdev);
bool pvg_blk_read_write_cache(struct virtio_device *vdev);
u64 pvg_blk_read_capacity(struct pvg_blk *blk);

/* poll.c */
unsigned int pvg_blk_poll_queues(struct pvg_blk *blk, unsigned int n);

/* latency.c */
extern struct device_attribute dev_attr_latency;
void pvg_blk_latency_count(struct pvg_blk *blk, const struct pvg_done *done);
void pvg_blk_latency_reset(struct pvg_ring *ring);

/* queue.c */
extern const struct blk_mq_ops pvg_blk_mq_ops;
extern const struct pvg_queue_ops pvg_blk_queue_ops;
extern const struct pvg_queue_ops pvg_blk_poll_queue_ops;
void pvg_blk_reclaim(void *token);
void pvg_blk_requeue(void *token);
void pvg_blk_reap_work(struct work_struct *work);
struct request *pvg_blk_alloc_request(struct pvg_blk *blk, u32 type);

/* zoned.c */
int pvg_blk_validate(struct virtio_device *vdev);
#ifdef PVG_HAVE_ZONED
int pvg_blk_read_zoned(struct pvg_blk *blk);
int pvg_blk_revalidate(struct pvg_blk *blk);
u32 pvg_blk_zone_header(struct request *rq, u64 *sector);
blk_status_t pvg_blk_zone_result(struct pvg_blk *blk, struct request *rq,
				 struct pvg_blk_req *req, u8 status);
int pvg_blk_report_zones(struct gendisk *disk, sector_t sector,
			 unsigned int nr_zones, PVG_REPORT_PARAMS);

static inline bool pvg_blk_is_append(struct request *rq)
{
	return req_op(rq) == REQ_OP_ZONE_APPEND;
}
#else
static inline int pvg_blk_read_zoned(struct pvg_blk *blk)
{
	return 0;
}

static inline int pvg_blk_revalidate(struct pvg_blk *blk)
{
	return 0;
}

static inline u32 pvg_blk_zone_header(struct request *rq, u64 *sector)
{
	return 0;
}

static inline blk_status_t pvg_blk_zone_result(struct pvg_blk *blk, struct request *rq,
					       struct pvg_blk_req *req, u8 status)
{
	return BLK_STS_IOERR;
}

static inline bool pvg_blk_is_append(struct request *rq)
{
	return false;
}
#endif

/* device.c */
void pvg_blk_set_state(struct pvg_blk *blk, enum pvg_blk_state next);
int pvg_blk_bring_up(struct pvg_blk *blk);
void pvg_blk_stop_device(struct pvg_blk *blk, void (*reclaim)(void *token));
bool pvg_blk_is_broken(struct pvg_blk *blk);

/* recover.c */
void pvg_blk_fault_work(struct work_struct *work);
void pvg_blk_give_up(struct pvg_blk *blk);
int pvg_blk_freeze(struct virtio_device *vdev);
int pvg_blk_reset_prepare(struct virtio_device *vdev);
int pvg_blk_restore(struct virtio_device *vdev);

/* sysfs.c */
extern const struct attribute_group *pvg_blk_attr_groups[];

/* name.c */
int pvg_blk_choose_name(struct pvg_blk *blk);
void pvg_blk_release_name(struct pvg_blk *blk);
int pvg_blk_names_init(void);
void pvg_blk_names_exit(void);

#endif /* _PVG_BLK_H */

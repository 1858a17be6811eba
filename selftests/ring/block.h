/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What drivers/block need of the block layer, as kernel.h has
 * the rest. A request is followed by the driver's part of it; what became of it
 * stands in the request.
 */
#ifndef _PVG_TEST_BLOCK_H
#define _PVG_TEST_BLOCK_H

#include "kernel.h"
#include <linux/virtio_blk.h>

enum {
	BLK_STS_OK,
	BLK_STS_NOTSUPP,
	BLK_STS_RESOURCE,
	BLK_STS_IOERR,
};

enum {
	REQ_OP_READ,
	REQ_OP_WRITE,
	REQ_OP_FLUSH,
	REQ_OP_DISCARD,
	REQ_OP_SECURE_ERASE,
	REQ_OP_WRITE_ZEROES,
	REQ_OP_ZONE_APPEND,
	REQ_OP_DRV_IN,
	REQ_OP_UNKNOWN,
};

#define READ			0
#define WRITE			1
#define REQ_PRIO		1
#define REQ_NOUNMAP		2
#define RQF_SPECIAL_PAYLOAD	1
#define HCTX_TYPE_DEFAULT	0
#define HCTX_TYPE_POLL		2
#define HCTX_MAX_TYPES		3

typedef u8 blk_status_t;
struct hd_geometry { u16 cylinders; u8 heads, sectors; };
struct sg_table { struct scatterlist *sgl; unsigned int nents; };
struct blk_mq_queue_map { unsigned int nr_queues, queue_offset; };

struct blk_mq_tag_set {
	const struct blk_mq_ops *ops;
	unsigned int queue_depth, flags, cmd_size, nr_hw_queues, nr_maps;
	int numa_node;
	struct blk_mq_queue_map map[HCTX_MAX_TYPES];
	void *driver_data;
};

struct request_queue {
	struct { u32 discard_granularity; } limits;
	unsigned int rq_timeout;
	bool io_stat;
};

enum mq_rq_state { MQ_RQ_IDLE, MQ_RQ_IN_FLIGHT, MQ_RQ_COMPLETE };
enum blk_eh_timer_return { BLK_EH_DONE, BLK_EH_RESET_TIMER };

struct gendisk {
	struct request_queue *queue;
	const struct block_device_operations *fops;
	void *private_data;
	char disk_name[32];
	int major, first_minor, minors;
	struct device dev;
	u64 capacity;
	bool dead;
};

struct block_device { struct gendisk *bd_disk; };
struct block_device_operations {
	void *owner;
	int (*getgeo)(struct block_device *bdev, struct hd_geometry *geo);
	void (*free_disk)(struct gendisk *disk);
};

struct virtio_device_id { u32 device, vendor; };
struct virtio_driver {
	struct { const char *name; void *owner; } driver;
	const struct virtio_device_id *id_table;
	const unsigned int *feature_table;
	unsigned int feature_table_size;
	int (*validate)(struct virtio_device *vdev);
	int (*probe)(struct virtio_device *vdev);
	void (*remove)(struct virtio_device *vdev);
	void (*config_changed)(struct virtio_device *vdev);
	int (*freeze)(struct virtio_device *vdev);
	int (*restore)(struct virtio_device *vdev);
	int (*reset_prepare)(struct virtio_device *vdev);
	int (*reset_done)(struct virtio_device *vdev);
};

struct bio {
	struct { u32 bi_size; u64 bi_sector; } bi_iter;
	struct bio *bi_next;
};

struct blk_mq_tags { struct request *rqs[8]; };
struct blk_mq_hw_ctx { void *driver_data; struct blk_mq_tags *tags; };
struct request {
	struct request_queue *q;
	struct blk_mq_hw_ctx *mq_hctx;
	struct request *next;
	struct bio *bio;
	unsigned int op;
	unsigned int segments, ranges;
	unsigned int tag;
	u32 rq_flags;
	u32 cmd_flags;
	u64 start_time_ns;
	struct { void *bv_page; u32 bv_offset, bv_len; } special_vec;
	/* What the tests look at. */
	void *data;
	unsigned int timeout;
	bool started, ended, requeued;
	blk_status_t status;
};

struct blk_mq_queue_data { struct request *rq; bool last; };
struct io_comp_batch {
	struct request *req_list;
	void (*complete)(struct io_comp_batch *iob);
};

struct blk_mq_ops {
	blk_status_t (*queue_rq)(struct blk_mq_hw_ctx *hctx,
				 const struct blk_mq_queue_data *bd);
	void (*queue_rqs)(struct request **list);
	void (*commit_rqs)(struct blk_mq_hw_ctx *hctx);
	void (*complete)(struct request *rq);
	enum blk_eh_timer_return (*timeout)(struct request *rq);
	void (*exit_request)(struct blk_mq_tag_set *set, struct request *rq,
			     unsigned int hctx_idx);
	int (*init_hctx)(struct blk_mq_hw_ctx *hctx, void *data,
			 unsigned int index);
	void (*map_queues)(struct blk_mq_tag_set *set);
	int (*poll)(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob);
};

/**
 * struct model_block - what the block layer was told, and does
 * @no_memory: allocations fail
 * @no_percpu: those for each CPU do
 * @no_pool: nor is there a scatterlist in the pool
 * @tables: scatterlists and ranges that are allocated now
 * @allocated: so often something was, from no pool; @pooled: from one
 * @stopped: hardware queues that were stopped; @restarted: all of them again
 * @warned: WARN_ON_ONCE() that were true
 * @disk: the only one there can be
 * @added: it was added, and not deleted since
 * @was_added: it was ever added
 * @deleted_dead: it was dead when it was deleted
 * @resized: calls of set_capacity_and_notify()
 * @taken: names of disks, from vda on, that others have
 * @open: somebody has the disk open, so that it stays beyond its removal
 * @names: bits of the names that are ours
 * @majors: that are registered
 * @registers: what registering the driver returns
 * @id_status: what the device answers when it is asked for its serial number
 * @request: that one, and @pdu, the driver's part of it
 * @at_tags: called when the tags are allocated
 * @quiesced: how often, and not unquiesced since
 * @kicked: the list of requeued requests was, so often
 * @frozen: no request is to be had, but after so many waits; beyond five of them
 *	a signal comes
 * @slow: requests do not complete while a suspend waits
 * @at_delete: called where del_gendisk() writes back
 */
struct model_block {
	bool no_memory, no_pool, no_percpu;
	int tables;
	u32 allocated, pooled;
	u32 stopped;
	u32 restarted;
	u32 warned;
	struct gendisk disk;
	bool added, was_added, deleted_dead;
	u32 resized;
	u32 taken;
	bool open;
	u64 names;
	int majors, registers;
	blk_status_t id_status;
	struct request request;
	u64 pdu[64];
	void (*at_tags)(void);
	void (*at_delete)(void);
	int quiesced;
	u32 kicked;
	bool slow;
	u32 frozen;
};

extern struct model_block model_block;

/* What the module does when it is loaded, and unloaded. */
extern int (*model_register)(struct virtio_driver *driver);
extern void (*model_unregister)(struct virtio_driver *driver);

extern unsigned int nr_cpu_ids;
#define CONFIG_PM_SLEEP
#define KBUILD_MODNAME	"pvg_blk"
#define THIS_MODULE	NULL
#define VIRTIO_ID_BLOCK	2
#define VIRTIO_DEV_ANY_ID	U32_MAX
#define VIRTIO_RING_F_INDIRECT_DESC	28
#define NUMA_NO_NODE	(-1)
#define DISK_NAME_LEN	32
#define BLK_MAX_BLOCK_SIZE	65536
#define STRING_UNITS_2	0
#define BLK_MQ_F_NO_SCHED_BY_DEFAULT	0
#define QUEUE_FLAG_NONROT	0
#define noinline
#define MODULE_DEVICE_TABLE(...)	static_assert(1, "")
#define ALLOW_ERROR_INJECTION(...)	static_assert(1, "")
#define module_driver(d, reg, unreg)					\
	struct virtio_driver *model_driver = &(d);			\
	int (*model_register)(struct virtio_driver *) = reg;		\
	void (*model_unregister)(struct virtio_driver *) = unreg
#define register_virtio_driver(d)	(model_block.registers)
#define unregister_virtio_driver(d)	((void)(d))
#define register_blkdev(n, name)	(model_block.majors++ + 240)
#define unregister_blkdev(n, name)	((void)(n), model_block.majors--)

struct kernel_param { void *arg; };
struct kernel_param_ops {
	int (*set)(const char *val, const struct kernel_param *kp);
	int (*get)(char *buf, const struct kernel_param *kp);
};

static inline int param_get_uint(char *buf, const struct kernel_param *kp)
{
	return sprintf(buf, "%u\n", *(unsigned int *)kp->arg);
}

/* What is written to the parameter poll_queues. */
extern const struct kernel_param_ops *model_poll_queues;
#define module_param_cb(name, ops, to, mode)				\
	const struct kernel_param_ops *model_##name = (ops)
#define MODULE_PARM_DESC(...)	static_assert(1, "")
#define kstrtouint(s, base, value)	kstrtou32(s, base, value)
#define pr_err(...)	((void)model_said++)

#define DEFINE_MUTEX(name)	struct mutex name
#define IS_ERR(p)	((unsigned long)(p) >= (unsigned long)-4095)
#define PTR_ERR(p)	((long)(p))
#define ERR_PTR(err)	((void *)(long)(err))
#define INIT_WORK(w, f)	((w)->function = (f))
#define cancel_work_sync(w)	((w)->scheduled = false)
#define string_get_size(size, ...)	((void)(size))
#define virtio_device_ready(vdev)					\
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER_OK)
#define offsetofend(type, member)					\
	(offsetof(type, member) + sizeof(((type *)0)->member))
#define virtio_cread8(vdev, at)	(((u8 *)(vdev)->space)[at])
#define __virtio_clear_bit(vdev, bit)	((vdev)->features &= ~BIT_ULL(bit))
#define dev_err_ratelimited(...)	((void)model_says(__VA_ARGS__))
#define virtio_cwrite8(vdev, at, value)					\
	(((u8 *)(vdev)->space)[at] = (value))
#define PVG_HAVE_VIRTIO_RESET_HOOKS
#define blk_mq_unquiesce_queue(q)	((void)(q), model_block.quiesced--)
#define blk_mq_quiesce_queue(q)	((void)(q), model_block.quiesced++)
#define blk_sync_queue(q)	((void)(q))
#define blk_freeze_queue_start(q)	((void)(q))
#define blk_mq_freeze_queue_wait_timeout(q, t)	(!model_block.slow)
#define blk_mq_kick_requeue_list(q)	((void)(q), model_block.kicked++)
#define memalloc_noio_save()	0u
#define memalloc_noio_restore(flags)	((void)(flags))
#define set_bit(bit, word)	(*(word) |= 1ul << (bit))
#define test_and_clear_bit(bit, word) ({				\
	bool _was = *(word) >> (bit) & 1;				\
	*(word) &= ~(1ul << (bit));					\
	_was; })
#define blk_queue_io_stat(q)	((q)->io_stat)
#define ktime_get_ns()	local_clock()
#define fls64(n)	((n) ? 64 - __builtin_clzll(n) : 0)
#define blk_mq_free_tag_set(tags)	((void)(tags))
#define blk_mark_disk_dead(d)	((d)->dead = true, (d)->capacity = 0)
#define set_disk_ro(d, ro)	((void)(d), (void)(ro))
#define get_capacity(d)		((d)->capacity)
#define set_capacity(d, n)	((d)->capacity = (n))
#define set_capacity_and_notify(d, n)					\
	(model_block.resized++, (d)->capacity = (n))
#define device_add_disk(dev, d, groups)					\
	(model_block.added = true, model_block.was_added = true, 0)
#define disk_to_dev(d)	(&(d)->dev)
#define put_device(d)	((void)(d))
#define blk_mq_alloc_disk(set, data)					\
	(model_block.was_added = false, &model_block.disk)
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
#define blk_queue_dma_alignment(...)	((void)0)
#define blk_queue_max_discard_sectors(...)	((void)0)
#define blk_queue_max_discard_segments(...)	((void)0)
#define blk_queue_max_secure_erase_sectors(...)	((void)0)
#define blk_queue_max_write_zeroes_sectors(...)	((void)0)
#define blk_rq_map_sg(q, rq, sg)	((rq)->segments)
#define blk_rq_map_kern(q, rq, buf, len, gfp)	((rq)->data = (buf), 0)
#define BLK_MQ_REQ_NOWAIT	1
#define blk_mq_alloc_request(q, op, flags)				\
	((struct request *)(model_block.frozen ? ERR_PTR(-EAGAIN) :	\
						 &model_block.request))
#define msleep_interruptible(ms)	((void)(ms), model_block.frozen-- > 5)
#define blk_mq_free_request(rq)	((rq)->data = NULL)
#define dev_to_disk(d)	container_of(d, struct gendisk, dev)
#define blk_mq_unfreeze_queue(q)	((void)(q))
#define blk_mq_virtio_map_queues(...)	((void)0)
#define blk_mq_map_queues(map)	((void)(map))

#define WARN_ON_ONCE(c)	({ bool _c = (c); model_block.warned += _c; _c; })
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define ilog2(n)	(31 - __builtin_clz(n))
#define roundup_pow_of_two(n)	(2ul << (63 - __builtin_clzl((n) - 1)))
#define swap(a, b)	({ typeof(a) _a = (a); (a) = (b); (b) = _a; })
#define schedule_work(w)	((w)->scheduled = true)
#define cpu_to_le32(x)	(x)
#define cpu_to_le64(x)	(x)
#define cpu_to_virtio32(vdev, x)	(x)
#define cpu_to_virtio64(vdev, x)	(x)
#define virt_to_page(p)	(p)
#define offset_in_page(p)	0
#define bvec_virt(v)	((v)->bv_page)
#define req_op(rq)	((rq)->op)
#define req_get_ioprio(rq)	0
#define op_is_write(op)	((op) != REQ_OP_READ && (op) != REQ_OP_FLUSH && (op) != REQ_OP_DRV_IN)
#define rq_data_dir(rq)	((rq)->op == REQ_OP_READ ? READ : WRITE)
#define blk_rq_nr_phys_segments(rq)	((rq)->segments)
#define blk_rq_nr_discard_segments(rq)	((rq)->ranges ?: 1)
#define blk_rq_sectors(rq)	8
#define blk_rq_pos(rq)	16
#define __rq_for_each_bio(b, rq)	for (b = (rq)->bio; b; b = b->bi_next)
#define blk_mq_rq_to_pdu(rq)	((void *)((rq) + 1))
#define blk_mq_rq_from_pdu(req)	((struct request *)(req) - 1)
#define blk_mq_start_request(rq)	((rq)->started = true)
#define blk_mq_rq_state(rq)						\
	((rq)->ended ? MQ_RQ_IDLE : MQ_RQ_IN_FLIGHT)
#define blk_mq_requeue_request(rq, kick)	((rq)->requeued = true)
#define blk_mq_stop_hw_queue(hctx)	(model_block.stopped++)
#define blk_mq_start_stopped_hw_queues(q, async)	(model_block.restarted++)
#define blk_mq_set_request_complete(rq)	((void)(rq))
#define blk_mq_complete_request_remote(rq)	false
#define blk_mq_complete_request(rq)	((void)(rq))
#define blk_mq_add_to_batch(rq, iob, error, complete)	((void)(complete), false)
#define blk_mq_end_request_batch(iob)	((void)(iob))
#define DEFINE_IO_COMP_BATCH(name)	struct io_comp_batch name = {}
#define rq_list_for_each(list, rq)	for (rq = *(list); rq; rq = rq->next)
#define sg_init_one(sg, p, len)	((sg)->at = (p))
#undef kfree
#undef kcalloc
#define kcalloc(n, size, gfp)	model_kcalloc(n, size)
#define kmalloc(size, gfp)	model_kmalloc(size)
#define __GFP_NOWARN	0
#define GFP_NOWAIT		0
#define __GFP_NOMEMALLOC	0
#define array_size(n, size)	((n) * (size))
#define sg_init_table(sg, n)	((void)(sg), (void)(n))
#define kzalloc(size, gfp)	model_kcalloc(1, size)
#define kfree(p)	model_kfree(p)
#define alloc_percpu(type)						\
	((type *)(model_block.no_percpu ? NULL : model_kcalloc(1, sizeof(type))))
#define free_percpu(p)	model_kfree(p)

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

static inline void blk_mq_end_request(struct request *rq, blk_status_t status)
{
	assert(!rq->ended);
	rq->ended = true;
	rq->status = status;
}

static inline void *model_kmalloc(size_t size)
{
	if (model_block.no_memory)
		return NULL;
	model_block.tables++;
	model_block.allocated++;
	return malloc(size);
}

static inline void *model_kcalloc(size_t n, size_t size)
{
	model_block.tables++;
	return calloc(n, size);
}

static inline void model_kfree(const void *p)
{
	model_block.tables -= !!p;
	free((void *)p);
}

static inline int sg_alloc_table_chained(struct sg_table *table, int n,
					 struct scatterlist *first, unsigned int nr)
{
	if (model_block.no_pool)
		return -ENOMEM;
	model_block.tables++;
	model_block.pooled++;
	return 0;
}

static inline void sg_free_table_chained(struct sg_table *table, unsigned int nr)
{
	model_block.tables--;
}

static inline int blk_mq_alloc_tag_set(struct blk_mq_tag_set *tags)
{
	if (model_block.at_tags)
		model_block.at_tags();
	return 0;
}

static inline void del_gendisk(struct gendisk *disk)
{
	assert(model_block.added);
	if (model_block.at_delete)
		model_block.at_delete();
	model_block.deleted_dead = disk->dead;
	model_block.added = false;
}

static inline void put_disk(struct gendisk *disk)
{
	if (model_block.was_added && !model_block.open)
		disk->fops->free_disk(disk);
}

/* There are 64 numbers. */
struct ida { int unused; };
#define DEFINE_IDA(name)	struct ida name

static inline int ida_alloc_range(struct ida *ida, unsigned int min,
				  unsigned int max, gfp_t gfp)
{
	for (; min < 64; min++) {
		if (model_block.names & BIT_ULL(min))
			continue;
		model_block.names |= BIT_ULL(min);
		return min;
	}
	return -ENOSPC;
}

static inline void ida_free(struct ida *ida, unsigned int n)
{
	assert(model_block.names & BIT_ULL(n));
	model_block.names &= ~BIT_ULL(n);
}

/* vda to vdz are enough here. */
static inline struct device *class_find_device_by_name(void *class,
						       const char *name)
{
	bool taken = strlen(name) == 3 && name[2] < (char)('a' + model_block.taken);

	return taken ? &model_block.disk.dev : NULL;
}

static inline blk_status_t blk_execute_rq(struct request *rq, bool at_head)
{
	if (model_block.id_status == BLK_STS_OK && rq->data)
		strcpy(rq->data, "model");
	return model_block.id_status;
}

static inline int blk_status_to_errno(blk_status_t status)
{
	switch (status) {
	case BLK_STS_OK:
		return 0;
	case BLK_STS_NOTSUPP:
		return -EOPNOTSUPP;
	case BLK_STS_RESOURCE:
		return -ENOMEM;
	default:
		return -EIO;
	}
}

#endif /* _PVG_TEST_BLOCK_H */

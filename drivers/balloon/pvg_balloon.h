/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of pvg_balloon share with each other.
 *
 * Sizes are in pages of the guest unless a name says otherwise; the device
 * counts in pages of 4 KiB (PVG_UNITS_PER_PAGE of them each).
 *
 * A page is always in one of three places: in the store (the host knows that
 * it is in the balloon), in a request that the device holds, or untold (it is
 * ours, and the host does not know yet, or not any more). What is being
 * allocated passes from untold through a request into the store.
 */
#ifndef _PVG_BALLOON_H
#define _PVG_BALLOON_H

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/virtio_balloon.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pvguest/compat_balloon.h"
#include "pvguest/ring.h"

struct dentry;

#define PVG_UNITS_PER_PAGE	((unsigned int)(PAGE_SIZE >> VIRTIO_BALLOON_PFN_SHIFT))

/*
 * Ranges of a page block and more are kept whole: compaction works within
 * blocks and loses nothing by them. All smaller ones are split into pages that
 * can be migrated.
 */
#define PVG_RANGE_MIN_ORDER	min_t(unsigned int, pageblock_order, \
				      PVG_MAX_ORDER)
#define PVG_RANGE_MAX_PAGES	BIT(PVG_MAX_ORDER)
#define PVG_RANGE_PIECE_SHIFT	8	/* in private: orders fit into so many bits */

#define PVG_ARRAY_MAX		32768	/* page numbers in one request */
#define PVG_ARRAY_PLAIN		256	/* what every device knows to handle */
#define PVG_OOM_ARRAY		4096
#define PVG_RANGE_ENTRIES	32	/* descriptors, and so many ranges */
#define PVG_ARRAY_REQS		3	/* of the worker, in flight at once */
#define PVG_RANGE_REQS		2

/* A request the device holds for longer means that it has stopped working. */
#define PVG_DEVICE_DEADLINE	(10 * HZ)
/* From when something becomes free until the kernel reports it. */
#define PVG_REPORT_DELAY_MS	2000u
/* How long one page migration may wait for the device. */
#define PVG_MIGRATE_DEADLINE	HZ

/**
 * enum pvg_balloon_state - life of a device; changed by pvg_balloon_set_state()
 * @PVG_BALLOON_NEW: being probed
 * @PVG_BALLOON_LIVE: virtqueues run
 * @PVG_BALLOON_STOPPED: suspended or recovering: reset, virtqueues gone; what
 *	is in the balloon stays there
 * @PVG_BALLOON_FAILED: broken beyond repair: as stopped
 * @PVG_BALLOON_DEAD: being removed, or the kernel ends; nothing brings it back
 */
enum pvg_balloon_state {
	PVG_BALLOON_NEW,
	PVG_BALLOON_LIVE,
	PVG_BALLOON_STOPPED,
	PVG_BALLOON_FAILED,
	PVG_BALLOON_DEAD,
};

/* Virtqueues, in the order of the specification; not all need exist. */
enum pvg_balloon_vq {
	PVG_VQ_INFLATE,
	PVG_VQ_DEFLATE,
	PVG_VQ_STATS,
	PVG_VQ_HINT,
	PVG_VQ_REPORT,
	PVG_VQ_COUNT
};

/**
 * struct pvg_balloon_queue - a virtqueue
 * @pvg: the moderated queue
 * @b: the device
 * @exists: the device has it
 */
struct pvg_balloon_queue {
	struct pvg_queue pvg;
	struct pvg_balloon *b;
	bool exists;
};

/**
 * enum pvg_zone_kind - who can use memory
 * @PVG_ZONE_KERNEL: everyone: all zones but the movable one
 * @PVG_ZONE_MOVABLE: only who can do with movable pages
 */
enum pvg_zone_kind {
	PVG_ZONE_KERNEL,
	PVG_ZONE_MOVABLE,
};

/**
 * enum pvg_req_kind - what a request tells the device
 * @PVG_REQ_INFLATE: page numbers that enter the balloon
 * @PVG_REQ_DEFLATE: page numbers that leave it
 * @PVG_REQ_REPORT: ranges whose content nobody needs
 * @PVG_REQ_KINDS: their number
 */
enum pvg_req_kind {
	PVG_REQ_INFLATE,
	PVG_REQ_DEFLATE,
	PVG_REQ_REPORT,
	PVG_REQ_KINDS
};

/**
 * enum pvg_req_state - who owns a request; under &pvg_balloon.lock
 * @PVG_REQ_IDLE: whoever takes it
 * @PVG_REQ_TAKEN: who has taken it
 * @PVG_REQ_SENT: the device
 * @PVG_REQ_DONE: who has sent it
 */
enum pvg_req_state {
	PVG_REQ_IDLE,
	PVG_REQ_TAKEN,
	PVG_REQ_SENT,
	PVG_REQ_DONE,
};

/**
 * struct pvg_balloon_pagelist - pages that belong to us
 * @ranges: first pages of whole ranges, linked by lru; see pvg_range_init()
 * @singles: single pages, linked by lru
 * @range_pages: pages in @ranges
 * @nr_singles: pages in @singles
 */
struct pvg_balloon_pagelist {
	struct list_head ranges;
	struct list_head singles;
	unsigned long range_pages;
	unsigned long nr_singles;
};

/**
 * struct pvg_balloon_req - a request to the device
 * @b: the device
 * @link: in &pvg_balloon.idle or &pvg_balloon.done; under &pvg_balloon.lock
 * @next: the next completed request of a drain
 * @kind: set by who has taken it
 * @state: under &pvg_balloon.lock; read without by who waits for it
 * @failed: the device was reset instead of completing it
 * @async: the worker's: the worker takes it from &pvg_balloon.done
 * @sent_ns: ktime_get_ns() when it was sent
 * @held: pages that wait for the device
 * @pages: pages that it is about
 * @max: entries there is room for
 * @nr: entries in use: of @pfns, or of @sg
 * @pfns: read by the device; NULL for ranges
 * @sg: ranges written by the device, or one entry for @pfns
 */
struct pvg_balloon_req {
	struct pvg_balloon *b;
	struct list_head link;
	struct pvg_balloon_req *next;
	enum pvg_req_kind kind;
	enum pvg_req_state state;
	bool failed;
	bool async;
	u64 sent_ns;
	struct pvg_balloon_pagelist held;
	unsigned long pages;
	unsigned int max;
	unsigned int nr;
	__virtio32 *pfns;
	struct scatterlist *sg;
};

/**
 * struct pvg_balloon_counts - free-running
 *
 * Those with one writer are written by it as it likes: @config_writes,
 * @backoffs, @splits, @pressed and @stats by the work in question, @hinted under
 * &pvg_balloon.hint_lock, @recoveries by recover_work. All others: under
 * &pvg_balloon.lock.
 */
struct pvg_balloon_counts {
	u64 requests[PVG_REQ_KINDS];
	u64 request_pages[PVG_REQ_KINDS];
	u64 request_ns[PVG_REQ_KINDS];	/* the device had them, summed up */
	u64 inflated, deflated;		/* pages */
	u64 config_writes;		/* of actual */
	u64 backoffs;
	u64 splits;			/* ranges */
	u64 pressed;			/* looks that found the guest short */
	u64 oom_calls, oom_pages;
	u64 migrated, migrate_failed;
	u64 reported;			/* free pages told by the kernel */
	u64 hinted;			/* free pages */
	u64 stats;			/* times that the host asked */
	u64 recoveries;
};

/**
 * struct pvg_balloon - a device
 *
 * Lock order: @state_lock, then &pvg_queue.lock; @lock is innermost, and not
 * taken under &pvg_queue.lock. @migrate_lock is only ever tried, under the page
 * locks of the kernel.
 */
struct pvg_balloon {
	/* Set by probe, then only read. */
	struct virtio_device *vdev;
	bool by_ranges;		/* ranges go through the reporting queue */
	bool must_tell;		/* the host must know before pages are used */
	bool stays_empty;	/* the kernel is there to write a dump */
	unsigned int array_max;	/* page numbers in one request */
	unsigned int range_max;	/* ranges in one; by bring-up */
	struct workqueue_struct *wq;
	struct pvg_balloon_req reqs[PVG_ARRAY_REQS + PVG_RANGE_REQS];
	struct pvg_balloon_req oom_req;
	struct pvg_balloon_req migrate_out, migrate_in;
	struct pvg_balloon_req report_req;

	/* What exists already, in the order of creation; for tear-down. */
	bool ring_registered;
	bool have_vqs;
	bool oom_registered;
	bool sysfs_added;
	bool reports;		/* free pages, to this device */

	enum pvg_balloon_state state;	/* under @state_lock */
	struct mutex state_lock;	/* of bring-up and stop */
	struct pvg_ring ring;
	struct pvg_balloon_queue queues[PVG_VQ_COUNT];
	struct pvg_balloon_queue *present[PVG_VQ_COUNT];

	spinlock_t lock;	/* of what follows, up to the next remark */
	struct list_head idle[2];	/* array requests, range requests */
	struct list_head done;		/* for the worker */
	struct list_head ranges[PVG_MAX_ORDER + 1];	/* the store, */
	unsigned long nr_ranges[PVG_MAX_ORDER + 1];	/* by order */
	unsigned long nr_singles;	/* in @pages, those isolated included */
	unsigned long stored;		/* all of the store: what "actual" says */
	unsigned long entering;		/* on their way into the store */
	struct pvg_balloon_pagelist untold;
	bool migrate_late;		/* the device has not yet seen a page that
					 * is in @pages already
					 */
	bool oom_late;			/* nobody waits for @oom_req */
	unsigned long oom_until;	/* jiffies until which nothing grows */
	unsigned long oom_step;		/* pages for the next call */
	unsigned int oom_hold_ms;	/* 0: there has been none of late */
	struct pvg_balloon_counts counts;

	struct pvg_balloon_pages pages;	/* single pages; the kernel's lock */
	wait_queue_head_t waiters;	/* for a request */
	unsigned long floor;		/* pages left available; READ_ONCE */
	unsigned int restore_limit;	/* pages per second; READ_ONCE */
	unsigned long target;		/* written by the worker; READ_ONCE */
	unsigned long flags;		/* PVG_TARGET_CHANGED and so on; atomic */

	/* The worker's own. */
	struct delayed_work size_work;
	struct pvg_balloon_pagelist loose; /* free pages, but for a range that
					    * is being allocated in pieces
					    */
	unsigned int order;		/* what is tried first */
	unsigned int skip_ranges;	/* rounds of reclaim without trying */
	unsigned int backoff_ms;	/* 0: not backing off */
	unsigned long backoff_until;	/* jiffies */
	unsigned long pressure_looked;	/* jiffies */
	unsigned long restored;		/* pages, by then */
	bool pressed;			/* what came of it */
	bool written_once;
	unsigned long written;		/* actual, as the host has it */
	u64 written_ns;
	u64 move_ns;			/* start of the current movement */
	unsigned long moved;		/* pages since then */
	bool growing;			/* its direction */
	u64 rate;			/* bytes per second; READ_ONCE */

	struct work_struct recover_work;
	unsigned long recovery_jiffies;	/* of the last one; recover_work's */
	unsigned int recovery_count;	/* in a row; recover_work's */

	struct mutex migrate_lock;	/* of @migrate_out and @migrate_in */
	struct notifier_block oom_nb;

	/* report.c */
	struct page_reporting_dev_info reporting;
	struct delayed_work report_work;
	unsigned int report_delay_ms;	/* READ_ONCE */
	bool reporting_registered;	/* report_work's, and of who has ended it */

	/* stats.c */
	struct work_struct stats_work;
	struct virtio_balloon_stat *stats; /* read by the device */
	unsigned int nr_stats;		/* stats_work's */
	bool stats_out;			/* the device has them; &pvg_queue.lock */

	/* hint.c */
	struct work_struct hint_work;
	struct pvg_shrinker shrinker;
	__virtio32 *hint_ids;		/* read by the device: start, stop */
	u32 hint_id;			/* of the last series; hint_work's */
	bool hint_start_out;		/* the device has the identifier that
					 * begins one; &pvg_queue.lock
					 */
	spinlock_t hint_lock;		/* of the next two; innermost */
	struct list_head hint_pages;	/* blocks, linked by lru */
	unsigned long nr_hints;		/* blocks */

	struct dentry *debugfs;
};

/* Bits of &pvg_balloon.flags. */
enum {
	PVG_TARGET_CHANGED,	/* read num_pages again */
	PVG_RETELL,		/* the device was reset: tell it everything */
	PVG_STUCK,		/* a request is overdue */
	PVG_HINT_CHANGED,	/* read free_page_hint_cmd_id again */
	PVG_REPORT_NOW,		/* what is free, without the usual delay */
};

/*
 * The files, from the lowest to the highest. Calls go down only, but for the
 * operations of a queue and the works, which main.c hands down.
 */

/* state.c */
void pvg_balloon_set_state(struct pvg_balloon *b, enum pvg_balloon_state next);
bool pvg_balloon_may_recover(struct pvg_balloon *b);
void pvg_balloon_recover(struct pvg_balloon *b);
void pvg_balloon_kick(struct pvg_balloon *b);

/* room.c */
unsigned long pvg_balloon_default_floor(void);
long pvg_balloon_headroom(struct pvg_balloon *b);
long pvg_balloon_kernel_headroom(struct pvg_balloon *b);
unsigned long pvg_balloon_spare(struct pvg_balloon *b, enum pvg_zone_kind kind);
bool pvg_balloon_spare_movable(int nid);
bool pvg_balloon_is_fragmented(struct pvg_balloon *b);

/* pressure.c */
#define PVG_RESTORE_LIMIT	64u	/* pages per second */

bool pvg_balloon_is_pressed(struct pvg_balloon *b);

/* store.c: pages */
/**
 * pvg_range_init() - make a range of what was allocated
 * @page: the first page of the range
 * @order: the range has 2^@order contiguous pages of one zone
 * @piece: order of the allocations that these pages come from
 *
 * A range is one allocation, or several neighbours. Each allocation keeps its own
 * reference, and is freed or split by itself: the kernel accounts for it so.
 *
 * Private of the first page holds both orders until the range is freed or split.
 */
static inline void pvg_range_init(struct page *page, unsigned int order,
				  unsigned int piece)
{
	set_page_private(page, piece << PVG_RANGE_PIECE_SHIFT | order);
}

static inline unsigned int pvg_range_order(const struct page *page)
{
	return page_private(page) & (BIT(PVG_RANGE_PIECE_SHIFT) - 1);
}

static inline unsigned int pvg_range_piece(const struct page *page)
{
	return page_private(page) >> PVG_RANGE_PIECE_SHIFT;
}

void pvg_pagelist_init(struct pvg_balloon_pagelist *l);
void pvg_pagelist_add_range(struct pvg_balloon_pagelist *l, struct page *page);
void pvg_pagelist_add_single(struct pvg_balloon_pagelist *l,
			     struct page *page);
struct page *pvg_pagelist_pop_range(struct pvg_balloon_pagelist *l,
				    unsigned int *order);
struct page *pvg_pagelist_pop_single(struct pvg_balloon_pagelist *l);
void pvg_pagelist_move(struct pvg_balloon_pagelist *from,
		       struct pvg_balloon_pagelist *to);
void pvg_pagelist_split(struct pvg_balloon_pagelist *l);
void pvg_pagelist_free(struct pvg_balloon_pagelist *l);
static inline unsigned long
pvg_pagelist_pages(const struct pvg_balloon_pagelist *l)
{
	return l->range_pages + l->nr_singles;
}

void pvg_store_init(struct pvg_balloon *b);
void pvg_store_add(struct pvg_balloon *b, struct pvg_balloon_pagelist *l);
struct page *pvg_store_take_range(struct pvg_balloon *b, unsigned long most,
				  unsigned int *order);
unsigned long pvg_store_take_singles(struct pvg_balloon *b,
				     struct pvg_balloon_pagelist *l,
				     unsigned long most);
void pvg_untold_add(struct pvg_balloon *b, struct pvg_balloon_pagelist *l);
unsigned long pvg_untold_free(struct pvg_balloon *b, unsigned long most);
bool pvg_store_retell(struct pvg_balloon *b);
bool pvg_store_empty(struct pvg_balloon *b);

/* request.c */
extern const struct pvg_queue_ops pvg_balloon_req_ops;
void pvg_balloon_init_reqs(struct pvg_balloon *b);
int pvg_balloon_alloc_reqs(struct pvg_balloon *b);
void pvg_balloon_free_reqs(struct pvg_balloon *b);
struct pvg_balloon_req *pvg_balloon_get_req(struct pvg_balloon *b,
					    enum pvg_req_kind kind);
bool pvg_balloon_take_req(struct pvg_balloon_req *req, enum pvg_req_kind kind);
void pvg_balloon_put_req(struct pvg_balloon_req *req);
bool pvg_balloon_req_fits(const struct pvg_balloon_req *req,
			  unsigned long pages);
void pvg_balloon_req_add(struct pvg_balloon_req *req, struct page *page,
			 unsigned long pages);
int pvg_balloon_send(struct pvg_balloon_req *req);
bool pvg_balloon_wait_req(struct pvg_balloon_req *req, unsigned long deadline);
bool pvg_balloon_overdue(struct pvg_balloon *b);
void pvg_balloon_reclaim_req(void *token);

/* alloc.c */
unsigned long pvg_alloc_free(struct pvg_balloon *b, unsigned long want);
unsigned long pvg_alloc_reclaim(struct pvg_balloon *b, unsigned long want);
void pvg_alloc_drop_loose(struct pvg_balloon *b);

/* oom.c */
int pvg_balloon_oom_notify(struct notifier_block *nb, unsigned long unused,
			   void *freed);

/* migrate.c */
int pvg_balloon_migrate(struct balloon_dev_info *info, struct page *newpage,
			struct page *page, enum migrate_mode mode);

/* report.c */
void pvg_balloon_init_reporting(struct pvg_balloon *b);
int pvg_balloon_register_reporting(struct pvg_balloon *b);
void pvg_balloon_report_soon(struct pvg_balloon *b);
void pvg_balloon_unregister_reporting(struct pvg_balloon *b);

/* hint.c */
extern const struct pvg_queue_ops pvg_balloon_hint_ops;
void pvg_balloon_hint_work(struct work_struct *work);
int pvg_balloon_init_hints(struct pvg_balloon *b);
void pvg_balloon_exit_hints(struct pvg_balloon *b);
void pvg_balloon_return_hints(struct pvg_balloon *b);

/* stats.c */
extern const struct pvg_queue_ops pvg_balloon_stats_ops;
void pvg_balloon_stats_work(struct work_struct *work);
void pvg_balloon_reclaim_stats(void *token);

/* size.c */
void pvg_balloon_size_work(struct work_struct *work);

/* sysfs.c */
extern const struct attribute_group pvg_balloon_group;

/* debugfs.c */
void pvg_balloon_debugfs_add(struct pvg_balloon *b);

#endif /* _PVG_BALLOON_H */

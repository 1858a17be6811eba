/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvg_ring: when to interrupt and when to ring the doorbell.
 *
 * The kernel's virtqueue code owns descriptors and buffers. This core owns
 * everything around it: the virtqueue callback, the drain loop, the event
 * index, the timer, the doorbell decision and the counters. Drivers add
 * buffers, commit batches and get completions back; they contain no moderation
 * code. Documentation/ring.md describes the policy.
 *
 * A driver:
 *  1. fills a struct pvg_ring and pvg_ring_register()s it for the device;
 *  2. calls pvg_find_vqs() with pvg_queue_callback() for each moderated queue, and
 *     with NULL for one that has &pvg_queue_ops.no_irq;
 *  3. pvg_queue_start()s each queue before virtio_device_ready();
 *  4. for each batch: pvg_queue_lock(), pvg_queue_add()..., then
 *     pvg_queue_commit_unlock();
 *  5. before the device is reset: pvg_queue_stop() each queue.
 *
 * A queue may be polled (NAPI): then the core calls &pvg_queue_ops.poll where
 * it would take completions back in an interrupt, parks the event index, and
 * leaves the queue alone until pvg_queue_poll_done().
 */
#ifndef _PVGUEST_RING_H
#define _PVGUEST_RING_H

#include <linux/cache.h>
#include <linux/gfp.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

struct dentry;
struct pvg_queue;
struct pvg_watch;
struct scatterlist;
struct vring;

/* Ranges of the sysfs moderation attributes; anything else is -EINVAL. */
#define PVG_FRAMES_MIN	1
#define PVG_FRAMES_MAX	4096
#define PVG_USECS_MIN	1
#define PVG_USECS_MAX	100000

/**
 * enum pvg_policy - how completions and doorbells are moderated
 * @PVG_POLICY_OFF: an interrupt per completion, a doorbell per batch
 * @PVG_POLICY_FIXED: an interrupt at the frames-th completion (or the last in
 *	flight); no completion waits longer than usecs
 * @PVG_POLICY_ADAPTIVE: the core decides from what is in flight and from what
 *	the submitter does next
 */
enum pvg_policy {
	PVG_POLICY_OFF,
	PVG_POLICY_FIXED,
	PVG_POLICY_ADAPTIVE,
};

/**
 * enum pvg_event_mode - how a queue asks the device for its next interrupt
 * @PVG_EVENT_PLAIN: through virtqueue_enable_cb(); at the next completion or
 *	not at all (no EVENT_IDX, or a packed ring that failed its self-test)
 * @PVG_EVENT_SPLIT: the core writes used_event (virtio 1.2, 2.7.10)
 * @PVG_EVENT_PACKED: the core writes the driver event area (2.8.14)
 */
enum pvg_event_mode {
	PVG_EVENT_PLAIN,
	PVG_EVENT_SPLIT,
	PVG_EVENT_PACKED,
};

/**
 * struct pvg_moderation - the settings of a queue
 * @policy: see enum pvg_policy
 * @frames: completions per interrupt under PVG_POLICY_FIXED,
 *	PVG_FRAMES_MIN to PVG_FRAMES_MAX
 * @usecs: longest wait of a completion under PVG_POLICY_FIXED, microseconds,
 *	PVG_USECS_MIN to PVG_USECS_MAX
 */
struct pvg_moderation {
	enum pvg_policy policy;
	u32 frames;
	u32 usecs;
};

/**
 * struct pvg_done - completions collected by one drain
 * @first: owned by the driver's used() and done()
 * @last: owned by the driver's used() and done()
 * @count: completions collected; maintained by the core
 */
struct pvg_done {
	void *first;
	void *last;
	u32 count;
};

/**
 * struct pvg_queue_ops - what a driver provides per queue
 * @receive: the buffers wait for what the peer sends, and may do so for ever,
 *	rather than for the answer to a request
 * @lazy: nobody waits for a single buffer to come back, so the adaptive policy
 *	may leave the last one in flight, or a quarter of them, for a
 *	millisecond, for pvg_queue_reap() or the next submission to take, and
 *	for up to eight where one of these always came in time
 * @keeps: the device may keep buffers for as long as it likes, as with @receive,
 *	though they are moderated as requests
 * @no_irq: the virtqueue has no callback, and a task that waits for a buffer calls
 *	pvg_queue_reap() until it has come. The device is asked for no interrupt and no
 *	doorbell is held back. Needs @untaken
 * @wait_max_us: with @receive: how long the adaptive policy may leave a buffer
 *	that has come for others to follow; 0: 200
 * @used: a buffer came back. Called with the queue lock held and interrupts
 *	off, once per token; takes the token's result from driver memory,
 *	validates it, and links the token into @done. @len is what the device
 *	says it wrote, not yet trusted.
 * @done: complete what used() linked. Called without the queue lock, in hard
 *	interrupt, timer or submitter context; must not sleep. On a polled queue
 *	only in submitter context; not needed if @receive is set as well.
 * @poll: NULL, or makes the queue a polled one: see to it that
 *	pvg_queue_poll() is called soon, until pvg_queue_poll_done(). Called
 *	without the queue lock, in any context, possibly while polling.
 * @broken: the device violated the protocol or is gone; what it holds will not
 *	come back. Called with the queue lock held, possibly more than once;
 *	schedules the recovery.
 * @untaken: with @no_irq, buffers came back and no task has taken them: see to it
 *	that pvg_queue_reap() is called soon. Called with the queue lock held, from
 *	a timer, where not all that is waited for so may be completed.
 * @stalled: NULL, or told when the device has done nothing for about 300 ms
 *	though it has buffers, and again from time to time; not where it may
 *	keep them. The driver sees whether the device is still there. Called
 *	with the queue lock held, from a timer.
 */
struct pvg_queue_ops {
	bool receive;
	bool lazy;
	bool keeps;
	bool no_irq;
	u32 wait_max_us;
	void (*used)(struct pvg_queue *q, void *token, u32 len,
		     struct pvg_done *done);
	void (*done)(struct pvg_queue *q, struct pvg_done *done);
	void (*poll)(struct pvg_queue *q);
	void (*broken)(struct pvg_queue *q);
	void (*untaken)(struct pvg_queue *q);
	void (*stalled)(struct pvg_queue *q);
};

/**
 * struct pvg_queue_stats - free-running counters, reset by writing to stats
 *
 * All are protected by &pvg_queue.lock.
 */
struct pvg_queue_stats {
	u64 interrupts;		/* callbacks of the virtqueue */
	u64 spurious;		/* callbacks that found nothing */
	u64 timer_starts;	/* hrtimer programmed */
	u64 timer_fires;	/* hrtimer expired */
	u64 submissions;	/* buffers added */
	u64 completions;	/* buffers taken back */
	u64 reaped;		/* of these, by a submitter, or a task that waits */
	u64 doorbells;		/* device notified */
	u64 doorbells_suppressed; /* device said it needs no notification */
	u64 doorbells_held;	/* batches whose doorbell was left to a later one */
	u64 prediction_hits;	/* a hold cost nothing; receive: enough buffers came */
	u64 prediction_misses;	/* it did; receive: the timer fired first */
	u64 stayed;		/* a submitter neither committed nor left its CPU */
	u64 doorbells_forced;	/* of doorbells, by the progress guard */
	u64 healed_doorbell;	/* of these, the device moved after them */
	u64 healed_irq;		/* completions found that no interrupt told of */
};

/**
 * struct pvg_hold - what the adaptive policy gains and loses by held doorbells
 *
 * All are protected by &pvg_queue.lock. Times are of local_clock(). See
 * drivers/ring/adaptive.c.
 */
struct pvg_hold {
	u64 since_ns;		/* of the first batch of the hold */
	u64 last_ns;		/* of the last batch */
	s64 credit_ns;		/* what holds may cost; buffers times time */
	u64 cost_ns;		/* of the hold */
	u32 gap_ns;		/* mean gap of batches while nothing is held */
	u32 batches;		/* of the hold; 0: there is none */
	u32 window;		/* buffers that one doorbell may serve */
	u16 busy;		/* commits since the CPU was idle */
	u8 learn;		/* gaps to measure before something is held */
	u8 holds;		/* since the last time */
	bool allowed;		/* the last batch was part of the hold */
};

/**
 * struct pvg_receiver - what the adaptive policy has learned of the peer
 *
 * All are protected by &pvg_queue.lock. See drivers/ring/receive.c.
 */
struct pvg_receiver {
	u64 since_ns;		/* local_clock() when the queue was last settled */
	u32 gap_ns;		/* mean time between buffers */
	u32 round;		/* buffers taken back since @since_ns */
	u32 want;		/* buffers to the next interrupt */
};

#define PVG_REAPERS	4	/* submitters that complete at the same time */

/**
 * struct pvg_guard - what the progress guard knows of a queue
 *
 * All are protected by &pvg_queue.lock. See drivers/ring/guard.c.
 */
struct pvg_guard {
	struct timer_list timer;
	bool pending;		/* @timer is; the only thing submitters look at */
	bool suspect;		/* the last look found completions, the first */
	u16 suspect_last;	/* of them at this value of &pvg_queue.last */
	bool rung;		/* the doorbell was forced at the last look */
	bool rang;		/* it ever was, for buffers up to @rang_at */
	u16 rang_at;
	u8 idle_looks;		/* in a row without progress */
	u32 taken;		/* buffers taken back, free-running */
	u32 seen;		/* @taken at the last look */
	u32 wait_ms;		/* without progress, until the doorbell is forced */
	unsigned long since;	/* jiffies of the last progress or such doorbell */
};

/**
 * struct pvg_queue - one moderated virtqueue
 *
 * Embedded in the driver's queue structure and zeroed by the driver before
 * pvg_queue_init(). Lock order: &pvg_ring.lock, then @lock; no other lock of
 * pvguest is taken under it. Fields without a remark are protected by @lock.
 */
struct pvg_queue {
	/* Set by pvg_queue_init() and pvg_queue_start(), then only read. */
	const struct pvg_queue_ops *ops;
	struct virtqueue *vq;
	const struct vring *vring;	/* of @vq; its rings move on resize */
	enum pvg_event_mode mode;
	bool in_order;			/* IN_ORDER: one used entry for many */
	bool packed;			/* RING_PACKED, whatever @mode is */
	bool watchable;			/* its submitters may be watched */

	/* Written by whoever submits or drains. */
	spinlock_t lock ____cacheline_aligned_in_smp;
	bool running;		/* between start and stop */
	bool timer_active;	/* the timer is queued, for @timer_ns */
	bool lull;		/* the timer found nothing to do */
	bool waiting;		/* a submitter is known to wait */
	bool polling;		/* handed to ops->poll() */
	bool poll_by_timer;	/* by the timer, not by an interrupt */
	u32 polled;		/* buffers taken back since then */
	u16 last;		/* split: used index; packed: position */
	u16 event;		/* value last stored for the device */
	u16 armed;		/* completions to the interrupt; 0: parked */
	u32 inflight;		/* buffers the device holds */
	u32 inflight_descs;	/* descriptors they occupy (packed) */
	u64 timer_ns;		/* local_clock() at expiry */
	u32 urgent;		/* of @inflight, those somebody waits for */
	u32 batch;		/* of @inflight, added since the last commit */
	u32 held;		/* added since the last doorbell decision */
	u32 commits;		/* free-running */
	u64 now_ns;		/* local_clock() of this commit; 0: not read yet */
	bool committing;	/* pvg_queue_now() reads the clock once */
	u32 bells;		/* doorbells of submitters that are watched */
	u32 ticked;		/* @commits at the last tick */
	int tick_cpu;		/* where @tick was started */
	int watch_cpu;		/* of @watch */
	struct pvg_watch *watch; /* of the CPU where the submitter runs; or NULL */
	struct list_head watched; /* in @watch */
	bool by_device;		/* what PVG_POLICY_FIXED asks for, it does */
	struct pvg_moderation mod;
	struct pvg_hold hold;		/* without ops->receive */
	u64 lazy_ns;			/* local_clock() when somebody came by */
	u16 lazy_streak;		/* how often in a row, before the timer */
	struct pvg_receiver rcv;	/* with ops->receive */
	struct pvg_queue_stats stats;
	struct pvg_guard guard;
	const void *reapers[PVG_REAPERS]; /* tasks in done(); cleared unlocked */

	u32 bell_ns;			/* time that a doorbell takes; no lock */
	u32 interrupted_ns;		/* since hold.last_ns; no lock */
	struct hrtimer timer;
	struct timer_list tick;		/* bounds what @watch is waited for */
	struct irq_work left;		/* what pvg_queue_left() may not do */
	struct dentry *debugfs;		/* of the owner; no lock */
};

/**
 * struct pvg_ring - the moderated queues of one device
 * @vdev: the device
 * @queue: returns the queue of virtqueue number i, 0 to @nr_queues - 1, which
 *	exists and is initialised before the registration; any context
 * @nr_queues: how many there are
 * @changed: NULL, or told when settings were changed through sysfs; called with
 *	@lock held, may sleep
 * @stats_reset: NULL, or told when the counters of all queues were set to 0 through
 *	sysfs; without locks, may sleep
 * @mod: settings new queues start with; protected by @lock
 * @lock: serialises changes of @mod; taken before &pvg_queue.lock
 * @debugfs: /sys/kernel/debug/pvguest/<virtioN>
 */
struct pvg_ring {
	struct virtio_device *vdev;
	struct pvg_queue *(*queue)(struct pvg_ring *ring, unsigned int i);
	unsigned int nr_queues;
	void (*changed)(struct pvg_ring *ring);
	void (*stats_reset)(struct pvg_ring *ring);
	struct pvg_moderation mod;
	struct mutex lock;	/* of @mod */
	struct dentry *debugfs;
};

/* ring.c: devices and settings */
int pvg_ring_register(struct pvg_ring *ring);
void pvg_ring_unregister(struct pvg_ring *ring);
int pvg_moderation_check(const struct virtio_device *vdev,
			 const struct pvg_moderation *mod);
void pvg_queue_set_moderation(struct pvg_queue *q,
			      const struct pvg_moderation *mod);
void pvg_queue_set_by_device(struct pvg_queue *q, bool by_device);

/* life.c: life of a queue */
void pvg_queue_init(struct pvg_queue *q, const struct pvg_queue_ops *ops);
void pvg_queue_start(struct pvg_ring *ring, struct pvg_queue *q,
		     struct virtqueue *vq);
void pvg_queue_stop(struct pvg_queue *q);
void pvg_queue_detach(struct pvg_queue *q, void (*reclaim)(void *token));
int pvg_queue_resize(struct pvg_ring *ring, struct pvg_queue *q, u32 num,
		     void (*recycle)(struct virtqueue *vq, void *token));

int pvg_queue_reset(struct pvg_ring *ring, struct pvg_queue *q,
		    void (*recycle)(struct virtqueue *vq, void *token));

/* guard.c: what a device or a queue was not told of */
void pvg_queue_notify(struct pvg_queue *q);
u32 pvg_queue_check(struct pvg_queue *q);
void pvg_queue_collect(struct pvg_queue *q);

/* reset.c */
int pvg_device_renegotiate(struct virtio_device *vdev);

/* queue.c: data path */
void pvg_queue_callback(struct virtqueue *vq);
int pvg_queue_add(struct pvg_queue *q, struct scatterlist *sgs[],
		  unsigned int out, unsigned int in, void *token,
		  bool urgent);
void pvg_queue_commit_unlock(struct pvg_queue *q, unsigned long flags)
	__releases(&q->lock);
bool pvg_queue_add_dying(struct pvg_queue *q, struct scatterlist *sg, void *token);
void pvg_queue_flush_unlock(struct pvg_queue *q, unsigned long flags)
	__releases(&q->lock);
u32 pvg_queue_poll_locked(struct pvg_queue *q, u32 budget,
			  struct pvg_done *done);
u32 pvg_queue_poll(struct pvg_queue *q, u32 budget, struct pvg_done *done);
bool pvg_queue_poll_done(struct pvg_queue *q);
u32 pvg_queue_reap(struct pvg_queue *q, u32 budget, struct pvg_done *done);

/**
 * pvg_queue_lock() - take the submission lock of a queue
 * @q: the queue
 *
 * Context: any. Return: interrupt flags for pvg_queue_unlock() or
 * pvg_queue_commit_unlock().
 */
#define pvg_queue_lock(q)						\
({									\
	unsigned long __pvg_flags;					\
	spin_lock_irqsave(&(q)->lock, __pvg_flags);			\
	__pvg_flags;							\
})

static inline void pvg_queue_unlock(struct pvg_queue *q, unsigned long flags)
	__releases(&q->lock)
{
	spin_unlock_irqrestore(&q->lock, flags);
}

/**
 * pvg_queue_urgent_done() - an urgent buffer came back
 * @q: the queue
 *
 * Called from &pvg_queue_ops.used for each token that was added as urgent.
 */
static inline void pvg_queue_urgent_done(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);
	q->urgent--;
}

/**
 * pvg_device_is_present() - can the device still be talked to?
 * @vdev: the device
 *
 * One that was pulled out reads as all ones. Context: as the transport needs;
 * may sleep.
 */
static inline bool pvg_device_is_present(struct virtio_device *vdev)
{
	return vdev->config->get_status(vdev) != U8_MAX;
}

/**
 * pvg_system_ends() - is the kernel shutting down, and devices with it?
 *
 * On the way down the virtio core breaks and resets each device. Whoever then
 * recovered one would have it write to the memory of the next kernel. Context:
 * any.
 */
static inline bool pvg_system_ends(void)
{
	return system_state >= SYSTEM_HALT && system_state <= SYSTEM_RESTART;
}

#endif /* _PVGUEST_RING_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One moderated virtqueue: adding, committing and draining.
 *
 * Completions are taken back in three places, all under the queue lock: the
 * virtqueue callback, the submitter (adaptive policy), and wait.c. All of them
 * end in pvg_queue_settle(), which arms or parks the event index and bounds
 * every wait, and then hand what they collected to the driver without the lock.
 */
#include <linux/export.h>
#include <linux/irqflags.h>
#include <linux/sched/clock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "core.h"
#include "pvguest/compat.h"
#include "pvguest/threshold.h"
#include "trace.h"

#define BELLS_FIRST	64	/* doorbells that are measured */
#define BELLS_EACH	16	/* and later one in so many */

/* Take back up to @budget buffers. */
static u32 drain_some(struct pvg_queue *q, u32 budget, struct pvg_done *done)
{
	u32 len, n = 0;
	void *token;

	lockdep_assert_held(&q->lock);

	while (n < budget) {
		u32 before = q->vq->num_free, descs;

		token = virtqueue_get_buf(q->vq, &len);
		if (!token)
			break;
		descs = q->vq->num_free - before;
		q->inflight--;
		q->inflight_descs -= descs;
		pvg_event_consumed(q, descs);
		q->ops->used(q, token, len, done);
		n++;
	}
	if (n) {
		done->count += n;
		q->guard.taken += n;
		if (unlikely(q->guard.idle_looks))
			pvg_guard_moved(q);
		q->lull = false;
		q->waiting = false;
		q->stats.completions += n;
		if (q->ops->receive)
			pvg_receive_taken(q, n);
	}
	if (unlikely(virtqueue_is_broken(q->vq)))
		q->ops->broken(q);
	return n;
}

/* Take back all there is; the queue need not run. */
u32 pvg_queue_drain(struct pvg_queue *q, struct pvg_done *done)
{
	/* Each round returns a token the device holds, so this ends. */
	return drain_some(q, U32_MAX, done);
}

/* Completions to the next interrupt by the queue's policy; 0 to park. */
static u32 want(const struct pvg_queue *q)
{
	if (q->ops->no_irq)
		return 0;
	switch (q->mod.policy) {
	case PVG_POLICY_ADAPTIVE:
		return q->ops->receive ? pvg_receive_want(q) :
					 pvg_adaptive_want(q);
	case PVG_POLICY_FIXED:
		if (q->lull || q->by_device)
			return 1;
		/* Without a threshold, the timer polls. */
		if (q->mode == PVG_EVENT_PLAIN)
			return q->mod.frames > 1 && q->inflight > 1 ? 0 : 1;
		return pvg_clamp_frames(q->mod.frames, q->inflight);
	case PVG_POLICY_OFF:
		break;
	}
	return 1;
}

/* The queue is left to ops->poll(), to be called once the lock is dropped. */
void pvg_queue_start_polling(struct pvg_queue *q, bool by_timer)
{
	q->polling = true;
	q->poll_by_timer = by_timer;
	q->polled = 0;
	pvg_event_park(q);
}

/*
 * Arm or park, drain what came meanwhile, and bound every wait. A caller that
 * may not take completions passes no @done; wait.c gets them.
 *
 * Return: true if the queue is to be polled now, once the lock is dropped.
 */
bool pvg_queue_settle(struct pvg_queue *q, struct pvg_done *done)
{
	bool ready = false;
	u32 n;

	if (q->polling)
		return false;
	for (;;) {
		n = want(q);
		if (!n) {
			pvg_event_park(q);
			break;
		}
		if (!pvg_event_arm(q, n))
			break;
		if (q->ops->poll) {
			pvg_queue_start_polling(q, false);
			return true;
		}
		if (!done) {
			ready = true;
			break;
		}
		if (!pvg_queue_drain(q, done))
			break;
	}
	if ((n != 1 || ready) && q->inflight && !q->ops->no_irq)
		pvg_wait_start(q, ready);
	return false;
}

/* Returns whether the device wants to be notified, once the lock is dropped. */
bool pvg_queue_ring(struct pvg_queue *q)
{
	bool needed = virtqueue_kick_prepare(q->vq);

	lockdep_assert_held(&q->lock);

	pvg_adaptive_doorbell(q, needed);
	q->held = 0;
	if (needed)
		q->stats.doorbells++;
	else
		q->stats.doorbells_suppressed++;
	return needed;
}

/*
 * The first doorbells of a submitter that is watched are measured, and later one of
 * many, since to read the clock costs time too.
 */
static bool is_measured(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	q->bells++;
	return q->bells < BELLS_FIRST || q->bells % BELLS_EACH == 0;
}

/*
 * Where a doorbell may be held, its cost is measured. Interrupts stay off
 * meanwhile, or the one for this very request would be part of the cost.
 */
static void notify_unlock(struct pvg_queue *q, unsigned long flags)
	__releases(&q->lock)
{
	struct virtqueue *vq = q->vq;
	bool measured;
	u64 start = 0;

	if (!q->watch) {
		pvg_queue_unlock(q, flags);
		pvg_guard_notify(q, vq);
		return;
	}
	measured = is_measured(q);
	spin_unlock(&q->lock);
	if (measured)
		start = local_clock();
	pvg_guard_notify(q, vq);
	if (measured)
		pvg_adaptive_bell(q, local_clock() - start);
	local_irq_restore(flags);
}

/* What a look at the queue has led to, once the lock is dropped. */
void pvg_queue_follow_up(struct pvg_queue *q, bool notify, bool poll,
			 struct pvg_done *done)
{
	if (notify)
		pvg_guard_notify(q, q->vq);
	if (poll)
		q->ops->poll(q);
	if (done->count)
		q->ops->done(q, done);
}

/**
 * pvg_queue_callback() - the virtqueue callback of every moderated queue
 * @vq: the virtqueue, of a device with a registered struct pvg_ring
 *
 * Context: hard interrupt. Tolerates being called before pvg_queue_start() and
 * after pvg_queue_stop().
 */
void pvg_queue_callback(struct virtqueue *vq)
{
	/* vq->priv belongs to the transport. */
	struct pvg_ring *ring = dev_get_drvdata(&vq->vdev->dev);
	struct pvg_queue *q = ring->queue(ring, vq->index);
	struct pvg_done done = {};
	unsigned long flags;
	u64 start = 0;
	u32 n;

	flags = pvg_queue_lock(q);
	if (!q->running) {
		pvg_queue_unlock(q, flags);
		return;
	}
	if (q->hold.batches)
		start = local_clock();
	q->stats.interrupts++;
	if (q->ops->poll) {
		pvg_queue_start_polling(q, false);
		trace_pvg_interrupt(q, 0);
		pvg_queue_unlock(q, flags);
		q->ops->poll(q);
		return;
	}
	if (q->mode == PVG_EVENT_PLAIN)
		pvg_event_park(q);
	n = pvg_queue_drain(q, &done);
	if (!n)
		q->stats.spurious++;
	if (q->ops->receive)
		pvg_receive_settled(q, false);
	pvg_queue_settle(q, &done);
	trace_pvg_interrupt(q, n);
	pvg_queue_unlock(q, flags);

	pvg_queue_follow_up(q, false, false, &done);
	if (start)
		pvg_adaptive_interrupted(q, local_clock() - start);
}
EXPORT_SYMBOL_GPL(pvg_queue_callback);

/**
 * pvg_queue_poll_locked() - pvg_queue_poll() for who may only try to get the lock
 * @q: the queue
 * @budget: at most this many
 * @done: what &pvg_queue_ops.used linked; &pvg_queue_ops.done is not called
 *
 * Context: @q->lock held. Return: how many.
 */
u32 pvg_queue_poll_locked(struct pvg_queue *q, u32 budget,
			  struct pvg_done *done)
{
	u32 n;

	lockdep_assert_held(&q->lock);

	if (!q->running)
		return 0;
	n = drain_some(q, budget, done);
	q->polled += n;
	return n;
}
EXPORT_SYMBOL_GPL(pvg_queue_poll_locked);

/**
 * pvg_queue_poll() - take back buffers of a polled queue
 * @q: the queue
 * @budget: at most this many
 * @done: what &pvg_queue_ops.used linked; &pvg_queue_ops.done is not called
 *
 * Context: any but hard interrupt, one caller at a time. Return: how many.
 */
u32 pvg_queue_poll(struct pvg_queue *q, u32 budget, struct pvg_done *done)
{
	unsigned long flags;
	u32 n;

	flags = pvg_queue_lock(q);
	n = pvg_queue_poll_locked(q, budget, done);
	pvg_queue_unlock(q, flags);
	return n;
}
EXPORT_SYMBOL_GPL(pvg_queue_poll);

/**
 * pvg_queue_poll_done() - nothing more was found: moderate the queue again
 * @q: the queue
 *
 * Context: as pvg_queue_poll(). Return: true if completions that may not wait
 * have come meanwhile: poll again.
 */
bool pvg_queue_poll_done(struct pvg_queue *q)
{
	unsigned long flags;
	bool again = false;

	flags = pvg_queue_lock(q);
	if (q->polling && !q->polled && !q->poll_by_timer)
		q->stats.spurious++;
	q->polling = false;
	if (q->running) {
		if (q->ops->receive)
			pvg_receive_settled(q, q->poll_by_timer);
		again = pvg_queue_settle(q, NULL);
	}
	pvg_queue_unlock(q, flags);
	return again;
}
EXPORT_SYMBOL_GPL(pvg_queue_poll_done);

/**
 * pvg_queue_reap() - take back buffers of a polled queue in passing
 * @q: the queue
 * @budget: at most this many
 * @done: what &pvg_queue_ops.used linked; &pvg_queue_ops.done is not called
 *
 * For who is at work on something else that has to do with the queue; and for a task
 * that waits, where the queue has no interrupt. Context and return as pvg_queue_poll(),
 * but any number of callers, and the queue may be stopped.
 */
u32 pvg_queue_reap(struct pvg_queue *q, u32 budget, struct pvg_done *done)
{
	unsigned long flags;
	bool poll = false;
	u32 n = 0;

	flags = pvg_queue_lock(q);
	if (q->running && q->inflight) {
		n = drain_some(q, budget, done);
		q->stats.reaped += n;
		if (n && q->ops->lazy)
			pvg_adaptive_came_by(q);
		if (n)
			poll = pvg_queue_settle(q, NULL);
	}
	pvg_queue_unlock(q, flags);

	if (poll)
		q->ops->poll(q);
	return n;
}
EXPORT_SYMBOL_GPL(pvg_queue_reap);

/**
 * pvg_queue_add() - give the device a buffer
 * @q: the queue
 * @sgs: scatterlists, device-readable ones first
 * @out: device-readable ones
 * @in: device-writable ones
 * @token: returned to &pvg_queue_ops.used, not NULL
 * @urgent: somebody waits for this one: the adaptive policy holds back neither
 *	doorbell nor interrupt while it is in flight. used() must then call
 *	pvg_queue_urgent_done() for it.
 *
 * The device may see the buffer at once, but is only told of it by
 * pvg_queue_commit_unlock().
 *
 * Context: @q->lock held. Return: 0; -ENOSPC when the ring is full; -ENOMEM;
 * -EIO when the queue is broken or stopped.
 */
int pvg_queue_add(struct pvg_queue *q, struct scatterlist *sgs[],
		  unsigned int out, unsigned int in, void *token, bool urgent)
{
	u32 before;
	int err;

	lockdep_assert_held(&q->lock);

	if (unlikely(!q->running))
		return -EIO;
	before = q->vq->num_free;
	err = virtqueue_add_sgs(q->vq, sgs, out, in, token, GFP_ATOMIC);
	if (unlikely(err)) {
		if (virtqueue_is_broken(q->vq))
			q->ops->broken(q);
		return err;
	}
	q->inflight++;
	q->inflight_descs += before - q->vq->num_free;
	q->urgent += urgent;
	q->batch++;
	q->held++;
	q->stats.submissions++;
	return 0;
}
EXPORT_SYMBOL_GPL(pvg_queue_add);

static void end_batch(struct pvg_queue *q, unsigned long flags, bool may_hold)
	__releases(&q->lock)
{
	const void **reaper = pvg_reaper(q);
	struct pvg_done done = {};
	bool hold = false;
	bool goes_on, poll, ring;

	lockdep_assert_held(&q->lock);

	/* Not running, or a commit after a flush: there is nothing to end. */
	if (unlikely(!q->running || (may_hold && !q->batch && !q->held))) {
		pvg_queue_unlock(q, flags);
		return;
	}
	q->committing = true;
	q->now_ns = 0;
	q->waiting = !may_hold;
	if (q->mod.policy == PVG_POLICY_ADAPTIVE && !q->ops->receive &&
	    !q->ops->no_irq) {
		if (reaper && q->armed != 1 && q->inflight > q->batch)
			pvg_queue_drain(q, &done);
		if (q->ops->lazy)
			pvg_adaptive_came_by(q);
		goes_on = q->watch;
		/* Whoever is not watched any more must not wait for this one. */
		if (q->watch && q->watch_cpu != smp_processor_id() &&
		    q->held > q->batch)
			may_hold = false;
		may_hold &= pvg_watch_start(q, flags);
		hold = pvg_adaptive_commit(q, may_hold, goes_on);
	}
	q->batch = 0;
	q->commits++;
	poll = pvg_queue_settle(q, reaper ? &done : NULL);
	if (hold) {
		q->stats.doorbells_held++;
		pvg_wait_tick(q);
	}
	if (done.count) {
		q->stats.reaped += done.count;
		WRITE_ONCE(*reaper, current);
	}
	if (unlikely(!q->guard.pending && q->inflight))
		pvg_guard_start(q);
	trace_pvg_commit(q, done.count, hold);
	ring = !hold && pvg_queue_ring(q);
	q->committing = false;
	if (ring)
		notify_unlock(q, flags);
	else
		pvg_queue_unlock(q, flags);

	if (poll)
		q->ops->poll(q);
	if (done.count) {
		q->ops->done(q, &done);
		WRITE_ONCE(*reaper, NULL);
	}
}

/**
 * pvg_queue_commit_unlock() - end a batch
 * @q: the queue
 * @flags: from pvg_queue_lock()
 *
 * Decides on doorbell and interrupt for all buffers added since the last
 * commit, drops the lock, notifies the device, and completes what was reaped.
 *
 * Context: any; @q->lock held on entry, not on return. Calls
 * &pvg_queue_ops.done.
 */
void pvg_queue_commit_unlock(struct pvg_queue *q, unsigned long flags)
	__releases(&q->lock)
{
	end_batch(q, flags, true);
}
EXPORT_SYMBOL_GPL(pvg_queue_commit_unlock);

/**
 * pvg_queue_flush_unlock() - end a batch after which the submitter must wait
 * @q: the queue
 * @flags: from pvg_queue_lock()
 *
 * As pvg_queue_commit_unlock(), for a ring that is full: nothing is held back
 * and an interrupt will tell when there is room.
 */
void pvg_queue_flush_unlock(struct pvg_queue *q, unsigned long flags)
	__releases(&q->lock)
{
	end_batch(q, flags, false);
}
EXPORT_SYMBOL_GPL(pvg_queue_flush_unlock);

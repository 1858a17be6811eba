// SPDX-License-Identifier: GPL-2.0-only
/*
 * One moderated virtqueue: adding, committing, draining, and the timer.
 *
 * Completions are taken back in three places, all under the queue lock: the
 * virtqueue callback, the timer, and (adaptive policy) the submitter. All of
 * them end in settle(), which arms or parks the event index and starts the
 * timer where something might otherwise wait for ever, and then hand what they
 * collected to the driver without the lock.
 */
#include <linux/export.h>
#include <linux/sched/clock.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "core.h"
#include "pvguest/compat.h"
#include "pvguest/threshold.h"
#include "trace.h"

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
		else
			pvg_adaptive_taken(q, n);
	}
	if (unlikely(virtqueue_is_broken(q->vq)))
		q->ops->broken(q);
	return n;
}

static u32 drain(struct pvg_queue *q, struct pvg_done *done)
{
	/* Each round returns a token the device holds, so this ends. */
	return drain_some(q, U32_MAX, done);
}

/* Take back all there is; the queue need not run. */
u32 pvg_queue_drain(struct pvg_queue *q, struct pvg_done *done)
{
	return drain(q, done);
}

/* A timer that runs is left to run, unless it would come too late. */
void pvg_timer_start(struct pvg_queue *q, u64 ns)
{
	u64 expires = local_clock() + ns;

	if (q->timer_active && (s64)(q->timer_ns - expires) <= (s64)ns)
		return;
	q->timer_active = true;
	q->timer_ns = expires;
	q->stats.timer_starts++;
	hrtimer_start(&q->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_PINNED);
}

/* Completions to the next interrupt by the queue's policy; 0 to park. */
static u32 want(const struct pvg_queue *q)
{
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

static u64 window_ns(const struct pvg_queue *q)
{
	if (q->mod.policy != PVG_POLICY_ADAPTIVE)
		return (u64)q->mod.usecs * NSEC_PER_USEC;
	return q->ops->receive ? pvg_receive_window_ns(q) :
				 pvg_adaptive_window_ns(q);
}

static void start_polling(struct pvg_queue *q, bool by_timer)
{
	q->polling = true;
	q->poll_by_timer = by_timer;
	q->polled = 0;
	pvg_event_park(q);
}

/*
 * Arm or park, drain what came meanwhile, and bound every wait. A caller that
 * may not take completions passes no @done; the timer gets them.
 *
 * Return: true if the queue is to be polled now, once the lock is dropped.
 */
static bool settle(struct pvg_queue *q, struct pvg_done *done)
{
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
			start_polling(q, false);
			return true;
		}
		if (!done) {
			pvg_reap_later(q, window_ns(q));
			return false;
		}
		if (!drain(q, done))
			break;
	}
	if (n != 1 && q->inflight)
		pvg_timer_start(q, window_ns(q));
	return false;
}

/* Returns whether the device wants to be notified, once the lock is dropped. */
static bool ring_doorbell(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	pvg_adaptive_doorbell(q);
	q->held = 0;
	if (!virtqueue_kick_prepare(q->vq)) {
		q->stats.doorbells_suppressed++;
		return false;
	}
	q->stats.doorbells++;
	return true;
}

static void deliver(struct pvg_queue *q, struct pvg_done *done)
{
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
	u32 n;

	flags = pvg_queue_lock(q);
	if (!q->running) {
		pvg_queue_unlock(q, flags);
		return;
	}
	q->stats.interrupts++;
	if (q->ops->poll) {
		start_polling(q, false);
		trace_pvg_interrupt(q, 0);
		pvg_queue_unlock(q, flags);
		q->ops->poll(q);
		return;
	}
	if (q->mode == PVG_EVENT_PLAIN)
		pvg_event_park(q);
	n = drain(q, &done);
	if (!n)
		q->stats.spurious++;
	if (q->ops->receive)
		pvg_receive_settled(q, false);
	else if (q->mod.policy == PVG_POLICY_ADAPTIVE)
		pvg_adaptive_delivered(q, n);
	settle(q, &done);
	trace_pvg_interrupt(q, n);
	pvg_queue_unlock(q, flags);

	deliver(q, &done);
}
EXPORT_SYMBOL_GPL(pvg_queue_callback);

/* At expiry: has what the timer was started for given way to a later wait? */
static bool is_fresh(const struct pvg_queue *q)
{
	if (q->mod.policy != PVG_POLICY_ADAPTIVE)
		return false;
	return q->ops->receive ? pvg_receive_fresh(q) : pvg_adaptive_fresh(q);
}

/* Returns whether the queue is to be polled. */
static bool timer_expired(struct pvg_queue *q, struct pvg_done *done)
{
	u32 n = 0;

	if (!q->ops->receive)
		pvg_adaptive_expired(q);
	/* No interrupt for what is taken here: it would find nothing. */
	pvg_event_park(q);
	if (!q->ops->poll) {
		n = drain(q, done);
	} else if (virtqueue_poll(q->vq, q->last)) {
		start_polling(q, true);
		return true;
	}
	q->lull = !n && q->inflight;
	if (q->ops->receive)
		pvg_receive_settled(q, true);
	return settle(q, done);
}

static enum hrtimer_restart queue_timer(struct hrtimer *timer)
{
	struct pvg_queue *q = container_of(timer, struct pvg_queue, timer);
	bool notify = false, poll = false;
	struct pvg_done done = {};
	unsigned long flags;

	flags = pvg_queue_lock(q);
	q->timer_active = false;
	if (!q->running) {
		pvg_queue_unlock(q, flags);
		return HRTIMER_NORESTART;
	}
	q->stats.timer_fires++;
	if (is_fresh(q)) {
		if (q->inflight)
			pvg_timer_start(q, window_ns(q));
		pvg_queue_unlock(q, flags);
		return HRTIMER_NORESTART;
	}

	if (q->held)
		notify = ring_doorbell(q);
	/* Whoever polls will settle, too. */
	if (!q->polling)
		poll = timer_expired(q, &done);
	trace_pvg_timer(q, done.count);
	pvg_queue_unlock(q, flags);

	if (notify)
		pvg_guard_notify(q, q->vq);
	if (poll)
		q->ops->poll(q);
	deliver(q, &done);
	return HRTIMER_NORESTART;
}

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
	if (!q->ops->receive && q->mod.policy == PVG_POLICY_ADAPTIVE)
		pvg_adaptive_delivered(q, n);
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
		again = settle(q, NULL);
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
 * For who is at work on something else that has to do with the queue. Context
 * and return as pvg_queue_poll().
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
		if (n && !q->ops->receive)
			pvg_adaptive_reaped(q);
		if (n)
			poll = settle(q, NULL);
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
	struct virtqueue *vq = q->vq;
	struct pvg_done done = {};
	u32 before = q->inflight;
	bool notify = false;
	bool hold = false;
	bool poll;

	lockdep_assert_held(&q->lock);

	/* Not running, or a commit after a flush: there is nothing to end. */
	if (unlikely(!q->running || (may_hold && !q->batch && !q->held))) {
		pvg_queue_unlock(q, flags);
		return;
	}
	if (q->mod.policy == PVG_POLICY_ADAPTIVE && !q->ops->receive) {
		if (reaper && before > q->batch)
			drain(q, &done);
		hold = pvg_adaptive_commit(q, before, may_hold);
	}
	q->batch = 0;
	q->waiting = !may_hold;
	poll = settle(q, reaper ? &done : NULL);
	if (hold)
		q->stats.doorbells_held++;
	else
		notify = ring_doorbell(q);
	if (done.count) {
		q->stats.reaped += done.count;
		WRITE_ONCE(*reaper, current);
	}
	if (unlikely(!q->guard.pending && q->inflight))
		pvg_guard_start(q);
	trace_pvg_commit(q, done.count, hold);
	pvg_queue_unlock(q, flags);

	if (notify)
		pvg_guard_notify(q, vq);
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

/**
 * pvg_queue_init() - prepare a zeroed queue, once in its life
 * @q: the queue
 * @ops: the driver's
 *
 * Context: any.
 */
void pvg_queue_init(struct pvg_queue *q, const struct pvg_queue_ops *ops)
{
	q->ops = ops;
	spin_lock_init(&q->lock);
	pvg_hrtimer_setup(&q->timer, queue_timer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_PINNED);
	pvg_guard_init(q);
}
EXPORT_SYMBOL_GPL(pvg_queue_init);

/* A ring that is empty and as it was created. */
static void start_fresh(struct pvg_queue *q)
{
	pvg_event_start(q);
	q->inflight = 0;
	q->inflight_descs = 0;
	q->urgent = 0;
	q->batch = 0;
	q->held = 0;
	q->waiting = false;
	q->polling = false;
}

static void learn_anew(struct pvg_queue *q)
{
	q->lull = false;
	if (q->ops->receive)
		pvg_receive_start(q);
	else
		pvg_adaptive_start(q);
}

/* Returns whether the queue is to be polled. */
static bool take_and_settle(struct pvg_queue *q, struct pvg_done *done)
{
	if (!q->ops->poll)
		drain(q, done);
	return settle(q, done);
}

/*
 * Take what there is as an interrupt would. Return: whether the queue is to be
 * polled, once the lock is dropped.
 */
bool pvg_queue_take(struct pvg_queue *q, struct pvg_done *done)
{
	/* Or it would not be armed again, nor looked at, if it was armed. */
	if (!q->polling)
		pvg_event_park(q);
	return take_and_settle(q, done);
}

/* Run; completions that came while the queue was stopped are delivered. */
static void run(struct pvg_queue *q)
{
	struct pvg_done done = {};
	unsigned long flags;
	bool poll;

	flags = pvg_queue_lock(q);
	learn_anew(q);
	q->running = true;
	poll = take_and_settle(q, &done);
	if (q->inflight)
		pvg_guard_start(q);
	pvg_queue_unlock(q, flags);

	if (poll)
		q->ops->poll(q);
	deliver(q, &done);
}

/**
 * pvg_queue_start() - run a queue on a fresh virtqueue
 * @ring: its device
 * @q: the queue, initialised and not running
 * @vq: from pvg_find_vqs(), with pvg_queue_callback() as its callback; empty
 *
 * Call before virtio_device_ready(), and again after each reset of the device.
 *
 * Context: may sleep (debugfs).
 */
void pvg_queue_start(struct pvg_ring *ring, struct pvg_queue *q,
		     struct virtqueue *vq)
{
	q->vq = vq;
	/* Those of an earlier life are kept: they may be the queue's own. */
	mutex_lock(&ring->lock);
	if (!q->mod.frames)
		q->mod = ring->mod;
	mutex_unlock(&ring->lock);
	start_fresh(q);
	run(q);
	pvg_debugfs_add_queue(ring, q);
}
EXPORT_SYMBOL_GPL(pvg_queue_start);

/* No callback, timer or submitter touches the virtqueue after this. */
static void quiesce(struct pvg_queue *q)
{
	bool notify = false;
	unsigned long flags;

	flags = pvg_queue_lock(q);
	if (q->running) {
		q->running = false;
		pvg_event_park(q);
		if (q->held)
			notify = ring_doorbell(q);
	}
	pvg_queue_unlock(q, flags);

	if (notify)
		virtqueue_notify(q->vq);
	hrtimer_cancel(&q->timer);
	q->timer_active = false;
	pvg_guard_stop(q);
}

/**
 * pvg_queue_stop() - stop a queue before its device is reset
 * @q: the queue; may be stopped or never have run
 *
 * Afterwards pvg_queue_add() fails with -EIO, the timer is off and interrupts
 * are ignored. Buffers the device still holds are left for
 * pvg_queue_detach() after the reset.
 *
 * Context: may sleep.
 */
void pvg_queue_stop(struct pvg_queue *q)
{
	if (!q->vq)
		return;
	pvg_debugfs_remove_queue(q);
	quiesce(q);
}
EXPORT_SYMBOL_GPL(pvg_queue_stop);

/**
 * pvg_queue_detach() - take back what a reset device still held
 * @q: the queue, stopped; may never have run
 * @reclaim: called for each token, without locks
 *
 * Afterwards the virtqueue may be deleted. Context: as @reclaim needs.
 */
void pvg_queue_detach(struct pvg_queue *q, void (*reclaim)(void *token))
{
	void *token;

	if (!q->vq)
		return;
	while ((token = virtqueue_detach_unused_buf(q->vq)))
		reclaim(token);
	q->vq = NULL;
}
EXPORT_SYMBOL_GPL(pvg_queue_detach);

static void run_again(struct pvg_queue *q)
{
	/* Same size, or refused: the ring is as it was, buffers and all. */
	if (q->vq->num_free == virtqueue_get_vring_size(q->vq))
		start_fresh(q);
	run(q);
}

/**
 * pvg_queue_resize() - change the ring size of a queue (RING_RESET)
 * @ring: its device
 * @q: the queue; the driver has stopped submitting to it
 * @num: descriptors
 * @recycle: called for each token the device still held
 *
 * Context: may sleep. Return: 0, or what virtqueue_resize() returns: -ENOENT
 * (feature not negotiated), -E2BIG, -EINVAL, -ENOMEM, -EBUSY, -EPERM. On error
 * the queue runs on with its old size unless the virtqueue is broken.
 */
int pvg_queue_resize(struct pvg_ring *ring, struct pvg_queue *q, u32 num,
		     void (*recycle)(struct virtqueue *vq, void *token))
{
	int err;

	lockdep_assert_held(&ring->lock);

	quiesce(q);
	err = pvg_virtqueue_resize(q->vq, num, recycle);
	run_again(q);
	return err;
}
EXPORT_SYMBOL_GPL(pvg_queue_resize);

/**
 * pvg_queue_reset() - take back all buffers of a queue (RING_RESET)
 * @ring: its device
 * @q: the queue; the driver has stopped submitting to it
 * @recycle: called for each token the device still held
 *
 * Context: may sleep. Return: as pvg_queue_resize().
 */
int pvg_queue_reset(struct pvg_ring *ring, struct pvg_queue *q,
		    void (*recycle)(struct virtqueue *vq, void *token))
{
	int err;

	lockdep_assert_held(&ring->lock);

	quiesce(q);
	err = pvg_virtqueue_reset(q->vq, recycle);
	run_again(q);
	return err;
}
EXPORT_SYMBOL_GPL(pvg_queue_reset);

/* Other settings: they take effect at once, also for what is in flight. */
static void change(struct pvg_queue *q, struct pvg_moderation mod,
		   bool by_device, unsigned long flags)
	__releases(&q->lock)
{
	struct pvg_done done = {};
	bool poll = false;

	q->mod = mod;
	q->by_device = by_device;
	learn_anew(q);
	/* It may run for the old settings; if it is firing, it sees the new. */
	if (hrtimer_try_to_cancel(&q->timer) == 1)
		q->timer_active = false;
	if (q->running) {
		poll = take_and_settle(q, &done);
		/* Under the lock: nothing else keeps the virtqueue here. */
		if (q->held && ring_doorbell(q) && !virtqueue_notify(q->vq))
			q->ops->broken(q);
	}
	pvg_queue_unlock(q, flags);

	if (poll)
		q->ops->poll(q);
	deliver(q, &done);
}

/**
 * pvg_queue_set_moderation() - change the settings of a queue
 * @q: the queue
 * @mod: settings, checked by pvg_moderation_check()
 *
 * Context: any.
 */
void pvg_queue_set_moderation(struct pvg_queue *q,
			      const struct pvg_moderation *mod)
{
	unsigned long flags = pvg_queue_lock(q);

	change(q, *mod, q->by_device, flags);
}
EXPORT_SYMBOL_GPL(pvg_queue_set_moderation);

/**
 * pvg_queue_set_by_device() - the device holds interrupts back itself, or not
 * @q: the queue
 * @by_device: whether it was told to, with what PVG_POLICY_FIXED asks for
 *
 * Then the queue asks for each interrupt and needs no timer. Context: any.
 */
void pvg_queue_set_by_device(struct pvg_queue *q, bool by_device)
{
	unsigned long flags = pvg_queue_lock(q);

	change(q, q->mod, by_device, flags);
}
EXPORT_SYMBOL_GPL(pvg_queue_set_by_device);

// SPDX-License-Identifier: GPL-2.0-only
/* The life of a moderated virtqueue: start, stop, other size, other settings. */
#include <linux/export.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "core.h"
#include "pvguest/compat.h"

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
	pvg_wait_init(q);
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
		pvg_queue_drain(q, done);
	return pvg_queue_settle(q, done);
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

	pvg_queue_follow_up(q, false, poll, &done);
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
	q->watchable = pvg_watch_can(ring->vdev);
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
		pvg_watch_stop(q);
		pvg_event_park(q);
		if (q->held)
			notify = pvg_queue_ring(q);
	}
	pvg_queue_unlock(q, flags);

	if (notify)
		virtqueue_notify(q->vq);
	pvg_wait_stop(q);
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
	pvg_watch_stop(q);
	learn_anew(q);
	/* It may run for the old settings; if it is firing, it sees the new. */
	if (hrtimer_try_to_cancel(&q->timer) == 1)
		q->timer_active = false;
	if (q->running) {
		poll = take_and_settle(q, &done);
		/* Under the lock: nothing else keeps the virtqueue here. */
		if (q->held && pvg_queue_ring(q) && !virtqueue_notify(q->vq))
			q->ops->broken(q);
	}
	pvg_queue_unlock(q, flags);

	pvg_queue_follow_up(q, false, poll, &done);
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

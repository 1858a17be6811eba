// SPDX-License-Identifier: GPL-2.0-only
/*
 * The progress guard: a doorbell or an interrupt that was lost is made up for.
 *
 * While buffers are in flight a timer looks at the queue every 40 ms, so that two
 * looks and the slack of the timer stay below 100 ms. It finds one of these:
 *
 *  - Buffers came back since the last look: there is nothing to do.
 *  - Completions are in the ring at two looks in a row, 20 ms apart, and neither
 *    the moderation timer nor a poll is about to take them: their interrupt was
 *    lost. The guard takes them (healed_irq). On a queue without interrupts no
 *    task has taken them: the driver is told, and nothing was lost.
 *  - Nothing came back, and the device has not said that it has seen all buffers:
 *    the doorbell may have been lost, or a stale avail_event keeps it from
 *    ringing. The guard rings it, whatever avail_event says. If the device then
 *    moves within 20 ms, that was it (healed_doorbell).
 *
 * A device that is merely slow has as a rule seen all buffers, and says so in
 * avail_event; then its doorbell is left alone. One that does not say so, because
 * it polls, gets a doorbell that does not help: the next comes after twice the
 * time without progress, up to five seconds, also when the queue made progress
 * meanwhile. Only a doorbell that did help makes the guard quick again.
 *
 * Receive queues have buffers in flight for ever, so no progress means little
 * there: their timer is deferrable and wakes no idle guest, and the doorbell is
 * forced at most once for the same buffers.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/sched/clock.h>
#include <linux/timer.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "core.h"
#include "pvguest/threshold.h"
#include "trace.h"

#define LOOK_MS		40	/* between looks; doubles without progress */
#define AGAIN_MS	20	/* to the look after something was found */
#define WAIT_MAX_MS	5000	/* between looks, and between doorbells */
#define TIMER_LATE_NS	(50 * NSEC_PER_MSEC) /* a moderation timer is lost */
#define STALLED_LOOKS	3	/* the driver is told after 40 + 80 + 160 ms */

static bool keeps_buffers(const struct pvg_queue *q)
{
	return q->ops->receive || q->ops->keeps;
}

/* Where the next buffer will be made available, as avail_event counts. */
static u16 avail_position(const struct pvg_queue *q)
{
	if (q->mode == PVG_EVENT_PACKED)
		return pvg_packed_advance(q->last, q->inflight_descs,
					  q->vring->num);
	return virtio16_to_cpu(q->vq->vdev, READ_ONCE(q->vring->avail->idx));
}

/* Where the device wants to be told next; see event.c on the packed layout. */
static bool device_event(const struct pvg_queue *q, u16 *event)
{
	const struct vring_packed_desc_event *area;

	switch (q->mode) {
	case PVG_EVENT_SPLIT:
		*event = virtio16_to_cpu(q->vq->vdev,
					 READ_ONCE(vring_avail_event(q->vring)));
		return true;
	case PVG_EVENT_PACKED:
		area = (const struct vring_packed_desc_event *)q->vring->used;
		*event = le16_to_cpu(READ_ONCE(area->off_wrap));
		return READ_ONCE(area->flags) ==
		       cpu_to_le16(VRING_PACKED_EVENT_FLAG_DESC);
	case PVG_EVENT_PLAIN:
		break;
	}
	return false;
}

/* Has the device said that it has seen all buffers? */
static bool all_seen(const struct pvg_queue *q)
{
	u16 event;

	return device_event(q, &event) && event == avail_position(q);
}

/* Has the device used all that it has seen, and waits to be told of more? */
static bool starved(const struct pvg_queue *q)
{
	u16 event;

	return device_event(q, &event) && event == q->last;
}

/* Is the timer or a poll about to take what has come back? */
static bool in_good_hands(const struct pvg_queue *q)
{
	return q->polling ||
	       (q->timer_active &&
		(s64)(local_clock() - q->timer_ns) < TIMER_LATE_NS);
}

static void look_in(struct pvg_guard *g, unsigned int ms)
{
	mod_timer(&g->timer, jiffies + msecs_to_jiffies(ms));
}

/* Did the doorbell that was forced at the last look help? */
static void judge(struct pvg_queue *q, bool moved)
{
	struct pvg_guard *g = &q->guard;

	g->rung = false;
	if (moved || all_seen(q)) {
		q->stats.healed_doorbell++;
		trace_pvg_healed_doorbell(q, g->taken - g->seen);
		g->wait_ms = LOOK_MS;
		g->idle_looks = 0;
	} else {
		g->wait_ms = min_t(u32, g->wait_ms * 2, WAIT_MAX_MS);
	}
}

static bool may_ring(const struct pvg_queue *q)
{
	const struct pvg_guard *g = &q->guard;
	unsigned long wait = g->wait_ms;

	if (!q->inflight || all_seen(q))
		return false;
	if (keeps_buffers(q)) {
		if (g->rang && g->rang_at == avail_position(q))
			return false;
		if (starved(q))
			wait = LOOK_MS;
	}
	return time_after_eq(jiffies, g->since + msecs_to_jiffies(wait));
}

/* How long an interrupt may be under way, or be held back by the device itself. */
static unsigned int patience_ms(const struct pvg_queue *q)
{
	return AGAIN_MS + (q->by_device ? q->mod.usecs / USEC_PER_MSEC : 0);
}

/* Completions that should have been told of: taken at the second look. */
static bool found(struct pvg_queue *q, struct pvg_done *done, bool *poll)
{
	struct pvg_guard *g = &q->guard;

	if (!virtqueue_poll(q->vq, q->last) || in_good_hands(q)) {
		g->suspect = false;
		return false;
	}
	/* It may have come this very moment. */
	if (!g->suspect || g->suspect_last != q->last) {
		g->suspect = true;
		g->suspect_last = q->last;
		return true;
	}
	g->suspect = false;
	if (q->ops->no_irq) {
		q->ops->untaken(q);
		return true;
	}
	q->timer_active = false;
	*poll = pvg_queue_take(q, done);
	q->stats.healed_irq++;
	trace_pvg_healed_irq(q, done->count);
	return true;
}

/*
 * One look. Return: whether to ring the doorbell once the lock is dropped;
 * @ms is the time to the next look.
 */
static bool look(struct pvg_queue *q, struct pvg_done *done, bool *poll,
		 unsigned int *ms)
{
	struct pvg_guard *g = &q->guard;
	bool moved = g->taken != g->seen;

	lockdep_assert_held(&q->lock);

	if (g->rung)
		judge(q, moved);
	if (moved) {
		g->seen = g->taken;
		g->since = jiffies;
		g->idle_looks = 0;
	}
	*ms = patience_ms(q);
	if (found(q, done, poll))
		return false;
	*ms = AGAIN_MS;
	if (may_ring(q)) {
		g->since = jiffies;
		g->rung = true;
		g->rang = true;
		g->rang_at = avail_position(q);
		pvg_adaptive_doorbell(q, false);
		q->held = 0;
		q->stats.doorbells++;
		q->stats.doorbells_forced++;
		return true;
	}
	*ms = LOOK_MS;
	if (moved || keeps_buffers(q))
		return false;
	if (g->idle_looks < 8)
		g->idle_looks++;
	if (g->idle_looks >= STALLED_LOOKS && q->ops->stalled)
		q->ops->stalled(q);
	*ms = min_t(u32, LOOK_MS << g->idle_looks, WAIT_MAX_MS);
	return false;
}

static void guard_timer(struct timer_list *timer)
{
	struct pvg_queue *q = container_of(timer, struct pvg_queue, guard.timer);
	bool ring = false, poll = false;
	struct pvg_done done = {};
	unsigned long flags;
	unsigned int ms;

	flags = pvg_queue_lock(q);
	q->guard.pending = false;
	if (q->running && unlikely(virtqueue_is_broken(q->vq))) {
		q->ops->broken(q);
	} else if (q->running && (q->inflight || q->guard.rung)) {
		ring = look(q, &done, &poll, &ms);
		q->guard.pending = true;
		look_in(&q->guard, ms);
	}
	pvg_queue_unlock(q, flags);

	pvg_queue_follow_up(q, ring, poll, &done);
}

void pvg_guard_init(struct pvg_queue *q)
{
	timer_setup(&q->guard.timer, guard_timer,
		    keeps_buffers(q) ? TIMER_DEFERRABLE : 0);
}

/**
 * pvg_guard_start() - buffers are in flight, and the guard's timer is not pending
 * @q: the queue, running
 */
void pvg_guard_start(struct pvg_queue *q)
{
	struct pvg_guard *g = &q->guard;

	lockdep_assert_held(&q->lock);

	g->pending = true;
	g->suspect = false;
	g->rung = false;
	g->idle_looks = 0;
	g->seen = g->taken;
	g->since = jiffies;
	if (!g->wait_ms)
		g->wait_ms = LOOK_MS;
	look_in(g, LOOK_MS);
}

/**
 * pvg_guard_moved() - buffers came back while the guard looked only seldom
 * @q: the queue, with idle_looks
 *
 * What is lost from now on is found as soon as ever.
 */
void pvg_guard_moved(struct pvg_queue *q)
{
	struct pvg_guard *g = &q->guard;

	lockdep_assert_held(&q->lock);

	g->idle_looks = 0;
	if (g->pending)
		look_in(g, LOOK_MS);
}

/**
 * pvg_guard_stop() - the guard leaves the virtqueue alone from here on
 * @q: the queue, not running any more
 *
 * Context: may sleep.
 */
void pvg_guard_stop(struct pvg_queue *q)
{
	timer_delete_sync(&q->guard.timer);
	q->guard.pending = false;
	q->guard.rang = false;
}

/**
 * pvg_guard_notify() - ring a doorbell, and see whether that was possible
 * @q: the queue, not locked
 * @vq: its virtqueue
 *
 * A transport that cannot notify breaks the virtqueue; the driver is told.
 */
void pvg_guard_notify(struct pvg_queue *q, struct virtqueue *vq)
{
	unsigned long flags;

	if (likely(virtqueue_notify(vq)))
		return;
	flags = pvg_queue_lock(q);
	if (q->running)
		q->ops->broken(q);
	pvg_queue_unlock(q, flags);
}

/**
 * pvg_queue_notify() - ring the doorbell, whatever the device wants to know
 * @q: the queue
 *
 * For devices that look at other things, too, when it rings. Context: any.
 */
void pvg_queue_notify(struct pvg_queue *q)
{
	unsigned long flags;

	/* Under the lock: nothing else keeps the virtqueue here. */
	flags = pvg_queue_lock(q);
	if (q->running) {
		q->stats.doorbells++;
		if (!virtqueue_notify(q->vq))
			q->ops->broken(q);
	}
	pvg_queue_unlock(q, flags);
}
EXPORT_SYMBOL_GPL(pvg_queue_notify);

/**
 * pvg_queue_add_dying() - give the device a last buffer, and tell it
 * @q: the queue
 * @sg: the buffer, device-readable
 * @token: not NULL
 *
 * For panic(): nothing is waited for, taken back, counted or started, so that it ends
 * whatever the kernel was doing. The buffer never comes back. Not for a device whose
 * buffers have to be mapped, which takes locks that a stopped CPU may have.
 *
 * Context: any. Return: whether the device was told.
 */
bool pvg_queue_add_dying(struct pvg_queue *q, struct scatterlist *sg, void *token)
{
	unsigned long flags;
	bool told;

	/* Locks sleep there. */
	if (IS_ENABLED(CONFIG_PREEMPT_RT) || !spin_trylock_irqsave(&q->lock, flags))
		return false;
	/* One element takes no memory; the ring shows it without a kick. */
	told = q->running && !virtqueue_is_broken(q->vq) &&
	       !virtio_has_feature(q->vq->vdev, VIRTIO_F_ACCESS_PLATFORM) &&
	       !virtqueue_add_outbuf(q->vq, sg, 1, token, GFP_ATOMIC) &&
	       virtqueue_notify(q->vq);
	spin_unlock_irqrestore(&q->lock, flags);
	return told;
}
EXPORT_SYMBOL_GPL(pvg_queue_add_dying);

/**
 * pvg_queue_check() - look at once what the device has done
 * @q: the queue
 *
 * For a driver whose request has taken long. What has come back is completed
 * and counted as healed_irq; if there is nothing, the doorbell rings, whatever
 * the device wants to know.
 *
 * Context: any but hard interrupt; the virtqueue is not deleted meanwhile. Calls
 * &pvg_queue_ops.done. Return: buffers that had come back.
 */
u32 pvg_queue_check(struct pvg_queue *q)
{
	bool ring = false, poll = false;
	struct pvg_done done = {};
	unsigned long flags;

	flags = pvg_queue_lock(q);
	if (q->running) {
		poll = pvg_queue_take(q, &done);
		ring = !done.count && !poll;
		q->stats.healed_irq += !ring && !q->ops->no_irq;
		q->stats.doorbells += ring;
		q->stats.doorbells_forced += ring;
	}
	pvg_queue_unlock(q, flags);

	pvg_queue_follow_up(q, ring, poll, &done);
	return done.count;
}
EXPORT_SYMBOL_GPL(pvg_queue_check);

/**
 * pvg_queue_collect() - complete what a device had done when it was reset
 * @q: the queue, stopped, of a device that was reset since; may never have run
 *
 * Between pvg_queue_stop() and pvg_queue_detach(), which then hands back only what
 * the device had not done. Context: as &pvg_queue_ops.done.
 */
void pvg_queue_collect(struct pvg_queue *q)
{
	struct pvg_done done = {};
	unsigned long flags;

	if (!q->vq || virtqueue_is_broken(q->vq))
		return;
	flags = pvg_queue_lock(q);
	pvg_queue_drain(q, &done);
	pvg_queue_unlock(q, flags);
	pvg_queue_follow_up(q, false, false, &done);
}
EXPORT_SYMBOL_GPL(pvg_queue_collect);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What ends a wait of a queue that no interrupt ends: the timer, a tick, or
 * that a submitter leaves its CPU.
 *
 * Where the adaptive policy waits for a submitter that is watched, the tick
 * bounds the wait: at most two ticks, and no exit to the hypervisor. All other
 * waits are bounded by the timer.
 */
#include <linux/jiffies.h>
#include <linux/sched/clock.h>
#include <linux/virtio.h>

#include "core.h"
#include "pvguest/compat.h"
#include "trace.h"

/* A timer that runs is left to run, unless it would come too late. */
static void timer_start(struct pvg_queue *q, u64 ns)
{
	u64 expires = pvg_queue_now(q) + ns;

	if (q->timer_active && (s64)(q->timer_ns - expires) <= (s64)ns)
		return;
	q->timer_active = true;
	q->timer_ns = expires;
	q->stats.timer_starts++;
	hrtimer_start(&q->timer, ns_to_ktime(ns), HRTIMER_MODE_REL_PINNED);
}

/* Does the adaptive policy wait for nobody but a submitter that is watched? */
static bool by_watch(const struct pvg_queue *q)
{
	return q->mod.policy == PVG_POLICY_ADAPTIVE && !q->ops->receive &&
	       !q->ops->lazy;
}

/**
 * pvg_wait_tick() - bound the wait for a submitter that is watched
 * @q: the queue
 *
 * The tick comes anyway while the submitter runs, so it is no exit to the
 * hypervisor. On an idle CPU it does not come, and nothing is waited for.
 */
void pvg_wait_tick(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	if (timer_pending(&q->tick) && q->tick_cpu == q->watch_cpu)
		return;
	timer_delete(&q->tick);
	q->tick_cpu = q->watch_cpu;
	q->tick.expires = jiffies;
	q->ticked = q->commits;
	add_timer_on(&q->tick, q->tick_cpu);
}

static u64 window_ns(const struct pvg_queue *q)
{
	if (q->mod.policy != PVG_POLICY_ADAPTIVE)
		return (u64)q->mod.usecs * NSEC_PER_USEC;
	return q->ops->receive ? pvg_receive_window_ns(q) :
				 pvg_adaptive_window_ns(q);
}

/**
 * pvg_wait_start() - bound the wait for an interrupt that may not come
 * @q: the queue; the next completion does not interrupt
 * @ready: completions are there, which the caller may not take
 */
void pvg_wait_start(struct pvg_queue *q, bool ready)
{
	lockdep_assert_held(&q->lock);

	if (ready && (by_watch(q) || q->urgent))
		irq_work_queue(&q->left);
	else if (!by_watch(q))
		timer_start(q, window_ns(q));
	else
		pvg_wait_tick(q);
}

/* At expiry: has what the timer was started for given way to a later wait? */
static bool is_fresh(const struct pvg_queue *q)
{
	if (q->mod.policy != PVG_POLICY_ADAPTIVE)
		return false;
	return q->ops->receive ? pvg_receive_fresh(q) : pvg_adaptive_fresh(q);
}

/*
 * Nobody else may come by: take what there is. Returns whether the queue is to
 * be polled.
 */
static bool look(struct pvg_queue *q, struct pvg_done *done, bool by_timer)
{
	u32 n = 0;

	/* Whoever polls will settle, too. */
	if (q->polling)
		return false;
	/* No interrupt for what is taken here: it would find nothing. */
	pvg_event_park(q);
	if (!q->ops->poll) {
		n = pvg_queue_drain(q, done);
	} else if (virtqueue_poll(q->vq, q->last)) {
		pvg_queue_start_polling(q, by_timer);
		return true;
	}
	if (by_timer)
		q->lull = !n && q->inflight;
	if (q->ops->receive)
		pvg_receive_settled(q, by_timer);
	return pvg_queue_settle(q, done);
}

/* As look(), and announce what is held. */
static void look_unlock(struct pvg_queue *q, unsigned long flags, bool by_timer)
	__releases(&q->lock)
{
	struct pvg_done done = {};
	bool notify, poll;

	notify = q->held && pvg_queue_ring(q);
	poll = look(q, &done, by_timer);
	trace_pvg_timer(q, done.count);
	pvg_queue_unlock(q, flags);

	pvg_queue_follow_up(q, notify, poll, &done);
}

static enum hrtimer_restart queue_timer(struct hrtimer *timer)
{
	struct pvg_queue *q = container_of(timer, struct pvg_queue, timer);
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
			timer_start(q, window_ns(q));
		pvg_queue_unlock(q, flags);
		return HRTIMER_NORESTART;
	}
	if (q->ops->lazy)
		pvg_adaptive_expired(q);
	look_unlock(q, flags, true);
	return HRTIMER_NORESTART;
}

/* A tick: has a submitter that is waited for neither committed nor left? */
static void queue_tick(struct timer_list *tick)
{
	struct pvg_queue *q = container_of(tick, struct pvg_queue, tick);
	unsigned long flags;

	flags = pvg_queue_lock(q);
	if (!q->running || !q->watch || (!q->held && q->armed == 1)) {
		pvg_queue_unlock(q, flags);
		return;
	}
	if (q->ticked != q->commits) {
		pvg_wait_tick(q);
		pvg_queue_unlock(q, flags);
		return;
	}
	pvg_adaptive_silent(q);
	pvg_adaptive_stayed(q);
	pvg_watch_stop(q);
	look_unlock(q, flags, false);
}

/* What pvg_queue_left() left to do. */
static void queue_left(struct irq_work *work)
{
	struct pvg_queue *q = container_of(work, struct pvg_queue, left);
	unsigned long flags;

	flags = pvg_queue_lock(q);
	if (!q->running) {
		pvg_queue_unlock(q, flags);
		return;
	}
	pvg_watch_stop(q);
	look_unlock(q, flags, false);
}

/**
 * pvg_queue_left() - the submitter has left its CPU
 * @q: the queue, no longer watched
 * @idle: the CPU has nothing else to do
 *
 * Context: in the scheduler, with a run queue locked; @q->lock held.
 */
void pvg_queue_left(struct pvg_queue *q, bool idle)
{
	bool again;

	lockdep_assert_held(&q->lock);

	pvg_adaptive_silent(q);
	if (idle)
		pvg_adaptive_left(q);
	/* Whoever polls will settle; a lazy queue has its timer. */
	again = !q->polling && !q->ops->lazy && pvg_event_arm(q, 1);
	if (q->held && pvg_queue_ring(q) && !virtqueue_notify(q->vq))
		again = true;
	if (again)
		irq_work_queue(&q->left);
}

/**
 * pvg_wait_init() - prepare what pvg_wait_start() needs
 * @q: the queue
 */
void pvg_wait_init(struct pvg_queue *q)
{
	pvg_hrtimer_setup(&q->timer, queue_timer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL_PINNED);
	timer_setup(&q->tick, queue_tick, TIMER_DEFERRABLE | TIMER_PINNED);
	init_irq_work(&q->left, queue_left);
}

/**
 * pvg_wait_stop() - nothing ends a wait any more
 * @q: the queue, not running
 *
 * Context: may sleep; without the lock.
 */
void pvg_wait_stop(struct pvg_queue *q)
{
	hrtimer_cancel(&q->timer);
	q->timer_active = false;
	timer_delete_sync(&q->tick);
	/* add_timer_on() may have moved it off a CPU on which it still runs. */
	if (q->watchable)
		synchronize_rcu();
	irq_work_sync(&q->left);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The adaptive policy: nothing is delayed by more than the delay saves.
 *
 * As long as the task that committed last is on its CPU (watch.c), it may
 * commit again: the next doorbell serves the earlier batch too, and the task
 * takes completions in passing. When the task leaves the CPU, a held doorbell
 * rings and the next completion interrupts. Neither costs an exit more than
 * policy off.
 *
 * Holds have a credit of buffers times time. It earns one part in BUDGET of the
 * time that buffers are in flight, and while batches are held and come sooner
 * than others, one part in SHARE of what that saves all buffers in flight. It
 * pays for what buffers waited that were held or had come back, while the
 * submitter was silent for more than SILENCE gaps; and for a hold that took longer
 * than a doorbell for each of its batches. Nothing is held while the credit is
 * used up. The mean gap of two batches is measured while nothing is held, again
 * and again: it contains a doorbell, an interrupt, and what else an exit costs on
 * the machine. So a submitter that computes between bursts soon has each batch
 * announced, and one that is interrupted now and then has not.
 *
 * A device whose doorbell takes less than BELL_MIN_NS has little to save:
 * nothing is held there.
 *
 * The interrupt waits for the Nth completion only while a submitter is watched
 * that either goes on without its answers or keeps its CPU busy. A CPU that was
 * idle of late is interrupted for each completion, because it loses nothing.
 */
#include <linux/minmax.h>
#include <linux/sched/clock.h>
#include <linux/time64.h>

#include "core.h"

#define BELL_MIN_NS	(3 * NSEC_PER_USEC)
#define BELL_MAX_NS	(200 * NSEC_PER_USEC)	/* longer: the vCPU did not run */
#define WINDOW_MIN	2	/* buffers that one doorbell may serve */
#define WINDOW_GROW	8	/* by use */
#define WINDOW_MAX	32
#define GAP_MIN_NS	(20 * NSEC_PER_USEC)
#define GAP_MAX_NS	NSEC_PER_MSEC
#define LEARN		8	/* gaps measured before something is held */
#define LEARN_EVERY	128	/* holds in between */
#define SILENCE_MAX_NS	(8 * NSEC_PER_MSEC)	/* then a tick has come */
#define SILENCE		2
#define BUDGET		256
#define SHARE		16
#define CREDIT_MAX_NS	(4 * (s64)NSEC_PER_MSEC)
#define DEBT_MAX_NS	(8 * (s64)NSEC_PER_MSEC)
#define BUSY_COMMITS	512	/* without an idle CPU: it is a busy one */
#define WANT_SHARE	8	/* N: one in so many of what is in flight */
#define WANT_MAX	32

/* The last buffer of a lazy queue: the timer, and how it grows. */
#define LAZY_NS		NSEC_PER_MSEC
#define STREAK_STEP	32
#define PATIENCE_MAX	8

void pvg_adaptive_start(struct pvg_queue *q)
{
	q->hold = (struct pvg_hold) {
		.window = WINDOW_MIN,
		.learn = LEARN,
	};
	q->lazy_streak = 0;
}

/**
 * pvg_adaptive_bell() - learn what a doorbell costs
 * @q: the queue
 * @ns: how long virtqueue_notify() took
 *
 * The mean falls quickly and rises slowly, because a vCPU that is preempted
 * measures too much, and none measures too little. Context: any; without the
 * lock, because a lost update does no harm.
 */
void pvg_adaptive_bell(struct pvg_queue *q, u64 ns)
{
	u32 old = READ_ONCE(q->bell_ns);
	u32 new = min_t(u64, ns, BELL_MAX_NS);

	if (new < old)
		new = old - (old - new) / 4;
	else
		new = min(new, old + old / 8 + 200);
	WRITE_ONCE(q->bell_ns, new);
}

/**
 * pvg_adaptive_interrupted() - an interrupt of the queue took time
 * @q: the queue
 * @ns: how long it took
 *
 * During a hold that is no time in which the submitter was silent. Context and
 * lock as for pvg_adaptive_bell().
 */
void pvg_adaptive_interrupted(struct pvg_queue *q, u64 ns)
{
	ns += READ_ONCE(q->interrupted_ns) + READ_ONCE(q->bell_ns);
	WRITE_ONCE(q->interrupted_ns, min_t(u64, ns, U32_MAX));
}

/* For how much longer than a few gaps was the submitter silent? */
static u64 silence_ns(const struct pvg_queue *q, u64 now)
{
	s64 silent = now - q->hold.last_ns - READ_ONCE(q->interrupted_ns);

	return clamp_t(s64, silent - SILENCE * (s64)q->hold.gap_ns, 0,
		       SILENCE_MAX_NS);
}

static void pay(struct pvg_hold *h, u64 ns)
{
	h->credit_ns = max_t(s64, h->credit_ns - ns, -DEBT_MAX_NS);
}

/* Until now buffers waited that were held, and such as had come back. */
static void charge_silence(struct pvg_queue *q, u64 now)
{
	struct pvg_hold *h = &q->hold;
	u64 ns = silence_ns(q, now);
	/* Without an event no completion is told of, unless somebody polls. */
	u32 untold = q->armed ? q->armed - 1 : q->polling ? 0 : q->inflight;

	if (h->batches)
		h->cost_ns += ns * (q->held - min(q->held, q->batch));
	if (h->allowed)
		pay(h, ns * min(q->inflight, untold));
	h->last_ns = now;
}

/* Time since the last batch; a pause counts as two gaps. */
static u32 gap_ns(const struct pvg_hold *h, u64 now)
{
	u32 limit = min_t(u64, 2 * (u64)h->gap_ns + GAP_MIN_NS, GAP_MAX_NS);

	/* local_clock() may differ between CPUs by a little. */
	return clamp_t(s64, now - h->last_ns, 0, limit);
}

/* What is in flight earns, and more so where holds pay. */
static void earn(struct pvg_queue *q, u32 gap)
{
	struct pvg_hold *h = &q->hold;
	u64 ns = gap / BUDGET;

	if (h->allowed && gap < h->gap_ns)
		ns += (h->gap_ns - gap) / SHARE;
	h->credit_ns = min_t(s64, h->credit_ns + ns * q->inflight,
			     CREDIT_MAX_NS);
}

/* Mean of the last eight or so. */
static void learn_gap(struct pvg_hold *h, u32 gap)
{
	h->gap_ns += ((s32)gap - (s32)h->gap_ns) / 8;
	if (h->learn)
		h->learn--;
}

/**
 * pvg_adaptive_commit() - a batch was added
 * @q: the queue
 * @may_hold: the submitter is watched, and not known to wait
 * @goes_on: it was watched since its last batch
 *
 * Return: true if the doorbell is to be held for a later batch.
 */
bool pvg_adaptive_commit(struct pvg_queue *q, bool may_hold, bool goes_on)
{
	struct pvg_hold *h = &q->hold;
	u64 now = pvg_queue_now(q);

	lockdep_assert_held(&q->lock);

	h->busy = min(h->busy + 1, BUSY_COMMITS);
	if (goes_on)
		earn(q, gap_ns(h, now));
	if (goes_on && !h->allowed)
		learn_gap(h, gap_ns(h, now));
	charge_silence(q, now);
	WRITE_ONCE(q->interrupted_ns, 0);

	h->allowed = may_hold && q->held && !q->urgent && !h->learn &&
		     READ_ONCE(q->bell_ns) >= BELL_MIN_NS && h->credit_ns > 0;
	if (!h->allowed)
		return false;
	if (!h->batches++)
		h->since_ns = now;
	if (q->held < h->window)
		return true;
	if (h->window < WINDOW_GROW)
		h->window++;
	return false;
}

/**
 * pvg_adaptive_doorbell() - the device is told of all that was added
 * @q: the queue
 * @needed: the device wants to be notified; or it has seen all of it already
 *
 * Judges the hold that ends, if there was one.
 */
void pvg_adaptive_doorbell(struct pvg_queue *q, bool needed)
{
	struct pvg_hold *h = &q->hold;
	s64 late;
	u64 now;

	lockdep_assert_held(&q->lock);

	if (!h->batches)
		return;
	now = pvg_queue_now(q);
	charge_silence(q, now);
	late = now - h->since_ns - (u64)h->gap_ns * (h->batches - 1);
	if (late > 0)
		h->cost_ns += min_t(u64, late, SILENCE_MAX_NS);
	h->batches = 0;
	if (needed)
		pay(h, h->cost_ns);
	if (needed && h->cost_ns)
		q->stats.prediction_misses++;
	else
		q->stats.prediction_hits++;
	h->cost_ns = 0;
	if (h->credit_ns <= 0)
		h->window = WINDOW_MIN;
	if (h->credit_ns <= 0 || ++h->holds == LEARN_EVERY) {
		h->holds = 0;
		h->learn = LEARN;
		h->allowed = false;
	}
}

/**
 * pvg_adaptive_silent() - nothing waits for the submitter any more
 * @q: the queue, before its doorbell rings and its event is armed
 *
 * It left its CPU, or was given up: what waited until now is paid for.
 */
void pvg_adaptive_silent(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	charge_silence(q, local_clock());
}

/**
 * pvg_adaptive_left() - the submitter left its CPU to the idle task
 * @q: the queue
 *
 * Now the device is what everything waits for. It gets what is in flight in
 * four parts, so that it has something to do while a part is being submitted.
 */
void pvg_adaptive_left(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	q->hold.busy = 0;
	q->hold.window = clamp_t(u32, q->inflight / 4, WINDOW_MIN, WINDOW_MAX);
}

/**
 * pvg_adaptive_stayed() - the submitter neither committed nor left its CPU
 * @q: the queue
 */
void pvg_adaptive_stayed(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	q->stats.stayed++;
	q->hold.busy = 0;
}

/**
 * pvg_adaptive_want() - completions to the next interrupt
 * @q: the queue
 *
 * Return: 0 to park.
 */
u32 pvg_adaptive_want(const struct pvg_queue *q)
{
	const struct pvg_hold *h = &q->hold;
	u32 n = 1;

	if (q->urgent || !q->inflight || q->lull || q->mode == PVG_EVENT_PLAIN)
		return 1;
	if (q->ops->lazy && q->inflight == 1 && !q->waiting)
		return 0;
	if (q->ops->lazy)
		n = q->inflight / 4;
	else if (q->watch && h->busy == BUSY_COMMITS)
		n = q->inflight / WANT_SHARE;
	if (q->watch && h->allowed)
		n = max(n, q->inflight / 4);
	return clamp_t(u32, n, 1, min_t(u32, q->inflight, WANT_MAX));
}

/*
 * On a lazy queue nobody waits for a buffer, so its timer is there for the case
 * that no submitter comes by any more. The longer submitters did, the longer it
 * runs.
 */
static u32 patience(const struct pvg_queue *q)
{
	return max(q->lazy_streak / STREAK_STEP, 1);
}

/**
 * pvg_adaptive_came_by() - buffers of a lazy queue may be taken in passing
 * @q: the queue
 */
void pvg_adaptive_came_by(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	q->lazy_streak = min(q->lazy_streak + 1, STREAK_STEP * PATIENCE_MAX);
	q->lazy_ns = pvg_queue_now(q);
}

/**
 * pvg_adaptive_window_ns() - how long the timer of a lazy queue may run
 * @q: the queue
 */
u64 pvg_adaptive_window_ns(const struct pvg_queue *q)
{
	return LAZY_NS * patience(q);
}

/**
 * pvg_adaptive_fresh() - at expiry: did a submitter come by meanwhile?
 * @q: the queue
 *
 * The timer is not restarted for each submission; it looks here instead.
 */
bool pvg_adaptive_fresh(const struct pvg_queue *q)
{
	s64 silent = local_clock() - q->lazy_ns;

	return q->ops->lazy && silent < (s64)pvg_adaptive_window_ns(q) / 2;
}

/**
 * pvg_adaptive_expired() - the timer of a lazy queue came before a submitter
 * @q: the queue
 */
void pvg_adaptive_expired(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	if (q->inflight)
		q->lazy_streak = 0;
}

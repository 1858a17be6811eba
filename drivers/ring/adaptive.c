// SPDX-License-Identifier: GPL-2.0-only
/*
 * The adaptive policy: predicting what the submitter does next.
 *
 * Most submitters keep a fixed number of requests in flight: they submit until
 * that depth is reached and then wait. Two consequences cost nothing to use:
 *
 *  - Below that depth another submission is about to come. Its doorbell can
 *    serve this request too, and it will reap completions on its way, so the
 *    interrupt can stay parked.
 *  - At that depth the submitter waits. The doorbell must ring now and the
 *    interrupt be armed.
 *
 * The depth is learned: it is at least what was seen in flight, and when a
 * predicted submission does not come before the timer, the submitter waits at
 * exactly what is in flight then. On a device faster than the guest no depth
 * ever builds up by itself, because every request is back before the next one
 * is submitted; so now and then a doorbell is held as a probe to see whether
 * the submitter goes on without its completions. A submitter of depth 1 does
 * not, which costs one short timer and doubles the distance to the next probe.
 *
 * Not everyone who is silent waits. A submitter that got many completions may
 * be busy with them for longer than its gaps were; then its task is the one the
 * timer or the interrupt finds running, and interrupting it brings nothing.
 *
 * Confidence is a saturating counter. Wrong predictions halve it, and at zero
 * the policy only probes.
 *
 * On a lazy queue the timer is only there for the case that nobody comes by any
 * more. The longer somebody always did, the longer it runs: programming it is
 * an exit to the hypervisor, and its firing often another.
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/time64.h>

#include "core.h"
#include "pvguest/threshold.h"

#define CREDIT_MAX		64
#define PROBE_EVERY_MIN		16	/* commits between probes */
#define PROBE_EVERY_MAX		1024
#define HOLD_MIN		8	/* buffers one doorbell may serve */
#define HOLD_MAX		32
#define WANT_MAX		32	/* completions per interrupt */
#define GAP_MAX_NS		(500 * NSEC_PER_USEC) /* too slow to predict */
#define WINDOW_MIN_NS		(20 * NSEC_PER_USEC)

/* The timer, in gaps and at most: parked, and armed for more than one. */
#define HOLD_GAPS		8
#define HOLD_MAX_NS		NSEC_PER_MSEC
#define WAIT_GAPS		16
#define WAIT_MAX_NS		(10 * NSEC_PER_MSEC)
#define LAZY_NS			NSEC_PER_MSEC
#define PROBE_GAPS		2	/* of a probe without credit */
#define STALE_GAPS		4	/* a submitter silent for longer is late */

/* On a lazy queue all of these times the times this: 1, and up to 8. */
#define STREAK_STEP		32
#define PATIENCE_MAX		8

void pvg_adaptive_start(struct pvg_queue *q)
{
	q->pred = (struct pvg_predictor) {
		.depth = 1,
		.batch8 = 8,
		.group8 = 8,
		.probe_every = PROBE_EVERY_MIN,
		.probe_wait = PROBE_EVERY_MIN,
	};
}

static u64 gaps_ns(const struct pvg_predictor *p, u32 gaps, u64 most)
{
	return clamp_t(u64, (u64)p->gap_ns * gaps, WINDOW_MIN_NS, most);
}

static void streak_grows(struct pvg_predictor *p)
{
	p->streak = min(p->streak + 1, STREAK_STEP * PATIENCE_MAX);
}

static u32 patience(const struct pvg_queue *q)
{
	return q->ops->lazy ? max(q->pred.streak / STREAK_STEP, 1) : 1;
}

/* Mean of the last eight or so gaps; a pause counts as two gaps at most. */
static void learn_gap(struct pvg_predictor *p, u64 now)
{
	u64 limit = (u64)p->gap_ns * 2 + WINDOW_MIN_NS;
	s64 gap = now - p->commit_ns;

	/* local_clock() may differ between CPUs by a little. */
	gap = clamp_t(s64, gap, 0, min_t(u64, limit, U32_MAX / 2));
	p->gap_ns += ((s32)gap - (s32)p->gap_ns) / 8;
	p->commit_ns = now;
	p->seen_ns = now;
}

static void learn_submitter(struct pvg_predictor *p)
{
	if (p->submitters[0] == current)
		return;
	p->submitters[1] = p->submitters[0];
	p->submitters[0] = current;
}

/* In an interrupt: is it a submitter that was interrupted? */
static bool submitter_runs(const struct pvg_predictor *p)
{
	return current == p->submitters[0] || current == p->submitters[1];
}

/* Buffers come too seldom for any of this to pay. */
static bool too_slow(const struct pvg_predictor *p)
{
	return (u64)p->gap_ns * 8 > (u64)GAP_MAX_NS * p->batch8;
}

static void learn_hit(struct pvg_queue *q)
{
	struct pvg_predictor *p = &q->pred;

	q->stats.prediction_hits++;
	streak_grows(p);
	p->credit = min(p->credit + 1, CREDIT_MAX);
	p->probe_every = PROBE_EVERY_MIN;
}

/* Buffers that may wait for one doorbell. */
static u32 hold_max(const struct pvg_predictor *p)
{
	return clamp_t(u32, p->depth / 4, HOLD_MIN, HOLD_MAX);
}

/* Will the submitter be back before the window closes? */
static bool predict(struct pvg_queue *q)
{
	struct pvg_predictor *p = &q->pred;

	if (q->urgent || too_slow(p)) {
		p->probing = false;
		return false;
	}
	if (p->probing) {
		p->probing = q->held < hold_max(p);
		return true;
	}
	if (p->credit && q->inflight < p->depth)
		return true;
	if (--p->probe_wait)
		return false;
	p->probe_wait = p->probe_every;
	p->probing = true;
	return true;
}

/**
 * pvg_adaptive_commit() - a batch was added
 * @q: the queue
 * @before_reap: buffers in flight with the batch, before the submitter reaped
 * @may_hold: false if the submitter is known to wait
 *
 * Return: true if the doorbell is to be held for a later batch.
 */
bool pvg_adaptive_commit(struct pvg_queue *q, u32 before_reap, bool may_hold)
{
	struct pvg_predictor *p = &q->pred;

	lockdep_assert_held(&q->lock);

	learn_gap(p, local_clock());
	learn_submitter(p);
	p->batch8 += q->batch - p->batch8 / 8;
	if (p->expecting && !p->late)
		learn_hit(q);
	p->late = false;
	if (before_reap > p->depth)
		p->depth = before_reap;

	p->expecting = may_hold && predict(q);
	return p->expecting && q->held < hold_max(p);
}

/**
 * pvg_adaptive_doorbell() - the device is told of all that was added
 * @q: the queue; @q->held is what this doorbell announces
 */
void pvg_adaptive_doorbell(struct pvg_queue *q)
{
	struct pvg_predictor *p = &q->pred;

	lockdep_assert_held(&q->lock);

	if (!q->held)
		return;
	p->group8 += q->held - p->group8 / 8;
	/* When too many are out, the newest are seen as one. */
	if (p->groups < PVG_GROUPS)
		p->groups++;
	p->group_end[(p->group_first + p->groups - 1) % PVG_GROUPS] =
		p->taken + q->inflight;
}

/**
 * pvg_adaptive_taken() - buffers were taken back
 * @q: the queue
 * @n: how many
 */
void pvg_adaptive_taken(struct pvg_queue *q, u32 n)
{
	struct pvg_predictor *p = &q->pred;

	lockdep_assert_held(&q->lock);

	p->taken += n;
	while (p->groups &&
	       (s32)(p->group_end[p->group_first] - p->taken) <= 0) {
		p->group_first = (p->group_first + 1) % PVG_GROUPS;
		p->groups--;
	}
}

/**
 * pvg_adaptive_delivered() - completions were handed up outside a submission
 * @q: the queue
 * @n: how many
 *
 * Somebody now has answers in hand and is likely to submit again.
 */
void pvg_adaptive_delivered(struct pvg_queue *q, u32 n)
{
	struct pvg_predictor *p = &q->pred;

	lockdep_assert_held(&q->lock);

	if (!n || !p->credit || too_slow(p))
		return;
	/* It was not waiting, at a depth at which it was thought to. */
	if (submitter_runs(p))
		p->depth = max(p->depth, q->inflight + n + 1);
	p->late = false;
	p->expecting = q->inflight && !q->urgent && q->inflight < p->depth;
	if (p->expecting)
		p->seen_ns = local_clock();
}

/* May the last buffer in flight wait for somebody to come by? */
static bool may_be_lazy(const struct pvg_queue *q)
{
	return q->ops->lazy && q->inflight == 1 && !q->urgent && !q->waiting &&
	       !q->lull;
}

/**
 * pvg_adaptive_reaped() - buffers were taken back in passing
 * @q: the queue
 *
 * Nobody submitted, but somebody came by.
 */
void pvg_adaptive_reaped(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	streak_grows(&q->pred);
}

/**
 * pvg_adaptive_want() - completions to the next interrupt
 * @q: the queue
 *
 * Return: 0 to park.
 */
u32 pvg_adaptive_want(const struct pvg_queue *q)
{
	const struct pvg_predictor *p = &q->pred;
	u32 share;

	if (q->urgent || !q->inflight)
		return 1;
	if (p->expecting || may_be_lazy(q))
		return 0;
	if (q->lull || q->mode == PVG_EVENT_PLAIN)
		return 1;
	share = max(q->inflight / 4, 1u);
	/* What one doorbell announced tends to complete together. */
	if (p->groups && p->group8 / 8 >= max(share, 2u))
		share = p->group_end[p->group_first] - p->taken;
	return clamp_t(u32, share, 1, min_t(u32, q->inflight, WANT_MAX));
}

/**
 * pvg_adaptive_window_ns() - how long the timer may run
 * @q: the queue
 */
u64 pvg_adaptive_window_ns(const struct pvg_queue *q)
{
	const struct pvg_predictor *p = &q->pred;

	if (p->probing && !p->credit)
		return gaps_ns(p, PROBE_GAPS, HOLD_MAX_NS);
	if (p->expecting)
		return max_t(u64, gaps_ns(p, HOLD_GAPS * patience(q),
					  HOLD_MAX_NS),
			     q->ops->hold_us * NSEC_PER_USEC);
	if (may_be_lazy(q))
		return LAZY_NS * patience(q);
	return gaps_ns(p, WAIT_GAPS, WAIT_MAX_NS);
}

/**
 * pvg_adaptive_fresh() - at timer expiry: is the prediction still open?
 * @q: the queue
 *
 * The timer is not restarted for each submission; it looks here instead.
 */
bool pvg_adaptive_fresh(const struct pvg_queue *q)
{
	const struct pvg_predictor *p = &q->pred;

	s64 silent = local_clock() - p->seen_ns;

	if (!p->expecting)
		return may_be_lazy(q) &&
		       silent < (s64)LAZY_NS * patience(q) / 2;
	return !(p->probing && !p->credit) &&
	       silent < (s64)gaps_ns(p, STALE_GAPS * patience(q), HOLD_MAX_NS);
}

static void missed(struct pvg_queue *q)
{
	struct pvg_predictor *p = &q->pred;

	q->stats.prediction_misses++;
	p->streak = 0;
	if (p->probing) {
		p->depth = max(q->inflight, 1u);
		p->probe_every = min(p->probe_every * 2, PROBE_EVERY_MAX);
		p->probe_wait = p->probe_every;
	} else {
		p->depth = max3(q->inflight, p->depth / 2, 1u);
		p->credit /= 2;
	}
	p->probing = false;
	p->expecting = false;
	p->late = false;
}

/**
 * pvg_adaptive_expired() - the timer fired before the predicted submission
 * @q: the queue
 *
 * A submitter that is running is merely late, which costs a little of the
 * credit: one that polls for its only completion is late each time.
 *
 * Context: the timer's interrupt.
 */
void pvg_adaptive_expired(struct pvg_queue *q)
{
	struct pvg_predictor *p = &q->pred;

	lockdep_assert_held(&q->lock);

	if (!p->expecting) {
		if (q->inflight)
			p->streak = 0;
		return;
	}
	if (p->probing || !p->credit || !submitter_runs(p)) {
		missed(q);
		return;
	}
	p->credit -= !p->late;
	p->late = true;
}

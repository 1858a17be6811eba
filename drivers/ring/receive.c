// SPDX-License-Identifier: GPL-2.0-only
/*
 * The adaptive policy of receive queues: how many buffers to wait for.
 *
 * A posted buffer promises nothing: the peer may send at once or never. What
 * can be known is whether the last wait was worth it. Each time the queue is
 * settled, the interrupt is armed for the want-th buffer, behind a timer of
 * about twice the time that should take:
 *
 *  - The interrupt came and found that many: more will be asked for next time.
 *  - The timer came first: half as many, and with nothing there, one; then the
 *    next buffer interrupts at once and no timer runs.
 *
 * A peer that sends one message and waits for the answer is never found with
 * two buffers, so want stays at one for it. No timer is started at one.
 */
#include <linux/minmax.h>
#include <linux/sched/clock.h>
#include <linux/time64.h>

#include "core.h"

#define WANT_MAX	64	/* buffers per interrupt */
#define WINDOW_MIN_NS	(20 * NSEC_PER_USEC)
#define WINDOW_MAX_US	200

/* How long a buffer that is there may wait for others. */
static u32 window_max_ns(const struct pvg_queue *q)
{
	return (q->ops->wait_max_us ?: WINDOW_MAX_US) * NSEC_PER_USEC;
}

void pvg_receive_start(struct pvg_queue *q)
{
	q->rcv = (struct pvg_receiver) {
		.since_ns = local_clock(),
		.gap_ns = window_max_ns(q),
		.want = 1,
	};
}

/**
 * pvg_receive_taken() - buffers were taken back
 * @q: the queue
 * @n: how many
 */
void pvg_receive_taken(struct pvg_queue *q, u32 n)
{
	lockdep_assert_held(&q->lock);

	q->rcv.round += n;
}

/**
 * pvg_receive_settled() - the queue is empty, and about to be armed again
 * @q: the queue
 * @by_timer: it was the timer that had it emptied
 */
void pvg_receive_settled(struct pvg_queue *q, bool by_timer)
{
	struct pvg_receiver *r = &q->rcv;
	u64 now = local_clock();
	s64 gap;

	lockdep_assert_held(&q->lock);

	if (r->round) {
		gap = div_u64(max_t(s64, now - r->since_ns, 0), r->round);
		gap = min_t(s64, gap, 2 * (s64)window_max_ns(q));
		r->gap_ns += ((s32)gap - (s32)r->gap_ns) / 4;
	}
	if (by_timer && r->round < r->want) {
		q->stats.prediction_misses++;
		r->want = r->round ? max(r->want / 2, 1u) : 1;
	} else if (r->round >= max(r->want, 2u)) {
		q->stats.prediction_hits++;
		r->want = min_t(u32, r->want + max(r->want / 4, 1u), WANT_MAX);
	}
	r->since_ns = now;
	r->round = 0;
}

/* What can come before even one window is over needs no waiting for. */
static bool too_slow(const struct pvg_queue *q)
{
	return q->rcv.gap_ns >= window_max_ns(q);
}

/**
 * pvg_receive_want() - buffers to the next interrupt
 * @q: the queue
 *
 * Never more than a quarter of what is posted, so that the peer does not run
 * out of buffers before we notice. Return: at least 1.
 */
u32 pvg_receive_want(const struct pvg_queue *q)
{
	const struct pvg_receiver *r = &q->rcv;

	if (q->lull || q->mode == PVG_EVENT_PLAIN || too_slow(q))
		return 1;
	return clamp_t(u32, r->want, 1, max(q->inflight / 4, 1u));
}

/**
 * pvg_receive_window_ns() - how long the timer may run
 * @q: the queue
 */
u64 pvg_receive_window_ns(const struct pvg_queue *q)
{
	const struct pvg_receiver *r = &q->rcv;

	return clamp_t(u64, 2ULL * r->gap_ns * r->want, WINDOW_MIN_NS,
		       window_max_ns(q));
}

/**
 * pvg_receive_fresh() - at timer expiry: is the wait a later one?
 * @q: the queue
 *
 * The timer is not restarted for each wait; it looks here instead.
 */
bool pvg_receive_fresh(const struct pvg_queue *q)
{
	return q->armed > 1 && (s64)(local_clock() - q->rcv.since_ns) <
			       (s64)pvg_receive_window_ns(q) / 2;
}

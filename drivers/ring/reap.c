// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submitters that complete what they find on their way.
 *
 * A completion may submit the next request, which then finds completions itself,
 * while ops->done() runs further up the stack of the same task. That one must not
 * take them, or the two would recurse. Others may, on whatever CPU.
 */
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/time64.h>

#include "core.h"

/* Completions of urgent requests that a submitter may not take wait so long. */
#define URGENT_NS	(20 * NSEC_PER_USEC)

/**
 * pvg_reaper() - may this task take completions and complete them?
 * @q: the queue
 *
 * Return: NULL if it may not; or where it is to stand, as current, while it is in
 * ops->done(). It may be set to NULL again without the lock.
 */
const void **pvg_reaper(struct pvg_queue *q)
{
	const void **free = NULL;
	unsigned int i;

	lockdep_assert_held(&q->lock);

	for (i = 0; i < PVG_REAPERS; i++) {
		const void *task = READ_ONCE(q->reapers[i]);

		if (!task)
			free = &q->reapers[i];
		else if (task == current)
			return NULL;
	}
	return free;
}

/**
 * pvg_reap_later() - completions are there, for the timer to take
 * @q: the queue, armed, with completions that the device need not tell of
 * @ns: how long they may wait if nothing is urgent
 */
void pvg_reap_later(struct pvg_queue *q, u64 ns)
{
	lockdep_assert_held(&q->lock);

	if (q->inflight)
		pvg_timer_start(q, q->urgent ? min_t(u64, ns, URGENT_NS) : ns);
}

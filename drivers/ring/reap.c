// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submitters that complete what they find on their way.
 *
 * A completion may submit the next request, which then finds completions itself,
 * while ops->done() runs further up the stack of the same task. That one must not
 * take them, or the two would recurse. Others may, on whatever CPU.
 */
#include <linux/sched.h>

#include "core.h"

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

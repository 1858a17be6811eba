// SPDX-License-Identifier: GPL-2.0-only
/* The counters of a queue and their names, for sysfs and debugfs alike. */
#include <linux/kernel.h>
#include <linux/stddef.h>

#include "core.h"

#define COUNTER(field, name)	{ name, offsetof(struct pvg_queue_stats, field) }

static const struct {
	const char *name;
	size_t offset;
} counters[] = {
	COUNTER(interrupts, "interrupts"),
	COUNTER(spurious, "spurious"),
	COUNTER(timer_starts, "timer_starts"),
	COUNTER(timer_fires, "timer_fires"),
	COUNTER(submissions, "submissions"),
	COUNTER(completions, "completions"),
	COUNTER(reaped, "reaped"),
	COUNTER(doorbells, "doorbells"),
	COUNTER(doorbells_suppressed, "doorbells_suppressed"),
	COUNTER(doorbells_held, "doorbells_held"),
	COUNTER(doorbells_forced, "doorbells_forced"),
	COUNTER(healed_doorbell, "healed_doorbell"),
	COUNTER(healed_irq, "healed_irq"),
	COUNTER(prediction_hits, "prediction_hits"),
	COUNTER(prediction_misses, "prediction_misses"),
	COUNTER(stayed, "submitters_stayed"),
};

static u64 *value_of(struct pvg_queue_stats *s, unsigned int i)
{
	return (void *)s + counters[i].offset;
}

/**
 * pvg_stats_name() - the name of a counter
 * @i: its number, from 0 on
 *
 * Return: NULL after the last one.
 */
const char *pvg_stats_name(unsigned int i)
{
	return i < ARRAY_SIZE(counters) ? counters[i].name : NULL;
}

/**
 * pvg_stats_value() - the value of a counter
 * @s: the counters of a queue
 * @i: its number, of one that has a name
 */
u64 pvg_stats_value(const struct pvg_queue_stats *s, unsigned int i)
{
	return *value_of((struct pvg_queue_stats *)s, i);
}

/**
 * pvg_stats_add() - add the counters of a queue to those of others
 * @sum: of the others
 * @q: the queue, which need not run
 *
 * Context: any; the lock is not held.
 */
void pvg_stats_add(struct pvg_queue_stats *sum, struct pvg_queue *q)
{
	unsigned long flags;
	unsigned int i;

	flags = pvg_queue_lock(q);
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		*value_of(sum, i) += pvg_stats_value(&q->stats, i);
	pvg_queue_unlock(q, flags);
}

/**
 * pvg_stats_reset() - set the counters of a queue to 0
 * @q: the queue, which need not run
 *
 * Context: any; the lock is not held.
 */
void pvg_stats_reset(struct pvg_queue *q)
{
	unsigned long flags;

	flags = pvg_queue_lock(q);
	q->stats = (struct pvg_queue_stats) {};
	pvg_queue_unlock(q, flags);
}

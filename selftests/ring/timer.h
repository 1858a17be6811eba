/* SPDX-License-Identifier: GPL-2.0-only */
/* Timers that count in jiffies, of 4 ms, for kernel.h. */
#ifndef _PVG_TEST_TIMER_H
#define _PVG_TEST_TIMER_H

#define HZ		250
#define jiffies		((unsigned long)(model_now / (NSEC_PER_SEC / HZ)))
#define NSEC_PER_SEC	1000000000L
#define USEC_PER_MSEC	1000L
#define TIMER_DEFERRABLE	1
#define TIMER_PINNED		2
#define msecs_to_jiffies(ms)	(((unsigned long)(ms) * HZ + 999) / 1000)
#define jiffies_to_msecs(j)	((unsigned int)((j) * (1000 / HZ)))
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)
#define time_after(a, b)	((long)((b) - (a)) < 0)

struct timer_list {
	void (*function)(struct timer_list *timer);
	unsigned int flags;
	unsigned long expires;
	bool queued;
};

static inline void timer_setup(struct timer_list *timer,
			       void (*function)(struct timer_list *timer),
			       unsigned int flags)
{
	timer->function = function;
	timer->flags = flags;
	timer->queued = false;
}

static inline void mod_timer(struct timer_list *timer, unsigned long expires)
{
	timer->expires = expires;
	timer->queued = true;
}

static inline int timer_delete_sync(struct timer_list *timer)
{
	bool was = timer->queued;

	timer->queued = false;
	return was;
}

#define timer_pending(t)	((t)->queued)
#define timer_delete(t)		timer_delete_sync(t)
#define add_timer_on(t, cpu)	model_add_timer(t)
void model_add_timer(struct timer_list *timer);
void model_tick(struct timer_list *timer);

/* Go to when the timer expires. */
static inline void model_expire(struct timer_list *timer)
{
	assert(timer->queued);
	if (!time_after_eq(jiffies, timer->expires))
		model_now = timer->expires * (NSEC_PER_SEC / HZ);
	timer->queued = false;
	timer->function(timer);
}

#endif /* _PVG_TEST_TIMER_H */

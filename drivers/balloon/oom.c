// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest runs out of memory (DEFLATE_ON_OOM, virtio 1.2, section 5.5.6.1):
 * the balloon gives some back before anything is killed, twice as much with
 * each call of a series, and does not grow again for a while.
 */
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/oom.h>

#include "pvg_balloon.h"
#include "trace.h"

#define STEP_MIN	PVG_RANGE_MAX_PAGES
#define HOLD_MIN_MS	1000
#define HOLD_MAX_MS	60000

/*
 * How much to give; and grow not before some time has passed. A call before that
 * is one of a series, for which that time need not grow.
 */
static unsigned long begin(struct pvg_balloon *b)
{
	bool series, again;
	unsigned long flags, n;

	spin_lock_irqsave(&b->lock, flags);
	series = b->oom_hold_ms && time_before(jiffies, b->oom_until);
	again = b->oom_hold_ms &&
		time_before(jiffies, b->oom_until +
			    msecs_to_jiffies(b->oom_hold_ms));
	b->oom_step = series ? b->oom_step * 2 : STEP_MIN;
	b->oom_step = clamp_t(unsigned long, b->oom_step, STEP_MIN,
			      max(b->stored / 8, STEP_MIN));
	if (!again)
		WRITE_ONCE(b->oom_hold_ms, HOLD_MIN_MS);
	else if (!series)
		WRITE_ONCE(b->oom_hold_ms,
			   min_t(unsigned int, b->oom_hold_ms * 2, HOLD_MAX_MS));
	WRITE_ONCE(b->oom_until,
		   jiffies + msecs_to_jiffies(b->oom_hold_ms));
	n = b->oom_step;
	spin_unlock_irqrestore(&b->lock, flags);
	return n;
}

static void take(struct pvg_balloon *b, struct pvg_balloon_pagelist *l,
		 unsigned long most, bool ranges)
{
	unsigned int order;
	struct page *page;

	while (ranges && pvg_pagelist_pages(l) < most) {
		unsigned long left = most - pvg_pagelist_pages(l);

		page = pvg_store_take_range(b, max(left, 1ul << PVG_RANGE_MIN_ORDER),
					    &order);
		if (!page)
			break;
		pvg_pagelist_add_range(l, page);
	}
	if (!l->range_pages)
		pvg_store_take_singles(b, l, most);
}

/*
 * The device may still have the request of the last call, a moment ago: then
 * one of the worker's will do, unless the answer is waited for.
 */
static struct pvg_balloon_req *get_req(struct pvg_balloon *b)
{
	struct pvg_balloon_req *req;

	if (pvg_balloon_take_req(&b->oom_req, PVG_REQ_DEFLATE))
		return &b->oom_req;
	req = b->must_tell ? NULL : pvg_balloon_get_req(b, PVG_REQ_DEFLATE);
	if (req)
		return req;
	pvg_balloon_wait_req(&b->oom_req, HZ);
	return pvg_balloon_take_req(&b->oom_req, PVG_REQ_DEFLATE) ?
	       &b->oom_req : NULL;
}

static void put_req(struct pvg_balloon_req *req)
{
	if (req->async)
		pvg_balloon_put_req(req);
}

/* Nobody waits any longer: what the request holds is untold once it is back. */
static bool answers_late(struct pvg_balloon *b)
{
	unsigned long flags;
	bool late;

	spin_lock_irqsave(&b->lock, flags);
	late = b->oom_req.state == PVG_REQ_SENT;
	b->oom_late = late;
	spin_unlock_irqrestore(&b->lock, flags);
	return late;
}

/* Pages the host needs to be told of. */
static unsigned long give_told(struct pvg_balloon *b, unsigned long most)
{
	struct pvg_balloon_req *req = get_req(b);
	struct pvg_balloon_pagelist l;
	struct page *page;
	unsigned long n;

	if (!req)
		return 0;
	pvg_pagelist_init(&l);
	most = min_t(unsigned long, most, req->max / PVG_UNITS_PER_PAGE);
	take(b, &l, most, !b->by_ranges && most >= PVG_RANGE_MAX_PAGES);
	n = pvg_pagelist_pages(&l);
	if (!n) {
		put_req(req);
		return 0;
	}
	list_for_each_entry(page, &l.ranges, lru)
		pvg_balloon_req_add(req, page, 1ul << pvg_range_order(page));
	list_for_each_entry(page, &l.singles, lru)
		pvg_balloon_req_add(req, page, 1);
	if (b->must_tell)
		pvg_pagelist_move(&l, &req->held);
	if (pvg_balloon_send(req)) {
		pvg_pagelist_move(&req->held, &l);
		pvg_store_add(b, &l);
		put_req(req);
		return 0;
	}
	pvg_pagelist_free(&l);
	if (!b->must_tell)
		return n;
	if (!pvg_balloon_wait_req(req, HZ) && answers_late(b))
		return 0;
	pvg_pagelist_free(&req->held);
	return n;
}

/* A device that was given up was reset, and has forgotten the balloon. */
static unsigned long give_forgotten(struct pvg_balloon *b, unsigned long most)
{
	struct pvg_balloon_pagelist l;
	unsigned long n;

	pvg_pagelist_init(&l);
	take(b, &l, most, true);
	n = pvg_pagelist_pages(&l);
	pvg_pagelist_free(&l);
	return n;
}

/* Ranges that were only reported are ours to use at once. */
static unsigned long give_ranges(struct pvg_balloon *b, unsigned long most)
{
	struct pvg_balloon_pagelist l;
	unsigned long n;

	if (!b->by_ranges)
		return 0;
	pvg_pagelist_init(&l);
	while (pvg_pagelist_pages(&l) < most) {
		unsigned int order;
		struct page *page;

		page = pvg_store_take_range(b, PVG_RANGE_MAX_PAGES, &order);
		if (!page)
			break;
		pvg_pagelist_add_range(&l, page);
	}
	n = pvg_pagelist_pages(&l);
	pvg_pagelist_free(&l);
	return n;
}

/**
 * pvg_balloon_oom_notify() - the guest is about to kill something
 * @nb: &pvg_balloon.oom_nb
 * @unused: 0
 * @freed: unsigned long, to which the pages that were given back are added
 *
 * Context: an allocation, under the kernel's oom_lock; may sleep.
 */
int pvg_balloon_oom_notify(struct notifier_block *nb, unsigned long unused,
			   void *freed)
{
	struct pvg_balloon *b = container_of(nb, struct pvg_balloon, oom_nb);
	unsigned long want, n, flags;

	/* Before the first page is free, or growing would take it again. */
	want = begin(b);
	n = pvg_untold_free(b, want);
	if (n < want)
		n += give_ranges(b, want - n);
	if (n < want && READ_ONCE(b->state) == PVG_BALLOON_LIVE)
		n += give_told(b, want - n);
	else if (n < want && READ_ONCE(b->state) == PVG_BALLOON_FAILED &&
		 !READ_ONCE(b->have_vqs))	/* it has been reset */
		n += give_forgotten(b, want - n);

	spin_lock_irqsave(&b->lock, flags);
	b->counts.oom_calls++;
	b->counts.oom_pages += n;
	b->counts.deflated += n;
	spin_unlock_irqrestore(&b->lock, flags);
	trace_pvg_balloon_oom(b, want, n);
	if (READ_ONCE(b->state) == PVG_BALLOON_LIVE)
		pvg_balloon_kick(b);	/* tells the host of the new size */
	*(unsigned long *)freed += n;
	return NOTIFY_OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The size of the balloon: one worker that moves it to where the host wants
 * it, in steps so short that a new target is noticed between two of them.
 *
 * Growing allocates what is free in the movable zone, then the largest ranges that
 * are free elsewhere, without reclaim, while that leaves a reserve. Then it
 * reclaims, page by page and at a measured pace. It stops at the floor. Where
 * nothing can be had it backs off for ever longer times. Completions of requests
 * start the worker again: it never waits itself.
 */
#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_balloon.h"
#include "trace.h"

#define STEP_PAGES	PVG_RANGE_MAX_PAGES
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	10000
#define RECLAIM_PAUSE_MS	4	/* between steps that reclaim, at least; */
#define RECLAIM_PAUSE_SHARE	9	/* times as long as the step, */
#define RECLAIM_PAUSE_MAX_MS	100	/* at most */
#define ISOLATED_PAUSE_MS	10	/* pages are being migrated */
#define WATCH_MS	2000	/* while the device has requests */
#define WRITE_NS	(20 * NSEC_PER_MSEC)

/**
 * enum step - what the worker does after a step
 * @STEP_AGAIN: the next one at once
 * @STEP_WAIT: nothing until something completes or changes
 * @STEP_LATER: the next one after the time given with it
 */
enum step {
	STEP_AGAIN,
	STEP_WAIT,
	STEP_LATER,
};

static void refresh_target(struct pvg_balloon *b)
{
	u32 units;

	if (!test_and_clear_bit(PVG_TARGET_CHANGED, &b->flags))
		return;
	/* Little-endian even for legacy devices (virtio 1.2, 5.5.4). */
	virtio_cread_le(b->vdev, struct virtio_balloon_config, num_pages,
			&units);
	/* A device that was pulled out reads as all ones. */
	if (units == U32_MAX && b->vdev->config->get_status(b->vdev) == U8_MAX)
		return;
	if (b->stays_empty)
		units = 0;
	WRITE_ONCE(b->target, DIV_ROUND_UP(units, PVG_UNITS_PER_PAGE));
	b->backoff_ms = 0;
	b->order = PVG_MAX_ORDER;
	b->skip_ranges = 0;
	trace_pvg_balloon_target(b, b->target);
}

/* The host is told where the balloon is, but not for each page. */
static void write_actual(struct pvg_balloon *b, bool now)
{
	unsigned long stored = READ_ONCE(b->stored);
	u64 ns = ktime_get_ns();
	u32 units;

	if (b->written_once && stored == b->written)
		return;
	if (!now && ns - b->written_ns < WRITE_NS)
		return;
	units = stored * PVG_UNITS_PER_PAGE;
	virtio_cwrite_le(b->vdev, struct virtio_balloon_config, actual, &units);
	b->written = stored;
	b->written_once = true;
	b->written_ns = ns;
	b->counts.config_writes++;
}

/* For the rate: a movement ends with its direction, or with the worker. */
static void start_moving(struct pvg_balloon *b, bool growing)
{
	if (b->move_ns && b->growing == growing)
		return;
	b->growing = growing;
	b->moved = 0;
	b->move_ns = ktime_get_ns();
}

static void note_moved(struct pvg_balloon *b, bool growing, unsigned long pages)
{
	u64 now = ktime_get_ns();

	if (!b->move_ns || b->growing != growing)
		return;
	b->moved += pages;
	WRITE_ONCE(b->rate, mul_u64_u64_div_u64((u64)b->moved << PAGE_SHIFT,
						NSEC_PER_SEC,
						max_t(u64, now - b->move_ns,
						      NSEC_PER_USEC)));
}

static struct pvg_balloon_req *next_done(struct pvg_balloon *b)
{
	struct pvg_balloon_req *req;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	req = list_first_entry_or_null(&b->done, struct pvg_balloon_req, link);
	if (req)
		list_del_init(&req->link);
	spin_unlock_irqrestore(&b->lock, flags);
	return req;
}

/* What the device has completed enters the store, or leaves for good. */
static void harvest(struct pvg_balloon *b)
{
	struct pvg_balloon_req *req;
	unsigned long pages, flags;

	while ((req = next_done(b))) {
		pages = pvg_pagelist_pages(&req->held);
		if (req->kind == PVG_REQ_DEFLATE) {
			pvg_pagelist_free(&req->held);
		} else {
			/* In this order, so that nobody misses pages. */
			if (req->failed)
				pvg_untold_add(b, &req->held);
			else
				pvg_store_add(b, &req->held);
			spin_lock_irqsave(&b->lock, flags);
			b->entering -= pages;
			if (!req->failed)
				b->counts.inflated += pages;
			spin_unlock_irqrestore(&b->lock, flags);
			note_moved(b, true, pages);
		}
		pvg_balloon_put_req(req);
	}
}

/* Untold pages, as many as fit, into a request. */
static void fill(struct pvg_balloon *b, struct pvg_balloon_req *req,
		 bool ranges)
{
	struct page *page;
	unsigned int order;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	while (ranges && pvg_balloon_req_fits(req, PVG_RANGE_MAX_PAGES)) {
		page = pvg_pagelist_pop_range(&b->untold, &order);
		if (!page)
			break;
		pvg_balloon_req_add(req, page, 1ul << order);
		pvg_pagelist_add_range(&req->held, page);
	}
	while (req->pfns && pvg_balloon_req_fits(req, 1)) {
		page = pvg_pagelist_pop_single(&b->untold);
		if (!page)
			break;
		pvg_balloon_req_add(req, page, 1);
		pvg_pagelist_add_single(&req->held, page);
	}
	spin_unlock_irqrestore(&b->lock, flags);
}

/*
 * Ranges that do not fit into an array are split, so that they do. Only a
 * device that takes short arrays needs this.
 */
static void split_untold(struct pvg_balloon *b)
{
	struct pvg_balloon_pagelist l;
	unsigned int order;
	unsigned long flags;
	struct page *page;

	pvg_pagelist_init(&l);
	spin_lock_irqsave(&b->lock, flags);
	page = pvg_pagelist_pop_range(&b->untold, &order);
	spin_unlock_irqrestore(&b->lock, flags);
	if (!page)
		return;
	pvg_pagelist_add_range(&l, page);
	pvg_pagelist_split(&l);
	pvg_untold_add(b, &l);
}

static bool send_untold(struct pvg_balloon *b, enum pvg_req_kind kind)
{
	bool ranges = kind == PVG_REQ_REPORT || !b->by_ranges;
	struct pvg_balloon_req *req = pvg_balloon_get_req(b, kind);
	bool sent, nothing;

	if (!req)
		return false;
	if (req->pfns && ranges && req->max < PVG_RANGE_MAX_PAGES) {
		if (!b->untold.nr_singles)
			split_untold(b);
		ranges = false;
	}
	fill(b, req, ranges);
	sent = req->nr && !pvg_balloon_send(req);
	if (sent)
		return true;
	/* Empty if there was an OOM meanwhile. */
	nothing = !req->nr;
	pvg_untold_add(b, &req->held);
	pvg_balloon_put_req(req);
	return nothing;
}

/*
 * Tell the host of untold pages: of all, or only as long as they fill requests.
 * Returns false if it has to wait for a request.
 */
static bool tell(struct pvg_balloon *b, bool all)
{
	unsigned long ranges = b->by_ranges ? b->untold.range_pages : 0;
	unsigned long arrays = pvg_pagelist_pages(&b->untold) - ranges;
	unsigned long full = b->range_max * PVG_RANGE_MAX_PAGES;

	if (ranges && (all || ranges >= full) && !send_untold(b, PVG_REQ_REPORT))
		return false;
	if (arrays && (all || arrays * PVG_UNITS_PER_PAGE >= b->array_max) &&
	    !send_untold(b, PVG_REQ_INFLATE))
		return false;
	return true;
}

static void back_off(struct pvg_balloon *b, unsigned int *ms)
{
	b->backoff_ms = clamp_t(unsigned int, b->backoff_ms * 2,
				BACKOFF_MIN_MS, BACKOFF_MAX_MS);
	b->backoff_until = jiffies + msecs_to_jiffies(b->backoff_ms);
	b->counts.backoffs++;
	b->order = PVG_MAX_ORDER;
	pvg_alloc_drop_loose(b);
	b->move_ns = 0;
	trace_pvg_balloon_backoff(b, b->backoff_ms);
	*ms = b->backoff_ms;
}

/* Completions start the worker, too; it is not yet time to grow. */
static bool must_pause(struct pvg_balloon *b, unsigned int *ms)
{
	long left = 0;

	if (READ_ONCE(b->oom_hold_ms))
		left = READ_ONCE(b->oom_until) - jiffies;
	if (b->backoff_ms)
		left = max_t(long, left, b->backoff_until - jiffies);
	if (left <= 0)
		return false;
	*ms = jiffies_to_msecs(left) + 1;
	return true;
}

/*
 * Pages that may be taken; none if they are so few that, after a try that got
 * nothing, it would not be worth another.
 */
static unsigned long room_for(struct pvg_balloon *b, unsigned long want)
{
	long room = pvg_balloon_headroom(b);

	if (room <= 0 || (b->backoff_ms && room < min(want, STEP_PAGES)))
		return 0;
	return min_t(unsigned long, want, room);
}

/* The device gets what there is, and growing goes on later. */
static enum step pause_growing(struct pvg_balloon *b)
{
	/* Who is short of memory cannot get at these. */
	pvg_alloc_drop_loose(b);
	tell(b, true);
	return STEP_LATER;
}

/*
 * The pause is a share of the time, at most about a tenth: while the worker reclaims the
 * guest's tasks wait for the CPU, or for the locks of reclaim.
 */
static unsigned long reclaim(struct pvg_balloon *b, unsigned long want,
			     unsigned int *ms)
{
	u64 ns = ktime_get_ns();
	unsigned long got = pvg_alloc_reclaim(b, want);

	ns = ktime_get_ns() - ns;
	*ms = clamp_t(u64, div_u64(ns * RECLAIM_PAUSE_SHARE, NSEC_PER_MSEC),
		      RECLAIM_PAUSE_MS, RECLAIM_PAUSE_MAX_MS);
	return got;
}

/* One range, or a few pages; or what is in the way of that. */
static enum step grow(struct pvg_balloon *b, unsigned long want,
		      unsigned int *ms)
{
	unsigned long got = 0;

	/* Full requests go first; what is left can wait for more to come. */
	if (!tell(b, false))
		return STEP_WAIT;
	if (must_pause(b, ms))
		return pause_growing(b);

	want = room_for(b, want);
	if (want)
		got = pvg_alloc_free(b, want);
	if (!got && want && !pvg_balloon_is_pressed(b))
		got = reclaim(b, want, ms);
	if (!got && test_bit(PVG_TARGET_CHANGED, &b->flags))
		return STEP_AGAIN;
	if (!got) {
		back_off(b, ms);
		return pause_growing(b);
	}
	b->backoff_ms /= 2;
	/* Others reclaim too, and need their share of it. */
	return *ms ? STEP_LATER : STEP_AGAIN;
}

/*
 * Pages that left the store: the host is told where it needs to be, and they
 * are free; or they will be once it knows. Without a request to tell it they
 * go back.
 */
static bool let_go(struct pvg_balloon *b, struct pvg_balloon_req *req,
		   struct pvg_balloon_pagelist *l)
{
	unsigned long n = pvg_pagelist_pages(l), flags;

	if (req && b->must_tell)
		pvg_pagelist_move(l, &req->held);
	if (req && pvg_balloon_send(req)) {
		pvg_pagelist_move(&req->held, l);
		pvg_balloon_put_req(req);
		pvg_store_add(b, l);
		return false;
	}
	pvg_pagelist_free(l);
	spin_lock_irqsave(&b->lock, flags);
	b->counts.deflated += n;
	spin_unlock_irqrestore(&b->lock, flags);
	note_moved(b, false, n);
	return true;
}

static void add_all(struct pvg_balloon_req *req,
		    const struct pvg_balloon_pagelist *l)
{
	struct page *page;

	list_for_each_entry(page, &l->ranges, lru)
		pvg_balloon_req_add(req, page, 1ul << pvg_range_order(page));
	list_for_each_entry(page, &l->singles, lru)
		pvg_balloon_req_add(req, page, 1);
}

static enum step shrink_singles(struct pvg_balloon *b, unsigned long most)
{
	struct pvg_balloon_req *req = pvg_balloon_get_req(b, PVG_REQ_DEFLATE);
	struct pvg_balloon_pagelist l;

	if (!req)
		return STEP_WAIT;
	pvg_pagelist_init(&l);
	most = min_t(unsigned long, most, req->max / PVG_UNITS_PER_PAGE);
	if (!pvg_store_take_singles(b, &l, most)) {
		pvg_balloon_put_req(req);
		return STEP_LATER;	/* all of them are isolated */
	}
	add_all(req, &l);
	return let_go(b, req, &l) ? STEP_AGAIN : STEP_WAIT;
}

/* Whole ranges, as many as one request takes; or one, if none is needed. */
static enum step shrink_ranges(struct pvg_balloon *b, unsigned long most)
{
	struct pvg_balloon_req *req = NULL;
	struct pvg_balloon_pagelist l;
	struct page *page;
	unsigned int order;

	pvg_pagelist_init(&l);
	if (!b->by_ranges) {
		req = pvg_balloon_get_req(b, PVG_REQ_DEFLATE);
		if (!req)
			return STEP_WAIT;
		most = min_t(unsigned long, most,
			     req->max / PVG_UNITS_PER_PAGE);
	}
	do {
		page = pvg_store_take_range(b, most, &order);
		if (!page)
			break;
		pvg_pagelist_add_range(&l, page);
		most -= 1ul << order;
	} while (req);
	if (!l.range_pages) {
		if (req)
			pvg_balloon_put_req(req);
		return STEP_LATER;	/* an OOM was faster */
	}
	if (req)
		add_all(req, &l);
	return let_go(b, req, &l) ? STEP_AGAIN : STEP_WAIT;
}

/* Only a part of a range is wanted: the rest stays, as single pages. */
static enum step shrink_part(struct pvg_balloon *b)
{
	struct pvg_balloon_pagelist l;
	struct page *page;
	unsigned int order;

	page = pvg_store_take_range(b, PVG_RANGE_MAX_PAGES, &order);
	if (!page)
		return STEP_LATER;
	b->counts.splits++;
	pvg_pagelist_init(&l);
	pvg_pagelist_add_range(&l, page);
	pvg_pagelist_split(&l);
	/*
	 * The next steps free what is too much, and tell of the rest; or, where
	 * the host keeps account of pages by number, tell of what is too much.
	 */
	if (b->by_ranges)
		pvg_untold_add(b, &l);
	else
		pvg_store_add(b, &l);
	return STEP_AGAIN;
}

static unsigned long smallest_range(struct pvg_balloon *b)
{
	unsigned int order;

	for (order = 0; order <= PVG_MAX_ORDER; order++)
		if (READ_ONCE(b->nr_ranges[order]))
			return 1ul << order;
	return 0;
}

/* Single pages first: whole ranges are worth more. */
static enum step shrink(struct pvg_balloon *b, unsigned long most,
			unsigned int *ms)
{
	unsigned long smallest = smallest_range(b);
	enum step step = STEP_WAIT;

	*ms = ISOLATED_PAUSE_MS;
	if (pvg_pagelist_pages(&b->untold)) {
		note_moved(b, false, pvg_untold_free(b, most));
		return STEP_AGAIN;
	}
	if (READ_ONCE(b->nr_singles))
		step = shrink_singles(b, most);
	if (step != STEP_LATER && (step == STEP_AGAIN || b->nr_singles))
		return step;
	if (!smallest)
		return step;
	return smallest <= most ? shrink_ranges(b, most) : shrink_part(b);
}

static enum step one_step(struct pvg_balloon *b, unsigned int *ms)
{
	unsigned long owned, target = b->target;
	unsigned long flags;

	if (test_bit(PVG_RETELL, &b->flags)) {
		if (pvg_store_retell(b))
			return STEP_AGAIN;
		if (READ_ONCE(b->stored)) {
			/* Pages that are being migrated come back soon. */
			*ms = ISOLATED_PAUSE_MS;
			return STEP_LATER;
		}
		clear_bit(PVG_RETELL, &b->flags);
	}
	spin_lock_irqsave(&b->lock, flags);
	owned = b->stored + b->entering + pvg_pagelist_pages(&b->untold);
	spin_unlock_irqrestore(&b->lock, flags);

	if (owned != target)
		start_moving(b, owned < target);
	if (owned >= target)
		pvg_alloc_drop_loose(b);
	if (owned > target)
		return shrink(b, owned - target, ms);
	if (owned < target)
		return grow(b, target - owned, ms);
	if (!pvg_pagelist_pages(&b->untold))
		return STEP_WAIT;
	return tell(b, true) ? STEP_AGAIN : STEP_WAIT;
}

static bool is_sent(const struct pvg_balloon_req *req)
{
	return READ_ONCE(req->state) == PVG_REQ_SENT;
}

static bool device_has_requests(struct pvg_balloon *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(b->reqs); i++)
		if (is_sent(&b->reqs[i]))
			return true;
	return is_sent(&b->oom_req) || is_sent(&b->migrate_out) ||
	       is_sent(&b->migrate_in);
}

/* Is there anything that is neither done nor has to wait for better times? */
static bool is_moving(struct pvg_balloon *b, enum step step)
{
	unsigned int ms;

	return step == STEP_WAIT ? device_has_requests(b) : !must_pause(b, &ms);
}

/* A suspend waits for what moves, if user space has enabled that. */
static void keep_awake(struct pvg_balloon *b, bool moving)
{
	struct device *dev = &b->vdev->dev;

	if (!moving)
		pm_relax(dev);
	/* A target that has changed by now is not one that was seen to. */
	if (moving || test_bit(PVG_TARGET_CHANGED, &b->flags))
		pm_stay_awake(dev);
}

/**
 * pvg_balloon_size_work() - move towards the target as far as can be now
 * @work: &pvg_balloon.size_work
 */
void pvg_balloon_size_work(struct work_struct *work)
{
	struct pvg_balloon *b = container_of(to_delayed_work(work),
					     struct pvg_balloon, size_work);
	enum step step = STEP_WAIT;
	unsigned int ms;

	do {
		ms = 0;
		harvest(b);
		if (READ_ONCE(b->state) != PVG_BALLOON_LIVE) {
			pm_relax(&b->vdev->dev);
			return;
		}
		refresh_target(b);
		step = one_step(b, &ms);
		write_actual(b, false);
		cond_resched();
	} while (step == STEP_AGAIN);
	write_actual(b, true);
	keep_awake(b, is_moving(b, step));

	if (pvg_balloon_overdue(b)) {
		set_bit(PVG_STUCK, &b->flags);
		pvg_balloon_recover(b);
	}
	if (step == STEP_WAIT && device_has_requests(b)) {
		ms = WATCH_MS;
		step = STEP_LATER;
	}
	if (step == STEP_LATER)
		queue_delayed_work(b->wq, &b->size_work, msecs_to_jiffies(ms));
	else
		b->move_ns = 0;
}

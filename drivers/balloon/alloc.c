// SPDX-License-Identifier: GPL-2.0-only
/*
 * Getting pages from the guest: first those of the movable zone, which the kernel
 * itself cannot use. They are split into single pages, because ranges are not
 * movable. Then the largest ranges of the other zones.
 *
 * Where the kernel zeroes what it allocates (init_on_alloc), a range of 4 MiB
 * keeps a CPU busy for up to milliseconds, and most kernels do not preempt
 * that. So there a range is allocated in pieces: the allocator splits a large
 * block and hands out its parts in order, and when all of them have come they
 * are a range. Each piece stays an allocation of its own: see pvg_range_init().
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/sched.h>

#include "pvg_balloon.h"

#define RANGE_RETRY	16	/* steps that reclaim between tries for ranges */
#define PIECE_ORDER	5u	/* what is zeroed at once */
#define PIECES_MAX	256	/* that are tried for one range */

#define GFP_QUIET	(__GFP_NOWARN | __GFP_NORETRY | __GFP_NOMEMALLOC)
/* Ranges stay where they are, so they keep off what must be movable. */
#define GFP_RANGE	(GFP_HIGHUSER | GFP_QUIET)
#define GFP_SINGLE	(PVG_BALLOON_GFP | GFP_QUIET)

/* A range that is ours now; only those of a page block and more stay whole. */
static void keep_range(struct pvg_balloon *b, struct page *page)
{
	unsigned int order = pvg_range_order(page);
	struct pvg_balloon_pagelist l;

	pvg_pagelist_init(&l);
	pvg_pagelist_add_range(&l, page);
	if (order < PVG_RANGE_MIN_ORDER || is_zone_movable_page(page))
		pvg_pagelist_split(&l);
	pvg_untold_add(b, &l);
}

static void keep(struct pvg_balloon *b, struct page *page, unsigned int order)
{
	pvg_range_init(page, order, order);
	keep_range(b, page);
}

/**
 * pvg_alloc_drop_loose() - free what was allocated and not needed
 * @b: the device
 *
 * Context: the worker.
 */
void pvg_alloc_drop_loose(struct pvg_balloon *b)
{
	pvg_pagelist_free(&b->loose);
}

/* There are no more ranges: pieces that were in the way will do. The others go back. */
static unsigned long keep_loose(struct pvg_balloon *b, unsigned long most)
{
	unsigned long n = 0;
	unsigned int order;
	struct page *page;

	while (n < most && (page = pvg_pagelist_pop_range(&b->loose, &order))) {
		keep_range(b, page);
		n += 1ul << order;
	}
	pvg_alloc_drop_loose(b);
	return n;
}

/* Contiguous pieces, from an aligned one on. */
struct run {
	struct page *first;
	unsigned long pages;
};

static void piece_to_loose(struct pvg_balloon *b, struct page *page)
{
	pvg_range_init(page, PIECE_ORDER, PIECE_ORDER);
	pvg_pagelist_add_range(&b->loose, page);
}

static void run_to_loose(struct pvg_balloon *b, struct run *run)
{
	unsigned long i;

	for (i = 0; i < run->pages; i += 1ul << PIECE_ORDER)
		piece_to_loose(b, run->first + i);
	run->pages = 0;
}

static bool run_extend(struct run *run, struct page *page, unsigned int order)
{
	unsigned long pfn = page_to_pfn(page);

	if (!run->pages && IS_ALIGNED(pfn, 1ul << order))
		run->first = page;
	else if (!run->pages || pfn != page_to_pfn(run->first) + run->pages ||
		 page_zone(page) != page_zone(run->first))
		return false;
	run->pages += 1ul << PIECE_ORDER;
	return true;
}

/* A range in pieces. Without luck the pieces are kept: no range is free. */
static unsigned long allocate_pieces(struct pvg_balloon *b, unsigned int order)
{
	struct run run = {};
	struct page *page;
	unsigned int i;

	for (i = 0; i < PIECES_MAX; i++) {
		if (test_bit(PVG_TARGET_CHANGED, &b->flags))
			break;
		page = alloc_pages(GFP_RANGE & ~__GFP_RECLAIM, PIECE_ORDER);
		if (!page)
			break;
		if (!run_extend(&run, page, order)) {
			run_to_loose(b, &run);
			if (!run_extend(&run, page, order))
				piece_to_loose(b, page);
		}
		if (run.pages == 1ul << order) {
			pvg_range_init(run.first, order, PIECE_ORDER);
			keep_range(b, run.first);
			return run.pages;
		}
		cond_resched();
	}
	run_to_loose(b, &run);
	return 0;
}

static bool zeroing_is_slow(unsigned int order)
{
	return want_init_on_alloc(GFP_RANGE) && !want_init_on_free() &&
	       order > PIECE_ORDER;
}

/* As allocate_directly(), where that would keep a CPU busy for too long. */
static unsigned long allocate_in_pieces(struct pvg_balloon *b,
					unsigned int order)
{
	unsigned long got = allocate_pieces(b, order);

	if (got || test_bit(PVG_TARGET_CHANGED, &b->flags))
		return got;
	if (b->order > PVG_RANGE_MIN_ORDER) {
		/* The next smaller range may be there, of the same pieces. */
		pvg_alloc_drop_loose(b);
		b->order = PVG_RANGE_MIN_ORDER;
		got = allocate_pieces(b, b->order);
	}
	if (!got) {
		b->order = PIECE_ORDER;
		got = keep_loose(b, 1ul << order);
	}
	return got;
}

static unsigned long allocate_directly(struct pvg_balloon *b,
				       unsigned int start)
{
	struct page *page;
	unsigned int order;
	gfp_t gfp;

	for (order = start;; order--) {
		gfp = order >= PVG_RANGE_MIN_ORDER ? GFP_RANGE : GFP_SINGLE;
		page = alloc_pages(gfp & ~__GFP_RECLAIM, order);
		if (page || !order)
			break;
	}
	if (!page)
		return 0;
	/* There are none larger; it stays so until something changes. */
	if (start == b->order)
		b->order = order;
	keep(b, page, order);
	return 1ul << order;
}

/* The allocator goes on to other zones by itself: what it found there goes back. */
static struct page *alloc_movable_on(int nid, unsigned int order)
{
	struct page *page;

	page = alloc_pages_node(nid, (GFP_SINGLE & ~__GFP_RECLAIM) |
				     __GFP_THISNODE, order);
	if (!page || is_zone_movable_page(page))
		return page;
	__free_pages(page, order);
	return NULL;
}

static struct page *alloc_movable(unsigned int order)
{
	struct page *page = NULL;
	int nid;

	for_each_online_node(nid) {
		if (pvg_balloon_spare_movable(nid))
			page = alloc_movable_on(nid, order);
		if (page)
			break;
	}
	return page;
}

/* Pages of the movable zone, which are single from now on. */
static unsigned long allocate_movable(struct pvg_balloon *b, unsigned long want)
{
	unsigned int order = zeroing_is_slow(PVG_MAX_ORDER) ? PIECE_ORDER :
							      PVG_MAX_ORDER;
	unsigned long n = 0;
	struct page *page;

	want = min_t(unsigned long, want, PVG_RANGE_MAX_PAGES);
	while (n < want && !test_bit(PVG_TARGET_CHANGED, &b->flags)) {
		order = min_t(unsigned int, order, ilog2(want - n));
		page = alloc_movable(order);
		if (page) {
			keep(b, page, order);
			n += 1ul << order;
		} else if (!order--) {
			break;
		}
		cond_resched();
	}
	return n;
}

/* A range of the other zones, or less where the guest needs what is left of them. */
static unsigned long allocate_kernel(struct pvg_balloon *b, unsigned long want)
{
	unsigned int order = min_t(unsigned int, b->order, ilog2(want));

	if (order && pvg_balloon_is_fragmented(b))
		return allocate_directly(b, 0);
	if (order >= PVG_RANGE_MIN_ORDER && zeroing_is_slow(order))
		return allocate_in_pieces(b, order);
	if (zeroing_is_slow(order))
		order = PIECE_ORDER;
	return allocate_directly(b, order);
}

/**
 * pvg_alloc_free() - take free pages
 * @b: the device
 * @want: how many at most, at least 1; a few more if there are only pieces
 *
 * Takes pages of the movable zone, as long as there are any; then the largest
 * range there is, or a single page where the guest needs what is left of larger
 * ones. All of that is without reclaim, and untold.
 *
 * Context: the worker. Return: how many were taken.
 */
unsigned long pvg_alloc_free(struct pvg_balloon *b, unsigned long want)
{
	unsigned long spare = 0, got;
	long room;

	/* Else they could not be moved away again. */
	if (PVG_BALLOON_MIGRATION)
		spare = pvg_balloon_spare(b, PVG_ZONE_MOVABLE);
	if (spare) {
		got = allocate_movable(b, min(want, spare));
		if (got)
			return got;
	}
	room = pvg_balloon_kernel_headroom(b);
	spare = pvg_balloon_spare(b, PVG_ZONE_KERNEL);
	if (room <= 0 || !spare)
		return 0;
	return allocate_kernel(b, min3(want, spare, (unsigned long)room));
}

/**
 * pvg_alloc_reclaim() - take pages that have to be reclaimed
 * @b: the device
 * @want: how many at most
 *
 * Takes a range now and then, else single pages; they are untold.
 *
 * Context: the worker; may sleep. Return: how many were taken.
 */
unsigned long pvg_alloc_reclaim(struct pvg_balloon *b, unsigned long want)
{
	long room = pvg_balloon_kernel_headroom(b);
	unsigned int order = PVG_RANGE_MIN_ORDER;
	unsigned long n = 0;
	struct page *page;

	if (min_t(long, want, room) >= 1l << order && !b->skip_ranges &&
	    !pvg_balloon_is_fragmented(b)) {
		page = alloc_pages(GFP_RANGE, order);
		if (page) {
			keep(b, page, order);
			return 1ul << order;
		}
		b->skip_ranges = RANGE_RETRY;
	}
	want = min_t(unsigned long, want, PVG_RANGE_MAX_PAGES);
	while (n < want && !test_bit(PVG_TARGET_CHANGED, &b->flags)) {
		page = alloc_page(GFP_SINGLE);
		if (!page)
			break;
		if (!is_zone_movable_page(page) && --room < 0) {
			__free_page(page);
			break;
		}
		keep(b, page, 0);
		n++;
	}
	if (b->skip_ranges)
		b->skip_ranges--;
	/* What was reclaimed may have made larger ranges. */
	b->order = PVG_MAX_ORDER;
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pages of a balloon.
 *
 * Whole ranges are on lists of ours, one for each order; single pages are with
 * the kernel's balloon code, so that compaction can migrate them. All pages of
 * the store are marked offline: they are not dumped, and not saved when
 * hibernating.
 */
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/sched.h>

#include "pvg_balloon.h"

/* Single pages that are added or taken under one lock of the kernel's. */
#define SINGLES_CHUNK	256

void pvg_pagelist_init(struct pvg_balloon_pagelist *l)
{
	INIT_LIST_HEAD(&l->ranges);
	INIT_LIST_HEAD(&l->singles);
	l->range_pages = 0;
	l->nr_singles = 0;
}

/* @page is the first of a range that pvg_range_init() has made. */
void pvg_pagelist_add_range(struct pvg_balloon_pagelist *l, struct page *page)
{
	list_add_tail(&page->lru, &l->ranges);
	l->range_pages += 1ul << pvg_range_order(page);
}

void pvg_pagelist_add_single(struct pvg_balloon_pagelist *l, struct page *page)
{
	list_add_tail(&page->lru, &l->singles);
	l->nr_singles++;
}

/**
 * pvg_pagelist_pop_range() - take a range off a list
 * @l: the list
 * @order: set to that of the range
 *
 * Return: its first page, or NULL if there is none.
 */
struct page *pvg_pagelist_pop_range(struct pvg_balloon_pagelist *l,
				    unsigned int *order)
{
	struct page *page;

	page = list_first_entry_or_null(&l->ranges, struct page, lru);
	if (!page)
		return NULL;
	list_del(&page->lru);
	*order = pvg_range_order(page);
	l->range_pages -= 1ul << *order;
	return page;
}

struct page *pvg_pagelist_pop_single(struct pvg_balloon_pagelist *l)
{
	struct page *page;

	page = list_first_entry_or_null(&l->singles, struct page, lru);
	if (!page)
		return NULL;
	list_del(&page->lru);
	l->nr_singles--;
	return page;
}

/* All ranges become single pages. */
void pvg_pagelist_split(struct pvg_balloon_pagelist *l)
{
	unsigned int order, piece, i;
	struct page *page;

	while ((page = pvg_pagelist_pop_range(l, &order))) {
		piece = pvg_range_piece(page);
		set_page_private(page, 0);
		for (i = 0; i < 1u << order; i += 1u << piece)
			split_page(page + i, piece);
		for (i = 0; i < 1u << order; i++)
			pvg_pagelist_add_single(l, page + i);
	}
}

/* All pages of @from to the end of @to. */
void pvg_pagelist_move(struct pvg_balloon_pagelist *from,
		       struct pvg_balloon_pagelist *to)
{
	list_splice_tail_init(&from->ranges, &to->ranges);
	list_splice_tail_init(&from->singles, &to->singles);
	to->range_pages += from->range_pages;
	to->nr_singles += from->nr_singles;
	from->range_pages = 0;
	from->nr_singles = 0;
}

static void free_range(struct page *page, unsigned int order)
{
	unsigned int piece = pvg_range_piece(page), i;

	set_page_private(page, 0);
	for (i = 0; i < 1u << order; i += 1u << piece)
		__free_pages(page + i, piece);
}

/**
 * pvg_pagelist_free() - give pages back to the kernel
 * @l: the pages, not in the store; empty afterwards
 *
 * Context: may sleep.
 */
void pvg_pagelist_free(struct pvg_balloon_pagelist *l)
{
	unsigned int order, n = 0;
	struct page *page;

	while ((page = pvg_pagelist_pop_range(l, &order))) {
		free_range(page, order);
		cond_resched();
	}
	while ((page = pvg_pagelist_pop_single(l))) {
		put_page(page);
		if (++n % SINGLES_CHUNK == 0)
			cond_resched();
	}
}

void pvg_store_init(struct pvg_balloon *b)
{
	unsigned int order;

	for (order = 0; order <= PVG_MAX_ORDER; order++)
		INIT_LIST_HEAD(&b->ranges[order]);
	pvg_pagelist_init(&b->untold);
	pvg_pagelist_init(&b->loose);
}

static void set_range_offline(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1ul << order; i++)
		__SetPageOffline(page + i);
}

static void clear_range_offline(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1ul << order; i++)
		__ClearPageOffline(page + i);
}

static void store_range(struct pvg_balloon *b, struct page *page,
			unsigned int order)
{
	unsigned long flags;

	set_range_offline(page, order);
	pvg_balloon_range_account(&b->pages, page, 1l << order);
	spin_lock_irqsave(&b->lock, flags);
	list_add(&page->lru, &b->ranges[order]);
	b->nr_ranges[order]++;
	b->stored += 1ul << order;
	spin_unlock_irqrestore(&b->lock, flags);
}

static unsigned int cut_singles(struct pvg_balloon_pagelist *l,
				struct list_head *chunk)
{
	unsigned int n = 0;
	struct page *page;

	while (n < SINGLES_CHUNK && (page = pvg_pagelist_pop_single(l))) {
		list_add_tail(&page->lru, chunk);
		n++;
	}
	return n;
}

/**
 * pvg_store_add() - the host has been told: pages enter the balloon
 * @b: the device
 * @l: the pages; empty afterwards
 *
 * Context: may sleep.
 */
void pvg_store_add(struct pvg_balloon *b, struct pvg_balloon_pagelist *l)
{
	unsigned int order, n;
	unsigned long flags;
	struct page *page;
	LIST_HEAD(chunk);

	while ((page = pvg_pagelist_pop_range(l, &order))) {
		store_range(b, page, order);
		cond_resched();
	}
	while ((n = cut_singles(l, &chunk))) {
		/* Counted first: who takes them subtracts. */
		spin_lock_irqsave(&b->lock, flags);
		b->nr_singles += n;
		b->stored += n;
		spin_unlock_irqrestore(&b->lock, flags);
		pvg_balloon_pages_add(&b->pages, &chunk);
		cond_resched();
	}
}

/* The largest range of at most @most pages, off its list. */
static struct page *unlink_range(struct pvg_balloon *b, unsigned long most,
				 unsigned int *order)
{
	struct page *page;
	int o;

	lockdep_assert_held(&b->lock);

	for (o = PVG_MAX_ORDER; o >= 0; o--) {
		if (1ul << o > most || list_empty(&b->ranges[o]))
			continue;
		page = list_first_entry(&b->ranges[o], struct page, lru);
		list_del(&page->lru);
		b->nr_ranges[o]--;
		b->stored -= 1ul << o;
		*order = o;
		return page;
	}
	return NULL;
}

/**
 * pvg_store_take_range() - a range leaves the balloon
 * @b: the device
 * @most: pages that it may have
 * @order: set to that of the range
 *
 * Context: any. Return: its first page, or NULL if there is none so small.
 */
struct page *pvg_store_take_range(struct pvg_balloon *b, unsigned long most,
				  unsigned int *order)
{
	unsigned long flags;
	struct page *page;

	spin_lock_irqsave(&b->lock, flags);
	page = unlink_range(b, most, order);
	spin_unlock_irqrestore(&b->lock, flags);
	if (!page)
		return NULL;
	clear_range_offline(page, *order);
	pvg_balloon_range_account(&b->pages, page, -(1l << *order));
	return page;
}

/**
 * pvg_store_take_singles() - single pages leave the balloon
 * @b: the device
 * @l: where they are added
 * @most: how many
 *
 * Context: any. Return: how many were taken. Those that are being migrated
 * cannot be.
 */
unsigned long pvg_store_take_singles(struct pvg_balloon *b,
				     struct pvg_balloon_pagelist *l,
				     unsigned long most)
{
	unsigned long n, taken = 0, flags;

	while (taken < most && !READ_ONCE(b->migrate_late)) {
		n = min_t(unsigned long, most - taken, SINGLES_CHUNK);
		n = pvg_balloon_pages_take(&b->pages, &l->singles, n);
		if (!n)
			break;
		l->nr_singles += n;
		taken += n;
	}
	spin_lock_irqsave(&b->lock, flags);
	b->nr_singles -= taken;
	b->stored -= taken;
	spin_unlock_irqrestore(&b->lock, flags);
	return taken;
}

/**
 * pvg_untold_add() - pages are ours, and the host does not know
 * @b: the device
 * @l: the pages; empty afterwards
 *
 * Context: any.
 */
void pvg_untold_add(struct pvg_balloon *b, struct pvg_balloon_pagelist *l)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	pvg_pagelist_move(l, &b->untold);
	spin_unlock_irqrestore(&b->lock, flags);
}

/**
 * pvg_untold_free() - give back pages that the host does not know of
 * @b: the device
 * @most: how many at least, if there are as many; a range is not split
 *
 * Context: may sleep. Return: how many were freed.
 */
unsigned long pvg_untold_free(struct pvg_balloon *b, unsigned long most)
{
	struct pvg_balloon_pagelist l;
	unsigned long flags, n;
	unsigned int order;
	struct page *page;

	pvg_pagelist_init(&l);
	spin_lock_irqsave(&b->lock, flags);
	while (l.nr_singles < most &&
	       (page = pvg_pagelist_pop_single(&b->untold)))
		pvg_pagelist_add_single(&l, page);
	while (pvg_pagelist_pages(&l) < most &&
	       (page = pvg_pagelist_pop_range(&b->untold, &order)))
		pvg_pagelist_add_range(&l, page);
	spin_unlock_irqrestore(&b->lock, flags);

	n = pvg_pagelist_pages(&l);
	pvg_pagelist_free(&l);
	return n;
}

/**
 * pvg_store_retell() - move pages to where they will be told again
 * @b: the device, which has forgotten them
 *
 * Context: may sleep. Return: true if there are more.
 */
bool pvg_store_retell(struct pvg_balloon *b)
{
	struct pvg_balloon_pagelist l;
	unsigned int order;
	struct page *page;

	pvg_pagelist_init(&l);
	page = pvg_store_take_range(b, PVG_RANGE_MAX_PAGES, &order);
	if (page)
		pvg_pagelist_add_range(&l, page);
	else
		pvg_store_take_singles(b, &l, SINGLES_CHUNK);
	if (!pvg_pagelist_pages(&l))
		return false;
	pvg_untold_add(b, &l);
	return true;
}

/* Also no page is being migrated. */
bool pvg_store_empty(struct pvg_balloon *b)
{
	return !READ_ONCE(b->stored) && !READ_ONCE(b->pages.info.isolated_pages);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* The balloon's share of compat.h. */
#ifndef _PVGUEST_COMPAT_BALLOON_H
#define _PVGUEST_COMPAT_BALLOON_H

#include <linux/mm.h>
#include <linux/page_reporting.h>
#include <linux/pagemap.h>
#include <linux/shrinker.h>
#include <linux/vmstat.h>

#include "pvguest/compat.h"

#ifdef PVG_HAVE_BALLOON_H
#include <linux/balloon.h>
#else
#include <linux/balloon_compaction.h>
#endif

#if defined(CONFIG_BALLOON_COMPACTION) || defined(CONFIG_BALLOON_MIGRATION)
#define PVG_BALLOON_MIGRATION	1
#define PVG_BALLOON_GFP		GFP_HIGHUSER_MOVABLE
#else
#define PVG_BALLOON_MIGRATION	0
#define PVG_BALLOON_GFP		GFP_HIGHUSER
#endif

#ifdef MAX_PAGE_ORDER
#define PVG_MAX_ORDER		MAX_PAGE_ORDER
#else
#define PVG_MAX_ORDER		(MAX_ORDER - 1)	/* it was exclusive then */
#endif

/* Statistics of virtio 1.3, section 5.5.6.4, that older headers lack. */
#ifndef VIRTIO_BALLOON_S_OOM_KILL
#define VIRTIO_BALLOON_S_OOM_KILL	10
#define VIRTIO_BALLOON_S_ALLOC_STALL	11
#define VIRTIO_BALLOON_S_ASYNC_SCAN	12
#define VIRTIO_BALLOON_S_DIRECT_SCAN	13
#define VIRTIO_BALLOON_S_ASYNC_RECLAIM	14
#define VIRTIO_BALLOON_S_DIRECT_RECLAIM	15
#endif
#define PVG_BALLOON_S_NR		16

/* Pages that were scanned or reclaimed; @events is from all_vm_events(). */
#ifdef PVG_HAVE_PGSCAN_EVENT
#define pvg_reclaim_count(events, item)	((events)[item])
#else
#define pvg_reclaim_count(events, item)	global_node_page_state_pages(item)
#endif

/**
 * struct pvg_balloon_pages - single pages of a balloon, which can be migrated
 * @info: what the kernel knows them by
 * @adjust: they do not count as memory of the guest
 */
struct pvg_balloon_pages {
	struct balloon_dev_info info;
	bool adjust;
};

typedef int pvg_balloon_migrate_fn(struct balloon_dev_info *info,
				   struct page *newpage, struct page *page,
				   enum migrate_mode mode);

static inline void pvg_balloon_pages_init(struct pvg_balloon_pages *p,
					  bool adjust,
					  pvg_balloon_migrate_fn *migrate)
{
	balloon_devinfo_init(&p->info);
	p->info.migratepage = migrate;
	p->adjust = adjust;
#ifdef PVG_HAVE_BALLOON_CORE
	p->info.adjust_managed_page_count = adjust;
#endif
}

#ifndef PVG_HAVE_BALLOON_CORE
/*
 * What balloon_page_list_enqueue() does with a page, which there must not be locked
 * (BUG_ON). But a page that was in the balloon before says that it is movable until
 * it is freed, and compaction locks such a page to find out whether it still is.
 */
static inline void pvg_balloon_page_add(struct pvg_balloon_pages *p,
					struct page *page)
{
	unsigned long flags;

	/* Counted first: when the page leaves the balloon, it is added again. */
	if (p->adjust)
		adjust_managed_page_count(page, -1);
	lock_page(page);
	spin_lock_irqsave(&p->info.pages_lock, flags);
	balloon_page_insert(&p->info, page);
	spin_unlock_irqrestore(&p->info.pages_lock, flags);
	unlock_page(page);
	count_vm_event(BALLOON_INFLATE);
}
#endif

/**
 * pvg_balloon_pages_add() - pages enter the balloon
 * @p: the balloon
 * @pages: single pages, linked by lru; empty afterwards
 *
 * The pages may have been in the balloon before: kernels that mark a page for longer
 * than it is in the balloon let it be marked again.
 *
 * Context: may sleep.
 */
static inline void pvg_balloon_pages_add(struct pvg_balloon_pages *p,
					 struct list_head *pages)
{
#ifdef PVG_HAVE_BALLOON_CORE
	balloon_page_list_enqueue(&p->info, pages);
#else
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		pvg_balloon_page_add(p, page);
	}
#endif
}

/**
 * pvg_balloon_pages_take() - pages leave the balloon
 * @p: the balloon
 * @pages: where they are added
 * @n: how many
 *
 * Context: any. Return: how many were taken; fewer than are in the balloon
 * while some are being migrated.
 */
static inline unsigned long
pvg_balloon_pages_take(struct pvg_balloon_pages *p, struct list_head *pages,
		       unsigned long n)
{
	LIST_HEAD(taken);

	n = balloon_page_list_dequeue(&p->info, &taken, n);
#ifndef PVG_HAVE_BALLOON_CORE
	if (p->adjust) {
		struct page *page;

		list_for_each_entry(page, &taken, lru)
			adjust_managed_page_count(page, 1);
	}
#endif
	list_splice(&taken, pages);
	return n;
}

/**
 * pvg_balloon_pages_moved() - a page took the place of another
 * @p: the balloon
 * @newpage: locked; the host knows that it is in the balloon
 * @page: locked and isolated; the host knows that it is not any more
 *
 * Context: the migration callback, which returns what this returns.
 */
static inline int pvg_balloon_pages_moved(struct pvg_balloon_pages *p,
					  struct page *newpage,
					  struct page *page)
{
#if PVG_BALLOON_MIGRATION && !defined(PVG_HAVE_BALLOON_CORE)
	unsigned long flags;

	get_page(newpage);
	if (p->adjust && page_zone(page) != page_zone(newpage)) {
		adjust_managed_page_count(page, 1);
		adjust_managed_page_count(newpage, -1);
	}
	spin_lock_irqsave(&p->info.pages_lock, flags);
	balloon_page_insert(&p->info, newpage);
	p->info.isolated_pages--;
	__count_vm_event(BALLOON_MIGRATE);
	spin_unlock_irqrestore(&p->info.pages_lock, flags);
#ifdef PVG_HAVE_BALLOON_PAGE_FINALIZE
	balloon_page_finalize(page);
#else
	balloon_page_delete(page);
#endif
	put_page(page);
#endif
	return 0;
}

/**
 * pvg_balloon_range_account() - a range enters or leaves the balloon
 * @p: the balloon, for whether its pages count as memory of the guest
 * @page: the first page of the range
 * @pages: its length in pages, negative when it leaves
 *
 * As the kernel's balloon code accounts for single pages. Context: any.
 */
static inline void pvg_balloon_range_account(const struct pvg_balloon_pages *p,
					     struct page *page, long pages)
{
	if (p->adjust)
		adjust_managed_page_count(page, -pages);
#ifdef PVG_HAVE_NR_BALLOON_PAGES
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, pages);
#endif
	if (pages > 0)
		count_vm_events(BALLOON_INFLATE, pages);
	else
		count_vm_events(BALLOON_DEFLATE, -pages);
}

/**
 * struct pvg_shrinker - a shrinker, however this kernel has them
 * @count: see struct shrinker
 * @scan: see struct shrinker
 * @real: owned by the functions below; NULL when not registered
 */
struct pvg_shrinker {
	unsigned long (*count)(struct pvg_shrinker *s);
	unsigned long (*scan)(struct pvg_shrinker *s, unsigned long pages);
	struct shrinker *real;
#ifndef PVG_HAVE_SHRINKER_ALLOC
	struct shrinker embedded;
#endif
};

static inline struct pvg_shrinker *pvg_to_shrinker(struct shrinker *real)
{
#ifdef PVG_HAVE_SHRINKER_ALLOC
	return real->private_data;
#else
	return container_of(real, struct pvg_shrinker, embedded);
#endif
}

static inline unsigned long pvg_shrinker_count(struct shrinker *real,
					       struct shrink_control *sc)
{
	struct pvg_shrinker *s = pvg_to_shrinker(real);

	return s->count(s);
}

static inline unsigned long pvg_shrinker_scan(struct shrinker *real,
					      struct shrink_control *sc)
{
	struct pvg_shrinker *s = pvg_to_shrinker(real);

	return s->scan(s, sc->nr_to_scan);
}

/* Context: may sleep. Return: 0 or a negative errno. */
static inline int pvg_shrinker_register(struct pvg_shrinker *s,
					const char *name)
{
#ifdef PVG_HAVE_SHRINKER_ALLOC
	s->real = shrinker_alloc(0, "%s", name);
	if (!s->real)
		return -ENOMEM;
	s->real->private_data = s;
#else
	s->real = &s->embedded;
#endif
	s->real->count_objects = pvg_shrinker_count;
	s->real->scan_objects = pvg_shrinker_scan;
	s->real->seeks = DEFAULT_SEEKS;
#ifdef PVG_HAVE_SHRINKER_ALLOC
	shrinker_register(s->real);
	return 0;
#else
	{
		int err = register_shrinker(s->real, "%s", name);

		if (err)
			s->real = NULL;
		return err;
	}
#endif
}

/* Not running any more afterwards. Context: may sleep. */
static inline void pvg_shrinker_unregister(struct pvg_shrinker *s)
{
	if (!s->real)
		return;
#ifdef PVG_HAVE_SHRINKER_ALLOC
	shrinker_free(s->real);
#else
	unregister_shrinker(s->real);
#endif
	s->real = NULL;
}

/* An order of 0 is the kernel's choice; as many ranges as the kernel allows. */
static inline void
pvg_page_reporting_init(struct page_reporting_dev_info *info, unsigned int order)
{
	info->order = order;
#ifdef PAGE_REPORTING_ORDER_UNSPECIFIED
	if (!order)
		info->order = PAGE_REPORTING_ORDER_UNSPECIFIED;
#endif
#ifdef PVG_HAVE_PAGE_REPORTING_CAPACITY
	info->capacity = PAGE_REPORTING_CAPACITY;
#endif
}

#endif /* _PVGUEST_COMPAT_BALLOON_H */

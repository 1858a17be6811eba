// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the guest can do without. The kernel's own allocations cannot use the
 * movable zone: what is available there does not help where the other zones are
 * drained. So each kind of zone is looked at by itself, and the floor stays where
 * everything can be allocated. This file calls no other file of the driver.
 */
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>

#include "pvg_balloon.h"

#define LARGE_ORDER	3	/* what fragmented memory lacks */

#define FLOOR_SHIFT	4	/* a 16th of the memory, */
#define FLOOR_MIN	(SZ_32M >> PAGE_SHIFT)	/* at least and */
#define FLOOR_MAX	(SZ_512M >> PAGE_SHIFT)	/* at most */

/**
 * pvg_balloon_default_floor() - pages that are left to the guest
 *
 * Context: any.
 */
unsigned long pvg_balloon_default_floor(void)
{
	return clamp_t(unsigned long, totalram_pages() >> FLOOR_SHIFT,
		       FLOOR_MIN, FLOOR_MAX);
}

static unsigned long sum_zones(enum pvg_zone_kind kind,
			       unsigned long (*pages)(struct zone *zone))
{
	int first = kind == PVG_ZONE_MOVABLE ? ZONE_MOVABLE : 0;
	int end = kind == PVG_ZONE_MOVABLE ? ZONE_MOVABLE + 1 : ZONE_MOVABLE;
	unsigned long sum = 0;
	int nid, i;

	for_each_online_node(nid)
		for (i = first; i < end; i++)
			sum += pages(&NODE_DATA(nid)->node_zones[i]);
	return sum;
}

/*
 * Where memory has fragmented, the kernel raises its watermarks for a while,
 * and what is available does not say so. Without anything to reclaim they can
 * stay up, and whoever finds less than that free is out of memory.
 */
static unsigned long zone_boost(struct zone *zone)
{
	return READ_ONCE(zone->watermark_boost);
}

static unsigned long zone_large_blocks(struct zone *zone)
{
	unsigned long pages = 0;
	unsigned int order;

	for (order = LARGE_ORDER; order <= PVG_MAX_ORDER; order++)
		pages += READ_ONCE(zone->free_area[order].nr_free) << order;
	return pages;
}

static unsigned long zone_free(struct zone *zone)
{
	return zone_page_state(zone, NR_FREE_PAGES);
}

/* Free, and for movable pages only: as if it were in the movable zone. */
static unsigned long zone_free_cma(struct zone *zone)
{
	return zone_page_state(zone, NR_FREE_CMA_PAGES);
}

static unsigned long zone_above_watermark(struct zone *zone)
{
	unsigned long free = zone_free(zone), mark = high_wmark_pages(zone);

	return free > mark ? free - mark : 0;
}

/* As si_mem_available() has it of all zones; slab is never movable. */
static unsigned long zone_available(struct zone *zone)
{
	unsigned long cache = zone_page_state(zone, NR_ZONE_ACTIVE_FILE) +
			      zone_page_state(zone, NR_ZONE_INACTIVE_FILE);

	cache -= min_t(unsigned long, cache / 2, low_wmark_pages(zone));
	return zone_above_watermark(zone) + cache;
}

/**
 * pvg_balloon_headroom() - pages that may be taken before the floor is reached
 * @b: the device
 *
 * Context: any. Return: negative when the guest has less than the floor.
 */
long pvg_balloon_headroom(struct pvg_balloon *b)
{
	return si_mem_available() -
	       (long)sum_zones(PVG_ZONE_KERNEL, zone_boost) -
	       (long)sum_zones(PVG_ZONE_MOVABLE, zone_boost) -
	       (long)READ_ONCE(b->floor);
}

/**
 * pvg_balloon_kernel_headroom() - how many of these the kernel's zones may lose
 * @b: the device
 *
 * That is all of them in a guest without movable zone. All of the floor is left
 * in these zones, since any allocation can use them.
 *
 * Context: any. Return: negative when less than the floor is available there.
 */
long pvg_balloon_kernel_headroom(struct pvg_balloon *b)
{
	return si_mem_available() -
	       (long)sum_zones(PVG_ZONE_MOVABLE, zone_available) -
	       (long)sum_zones(PVG_ZONE_KERNEL, zone_free_cma) -
	       (long)sum_zones(PVG_ZONE_KERNEL, zone_boost) -
	       (long)READ_ONCE(b->floor);
}

/* Free pages that are not taken without reclaim: others need not reclaim either. */
static unsigned long reserve(const struct pvg_balloon *b)
{
	return READ_ONCE(b->floor) / 4;
}

/**
 * pvg_balloon_spare() - free pages that may be taken without reclaim
 * @b: the device
 * @kind: of zones
 *
 * The reserve is left in the kernel's zones, which movable allocations can use as
 * well; the movable zone keeps what lets the kernel's reclaim sleep.
 *
 * Context: any.
 */
unsigned long pvg_balloon_spare(struct pvg_balloon *b, enum pvg_zone_kind kind)
{
	unsigned long free, keep;

	if (kind == PVG_ZONE_MOVABLE)
		return sum_zones(kind, zone_above_watermark);
	free = sum_zones(kind, zone_free);
	keep = sum_zones(kind, zone_free_cma) + reserve(b);
	return free > keep ? free - keep : 0;
}

/**
 * pvg_balloon_spare_movable() - has this node movable pages to spare?
 * @nid: the node
 *
 * Context: any.
 */
bool pvg_balloon_spare_movable(int nid)
{
	return zone_above_watermark(&NODE_DATA(nid)->node_zones[ZONE_MOVABLE]);
}

/**
 * pvg_balloon_is_fragmented() - does the guest need its large blocks itself?
 * @b: the device
 *
 * Where memory has fragmented, the last of them are not all for us: without any
 * the guest cannot start a process, however much is free in single pages.
 *
 * Context: any.
 */
bool pvg_balloon_is_fragmented(struct pvg_balloon *b)
{
	return sum_zones(PVG_ZONE_KERNEL, zone_large_blocks) < reserve(b);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/pvguest/<virtioN>/balloon
 * Documentation/ABI.md describes it.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/virtio.h>

#include "pvg_balloon.h"

static const char * const state_names[] = {
	[PVG_BALLOON_NEW] = "new",
	[PVG_BALLOON_LIVE] = "live",
	[PVG_BALLOON_STOPPED] = "stopped",
	[PVG_BALLOON_FAILED] = "failed",
	[PVG_BALLOON_DEAD] = "dead",
};

static const char * const kind_names[] = {
	[PVG_REQ_INFLATE] = "inflate",
	[PVG_REQ_DEFLATE] = "deflate",
	[PVG_REQ_REPORT] = "report",
};

/* Out of the balloon, and kept until the host knows that; under the lock. */
static unsigned long pages_leaving(const struct pvg_balloon *b)
{
	unsigned long pages = pvg_pagelist_pages(&b->oom_req.held);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(b->reqs); i++)
		if (b->reqs[i].kind == PVG_REQ_DEFLATE)
			pages += pvg_pagelist_pages(&b->reqs[i].held);
	return pages;
}

static void show_state(struct seq_file *m, struct pvg_balloon *b)
{
	unsigned long flags, stored, entering, leaving, untold, singles;
	unsigned long hold = 0;
	long left;

	spin_lock_irqsave(&b->lock, flags);
	stored = b->stored;
	entering = b->entering;
	leaving = pages_leaving(b);
	untold = pvg_pagelist_pages(&b->untold);
	singles = b->nr_singles;
	left = b->oom_until - jiffies;
	if (b->oom_hold_ms && left > 0)
		hold = jiffies_to_msecs(left);
	spin_unlock_irqrestore(&b->lock, flags);

	seq_printf(m, "state: %s\n", state_names[READ_ONCE(b->state)]);
	seq_printf(m, "mode: %s\n", b->by_ranges ? "ranges" : "arrays");
	seq_printf(m, "array_pages: %u\n", b->array_max);
	seq_printf(m, "target_pages: %lu\n", READ_ONCE(b->target));
	seq_printf(m, "actual_pages: %lu\n", stored);
	seq_printf(m, "single_pages: %lu\n", singles);
	seq_printf(m, "isolated_pages: %lu\n",
		   READ_ONCE(b->pages.info.isolated_pages));
	seq_printf(m, "entering_pages: %lu\n", entering);
	seq_printf(m, "leaving_pages: %lu\n", leaving);
	seq_printf(m, "untold_pages: %lu\n", untold);
	seq_printf(m, "hinted_pages: %lu\n",
		   READ_ONCE(b->nr_hints) << PVG_MAX_ORDER);
	seq_printf(m, "headroom_pages: %ld\n", pvg_balloon_headroom(b));
	seq_printf(m, "kernel_headroom_pages: %ld\n",
		   pvg_balloon_kernel_headroom(b));
	seq_printf(m, "backoff_ms: %u\n", READ_ONCE(b->backoff_ms));
	seq_printf(m, "oom_hold_ms: %lu\n", hold);
}

static void show_counts(struct seq_file *m, struct pvg_balloon *b)
{
	struct pvg_balloon_counts c;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&b->lock, flags);
	c = b->counts;
	spin_unlock_irqrestore(&b->lock, flags);

	for (i = 0; i < PVG_REQ_KINDS; i++) {
		seq_printf(m, "%s_requests: %llu\n", kind_names[i],
			   c.requests[i]);
		seq_printf(m, "%s_request_pages: %llu\n", kind_names[i],
			   c.request_pages[i]);
		seq_printf(m, "%s_request_ns: %llu\n", kind_names[i],
			   c.request_ns[i]);
	}
	seq_printf(m, "inflated: %llu\n", c.inflated);
	seq_printf(m, "deflated: %llu\n", c.deflated);
	seq_printf(m, "config_writes: %llu\n", c.config_writes);
	seq_printf(m, "backoffs: %llu\n", c.backoffs);
	seq_printf(m, "splits: %llu\n", c.splits);
	seq_printf(m, "pressed: %llu\n", c.pressed);
	seq_printf(m, "oom_calls: %llu\n", c.oom_calls);
	seq_printf(m, "oom_pages: %llu\n", c.oom_pages);
	seq_printf(m, "migrated: %llu\n", c.migrated);
	seq_printf(m, "migrate_failed: %llu\n", c.migrate_failed);
	seq_printf(m, "reported: %llu\n", c.reported);
	seq_printf(m, "hinted: %llu\n", c.hinted);
	seq_printf(m, "stats: %llu\n", c.stats);
	seq_printf(m, "recoveries: %llu\n", c.recoveries);
}

/* What the host was given last; it may be replaced meanwhile. */
static void show_stats(struct seq_file *m, struct pvg_balloon *b)
{
	unsigned int i, n = min_t(unsigned int, READ_ONCE(b->nr_stats),
				  PVG_BALLOON_S_NR);

	for (i = 0; i < n; i++)
		seq_printf(m, "stat_%u: %llu\n",
			   virtio16_to_cpu(b->vdev, b->stats[i].tag),
			   virtio64_to_cpu(b->vdev, b->stats[i].val));
}

static int balloon_show(struct seq_file *m, void *unused)
{
	struct pvg_balloon *b = m->private;

	show_state(m, b);
	show_counts(m, b);
	show_stats(m, b);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(balloon);

/* Goes with the directory of the device. */
void pvg_balloon_debugfs_add(struct pvg_balloon *b)
{
	debugfs_create_file("balloon", 0400, b->ring.debugfs, b, &balloon_fops);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compaction moves single pages of the balloon: another page takes the place
 * of one, and the host is told of both.
 */
#include <linux/mm.h>

#include "pvg_balloon.h"
#include "trace.h"

static bool tell(struct pvg_balloon_req *req, enum pvg_req_kind kind,
		 struct page *page)
{
	if (!pvg_balloon_take_req(req, kind))
		return false;
	pvg_balloon_req_add(req, page, 1);
	return !pvg_balloon_send(req);
}

/*
 * The page that goes first, because it must not be used before the host knows
 * if the host insists. If the device is too slow for that, everything stays as
 * it is; at worst the host believes of a ballooned page that it is not.
 */
static bool tell_out(struct pvg_balloon *b, struct page *page)
{
	struct pvg_balloon_req *req = &b->migrate_out;

	return tell(req, PVG_REQ_DEFLATE, page) &&
	       pvg_balloon_wait_req(req, PVG_MIGRATE_DEADLINE);
}

/*
 * The page that comes is the balloon's as soon as the device may have seen it:
 * it may discard it at any time. Only when it has, may the page leave again.
 */
static bool tell_in(struct pvg_balloon *b, struct page *page)
{
	struct pvg_balloon_req *req = &b->migrate_in;
	unsigned long flags;

	if (!tell(req, PVG_REQ_INFLATE, page))
		return false;
	if (pvg_balloon_wait_req(req, PVG_MIGRATE_DEADLINE))
		return !req->failed;
	spin_lock_irqsave(&b->lock, flags);
	b->migrate_late = req->state == PVG_REQ_SENT;
	spin_unlock_irqrestore(&b->lock, flags);
	return true;
}

static void count(struct pvg_balloon *b, bool ok)
{
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	if (ok)
		b->counts.migrated++;
	else
		b->counts.migrate_failed++;
	spin_unlock_irqrestore(&b->lock, flags);
}

/**
 * pvg_balloon_migrate() - a page takes the place of another
 * @info: &pvg_balloon.pages.info
 * @newpage: locked; not in the balloon
 * @page: locked; isolated from the balloon
 * @mode: whether content is copied, which makes no difference here
 *
 * Context: compaction, possibly for an allocation of our own; sleeps at most
 * 2 * PVG_MIGRATE_DEADLINE. Return: 0, or -EAGAIN when another page is being
 * migrated or the device is not to be had.
 */
int pvg_balloon_migrate(struct balloon_dev_info *info, struct page *newpage,
			struct page *page, enum migrate_mode mode)
{
	struct pvg_balloon *b = container_of(info, struct pvg_balloon,
					     pages.info);
	bool ok;

	/* A device that was reset has forgotten the page, and must be told of it first. */
	if (READ_ONCE(b->state) != PVG_BALLOON_LIVE ||
	    test_bit(PVG_RETELL, &b->flags) || READ_ONCE(b->migrate_late) ||
	    !mutex_trylock(&b->migrate_lock))
		return -EAGAIN;
	ok = tell_out(b, page) && tell_in(b, newpage);
	count(b, ok);
	if (ok)
		pvg_balloon_pages_moved(&b->pages, newpage, page);
	mutex_unlock(&b->migrate_lock);
	/* The worker watches over what the device still has. */
	if (!ok || READ_ONCE(b->migrate_late))
		pvg_balloon_kick(b);
	trace_pvg_balloon_migrate(b, page_to_pfn(page), page_to_pfn(newpage),
				  ok);
	return ok ? 0 : -EAGAIN;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests to the device: arrays of page numbers for the inflate and deflate
 * queues (virtio 1.2, section 5.5.6.1), and ranges for the reporting queue
 * (5.5.6.7).
 *
 * All of them exist from probe on, so that nothing is allocated when memory is
 * short. A request that the device holds is never touched; it comes back when
 * the device has used it or was reset.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "pvg_balloon.h"
#include "trace.h"

/* Of a device without indirect descriptors, such as Firecracker's. */
static unsigned int array_pages;
module_param(array_pages, uint, 0444);
MODULE_PARM_DESC(array_pages,
		 "page numbers in one request, 1 to 32768 (default 0: 32768, or 256 for devices without indirect descriptors)");

/* A descriptor's length has 32 bits. */
#define SG_PAGES_MAX	((unsigned long)(SZ_2G >> PAGE_SHIFT))

static struct pvg_queue *queue_of(const struct pvg_balloon_req *req)
{
	static const enum pvg_balloon_vq vqs[] = {
		[PVG_REQ_INFLATE] = PVG_VQ_INFLATE,
		[PVG_REQ_DEFLATE] = PVG_VQ_DEFLATE,
		[PVG_REQ_REPORT] = PVG_VQ_REPORT,
	};

	return &req->b->queues[vqs[req->kind]].pvg;
}

static void init_req(struct pvg_balloon *b, struct pvg_balloon_req *req)
{
	req->b = b;
	INIT_LIST_HEAD(&req->link);
	pvg_pagelist_init(&req->held);
}

/* So that they can be freed, whatever fails. Context: any. */
void pvg_balloon_init_reqs(struct pvg_balloon *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(b->reqs); i++)
		init_req(b, &b->reqs[i]);
	init_req(b, &b->oom_req);
	init_req(b, &b->migrate_out);
	init_req(b, &b->migrate_in);
	init_req(b, &b->report_req);
}

static size_t array_bytes(unsigned int n)
{
	return (size_t)n * sizeof(__virtio32);
}

/* Contiguous memory may be short: half as much serves, too. */
static int alloc_array_req(struct pvg_balloon_req *req, unsigned int max)
{
	/* One range at least, unless the device takes less. */
	unsigned int least = min_t(unsigned int, max,
				   PVG_RANGE_MAX_PAGES * PVG_UNITS_PER_PAGE);

	for (; max >= least; max /= 2) {
		req->pfns = alloc_pages_exact(array_bytes(max),
					      GFP_KERNEL | __GFP_NOWARN);
		if (req->pfns)
			break;
	}
	if (!req->pfns)
		return -ENOMEM;
	req->max = max;
	req->sg = kcalloc(1, sizeof(*req->sg), GFP_KERNEL);
	return req->sg ? 0 : -ENOMEM;
}

static int alloc_range_req(struct pvg_balloon_req *req)
{
	req->max = PVG_RANGE_ENTRIES;
	req->sg = kcalloc(req->max, sizeof(*req->sg), GFP_KERNEL);
	return req->sg ? 0 : -ENOMEM;
}

static int choose_array_max(struct pvg_balloon *b)
{
	if (array_pages > PVG_ARRAY_MAX) {
		dev_err(&b->vdev->dev,
			"array_pages %u out of range, allowed are 0 to %u\n",
			array_pages, PVG_ARRAY_MAX);
		return -EINVAL;
	}
	b->array_max = array_pages;
	if (!b->array_max)
		b->array_max = virtio_has_feature(b->vdev,
						  VIRTIO_RING_F_INDIRECT_DESC) ?
			       PVG_ARRAY_MAX : PVG_ARRAY_PLAIN;
	/* A crash kernel has no memory for more, and no use. */
	if (b->stays_empty)
		b->array_max = PVG_ARRAY_PLAIN;
	b->array_max = max(b->array_max, PVG_UNITS_PER_PAGE);
	return 0;
}

static int alloc_special_reqs(struct pvg_balloon *b)
{
	unsigned int oom = min_t(unsigned int, b->array_max, PVG_OOM_ARRAY);
	int err;

	err = alloc_array_req(&b->oom_req, oom);
	err = err ?: alloc_array_req(&b->migrate_out, PVG_UNITS_PER_PAGE);
	err = err ?: alloc_array_req(&b->migrate_in, PVG_UNITS_PER_PAGE);
	return err ?: alloc_range_req(&b->report_req);
}

/**
 * pvg_balloon_alloc_reqs() - make all requests there will ever be
 * @b: the device; features are negotiated
 *
 * Context: may sleep. Return: 0, -EINVAL for a module parameter out of range,
 * or -ENOMEM; then pvg_balloon_free_reqs() is to follow.
 */
int pvg_balloon_alloc_reqs(struct pvg_balloon *b)
{
	unsigned int i;
	int err;

	err = choose_array_max(b);
	for (i = 0; !err && i < ARRAY_SIZE(b->reqs); i++) {
		struct pvg_balloon_req *req = &b->reqs[i];
		bool range = i >= PVG_ARRAY_REQS;

		req->async = true;
		err = range ? alloc_range_req(req) :
			      alloc_array_req(req, b->array_max);
		list_add(&req->link, &b->idle[range]);
	}
	return err ?: alloc_special_reqs(b);
}

static void free_req(struct pvg_balloon_req *req)
{
	if (req->pfns)
		free_pages_exact(req->pfns, array_bytes(req->max));
	kfree(req->sg);
}

void pvg_balloon_free_reqs(struct pvg_balloon *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(b->reqs); i++)
		free_req(&b->reqs[i]);
	free_req(&b->oom_req);
	free_req(&b->migrate_out);
	free_req(&b->migrate_in);
	free_req(&b->report_req);
}

static void clear_req(struct pvg_balloon_req *req, enum pvg_req_kind kind)
{
	req->kind = kind;
	req->state = PVG_REQ_TAKEN;
	req->failed = false;
	req->nr = 0;
	req->pages = 0;
}

/**
 * pvg_balloon_get_req() - take an idle request of the worker's
 * @b: the device
 * @kind: what it will be
 *
 * Context: any. Return: a request that is given back by pvg_balloon_put_req()
 * or sent by pvg_balloon_send(); NULL if all are in use.
 */
struct pvg_balloon_req *pvg_balloon_get_req(struct pvg_balloon *b,
					    enum pvg_req_kind kind)
{
	struct list_head *idle = &b->idle[kind == PVG_REQ_REPORT];
	struct pvg_balloon_req *req;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	req = list_first_entry_or_null(idle, struct pvg_balloon_req, link);
	if (req) {
		list_del_init(&req->link);
		clear_req(req, kind);
	}
	spin_unlock_irqrestore(&b->lock, flags);
	return req;
}

/**
 * pvg_balloon_take_req() - take a request that serves one purpose
 * @req: the request
 * @kind: what it will be
 *
 * Need not be given back: its user, of whom there is only one at a time, takes
 * it again when it is done. Context: any. Return: false if the device has it.
 */
bool pvg_balloon_take_req(struct pvg_balloon_req *req, enum pvg_req_kind kind)
{
	unsigned long flags;
	bool ours;

	spin_lock_irqsave(&req->b->lock, flags);
	ours = req->state != PVG_REQ_SENT;
	if (ours)
		clear_req(req, kind);
	spin_unlock_irqrestore(&req->b->lock, flags);
	return ours;
}

/**
 * pvg_balloon_put_req() - be done with a request of the worker's
 * @req: taken or done, and holding no pages
 *
 * Context: any.
 */
void pvg_balloon_put_req(struct pvg_balloon_req *req)
{
	struct pvg_balloon *b = req->b;
	unsigned long flags;

	spin_lock_irqsave(&b->lock, flags);
	req->state = PVG_REQ_IDLE;
	list_add(&req->link, &b->idle[!req->pfns]);
	spin_unlock_irqrestore(&b->lock, flags);
}

/* Does @page continue the last range? */
static bool extends_last(const struct pvg_balloon_req *req,
			 const struct page *page, unsigned long pages)
{
	const struct scatterlist *last = &req->sg[req->nr - 1];
	unsigned long n = last->length >> PAGE_SHIFT;

	return page_to_pfn(sg_page((struct scatterlist *)last)) + n ==
		page_to_pfn(page) && n + pages <= SG_PAGES_MAX;
}

/**
 * pvg_balloon_req_fits() - is there room for so many contiguous pages?
 * @req: taken
 * @pages: how many
 */
bool pvg_balloon_req_fits(const struct pvg_balloon_req *req,
			  unsigned long pages)
{
	if (!req->pfns)
		return req->nr < req->b->range_max;
	return req->nr + pages * PVG_UNITS_PER_PAGE <= req->max;
}

static void add_pfns(struct pvg_balloon_req *req, struct page *page,
		     unsigned long pages)
{
	u64 pfn = (u64)page_to_pfn(page) * PVG_UNITS_PER_PAGE;
	unsigned long n = pages * PVG_UNITS_PER_PAGE;

	while (n--)
		req->pfns[req->nr++] = cpu_to_virtio32(req->b->vdev, pfn++);
}

static void add_extent(struct pvg_balloon_req *req, struct page *page,
		       unsigned long pages)
{
	if (!req->nr)
		sg_init_table(req->sg, req->max);
	if (req->nr && extends_last(req, page, pages))
		req->sg[req->nr - 1].length += pages << PAGE_SHIFT;
	else
		sg_set_page(&req->sg[req->nr++], page, pages << PAGE_SHIFT, 0);
}

/**
 * pvg_balloon_req_add() - make a request about contiguous pages
 * @req: taken, with room for them
 * @page: the first one
 * @pages: how many
 */
void pvg_balloon_req_add(struct pvg_balloon_req *req, struct page *page,
			 unsigned long pages)
{
	if (req->pfns)
		add_pfns(req, page, pages);
	else
		add_extent(req, page, pages);
	req->pages += pages;
}

static int add_to_queue(struct pvg_balloon_req *req)
{
	struct pvg_queue *q = queue_of(req);
	struct scatterlist *sgs[] = { req->sg };
	bool out = req->pfns;
	unsigned long flags;
	int err;

	if (out)
		sg_init_one(req->sg, req->pfns, array_bytes(req->nr));
	else
		sg_mark_end(&req->sg[req->nr - 1]);

	flags = pvg_queue_lock(q);
	err = pvg_queue_add(q, sgs, out, !out, req, true);
	if (err)
		pvg_queue_unlock(q, flags);
	else
		pvg_queue_flush_unlock(q, flags);
	return err;
}

/**
 * pvg_balloon_send() - give a request to the device
 * @req: taken, and not empty
 *
 * On success it belongs to the device, until it is done; the pages it holds
 * count as entering unless they leave.
 *
 * Context: any. Return: 0; -ENOSPC, -ENOMEM or -EIO as pvg_queue_add(), and
 * the request still belongs to the caller.
 */
int pvg_balloon_send(struct pvg_balloon_req *req)
{
	struct pvg_balloon *b = req->b;
	enum pvg_req_kind kind = req->kind;
	unsigned long pages = req->pages, entering, flags;
	int err;

	entering = kind == PVG_REQ_DEFLATE ? 0 : pvg_pagelist_pages(&req->held);
	spin_lock_irqsave(&b->lock, flags);
	req->sent_ns = ktime_get_ns();
	req->state = PVG_REQ_SENT;
	b->entering += entering;
	spin_unlock_irqrestore(&b->lock, flags);

	/* It may be back before this returns. */
	err = add_to_queue(req);

	spin_lock_irqsave(&b->lock, flags);
	if (err) {
		req->state = PVG_REQ_TAKEN;
		b->entering -= entering;
	} else {
		b->counts.requests[kind]++;
		b->counts.request_pages[kind] += pages;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	trace_pvg_balloon_request(b, kind, pages, err);
	return err;
}

static void complete_req(struct pvg_balloon_req *req, bool failed)
{
	struct pvg_balloon *b = req->b;
	u64 ns = ktime_get_ns() - req->sent_ns;
	enum pvg_req_kind kind = req->kind;
	unsigned long pages = req->pages, flags;
	bool async = req->async, late = false;

	spin_lock_irqsave(&b->lock, flags);
	req->failed = failed;
	req->state = PVG_REQ_DONE;
	b->counts.request_ns[kind] += ns;
	if (async)
		list_add_tail(&req->link, &b->done);
	/* Now the page may leave again, and others may be migrated. */
	if (req == &b->migrate_in)
		b->migrate_late = false;
	if (req == &b->oom_req && b->oom_late) {
		pvg_pagelist_move(&req->held, &b->untold);
		b->oom_late = false;
		late = true;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	trace_pvg_balloon_complete(b, kind, pages, ns, failed);
	if (async || late)
		pvg_balloon_kick(b);
	if (!async)
		wake_up_all(&b->waiters);
}

/**
 * pvg_balloon_wait_req() - wait for a request that was sent
 * @req: of one purpose
 * @deadline: jiffies to wait at most
 *
 * Context: may sleep. Return: true if the device or its reset has completed
 * it. Else it still belongs to the device.
 */
bool pvg_balloon_wait_req(struct pvg_balloon_req *req, unsigned long deadline)
{
	return wait_event_timeout(req->b->waiters,
				  READ_ONCE(req->state) == PVG_REQ_DONE,
				  deadline);
}

static bool req_overdue(const struct pvg_balloon_req *req, u64 now)
{
	return req->state == PVG_REQ_SENT &&
	       now - req->sent_ns > jiffies_to_nsecs(PVG_DEVICE_DEADLINE);
}

/**
 * pvg_balloon_overdue() - has the device stopped working?
 * @b: the device
 *
 * Context: any.
 */
bool pvg_balloon_overdue(struct pvg_balloon *b)
{
	u64 now = ktime_get_ns();
	bool overdue = false;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&b->lock, flags);
	for (i = 0; i < ARRAY_SIZE(b->reqs); i++)
		overdue |= req_overdue(&b->reqs[i], now);
	overdue |= req_overdue(&b->oom_req, now);
	overdue |= req_overdue(&b->migrate_out, now);
	overdue |= req_overdue(&b->migrate_in, now);
	overdue |= req_overdue(&b->report_req, now);
	spin_unlock_irqrestore(&b->lock, flags);
	return overdue;
}

static void req_used(struct pvg_queue *q, void *token, u32 len,
		     struct pvg_done *done)
{
	struct pvg_balloon_req *req = token;

	pvg_queue_urgent_done(q);
	req->next = done->first;
	done->first = req;
}

static void req_done(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_balloon_req *req, *next;

	for (req = done->first; req; req = next) {
		next = req->next;
		complete_req(req, false);
	}
}

/* Under the queue lock: the rest is for a worker. */
static void req_broken(struct pvg_queue *q)
{
	pvg_balloon_recover(container_of(q, struct pvg_balloon_queue, pvg)->b);
}

const struct pvg_queue_ops pvg_balloon_req_ops = {
	.used	= req_used,
	.done	= req_done,
	.broken	= req_broken,
};

/**
 * pvg_balloon_reclaim_req() - the device held a request when it was reset
 * @token: the struct pvg_balloon_req
 */
void pvg_balloon_reclaim_req(void *token)
{
	complete_req(token, true);
}

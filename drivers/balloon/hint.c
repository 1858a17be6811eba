// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page hints (virtio 1.2, section 5.5.6.6): while the guest is migrated,
 * the host asks which pages need not be sent. They are allocated, told, and
 * kept until the host is done; before that whoever needs memory gets them back
 * through a shrinker, because a page that is written again is sent again.
 */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_balloon.h"

#define HINT_ORDER	PVG_MAX_ORDER
#define HINT_GFP	(__GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)
#define HINT_BATCH	32	/* blocks to a doorbell */
#define HINT_WAIT	HZ	/* for room in the ring */

enum { HINT_START, HINT_STOP, HINT_IDS };

static struct page *pop_hint(struct pvg_balloon *b)
{
	struct page *page;
	unsigned long flags;

	spin_lock_irqsave(&b->hint_lock, flags);
	page = list_first_entry_or_null(&b->hint_pages, struct page, lru);
	if (page) {
		list_del(&page->lru);
		b->nr_hints--;
	}
	spin_unlock_irqrestore(&b->hint_lock, flags);
	return page;
}

static void push_hint(struct pvg_balloon *b, struct page *page)
{
	unsigned long flags;

	spin_lock_irqsave(&b->hint_lock, flags);
	list_add(&page->lru, &b->hint_pages);
	b->nr_hints++;
	b->counts.hinted += 1ul << HINT_ORDER;
	spin_unlock_irqrestore(&b->hint_lock, flags);
}

/* Give back all pages that were hinted. */
void pvg_balloon_return_hints(struct pvg_balloon *b)
{
	struct page *page;

	while ((page = pop_hint(b)))
		__free_pages(page, HINT_ORDER);
}

static u32 read_id(struct pvg_balloon *b)
{
	u32 id;

	virtio_cread_le(b->vdev, struct virtio_balloon_config,
			free_page_hint_cmd_id, &id);
	return id;
}

static bool is_disturbed(const struct pvg_balloon *b)
{
	return READ_ONCE(b->state) != PVG_BALLOON_LIVE ||
	       test_bit(PVG_HINT_CHANGED, &b->flags);
}

/*
 * The host may change its mind at any time, or something else; does it still want
 * this? QEMU's configuration says STOP not only when it has stopped, but also
 * for as long as it takes what is hinted. So that does not count: what it may not
 * want any more it ignores, and a new request or the end follows.
 */
static bool still_wanted(struct pvg_balloon *b)
{
	u32 id;

	if (READ_ONCE(b->state) != PVG_BALLOON_LIVE)
		return false;
	if (!test_and_clear_bit(PVG_HINT_CHANGED, &b->flags))
		return true;
	id = read_id(b);
	if (id == b->hint_id || id == VIRTIO_BALLOON_CMD_ID_STOP)
		return true;
	/* For the work, which was queued for it. */
	set_bit(PVG_HINT_CHANGED, &b->flags);
	return false;
}

static bool ring_has_room(struct pvg_queue *q)
{
	unsigned long flags;
	bool room;

	flags = pvg_queue_lock(q);
	/* One is left for the identifier that ends it. */
	room = !q->running || q->vq->num_free > 1;
	pvg_queue_unlock(q, flags);
	return room;
}

static int add(struct pvg_balloon *b, struct scatterlist *sg, bool out,
	       void *token, bool flush)
{
	struct pvg_queue *q = &b->queues[PVG_VQ_HINT].pvg;
	struct scatterlist *sgs[] = { sg };
	unsigned long flags;
	int err;

	flags = pvg_queue_lock(q);
	err = pvg_queue_add(q, sgs, out, !out, token, false);
	if (!err && token == &b->hint_ids[HINT_START])
		WRITE_ONCE(b->hint_start_out, true);
	if (flush || err)
		pvg_queue_flush_unlock(q, flags);
	else
		pvg_queue_unlock(q, flags);
	return err;
}

static int send_id(struct pvg_balloon *b, unsigned int which, u32 id)
{
	struct scatterlist sg;

	b->hint_ids[which] = cpu_to_virtio32(b->vdev, id);
	sg_init_one(&sg, &b->hint_ids[which], sizeof(b->hint_ids[which]));
	return add(b, &sg, true, &b->hint_ids[which], true);
}

/* One block; returns false at the end. */
static bool send_block(struct pvg_balloon *b, bool flush)
{
	struct scatterlist sg;
	struct page *page;

	/* What is hinted is not free: leave some for everybody else. */
	if (pvg_balloon_spare(b, PVG_ZONE_KERNEL) <= 1ul << HINT_ORDER)
		return false;
	page = alloc_pages(HINT_GFP, HINT_ORDER);
	if (!page)
		return false;
	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, PAGE_SIZE << HINT_ORDER, 0);
	if (add(b, &sg, false, page, flush)) {
		__free_pages(page, HINT_ORDER);
		return false;
	}
	push_hint(b, page);
	return true;
}

static void send_blocks(struct pvg_balloon *b)
{
	struct pvg_queue *q = &b->queues[PVG_VQ_HINT].pvg;
	unsigned int n = 0;

	while (still_wanted(b)) {
		if (!ring_has_room(q)) {
			pvg_queue_flush_unlock(q, pvg_queue_lock(q));
			if (!wait_event_timeout(b->waiters,
						ring_has_room(q) ||
						is_disturbed(b), HINT_WAIT))
				break;
			continue;
		}
		if (!send_block(b, ++n % HINT_BATCH == 0))
			break;
		cond_resched();
	}
	pvg_queue_flush_unlock(q, pvg_queue_lock(q));
}

/* The identifier that begins a series is not with the device. */
static void hint_series(struct pvg_balloon *b, u32 id)
{
	int err = send_id(b, HINT_START, id);

	if (err) {
		/* Once there is room: hint_done() queues the work again. */
		set_bit(PVG_HINT_CHANGED, &b->flags);
		smp_mb__after_atomic();	/* pairs with that in hint_done() */
		if (err == -ENOSPC && ring_has_room(&b->queues[PVG_VQ_HINT].pvg))
			queue_work(b->wq, &b->hint_work);
		return;
	}
	b->hint_id = id;
	send_blocks(b);
	send_id(b, HINT_STOP, VIRTIO_BALLOON_CMD_ID_STOP);
}

/**
 * pvg_balloon_hint_work() - do what the host wants of free pages
 * @work: &pvg_balloon.hint_work
 */
void pvg_balloon_hint_work(struct work_struct *work)
{
	struct pvg_balloon *b = container_of(work, struct pvg_balloon,
					     hint_work);
	u32 id;

	if (READ_ONCE(b->state) != PVG_BALLOON_LIVE ||
	    !test_and_clear_bit(PVG_HINT_CHANGED, &b->flags))
		return;
	id = read_id(b);
	if (id == VIRTIO_BALLOON_CMD_ID_DONE)
		pvg_balloon_return_hints(b);
	if (id == VIRTIO_BALLOON_CMD_ID_DONE ||
	    id == VIRTIO_BALLOON_CMD_ID_STOP || id == b->hint_id)
		return;
	if (READ_ONCE(b->hint_start_out)) {
		/* It may not have been read: hint_done() queues the work again. */
		set_bit(PVG_HINT_CHANGED, &b->flags);
		smp_mb__after_atomic();	/* pairs with that in hint_done() */
		/* Or it has come back just now: the identifier is read afresh. */
		if (!READ_ONCE(b->hint_start_out))
			queue_work(b->wq, &b->hint_work);
		return;
	}
	hint_series(b, id);
}

static unsigned long count_hints(struct pvg_shrinker *s)
{
	struct pvg_balloon *b = container_of(s, struct pvg_balloon, shrinker);

	return READ_ONCE(b->nr_hints) << HINT_ORDER;
}

static unsigned long shrink_hints(struct pvg_shrinker *s, unsigned long pages)
{
	struct pvg_balloon *b = container_of(s, struct pvg_balloon, shrinker);
	unsigned long freed = 0;
	struct page *page;

	while (freed < pages && (page = pop_hint(b))) {
		__free_pages(page, HINT_ORDER);
		freed += 1ul << HINT_ORDER;
	}
	return freed ?: SHRINK_STOP;
}

/**
 * pvg_balloon_init_hints() - before the virtqueues run
 * @b: the device
 *
 * Context: may sleep. Return: 0 or -ENOMEM; in both cases
 * pvg_balloon_exit_hints() is to follow.
 */
int pvg_balloon_init_hints(struct pvg_balloon *b)
{
	if (!virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT))
		return 0;
	b->hint_ids = kcalloc(HINT_IDS, sizeof(*b->hint_ids), GFP_KERNEL);
	if (!b->hint_ids)
		return -ENOMEM;
	b->shrinker.count = count_hints;
	b->shrinker.scan = shrink_hints;
	return pvg_shrinker_register(&b->shrinker, "pvg-balloon");
}

/* After the device was reset. Context: may sleep. */
void pvg_balloon_exit_hints(struct pvg_balloon *b)
{
	pvg_shrinker_unregister(&b->shrinker);
	pvg_balloon_return_hints(b);
	kfree(b->hint_ids);
}

/* Pages have other owners; room in the ring matters, and what may be rewritten. */
static void hint_used(struct pvg_queue *q, void *token, u32 len,
		      struct pvg_done *done)
{
	struct pvg_balloon *b =
		container_of(q, struct pvg_balloon_queue, pvg)->b;

	if (token == &b->hint_ids[HINT_START])
		WRITE_ONCE(b->hint_start_out, false);
}

static void hint_done(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_balloon *b =
		container_of(q, struct pvg_balloon_queue, pvg)->b;

	smp_mb();	/* pairs with those of the work */
	if (test_bit(PVG_HINT_CHANGED, &b->flags))
		queue_work(b->wq, &b->hint_work);
	wake_up_all(&b->waiters);
}

static void hint_broken(struct pvg_queue *q)
{
	pvg_balloon_recover(container_of(q, struct pvg_balloon_queue, pvg)->b);
}

const struct pvg_queue_ops pvg_balloon_hint_ops = {
	.used	= hint_used,
	.done	= hint_done,
	.broken	= hint_broken,
};

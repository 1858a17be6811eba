// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory balloon (virtio 1.2, section 5.5) that may insist on being told
 * before its pages are used again. It writes to the pages that it is given, and
 * when it is told that they leave nobody else may have.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/virtio_ids.h>
#include <linux/vmalloc.h>

#include "fakehost.h"

#define MARK		0xb7
#define PFNS		BIT(21)	/* so many are kept account of: 8 GiB */

/* Without statistics, whose queue would come before that of hints. */
enum { VQ_INFLATE, VQ_DEFLATE, VQ_HINT, VQS };

static bool must_tell = true;
module_param(must_tell, bool, 0444);
MODULE_PARM_DESC(must_tell, "a balloon insists on being told");
static bool deflate_on_oom = true;
module_param(deflate_on_oom, bool, 0444);
MODULE_PARM_DESC(deflate_on_oom, "it gives pages back before the guest runs out of memory");
static bool hint;
module_param(hint, bool, 0444);
MODULE_PARM_DESC(hint, "it asks for hints of free pages when told to");
static uint delay_ms;
module_param(delay_ms, uint, 0644);
MODULE_PARM_DESC(delay_ms, "how long it takes to look at a request to deflate");

static void *page_at(u32 pfn)
{
	if (pfn >= PFNS || !pfn_valid(pfn))
		return NULL;
	return page_address(pfn_to_page(pfn));
}

static void enter(struct fh_dev *dev, struct fh_vq *q, u32 pfn)
{
	void *page = page_at(pfn);

	if (!page || test_and_set_bit(pfn, dev->disk)) {
		q->drops++;
		return;
	}
	memset(page, MARK, PAGE_SIZE);
	dev->held++;
}

static void leave(struct fh_dev *dev, struct fh_vq *q, u32 pfn)
{
	void *page = page_at(pfn);

	if (!page || !test_and_clear_bit(pfn, dev->disk) ||
	    memchr_inv(page, MARK, PAGE_SIZE))
		q->drops++;
	else
		dev->held--;
}

/* An identifier that begins or ends hints, or pages, which do not matter here. */
static void serve_hint(struct fh_dev *dev, const struct fh_chain *c)
{
	struct fh_vq *q = &dev->vqs[VQ_HINT];
	__virtio32 id;

	if (fh_read(c, 0, &id, sizeof(id)) == sizeof(id) &&
	    dev->hint_count < FH_HINT_IDS)
		dev->hint_ids[dev->hint_count++] =
			virtio32_to_cpu(&dev->vdev, id);
	q->packets++;
	fh_push(q, c->head, 0);
}

static struct page *lock_pfn(struct fh_dev *dev, unsigned long pfn)
{
	struct page *page = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

	if (!page || !get_page_unless_zero(page))
		return NULL;
	if (!trylock_page(page)) {
		put_page(page);
		return NULL;
	}
	dev->looks++;
	return page;
}

/*
 * What compaction does with a page that was in a balloon and has not been freed since:
 * such a page still says that it is movable.
 */
static struct page *look_at_first(struct fh_dev *dev, const struct fh_chain *c)
{
	__virtio32 entry;

	if (!dev->look_ms ||
	    fh_read(c, 0, &entry, sizeof(entry)) != sizeof(entry))
		return NULL;
	return lock_pfn(dev, virtio32_to_cpu(&dev->vdev, entry));
}

/* The driver has the request back by now. */
static void look_away(struct fh_dev *dev, struct page *page)
{
	msleep(dev->look_ms);
	dev->look_ms = 0;
	unlock_page(page);
	put_page(page);
}

static void serve(struct fh_dev *dev, unsigned int i, const struct fh_chain *c)
{
	struct fh_vq *q = &dev->vqs[i];
	struct page *looked = NULL;
	__virtio32 entry;
	u32 at, pfn;

	if (i == VQ_HINT) {
		serve_hint(dev, c);
		return;
	}
	if (i == VQ_INFLATE)
		looked = look_at_first(dev, c);
	if (i == VQ_DEFLATE && delay_ms)
		msleep(delay_ms);
	for (at = 0; fh_read(c, at, &entry, sizeof(entry)) == sizeof(entry);
	     at += sizeof(entry)) {
		pfn = virtio32_to_cpu(&dev->vdev, entry);
		q->bytes++;
		/* Else a page may have entered again by now. */
		if (!must_tell)
			continue;
		if (i == VQ_INFLATE)
			enter(dev, q, pfn);
		else
			leave(dev, q, pfn);
	}
	q->packets++;
	fh_push_spoiled(dev, q, c->head, 0);
	if (looked)
		look_away(dev, looked);
}

/* Without allocating: who is out of memory may be waiting for this. */
static void process(struct fh_dev *dev)
{
	struct fh_chain *c = &dev->chain;
	unsigned int i;

	for (i = 0; i < VQS; i++) {
		struct fh_vq *q = &dev->vqs[i];

		if (i == VQ_HINT && dev->hint_hold)
			continue;
		do {
			while (q->vq && fh_pop(q, c))
				serve(dev, i, c);
		} while (q->vq && fh_enable_kicks(q));
	}
}

/* Only of a device that must be told is it known what it has. */
static int lock_held(struct fh_dev *dev, unsigned int ms)
{
	struct page *page = NULL;
	unsigned long pfn;

	mutex_lock(&dev->lock);
	pfn = find_first_bit(dev->disk, PFNS);
	if (pfn < PFNS)
		page = lock_pfn(dev, pfn);
	mutex_unlock(&dev->lock);
	if (!page)
		return -ENOENT;
	msleep(ms);
	unlock_page(page);
	put_page(page);
	return 0;
}

/* It has forgotten what it was given. */
static void reset(struct fh_dev *dev)
{
	memset(dev->disk, 0, PFNS / BITS_PER_BYTE);
	dev->held = 0;
}

/*
 * "hint ID": it asks for hints. "hold 1": it looks at none, until "hold 0". "look MS": a
 * page that enters the balloon next is locked for so long. "lock MS": the first page that
 * the device has is, and the writer waits for that.
 */
static int inject(struct fh_dev *dev, const char *line)
{
	u32 value;

	if (sscanf(line, "lock %u", &value) == 1)
		return lock_held(dev, value);
	if (sscanf(line, "look %u", &value) == 1) {
		mutex_lock(&dev->lock);
		dev->look_ms = value;
		mutex_unlock(&dev->lock);
		return 0;
	}
	if (sscanf(line, "hold %u", &value) == 1) {
		mutex_lock(&dev->lock);
		dev->hint_hold = value;
		mutex_unlock(&dev->lock);
		schedule_work(&dev->work);
		return 0;
	}
	if (sscanf(line, "hint %i", &value) != 1)
		return -EINVAL;
	WRITE_ONCE(dev->balloon.free_page_hint_cmd_id, cpu_to_le32(value));
	virtio_config_changed(&dev->vdev);
	return 0;
}

static int init(struct fh_dev *dev)
{
	dev->disk = vzalloc(PFNS / BITS_PER_BYTE);
	return dev->disk ? 0 : -ENOMEM;
}

static u64 features(void)
{
	return (must_tell ? BIT_ULL(VIRTIO_BALLOON_F_MUST_TELL_HOST) : 0) |
	       (deflate_on_oom ? BIT_ULL(VIRTIO_BALLOON_F_DEFLATE_ON_OOM) : 0) |
	       (hint ? BIT_ULL(VIRTIO_BALLOON_F_FREE_PAGE_HINT) : 0);
}

const struct fh_kind fh_balloon = {
	.id = VIRTIO_ID_BALLOON,
	.nr_vqs = VQS,
	.config_len = sizeof(struct virtio_balloon_config),
	.init = init,
	.reset = reset,
	.features = features,
	.process = process,
	.inject = inject,
};

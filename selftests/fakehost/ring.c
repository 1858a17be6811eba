// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device's end of a split virtqueue (virtio 1.2, section 2.7). Buffers are
 * at physical addresses of this very machine, since the device does not offer
 * ACCESS_PLATFORM.
 */
#include <linux/io.h>

#include "fakehost.h"
#include "pvguest/compat.h"

static const struct vring *vring_of(const struct fh_vq *q)
{
	return virtqueue_get_vring(q->vq);
}

/**
 * fh_pop() - take the next available buffer
 * @q: the virtqueue
 * @c: filled in
 *
 * Return: whether there was one.
 */
bool fh_pop(struct fh_vq *q, struct fh_chain *c)
{
	const struct vring *vr = vring_of(q);
	struct virtio_device *vdev = q->vq->vdev;
	struct vring_desc *desc;
	u16 i;

	if (q->lied || virtio16_to_cpu(vdev, READ_ONCE(vr->avail->idx)) == q->seen)
		return false;
	/* Pairs with the driver's barrier before it moves the index. */
	virt_rmb();
	c->head = virtio16_to_cpu(vdev,
				  vr->avail->ring[q->seen++ % vr->num]);
	c->out = 0;
	c->n = 0;
	for (i = c->head; i < vr->num && c->n < FH_SEGS; ) {
		desc = &vr->desc[i];
		c->seg[c->n].at = phys_to_virt(virtio64_to_cpu(vdev,
							       desc->addr));
		c->seg[c->n++].len = virtio32_to_cpu(vdev, desc->len);
		if (!(desc->flags & cpu_to_virtio16(vdev, VRING_DESC_F_WRITE)))
			c->out = c->n;
		if (!(desc->flags & cpu_to_virtio16(vdev, VRING_DESC_F_NEXT)))
			break;
		i = virtio16_to_cpu(vdev, desc->next);
	}
	return true;
}

/* One way or the other, for segments @i to @end; @offset is within them. */
static u32 copy(const struct fh_chain *c, unsigned int i, unsigned int end,
		u32 offset, void *buf, u32 len, bool to_driver)
{
	u32 n, done = 0;

	for (; i < end && done < len; i++) {
		if (offset >= c->seg[i].len) {
			offset -= c->seg[i].len;
			continue;
		}
		n = min(c->seg[i].len - offset, len - done);
		if (to_driver)
			memcpy(c->seg[i].at + offset, buf + done, n);
		else
			memcpy(buf + done, c->seg[i].at + offset, n);
		done += n;
		offset = 0;
	}
	return done;
}

/* Read what the driver sent. Return: bytes, at most @len. */
u32 fh_read(const struct fh_chain *c, u32 offset, void *to, u32 len)
{
	return copy(c, 0, c->out, offset, to, len, false);
}

/* Write to what the driver gave for it. Return: bytes that had room. */
u32 fh_write(const struct fh_chain *c, u32 offset, const void *from, u32 len)
{
	return copy(c, c->out, c->n, offset, (void *)from, len, true);
}

/* Bytes that may be written. */
u32 fh_room(const struct fh_chain *c)
{
	u32 room = 0;
	unsigned int i;

	for (i = c->out; i < c->n; i++)
		room += c->seg[i].len;
	return room;
}

static bool wants_interrupt(const struct fh_vq *q, u16 old)
{
	const struct vring *vr = vring_of(q);
	struct virtio_device *vdev = q->vq->vdev;

	if (!virtio_has_feature(vdev, VIRTIO_RING_F_EVENT_IDX))
		return !(vr->avail->flags &
			 cpu_to_virtio16(vdev, VRING_AVAIL_F_NO_INTERRUPT));
	return vring_need_event(virtio16_to_cpu(vdev,
						READ_ONCE(vring_used_event(vr))),
				q->used, old);
}

/* Return: whether the driver is to be interrupted, once the lock is dropped. */
static bool conditions_met(struct fh_vq *q)
{
	u16 old = q->signalled;

	lockdep_assert_held(&q->lock);

	q->waiting = 0;
	q->signalled = q->used;
	/* Pairs with the driver's between its event and reading the index. */
	virt_mb();
	if (!wants_interrupt(q, old))
		return false;
	q->interrupts++;
	return true;
}

static void interrupt(struct fh_vq *q)
{
	unsigned long flags;

	if (fh_irq_is_lost(q))
		return;
	local_bh_disable();
	local_irq_save(flags);
	vring_interrupt(0, q->vq);
	local_irq_restore(flags);
	local_bh_enable();
}

/**
 * fh_push_times() - give a buffer back, so often
 * @q: the virtqueue
 * @id: its first descriptor
 * @len: bytes written to it
 * @times: 1, or more to break the rules; the driver sees all of them together
 *
 * The driver is told as it asked for: at once, or by NOTF_COAL.
 */
void fh_push_times(struct fh_vq *q, u16 id, u32 len, u16 times)
{
	const struct vring *vr = vring_of(q);
	struct virtio_device *vdev = q->vq->vdev;
	struct vring_used_elem *elem;
	bool now = false;
	u16 i;

	spin_lock_irq(&q->lock);
	for (i = 0; i < times; i++) {
		elem = &vr->used->ring[q->used++ % vr->num];
		elem->id = cpu_to_virtio32(vdev, id);
		elem->len = cpu_to_virtio32(vdev, len);
	}
	/* The entries before the index. */
	virt_wmb();
	WRITE_ONCE(vr->used->idx, cpu_to_virtio16(vdev, q->used));
	q->waiting += times;
	if (!q->max_packets || !q->max_usecs || q->waiting >= q->max_packets)
		now = conditions_met(q);
	else if (q->waiting == times)
		hrtimer_start(&q->timer, ns_to_ktime(q->max_usecs * 1000ull),
			      HRTIMER_MODE_REL);
	spin_unlock_irq(&q->lock);
	if (now)
		interrupt(q);
}

/* Once, as it should be. */
void fh_push(struct fh_vq *q, u16 id, u32 len)
{
	fh_push_times(q, id, len, 1);
}

/* Tell the driver now, whatever it asked for. */
void fh_signal(struct fh_vq *q)
{
	spin_lock_irq(&q->lock);
	q->signalled = q->used;
	q->waiting = 0;
	q->interrupts++;
	spin_unlock_irq(&q->lock);
	interrupt(q);
}

static enum hrtimer_restart coalescing_timer(struct hrtimer *timer)
{
	struct fh_vq *q = container_of(timer, struct fh_vq, timer);
	bool now = false;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	if (q->vq && q->waiting)
		now = conditions_met(q);
	spin_unlock_irqrestore(&q->lock, flags);
	if (now)
		vring_interrupt(0, q->vq);
	return HRTIMER_NORESTART;
}

/* Return: whether something has come meanwhile. */
bool fh_enable_kicks(struct fh_vq *q)
{
	const struct vring *vr = vring_of(q);
	struct virtio_device *vdev = q->vq->vdev;

	if (fh_event_is_stale(q)) {
		WRITE_ONCE(vring_avail_event(vr),
			   cpu_to_virtio16(vdev, q->seen + 0x4000));
		return false;
	}
	if (virtio_has_feature(vdev, VIRTIO_RING_F_EVENT_IDX))
		WRITE_ONCE(vring_avail_event(vr),
			   cpu_to_virtio16(vdev, q->seen));
	/* Pairs with the driver's between its index and reading the event. */
	virt_mb();
	return virtio16_to_cpu(vdev, READ_ONCE(vr->avail->idx)) != q->seen;
}

void fh_set_coalescing(struct fh_vq *q, u32 max_packets, u32 max_usecs)
{
	bool now = false;

	spin_lock_irq(&q->lock);
	q->max_packets = max_packets;
	q->max_usecs = max_usecs;
	if (q->vq && q->waiting)
		now = conditions_met(q);
	spin_unlock_irq(&q->lock);
	if (now)
		interrupt(q);
}

void fh_vq_init(struct fh_vq *q)
{
	spin_lock_init(&q->lock);
	pvg_hrtimer_setup(&q->timer, coalescing_timer, CLOCK_MONOTONIC,
			  HRTIMER_MODE_REL);
}

/* The ring is fresh. */
void fh_vq_start(struct fh_vq *q, struct virtqueue *vq)
{
	spin_lock_irq(&q->lock);
	q->vq = vq;
	q->seen = 0;
	q->lied = false;
	q->used = 0;
	q->signalled = 0;
	q->waiting = 0;
	spin_unlock_irq(&q->lock);
}

/* No interrupt comes from it afterwards. */
void fh_vq_stop(struct fh_vq *q)
{
	spin_lock_irq(&q->lock);
	q->waiting = 0;
	spin_unlock_irq(&q->lock);
	hrtimer_cancel(&q->timer);
	spin_lock_irq(&q->lock);
	q->vq = NULL;
	q->max_packets = 0;
	q->max_usecs = 0;
	spin_unlock_irq(&q->lock);
}

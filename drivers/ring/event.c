// SPDX-License-Identifier: GPL-2.0-only
/*
 * The event index: asking the device for an interrupt at the Nth completion.
 *
 * virtqueue_disable_cb() is called once per life of a ring; from then on the
 * virtqueue code leaves the event field alone (virtqueue_get_buf() rewrites it
 * only while callbacks are enabled) and it belongs to this file. A split ring
 * has used_event behind the available ring (virtio 1.2, section 2.7.10), a
 * packed ring the driver event suppression structure (2.8.14).
 *
 * Arming is store, full barrier, re-check: the device stores its used index
 * and then reads the event, so either it sees the new event or the re-check
 * sees its completions.
 */
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "core.h"
#include "pvguest/compat.h"
#include "pvguest/threshold.h"

/*
 * virtqueue_get_vring() is documented for split rings. For a packed ring it
 * returns, on all supported kernels, the same leading union member: struct
 * vring and the packed layout both are { num, desc, driver area, device area }.
 * packed_self_test() checks by behaviour before anything relies on it.
 */
static struct vring_packed_desc_event *packed_area(const struct pvg_queue *q)
{
	return (struct vring_packed_desc_event *)q->vring->avail;
}

static void packed_store_flags(struct pvg_queue *q, u16 flags)
{
	WRITE_ONCE(packed_area(q)->flags, cpu_to_le16(flags));
}

static u16 packed_flags(const struct pvg_queue *q)
{
	return le16_to_cpu(READ_ONCE(packed_area(q)->flags));
}

/* Does the driver event area respond to the virtqueue API as it must? */
static bool packed_self_test(struct pvg_queue *q)
{
	unsigned int pos;

	if (q->vring->num != virtqueue_get_vring_size(q->vq) ||
	    !q->vring->avail)
		return false;

	virtqueue_disable_cb(q->vq);
	if (packed_flags(q) != VRING_PACKED_EVENT_FLAG_DISABLE)
		return false;

	pos = virtqueue_enable_cb_prepare(q->vq);
	if (packed_flags(q) != VRING_PACKED_EVENT_FLAG_DESC ||
	    le16_to_cpu(READ_ONCE(packed_area(q)->off_wrap)) != pos)
		return false;

	virtqueue_disable_cb(q->vq);
	return packed_flags(q) == VRING_PACKED_EVENT_FLAG_DISABLE;
}

static enum pvg_event_mode choose_mode(struct pvg_queue *q)
{
	struct virtio_device *vdev = q->vq->vdev;

	if (!virtio_has_feature(vdev, VIRTIO_RING_F_EVENT_IDX))
		return PVG_EVENT_PLAIN;
	if (!virtio_has_feature(vdev, VIRTIO_F_RING_PACKED))
		return PVG_EVENT_SPLIT;
	if (packed_self_test(q))
		return PVG_EVENT_PACKED;

	dev_warn(&vdev->dev,
		 "%s: packed event area not where expected, interrupts are not coalesced\n",
		 q->vq->name);
	return PVG_EVENT_PLAIN;
}

/**
 * pvg_event_start() - take over the event index of a fresh ring
 * @q: the queue; @q->vq is set and holds no buffers
 *
 * Leaves the queue parked. Context: any, lock not needed: not running yet.
 */
void pvg_event_start(struct pvg_queue *q)
{
	q->vring = virtqueue_get_vring(q->vq);
	q->in_order = virtio_has_feature(q->vq->vdev, VIRTIO_F_IN_ORDER);
	q->packed = virtio_has_feature(q->vq->vdev, VIRTIO_F_RING_PACKED);
	q->mode = choose_mode(q);

	/* The only way the API tells where the next used buffer will be. */
	q->last = virtqueue_enable_cb_prepare(q->vq);
	virtqueue_disable_cb(q->vq);
	q->event = q->last;
	q->armed = 0;
}

static bool arm_plain(struct pvg_queue *q)
{
	if (q->armed)
		return false;
	q->armed = 1;
	return !virtqueue_enable_cb(q->vq);
}

static void split_store(struct pvg_queue *q, u16 event)
{
	WRITE_ONCE(vring_used_event(q->vring),
		   cpu_to_virtio16(q->vq->vdev, event));
	q->event = event;
}

static bool arm_split(struct pvg_queue *q, u32 n)
{
	u16 event = pvg_split_event(q->last, n);
	u16 used;

	if (q->armed && q->event == event) {
		q->armed = n;
		return false;
	}
	split_store(q, event);
	q->armed = n;

	/*
	 * virtqueue_poll() is the full barrier, of the strength this device
	 * needs; it pairs with the device's barrier between storing used->idx
	 * and loading used_event.
	 */
	if (!virtqueue_poll(q->vq, q->last))
		return false;
	used = virtio16_to_cpu(q->vq->vdev, READ_ONCE(q->vring->used->idx));
	return pvg_split_passed(used, q->last, n);
}

static bool arm_packed(struct pvg_queue *q, u32 n)
{
	bool exact = !q->in_order && q->inflight_descs <= q->inflight;
	u32 descs = 1;
	u16 event;

	/*
	 * Any completion crosses the next position. For more than one, chains
	 * of different length may make it late; then the timer bounds it.
	 */
	if (n > 1)
		descs = pvg_buffers_to_descs(n, q->inflight, q->inflight_descs);
	event = pvg_packed_event(q->last, descs, q->vring->num);

	if (q->armed && q->event == event) {
		q->armed = n;
		return false;
	}

	WRITE_ONCE(packed_area(q)->off_wrap, cpu_to_le16(event));
	q->event = event;
	if (!q->armed) {
		/* The device must not see the flag with an old offset. */
		virtio_wmb(!virtio_has_feature(q->vq->vdev,
					       VIRTIO_F_ORDER_PLATFORM));
		packed_store_flags(q, VRING_PACKED_EVENT_FLAG_DESC);
	}
	q->armed = n;

	/*
	 * With one descriptor per buffer the device writes every position, so
	 * the one of the Nth completion can be asked for. Otherwise it skips
	 * some, and only the next one is certain to be written. The barrier
	 * in virtqueue_poll() pairs with the device's between writing the used
	 * descriptor and reading the driver event area.
	 */
	return virtqueue_poll(q->vq, exact ? event : q->last);
}

/**
 * pvg_event_arm() - ask for an interrupt at the @n-th completion from now
 * @q: the queue; everything used so far has been consumed
 * @n: 1 to in flight (1 when nothing is); in PVG_EVENT_PLAIN taken as 1
 *
 * Return: true if completions at or beyond the threshold are there already.
 * The device may not interrupt for them, so the caller must drain again.
 */
bool pvg_event_arm(struct pvg_queue *q, u32 n)
{
	lockdep_assert_held(&q->lock);

	switch (q->mode) {
	case PVG_EVENT_SPLIT:
		return arm_split(q, n);
	case PVG_EVENT_PACKED:
		return arm_packed(q, n);
	case PVG_EVENT_PLAIN:
		break;
	}
	return arm_plain(q);
}

/**
 * pvg_event_park() - ask for no interrupt
 * @q: the queue
 *
 * The device may still send one that is on its way. On a split ring the parked
 * event is renewed as consumption approaches it, so callers park after each
 * drain that shall leave the queue parked.
 */
void pvg_event_park(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	switch (q->mode) {
	case PVG_EVENT_SPLIT:
		if (q->armed || pvg_split_park_stale(q->event, q->last))
			split_store(q, pvg_split_parked(q->last));
		break;
	case PVG_EVENT_PACKED:
		if (q->armed)
			packed_store_flags(q, VRING_PACKED_EVENT_FLAG_DISABLE);
		break;
	case PVG_EVENT_PLAIN:
		if (q->armed)
			virtqueue_disable_cb(q->vq);
		break;
	}
	q->armed = 0;
}

/**
 * pvg_event_consumed() - a buffer was taken back
 * @q: the queue
 * @descs: descriptors it occupied
 */
void pvg_event_consumed(struct pvg_queue *q, u32 descs)
{
	lockdep_assert_held(&q->lock);

	if (q->packed)
		q->last = pvg_packed_advance(q->last, descs, q->vring->num);
	else
		q->last++;
}

const char *pvg_event_mode_name(enum pvg_event_mode mode)
{
	switch (mode) {
	case PVG_EVENT_SPLIT:
		return "split";
	case PVG_EVENT_PACKED:
		return "packed";
	case PVG_EVENT_PLAIN:
		break;
	}
	return "plain";
}

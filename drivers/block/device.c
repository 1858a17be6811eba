// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bringing a device up and stopping it, for probe, resume, recovery and removal
 * alike.
 */
#include <linux/error-injection.h>
#include <linux/interrupt.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "pvg_blk.h"

/**
 * pvg_blk_set_state() - the only way to another state
 * @blk: the device
 * @next: the state
 *
 * Context: @state_lock held, except in probe.
 */
void pvg_blk_set_state(struct pvg_blk *blk, enum pvg_blk_state next)
{
	bool legal = false;

	switch (next) {
	case PVG_BLK_NEW:
		break;
	case PVG_BLK_LIVE:
		legal = blk->state == PVG_BLK_NEW ||
			blk->state == PVG_BLK_STOPPED;
		break;
	case PVG_BLK_STOPPED:
		legal = blk->state == PVG_BLK_LIVE;
		break;
	case PVG_BLK_FAILED:
		legal = blk->state == PVG_BLK_LIVE ||
			blk->state == PVG_BLK_STOPPED;
		break;
	case PVG_BLK_DEAD:
		legal = true;
		break;
	}
	WARN_ON_ONCE(!legal);
	WRITE_ONCE(blk->state, next);
}

static int find_vqs(struct pvg_blk *blk, struct virtqueue **vqs)
{
	struct irq_affinity affinity = {};
	struct pvg_vq_info *info;
	unsigned int i;
	int err;

	info = kcalloc(blk->nr_queues, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < blk->nr_queues; i++) {
		info[i].name = blk->queues[i].name;
		info[i].callback = pvg_blk_is_polled(blk, i) ? NULL :
							       pvg_queue_callback;
	}
	err = pvg_find_vqs(blk->vdev, blk->nr_queues, vqs, info, &affinity);
	kfree(info);
	return err;
}

/* Requests are sized for the smallest ring, and stay so over a resume. */
static int check_ring_size(struct pvg_blk *blk, struct virtqueue **vqs)
{
	unsigned int least = blk->have_tags ? blk->ring_size : 4;
	unsigned int size = U32_MAX, i;

	for (i = 0; i < blk->nr_queues; i++)
		size = min(size, virtqueue_get_vring_size(vqs[i]));
	if (size < least) {
		dev_err(&blk->vdev->dev,
			"queue size is %u, at least %u is needed\n", size,
			least);
		return -EINVAL;
	}
	if (!blk->have_tags)
		blk->ring_size = size;
	return 0;
}

/**
 * pvg_blk_bring_up() - have a device take requests
 * @blk: the device, reset, with features negotiated
 *
 * Context: may sleep; @state_lock held where anything else may look. Return: 0 or
 * a negative errno; then pvg_blk_stop_device() is to follow.
 */
noinline int pvg_blk_bring_up(struct pvg_blk *blk)
{
	struct virtqueue **vqs;
	unsigned int i;
	int err;

	vqs = kcalloc(blk->nr_queues, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return -ENOMEM;
	err = find_vqs(blk, vqs);
	if (err)
		goto free_vqs;
	blk->have_vqs = true;
	err = check_ring_size(blk, vqs);
	if (err)
		goto free_vqs;

	for (i = 0; i < blk->nr_queues; i++)
		pvg_queue_start(&blk->ring, &blk->queues[i].pvg, vqs[i]);
	virtio_device_ready(blk->vdev);
	pvg_blk_set_state(blk, PVG_BLK_LIVE);

free_vqs:
	kfree(vqs);
	return err;
}

/**
 * pvg_blk_stop_device() - stop using the device
 * @blk: the device; may be half built
 * @reclaim: gets each request that the device had not done
 *
 * No callback, timer, submission or DMA afterwards. What the device had done when
 * it was reset is completed. Does nothing the second time.
 *
 * Context: may sleep; @state_lock held where anything else may look; nobody
 * submits who is not behind &pvg_queue.lock.
 */
void pvg_blk_stop_device(struct pvg_blk *blk, void (*reclaim)(void *token))
{
	unsigned int i;

	for (i = 0; blk->queues && i < blk->nr_queues; i++)
		pvg_queue_stop(&blk->queues[i].pvg);
	if (pvg_device_is_present(blk->vdev))
		virtio_reset_device(blk->vdev);
	for (i = 0; blk->queues && i < blk->nr_queues; i++) {
		pvg_queue_collect(&blk->queues[i].pvg);
		pvg_queue_detach(&blk->queues[i].pvg, reclaim);
	}
	if (blk->have_vqs)
		blk->vdev->config->del_vqs(blk->vdev);
	blk->have_vqs = false;
}

/**
 * pvg_blk_is_broken() - has a virtqueue become unusable?
 * @blk: the device
 *
 * Context: @state_lock held.
 */
bool pvg_blk_is_broken(struct pvg_blk *blk)
{
	unsigned int i;

	for (i = 0; blk->have_vqs && i < blk->nr_queues; i++)
		if (virtqueue_is_broken(blk->queues[i].pvg.vq))
			return true;
	return false;
}

/* A step of probe, so that a test can fail it. */
ALLOW_ERROR_INJECTION(pvg_blk_bring_up, ERRNO);

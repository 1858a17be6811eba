// SPDX-License-Identifier: GPL-2.0-only
/*
 * What to do about a device that does not work as it must.
 *
 * There is one way back: the requests that the device holds are taken from it, it
 * is reset, brought up again as in probe, and gets them again. A request that the
 * device had done before the reset is completed, not repeated; the block layer
 * keeps the others, so none is lost and none completes twice. Suspend and the
 * reset of a PCI function take the two halves of the same way.
 *
 * Where there is no way back the device is given up: all requests fail.
 */
#include <linux/jiffies.h>
#include <linux/sched/mm.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_blk.h"

/*
 * So many resets in a row, without a request that completes in between, are
 * tried; those that lie further apart than this and a few timeouts of requests
 * are not in a row.
 */
#define RESETS_MAX	3
#define RESETS_WINDOW	(60 * HZ)

/* How long a suspend waits for a device to end its requests. */
#define DRAIN_MAX	(10 * HZ)

/**
 * enum fault - what is wrong with a device
 * @FAULT_NONE: nothing
 * @FAULT_GONE: it cannot be talked to
 * @FAULT_BROKEN: it broke the protocol
 * @FAULT_TOO_SLOW: a request took too long, and timeout_action is `fail`
 * @FAULT_ASKS: it asks for a reset
 * @FAULT_FORGOT: it was reset behind our back
 * @FAULT_HANGS: a request took too long, and timeout_action is `reset`
 *
 * A reset may help against those from @FAULT_ASKS on.
 */
enum fault {
	FAULT_NONE,
	FAULT_GONE,
	FAULT_BROKEN,
	FAULT_TOO_SLOW,
	FAULT_ASKS,
	FAULT_FORGOT,
	FAULT_HANGS,
};

static const char * const fault_names[] = {
	[FAULT_GONE] = "the device is gone",
	[FAULT_BROKEN] = "the device broke the protocol",
	[FAULT_TOO_SLOW] = "a request took longer than io_timeout",
	[FAULT_ASKS] = "the device asks for a reset",
	[FAULT_FORGOT] = "the device was reset by something else",
	[FAULT_HANGS] = "a request took longer than io_timeout",
};

static enum fault find_fault(struct pvg_blk *blk)
{
	bool fail = test_and_clear_bit(PVG_BLK_WANT_FAIL, &blk->wants);
	bool reset = test_and_clear_bit(PVG_BLK_WANT_RESET, &blk->wants);
	u8 status;

	lockdep_assert_held(&blk->state_lock);

	/* While it is being probed, the first request finds out. */
	if (!blk->have_vqs || !blk->disk)
		return FAULT_NONE;
	status = blk->vdev->config->get_status(blk->vdev);
	if (status == U8_MAX)
		return FAULT_GONE;
	if (pvg_blk_is_broken(blk))
		return FAULT_BROKEN;
	if (fail)
		return FAULT_TOO_SLOW;
	if (status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return FAULT_ASKS;
	if (!(status & VIRTIO_CONFIG_S_DRIVER_OK))
		return FAULT_FORGOT;
	return reset ? FAULT_HANGS : FAULT_NONE;
}

/*
 * Take from the device what it holds, and leave it stopped; the block layer keeps
 * that. The queue is quiesced: nothing is submitted until go_on().
 */
static void take_back(struct pvg_blk *blk)
{
	/* A timeout may look at the virtqueues. */
	blk_sync_queue(blk->disk->queue);
	pvg_blk_stop_device(blk, pvg_blk_requeue);
}

/* Requests that were taken back, or have come meanwhile, are submitted. */
static void go_on(struct pvg_blk *blk)
{
	struct request_queue *q = blk->disk->queue;
	unsigned int i;

	for (i = 0; i < blk->nr_queues; i++)
		WRITE_ONCE(blk->queues[i].full, false);
	/* No completion will restart those that wait for descriptors. */
	blk_mq_start_stopped_hw_queues(q, true);
	blk_mq_unquiesce_queue(q);
	blk_mq_kick_requeue_list(q);
}

/**
 * pvg_blk_give_up() - fail what the device holds, and what comes
 * @blk: the device
 *
 * Context: may sleep; @state_lock held.
 */
void pvg_blk_give_up(struct pvg_blk *blk)
{
	struct request_queue *q = blk->disk->queue;

	lockdep_assert_held(&blk->state_lock);

	if (blk->state != PVG_BLK_DEAD)
		pvg_blk_set_state(blk, PVG_BLK_FAILED);
	blk_mq_quiesce_queue(q);
	blk_sync_queue(q);
	pvg_blk_stop_device(blk, pvg_blk_reclaim);
	go_on(blk);
	/* Last, because it may wait for writeback. */
	blk_mark_disk_dead(blk->disk);
}

/* Back to work after take_back(); what the reset made the device forget, too. */
static int bring_back(struct pvg_blk *blk)
{
	int err;

	lockdep_assert_held(&blk->state_lock);

	err = pvg_blk_bring_up(blk);
	if (err) {
		pvg_blk_stop_device(blk, pvg_blk_reclaim);
		pvg_blk_set_state(blk, PVG_BLK_FAILED);
		return err;
	}
	if (virtio_has_feature(blk->vdev, VIRTIO_BLK_F_CONFIG_WCE))
		virtio_cwrite8(blk->vdev,
			       offsetof(struct virtio_blk_config, wce),
			       blk->limits.write_cache);
	return 0;
}

/* A device that asks again and again is not helped by a reset. */
static bool may_reset(struct pvg_blk *blk)
{
	unsigned long window = RESETS_WINDOW +
			       (RESETS_MAX + 1) * blk->disk->queue->rq_timeout;
	unsigned int resets = READ_ONCE(blk->resets);

	if (!resets || time_after(jiffies, blk->first_reset + window)) {
		blk->first_reset = jiffies;
		resets = 0;
	}
	WRITE_ONCE(blk->resets, resets + 1);
	return resets < RESETS_MAX;
}

/* The one recovery path. Without I/O of its own, which this disk might get. */
static int reset(struct pvg_blk *blk)
{
	unsigned int noio = memalloc_noio_save();
	int err;

	blk_mq_quiesce_queue(blk->disk->queue);
	take_back(blk);
	pvg_blk_set_state(blk, PVG_BLK_STOPPED);
	err = pvg_device_renegotiate(blk->vdev);
	if (err)
		pvg_blk_set_state(blk, PVG_BLK_FAILED);
	else
		err = bring_back(blk);
	go_on(blk);
	memalloc_noio_restore(noio);
	return err;
}

static void handle(struct pvg_blk *blk, enum fault fault)
{
	struct device *dev = &blk->vdev->dev;
	const char *name = blk->disk->disk_name;
	int err;

	if (fault < FAULT_ASKS || blk->state != PVG_BLK_LIVE || pvg_system_ends()) {
		if (!pvg_system_ends())
			dev_err(dev, "%s: all I/O fails from here on\n",
				fault_names[fault]);
		pvg_blk_give_up(blk);
		return;
	}
	if (!may_reset(blk)) {
		dev_err(dev, "%s after %u resets that did not help: all I/O fails from here on\n",
			fault_names[fault], RESETS_MAX);
		pvg_blk_give_up(blk);
		return;
	}
	dev_warn(dev, "[%s] %s: resetting it\n", name, fault_names[fault]);
	err = reset(blk);
	if (!err) {
		schedule_work(&blk->config_work);
		return;
	}
	dev_err(dev, "[%s] the device does not come back: %pe: all I/O fails from here on\n",
		name, ERR_PTR(err));
	blk_mark_disk_dead(blk->disk);
}

/**
 * pvg_blk_fault_work() - see what is wrong with the device, and act
 * @work: fault_work of the device
 *
 * Whoever suspects something schedules this work. It runs during a removal, too:
 * del_gendisk() writes back what is dirty, and would wait for ever for requests
 * that the device does not end.
 */
void pvg_blk_fault_work(struct work_struct *work)
{
	struct pvg_blk *blk = container_of(work, struct pvg_blk, fault_work);
	enum fault fault;

	mutex_lock(&blk->state_lock);
	fault = find_fault(blk);
	if (fault != FAULT_NONE)
		handle(blk, fault);
	mutex_unlock(&blk->state_lock);
}

/* The queue is quiesced, and stays so only if there is a device to stop. */
static int stop(struct pvg_blk *blk)
{
	cancel_work_sync(&blk->config_work);
	mutex_lock(&blk->state_lock);
	if (blk->state == PVG_BLK_LIVE) {
		take_back(blk);
		pvg_blk_set_state(blk, PVG_BLK_STOPPED);
	} else {
		blk_mq_unquiesce_queue(blk->disk->queue);
	}
	mutex_unlock(&blk->state_lock);
	return 0;
}

/**
 * pvg_blk_freeze() - suspend
 * @vdev: the device
 *
 * What a slow device has not done in ten seconds it gets again after the resume.
 *
 * Context: may sleep. Return: 0.
 */
int pvg_blk_freeze(struct virtio_device *vdev)
{
	struct pvg_blk *blk = vdev->priv;

	if (!pvg_blk_drain_and_quiesce(blk->disk->queue, DRAIN_MAX))
		dev_warn(&vdev->dev, "[%s] requests are taken from the device and given to it again after the suspend\n",
			 blk->disk->disk_name);
	return stop(blk);
}

/**
 * pvg_blk_reset_prepare() - the transport is about to reset the device
 * @vdev: the device, which may hang
 *
 * Context: may sleep. Return: 0.
 */
int pvg_blk_reset_prepare(struct virtio_device *vdev)
{
	struct pvg_blk *blk = vdev->priv;

	blk_mq_quiesce_queue(blk->disk->queue);
	return stop(blk);
}

/**
 * pvg_blk_restore() - resume, or go on after a reset by the transport
 * @vdev: the device, with features negotiated
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
int pvg_blk_restore(struct virtio_device *vdev)
{
	struct pvg_blk *blk = vdev->priv;
	int err = -EIO;

	mutex_lock(&blk->state_lock);
	if (blk->state == PVG_BLK_STOPPED) {
		err = bring_back(blk);
		go_on(blk);
		if (err)
			blk_mark_disk_dead(blk->disk);
	}
	mutex_unlock(&blk->state_lock);
	if (!err)
		schedule_work(&blk->config_work);
	return err;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvg_blk: a driver for the virtio block device (virtio 1.2, section 5.2).
 *
 * Probe and resume share bring_up(); removal, surprise removal, suspend and a
 * failed probe share the steps of tear_down(). A failed probe leaves the device
 * reset, so that another driver can have it.
 */
#include <linux/error-injection.h>
#include <linux/hdreg.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "pvg_blk.h"
#include "pvguest/version.h"

/* Serialises choosing a disk's name with adding the disk. */
static DEFINE_MUTEX(name_lock);

static void set_state(struct pvg_blk *blk, enum pvg_blk_state next)
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

static struct pvg_queue *ring_queue(struct pvg_ring *ring, unsigned int i)
{
	return &container_of(ring, struct pvg_blk, ring)->queues[i].pvg;
}

static noinline int pvg_blk_check_device(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "configuration space is not accessible\n");
		return -EINVAL;
	}
	return pvg_blk_read_limits(blk);
}

static noinline int pvg_blk_alloc_queues(struct pvg_blk *blk)
{
	int n = pvg_blk_read_nr_queues(blk->vdev);
	unsigned int i;

	if (n < 0)
		return n;
	/* More than one per CPU would not be used. */
	blk->nr_queues = min_t(unsigned int, n, nr_cpu_ids);
	blk->queues = kcalloc(blk->nr_queues, sizeof(*blk->queues), GFP_KERNEL);
	if (!blk->queues)
		return -ENOMEM;

	for (i = 0; i < blk->nr_queues; i++) {
		struct pvg_blk_queue *bq = &blk->queues[i];

		bq->blk = blk;
		snprintf(bq->name, sizeof(bq->name), "req.%u", i);
		pvg_queue_init(&bq->pvg, &pvg_blk_queue_ops);
	}
	return 0;
}

static noinline int pvg_blk_register_ring(struct pvg_blk *blk)
{
	int err;

	blk->ring.vdev = blk->vdev;
	blk->ring.queue = ring_queue;
	blk->ring.nr_queues = blk->nr_queues;
	err = pvg_ring_register(&blk->ring);
	blk->ring_registered = !err;
	return err;
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
		info[i].callback = pvg_queue_callback;
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

/*
 * From a reset device with negotiated features to one that takes requests.
 * Under @state_lock where anything else may look. On error stop_device() or
 * tear_down() is to follow.
 */
static noinline int pvg_blk_bring_up(struct pvg_blk *blk)
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
	set_state(blk, PVG_BLK_LIVE);

free_vqs:
	kfree(vqs);
	return err;
}

/*
 * A chain may not be longer than the ring, indirect or not (virtio 1.2,
 * section 2.7.5.3.1); and without indirect descriptors, requests share it.
 */
static noinline int pvg_blk_alloc_tags(struct pvg_blk *blk)
{
	struct blk_mq_tag_set *tags = &blk->tags;
	bool indirect = virtio_has_feature(blk->vdev,
					   VIRTIO_RING_F_INDIRECT_DESC);
	int err;

	blk->limits.max_segments = min(blk->limits.max_segments,
				       blk->ring_size - 2);
	tags->ops = &pvg_blk_mq_ops;
	tags->queue_depth = indirect ? blk->ring_size : blk->ring_size / 2;
	tags->numa_node = NUMA_NO_NODE;
	/* The host schedules; a second scheduler in the guest costs twice. */
	tags->flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	tags->cmd_size = sizeof(struct pvg_blk_req);
	tags->nr_hw_queues = blk->nr_queues;
	tags->nr_maps = 1;
	tags->driver_data = blk;
	err = blk_mq_alloc_tag_set(tags);
	blk->have_tags = !err;
	return err;
}

static int pvg_blk_getgeo(pvg_getgeo_arg *arg, struct hd_geometry *geo)
{
	struct gendisk *disk = pvg_getgeo_disk(arg);
	struct pvg_blk *blk = disk->private_data;

	if (blk->cylinders) {
		geo->cylinders = blk->cylinders;
		geo->heads = blk->heads;
		geo->sectors = blk->sectors;
	} else {
		/* What other disks make up: 64 heads, 32 sectors. */
		geo->heads = 64;
		geo->sectors = 32;
		geo->cylinders = get_capacity(disk) / (64 * 32);
	}
	return 0;
}

/* The last user of a disk that was added is gone. */
static void pvg_blk_free_disk(struct gendisk *disk)
{
	kfree(disk->private_data);
}

static const struct block_device_operations pvg_blk_fops = {
	.owner		= THIS_MODULE,
	.getgeo		= pvg_blk_getgeo,
	.free_disk	= pvg_blk_free_disk,
};

static noinline int pvg_blk_alloc_disk(struct pvg_blk *blk)
{
	struct gendisk *disk;

	disk = pvg_blk_mq_alloc_disk(&blk->tags, &blk->limits, blk);
	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disk->fops = &pvg_blk_fops;
	disk->private_data = blk;
	set_disk_ro(disk, virtio_has_feature(blk->vdev, VIRTIO_BLK_F_RO));
	set_capacity(disk, pvg_blk_read_capacity(blk));
	blk->disk = disk;
	return 0;
}

static noinline int pvg_blk_add_disk(struct pvg_blk *blk)
{
	int err;

	mutex_lock(&name_lock);
	err = pvg_blk_choose_name(blk->disk);
	if (!err)
		err = device_add_disk(&blk->vdev->dev, blk->disk,
				      pvg_blk_attr_groups);
	mutex_unlock(&name_lock);
	blk->disk_added = !err;
	return err;
}

/*
 * Stop using the device: no callback, timer, submission or DMA afterwards, and
 * every request it held has failed. Does nothing the second time.
 */
static void stop_device(struct pvg_blk *blk)
{
	unsigned int i;

	for (i = 0; blk->queues && i < blk->nr_queues; i++)
		pvg_queue_stop(&blk->queues[i].pvg);
	if (pvg_device_is_present(blk->vdev))
		virtio_reset_device(blk->vdev);
	for (i = 0; blk->queues && i < blk->nr_queues; i++)
		pvg_queue_detach(&blk->queues[i].pvg, pvg_blk_reclaim);
	if (blk->have_vqs)
		blk->vdev->config->del_vqs(blk->vdev);
	blk->have_vqs = false;
}

static bool is_broken(struct pvg_blk *blk)
{
	unsigned int i;

	for (i = 0; blk->have_vqs && i < blk->nr_queues; i++)
		if (virtqueue_is_broken(blk->queues[i].pvg.vq))
			return true;
	return false;
}

/* Nobody will complete what the device holds: fail it, and what comes. */
static void fail_device(struct pvg_blk *blk)
{
	struct request_queue *q = blk->disk->queue;

	blk_mq_quiesce_queue(q);
	stop_device(blk);
	/* No completion will restart who waits for descriptors. */
	blk_mq_start_stopped_hw_queues(q, true);
	blk_mq_unquiesce_queue(q);
	/* Last, because it may wait for writeback. */
	blk_mark_disk_dead(blk->disk);
}

/*
 * A queue was found broken. In a removal too, which writes back what is dirty
 * and would wait for ever for what the device has.
 */
static void fail_work(struct work_struct *work)
{
	struct pvg_blk *blk = container_of(work, struct pvg_blk, fail_work);

	mutex_lock(&blk->state_lock);
	if ((blk->state == PVG_BLK_LIVE || blk->state == PVG_BLK_DEAD) &&
	    blk->disk && is_broken(blk)) {
		if (!pvg_system_ends())
			dev_err(&blk->vdev->dev,
				"the device broke the protocol: all I/O fails from here on\n");
		if (blk->state == PVG_BLK_LIVE)
			set_state(blk, PVG_BLK_FAILED);
		fail_device(blk);
	}
	mutex_unlock(&blk->state_lock);
}

/*
 * Mark dead, drain, free. The device may be half built, or gone.
 */
static void tear_down(struct pvg_blk *blk)
{
	bool added = blk->disk_added;
	enum pvg_blk_state was;

	mutex_lock(&blk->state_lock);
	was = blk->state;
	set_state(blk, PVG_BLK_DEAD);
	if (added && is_broken(blk))
		fail_device(blk);
	mutex_unlock(&blk->state_lock);
	cancel_work_sync(&blk->config_work);

	/* It writes back and waits for all requests; fail_work() may end them. */
	if (added && was == PVG_BLK_STOPPED)
		blk_mq_unquiesce_queue(blk->disk->queue);
	if (added)
		del_gendisk(blk->disk);
	/* Submitters may be behind the completion of their last request. */
	synchronize_rcu();
	mutex_lock(&blk->state_lock);
	stop_device(blk);
	mutex_unlock(&blk->state_lock);
	cancel_work_sync(&blk->fail_work);

	if (blk->disk && !added)
		put_disk(blk->disk);
	if (blk->have_tags)
		blk_mq_free_tag_set(&blk->tags);
	if (blk->ring_registered)
		pvg_ring_unregister(&blk->ring);
	kfree(blk->queues);
	blk->vdev->priv = NULL;
	if (added)
		put_disk(blk->disk);	/* frees blk with the last user */
	else
		kfree(blk);
}

static void announce(struct pvg_blk *blk)
{
	u64 sectors = get_capacity(blk->disk);
	char size[16];

	string_get_size(sectors, SECTOR_SIZE, STRING_UNITS_2, size,
			sizeof(size));
	dev_info(&blk->vdev->dev, "[%s] %s, %u-byte blocks, %u queue%s of %u\n",
		 blk->disk->disk_name, size, blk->limits.logical_block_size,
		 blk->nr_queues, blk->nr_queues == 1 ? "" : "s",
		 blk->ring_size);
}

static void config_work(struct work_struct *work)
{
	struct pvg_blk *blk = container_of(work, struct pvg_blk, config_work);
	u64 sectors = pvg_blk_read_capacity(blk);

	if (READ_ONCE(blk->state) != PVG_BLK_LIVE ||
	    sectors == get_capacity(blk->disk))
		return;
	dev_info(&blk->vdev->dev, "[%s] new size: %llu sectors\n",
		 blk->disk->disk_name, sectors);
	set_capacity_and_notify(blk->disk, sectors);
}

/* The virtio core calls this only between probe and remove. */
static void pvg_blk_config_changed(struct virtio_device *vdev)
{
	struct pvg_blk *blk = vdev->priv;

	schedule_work(&blk->config_work);
}

static int pvg_blk_probe(struct virtio_device *vdev)
{
	static int (*const steps[])(struct pvg_blk *blk) = {
		pvg_blk_check_device,
		pvg_blk_alloc_queues,
		pvg_blk_register_ring,
		pvg_blk_bring_up,
		pvg_blk_alloc_tags,
		pvg_blk_alloc_disk,
		pvg_blk_add_disk,
	};
	struct pvg_blk *blk;
	unsigned int i;
	int err;

	blk = kzalloc(sizeof(*blk), GFP_KERNEL);
	if (!blk)
		return -ENOMEM;
	blk->vdev = vdev;
	vdev->priv = blk;
	mutex_init(&blk->state_lock);
	INIT_WORK(&blk->config_work, config_work);
	INIT_WORK(&blk->fail_work, fail_work);

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i](blk);
		if (!err)
			continue;
		dev_err(&vdev->dev, "probe failed: %ps: %pe\n", steps[i],
			ERR_PTR(err));
		tear_down(blk);
		return err;
	}
	announce(blk);
	return 0;
}

static void pvg_blk_remove(struct virtio_device *vdev)
{
	tear_down(vdev->priv);
}

#ifdef CONFIG_PM_SLEEP
static int pvg_blk_freeze(struct virtio_device *vdev)
{
	struct pvg_blk *blk = vdev->priv;

	pvg_blk_drain_and_quiesce(blk->disk->queue);
	cancel_work_sync(&blk->config_work);
	mutex_lock(&blk->state_lock);
	if (blk->state == PVG_BLK_LIVE) {
		stop_device(blk);
		set_state(blk, PVG_BLK_STOPPED);
	}
	mutex_unlock(&blk->state_lock);
	return 0;
}

/* As probe's bring-up, and what the reset made the device forget. */
static int resume(struct pvg_blk *blk)
{
	int err;

	lockdep_assert_held(&blk->state_lock);

	if (blk->state != PVG_BLK_STOPPED)
		return -EIO;
	err = pvg_blk_bring_up(blk);
	if (err) {
		stop_device(blk);
		set_state(blk, PVG_BLK_FAILED);
		return err;
	}
	if (virtio_has_feature(blk->vdev, VIRTIO_BLK_F_CONFIG_WCE))
		virtio_cwrite8(blk->vdev,
			       offsetof(struct virtio_blk_config, wce),
			       blk->limits.write_cache);
	return 0;
}

static int pvg_blk_restore(struct virtio_device *vdev)
{
	struct pvg_blk *blk = vdev->priv;
	int err;

	mutex_lock(&blk->state_lock);
	err = resume(blk);
	mutex_unlock(&blk->state_lock);
	blk_mq_unquiesce_queue(blk->disk->queue);
	if (err)
		blk_mark_disk_dead(blk->disk);
	else
		schedule_work(&blk->config_work);
	return err;
}
#endif

static const struct virtio_device_id id_table[] = {
	{ VIRTIO_ID_BLOCK, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

/* Ring features are the transport's to negotiate. */
static const unsigned int features[] = {
	VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SEG_MAX, VIRTIO_BLK_F_GEOMETRY,
	VIRTIO_BLK_F_RO, VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH,
	VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_CONFIG_WCE, VIRTIO_BLK_F_MQ,
	VIRTIO_BLK_F_DISCARD, VIRTIO_BLK_F_WRITE_ZEROES,
};

static struct virtio_driver pvg_blk_driver = {
	.driver.name		= KBUILD_MODNAME,
	.driver.owner		= THIS_MODULE,
	.id_table		= id_table,
	.feature_table		= features,
	.feature_table_size	= ARRAY_SIZE(features),
	.probe			= pvg_blk_probe,
	.remove			= pvg_blk_remove,
	.config_changed		= pvg_blk_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze			= pvg_blk_freeze,
	.restore		= pvg_blk_restore,
#endif
#if defined(CONFIG_PM_SLEEP) && defined(PVG_HAVE_VIRTIO_RESET_HOOKS)
	.reset_prepare		= pvg_blk_freeze,
	.reset_done		= pvg_blk_restore,
#endif
};
module_virtio_driver(pvg_blk_driver);

/* The steps of probe, so that a test can fail each in turn. */
ALLOW_ERROR_INJECTION(pvg_blk_check_device, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_alloc_queues, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_register_ring, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_bring_up, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_alloc_tags, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_alloc_disk, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_add_disk, ERRNO);

MODULE_DESCRIPTION("pvguest virtio block driver");
MODULE_LICENSE("GPL");
MODULE_VERSION(PVG_VERSION);
MODULE_INFO(pvguest, PVG_VERSION);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvg_blk: a driver for the virtio block device (virtio 1.2, section 5.2).
 *
 * Probe, resume and recovery share pvg_blk_bring_up(); removal, surprise removal
 * and a failed probe share tear_down(). A failed probe leaves the device reset, so
 * that another driver can have it.
 */
#include <linux/error-injection.h>
#include <linux/hdreg.h>
#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string_helpers.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "pvg_blk.h"
#include "pvguest/version.h"

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
	blk->nr_poll_queues = pvg_blk_poll_queues(blk, n);
	/* More than one per CPU would not be used. */
	blk->nr_queues = min_t(unsigned int, n - blk->nr_poll_queues, nr_cpu_ids) +
			 blk->nr_poll_queues;
	blk->queues = kcalloc(blk->nr_queues, sizeof(*blk->queues), GFP_KERNEL);
	blk->latency = alloc_percpu(struct pvg_blk_latency);
	if (!blk->queues || !blk->latency)
		return -ENOMEM;

	for (i = 0; i < blk->nr_queues; i++) {
		struct pvg_blk_queue *bq = &blk->queues[i];
		bool polled = pvg_blk_is_polled(blk, i);

		bq->blk = blk;
		snprintf(bq->name, sizeof(bq->name), polled ? "req_poll.%u" : "req.%u", i);
		pvg_queue_init(&bq->pvg, polled ? &pvg_blk_poll_queue_ops :
						  &pvg_blk_queue_ops);
	}
	return 0;
}

static noinline int pvg_blk_register_ring(struct pvg_blk *blk)
{
	int err;

	blk->ring.vdev = blk->vdev;
	blk->ring.queue = ring_queue;
	blk->ring.nr_queues = blk->nr_queues;
	blk->ring.stats_reset = pvg_blk_latency_reset;
	err = pvg_ring_register(&blk->ring);
	blk->ring_registered = !err;
	return err;
}

/*
 * A chain may not be longer than the ring, indirect or not (virtio 1.2,
 * section 2.7.5.3.1); and without indirect descriptors, requests share it.
 */
static noinline int pvg_blk_alloc_tags(struct pvg_blk *blk)
{
	unsigned int block_pages = DIV_ROUND_UP(blk->limits.logical_block_size,
						 PAGE_SIZE);
	struct blk_mq_tag_set *tags = &blk->tags;
	bool indirect = virtio_has_feature(blk->vdev,
					   VIRTIO_RING_F_INDIRECT_DESC);
	int err;

	blk->limits.max_segments = min(blk->limits.max_segments,
				       blk->ring_size - 2);
	/* A block may lie in as many pages. */
	if (blk->limits.max_segments < block_pages) {
		dev_err(&blk->vdev->dev,
			"%u segments in a request, at least %u are needed for blocks of %u bytes\n",
			blk->limits.max_segments, block_pages,
			blk->limits.logical_block_size);
		return -EINVAL;
	}
	/* And in one more, if its memory does not begin with a page: it cannot be split. */
	if (blk->limits.max_segments == block_pages &&
	    blk->limits.logical_block_size > SECTOR_SIZE)
		blk->limits.dma_alignment = min_t(u32, PAGE_SIZE,
						  blk->limits.logical_block_size) - 1;
	tags->ops = &pvg_blk_mq_ops;
	tags->queue_depth = indirect ? blk->ring_size : blk->ring_size / 2;
	tags->numa_node = NUMA_NO_NODE;
	/* The host schedules; a second scheduler in the guest costs twice. */
	tags->flags = BLK_MQ_F_SHOULD_MERGE | BLK_MQ_F_NO_SCHED_BY_DEFAULT;
	tags->cmd_size = sizeof(struct pvg_blk_req);
	tags->nr_hw_queues = blk->nr_queues;
	tags->nr_maps = blk->nr_poll_queues ? HCTX_MAX_TYPES : 1;
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
	struct pvg_blk *blk = disk->private_data;

	pvg_blk_release_name(blk);
	kfree(blk);
}

static const struct block_device_operations pvg_blk_fops = {
	.owner		= THIS_MODULE,
	.getgeo		= pvg_blk_getgeo,
	.free_disk	= pvg_blk_free_disk,
#ifdef PVG_HAVE_ZONED
	.report_zones	= pvg_blk_report_zones,
#endif
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

	err = pvg_blk_choose_name(blk);
	if (!err)
		err = device_add_disk(&blk->vdev->dev, blk->disk,
				      pvg_blk_attr_groups);
	blk->disk_added = !err;
	return err;
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
	pvg_blk_set_state(blk, PVG_BLK_DEAD);
	if (added && pvg_blk_is_broken(blk))
		pvg_blk_give_up(blk);
	mutex_unlock(&blk->state_lock);
	cancel_work_sync(&blk->config_work);

	/* It writes back and waits for all requests; fault_work may end them. */
	if (added && was == PVG_BLK_STOPPED)
		blk_mq_unquiesce_queue(blk->disk->queue);
	if (added)
		del_gendisk(blk->disk);
	/* Submitters may be behind the completion of their last request. */
	synchronize_rcu();
	mutex_lock(&blk->state_lock);
	pvg_blk_stop_device(blk, pvg_blk_reclaim);
	mutex_unlock(&blk->state_lock);
	cancel_work_sync(&blk->fault_work);
	cancel_work_sync(&blk->reap_work);

	if (blk->disk && !added)
		put_disk(blk->disk);
	if (blk->have_tags)
		blk_mq_free_tag_set(&blk->tags);
	if (blk->ring_registered)
		pvg_ring_unregister(&blk->ring);
	free_percpu(blk->latency);
	kfree(blk->queues);
	blk->vdev->priv = NULL;
	if (added) {
		put_disk(blk->disk);	/* frees blk with the last user */
		return;
	}
	pvg_blk_release_name(blk);
	kfree(blk);
}

static void announce(struct pvg_blk *blk)
{
	u64 sectors = get_capacity(blk->disk);
	char size[16], polled[32] = "";

	string_get_size(sectors, SECTOR_SIZE, STRING_UNITS_2, size,
			sizeof(size));
	if (blk->nr_poll_queues)
		snprintf(polled, sizeof(polled), ", %u of them polled",
			 blk->nr_poll_queues);
	dev_info(&blk->vdev->dev, "[%s] %s, %u-byte blocks, %u queue%s of %u%s\n",
		 blk->disk->disk_name, size, blk->limits.logical_block_size,
		 blk->nr_queues, blk->nr_queues == 1 ? "" : "s",
		 blk->ring_size, polled);
}

static void config_work(struct work_struct *work)
{
	struct pvg_blk *blk = container_of(work, struct pvg_blk, config_work);
	u64 sectors;

	if (READ_ONCE(blk->state) != PVG_BLK_LIVE)
		return;
	if (blk->vdev->config->get_status(blk->vdev) &
	    VIRTIO_CONFIG_S_NEEDS_RESET) {
		schedule_work(&blk->fault_work);
		return;
	}
	sectors = pvg_blk_read_capacity(blk);
	if (sectors == get_capacity(blk->disk))
		return;
	/* The block layer would have to forget its zones while I/O runs. */
	if (blk->limits.zone_sectors) {
		dev_warn(&blk->vdev->dev,
			 "[%s] zoned: a new size of %llu sectors counts when the driver is bound again\n",
			 blk->disk->disk_name, sectors);
		return;
	}
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
		pvg_blk_revalidate,
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
	mutex_init(&blk->latency_lock);
	INIT_WORK(&blk->config_work, config_work);
	INIT_WORK(&blk->fault_work, pvg_blk_fault_work);
	INIT_WORK(&blk->reap_work, pvg_blk_reap_work);

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
	VIRTIO_BLK_F_SECURE_ERASE, VIRTIO_BLK_F_LIFETIME, VIRTIO_BLK_F_ZONED,
};

static struct virtio_driver pvg_blk_driver = {
	.driver.name		= KBUILD_MODNAME,
	.driver.owner		= THIS_MODULE,
	.id_table		= id_table,
	.feature_table		= features,
	.feature_table_size	= ARRAY_SIZE(features),
	.validate		= pvg_blk_validate,
	.probe			= pvg_blk_probe,
	.remove			= pvg_blk_remove,
	.config_changed		= pvg_blk_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze			= pvg_blk_freeze,
	.restore		= pvg_blk_restore,
#endif
#ifdef PVG_HAVE_VIRTIO_RESET_HOOKS
	.reset_prepare		= pvg_blk_reset_prepare,
	.reset_done		= pvg_blk_restore,
#endif
};

static int register_driver(struct virtio_driver *driver)
{
	int err = pvg_blk_names_init();

	if (err)
		return err;
	err = register_virtio_driver(driver);
	if (err)
		pvg_blk_names_exit();
	return err;
}

static void unregister_driver(struct virtio_driver *driver)
{
	unregister_virtio_driver(driver);
	pvg_blk_names_exit();
}

module_driver(pvg_blk_driver, register_driver, unregister_driver);

/* The steps of probe, so that a test can fail each in turn. */
ALLOW_ERROR_INJECTION(pvg_blk_check_device, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_alloc_queues, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_register_ring, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_alloc_tags, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_alloc_disk, ERRNO);
ALLOW_ERROR_INJECTION(pvg_blk_add_disk, ERRNO);

MODULE_DESCRIPTION("pvguest virtio block driver");
MODULE_LICENSE("GPL");
MODULE_VERSION(PVG_VERSION);
MODULE_INFO(pvguest, PVG_VERSION);

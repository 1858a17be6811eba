// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvg_balloon: a driver for the virtio memory balloon (virtio 1.2, 5.5).
 *
 * Probe, resume and recovery share bring_up(); removal, surprise removal,
 * suspend and a failed probe share stop_device(). The balloon stays as it is
 * while the device is stopped, and is told again afterwards.
 */
#include <linux/crash_dump.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/error-injection.h>
#include <linux/module.h>
#include <linux/oom.h>
#include <linux/poison.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_ring.h>

#include "pvg_balloon.h"
#include "pvguest/version.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

#define OOM_PRIORITY		80	/* before what frees by killing */
#define ISOLATED_WAIT_MS	10000	/* for migration to let go of pages */

static struct pvg_queue *ring_queue(struct pvg_ring *ring, unsigned int i)
{
	return &container_of(ring, struct pvg_balloon, ring)->present[i]->pvg;
}

/* The content of free pages that the guest counts on: 0 if it is zeroes. */
static u32 poison_val(void)
{
	return want_init_on_free() ? 0 : PAGE_POISON * 0x01010101u;
}

static noinline int pvg_balloon_check_device(struct pvg_balloon *b)
{
	struct virtio_device *vdev = b->vdev;

	if (!vdev->config->get) {
		dev_err(&vdev->dev, "configuration space is not accessible\n");
		return -EINVAL;
	}
	/* A crash kernel has only the memory that was set aside for it. */
	b->stays_empty = is_kdump_kernel();
	b->must_tell = virtio_has_feature(vdev, VIRTIO_BALLOON_F_MUST_TELL_HOST);
	/* QEMU ignores reported ranges while free pages have a pattern. */
	b->by_ranges = virtio_has_feature(vdev, VIRTIO_BALLOON_F_REPORTING) &&
		       !b->must_tell &&
		       !(virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON) &&
			 poison_val());
	b->floor = pvg_balloon_default_floor();
	b->restore_limit = PVG_RESTORE_LIMIT;
	return 0;
}

static noinline int pvg_balloon_alloc(struct pvg_balloon *b)
{
	int err;

	b->wq = alloc_workqueue("%s", WQ_FREEZABLE | WQ_UNBOUND |
				WQ_MEM_RECLAIM, 0, "pvg_balloon");
	if (!b->wq)
		return -ENOMEM;
	b->stats = kcalloc(PVG_BALLOON_S_NR, sizeof(*b->stats), GFP_KERNEL);
	if (!b->stats)
		return -ENOMEM;
	err = pvg_balloon_alloc_reqs(b);
	return err ?: pvg_balloon_init_hints(b);
}

static const struct {
	const char *name;
	const struct pvg_queue_ops *ops;
	int feature;	/* -1: always there */
} vq_table[PVG_VQ_COUNT] = {
	[PVG_VQ_INFLATE] = { "inflate", &pvg_balloon_req_ops, -1 },
	[PVG_VQ_DEFLATE] = { "deflate", &pvg_balloon_req_ops, -1 },
	[PVG_VQ_STATS] = { "stats", &pvg_balloon_stats_ops,
			   VIRTIO_BALLOON_F_STATS_VQ },
	[PVG_VQ_HINT] = { "hint", &pvg_balloon_hint_ops,
			  VIRTIO_BALLOON_F_FREE_PAGE_HINT },
	[PVG_VQ_REPORT] = { "reporting", &pvg_balloon_req_ops,
			    VIRTIO_BALLOON_F_REPORTING },
};

static noinline int pvg_balloon_register_ring(struct pvg_balloon *b)
{
	unsigned int i;
	int err;

	for (i = 0; i < PVG_VQ_COUNT; i++) {
		struct pvg_balloon_queue *bq = &b->queues[i];
		int feature = vq_table[i].feature;

		bq->b = b;
		bq->exists = feature < 0 || virtio_has_feature(b->vdev, feature);
		pvg_queue_init(&bq->pvg, vq_table[i].ops);
		if (bq->exists)
			b->present[b->ring.nr_queues++] = bq;
	}
	b->ring.vdev = b->vdev;
	b->ring.queue = ring_queue;
	err = pvg_ring_register(&b->ring);
	b->ring_registered = !err;
	return err;
}

/* Queues that do not exist have no number, as hypervisors have it. */
static int find_vqs(struct pvg_balloon *b, struct virtqueue **vqs)
{
	struct pvg_vq_info info[PVG_VQ_COUNT] = {};
	unsigned int i;

	for (i = 0; i < b->ring.nr_queues; i++) {
		info[i].name = vq_table[b->present[i] - b->queues].name;
		info[i].callback = pvg_queue_callback;
	}
	return pvg_find_vqs(b->vdev, b->ring.nr_queues, vqs, info, NULL);
}

static int check_ring_sizes(struct pvg_balloon *b, struct virtqueue **vqs)
{
	unsigned int i, size;

	for (i = 0; i < b->ring.nr_queues; i++) {
		size = virtqueue_get_vring_size(vqs[i]);
		if (size < 2) {
			dev_err(&b->vdev->dev,
				"%s: queue size is %u, at least 2 is needed\n",
				vqs[i]->name, size);
			return -EINVAL;
		}
		/* A chain may not be longer than the ring (2.7.5.3.1). */
		if (b->present[i] == &b->queues[PVG_VQ_REPORT])
			b->range_max = min_t(unsigned int, size,
					     PVG_RANGE_ENTRIES);
	}
	return 0;
}

static void write_poison_val(struct pvg_balloon *b)
{
	u32 val = poison_val();

	if (virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		virtio_cwrite_le(b->vdev, struct virtio_balloon_config,
				 poison_val, &val);
}

/* The workers find out what there is to do. */
static void start_work(struct pvg_balloon *b)
{
	set_bit(PVG_TARGET_CHANGED, &b->flags);
	set_bit(PVG_HINT_CHANGED, &b->flags);
	pvg_balloon_kick(b);
	if (b->queues[PVG_VQ_STATS].exists)
		queue_work(b->wq, &b->stats_work);
	if (b->queues[PVG_VQ_HINT].exists)
		queue_work(b->wq, &b->hint_work);
}

/*
 * From a reset device with negotiated features to one that works. On error
 * stop_device() is to follow. Under @state_lock.
 */
static noinline int pvg_balloon_bring_up(struct pvg_balloon *b)
{
	struct virtqueue *vqs[PVG_VQ_COUNT];
	unsigned int i;
	int err;

	err = find_vqs(b, vqs);
	if (err)
		return err;
	b->have_vqs = true;
	err = check_ring_sizes(b, vqs);
	if (err)
		return err;
	for (i = 0; i < b->ring.nr_queues; i++)
		pvg_queue_start(&b->ring, &b->present[i]->pvg, vqs[i]);
	WRITE_ONCE(b->stats_out, false);
	WRITE_ONCE(b->hint_start_out, false);
	b->hint_id = 0;		/* the device has forgotten the last series */
	b->written_once = false;
	write_poison_val(b);
	virtio_device_ready(b->vdev);
	pvg_balloon_set_state(b, PVG_BALLOON_LIVE);
	return 0;
}

static int probe_bring_up(struct pvg_balloon *b)
{
	int err;

	mutex_lock(&b->state_lock);
	err = pvg_balloon_bring_up(b);
	mutex_unlock(&b->state_lock);
	return err;
}

static noinline int pvg_balloon_register_oom(struct pvg_balloon *b)
{
	int err;

	if (!virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_DEFLATE_ON_OOM))
		return 0;
	b->oom_nb.notifier_call = pvg_balloon_oom_notify;
	b->oom_nb.priority = OOM_PRIORITY;
	err = register_oom_notifier(&b->oom_nb);
	b->oom_registered = !err;
	return err;
}

static noinline int pvg_balloon_add_sysfs(struct pvg_balloon *b)
{
	int err = device_add_group(&b->vdev->dev, &pvg_balloon_group);

	b->sysfs_added = !err;
	if (!err)
		pvg_balloon_debugfs_add(b);
	return err;
}

static void reclaim(struct pvg_balloon *b, struct pvg_balloon_queue *bq)
{
	void (*fn)(void *token) = pvg_balloon_reclaim_req;

	/* Hinted pages and their identifiers stay with their owners. */
	if (bq == &b->queues[PVG_VQ_STATS] || bq == &b->queues[PVG_VQ_HINT])
		fn = pvg_balloon_reclaim_stats;
	pvg_queue_detach(&bq->pvg, fn);
}

/*
 * Stop using the device: no callback, timer, submission or discarding of pages
 * afterwards, who waits for a request has got it back, and hinted pages are free.
 * No work adds to these: it is cancelled, and the state keeps it from beginning
 * again. Does nothing the second time.
 */
static void stop_device(struct pvg_balloon *b)
{
	unsigned int i;

	for (i = 0; i < b->ring.nr_queues; i++)
		pvg_queue_stop(&b->present[i]->pvg);
	if (pvg_device_is_present(b->vdev))
		virtio_reset_device(b->vdev);
	for (i = 0; i < b->ring.nr_queues; i++)
		reclaim(b, b->present[i]);
	if (b->have_vqs)
		b->vdev->config->del_vqs(b->vdev);
	b->have_vqs = false;
	pvg_balloon_return_hints(b);
	pm_relax(&b->vdev->dev);
}

static void cancel_all_work(struct pvg_balloon *b)
{
	cancel_delayed_work_sync(&b->size_work);
	cancel_work_sync(&b->stats_work);
	cancel_work_sync(&b->hint_work);
}

static bool is_broken(struct pvg_balloon *b)
{
	unsigned int i;

	for (i = 0; b->have_vqs && i < b->ring.nr_queues; i++)
		if (virtqueue_is_broken(b->present[i]->pvg.vq))
			return true;
	return false;
}

static bool needs_recovery(struct pvg_balloon *b)
{
	lockdep_assert_held(&b->state_lock);

	if (b->state != PVG_BALLOON_LIVE || pvg_system_ends() ||
	    !pvg_device_is_present(b->vdev))
		return false;
	return is_broken(b) || test_bit(PVG_STUCK, &b->flags) ||
	       (b->vdev->config->get_status(b->vdev) &
		VIRTIO_CONFIG_S_NEEDS_RESET);
}

static int pvg_balloon_freeze(struct virtio_device *vdev)
{
	struct pvg_balloon *b = vdev->priv;

	mutex_lock(&b->state_lock);
	if (b->state == PVG_BALLOON_LIVE) {
		pvg_balloon_set_state(b, PVG_BALLOON_STOPPED);
		cancel_all_work(b);
		stop_device(b);
	}
	mutex_unlock(&b->state_lock);
	return 0;
}

static int pvg_balloon_restore(struct virtio_device *vdev)
{
	struct pvg_balloon *b = vdev->priv;
	int err = -EIO;

	mutex_lock(&b->state_lock);
	if (b->state == PVG_BALLOON_STOPPED) {
		/* Before the device is live, so that no page is migrated first. */
		set_bit(PVG_RETELL, &b->flags);
		err = pvg_balloon_bring_up(b);
		if (err) {
			dev_err(&vdev->dev,
				"the device does not come back: %pe: the balloon stays as it is\n",
				ERR_PTR(err));
			stop_device(b);
			pvg_balloon_set_state(b, PVG_BALLOON_FAILED);
		}
	}
	mutex_unlock(&b->state_lock);
	if (err)
		return err;
	clear_bit(PVG_STUCK, &b->flags);
	start_work(b);
	return 0;
}

/* Reset, negotiate and bring up again, as suspending and resuming does. */
static int reset_and_resume(struct pvg_balloon *b)
{
	int err;

	pvg_balloon_freeze(b->vdev);
	err = pvg_device_renegotiate(b->vdev);
	return err ?: pvg_balloon_restore(b->vdev);
}

static void give_up(struct pvg_balloon *b)
{
	mutex_lock(&b->state_lock);
	if (b->state == PVG_BALLOON_LIVE || b->state == PVG_BALLOON_STOPPED) {
		dev_err(&b->vdev->dev,
			"the device cannot be recovered: the balloon stays as it is\n");
		pvg_balloon_set_state(b, PVG_BALLOON_FAILED);
		cancel_all_work(b);
		stop_device(b);
	}
	mutex_unlock(&b->state_lock);
}

/* The device broke the protocol, asks for a reset, or does not answer. */
static void recover_work(struct work_struct *work)
{
	struct pvg_balloon *b = container_of(work, struct pvg_balloon,
					     recover_work);
	bool needed;

	mutex_lock(&b->state_lock);
	needed = needs_recovery(b);
	mutex_unlock(&b->state_lock);
	if (!needed)
		return;
	if (!pvg_balloon_may_recover(b)) {
		give_up(b);
		return;
	}
	dev_warn(&b->vdev->dev, "%s: resetting it\n",
		 is_broken(b) ? "the device broke the protocol" :
		 test_bit(PVG_STUCK, &b->flags) ?
		 "the device has stopped working" :
		 "the device asks for a reset");
	b->counts.recoveries++;
	if (reset_and_resume(b))
		give_up(b);
}

static void free_held(struct pvg_balloon *b)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(b->reqs); i++)
		pvg_pagelist_free(&b->reqs[i].held);
	pvg_pagelist_free(&b->oom_req.held);
}

static void free_store(struct pvg_balloon *b)
{
	struct pvg_balloon_pagelist l;
	unsigned int order;
	struct page *page;

	pvg_pagelist_init(&l);
	while ((page = pvg_store_take_range(b, PVG_RANGE_MAX_PAGES, &order))) {
		pvg_pagelist_add_range(&l, page);
		pvg_pagelist_free(&l);
	}
	while (pvg_store_take_singles(b, &l, PVG_RANGE_MAX_PAGES))
		pvg_pagelist_free(&l);
}

/* Pages that are being migrated come back soon, because we refuse. */
static bool free_all(struct pvg_balloon *b)
{
	unsigned int ms;

	free_held(b);
	pvg_pagelist_free(&b->untold);
	pvg_pagelist_free(&b->loose);
	for (ms = 0; ms < ISOLATED_WAIT_MS; ms += 20) {
		free_store(b);
		if (pvg_store_empty(b))
			return true;
		msleep(20);
	}
	return false;
}

/* What the device has by now does not matter: it is about to be reset. */
static void write_empty(struct pvg_balloon *b)
{
	u32 zero = 0;

	if (b->have_vqs && pvg_device_is_present(b->vdev))
		virtio_cwrite_le(b->vdev, struct virtio_balloon_config, actual,
				 &zero);
}

static void free_balloon(struct pvg_balloon *b)
{
	if (b->wq)
		destroy_workqueue(b->wq);
	pvg_balloon_exit_hints(b);
	pvg_balloon_free_reqs(b);
	kfree(b->stats);
	kfree(b);
}

static void mark_dead(struct pvg_balloon *b)
{
	mutex_lock(&b->state_lock);
	pvg_balloon_set_state(b, PVG_BALLOON_DEAD);
	mutex_unlock(&b->state_lock);
}

/* Of a device that is dead: no work runs, and it is reset. */
static void quiesce(struct pvg_balloon *b)
{
	cancel_work_sync(&b->recover_work);
	cancel_all_work(b);
	write_empty(b);
	stop_device(b);
}

/* Mark dead, drain, free. The device may be half built, or gone. */
static void tear_down(struct pvg_balloon *b)
{
	mark_dead(b);
	if (b->sysfs_added)
		device_remove_group(&b->vdev->dev, &pvg_balloon_group);
	if (b->oom_registered)
		unregister_oom_notifier(&b->oom_nb);
	quiesce(b);
	device_init_wakeup(&b->vdev->dev, false);
	/* Its last request has come back, and it will not send another. */
	pvg_balloon_unregister_reporting(b);
	cancel_all_work(b);
	cancel_work_sync(&b->recover_work);
	if (b->ring_registered)
		pvg_ring_unregister(&b->ring);
	b->vdev->priv = NULL;
	if (free_all(b)) {
		free_balloon(b);
		return;
	}
	/* The kernel still points to it, and to our code. */
	dev_err(&b->vdev->dev, "pages are still being migrated: leaking them\n");
	__module_get(THIS_MODULE);
}

/*
 * The kernel ends. What it had in the balloon belongs to the next one, if that is
 * started without a reset of the machine.
 */
static void pvg_balloon_shutdown(struct virtio_device *vdev)
{
	mark_dead(vdev->priv);
	quiesce(vdev->priv);
}

/* The virtio core calls this only between probe and remove. */
static void pvg_balloon_config_changed(struct virtio_device *vdev)
{
	struct pvg_balloon *b = vdev->priv;

	if (READ_ONCE(b->state) != PVG_BALLOON_LIVE)
		return;
	set_bit(PVG_TARGET_CHANGED, &b->flags);
	pm_stay_awake(&vdev->dev);	/* until the worker has seen to it */
	pvg_balloon_kick(b);
	if (b->queues[PVG_VQ_HINT].exists) {
		set_bit(PVG_HINT_CHANGED, &b->flags);
		queue_work(b->wq, &b->hint_work);
	}
	pvg_balloon_recover(b);
}

static void init(struct pvg_balloon *b, struct virtio_device *vdev)
{
	b->vdev = vdev;
	mutex_init(&b->state_lock);
	mutex_init(&b->migrate_lock);
	spin_lock_init(&b->lock);
	spin_lock_init(&b->hint_lock);
	init_waitqueue_head(&b->waiters);
	INIT_LIST_HEAD(&b->idle[0]);
	INIT_LIST_HEAD(&b->idle[1]);
	INIT_LIST_HEAD(&b->done);
	INIT_LIST_HEAD(&b->hint_pages);
	INIT_DELAYED_WORK(&b->size_work, pvg_balloon_size_work);
	INIT_WORK(&b->recover_work, recover_work);
	INIT_WORK(&b->stats_work, pvg_balloon_stats_work);
	INIT_WORK(&b->hint_work, pvg_balloon_hint_work);
	pvg_store_init(b);
	pvg_balloon_pages_init(&b->pages,
			       !virtio_has_feature(vdev,
						   VIRTIO_BALLOON_F_DEFLATE_ON_OOM),
			       pvg_balloon_migrate);
	pvg_balloon_init_reqs(b);
	pvg_balloon_init_reporting(b);
}

static void announce(struct pvg_balloon *b)
{
	if (b->stays_empty) {
		dev_info(&b->vdev->dev,
			 "balloon of a crash kernel: it stays empty\n");
		return;
	}
	dev_info(&b->vdev->dev, "balloon by %s%s, floor %lu MiB\n",
		 b->by_ranges ? "ranges" : "page numbers",
		 b->oom_registered ? ", deflates on OOM" : "",
		 b->floor >> (20 - PAGE_SHIFT));
}

static int pvg_balloon_probe(struct virtio_device *vdev)
{
	static int (*const steps[])(struct pvg_balloon *b) = {
		pvg_balloon_check_device,
		pvg_balloon_alloc,
		pvg_balloon_register_ring,
		probe_bring_up,
		pvg_balloon_register_oom,
		pvg_balloon_register_reporting,
		pvg_balloon_add_sysfs,
	};
	struct pvg_balloon *b;
	unsigned int i;
	int err;

	b = kzalloc(sizeof(*b), GFP_KERNEL);
	if (!b)
		return -ENOMEM;
	init(b, vdev);
	vdev->priv = b;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i](b);
		if (!err)
			continue;
		dev_err(&vdev->dev, "probe failed: %ps: %pe\n", steps[i],
			ERR_PTR(err));
		tear_down(b);
		return err;
	}
	device_set_wakeup_capable(&vdev->dev, true);
	announce(b);
	start_work(b);
	return 0;
}

static void pvg_balloon_remove(struct virtio_device *vdev)
{
	tear_down(vdev->priv);
}

/*
 * Reported free pages come back as zeroes, unless the device knows better: so
 * a guest that counts on what free pages contain has to tell it.
 */
static int pvg_balloon_validate(struct virtio_device *vdev)
{
	if (!want_init_on_free() && !page_poisoning_enabled_static())
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_PAGE_POISON);
	else if (!virtio_has_feature(vdev, VIRTIO_BALLOON_F_PAGE_POISON))
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
	/* A crash kernel has no free memory to lend to hints and reporting. */
	if (is_kdump_kernel()) {
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_FREE_PAGE_HINT);
		__virtio_clear_bit(vdev, VIRTIO_BALLOON_F_REPORTING);
	}
	/* Pages are named by their physical address. */
	__virtio_clear_bit(vdev, VIRTIO_F_ACCESS_PLATFORM);
	return 0;
}

#ifndef PVG_HAVE_VIRTIO_SHUTDOWN
/* Not used where the bus resets the device itself, which serves as well. */
static void shutdown_device(struct device *dev)
{
	pvg_balloon_shutdown(dev_to_virtio(dev));
}
#endif

static const struct virtio_device_id id_table[] = {
	{ VIRTIO_ID_BALLOON, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

static const unsigned int features[] = {
	VIRTIO_BALLOON_F_MUST_TELL_HOST, VIRTIO_BALLOON_F_STATS_VQ,
	VIRTIO_BALLOON_F_DEFLATE_ON_OOM, VIRTIO_BALLOON_F_FREE_PAGE_HINT,
	VIRTIO_BALLOON_F_PAGE_POISON, VIRTIO_BALLOON_F_REPORTING,
};

static struct virtio_driver pvg_balloon_driver = {
	.driver.name		= KBUILD_MODNAME,
	.driver.owner		= THIS_MODULE,
	.id_table		= id_table,
	.feature_table		= features,
	.feature_table_size	= ARRAY_SIZE(features),
	.validate		= pvg_balloon_validate,
	.probe			= pvg_balloon_probe,
	.remove			= pvg_balloon_remove,
	.config_changed		= pvg_balloon_config_changed,
#ifdef PVG_HAVE_VIRTIO_SHUTDOWN
	.shutdown		= pvg_balloon_shutdown,
#endif
#ifdef CONFIG_PM_SLEEP
	.freeze			= pvg_balloon_freeze,
	.restore		= pvg_balloon_restore,
#endif
#ifdef PVG_HAVE_VIRTIO_RESET_HOOKS
	.reset_prepare		= pvg_balloon_freeze,
	.reset_done		= pvg_balloon_restore,
#endif
};

static int __init pvg_balloon_init(void)
{
	int err = register_virtio_driver(&pvg_balloon_driver);

#ifndef PVG_HAVE_VIRTIO_SHUTDOWN
	if (!err && !pvg_balloon_driver.driver.bus->shutdown)
		pvg_balloon_driver.driver.shutdown = shutdown_device;
#endif
	return err;
}

static void __exit pvg_balloon_exit(void)
{
	unregister_virtio_driver(&pvg_balloon_driver);
}

module_init(pvg_balloon_init);
module_exit(pvg_balloon_exit);

/* The steps of probe, so that a test can fail each in turn. */
ALLOW_ERROR_INJECTION(pvg_balloon_check_device, ERRNO);
ALLOW_ERROR_INJECTION(pvg_balloon_alloc, ERRNO);
ALLOW_ERROR_INJECTION(pvg_balloon_register_ring, ERRNO);
ALLOW_ERROR_INJECTION(pvg_balloon_bring_up, ERRNO);
ALLOW_ERROR_INJECTION(pvg_balloon_register_oom, ERRNO);
ALLOW_ERROR_INJECTION(pvg_balloon_register_reporting, ERRNO);
ALLOW_ERROR_INJECTION(pvg_balloon_add_sysfs, ERRNO);

MODULE_DESCRIPTION("pvguest virtio memory balloon driver");
MODULE_LICENSE("GPL");
MODULE_VERSION(PVG_VERSION);
MODULE_INFO(pvguest, PVG_VERSION);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvg_ctl: a driver for the virtio console device (virtio 1.2, section 5.3).
 *
 * Probe, resume and recovery share bring_up(); removal, surprise removal,
 * suspend and a failed probe share stop_device(). A failed probe leaves the
 * device reset, so that another driver can have it.
 */
#include <linux/delay.h>
#include <linux/error-injection.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "channel/channel.h"
#include "pvg_ctl.h"
#include "pvguest/version.h"

/* A device that breaks again within this time after a recovery stays broken. */
#define RECOVERY_PAUSE	(10 * HZ)
/* How long suspend waits for the host to take what was written. */
#define DRAIN_STEPS	50
#define DRAIN_STEP_MS	10

/* Virtqueues: of port 0, control, of port 1 and on (virtio 1.2, 5.3.2). */
#define VQ_MESSAGE_IN	2
#define VQ_MESSAGE_OUT	3

static void set_state(struct pvg_ctl *ctl, enum pvg_ctl_state next)
{
	bool legal = false;

	switch (next) {
	case PVG_CTL_NEW:
		break;
	case PVG_CTL_LIVE:
		legal = ctl->state == PVG_CTL_NEW ||
			ctl->state == PVG_CTL_STOPPED;
		break;
	case PVG_CTL_STOPPED:
		legal = ctl->state == PVG_CTL_LIVE;
		break;
	case PVG_CTL_FAILED:
		legal = ctl->state == PVG_CTL_LIVE ||
			ctl->state == PVG_CTL_STOPPED;
		break;
	case PVG_CTL_DEAD:
		legal = true;
		break;
	}
	WARN_ON_ONCE(!legal);
	WRITE_ONCE(ctl->state, next);
}

static unsigned int in_index(u32 id)
{
	return id ? 2 * id + 2 : 0;
}

/**
 * pvg_ctl_in_queue() - the receive queue of a port
 * @ctl: the device
 * @id: below max_ports
 */
struct pvg_ctl_queue *pvg_ctl_in_queue(struct pvg_ctl *ctl, u32 id)
{
	return &ctl->queues[in_index(id)];
}

/**
 * pvg_ctl_out_queue() - the transmit queue of a port
 * @ctl: the device
 * @id: below max_ports
 */
struct pvg_ctl_queue *pvg_ctl_out_queue(struct pvg_ctl *ctl, u32 id)
{
	return &ctl->queues[in_index(id) + 1];
}

static struct pvg_queue *ring_queue(struct pvg_ring *ring, unsigned int i)
{
	return &container_of(ring, struct pvg_ctl, ring)->queues[i].pvg;
}

/* The device says how many ports there can be; that is not yet trusted. */
static noinline int pvg_ctl_check_device(struct pvg_ctl *ctl)
{
	struct virtio_device *vdev = ctl->vdev;

	ctl->max_ports = 1;
	ctl->multiport = virtio_has_feature(vdev, VIRTIO_CONSOLE_F_MULTIPORT);
	ctl->emergency = virtio_has_feature(vdev, VIRTIO_CONSOLE_F_EMERG_WRITE);
	if (!vdev->config->get &&
	    (ctl->multiport || ctl->emergency ||
	     virtio_has_feature(vdev, VIRTIO_CONSOLE_F_SIZE))) {
		dev_err(&vdev->dev, "configuration space is not accessible\n");
		return -EINVAL;
	}
	if (ctl->multiport)
		virtio_cread(vdev, struct virtio_console_config, max_nr_ports,
			     &ctl->max_ports);
	if (!ctl->max_ports || ctl->max_ports > PVG_CTL_MAX_PORTS) {
		dev_err(&vdev->dev,
			"device has room for %u ports, allowed are 1 to %u\n",
			ctl->max_ports, PVG_CTL_MAX_PORTS);
		return -EINVAL;
	}
	return 0;
}

static bool is_message_queue(const struct pvg_ctl *ctl, unsigned int i)
{
	return ctl->multiport && (i == VQ_MESSAGE_IN || i == VQ_MESSAGE_OUT);
}

static void init_queue(struct pvg_ctl *ctl, unsigned int i)
{
	struct pvg_ctl_queue *cq = &ctl->queues[i];
	const char *way = i % 2 ? "out" : "in";
	const struct pvg_queue_ops *ops;
	unsigned int class;

	cq->ctl = ctl;
	INIT_LIST_HEAD(&cq->filled);
	for (class = 0; class < PVG_CTL_TX_CLASSES; class++)
		INIT_LIST_HEAD(&cq->spare[class]);
	if (is_message_queue(ctl, i)) {
		snprintf(cq->name, sizeof(cq->name), "control-%s", way);
		ops = i % 2 ? &pvg_ctl_message_out_ops :
			      &pvg_ctl_message_in_ops;
	} else {
		snprintf(cq->name, sizeof(cq->name), "%s.%u", way,
			 i < 2 ? 0 : i / 2 - 1);
		ops = i % 2 ? &pvg_ctl_out_ops : &pvg_ctl_in_ops;
	}
	pvg_queue_init(&cq->pvg, ops);
}

static noinline int pvg_ctl_alloc_queues(struct pvg_ctl *ctl)
{
	unsigned int i;

	ctl->nr_queues = ctl->multiport ? 2 * (ctl->max_ports + 1) : 2;
	ctl->queues = kvcalloc(ctl->nr_queues, sizeof(*ctl->queues),
			       GFP_KERNEL);
	ctl->ports = kcalloc(ctl->max_ports, sizeof(*ctl->ports), GFP_KERNEL);
	if (!ctl->queues || !ctl->ports)
		return -ENOMEM;
	for (i = 0; i < ctl->nr_queues; i++)
		init_queue(ctl, i);
	return 0;
}

static noinline int pvg_ctl_register_ring(struct pvg_ctl *ctl)
{
	int err;

	ctl->ring.vdev = ctl->vdev;
	ctl->ring.queue = ring_queue;
	ctl->ring.nr_queues = ctl->nr_queues;
	err = pvg_ring_register(&ctl->ring);
	ctl->ring_registered = !err;
	if (!err)
		pvg_ctl_debugfs_add(ctl);
	return err;
}

static int find_vqs(struct pvg_ctl *ctl, struct virtqueue **vqs)
{
	struct pvg_vq_info *info;
	unsigned int i;
	int err;

	info = kcalloc(ctl->nr_queues, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;
	for (i = 0; i < ctl->nr_queues; i++) {
		info[i].name = ctl->queues[i].name;
		info[i].callback = pvg_queue_callback;
	}
	err = pvg_find_vqs(ctl->vdev, ctl->nr_queues, vqs, info, NULL);
	kfree(info);
	return err;
}

/*
 * From a reset device with negotiated features to one that moves data. Under
 * @state_lock where anything else may look. On error stop_device() or
 * tear_down() is to follow.
 */
static noinline int pvg_ctl_bring_up(struct pvg_ctl *ctl)
{
	struct virtqueue **vqs;
	unsigned int i;
	int err;

	vqs = kcalloc(ctl->nr_queues, sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return -ENOMEM;
	err = find_vqs(ctl, vqs);
	if (err)
		goto free_vqs;
	ctl->have_vqs = true;

	for (i = 0; i < ctl->nr_queues; i++)
		pvg_queue_start(&ctl->ring, &ctl->queues[i].pvg, vqs[i]);
	virtio_device_ready(ctl->vdev);
	set_state(ctl, PVG_CTL_LIVE);

	for (i = 0; i < ctl->nr_queues; i += 2)
		if (!is_message_queue(ctl, i))
			pvg_ctl_rx_start(&ctl->queues[i]);
	if (ctl->multiport)
		err = pvg_ctl_message_start(ctl);

free_vqs:
	kfree(vqs);
	return err;
}

/* Without multiport there is one port, a console whose host is always there. */
static noinline int pvg_ctl_add_only_port(struct pvg_ctl *ctl)
{
	int err;

	if (ctl->multiport)
		return 0;
	mutex_lock(&ctl->state_lock);
	err = pvg_ctl_port_add(ctl, 0);
	if (!err) {
		pvg_ctl_port_set_connected(ctl->ports[0], true);
		err = pvg_ctl_console_init(ctl->ports[0]);
	}
	mutex_unlock(&ctl->state_lock);
	if (!err)
		schedule_work(&ctl->config_work);
	return err;
}

static void reclaim_queue(struct pvg_ctl *ctl, unsigned int i)
{
	void (*reclaim)(void *token);

	if (is_message_queue(ctl, i))
		reclaim = i % 2 ? pvg_ctl_message_reclaim_out :
				  pvg_ctl_message_reclaim_in;
	else
		reclaim = i % 2 ? pvg_ctl_tx_reclaim : pvg_ctl_rx_reclaim;
	pvg_queue_detach(&ctl->queues[i].pvg, reclaim);
}

/*
 * Stop using the device: no callback, timer or DMA afterwards. What was
 * received is still there to be read. Does nothing the second time.
 */
static void stop_device(struct pvg_ctl *ctl)
{
	unsigned int i;

	for (i = 0; ctl->queues && i < ctl->nr_queues; i++)
		pvg_queue_stop(&ctl->queues[i].pvg);
	if (pvg_device_is_present(ctl->vdev))
		virtio_reset_device(ctl->vdev);
	for (i = 0; ctl->queues && i < ctl->nr_queues; i++)
		reclaim_queue(ctl, i);
	if (ctl->multiport)
		pvg_ctl_message_stop(ctl);
	if (ctl->have_vqs)
		ctl->vdev->config->del_vqs(ctl->vdev);
	ctl->have_vqs = false;
}

static void remove_ports(struct pvg_ctl *ctl)
{
	u32 id;

	lockdep_assert_held(&ctl->state_lock);

	for (id = 0; ctl->ports && id < ctl->max_ports; id++)
		if (ctl->ports[id])
			pvg_ctl_port_remove(ctl->ports[id]);
}

/*
 * After a reset the host is asked anew about all ports: it adds those that are
 * there, and says which of them it is connected to.
 */
static int revive(struct pvg_ctl *ctl)
{
	int err;
	u32 id;

	lockdep_assert_held(&ctl->state_lock);

	for (id = 0; ctl->multiport && id < ctl->max_ports; id++)
		if (ctl->ports[id])
			WRITE_ONCE(ctl->ports[id]->unconfirmed, true);
	err = pvg_ctl_bring_up(ctl);
	if (err) {
		stop_device(ctl);
		remove_ports(ctl);
		set_state(ctl, PVG_CTL_FAILED);
		return err;
	}
	for (id = 0; id < ctl->max_ports; id++)
		if (ctl->ports[id])
			pvg_ctl_port_writable(ctl->ports[id]);
	if (ctl->multiport)
		schedule_delayed_work(&ctl->confirm_work, 2 * HZ);
	else
		schedule_work(&ctl->config_work);
	return 0;
}

static bool is_broken(struct pvg_ctl *ctl)
{
	unsigned int i;

	for (i = 0; ctl->have_vqs && i < ctl->nr_queues; i++)
		if (virtqueue_is_broken(ctl->queues[i].pvg.vq))
			return true;
	return false;
}

static bool needs_reset(struct pvg_ctl *ctl)
{
	return READ_ONCE(ctl->reset_wanted) || is_broken(ctl) ||
	       (ctl->vdev->config->get_status(ctl->vdev) &
		VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* Is a reset due, and has it not just been tried? */
static bool may_recover(struct pvg_ctl *ctl)
{
	bool again;

	lockdep_assert_held(&ctl->state_lock);

	if (ctl->state != PVG_CTL_LIVE || pvg_system_ends() ||
	    !pvg_device_is_present(ctl->vdev) || !needs_reset(ctl))
		return false;
	if (ctl->reset_wanted)
		return true;
	again = ctl->recovered &&
		time_before(jiffies, ctl->recovered + RECOVERY_PAUSE);
	ctl->recovered = jiffies ?: 1;
	if (!again) {
		dev_warn(&ctl->vdev->dev,
			 "the device broke the protocol: reset, what was on its way is lost\n");
		return true;
	}
	dev_err(&ctl->vdev->dev,
		"the device broke the protocol again: giving it up\n");
	stop_device(ctl);
	remove_ports(ctl);
	set_state(ctl, PVG_CTL_FAILED);
	return false;
}

static void cancel_works(struct pvg_ctl *ctl)
{
	cancel_work_sync(&ctl->config_work);
	cancel_work_sync(&ctl->inbox_work);
	cancel_delayed_work_sync(&ctl->confirm_work);
}

static bool is_drained(struct pvg_ctl *ctl)
{
	unsigned int i;

	for (i = 1; i < ctl->nr_queues; i += 2)
		if (READ_ONCE(ctl->queues[i].pvg.inflight) &&
		    !pvg_ctl_tx_idle(&ctl->queues[i]))
			return false;
	return true;
}

static int pvg_ctl_freeze(struct virtio_device *vdev)
{
	struct pvg_ctl *ctl = vdev->priv;
	unsigned int i;

	/* A host that does not read loses what it has not read. */
	for (i = 0; i < DRAIN_STEPS && !is_broken(ctl) && !is_drained(ctl); i++)
		msleep(DRAIN_STEP_MS);

	mutex_lock(&ctl->state_lock);
	if (ctl->state == PVG_CTL_LIVE) {
		stop_device(ctl);
		set_state(ctl, PVG_CTL_STOPPED);
	}
	mutex_unlock(&ctl->state_lock);
	cancel_works(ctl);
	return 0;
}

static int pvg_ctl_restore(struct virtio_device *vdev)
{
	struct pvg_ctl *ctl = vdev->priv;
	int err = -EIO;

	mutex_lock(&ctl->state_lock);
	if (ctl->state == PVG_CTL_STOPPED)
		err = revive(ctl);
	mutex_unlock(&ctl->state_lock);
	return err;
}

/*
 * A queue was found broken, the device asked for it, or debugfs did. Reset is
 * suspend and resume. On a freezable workqueue, so that it never meets the real
 * ones.
 */
static void fail_work(struct work_struct *work)
{
	struct pvg_ctl *ctl = container_of(work, struct pvg_ctl, fail_work);
	bool may;

	mutex_lock(&ctl->state_lock);
	may = may_recover(ctl);
	ctl->reset_wanted = false;
	mutex_unlock(&ctl->state_lock);
	if (!may)
		return;
	pvg_ctl_freeze(ctl->vdev);
	if (pvg_device_renegotiate(ctl->vdev) || pvg_ctl_restore(ctl->vdev))
		dev_err(&ctl->vdev->dev, "it did not come back\n");
}

/**
 * pvg_ctl_reset() - reset the device and bring it up again, soon
 * @ctl: the device
 *
 * Does so only if there is a reason, of which reset_wanted is one.
 *
 * Context: any.
 */
void pvg_ctl_reset(struct pvg_ctl *ctl)
{
	queue_work(system_freezable_wq, &ctl->fail_work);
}

/**
 * pvg_ctl_broken() - &pvg_queue_ops.broken of all queues
 * @q: the queue
 */
void pvg_ctl_broken(struct pvg_queue *q)
{
	pvg_ctl_reset(container_of(q, struct pvg_ctl_queue, pvg)->ctl);
}

/* The size of the console, where there is only one (virtio 1.2, 5.3.4). */
static void config_work(struct work_struct *work)
{
	struct pvg_ctl *ctl = container_of(work, struct pvg_ctl, config_work);
	u16 rows, cols;

	if (!virtio_has_feature(ctl->vdev, VIRTIO_CONSOLE_F_SIZE))
		return;
	mutex_lock(&ctl->state_lock);
	if (ctl->state == PVG_CTL_LIVE && ctl->ports[0]) {
		virtio_cread(ctl->vdev, struct virtio_console_config, cols,
			     &cols);
		virtio_cread(ctl->vdev, struct virtio_console_config, rows,
			     &rows);
		pvg_ctl_console_resize(ctl->ports[0], rows, cols);
	}
	mutex_unlock(&ctl->state_lock);
}

/* The virtio core calls this only between probe and remove. */
static void pvg_ctl_config_changed(struct virtio_device *vdev)
{
	struct pvg_ctl *ctl = vdev->priv;

	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		pvg_ctl_reset(ctl);
	/* Otherwise each console has its own size, told by a message. */
	if (!ctl->multiport)
		schedule_work(&ctl->config_work);
}

static void free_queue_bufs(struct pvg_ctl_queue *cq)
{
	unsigned int class;

	pvg_ctl_buf_free_list(&cq->filled);
	for (class = 0; class < PVG_CTL_TX_CLASSES; class++)
		pvg_ctl_buf_free_list(&cq->spare[class]);
}

static void ctl_free(struct kref *ref)
{
	struct pvg_ctl *ctl = container_of(ref, struct pvg_ctl, ref);
	unsigned int i;

	for (i = 0; ctl->queues && i < ctl->nr_queues; i++)
		free_queue_bufs(&ctl->queues[i]);
	kvfree(ctl->queues);
	kfree(ctl->ports);
	kfree(ctl);
}

/**
 * pvg_ctl_put() - drop a reference to a device
 * @ctl: the device
 */
void pvg_ctl_put(struct pvg_ctl *ctl)
{
	kref_put(&ctl->ref, ctl_free);
}

/*
 * Mark dead, drain, free. The device may be half built, or gone. Files may
 * still be open: they have references to their port, and it has one to us.
 */
static void tear_down(struct pvg_ctl *ctl)
{
	mutex_lock(&ctl->state_lock);
	set_state(ctl, PVG_CTL_DEAD);
	remove_ports(ctl);
	mutex_unlock(&ctl->state_lock);
	/* If it is at it: it cannot bring back what is dead. */
	cancel_work_sync(&ctl->fail_work);

	stop_device(ctl);
	cancel_works(ctl);
	/* A submitter may be behind the completion of its last buffer. */
	synchronize_rcu();
	if (ctl->ring_registered)
		pvg_ring_unregister(&ctl->ring);
	/* Nobody is left who could ask for it, not even debugfs. */
	cancel_work_sync(&ctl->fail_work);
	ctl->vdev->priv = NULL;
	pvg_ctl_put(ctl);
}

static struct pvg_ctl *ctl_alloc(struct virtio_device *vdev)
{
	struct pvg_ctl *ctl = kzalloc(sizeof(*ctl), GFP_KERNEL);

	if (!ctl)
		return NULL;
	ctl->vdev = vdev;
	vdev->priv = ctl;
	kref_init(&ctl->ref);
	mutex_init(&ctl->state_lock);
	INIT_WORK(&ctl->config_work, config_work);
	INIT_WORK(&ctl->fail_work, fail_work);
	pvg_ctl_message_init(ctl);
	return ctl;
}

static int pvg_ctl_probe(struct virtio_device *vdev)
{
	static int (*const steps[])(struct pvg_ctl *ctl) = {
		pvg_ctl_check_device,
		pvg_ctl_alloc_queues,
		pvg_ctl_register_ring,
		pvg_ctl_bring_up,
		pvg_ctl_add_only_port,
	};
	struct pvg_ctl *ctl = ctl_alloc(vdev);
	unsigned int i;
	int err;

	if (!ctl)
		return -ENOMEM;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		err = steps[i](ctl);
		if (!err)
			continue;
		dev_err(&vdev->dev, "probe failed: %ps: %pe\n", steps[i],
			ERR_PTR(err));
		tear_down(ctl);
		return err;
	}
	dev_info(&vdev->dev, "room for %u port%s%s\n", ctl->max_ports,
		 ctl->max_ports == 1 ? "" : "s",
		 ctl->emergency ? ", emergency write" : "");
	return 0;
}

static void pvg_ctl_remove(struct virtio_device *vdev)
{
	tear_down(vdev->priv);
}

static const struct virtio_device_id id_table[] = {
	{ VIRTIO_ID_CONSOLE, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, id_table);

/* Ring features are the transport's to negotiate. */
static const unsigned int features[] = {
	VIRTIO_CONSOLE_F_SIZE, VIRTIO_CONSOLE_F_MULTIPORT,
	VIRTIO_CONSOLE_F_EMERG_WRITE,
};

static struct virtio_driver pvg_ctl_driver = {
	.driver.name		= KBUILD_MODNAME,
	.driver.owner		= THIS_MODULE,
	.id_table		= id_table,
	.feature_table		= features,
	.feature_table_size	= ARRAY_SIZE(features),
	.probe			= pvg_ctl_probe,
	.remove			= pvg_ctl_remove,
	.config_changed		= pvg_ctl_config_changed,
#ifdef CONFIG_PM_SLEEP
	.freeze			= pvg_ctl_freeze,
	.restore		= pvg_ctl_restore,
#endif
#ifdef PVG_HAVE_VIRTIO_RESET_HOOKS
	.reset_prepare		= pvg_ctl_freeze,
	.reset_done		= pvg_ctl_restore,
#endif
};

static int __init pvg_ctl_init(void)
{
	int err;

	err = pvg_ctl_port_init();
	if (err)
		return err;
	err = pvg_channel_init();
	if (err)
		goto exit_port;
	err = register_virtio_driver(&pvg_ctl_driver);
	if (err)
		goto exit_channel;
	return 0;

exit_channel:
	pvg_channel_exit();
exit_port:
	pvg_ctl_port_exit();
	return err;
}

static void __exit pvg_ctl_exit(void)
{
	unregister_virtio_driver(&pvg_ctl_driver);
	pvg_channel_exit();
	pvg_ctl_port_exit();
}

module_init(pvg_ctl_init);
module_exit(pvg_ctl_exit);

/* The steps of probe, so that a test can fail each in turn. */
ALLOW_ERROR_INJECTION(pvg_ctl_check_device, ERRNO);
ALLOW_ERROR_INJECTION(pvg_ctl_alloc_queues, ERRNO);
ALLOW_ERROR_INJECTION(pvg_ctl_register_ring, ERRNO);
ALLOW_ERROR_INJECTION(pvg_ctl_bring_up, ERRNO);
ALLOW_ERROR_INJECTION(pvg_ctl_add_only_port, ERRNO);

MODULE_DESCRIPTION("pvguest virtio console and port driver");
MODULE_LICENSE("GPL");
MODULE_VERSION(PVG_VERSION);
MODULE_INFO(pvguest, PVG_VERSION);

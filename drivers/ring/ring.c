// SPDX-License-Identifier: GPL-2.0-only
/* The moderated queues of one device, and the module itself. */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/virtio.h>

#include "core.h"
#include "pvguest/version.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/**
 * pvg_moderation_check() - are these settings in range?
 * @vdev: the device, for the message
 * @mod: the settings
 *
 * Context: any. Return: 0, or -EINVAL after one rate-limited line that names
 * the range.
 */
int pvg_moderation_check(const struct virtio_device *vdev,
			 const struct pvg_moderation *mod)
{
	if (mod->frames < PVG_FRAMES_MIN || mod->frames > PVG_FRAMES_MAX) {
		dev_warn_ratelimited(&vdev->dev,
				     "moderation: frames %u out of range, allowed are %u to %u\n",
				     mod->frames, PVG_FRAMES_MIN,
				     PVG_FRAMES_MAX);
		return -EINVAL;
	}
	if (mod->usecs < PVG_USECS_MIN || mod->usecs > PVG_USECS_MAX) {
		dev_warn_ratelimited(&vdev->dev,
				     "moderation: usecs %u out of range, allowed are %u to %u\n",
				     mod->usecs, PVG_USECS_MIN, PVG_USECS_MAX);
		return -EINVAL;
	}
	return 0;
}
EXPORT_SYMBOL_GPL(pvg_moderation_check);

/**
 * pvg_ring_register() - make the moderation of a device visible and settable
 * @ring: vdev, queue and nr_queues are filled in; must outlive the
 *	registration
 *
 * Creates the sysfs directory moderation/ and the debugfs directory of the
 * device. Uses the driver data of the virtio device.
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
int pvg_ring_register(struct pvg_ring *ring)
{
	int err;

	mutex_init(&ring->lock);
	ring->mod = (struct pvg_moderation) {
		.policy = PVG_POLICY_ADAPTIVE,
		.frames = 16,
		.usecs = 100,
	};
	dev_set_drvdata(&ring->vdev->dev, ring);
	err = device_add_group(&ring->vdev->dev, &pvg_moderation_group);
	if (err) {
		dev_set_drvdata(&ring->vdev->dev, NULL);
		return err;
	}
	pvg_debugfs_add_ring(ring);
	return 0;
}
EXPORT_SYMBOL_GPL(pvg_ring_register);

/**
 * pvg_ring_unregister() - undo pvg_ring_register()
 * @ring: registered; its queues are stopped
 *
 * No attribute of the device is being read or written afterwards.
 * Context: may sleep.
 */
void pvg_ring_unregister(struct pvg_ring *ring)
{
	debugfs_remove(ring->debugfs);
	device_remove_group(&ring->vdev->dev, &pvg_moderation_group);
	dev_set_drvdata(&ring->vdev->dev, NULL);
	mutex_destroy(&ring->lock);
}
EXPORT_SYMBOL_GPL(pvg_ring_unregister);

static int __init pvg_ring_init(void)
{
	pvg_watch_init();
	pvg_debugfs_init();
	return 0;
}

static void __exit pvg_ring_exit(void)
{
	pvg_debugfs_exit();
	pvg_watch_exit();
}

module_init(pvg_ring_init);
module_exit(pvg_ring_exit);

MODULE_DESCRIPTION("pvguest interrupt and doorbell moderation for virtqueues");
MODULE_LICENSE("GPL");
MODULE_VERSION(PVG_VERSION);
MODULE_INFO(pvguest, PVG_VERSION);

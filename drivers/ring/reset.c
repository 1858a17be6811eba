// SPDX-License-Identifier: GPL-2.0-only
/*
 * Resetting a device and agreeing with it again on what it is used for (virtio
 * 1.2, section 3.1.1), which the virtio core does only for probe and suspend.
 */
#include <linux/export.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "core.h"

/* Steps 5 and 6: the features of before. */
static int agree(struct virtio_device *vdev)
{
	int err = vdev->config->finalize_features(vdev);

	if (err || !virtio_has_feature(vdev, VIRTIO_F_VERSION_1))
		return err;
	virtio_add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
	if (vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK)
		return 0;
	return -ENODEV;
}

/**
 * pvg_device_renegotiate() - reset a device and negotiate the features of before
 * @vdev: the device, without virtqueues
 *
 * Afterwards the driver finds its virtqueues and calls virtio_device_ready(), as
 * in probe. Unlike virtio_device_restore() this does not need CONFIG_PM_SLEEP and
 * calls nothing of the driver. The caller keeps suspend and removal away.
 *
 * Context: may sleep. Return: 0; -ENODEV if the device does not accept the
 * features any more; or what the transport returns. On error the device has
 * status FAILED.
 */
int pvg_device_renegotiate(struct virtio_device *vdev)
{
	int err;

	virtio_reset_device(vdev);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	virtio_add_status(vdev, VIRTIO_CONFIG_S_DRIVER);
	err = agree(vdev);
	if (err)
		virtio_add_status(vdev, VIRTIO_CONFIG_S_FAILED);
	return err;
}
EXPORT_SYMBOL_GPL(pvg_device_renegotiate);

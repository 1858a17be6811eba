// SPDX-License-Identifier: GPL-2.0-only
/* Must always compile: if it does not, the probes say nothing. */
#include <linux/blk-mq.h>
#include <linux/hrtimer.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

int probe(struct virtio_device *vdev);
int probe(struct virtio_device *vdev)
{
	return virtio_has_feature(vdev, 0);
}

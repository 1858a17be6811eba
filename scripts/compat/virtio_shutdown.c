// SPDX-License-Identifier: GPL-2.0-only
/* Has a virtio driver a shutdown of its own, which the bus calls? */
#include <linux/virtio.h>

void probe(struct virtio_driver *drv, void (*fn)(struct virtio_device *vdev));
void probe(struct virtio_driver *drv, void (*fn)(struct virtio_device *vdev))
{
	drv->shutdown = fn;
}

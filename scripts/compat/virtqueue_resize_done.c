// SPDX-License-Identifier: GPL-2.0-only
#include <linux/virtio.h>

int probe(struct virtqueue *vq, void (*recycle)(struct virtqueue *, void *));
int probe(struct virtqueue *vq, void (*recycle)(struct virtqueue *, void *))
{
	return virtqueue_resize(vq, 1, recycle, NULL) +
	       virtqueue_reset(vq, recycle, NULL);
}

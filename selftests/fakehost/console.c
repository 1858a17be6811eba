// SPDX-License-Identifier: GPL-2.0-only
/*
 * A console device with multiport (virtio 1.2, section 5.3) and one port, whose
 * host sends back what it gets. Control messages are made up from outside, and
 * may be of any length.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/virtio_ids.h>

#include "fakehost.h"

#define PIECE		4096	/* bytes sent back at a time */

enum { VQ_IN, VQ_OUT, VQ_CTRL_IN, VQ_CTRL_OUT, VQS };

/*
 * @len is what the device says it wrote; negative: the truth. False if the driver
 * has no buffer for it.
 */
static bool tell(struct fh_dev *dev, u32 id, u16 event, u16 value, s64 len,
		 const char *text)
{
	struct virtio_console_control head = {
		.id = cpu_to_virtio32(&dev->vdev, id),
		.event = cpu_to_virtio16(&dev->vdev, event),
		.value = cpu_to_virtio16(&dev->vdev, value),
	};
	struct fh_vq *q = &dev->vqs[VQ_CTRL_IN];
	struct fh_chain *c = &dev->other;
	u32 wrote;

	if (!q->vq || !fh_pop(q, c)) {
		q->drops++;
		return false;
	}
	wrote = fh_write(c, 0, &head, sizeof(head));
	wrote += fh_write(c, wrote, text, strlen(text));
	q->packets++;
	fh_push_spoiled(dev, q, c->head, len < 0 ? wrote : len);
	return true;
}

/* What the driver says of its port decides what it is told. */
static void answer(struct fh_dev *dev, const struct fh_chain *c)
{
	struct virtio_console_control head;
	char name[16];

	if (fh_read(c, 0, &head, sizeof(head)) != sizeof(head))
		return;
	snprintf(name, sizeof(name), "fake.%u", dev->index);
	switch (virtio16_to_cpu(&dev->vdev, head.event)) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		tell(dev, 0, VIRTIO_CONSOLE_PORT_ADD, 1, -1, "");
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		tell(dev, 0, VIRTIO_CONSOLE_PORT_NAME, 1, -1, name);
		tell(dev, 0, VIRTIO_CONSOLE_PORT_OPEN, 1, -1, "");
		break;
	}
}

static void send_back(struct fh_dev *dev, const struct fh_chain *out, u8 *piece)
{
	struct fh_vq *q = &dev->vqs[VQ_IN];
	struct fh_chain *c = &dev->other;
	u32 at = 0, n;

	while ((n = fh_read(out, at, piece, PIECE))) {
		at += n;
		if (!q->vq || !fh_pop(q, c)) {
			q->drops++;
			continue;
		}
		q->packets++;
		q->bytes += n;
		fh_push_spoiled(dev, q, c->head, fh_write(c, 0, piece, n));
	}
}

static void serve(struct fh_dev *dev, unsigned int i, u8 *piece)
{
	const struct fh_chain *c = &dev->chain;
	struct fh_vq *q = &dev->vqs[i];

	q->packets++;
	if (i == VQ_CTRL_OUT) {
		answer(dev, c);
		fh_push(q, c->head, 0);
	} else {
		send_back(dev, c, piece);
		fh_push_spoiled(dev, q, c->head, 0);
	}
}

static void process(struct fh_dev *dev)
{
	u8 *piece = kmalloc(PIECE, GFP_KERNEL);
	unsigned int i;

	for (i = VQ_OUT; piece && i < VQS; i += 2) {
		struct fh_vq *q = &dev->vqs[i];

		do {
			while (q->vq && fh_pop(q, &dev->chain))
				serve(dev, i, piece);
		} while (q->vq && fh_enable_kicks(q));
	}
	kfree(piece);
}

/*
 * "ID EVENT VALUE LEN COUNT [TEXT]": so many messages; for LEN see tell(). -EAGAIN if
 * the last was dropped.
 */
static int inject(struct fh_dev *dev, const char *line)
{
	unsigned int id, count;
	bool told = true;
	u16 event, value;
	s64 len;
	int at = 0;

	if (sscanf(line, "%u %hu %hu %lld %u %n", &id, &event, &value, &len,
		   &count, &at) < 5)
		return -EINVAL;
	mutex_lock(&dev->lock);
	while (count-- && dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		told = tell(dev, id, event, value, len, line + at);
	mutex_unlock(&dev->lock);
	return told ? 0 : -EAGAIN;
}

static int init(struct fh_dev *dev)
{
	dev->console.max_nr_ports = (__force __virtio32)cpu_to_le32(1);
	return 0;
}

static u64 features(void)
{
	return BIT_ULL(VIRTIO_CONSOLE_F_MULTIPORT);
}

const struct fh_kind fh_console = {
	.id = VIRTIO_ID_CONSOLE,
	.nr_vqs = VQS,
	.config_len = sizeof(struct virtio_console_config),
	.init = init,
	.features = features,
	.process = process,
	.inject = inject,
};

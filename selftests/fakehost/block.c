// SPDX-License-Identifier: GPL-2.0-only
/*
 * A block device (virtio 1.2, section 5.2) that keeps its data in memory, says of
 * itself what it is told to, and breaks rules where it is told to.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_ids.h>
#include <linux/vmalloc.h>

#include "fakehost.h"

#define DISK_SECTORS	32768u	/* 16 MiB */
#define DISK_BYTES	(DISK_SECTORS << SECTOR_SHIFT)

static ulong capacity = DISK_SECTORS;
module_param(capacity, ulong, 0444);
MODULE_PARM_DESC(capacity, "512-byte sectors that a block device claims to have");
static uint blk_size = 512;
module_param(blk_size, uint, 0444);
MODULE_PARM_DESC(blk_size, "its blk_size");
static uint seg_max = 32;
module_param(seg_max, uint, 0444);
MODULE_PARM_DESC(seg_max, "its seg_max");
static uint size_max = 65536;
module_param(size_max, uint, 0444);
MODULE_PARM_DESC(size_max, "its size_max");
static ushort num_queues = 1;
module_param(num_queues, ushort, 0444);
MODULE_PARM_DESC(num_queues, "its num_queues");
static ushort physical_block_exp;
module_param(physical_block_exp, ushort, 0444);
MODULE_PARM_DESC(physical_block_exp, "its physical_block_exp");

static uint opt_io_size;
module_param(opt_io_size, uint, 0444);
MODULE_PARM_DESC(opt_io_size, "its opt_io_size");
static ushort alignment_offset;
module_param(alignment_offset, ushort, 0444);
MODULE_PARM_DESC(alignment_offset, "its alignment_offset");

/* Only offered: a discard is answered with UNSUPP. */
static uint max_discard_sectors;
module_param(max_discard_sectors, uint, 0444);
MODULE_PARM_DESC(max_discard_sectors, "its max_discard_sectors; with 0 it has no DISCARD");
static uint discard_sector_alignment;
module_param(discard_sector_alignment, uint, 0444);
MODULE_PARM_DESC(discard_sector_alignment, "its discard_sector_alignment");

static u32 bytes_in(const struct fh_chain *c)
{
	unsigned int i;
	u32 sum = 0;

	for (i = c->out; i < c->n; i++)
		sum += c->seg[i].len;
	return sum;
}

static u8 serve(struct fh_dev *dev, const struct fh_chain *c, u32 room)
{
	struct virtio_blk_outhdr hdr;
	u64 at;

	if (fh_read(c, 0, &hdr, sizeof(hdr)) != sizeof(hdr))
		return VIRTIO_BLK_S_IOERR;
	at = virtio64_to_cpu(&dev->vdev, hdr.sector) << SECTOR_SHIFT;
	switch (virtio32_to_cpu(&dev->vdev, hdr.type)) {
	case VIRTIO_BLK_T_IN:
		if (at > DISK_BYTES || room > DISK_BYTES - at)
			return VIRTIO_BLK_S_IOERR;
		fh_write(c, 0, dev->disk + at, room);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_OUT:
		if (at > DISK_BYTES)
			return VIRTIO_BLK_S_IOERR;
		fh_read(c, sizeof(hdr), dev->disk + at, DISK_BYTES - at);
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_FLUSH:
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		fh_write(c, 0, "pvgfake", sizeof("pvgfake"));
		return VIRTIO_BLK_S_OK;
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static void answer(struct fh_dev *dev, struct fh_vq *q,
		   const struct fh_chain *c)
{
	u32 room = bytes_in(c);
	u8 status;

	if (!room)
		return;
	/* The status is the last byte that the driver gives. */
	status = serve(dev, c, --room);
	if (fh_take_bad(dev, FH_BAD_STATUS))
		status = 0x7f;
	if (fh_take_bad(dev, FH_BAD_UNSUPP))
		status = VIRTIO_BLK_S_UNSUPP;
	if (!fh_take_bad(dev, FH_BAD_NO_STATUS))
		fh_write(c, room, &status, sizeof(status));
	q->packets++;
	q->bytes += room;
	if (!fh_push_later(dev, q, c->head, room + 1))
		fh_push_spoiled(dev, q, c->head, room + 1);
}

static void process(struct fh_dev *dev)
{
	struct fh_vq *q = &dev->vqs[0];

	do {
		while (q->vq && fh_pop(q, &dev->chain))
			answer(dev, q, &dev->chain);
	} while (q->vq && fh_enable_kicks(q));
}

/* Little-endian, as this machine is. */
static int init(struct fh_dev *dev)
{
	dev->disk = vzalloc(DISK_BYTES);
	if (!dev->disk)
		return -ENOMEM;
	dev->blk.capacity = (__force __virtio64)capacity;
	dev->blk.blk_size = (__force __virtio32)blk_size;
	dev->blk.seg_max = (__force __virtio32)seg_max;
	dev->blk.size_max = (__force __virtio32)size_max;
	dev->blk.num_queues = (__force __virtio16)num_queues;
	dev->blk.physical_block_exp = physical_block_exp;
	dev->blk.opt_io_size = (__force __virtio32)opt_io_size;
	dev->blk.alignment_offset = alignment_offset;
	dev->blk.max_discard_sectors = (__force __virtio32)max_discard_sectors;
	dev->blk.max_discard_seg = (__force __virtio32)1;
	dev->blk.discard_sector_alignment = (__force __virtio32)discard_sector_alignment;
	return 0;
}

static u64 features(void)
{
	return BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_SIZE_MAX) |
	       BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | BIT_ULL(VIRTIO_BLK_F_FLUSH) |
	       BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_MQ) |
	       (max_discard_sectors ? BIT_ULL(VIRTIO_BLK_F_DISCARD) : 0);
}

const struct fh_kind fh_block = {
	.id = VIRTIO_ID_BLOCK,
	.nr_vqs = 1,
	.config_len = sizeof(struct virtio_blk_config),
	.init = init,
	.features = features,
	.process = process,
};

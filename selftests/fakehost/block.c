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
#include "pvguest/compat_blk.h"

#define DISK_SECTORS	32768u	/* 16 MiB */
#define T_ZONE_APPEND	15	/* VIRTIO_BLK_T_, which older kernels lack */
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
static uint vqs = 1;
module_param(vqs, uint, 0444);
MODULE_PARM_DESC(vqs, "queues that it really has, 1 to 5");
static ushort physical_block_exp;
module_param(physical_block_exp, ushort, 0444);
MODULE_PARM_DESC(physical_block_exp, "its physical_block_exp");

static uint opt_io_size;
module_param(opt_io_size, uint, 0444);
MODULE_PARM_DESC(opt_io_size, "its opt_io_size");
static ushort alignment_offset;
module_param(alignment_offset, ushort, 0444);
MODULE_PARM_DESC(alignment_offset, "its alignment_offset");

static uint max_discard_sectors;
module_param(max_discard_sectors, uint, 0444);
MODULE_PARM_DESC(max_discard_sectors, "its max_discard_sectors; with 0 it has no DISCARD");
static uint max_discard_seg = 1;
module_param(max_discard_seg, uint, 0444);
MODULE_PARM_DESC(max_discard_seg, "its max_discard_seg");
static uint discard_sector_alignment;
module_param(discard_sector_alignment, uint, 0444);
MODULE_PARM_DESC(discard_sector_alignment, "its discard_sector_alignment");
static uint max_write_zeroes_sectors;
module_param(max_write_zeroes_sectors, uint, 0444);
MODULE_PARM_DESC(max_write_zeroes_sectors, "its max_write_zeroes_sectors; with 0 it has no WRITE_ZEROES");
static bool secure_erase;
module_param(secure_erase, bool, 0444);
MODULE_PARM_DESC(secure_erase, "it has SECURE_ERASE");
static uint max_secure_erase_sectors = 2048;
module_param(max_secure_erase_sectors, uint, 0444);
MODULE_PARM_DESC(max_secure_erase_sectors, "its max_secure_erase_sectors");
static uint max_secure_erase_seg = 1;
module_param(max_secure_erase_seg, uint, 0444);
MODULE_PARM_DESC(max_secure_erase_seg, "its max_secure_erase_seg");
static uint secure_erase_sector_alignment = 1;
module_param(secure_erase_sector_alignment, uint, 0444);
MODULE_PARM_DESC(secure_erase_sector_alignment, "its secure_erase_sector_alignment");

/* What it answers to GET_LIFETIME, in the order of the specification. */
static ushort lifetime[3];
static int lifetime_values;
module_param_array(lifetime, ushort, &lifetime_values, 0444);
MODULE_PARM_DESC(lifetime, "pre_eol_info, device_lifetime_est_typ_a and _b; without them it has no LIFETIME");
static uint lifetime_bytes = sizeof(lifetime);
module_param(lifetime_bytes, uint, 0444);
MODULE_PARM_DESC(lifetime_bytes, "of these, how many bytes it answers");

/* Of what the driver gives to be read, without the header. */
static u32 bytes_out(const struct fh_chain *c)
{
	u32 sum = 0;
	unsigned int i;

	for (i = 0; i < c->out; i++)
		sum += c->seg[i].len;
	return sum - min_t(u32, sum, sizeof(struct virtio_blk_outhdr));
}

static u32 bytes_in(const struct fh_chain *c)
{
	unsigned int i;
	u32 sum = 0;

	for (i = c->out; i < c->n; i++)
		sum += c->seg[i].len;
	return sum;
}

/* What is read afterwards tells which of them it was. */
#define DISCARDED	0xdd
#define ERASED		0xee

/* No more than it has said, or it refuses all of it. */
static u8 serve_ranges(struct fh_dev *dev, const struct fh_chain *c, u8 fill,
		       u32 sectors, u32 segments)
{
	u32 at = sizeof(struct virtio_blk_outhdr), most = sectors ?: U32_MAX;
	struct virtio_blk_discard_write_zeroes range;
	u64 first, count;
	u32 n = 0;

	for (; fh_read(c, at, &range, sizeof(range)) == sizeof(range);
	     at += sizeof(range)) {
		first = le64_to_cpu(range.sector);
		count = le32_to_cpu(range.num_sectors);
		if (++n > max(segments, 1u) || !count || count > most ||
		    first > DISK_SECTORS || count > DISK_SECTORS - first ||
		    (first | count) % (blk_size >> SECTOR_SHIFT))
			return VIRTIO_BLK_S_IOERR;
		/* A write of zeroes may be asked to unmap. */
		if (fill && range.flags)
			return VIRTIO_BLK_S_UNSUPP;
		memset(dev->disk + (first << SECTOR_SHIFT), fill,
		       count << SECTOR_SHIFT);
	}
	dev->ranges += n;
	return n ? VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

/* Where the zones allow it; of an append, the answer is where it is. */
static u8 serve_write(struct fh_dev *dev, const struct fh_chain *c, u64 sector, bool append)
{
	u64 at;
	u8 status;

	if (fh_is_zoned()) {
		status = fh_zone_write(dev, &sector, bytes_out(c), append);
		if (status)
			return status;
	}
	at = sector << SECTOR_SHIFT;
	if (at > DISK_BYTES)
		return VIRTIO_BLK_S_IOERR;
	fh_read(c, sizeof(struct virtio_blk_outhdr), dev->disk + at, DISK_BYTES - at);
	if (append) {
		__virtio64 answer = cpu_to_virtio64(&dev->vdev, fh_zone_answer(sector));

		fh_write(c, 0, &answer, sizeof(answer));
	}
	return VIRTIO_BLK_S_OK;
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
		return serve_write(dev, c, at >> SECTOR_SHIFT, false);
	case T_ZONE_APPEND:
		if (!fh_is_zoned() || room != sizeof(u64))
			return VIRTIO_BLK_S_UNSUPP;
		return serve_write(dev, c, at >> SECTOR_SHIFT, true);
	case VIRTIO_BLK_T_FLUSH:
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_ID:
		fh_write(c, 0, "pvgfake", sizeof("pvgfake"));
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_GET_LIFETIME:
		fh_write(c, 0, lifetime,
			 min_t(u32, lifetime_bytes, sizeof(lifetime)));
		return VIRTIO_BLK_S_OK;
	case VIRTIO_BLK_T_DISCARD:
		return serve_ranges(dev, c, DISCARDED, max_discard_sectors,
				    max_discard_seg);
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return serve_ranges(dev, c, 0, max_write_zeroes_sectors, 1);
	case VIRTIO_BLK_T_SECURE_ERASE:
		return serve_ranges(dev, c, ERASED, max_secure_erase_sectors,
				    max_secure_erase_seg);
	default:
		return fh_zone_serve(dev, c, virtio32_to_cpu(&dev->vdev, hdr.type),
				     at >> SECTOR_SHIFT, room);
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

static void process_queue(struct fh_dev *dev, struct fh_vq *q)
{
	do {
		while (q->vq && fh_pop(q, &dev->chain))
			answer(dev, q, &dev->chain);
	} while (q->vq && fh_enable_kicks(q));
}

static void process(struct fh_dev *dev)
{
	unsigned int i;

	for (i = 0; i < dev->nr_vqs; i++)
		process_queue(dev, &dev->vqs[i]);
}

/* Little-endian, as this machine is. */
static int init(struct fh_dev *dev)
{
	dev->nr_vqs = clamp(vqs, 1u, (uint)FH_VQS);
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
	dev->blk.max_discard_seg = (__force __virtio32)max_discard_seg;
	dev->blk.discard_sector_alignment = (__force __virtio32)discard_sector_alignment;
	dev->blk.max_write_zeroes_sectors = (__force __virtio32)max_write_zeroes_sectors;
	dev->blk.max_write_zeroes_seg = (__force __virtio32)1;
	dev->blk.max_secure_erase_sectors = (__force __virtio32)max_secure_erase_sectors;
	dev->blk.max_secure_erase_seg = (__force __virtio32)max_secure_erase_seg;
	dev->blk.secure_erase_sector_alignment = (__force __virtio32)secure_erase_sector_alignment;
	if (fh_is_zoned())
		fh_zoned_init(dev);
	return 0;
}

static u64 features(void)
{
	return BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_SIZE_MAX) |
	       BIT_ULL(VIRTIO_BLK_F_BLK_SIZE) | BIT_ULL(VIRTIO_BLK_F_FLUSH) |
	       BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_MQ) |
	       (max_discard_sectors ? BIT_ULL(VIRTIO_BLK_F_DISCARD) : 0) |
	       (max_write_zeroes_sectors ? BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES) : 0) |
	       (secure_erase ? BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE) : 0) |
	       (fh_is_zoned() ? BIT_ULL(VIRTIO_BLK_F_ZONED) : 0) |
	       (lifetime_values ? BIT_ULL(VIRTIO_BLK_F_LIFETIME) : 0);
}

const struct fh_kind fh_block = {
	.id = VIRTIO_ID_BLOCK,
	.nr_vqs = 1,
	.config_len = 96,	/* with its zones */
	.init = init,
	.features = features,
	.process = process,
	.inject = fh_zone_inject,
};

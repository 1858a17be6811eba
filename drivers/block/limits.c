// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device says it can do (virtio 1.2, section 5.2.4), read once and
 * checked. A hint that makes no sense is ignored, with a line that says which. What
 * requests depend on fails the probe.
 */
#include <linux/log2.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "pvg_blk.h"

/* Logical block size, bytes: what the block layer takes, or a page. */
#ifdef BLK_MAX_BLOCK_SIZE
#define PVG_BLK_MAX_BLOCK	((u32)BLK_MAX_BLOCK_SIZE)
#else
#define PVG_BLK_MAX_BLOCK	((u32)PAGE_SIZE)
#endif
#define PVG_BLK_MAX_PHYS_EXP	16	/* physical block: this many doublings */
#define PVG_BLK_MAX_RANGES	256	/* discard ranges per request */

#define read_feature(vdev, feature, field, ptr)				\
	virtio_cread_feature(vdev, feature, struct virtio_blk_config,	\
			     field, ptr)

static int read_segments(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	size_t dma_max = virtio_max_dma_size(vdev);
	struct pvg_blk_limits *l = &blk->limits;
	u32 seg_max, size_max;

	if (read_feature(vdev, VIRTIO_BLK_F_SEG_MAX, seg_max, &seg_max))
		seg_max = 1;
	if (!seg_max) {
		dev_warn(&vdev->dev, "seg_max is 0, taken as 1\n");
		seg_max = 1;
	}
	/* Header and status need a descriptor each; USHRT_MAX is blk-mq's. */
	l->max_segments = min_t(u32, seg_max, USHRT_MAX - 2);

	if (read_feature(vdev, VIRTIO_BLK_F_SIZE_MAX, size_max, &size_max))
		size_max = U32_MAX;
	/* qemu-storage-daemon's vhost-user devices offer it, and leave it 0. */
	if (!size_max)
		size_max = PAGE_SIZE;
	if (size_max < PAGE_SIZE) {
		dev_err(&vdev->dev, "size_max is %u, at least %lu is needed\n",
			size_max, PAGE_SIZE);
		return -EINVAL;
	}
	l->max_segment_size = min_t(size_t, dma_max, size_max);
	return 0;
}

static int read_block_size(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	u32 size;

	if (read_feature(vdev, VIRTIO_BLK_F_BLK_SIZE, blk_size, &size))
		size = SECTOR_SIZE;
	if (size < SECTOR_SIZE || size > PVG_BLK_MAX_BLOCK ||
	    !is_power_of_2(size)) {
		dev_err(&vdev->dev,
			"blk_size is %u, allowed are powers of two from %u to %u\n",
			size, SECTOR_SIZE, PVG_BLK_MAX_BLOCK);
		return -EINVAL;
	}
	blk->limits.logical_block_size = size;
	blk->limits.physical_block_size = size;
	return 0;
}

/* Hints only, on how requests are best laid out. */
static void read_topology(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 block = l->logical_block_size, opt_io_size;
	u32 most = min(PVG_BLK_MAX_PHYS_EXP, 31 - ilog2(block));
	u8 exp, alignment;
	u16 min_io_size;

	if (read_feature(vdev, VIRTIO_BLK_F_TOPOLOGY, physical_block_exp, &exp))
		return;
	read_feature(vdev, VIRTIO_BLK_F_TOPOLOGY, alignment_offset, &alignment);
	read_feature(vdev, VIRTIO_BLK_F_TOPOLOGY, min_io_size, &min_io_size);
	read_feature(vdev, VIRTIO_BLK_F_TOPOLOGY, opt_io_size, &opt_io_size);

	if (exp > most) {
		dev_warn(&vdev->dev, "physical_block_exp is %u, at most %u: ignored\n",
			 exp, most);
		exp = 0;
	}
	l->physical_block_size = block << exp;
	if (alignment >= 1u << exp) {
		dev_warn(&vdev->dev,
			 "alignment_offset is %u blocks, not within a physical block of %u bytes: ignored\n",
			 alignment, l->physical_block_size);
		alignment = 0;
	}
	l->alignment_offset = block * alignment;
	if (opt_io_size > U32_MAX / block) {
		dev_warn(&vdev->dev, "opt_io_size of %u blocks is too large: ignored\n",
			 opt_io_size);
		opt_io_size = 0;
	}
	l->io_min = block * min_io_size;
	l->io_opt = block * opt_io_size;
}

static void read_discard(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 sectors, segments, alignment;

	if (!read_feature(vdev, VIRTIO_BLK_F_WRITE_ZEROES,
			  max_write_zeroes_sectors, &sectors))
		l->max_write_zeroes_sectors = sectors ?: UINT_MAX;

	if (read_feature(vdev, VIRTIO_BLK_F_DISCARD, max_discard_sectors,
			 &sectors))
		return;
	read_feature(vdev, VIRTIO_BLK_F_DISCARD, max_discard_seg, &segments);
	read_feature(vdev, VIRTIO_BLK_F_DISCARD, discard_sector_alignment,
		     &alignment);

	if (alignment > U32_MAX >> SECTOR_SHIFT) {
		dev_warn(&vdev->dev, "discard_sector_alignment %u is too large: ignored\n",
			 alignment);
		alignment = 0;
	}
	/* 0 is "no limit" for sectors, and unsaid for the other two. */
	l->max_discard_sectors = sectors ?: UINT_MAX;
	l->max_discard_segments = clamp_t(u32, segments, 1, PVG_BLK_MAX_RANGES);
	l->discard_granularity = max(alignment << SECTOR_SHIFT,
				     l->logical_block_size);
}

/**
 * pvg_blk_read_write_cache() - do writes need a flush to be stable?
 * @vdev: the device
 *
 * With CONFIG_WCE the device tells its mode; otherwise offering FLUSH means
 * that there is a cache (virtio 1.2, section 5.2.5.2).
 */
bool pvg_blk_read_write_cache(struct virtio_device *vdev)
{
	u8 wce;

	if (!read_feature(vdev, VIRTIO_BLK_F_CONFIG_WCE, wce, &wce))
		return wce;
	return virtio_has_feature(vdev, VIRTIO_BLK_F_FLUSH);
}

/**
 * pvg_blk_read_nr_queues() - request virtqueues the device has
 * @vdev: the device
 *
 * Return: 1 to 65535, or -EINVAL after saying why.
 */
int pvg_blk_read_nr_queues(struct virtio_device *vdev)
{
	u16 n;

	if (read_feature(vdev, VIRTIO_BLK_F_MQ, num_queues, &n))
		return 1;
	if (!n) {
		dev_err(&vdev->dev, "num_queues is 0, at least 1 is needed\n");
		return -EINVAL;
	}
	return n;
}

/**
 * pvg_blk_read_capacity() - size of the device
 * @blk: the device; its limits are read
 *
 * Return: 512-byte sectors, whole logical blocks.
 */
u64 pvg_blk_read_capacity(struct pvg_blk *blk)
{
	u64 block = blk->limits.logical_block_size >> SECTOR_SHIFT;
	u64 sectors;

	virtio_cread(blk->vdev, struct virtio_blk_config, capacity, &sectors);
	/* The block layer counts bytes in a signed 64-bit offset. */
	sectors = min_t(u64, sectors, LLONG_MAX >> SECTOR_SHIFT);
	return round_down(sectors, block);
}

/**
 * pvg_blk_read_limits() - read and check what the device says of itself
 * @blk: its limits and geometry are filled in
 *
 * Context: may sleep. Return: 0, or -EINVAL after one line that says why.
 */
int pvg_blk_read_limits(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	int err;

	err = read_segments(blk) ?: read_block_size(blk);
	if (err)
		return err;
	read_topology(blk);
	read_discard(blk);
	blk->limits.write_cache = pvg_blk_read_write_cache(vdev);
	read_feature(vdev, VIRTIO_BLK_F_GEOMETRY, geometry.cylinders,
		     &blk->cylinders);
	read_feature(vdev, VIRTIO_BLK_F_GEOMETRY, geometry.heads, &blk->heads);
	read_feature(vdev, VIRTIO_BLK_F_GEOMETRY, geometry.sectors,
		     &blk->sectors);
	return 0;
}

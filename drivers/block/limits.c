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

/*
 * Sectors that a range may have, as the device says it in @name: whole blocks, or the
 * block layer would split within one. Return: 0, after a line, where there are none.
 */
static u32 range_sectors(struct pvg_blk *blk, const char *name, u32 sectors)
{
	u32 block = blk->limits.logical_block_size;
	u32 whole = round_down(sectors, block >> SECTOR_SHIFT);

	/* No limit. */
	if (!sectors)
		return UINT_MAX;
	if (!whole)
		dev_warn(&blk->vdev->dev,
			 "%s is %u, a block of %u bytes has more: no such request is made\n",
			 name, sectors, block);
	return whole;
}

/* What ranges of up to @most sectors are best aligned to, in bytes. */
static u32 range_alignment(struct pvg_blk *blk, const char *name, u32 sectors,
			   u32 most)
{
	u32 block = blk->limits.logical_block_size;
	u32 bytes = sectors << SECTOR_SHIFT;

	if (sectors > min(most, U32_MAX >> SECTOR_SHIFT)) {
		dev_warn(&blk->vdev->dev, "%s %u is too large: ignored\n",
			 name, sectors);
		return block;
	}
	/* Unsaid, or within a block. */
	if (!bytes || !(block % bytes))
		return block;
	if (bytes % block) {
		dev_warn(&blk->vdev->dev,
			 "%s %u is not whole blocks of %u bytes: ignored\n",
			 name, sectors, block);
		return block;
	}
	return bytes;
}

static void read_write_zeroes(struct pvg_blk *blk)
{
	u32 sectors;

	if (read_feature(blk->vdev, VIRTIO_BLK_F_WRITE_ZEROES,
			 max_write_zeroes_sectors, &sectors))
		return;
	blk->limits.max_write_zeroes_sectors =
		range_sectors(blk, "max_write_zeroes_sectors", sectors);
}

static void read_discard(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 sectors, segments, alignment;

	if (read_feature(vdev, VIRTIO_BLK_F_DISCARD, max_discard_sectors,
			 &sectors))
		return;
	read_feature(vdev, VIRTIO_BLK_F_DISCARD, max_discard_seg, &segments);
	read_feature(vdev, VIRTIO_BLK_F_DISCARD, discard_sector_alignment,
		     &alignment);

	l->max_discard_sectors = range_sectors(blk, "max_discard_sectors", sectors);
	if (!l->max_discard_sectors)
		return;
	/* 0 is unsaid. */
	l->max_discard_segments = clamp_t(u32, segments, 1, PVG_BLK_MAX_RANGES);
	l->discard_granularity = range_alignment(blk, "discard_sector_alignment",
						 alignment, l->max_discard_sectors);
}

/*
 * After read_discard(). The block layer splits a secure erase by its own limit, and then
 * splits or merges what follows each other by that of discards. Where there are both, the
 * smaller one is that of both. A request has one range, so max_secure_erase_seg does not
 * matter; and the alignment is that of the splits.
 */
static void read_secure_erase(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 sectors, alignment;

	if (read_feature(vdev, VIRTIO_BLK_F_SECURE_ERASE,
			 max_secure_erase_sectors, &sectors))
		return;
	read_feature(vdev, VIRTIO_BLK_F_SECURE_ERASE,
		     secure_erase_sector_alignment, &alignment);

	sectors = range_sectors(blk, "max_secure_erase_sectors", sectors);
	if (!sectors)
		return;
	alignment = range_alignment(blk, "secure_erase_sector_alignment",
				    alignment, sectors) >> SECTOR_SHIFT;
	/* The block layer takes no more; nor may it then split within the alignment. */
	sectors = rounddown(min(sectors, U32_MAX >> SECTOR_SHIFT), alignment);
	if (l->max_discard_sectors) {
		l->max_discard_sectors = min(l->max_discard_sectors, sectors);
		sectors = l->max_discard_sectors;
		/* With a coarser one the block layer would not split at all. */
		if (l->discard_granularity >> SECTOR_SHIFT > sectors)
			l->discard_granularity = l->logical_block_size;
	}
	l->max_secure_erase_sectors = sectors;
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
	read_write_zeroes(blk);
	read_discard(blk);
	read_secure_erase(blk);
	err = pvg_blk_read_zoned(blk);
	if (err)
		return err;
	blk->limits.write_cache = pvg_blk_read_write_cache(vdev);
	read_feature(vdev, VIRTIO_BLK_F_GEOMETRY, geometry.cylinders,
		     &blk->cylinders);
	read_feature(vdev, VIRTIO_BLK_F_GEOMETRY, geometry.heads, &blk->heads);
	read_feature(vdev, VIRTIO_BLK_F_GEOMETRY, geometry.sectors,
		     &blk->sectors);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Host-managed zoned disks (virtio 1.3, section 5.2.6, ZONED): what the device says of
 * its zones, zone management and append, and zone reports.
 *
 * A kernel whose block layer has no zones, or zones in an older form, cannot drive a
 * host-managed disk, and the driver refuses it. A host-aware disk takes any write, so
 * the driver takes it as one without zones, as the specification allows.
 */
#include <linux/blkdev.h>
#include <linux/log2.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_blk.h"

/* Of struct virtio_blk_config, whose last part the uapi of older kernels lacks. */
#define AT_ZONED	72
#define AT(field)	(AT_ZONED + offsetof(struct pvg_blk_zoned, field))
#define Z_HM		1
#define ZONES_MAX	16777216u

/**
 * struct pvg_blk_zoned - zones in the configuration (virtio 1.3, 5.2.4)
 * @zone_sectors: of each zone but the last, which may have less
 * @max_open_zones: 0: no limit
 * @max_active_zones: 0: no limit
 * @max_append_sectors: of one append; 0: the device has none
 * @write_granularity: bytes, of each write to a sequential zone
 * @model: VIRTIO_BLK_Z_
 */
struct pvg_blk_zoned {
	__virtio32 zone_sectors;
	__virtio32 max_open_zones;
	__virtio32 max_active_zones;
	__virtio32 max_append_sectors;
	__virtio32 write_granularity;
	u8 model;
	u8 unused[3];
};

static_assert(sizeof(struct pvg_blk_zoned) == 24);

static bool is_host_managed(struct virtio_device *vdev)
{
	return virtio_has_feature(vdev, VIRTIO_BLK_F_ZONED) &&
	       virtio_cread8(vdev, AT(model)) == Z_HM;
}

/**
 * pvg_blk_validate() - what the model of zones says about the other features
 * @vdev: the device, before FEATURES_OK
 *
 * Return: 0, or -EOPNOTSUPP after a line; then the virtio core sets FAILED, as virtio
 * 1.3, 5.2.5.1 wants for a host-managed device that the driver cannot drive.
 */
int pvg_blk_validate(struct virtio_device *vdev)
{
	/* Probe says so. */
	if (!vdev->config->get)
		return 0;
	if (!is_host_managed(vdev)) {
		__virtio_clear_bit(vdev, VIRTIO_BLK_F_ZONED);
		return 0;
	}
#ifdef PVG_HAVE_ZONED
	/* Of a host-managed device a driver may not want it. */
	__virtio_clear_bit(vdev, VIRTIO_BLK_F_DISCARD);
	return 0;
#else
	dev_err(&vdev->dev, "the disk is host-managed zoned, which needs Linux 6.12 or later with CONFIG_BLK_DEV_ZONED\n");
	return -EOPNOTSUPP;
#endif
}

#ifdef PVG_HAVE_ZONED

static int check_zones(struct pvg_blk *blk)
{
	struct device *dev = &blk->vdev->dev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 block = l->logical_block_size;

	if (!is_power_of_2(l->zone_sectors) || l->zone_sectors < block >> SECTOR_SHIFT) {
		dev_err(dev, "zone_sectors is %u, allowed are powers of two of at least a block of %u bytes\n",
			l->zone_sectors, block);
		return -EINVAL;
	}
	if (l->max_active_zones && l->max_open_zones > l->max_active_zones) {
		dev_err(dev, "max_open_zones is %u, at most max_active_zones, %u, is allowed\n",
			l->max_open_zones, l->max_active_zones);
		return -EINVAL;
	}
	return 0;
}

static int check_writes(struct pvg_blk *blk, u32 granularity, u32 append)
{
	struct device *dev = &blk->vdev->dev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 block = l->logical_block_size;

	if (!is_power_of_2(granularity) || granularity < block ||
	    granularity >> SECTOR_SHIFT > l->zone_sectors) {
		dev_err(dev, "write_granularity is %u, allowed are powers of two from a block of %u bytes to a zone\n",
			granularity, block);
		return -EINVAL;
	}
	if (append && append < granularity >> SECTOR_SHIFT) {
		dev_err(dev, "max_append_sectors is %u, at least a write of %u bytes is needed\n",
			append, granularity);
		return -EINVAL;
	}
	return 0;
}

/**
 * pvg_blk_read_zoned() - read and check what the device says of its zones
 * @blk: its other limits are read, its zones are filled in
 *
 * Context: may sleep. Return: 0, or -EINVAL after one line that says why.
 */
int pvg_blk_read_zoned(struct pvg_blk *blk)
{
	struct virtio_device *vdev = blk->vdev;
	struct pvg_blk_limits *l = &blk->limits;
	u32 granularity, append;
	int err;

	if (!virtio_has_feature(vdev, VIRTIO_BLK_F_ZONED))
		return 0;
	l->zone_sectors = virtio_cread32(vdev, AT(zone_sectors));
	l->max_open_zones = virtio_cread32(vdev, AT(max_open_zones));
	l->max_active_zones = virtio_cread32(vdev, AT(max_active_zones));
	granularity = virtio_cread32(vdev, AT(write_granularity));
	append = virtio_cread32(vdev, AT(max_append_sectors));

	err = check_zones(blk) ?: check_writes(blk, granularity, append);
	if (err)
		return err;
	l->physical_block_size = granularity;
	l->io_min = granularity;
	l->alignment_offset = 0;
	/* 0: the block layer makes writes of appends. */
	l->max_append_sectors = round_down(min(append, l->zone_sectors),
					   granularity >> SECTOR_SHIFT);
	return 0;
}

/**
 * pvg_blk_revalidate() - have the block layer look at the zones
 * @blk: the device, whose disk has its capacity and was not added; nothing happens
 *	without zones
 *
 * Context: may sleep. Return: 0 or a negative errno, after a line.
 */
int pvg_blk_revalidate(struct pvg_blk *blk)
{
	u64 zones;
	int err;

	if (!blk->limits.zone_sectors)
		return 0;
	/* The block layer counts them in 32 bits, and has memory for each. */
	zones = DIV_ROUND_UP_ULL(get_capacity(blk->disk), blk->limits.zone_sectors);
	if (zones > ZONES_MAX) {
		dev_err(&blk->vdev->dev, "the disk has %llu zones of %u sectors, at most %u are allowed\n",
			zones, blk->limits.zone_sectors, ZONES_MAX);
		return -EINVAL;
	}
	err = blk_revalidate_disk_zones(blk->disk);
	if (err)
		dev_err(&blk->vdev->dev, "the zones that the device reports cannot be used: %pe\n",
			ERR_PTR(err));
	return err;
}

/**
 * pvg_blk_zone_header() - what a request to a zone is for the device
 * @rq: the request
 * @sector: where it says that it is
 *
 * Return: VIRTIO_BLK_T_, or 0 where it is no such request.
 */
u32 pvg_blk_zone_header(struct request *rq, u64 *sector)
{
	*sector = blk_rq_pos(rq);
	switch (req_op(rq)) {
	case REQ_OP_ZONE_APPEND:
		return VIRTIO_BLK_T_ZONE_APPEND;
	case REQ_OP_ZONE_OPEN:
		return VIRTIO_BLK_T_ZONE_OPEN;
	case REQ_OP_ZONE_CLOSE:
		return VIRTIO_BLK_T_ZONE_CLOSE;
	case REQ_OP_ZONE_FINISH:
		return VIRTIO_BLK_T_ZONE_FINISH;
	case REQ_OP_ZONE_RESET:
		return VIRTIO_BLK_T_ZONE_RESET;
	case REQ_OP_ZONE_RESET_ALL:
		*sector = 0;
		return VIRTIO_BLK_T_ZONE_RESET_ALL;
	default:
		return 0;
	}
}

/**
 * pvg_blk_zone_result() - what the status of a zoned device means
 * @blk: the device
 * @rq: the request; of an append, its sector becomes the one that was written
 * @req: the driver's part of it
 * @status: that the device has written, none that other devices have
 */
blk_status_t pvg_blk_zone_result(struct pvg_blk *blk, struct request *rq,
				 struct pvg_blk_req *req, u8 status)
{
	u64 sector, zone;

	if (!blk->limits.zone_sectors)
		return BLK_STS_IOERR;
	switch (status) {
	case VIRTIO_BLK_S_OK:
		break;
	case VIRTIO_BLK_S_ZONE_OPEN_RESOURCE:
		return BLK_STS_ZONE_OPEN_RESOURCE;
	case VIRTIO_BLK_S_ZONE_ACTIVE_RESOURCE:
		return BLK_STS_ZONE_ACTIVE_RESOURCE;
	default:
		return BLK_STS_IOERR;
	}
	zone = round_down(blk_rq_pos(rq), (u64)blk->limits.zone_sectors);
	sector = virtio64_to_cpu(blk->vdev, READ_ONCE(req->append_sector));
	if (sector < zone || sector - zone > blk->limits.zone_sectors - blk_rq_sectors(rq)) {
		dev_err_ratelimited(&blk->vdev->dev,
				    "the device appended at sector %llu, in another zone than that at %llu\n",
				    sector, zone);
		return BLK_STS_IOERR;
	}
	rq->__sector = sector;
	return BLK_STS_OK;
}

/* Return: BLK_ZONE_COND_, or -1. */
static int condition_of(u8 state)
{
	switch (state) {
	case VIRTIO_BLK_ZS_NOT_WP:
		return BLK_ZONE_COND_NOT_WP;
	case VIRTIO_BLK_ZS_EMPTY:
		return BLK_ZONE_COND_EMPTY;
	case VIRTIO_BLK_ZS_IOPEN:
		return BLK_ZONE_COND_IMP_OPEN;
	case VIRTIO_BLK_ZS_EOPEN:
		return BLK_ZONE_COND_EXP_OPEN;
	case VIRTIO_BLK_ZS_CLOSED:
		return BLK_ZONE_COND_CLOSED;
	case VIRTIO_BLK_ZS_RDONLY:
		return BLK_ZONE_COND_READONLY;
	case VIRTIO_BLK_ZS_FULL:
		return BLK_ZONE_COND_FULL;
	case VIRTIO_BLK_ZS_OFFLINE:
		return BLK_ZONE_COND_OFFLINE;
	default:
		return -1;
	}
}

static int type_of(u8 type)
{
	switch (type) {
	case VIRTIO_BLK_ZT_CONV:
		return BLK_ZONE_TYPE_CONVENTIONAL;
	case VIRTIO_BLK_ZT_SWR:
		return BLK_ZONE_TYPE_SEQWRITE_REQ;
	default:
		return -1;
	}
}

/* The zone at @start as the block layer has it. Return: 0 or -EIO after a line. */
static int parse(struct pvg_blk *blk, u64 start,
		 const struct virtio_blk_zone_descriptor *from, struct blk_zone *zone)
{
	u64 z_start = virtio64_to_cpu(blk->vdev, from->z_start);
	int type = type_of(from->z_type), cond = condition_of(from->z_state);
	u64 left = get_capacity(blk->disk) - start;
	bool conventional = type == BLK_ZONE_TYPE_CONVENTIONAL;
	bool has_wp = cond != BLK_ZONE_COND_NOT_WP;

	*zone = (struct blk_zone) {
		.start = start,
		.len = min_t(u64, blk->limits.zone_sectors, left),
		.capacity = virtio64_to_cpu(blk->vdev, from->z_cap),
		.wp = virtio64_to_cpu(blk->vdev, from->z_wp),
		.type = type,
		.cond = cond,
	};
	if (z_start != start || type < 0 || cond < 0 || !zone->capacity ||
	    zone->capacity > zone->len ||
	    conventional == has_wp) {
		dev_err_ratelimited(&blk->vdev->dev,
				    "zone at sector %llu: the device reports start %llu, capacity %llu, type %u, state %u\n",
				    start, z_start, (u64)zone->capacity, from->z_type,
				    from->z_state);
		return -EIO;
	}
	switch (cond) {
	case BLK_ZONE_COND_NOT_WP:
	case BLK_ZONE_COND_READONLY:
	case BLK_ZONE_COND_OFFLINE:
		zone->wp = U64_MAX;
		return 0;
	case BLK_ZONE_COND_FULL:
		zone->wp = zone->start + zone->len;
		return 0;
	}
	if (zone->wp >= start && zone->wp - start <= zone->capacity)
		return 0;
	dev_err_ratelimited(&blk->vdev->dev,
			    "zone at sector %llu: the device reports a write pointer of %llu\n",
			    start, (u64)zone->wp);
	return -EIO;
}

/*
 * Room for the report of @zones zones, or of fewer: a power of two, so that no segment
 * crosses a page more than it has to, and not more segments than the device takes.
 */
static void *alloc_report(struct pvg_blk *blk, unsigned int zones, size_t *size)
{
	u64 want = sizeof(struct virtio_blk_zone_report) +
		   (u64)zones * sizeof(struct virtio_blk_zone_descriptor);
	size_t most = min_t(size_t, SZ_64K, blk->limits.max_segments * PAGE_SIZE);
	void *report;

	*size = rounddown_pow_of_two(most);
	if (want < *size)
		*size = max_t(size_t, SECTOR_SIZE, roundup_pow_of_two(want));
	for (; *size >= SECTOR_SIZE; *size /= 2) {
		report = kmalloc(*size, GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY);
		if (report)
			return report;
	}
	return NULL;
}

static int get_report(struct pvg_blk *blk, u64 sector, void *report, size_t size)
{
	struct pvg_blk_req *req;
	struct request *rq;
	int err;

	rq = pvg_blk_alloc_request(blk, VIRTIO_BLK_T_ZONE_REPORT);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	req = blk_mq_rq_to_pdu(rq);
	req->own_sector = sector;
	memset(report, 0, size);
	err = pvg_blk_rq_map_kern(rq, report, size, GFP_KERNEL);
	if (!err)
		err = blk_status_to_errno(blk_execute_rq(rq, false));
	blk_mq_free_request(rq);
	return err;
}

/**
 * pvg_blk_report_zones() - report zones from that of a sector on
 * @disk: the disk
 * @sector: first sector of a zone
 * @nr_zones: at most so many
 *
 * Context: may sleep. Return: how many were reported, or a negative errno.
 */
int pvg_blk_report_zones(struct gendisk *disk, sector_t sector,
			 unsigned int nr_zones, PVG_REPORT_PARAMS)
{
	struct pvg_blk *blk = disk->private_data;
	struct virtio_blk_zone_report *report;
	u64 end = get_capacity(disk), i, n;
	unsigned int done = 0;
	struct blk_zone zone;
	size_t size;
	int err = 0;

	sector = round_down(sector, (u64)blk->limits.zone_sectors);
	report = alloc_report(blk, min_t(u64, nr_zones, (end - sector) /
							blk->limits.zone_sectors + 1), &size);
	if (!report)
		return -ENOMEM;
	while (!err && done < nr_zones && sector < end) {
		err = get_report(blk, sector, report, size);
		n = min_t(u64, virtio64_to_cpu(blk->vdev, report->nr_zones),
			  (size - sizeof(*report)) / sizeof(report->zones[0]));
		if (!err && !n)
			err = -EIO;
		for (i = 0; !err && i < n && done < nr_zones && sector < end; i++) {
			err = parse(blk, sector, &report->zones[i], &zone);
			if (!err)
				err = pvg_report_zone(disk, &zone, done++);
			sector += blk->limits.zone_sectors;
		}
	}
	kfree(report);
	return err ?: done;
}

#endif /* PVG_HAVE_ZONED */

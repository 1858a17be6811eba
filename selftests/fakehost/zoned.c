// SPDX-License-Identifier: GPL-2.0-only
/*
 * The zones of a block device (virtio 1.3, section 5.2.6, ZONED). The first of them are
 * conventional, and the others sequential. What a guest could not tell from another
 * device is left out: the device never closes a zone by itself, so a limit is reached
 * as soon as so many zones are open.
 */
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/module.h>
#include <linux/virtio_config.h>

#include "fakehost.h"
#include "pvguest/compat_blk.h"

#define Z_HM			1
#define T_ZONE_APPEND		15
#define T_ZONE_REPORT		16
#define T_ZONE_OPEN		18
#define T_ZONE_CLOSE		20
#define T_ZONE_FINISH		22
#define T_ZONE_RESET		24
#define T_ZONE_RESET_ALL	26
#define S_ZONE_INVALID_CMD	3
#define S_ZONE_UNALIGNED_WP	4
#define S_ZONE_OPEN_RESOURCE	5
#define S_ZONE_ACTIVE_RESOURCE	6
#define ZT_CONV			1
#define ZT_SWR			2

static uint zones;
module_param(zones, uint, 0444);
MODULE_PARM_DESC(zones, "zones of a block device, at most 64; with 0 it has no ZONED");
static uint zone_model = Z_HM;
module_param(zone_model, uint, 0444);
MODULE_PARM_DESC(zone_model, "0: it is a disk without zones after all, 1: host-managed, 2: host-aware");
static uint zone_conv = 1;
module_param(zone_conv, uint, 0444);
MODULE_PARM_DESC(zone_conv, "of the zones, how many are conventional");
static uint zone_sectors = 1024;
module_param(zone_sectors, uint, 0444);
MODULE_PARM_DESC(zone_sectors, "its zone_sectors");
static uint zone_cap;
module_param(zone_cap, uint, 0444);
MODULE_PARM_DESC(zone_cap, "sectors of a sequential zone that can be written; 0: all");
static uint max_open_zones;
module_param(max_open_zones, uint, 0444);
MODULE_PARM_DESC(max_open_zones, "its max_open_zones");
static uint max_active_zones;
module_param(max_active_zones, uint, 0444);
MODULE_PARM_DESC(max_active_zones, "its max_active_zones");
static uint max_append_sectors = 64;
module_param(max_append_sectors, uint, 0444);
MODULE_PARM_DESC(max_append_sectors, "its max_append_sectors");
static uint write_granularity = 4096;
module_param(write_granularity, uint, 0444);
MODULE_PARM_DESC(write_granularity, "its write_granularity");
static bool zone_lies;
module_param(zone_lies, bool, 0444);
MODULE_PARM_DESC(zone_lies, "its reports have a state that does not exist");

static bool append_lies;
module_param(append_lies, bool, 0444);
MODULE_PARM_DESC(append_lies, "an append says that it is in the first zone");

static u32 capacity_of_zone(void)
{
	return zone_cap ?: zone_sectors;
}

bool fh_is_zoned(void)
{
	return zones;
}

/* In the configuration, at offset 72. */
void fh_zoned_init(struct fh_dev *dev)
{
	unsigned int i;
	__le32 config[6] = {
		cpu_to_le32(zone_sectors), cpu_to_le32(max_open_zones),
		cpu_to_le32(max_active_zones), cpu_to_le32(max_append_sectors),
		cpu_to_le32(write_granularity), cpu_to_le32(zone_model),
	};

	memcpy(dev->raw + 72, config, sizeof(config));
	zones = min(zones, FH_ZONES);
	for (i = 0; i < zones; i++)
		dev->zones[i].state = i < zone_conv ? FH_NOT_WP : FH_EMPTY;
}

static struct fh_zone *zone_at(struct fh_dev *dev, u64 sector)
{
	u64 i = sector / zone_sectors;

	return i < zones ? &dev->zones[i] : NULL;
}

static bool is_open(const struct fh_zone *z)
{
	return z->state == FH_IOPEN || z->state == FH_EOPEN;
}

static bool is_active(const struct fh_zone *z)
{
	return is_open(z) || z->state == FH_CLOSED;
}

/* May @z become open? A status. */
static u8 may_open(struct fh_dev *dev, const struct fh_zone *z)
{
	unsigned int open = 0, active = 0, i;

	for (i = 0; i < zones; i++) {
		open += is_open(&dev->zones[i]);
		active += is_active(&dev->zones[i]);
	}
	if (!is_active(z) && max_active_zones && active >= max_active_zones)
		return S_ZONE_ACTIVE_RESOURCE;
	if (!is_open(z) && max_open_zones && open >= max_open_zones)
		return S_ZONE_OPEN_RESOURCE;
	return VIRTIO_BLK_S_OK;
}

/**
 * fh_zone_write() - is a write one that the zones allow?
 * @dev: the device
 * @sector: where it is to begin; of an append, that of the zone, and then its own
 * @bytes: so long
 * @append: it is an append
 *
 * Return: a status; with VIRTIO_BLK_S_OK the write pointer has moved.
 */
u8 fh_zone_write(struct fh_dev *dev, u64 *sector, u32 bytes, bool append)
{
	struct fh_zone *z = zone_at(dev, *sector);
	u64 start = *sector / zone_sectors * zone_sectors;
	u32 n = bytes >> SECTOR_SHIFT;
	u8 status;

	if (zone_model != Z_HM)
		return append ? VIRTIO_BLK_S_UNSUPP : VIRTIO_BLK_S_OK;
	if (!z)
		return VIRTIO_BLK_S_IOERR;
	if (z->state == FH_NOT_WP)
		return append ? S_ZONE_INVALID_CMD : VIRTIO_BLK_S_OK;
	if (z->state == FH_FULL || n > capacity_of_zone() - z->wp)
		return S_ZONE_INVALID_CMD;
	if (append ? *sector != start || n > max_append_sectors : *sector != start + z->wp)
		return S_ZONE_UNALIGNED_WP;
	if (bytes % write_granularity)
		return S_ZONE_UNALIGNED_WP;
	status = may_open(dev, z);
	if (status)
		return status;
	*sector = start + z->wp;
	z->wp += n;
	if (z->state != FH_EOPEN)
		z->state = FH_IOPEN;
	if (z->wp == capacity_of_zone())
		z->state = FH_FULL;
	dev->appends += append;
	return VIRTIO_BLK_S_OK;
}

/* What an append says of where it is. */
u64 fh_zone_answer(u64 sector)
{
	return append_lies ? 0 : sector;
}

static void put_zone(u8 *at, const struct fh_zone *z, u64 start)
{
	__le64 head[3] = {
		cpu_to_le64(z->state == FH_NOT_WP ? zone_sectors : capacity_of_zone()),
		cpu_to_le64(start), cpu_to_le64(start + z->wp),
	};

	memset(at, 0, 64);
	memcpy(at, head, sizeof(head));
	at[24] = z->state == FH_NOT_WP ? ZT_CONV : ZT_SWR;
	at[25] = zone_lies ? 7 : z->state;
}

static u8 report(struct fh_dev *dev, const struct fh_chain *c, u64 sector, u32 room)
{
	u64 i = sector / zone_sectors;
	u8 entry[64] = {};
	u32 at = 64, n = 0;
	__le64 count;

	fh_write(c, 0, entry, sizeof(entry));
	for (; i < zones && at + 64 <= room; i++, n++, at += 64) {
		put_zone(entry, &dev->zones[i], i * zone_sectors);
		fh_write(c, at, entry, sizeof(entry));
	}
	count = cpu_to_le64(n);
	fh_write(c, 0, &count, sizeof(count));
	return VIRTIO_BLK_S_OK;
}

static void empty(struct fh_zone *z)
{
	z->state = FH_EMPTY;
	z->wp = 0;
}

static u8 manage(struct fh_dev *dev, struct fh_zone *z, u32 type)
{
	u8 status = VIRTIO_BLK_S_OK;

	if (z->state == FH_NOT_WP)
		return S_ZONE_INVALID_CMD;
	switch (type) {
	case T_ZONE_OPEN:
		if (z->state == FH_FULL)
			return S_ZONE_INVALID_CMD;
		status = may_open(dev, z);
		if (!status)
			z->state = FH_EOPEN;
		return status;
	case T_ZONE_CLOSE:
		if (!is_active(z))
			return S_ZONE_INVALID_CMD;
		z->state = z->wp ? FH_CLOSED : FH_EMPTY;
		return status;
	case T_ZONE_FINISH:
		z->state = FH_FULL;
		return status;
	default:
		empty(z);
		return status;
	}
}

/**
 * fh_zone_serve() - what only a device with zones does
 * @dev: the device
 * @c: the request
 * @type: VIRTIO_BLK_T_
 * @sector: of its header
 * @room: bytes for the answer, without the status
 */
u8 fh_zone_serve(struct fh_dev *dev, const struct fh_chain *c, u32 type, u64 sector,
		 u32 room)
{
	struct fh_zone *z;
	unsigned int i;

	if (!zones || zone_model != Z_HM)
		return VIRTIO_BLK_S_UNSUPP;
	switch (type) {
	case T_ZONE_REPORT:
		return report(dev, c, sector, room);
	case T_ZONE_RESET_ALL:
		if (sector)
			return S_ZONE_INVALID_CMD;
		for (i = 0; i < zones; i++)
			if (dev->zones[i].state != FH_NOT_WP)
				empty(&dev->zones[i]);
		return VIRTIO_BLK_S_OK;
	case T_ZONE_OPEN:
	case T_ZONE_CLOSE:
	case T_ZONE_FINISH:
	case T_ZONE_RESET:
		z = zone_at(dev, sector);
		if (!z || sector % zone_sectors)
			return S_ZONE_INVALID_CMD;
		return manage(dev, z, type);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

#ifdef PVG_HAVE_ZONED

/* Userspace has no way to append: see inject in fakehost.h. */
static int append(struct fh_dev *dev, const char *path, u64 sector, u32 bytes)
{
	struct file *file;
	struct page *page;
	struct bio *bio;
	int err;

	if (!bytes || bytes > PAGE_SIZE)
		return -EINVAL;
	file = bdev_file_open_by_path(path, BLK_OPEN_READ | BLK_OPEN_WRITE, NULL, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	page = alloc_page(GFP_KERNEL);
	if (!page) {
		bdev_fput(file);
		return -ENOMEM;
	}
	memset(page_address(page), 0xaa, PAGE_SIZE);
	bio = bio_alloc(file_bdev(file), 1, REQ_OP_ZONE_APPEND | REQ_SYNC, GFP_KERNEL);
	bio->bi_iter.bi_sector = sector;
	__bio_add_page(bio, page, bytes, 0);
	err = submit_bio_wait(bio);
	if (!err)
		dev->appended_at = bio->bi_iter.bi_sector;
	bio_put(bio);
	__free_page(page);
	bdev_fput(file);
	return err;
}

/* "append PATH SECTOR BYTES": to the zone that begins there, bytes of 0xaa. */
int fh_zone_inject(struct fh_dev *dev, const char *line)
{
	unsigned long long sector;
	char path[32];
	u32 bytes;

	if (sscanf(line, "append %31s %llu %u", path, &sector, &bytes) != 3)
		return -EINVAL;
	return append(dev, path, sector, bytes);
}

#else

int fh_zone_inject(struct fh_dev *dev, const char *line)
{
	return -EOPNOTSUPP;
}

#endif /* PVG_HAVE_ZONED */

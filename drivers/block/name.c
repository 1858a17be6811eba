// SPDX-License-Identifier: GPL-2.0-only
/*
 * Disk names and numbers, as users of virtio disks know them: vda to vdz, vdaa and
 * on, with 16 device numbers each. The major is called "virtblk" as that of the
 * in-tree driver, since LVM and parted look for that word in /proc/devices, and take
 * disks of a major without room for partitions for ones that have none.
 */
#include <linux/blkdev.h>
#include <linux/device/class.h>
#include <linux/idr.h>

#include "pvg_blk.h"

/* More than any machine has; also keeps names within three letters. */
#define PVG_BLK_MAX_DISKS	(26 + 26 * 26 + 26 * 26 * 26)
#define PVG_BLK_MAJOR_NAME	"virtblk"
#define PVG_BLK_MINORS		16	/* the disk, and partitions */

static int major;

/* Which names are ours; also those of disks that have gone and are still open. */
static DEFINE_IDA(names);

/* Bijective base 26: a is 0, z is 25, aa is 26. */
static void format_name(char *buf, size_t size, unsigned int index)
{
	char letters[8];
	char *p = letters + sizeof(letters);

	*--p = '\0';
	for (index++; index; index = (index - 1) / 26)
		*--p = 'a' + (index - 1) % 26;
	snprintf(buf, size, "vd%s", p);
}

static bool name_is_taken(struct gendisk *disk, const char *name)
{
	struct device *dev;

	/* The class of all disks; its symbol is not exported. */
	dev = class_find_device_by_name(disk_to_dev(disk)->class, name);
	put_device(dev);
	return dev;
}

/**
 * pvg_blk_choose_name() - name a disk after the first free letter
 * @blk: its disk is not added yet; gets a name, and numbers
 *
 * The in-tree driver may hold some of the names, and does not tell.
 *
 * Context: may sleep. Return: 0 or a negative errno; after 0,
 * pvg_blk_release_name() is to follow.
 */
int pvg_blk_choose_name(struct pvg_blk *blk)
{
	struct gendisk *disk = blk->disk;
	int i = -1;

	do {
		i = ida_alloc_range(&names, i + 1, PVG_BLK_MAX_DISKS - 1,
				    GFP_KERNEL);
		if (i < 0)
			return i;
		format_name(disk->disk_name, DISK_NAME_LEN, i);
		blk->name_index = i;
		blk->have_name = !name_is_taken(disk, disk->disk_name);
		if (!blk->have_name)
			ida_free(&names, i);
	} while (!blk->have_name);

	disk->major = major;
	disk->first_minor = i * PVG_BLK_MINORS;
	disk->minors = PVG_BLK_MINORS;
	return 0;
}

/**
 * pvg_blk_release_name() - the name may be another disk's
 * @blk: nobody has its disk open
 *
 * Context: any. Does nothing where there is no name.
 */
void pvg_blk_release_name(struct pvg_blk *blk)
{
	if (blk->have_name)
		ida_free(&names, blk->name_index);
	blk->have_name = false;
}

/**
 * pvg_blk_names_init() - get the major, when the module is loaded
 *
 * Return: 0 or a negative errno.
 */
int pvg_blk_names_init(void)
{
	major = register_blkdev(0, PVG_BLK_MAJOR_NAME);
	return min(major, 0);
}

/**
 * pvg_blk_names_exit() - give the major back; there is no disk any more
 */
void pvg_blk_names_exit(void)
{
	unregister_blkdev(major, PVG_BLK_MAJOR_NAME);
}

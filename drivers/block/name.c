// SPDX-License-Identifier: GPL-2.0-only
/* Disk names: vda to vdz, vdaa and on, as users of virtio disks know them. */
#include <linux/device/class.h>

#include "pvg_blk.h"

/* More than any machine has; also keeps names within three letters. */
#define PVG_BLK_MAX_DISKS	(26 + 26 * 26 + 26 * 26 * 26)

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
 * @disk: not added yet; its disk_name is filled in
 *
 * The in-tree driver may hold some of the names, and does not tell.
 *
 * Context: may sleep; callers serialise this with adding the disk. Return: 0
 * or -ENOSPC.
 */
int pvg_blk_choose_name(struct gendisk *disk)
{
	unsigned int i;

	for (i = 0; i < PVG_BLK_MAX_DISKS; i++) {
		format_name(disk->disk_name, DISK_NAME_LEN, i);
		if (!name_is_taken(disk, disk->disk_name))
			return 0;
	}
	return -ENOSPC;
}

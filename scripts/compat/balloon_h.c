// SPDX-License-Identifier: GPL-2.0-only
#include <linux/balloon.h>

void probe(struct balloon_dev_info *info);
void probe(struct balloon_dev_info *info)
{
	balloon_devinfo_init(info);
}

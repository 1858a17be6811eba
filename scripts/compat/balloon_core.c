// SPDX-License-Identifier: GPL-2.0-only
/* Does the kernel's balloon code account for pages and move them by itself? */
#include <linux/balloon.h>

void probe(struct balloon_dev_info *info);
void probe(struct balloon_dev_info *info)
{
	info->adjust_managed_page_count = true;
}

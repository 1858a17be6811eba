// SPDX-License-Identifier: GPL-2.0-only
#include <linux/page_reporting.h>

void probe(struct page_reporting_dev_info *info);
void probe(struct page_reporting_dev_info *info)
{
	info->capacity = PAGE_REPORTING_CAPACITY;
}

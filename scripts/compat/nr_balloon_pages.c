// SPDX-License-Identifier: GPL-2.0-only
#include <linux/mm.h>
#include <linux/vmstat.h>

void probe(struct page *page);
void probe(struct page *page)
{
	mod_node_page_state(page_pgdat(page), NR_BALLOON_PAGES, 1);
}

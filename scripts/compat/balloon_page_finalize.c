// SPDX-License-Identifier: GPL-2.0-only
/* Point releases of 6.1 have got it: before it was balloon_page_delete(). */
#include <linux/balloon_compaction.h>

void probe(struct page *page);
void probe(struct page *page)
{
	balloon_page_finalize(page);
}

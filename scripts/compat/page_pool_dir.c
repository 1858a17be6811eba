// SPDX-License-Identifier: GPL-2.0-only
#include <net/page_pool/helpers.h>

struct page *probe(struct page_pool *pool, unsigned int *offset);
struct page *probe(struct page_pool *pool, unsigned int *offset)
{
	return page_pool_alloc_frag(pool, offset, 1, GFP_ATOMIC);
}

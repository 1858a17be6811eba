// SPDX-License-Identifier: GPL-2.0-only
#include <net/page_pool/types.h>

void probe(struct page_pool_params *params, struct net_device *dev,
	   struct napi_struct *napi);
void probe(struct page_pool_params *params, struct net_device *dev,
	   struct napi_struct *napi)
{
	params->netdev = dev;
	params->napi = napi;
}

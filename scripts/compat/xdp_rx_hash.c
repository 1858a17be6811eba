// SPDX-License-Identifier: GPL-2.0-only
#include <linux/netdevice.h>
#include <net/xdp.h>

int probe(struct net_device *dev, const struct xdp_md *ctx, u32 *hash,
	  enum xdp_rss_hash_type *type);
int probe(struct net_device *dev, const struct xdp_md *ctx, u32 *hash,
	  enum xdp_rss_hash_type *type)
{
	return dev->xdp_metadata_ops->xmo_rx_hash(ctx, hash, type);
}

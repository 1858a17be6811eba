// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ethtool.h>

u32 probe(const struct ethtool_ops *ops, struct net_device *dev,
	  struct ethtool_rxfh_fields *fields);
u32 probe(const struct ethtool_ops *ops, struct net_device *dev,
	  struct ethtool_rxfh_fields *fields)
{
	return ops->get_rxfh_fields(dev, fields) + ops->get_rx_ring_count(dev);
}

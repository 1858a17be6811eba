// SPDX-License-Identifier: GPL-2.0-only
#include <linux/ethtool.h>

int probe(const struct ethtool_ops *ops, struct net_device *dev,
	  struct ethtool_rxfh_param *rxfh);
int probe(const struct ethtool_ops *ops, struct net_device *dev,
	  struct ethtool_rxfh_param *rxfh)
{
	return ops->set_rxfh(dev, rxfh, NULL);
}

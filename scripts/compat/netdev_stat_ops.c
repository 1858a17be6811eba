// SPDX-License-Identifier: GPL-2.0-only
#include <net/netdev_queues.h>

void probe(struct net_device *dev, struct netdev_queue_stats_rx *rx,
	   struct netdev_queue_stats_tx *tx);
void probe(struct net_device *dev, struct netdev_queue_stats_rx *rx,
	   struct netdev_queue_stats_tx *tx)
{
	dev->stat_ops->get_base_stats(dev, rx, tx);
	rx->hw_drop_ratelimits = tx->wake;
	netdev_stat_queue_sum(dev, 0, 1, rx, 0, 1, tx);
}

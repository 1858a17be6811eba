// SPDX-License-Identifier: GPL-2.0-only
/*
 * Statistics of queues for the netlink family "netdev": the counters of ethtool -S that
 * the kernel has a name for. What a queue has counted stays with it, whatever happens to
 * its ring. Documentation/netlink/specs/netdev.yaml of the kernel explains the names.
 */
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "pvg_net.h"

#ifdef PVG_HAVE_NETDEV_STAT_OPS

static void get_rx(struct net_device *dev, int i,
		   struct netdev_queue_stats_rx *stats)
{
	struct pvg_net *net = netdev_priv(dev);
	const struct pvg_net_rx_stats *s = &net->rxqs[i].stats;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		stats->packets = u64_stats_read(&s->packets);
		stats->bytes = u64_stats_read(&s->bytes);
		stats->alloc_fail = u64_stats_read(&s->alloc_failed);
	} while (u64_stats_fetch_retry(&s->sync, start));
	pvg_net_devstats_fill(net, 2 * i, stats);
}

static void get_tx(struct net_device *dev, int i,
		   struct netdev_queue_stats_tx *stats)
{
	struct pvg_net *net = netdev_priv(dev);
	const struct pvg_net_tx_stats *s = &net->txqs[i].stats;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		stats->packets = u64_stats_read(&s->packets);
		stats->bytes = u64_stats_read(&s->bytes);
		stats->stop = u64_stats_read(&s->stopped);
		stats->wake = u64_stats_read(&s->woken);
	} while (u64_stats_fetch_retry(&s->sync, start));
	pvg_net_devstats_fill(net, 2 * i + 1, stats);
}

/* Of @n values, those that are there become 0. */
static void zero(u64 *value, size_t n)
{
	for (; n--; value++)
		if (*value != U64_MAX)
			*value = 0;
}

/* What queues out of use have counted. The values that are set here are those that the
 * kernel adds up over all queues, so they are those that a queue sets.
 */
static void get_base(struct net_device *dev, struct netdev_queue_stats_rx *rx,
		     struct netdev_queue_stats_tx *tx)
{
	const struct pvg_net *net = netdev_priv(dev);

	ASSERT_RTNL();

	get_rx(dev, 0, rx);
	get_tx(dev, 0, tx);
	zero((u64 *)rx, sizeof(*rx) / sizeof(u64));
	zero((u64 *)tx, sizeof(*tx) / sizeof(u64));
	netdev_stat_queue_sum(dev, dev->real_num_rx_queues, net->pairs, rx,
			      dev->real_num_tx_queues, net->pairs, tx);
}

static const struct netdev_stat_ops stat_ops = {
	.get_queue_stats_rx	= get_rx,
	.get_queue_stats_tx	= get_tx,
	.get_base_stats		= get_base,
};

/**
 * pvg_net_init_qstat() - have the kernel ask for statistics of queues
 * @dev: the device
 *
 * Context: probe, before register_netdev().
 */
void pvg_net_init_qstat(struct net_device *dev)
{
	dev->stat_ops = &stat_ops;
}

#endif /* PVG_HAVE_NETDEV_STAT_OPS */

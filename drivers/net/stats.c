// SPDX-License-Identifier: GPL-2.0-only
/*
 * ethtool -S: what happened on each queue. Names are rxN_ and txN_ with what
 * stands in the tables here; Documentation/ABI.md explains them. What the page pools
 * of all queues count follows where the kernel has them do so, and then what the device
 * counts, see devstats.c.
 */
#include <linux/ethtool.h>

#include "pvg_net.h"

struct counter {
	const char *name;
	size_t offset;
};

#define COUNTER(type, field)	{ #field, offsetof(struct type, field) }

/* u64_stats_t, read under their sync. */
static const struct counter rx_counters[] = {
	COUNTER(pvg_net_rx_stats, packets),
	COUNTER(pvg_net_rx_stats, bytes),
	COUNTER(pvg_net_rx_stats, dropped),
	COUNTER(pvg_net_rx_stats, length_errors),
	COUNTER(pvg_net_rx_stats, frame_errors),
	COUNTER(pvg_net_rx_stats, alloc_failed),
	COUNTER(pvg_net_rx_stats, copied),
	COUNTER(pvg_net_rx_stats, xdp_packets),
	COUNTER(pvg_net_rx_stats, xdp_drop),
	COUNTER(pvg_net_rx_stats, xdp_tx),
	COUNTER(pvg_net_rx_stats, xdp_redirect),
};

static const struct counter tx_counters[] = {
	COUNTER(pvg_net_tx_stats, packets),
	COUNTER(pvg_net_tx_stats, bytes),
	COUNTER(pvg_net_tx_stats, dropped),
	COUNTER(pvg_net_tx_stats, xdp_packets),
	COUNTER(pvg_net_tx_stats, xdp_dropped),
	COUNTER(pvg_net_tx_stats, stopped),
	COUNTER(pvg_net_tx_stats, woken),
	COUNTER(pvg_net_tx_stats, timeouts),
};

/* u64, read under the lock of the virtqueue. */
static const struct counter ring_counters[] = {
	COUNTER(pvg_queue_stats, interrupts),
	COUNTER(pvg_queue_stats, doorbells),
	COUNTER(pvg_queue_stats, timer_fires),
};

static_assert(sizeof(u64_stats_t) == sizeof(u64));

#define RX_COUNTERS	(ARRAY_SIZE(rx_counters) + ARRAY_SIZE(ring_counters))
#define TX_COUNTERS	(ARRAY_SIZE(tx_counters) + ARRAY_SIZE(ring_counters))

int pvg_net_get_sset_count(struct net_device *dev, int set)
{
	const struct pvg_net *net = netdev_priv(dev);

	if (set != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return net->pairs * (RX_COUNTERS + TX_COUNTERS) +
	       page_pool_ethtool_stats_get_count() +
	       pvg_net_devstats_count(net);
}

static u8 *put_names(u8 *at, const char *dir, unsigned int queue,
		     const struct counter *counters, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(at, ETH_GSTRING_LEN, "%s%u_%s", dir, queue,
			 counters[i].name);
		at += ETH_GSTRING_LEN;
	}
	return at;
}

void pvg_net_get_strings(struct net_device *dev, u32 set, u8 *at)
{
	const struct pvg_net *net = netdev_priv(dev);
	unsigned int i;

	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < net->pairs; i++) {
		at = put_names(at, "rx", i, rx_counters,
			       ARRAY_SIZE(rx_counters));
		at = put_names(at, "rx", i, ring_counters,
			       ARRAY_SIZE(ring_counters));
	}
	for (i = 0; i < net->pairs; i++) {
		at = put_names(at, "tx", i, tx_counters,
			       ARRAY_SIZE(tx_counters));
		at = put_names(at, "tx", i, ring_counters,
			       ARRAY_SIZE(ring_counters));
	}
	at = page_pool_ethtool_stats_get_strings(at);
	pvg_net_devstats_names(net, at);
}

static u64 *put_values(u64 *at, const void *stats,
		       const struct u64_stats_sync *sync,
		       const struct counter *counters, size_t n)
{
	unsigned int start;
	size_t i;

	do {
		start = u64_stats_fetch_begin(sync);
		for (i = 0; i < n; i++)
			at[i] = u64_stats_read(stats + counters[i].offset);
	} while (u64_stats_fetch_retry(sync, start));
	return at + n;
}

static u64 *put_ring_values(u64 *at, struct pvg_queue *q)
{
	unsigned long flags;
	size_t i;

	flags = pvg_queue_lock(q);
	for (i = 0; i < ARRAY_SIZE(ring_counters); i++)
		*at++ = *(u64 *)((void *)&q->stats + ring_counters[i].offset);
	pvg_queue_unlock(q, flags);
	return at;
}

/* Those of pools that are gone are among them, so that no value ever falls. */
static u64 *put_pool_values(const struct pvg_net *net, u64 *at)
{
	struct pvg_pool_stats stats = net->pools_gone;
	unsigned int i;

	for (i = 0; i < net->pairs; i++) {
		pvg_pool_stats_add(&stats, net->rxqs[i].pages);
		pvg_pool_stats_add(&stats, net->rxqs[i].blocks);
	}
	return page_pool_ethtool_stats_get(at, &stats);
}

void pvg_net_get_ethtool_stats(struct net_device *dev,
			       struct ethtool_stats *stats, u64 *at)
{
	struct pvg_net *net = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < net->pairs; i++) {
		struct pvg_net_rxq *rxq = &net->rxqs[i];

		at = put_values(at, &rxq->stats, &rxq->stats.sync, rx_counters,
				ARRAY_SIZE(rx_counters));
		at = put_ring_values(at, &rxq->pvg);
	}
	for (i = 0; i < net->pairs; i++) {
		struct pvg_net_txq *txq = &net->txqs[i];

		at = put_values(at, &txq->stats, &txq->stats.sync, tx_counters,
				ARRAY_SIZE(tx_counters));
		at = put_ring_values(at, &txq->pvg);
	}
	at = put_pool_values(net, at);
	pvg_net_devstats_read(net, at);
}

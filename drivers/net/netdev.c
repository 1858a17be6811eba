// SPDX-License-Identifier: GPL-2.0-only
/* What the kernel's network core asks of a device. */
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <linux/virtio.h>

#include "pvg_net.h"

/* Receive offloads that change what a packet looks like. */
#define OFFLOAD_BITS_GRO_HW	(BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_TSO6) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_ECN) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_UFO) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_USO4) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_USO6) | \
				 BIT_ULL(VIRTIO_NET_F_RSC_EXT) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_MAPPED) | \
				 BIT_ULL(VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM_MAPPED))

/**
 * pvg_net_start_queues() - let packets in; pvg_net_open_queues() is to follow
 * @net: the device, live
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_start_queues(struct pvg_net *net)
{
	unsigned int i;

	for (i = 0; i < net->active_pairs; i++) {
		pvg_net_rx_start(&net->rxqs[i]);
		pvg_net_tx_start(&net->txqs[i]);
	}
}

/**
 * pvg_net_open_queues() - let packets out
 * @net: the device, live and told of its settings; its queues are started
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_open_queues(struct pvg_net *net)
{
	unsigned int i;

	for (i = 0; i < net->active_pairs; i++)
		pvg_net_tx_open(&net->txqs[i]);
}

/**
 * pvg_net_stop_queues() - no packet comes through afterwards
 * @net: the device
 *
 * Context: rtnl; may sleep. Does nothing the second time.
 */
void pvg_net_stop_queues(struct pvg_net *net)
{
	unsigned int i;

	for (i = 0; i < net->pairs; i++) {
		pvg_net_rx_stop(&net->rxqs[i]);
		pvg_net_tx_stop(&net->txqs[i]);
	}
}

static int pvg_net_open(struct net_device *dev)
{
	struct pvg_net *net = netdev_priv(dev);

	if (net->state != PVG_NET_LIVE)
		return -EIO;
	pvg_net_start_queues(net);
	/* Those out of use, too, or the watchdog would take them for stuck. */
	netif_tx_start_all_queues(dev);
	pvg_net_open_queues(net);
	pvg_net_update_link(net);
	return 0;
}

static int pvg_net_stop(struct net_device *dev)
{
	struct pvg_net *net = netdev_priv(dev);

	netif_tx_disable(dev);
	netif_carrier_off(dev);
	pvg_net_stop_queues(net);
	return 0;
}

/**
 * pvg_net_set_pairs() - use this many queue pairs
 * @net: the device, live
 * @pairs: 1 to net->pairs
 *
 * Context: rtnl; may sleep. Return: as pvg_net_ctrl(), and then nothing has
 * changed.
 */
int pvg_net_set_pairs(struct pvg_net *net, unsigned int pairs)
{
	__virtio16 value = cpu_to_virtio16(net->vdev, pairs);
	unsigned int i;
	int err = 0;

	ASSERT_RTNL();

	if (pvg_net_has(net, VIRTIO_NET_F_RSS) ||
	    pvg_net_has(net, VIRTIO_NET_F_HASH_REPORT))
		err = pvg_net_rss_send(net, pairs);
	if (!err && pvg_net_has(net, VIRTIO_NET_F_MQ) &&
	    !pvg_net_has(net, VIRTIO_NET_F_RSS))
		err = pvg_net_ctrl(net, VIRTIO_NET_CTRL_MQ,
				   VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET, &value,
				   sizeof(value));
	if (err)
		return err;

	/*
	 * A transmit queue out of use has packets to complete yet, and the
	 * watchdog would take it for stuck if it were stopped.
	 */
	for (i = pairs; i < net->active_pairs; i++)
		pvg_net_rx_stop(&net->rxqs[i]);
	for (i = net->active_pairs; i < pairs && netif_running(net->dev); i++) {
		pvg_net_rx_start(&net->rxqs[i]);
		pvg_net_tx_start(&net->txqs[i]);
		pvg_net_tx_open(&net->txqs[i]);
	}
	net->active_pairs = pairs;
	return 0;
}

/**
 * pvg_net_begin_pairs() - use this many queue pairs, or one
 * @net: the device, live, with one in use
 * @pairs: 1 to net->pairs
 *
 * A device that refuses more works with one. Context: rtnl; may sleep. Return: as
 * pvg_net_ctrl() but for -EREMOTEIO, or -ENOMEM.
 */
int pvg_net_begin_pairs(struct pvg_net *net, unsigned int pairs)
{
	int err = 0;

	pvg_net_rss_spread(net, pairs);
	if (net->device_pairs > 1 || net->rss.key)
		err = pvg_net_set_pairs(net, pairs);
	if (err == -EREMOTEIO) {
		netdev_warn(net->dev, "the device refuses %u queue pairs\n",
			    pairs);
		pairs = net->active_pairs;
		pvg_net_rss_spread(net, pairs);
		err = 0;
	}
	return err ?: netif_set_real_num_queues(net->dev, pairs, pairs);
}

static void add_rx_stats(const struct pvg_net_rx_stats *s,
			 struct rtnl_link_stats64 *total)
{
	u64 packets, bytes, dropped, length, frame;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		packets = u64_stats_read(&s->packets);
		bytes = u64_stats_read(&s->bytes);
		dropped = u64_stats_read(&s->dropped);
		length = u64_stats_read(&s->length_errors);
		frame = u64_stats_read(&s->frame_errors);
	} while (u64_stats_fetch_retry(&s->sync, start));

	total->rx_packets += packets;
	total->rx_bytes += bytes;
	total->rx_dropped += dropped;
	total->rx_length_errors += length;
	total->rx_frame_errors += frame;
	total->rx_errors += length + frame;
}

static void add_tx_stats(const struct pvg_net_tx_stats *s,
			 struct rtnl_link_stats64 *total)
{
	u64 packets, bytes, dropped, timeouts;
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&s->sync);
		packets = u64_stats_read(&s->packets);
		bytes = u64_stats_read(&s->bytes);
		dropped = u64_stats_read(&s->dropped);
		timeouts = u64_stats_read(&s->timeouts);
	} while (u64_stats_fetch_retry(&s->sync, start));

	total->tx_packets += packets;
	total->tx_bytes += bytes;
	total->tx_dropped += dropped;
	total->tx_errors += timeouts;
}

static void pvg_net_get_stats64(struct net_device *dev,
				struct rtnl_link_stats64 *total)
{
	struct pvg_net *net = netdev_priv(dev);
	unsigned int i;

	for (i = 0; i < net->pairs; i++) {
		add_rx_stats(&net->rxqs[i].stats, total);
		add_tx_stats(&net->txqs[i].stats, total);
	}
}

/*
 * The watchdog found a queue that did not move: reset the device. It may just
 * be what is behind it that stands still, for however long, so this is no fault.
 */
static void pvg_net_tx_timeout(struct net_device *dev, unsigned int queue)
{
	struct pvg_net *net = netdev_priv(dev);
	struct pvg_net_txq *txq = &net->txqs[queue];

	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.timeouts);
	u64_stats_update_end(&txq->stats.sync);
	netdev_err(dev, "%s: nothing was sent for %u ms, %u packets waiting\n",
		   txq->name,
		   jiffies_to_msecs(jiffies -
				    READ_ONCE(pvg_net_netdev_queue(txq)->trans_start)),
		   READ_ONCE(txq->pvg.inflight));
	pvg_net_restart(net);
}

static int pvg_net_change_mtu(struct net_device *dev, int mtu)
{
	struct pvg_net *net = netdev_priv(dev);
	bool grows = mtu > dev->mtu;

	if (mtu > pvg_net_xdp_mtu_max(net)) {
		net_warn_ratelimited("%s: MTU %d is too large for XDP, at most %u is possible\n",
				     dev->name, mtu, pvg_net_xdp_mtu_max(net));
		return -EINVAL;
	}
	WRITE_ONCE(dev->mtu, mtu);
	/* A buffer is one frame, and those posted are too small now. */
	if (grows && !net->mergeable && !net->big)
		pvg_net_restart(net);
	return 0;
}

/**
 * pvg_net_wanted_offloads() - the GUEST_* bits for these netdev features
 * @net: the device
 * @f: netdev features
 */
u64 pvg_net_wanted_offloads(const struct pvg_net *net, netdev_features_t f)
{
	u64 offloads = net->guest_offloads_all;

	if (!(f & NETIF_F_GRO_HW))
		offloads &= ~OFFLOAD_BITS_GRO_HW;
	return offloads;
}

static int pvg_net_netdev_set_features(struct net_device *dev,
				       netdev_features_t features)
{
	struct pvg_net *net = netdev_priv(dev);
	netdev_features_t changed = dev->features ^ features;

	if (net->state != PVG_NET_LIVE)
		return -EIO;
	/* With a program or a pool all are off, and are set when these go. */
	if (changed & NETIF_F_GRO_HW && !pvg_net_is_raw(net))
		return pvg_net_set_guest_offloads(net,
				pvg_net_wanted_offloads(net, features));
	return 0;
}

/* So that udev names the pair of failover devices apart. */
static int pvg_net_get_phys_port_name(struct net_device *dev, char *name,
				      size_t len)
{
	if (!pvg_net_has(netdev_priv(dev), VIRTIO_NET_F_STANDBY))
		return -EOPNOTSUPP;
	return strscpy(name, "sby", len) < 0 ? -EOPNOTSUPP : 0;
}

const struct net_device_ops pvg_net_netdev_ops = {
	.ndo_open		= pvg_net_open,
	.ndo_stop		= pvg_net_stop,
	.ndo_start_xmit		= pvg_net_start_xmit,
	.ndo_get_stats64	= pvg_net_get_stats64,
	.ndo_set_rx_mode	= pvg_net_set_rx_mode,
	.ndo_set_mac_address	= pvg_net_set_mac,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_change_mtu		= pvg_net_change_mtu,
	.ndo_vlan_rx_add_vid	= pvg_net_vlan_add,
	.ndo_vlan_rx_kill_vid	= pvg_net_vlan_kill,
	.ndo_tx_timeout		= pvg_net_tx_timeout,
	.ndo_set_features	= pvg_net_netdev_set_features,
	.ndo_features_check	= passthru_features_check,
	.ndo_get_phys_port_name	= pvg_net_get_phys_port_name,
	.ndo_bpf		= pvg_net_bpf,
	.ndo_xdp_xmit		= pvg_net_xdp_xmit,
	.ndo_xsk_wakeup		= pvg_net_xsk_wakeup,
};

static netdev_features_t tx_features(const struct pvg_net *net)
{
	netdev_features_t f = 0;

	if (!pvg_net_has(net, VIRTIO_NET_F_CSUM))
		return 0;
	f |= NETIF_F_HW_CSUM | NETIF_F_SG;
	if (pvg_net_has(net, VIRTIO_NET_F_HOST_TSO4))
		f |= NETIF_F_TSO;
	if (pvg_net_has(net, VIRTIO_NET_F_HOST_TSO6))
		f |= NETIF_F_TSO6;
	if (pvg_net_has(net, VIRTIO_NET_F_HOST_ECN))
		f |= NETIF_F_TSO_ECN;
	if (PVG_NET_USO && pvg_net_has(net, VIRTIO_NET_F_HOST_USO))
		f |= NETIF_F_GSO_UDP_L4;
#if PVG_NET_TUNNEL
	if (net->tx_tunnel)
		f |= NETIF_F_GSO_UDP_TUNNEL;
	if (net->tx_tunnel &&
	    pvg_net_has(net, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO_CSUM))
		f |= NETIF_F_GSO_UDP_TUNNEL_CSUM;
#endif
	return f;
}

/**
 * pvg_net_init_netdev() - tell the network core what the device can do
 * @net: the device, features negotiated
 *
 * Context: probe, before register_netdev().
 */
void pvg_net_init_netdev(struct pvg_net *net)
{
	struct net_device *dev = net->dev;

	dev->netdev_ops = &pvg_net_netdev_ops;
	dev->ethtool_ops = &pvg_net_ethtool_ops;
	pvg_net_init_qstat(dev);
	dev->watchdog_timeo = 5 * HZ;
	dev->min_mtu = ETH_MIN_MTU;
	dev->max_mtu = net->max_mtu;
	if (pvg_net_has(net, VIRTIO_NET_F_MTU))
		dev->mtu = net->max_mtu;

	dev->hw_features = tx_features(net);
	if (net->tx_tunnel)
		dev->hw_enc_features |= dev->hw_features;
	dev->features = dev->hw_features | NETIF_F_GSO_ROBUST | NETIF_F_HIGHDMA;
	if (pvg_net_has(net, VIRTIO_NET_F_GUEST_CSUM))
		dev->features |= NETIF_F_RXCSUM;
	if (net->guest_offloads_all & OFFLOAD_BITS_GRO_HW) {
		dev->features |= NETIF_F_GRO_HW;
		if (pvg_net_has(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
			dev->hw_features |= NETIF_F_GRO_HW;
	}
	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_VLAN))
		dev->features |= NETIF_F_HW_VLAN_CTAG_FILTER;
	if (pvg_net_has(net, VIRTIO_NET_F_HASH_REPORT)) {
		dev->hw_features |= NETIF_F_RXHASH;
		dev->features |= NETIF_F_RXHASH;
	}
	dev->vlan_features = dev->features & ~(NETIF_F_HW_VLAN_CTAG_FILTER |
					       NETIF_F_RXHASH);

	pvg_net_init_xdp_metadata(dev);
	pvg_set_xdp_features(dev, pvg_net_has(net, VIRTIO_F_RING_RESET));
	if (pvg_net_has(net, VIRTIO_NET_F_CTRL_RX))
		dev->priv_flags |= IFF_UNICAST_FLT;
	/* A device that cannot be told of an address need not know it. */
	dev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
}

// SPDX-License-Identifier: GPL-2.0-only
/* ethtool, but for moderation, which has a file of its own. */
#include <linux/ethtool.h>
#include <linux/log2.h>
#include <linux/rtnetlink.h>
#include <linux/virtio.h>

#include "pvg_net.h"
#include "pvguest/version.h"

static void get_drvinfo(struct net_device *dev, struct ethtool_drvinfo *info)
{
	struct pvg_net *net = netdev_priv(dev);

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->version, PVG_VERSION, sizeof(info->version));
	strscpy(info->bus_info, dev_name(&net->vdev->dev),
		sizeof(info->bus_info));
}

static int get_link_ksettings(struct net_device *dev,
			      struct ethtool_link_ksettings *settings)
{
	struct pvg_net *net = netdev_priv(dev);

	settings->base.speed = net->speed;
	settings->base.duplex = net->duplex;
	settings->base.port = PORT_OTHER;
	return 0;
}

/* There is no wire: it only changes what is shown, as for a bond. */
static int set_link_ksettings(struct net_device *dev,
			      const struct ethtool_link_ksettings *settings)
{
	struct pvg_net *net = netdev_priv(dev);

	return ethtool_virtdev_set_link_ksettings(dev, settings, &net->speed,
						  &net->duplex);
}

static void get_channels(struct net_device *dev,
			 struct ethtool_channels *channels)
{
	struct pvg_net *net = netdev_priv(dev);

	channels->max_combined = net->pairs;
	channels->combined_count = net->active_pairs;
}

static int set_channels(struct net_device *dev,
			struct ethtool_channels *channels)
{
	struct pvg_net *net = netdev_priv(dev);
	unsigned int pairs = channels->combined_count;
	unsigned int was = net->active_pairs;
	bool spread = !netif_is_rxfh_configured(dev);
	int err;

	/* The core has checked the range; only combined ones exist. */
	if (channels->rx_count || channels->tx_count || channels->other_count)
		return -EINVAL;
	if (pairs == was)
		return 0;
	if (spread)
		pvg_net_rss_spread(net, pairs);
	/* Nothing may be sent to a queue that is about to stop. */
	if (pairs < was) {
		err = netif_set_real_num_queues(dev, pairs, pairs);
		if (err)
			return err;
	}
	err = pvg_net_set_pairs(net, pairs);
	if (err) {
		/* There is no extack here. */
		net_warn_ratelimited("%s: the device did not take %u queue pairs: %pe\n",
				     dev->name, pairs, ERR_PTR(err));
		if (spread)
			pvg_net_rss_spread(net, was);
		netif_set_real_num_queues(dev, was, was);
		pvg_net_spread(net);
		return err;
	}
	pvg_net_coal_send(net);
	err = netif_set_real_num_queues(dev, pairs, pairs);
	pvg_net_spread(net);
	return err;
}

static void get_ringparam(struct net_device *dev,
			  struct ethtool_ringparam *ring,
			  struct kernel_ethtool_ringparam *kring,
			  struct netlink_ext_ack *extack)
{
	struct pvg_net *net = netdev_priv(dev);
	struct virtqueue *rx = net->rxqs[0].pvg.vq;
	struct virtqueue *tx = net->txqs[0].pvg.vq;

	if (!rx || !tx)
		return;
	ring->rx_max_pending = rx->num_max;
	ring->tx_max_pending = tx->num_max;
	ring->rx_pending = virtqueue_get_vring_size(rx);
	ring->tx_pending = virtqueue_get_vring_size(tx);
}

#define RX_RING_MIN	(1 + PVG_NET_BIG_SEGS)
#define TX_RING_MIN	PVG_NET_TX_SG

static bool is_packed(const struct pvg_net *net)
{
	return virtio_has_feature(net->vdev, VIRTIO_F_RING_PACKED);
}

/* The rings may differ in their maxima. Return: 0, or -EINVAL with the range. */
static int check_sizes(struct pvg_net *net, u32 rx, u32 tx,
		       struct netlink_ext_ack *extack)
{
	bool possible = rx >= RX_RING_MIN && tx >= TX_RING_MIN;
	unsigned int i;

	if (!is_packed(net))
		possible &= is_power_of_2(rx) && is_power_of_2(tx);
	for (i = 0; i < net->pairs; i++)
		possible &= rx <= net->rxqs[i].pvg.vq->num_max &&
			    tx <= net->txqs[i].pvg.vq->num_max;
	if (possible)
		return 0;
	if (is_packed(net))
		pvg_extack_fmt(extack,
			       "sizes are %u (rx) and %u (tx) at least, at most the maximum",
			       RX_RING_MIN, TX_RING_MIN);
	else
		pvg_extack_fmt(extack,
			       "sizes are powers of two, %lu (rx) and %lu (tx) at least",
			       roundup_pow_of_two(RX_RING_MIN),
			       roundup_pow_of_two(TX_RING_MIN));
	return -EINVAL;
}

static int resize_all(struct pvg_net *net, u32 rx, u32 tx)
{
	struct virtqueue *rx_vq, *tx_vq;
	unsigned int i;
	int err = 0;

	mutex_lock(&net->ring.lock);
	for (i = 0; i < net->pairs && !err; i++) {
		rx_vq = net->rxqs[i].pvg.vq;
		tx_vq = net->txqs[i].pvg.vq;
		if (rx != virtqueue_get_vring_size(rx_vq))
			err = pvg_net_rx_resize(&net->rxqs[i], rx);
		if (!err && tx != virtqueue_get_vring_size(tx_vq))
			err = pvg_net_tx_resize(&net->txqs[i], tx);
	}
	mutex_unlock(&net->ring.lock);
	return err;
}

static int set_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
			 struct kernel_ethtool_ringparam *kring,
			 struct netlink_ext_ack *extack)
{
	struct pvg_net *net = netdev_priv(dev);
	u32 rx_was, tx_was;
	int err;

	if (net->state != PVG_NET_LIVE) {
		NL_SET_ERR_MSG(extack, "the device does not work");
		return -EIO;
	}
	if (!pvg_net_has(net, VIRTIO_F_RING_RESET)) {
		NL_SET_ERR_MSG(extack, "the device cannot reset a single ring");
		return -EOPNOTSUPP;
	}
	err = check_sizes(net, ring->rx_pending, ring->tx_pending, extack);
	if (err)
		return err;
	rx_was = virtqueue_get_vring_size(net->rxqs[0].pvg.vq);
	tx_was = virtqueue_get_vring_size(net->txqs[0].pvg.vq);
	err = resize_all(net, ring->rx_pending, ring->tx_pending);
	if (err == -ENOMEM) {
		NL_SET_ERR_MSG(extack, "no memory for rings of that size");
		/* A ring that cannot go back works with the size it has. */
		resize_all(net, rx_was, tx_was);
	} else if (err) {
		pvg_net_recover(net);
	}
	pvg_net_coal_send(net);
	return err;
}

const struct ethtool_ops pvg_net_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_USECS |
				     ETHTOOL_COALESCE_MAX_FRAMES |
				     ETHTOOL_COALESCE_USE_ADAPTIVE,
	.get_drvinfo		= get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= get_link_ksettings,
	.set_link_ksettings	= set_link_ksettings,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_channels		= get_channels,
	.set_channels		= set_channels,
	.get_ringparam		= get_ringparam,
	.set_ringparam		= set_ringparam,
	.get_coalesce		= pvg_net_get_coalesce,
	.set_coalesce		= pvg_net_set_coalesce,
	.get_strings		= pvg_net_get_strings,
	.get_sset_count		= pvg_net_get_sset_count,
	.get_ethtool_stats	= pvg_net_get_ethtool_stats,
	.get_rxfh_key_size	= pvg_net_get_rxfh_key_size,
	.get_rxfh_indir_size	= pvg_net_get_rxfh_indir_size,
	.get_rxfh		= pvg_net_get_rxfh,
	.set_rxfh		= pvg_net_set_rxfh,
#ifdef PVG_HAVE_RXFH_FIELDS
	.get_rx_ring_count	= pvg_net_get_rx_ring_count,
	.get_rxfh_fields	= pvg_net_get_rxfh_fields,
	.set_rxfh_fields	= pvg_net_set_rxfh_fields,
#else
	.get_rxnfc		= pvg_net_get_rxnfc,
	.set_rxnfc		= pvg_net_set_rxnfc,
#endif
	.get_per_queue_coalesce	= pvg_net_get_queue_coalesce,
	.set_per_queue_coalesce	= pvg_net_set_queue_coalesce,
};

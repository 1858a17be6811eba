// SPDX-License-Identifier: GPL-2.0-only
/* ethtool, but for moderation, which has a file of its own. */
#include <linux/ethtool.h>
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
	int err;

	/* The core has checked the range; only combined ones exist. */
	if (channels->rx_count || channels->tx_count || channels->other_count)
		return -EINVAL;
	if (pairs == was)
		return 0;
	if (!netif_is_rxfh_configured(dev))
		pvg_net_rss_spread(net, pairs);
	/* Nothing may be sent to a queue that is about to stop. */
	if (pairs < was) {
		err = netif_set_real_num_queues(dev, pairs, pairs);
		if (err)
			return err;
	}
	err = pvg_net_set_pairs(net, pairs);
	if (err) {
		pvg_net_rss_spread(net, was);
		netif_set_real_num_queues(dev, was, was);
		return err;
	}
	pvg_net_coal_send(net);
	return netif_set_real_num_queues(dev, pairs, pairs);
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

static int set_ringparam(struct net_device *dev, struct ethtool_ringparam *ring,
			 struct kernel_ethtool_ringparam *kring,
			 struct netlink_ext_ack *extack)
{
	struct pvg_net *net = netdev_priv(dev);
	unsigned int i;
	int err = 0;

	if (net->state != PVG_NET_LIVE)
		return -EIO;
	if (!pvg_net_has(net, VIRTIO_F_RING_RESET)) {
		NL_SET_ERR_MSG(extack, "the device cannot reset a single ring");
		return -EOPNOTSUPP;
	}
	/* The core has checked the maxima. */
	if (ring->tx_pending < PVG_NET_TX_SG ||
	    ring->rx_pending < 1 + PVG_NET_BIG_SEGS) {
		NL_SET_ERR_MSG(extack,
			       "at least 3 are needed for rx, 19 for tx");
		return -EINVAL;
	}
	mutex_lock(&net->ring.lock);
	for (i = 0; i < net->pairs && !err; i++) {
		if (ring->rx_pending !=
		    virtqueue_get_vring_size(net->rxqs[i].pvg.vq))
			err = pvg_net_rx_resize(&net->rxqs[i], ring->rx_pending);
		if (!err && ring->tx_pending !=
			    virtqueue_get_vring_size(net->txqs[i].pvg.vq))
			err = pvg_net_tx_resize(&net->txqs[i], ring->tx_pending);
	}
	mutex_unlock(&net->ring.lock);
	pvg_net_coal_send(net);
	if (err)
		pvg_net_recover(net);
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

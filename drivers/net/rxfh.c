// SPDX-License-Identifier: GPL-2.0-only
/* ethtool -x, -X and -n rx-flow-hash: which queue a packet goes to. */
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#include "pvg_net.h"

#define HASH_L3		(RXH_IP_SRC | RXH_IP_DST)
#define HASH_L4		(RXH_L4_B_0_1 | RXH_L4_B_2_3)

/* The hash types a kind of flow may have, of the layers 3 and 4. */
struct flow_types {
	u32 l3;
	u32 l4;
};

static struct flow_types types_of(u32 flow)
{
	switch (flow) {
	case TCP_V4_FLOW:
		return (struct flow_types) {
			VIRTIO_NET_RSS_HASH_TYPE_IPv4,
			VIRTIO_NET_RSS_HASH_TYPE_TCPv4,
		};
	case UDP_V4_FLOW:
		return (struct flow_types) {
			VIRTIO_NET_RSS_HASH_TYPE_IPv4,
			VIRTIO_NET_RSS_HASH_TYPE_UDPv4,
		};
	case IPV4_FLOW:
		return (struct flow_types) { VIRTIO_NET_RSS_HASH_TYPE_IPv4, 0 };
	case TCP_V6_FLOW:
		return (struct flow_types) {
			VIRTIO_NET_RSS_HASH_TYPE_IPv6,
			VIRTIO_NET_RSS_HASH_TYPE_TCPv6,
		};
	case UDP_V6_FLOW:
		return (struct flow_types) {
			VIRTIO_NET_RSS_HASH_TYPE_IPv6,
			VIRTIO_NET_RSS_HASH_TYPE_UDPv6,
		};
	case IPV6_FLOW:
		return (struct flow_types) { VIRTIO_NET_RSS_HASH_TYPE_IPv6, 0 };
	default:
		return (struct flow_types) {};
	}
}

static u64 get_fields(const struct pvg_net *net, u32 flow)
{
	struct flow_types t = types_of(flow);
	u64 data = 0;

	if (net->rss.types & (t.l3 | t.l4))
		data |= HASH_L3;
	if (net->rss.types & t.l4)
		data |= HASH_L4;
	return data;
}

static int set_fields(struct pvg_net *net, u32 flow, u64 data,
		      struct netlink_ext_ack *extack)
{
	struct flow_types t = types_of(flow);
	u32 types = net->rss.types & ~(t.l3 | t.l4);
	u32 was = net->rss.types;
	int err;

	if (!t.l3) {
		pvg_extack_set(extack, "possible flows are ip, tcp and udp");
		return -EOPNOTSUPP;
	}
	/* IP is shared by the flows above it, so it stays while they hash. */
	switch (data) {
	case 0:
		break;
	case HASH_L3:
		types |= t.l3;
		break;
	case HASH_L3 | HASH_L4:
		if (t.l4) {
			types |= t.l3 | t.l4;
			break;
		}
		fallthrough;
	default:
		pvg_extack_set(extack,
			       "possible are none, addresses, and addresses and ports");
		return -EINVAL;
	}
	if (types & ~net->rss.types_supported) {
		pvg_extack_set(extack, "the device does not hash these");
		return -EOPNOTSUPP;
	}
	net->rss.types = types;
	err = pvg_net_rss_send(net, net->active_pairs);
	if (err) {
		pvg_extack_set(extack, "the device did not take it");
		net->rss.types = was;
	}
	return err;
}

#ifdef PVG_HAVE_RXFH_FIELDS

u32 pvg_net_get_rx_ring_count(struct net_device *dev)
{
	const struct pvg_net *net = netdev_priv(dev);

	return net->active_pairs;
}

int pvg_net_get_rxfh_fields(struct net_device *dev,
			    struct ethtool_rxfh_fields *fields)
{
	fields->data = get_fields(netdev_priv(dev), fields->flow_type);
	return 0;
}

int pvg_net_set_rxfh_fields(struct net_device *dev,
			    const struct ethtool_rxfh_fields *fields,
			    struct netlink_ext_ack *extack)
{
	return set_fields(netdev_priv(dev), fields->flow_type, fields->data,
			  extack);
}

#else /* !PVG_HAVE_RXFH_FIELDS */

int pvg_net_get_rxnfc(struct net_device *dev, struct ethtool_rxnfc *info,
		      u32 *locs)
{
	const struct pvg_net *net = netdev_priv(dev);

	switch (info->cmd) {
	case ETHTOOL_GRXRINGS:
		info->data = net->active_pairs;
		return 0;
	case ETHTOOL_GRXFH:
		info->data = get_fields(net, info->flow_type);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int pvg_net_set_rxnfc(struct net_device *dev, struct ethtool_rxnfc *info)
{
	struct pvg_net *net = netdev_priv(dev);

	if (info->cmd != ETHTOOL_SRXFH || !net->rss.key)
		return -EOPNOTSUPP;
	return set_fields(net, info->flow_type, info->data, NULL);
}

#endif /* !PVG_HAVE_RXFH_FIELDS */

u32 pvg_net_get_rxfh_key_size(struct net_device *dev)
{
	const struct pvg_net *net = netdev_priv(dev);

	return net->rss.key_size;
}

u32 pvg_net_get_rxfh_indir_size(struct net_device *dev)
{
	const struct pvg_net *net = netdev_priv(dev);

	return net->rss.indir_size;
}

static void get_rxfh(const struct pvg_net *net, u32 *indir, u8 *key)
{
	u32 i;

	for (i = 0; indir && i < net->rss.indir_size; i++)
		indir[i] = net->rss.indir[i];
	if (key)
		memcpy(key, net->rss.key, net->rss.key_size);
}

/* On error what was there is there again. */
static int set_rxfh(struct pvg_net *net, const u32 *indir, const u8 *key)
{
	struct pvg_net_rss was = net->rss, *rss = &net->rss;
	int err = -ENOMEM;
	u32 i;

	rss->indir = kmemdup(was.indir, was.indir_size * sizeof(*was.indir),
			     GFP_KERNEL);
	rss->key = kmemdup(was.key, was.key_size, GFP_KERNEL);
	if (!rss->indir || !rss->key)
		goto undo;
	for (i = 0; indir && i < rss->indir_size; i++)
		rss->indir[i] = indir[i];
	if (key)
		memcpy(rss->key, key, rss->key_size);
	err = pvg_net_rss_send(net, net->active_pairs);
	if (err)
		goto undo;
	kfree(was.indir);
	kfree(was.key);
	return 0;

undo:
	kfree(rss->indir);
	kfree(rss->key);
	*rss = was;
	return err;
}

#ifdef PVG_HAVE_RXFH_PARAM

int pvg_net_get_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh)
{
	rxfh->hfunc = ETH_RSS_HASH_TOP;
	get_rxfh(netdev_priv(dev), rxfh->indir, rxfh->key);
	return 0;
}

int pvg_net_set_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh,
		     struct netlink_ext_ack *extack)
{
	struct pvg_net *net = netdev_priv(dev);
	int err;

	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG(extack, "the only hash function is toeplitz");
		return -EOPNOTSUPP;
	}
	if (!net->rss.indir_size) {
		NL_SET_ERR_MSG(extack, "the device does not spread packets by hashes");
		return -EOPNOTSUPP;
	}
	err = set_rxfh(net, rxfh->indir, rxfh->key);
	if (err)
		NL_SET_ERR_MSG(extack, "the device did not take it");
	return err;
}

#else /* !PVG_HAVE_RXFH_PARAM */

int pvg_net_get_rxfh(struct net_device *dev, u32 *indir, u8 *key, u8 *hfunc)
{
	if (hfunc)
		*hfunc = ETH_RSS_HASH_TOP;
	get_rxfh(netdev_priv(dev), indir, key);
	return 0;
}

int pvg_net_set_rxfh(struct net_device *dev, const u32 *indir, const u8 *key,
		     const u8 hfunc)
{
	struct pvg_net *net = netdev_priv(dev);

	if (hfunc != ETH_RSS_HASH_NO_CHANGE && hfunc != ETH_RSS_HASH_TOP)
		return -EOPNOTSUPP;
	if (!net->rss.indir_size)
		return -EOPNOTSUPP;
	return set_rxfh(net, indir, key);
}

#endif /* !PVG_HAVE_RXFH_PARAM */

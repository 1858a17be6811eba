// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive-side scaling and hash reports (virtio 1.2, sections 5.1.6.5.7 and
 * 5.1.6.5.6).
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "pvg_net.h"

#define KEY_SIZE_MAX	40	/* what the specification fixes it at */
#define INDIR_SIZE_MAX	128	/* a larger table is used in part */

#define TYPES_ALL	(VIRTIO_NET_RSS_HASH_TYPE_IPv4 | \
			 VIRTIO_NET_RSS_HASH_TYPE_TCPv4 | \
			 VIRTIO_NET_RSS_HASH_TYPE_UDPv4 | \
			 VIRTIO_NET_RSS_HASH_TYPE_IPv6 | \
			 VIRTIO_NET_RSS_HASH_TYPE_TCPv6 | \
			 VIRTIO_NET_RSS_HASH_TYPE_UDPv6)

/* The two halves of struct virtio_net_rss_config, around the table. */
struct rss_head {
	__le32 hash_types;
	__le16 indirection_table_mask;
	__le16 unclassified_queue;
} __packed;
static_assert(sizeof(struct rss_head) == 8);

struct rss_tail {
	__le16 max_tx_vq;
	u8 hash_key_length;
	u8 hash_key[];
} __packed;
static_assert(sizeof(struct rss_tail) == 3);

static int read_table_size(struct pvg_net *net)
{
	u16 size;

	virtio_cread_le(net->vdev, struct virtio_net_config,
			rss_max_indirection_table_length, &size);
	if (!size) {
		dev_err(&net->vdev->dev, "RSS with a table of no entries\n");
		return -EINVAL;
	}
	net->rss.indir_size = rounddown_pow_of_two(min_t(u16, size,
							 INDIR_SIZE_MAX));
	net->rss.indir = kcalloc(net->rss.indir_size, sizeof(*net->rss.indir),
				 GFP_KERNEL);
	return net->rss.indir ? 0 : -ENOMEM;
}

/**
 * pvg_net_rss_read() - read what the device can do, and choose the defaults
 * @net: the device
 *
 * Context: probe. Return: 0, -EINVAL for nonsense, -ENOMEM.
 */
int pvg_net_rss_read(struct pvg_net *net)
{
	struct pvg_net_rss *rss = &net->rss;
	u8 key_size;
	int err;

	if (!pvg_net_has(net, VIRTIO_NET_F_RSS) &&
	    !pvg_net_has(net, VIRTIO_NET_F_HASH_REPORT))
		return 0;
	virtio_cread_le(net->vdev, struct virtio_net_config, rss_max_key_size,
			&key_size);
	if (key_size < KEY_SIZE_MAX) {
		dev_err(&net->vdev->dev,
			"hash keys of %u bytes, at least %u are needed\n",
			key_size, KEY_SIZE_MAX);
		return -EINVAL;
	}
	rss->key_size = KEY_SIZE_MAX;
	rss->key = kmalloc(rss->key_size, GFP_KERNEL);
	if (!rss->key)
		return -ENOMEM;
	netdev_rss_key_fill(rss->key, rss->key_size);
	virtio_cread_le(net->vdev, struct virtio_net_config,
			supported_hash_types, &rss->types_supported);
	rss->types_supported &= TYPES_ALL;
	rss->types = rss->types_supported;

	if (!pvg_net_has(net, VIRTIO_NET_F_RSS))
		return 0;
	err = read_table_size(net);
	if (!err)
		pvg_net_rss_spread(net, 1);
	return err;
}

void pvg_net_rss_free(struct pvg_net *net)
{
	kfree(net->rss.indir);
	kfree(net->rss.key);
}

/**
 * pvg_net_rss_spread() - use all of some queues alike
 * @net: the device
 * @pairs: queue pairs in use
 */
void pvg_net_rss_spread(struct pvg_net *net, unsigned int pairs)
{
	u32 i;

	for (i = 0; i < net->rss.indir_size; i++)
		net->rss.indir[i] = ethtool_rxfh_indir_default(i, pairs);
}

static int send_config(struct pvg_net *net, u8 cmd, u32 table_size, u32 types,
		       unsigned int pairs)
{
	struct pvg_net_rss *rss = &net->rss;
	struct rss_head *head;
	struct rss_tail *tail;
	__le16 *table;
	size_t len;
	u32 i;
	int err;

	len = sizeof(*head) + table_size * sizeof(*table) + sizeof(*tail) +
	      rss->key_size;
	head = kzalloc(len, GFP_KERNEL);
	if (!head)
		return -ENOMEM;
	head->hash_types = cpu_to_le32(types);
	head->indirection_table_mask = cpu_to_le16(rss->indir_size ?
						   table_size - 1 : 0);
	table = (__le16 *)(head + 1);
	for (i = 0; rss->indir_size && i < table_size; i++)
		table[i] = cpu_to_le16(rss->indir[i]);
	tail = (struct rss_tail *)(table + table_size);
	tail->max_tx_vq = cpu_to_le16(rss->indir_size ? pairs : 0);
	tail->hash_key_length = rss->key_size;
	memcpy(tail->hash_key, rss->key, rss->key_size);

	err = pvg_net_ctrl(net, VIRTIO_NET_CTRL_MQ, cmd, head, len);
	kfree(head);
	return err;
}

/**
 * pvg_net_rss_send() - have the device use the settings in net->rss
 * @net: the device
 * @pairs: queue pairs in use
 *
 * With RSS this is also how the device learns @pairs.
 *
 * Context: rtnl; may sleep. Return: as pvg_net_ctrl().
 */
int pvg_net_rss_send(struct pvg_net *net, unsigned int pairs)
{
	if (pvg_net_has(net, VIRTIO_NET_F_RSS))
		return send_config(net, VIRTIO_NET_CTRL_MQ_RSS_CONFIG,
				   net->rss.indir_size, net->rss.types, pairs);
	/* Without a table there is one reserved entry and max_tx_vq is, too. */
	return send_config(net, VIRTIO_NET_CTRL_MQ_HASH_CONFIG, 1,
			   net->dev->features & NETIF_F_RXHASH ?
			   net->rss.types : 0, 0);
}

/* How the value is declared differs between kernels. */
static u32 hash_value(const struct virtio_net_hdr_v1_hash *hdr)
{
	return get_unaligned_le32((const u8 *)hdr +
				  sizeof(struct virtio_net_hdr_v1));
}

/**
 * pvg_net_set_hash() - take over the hash the device reported
 * @skb: the packet
 * @hdr: a copy of its header
 */
void pvg_net_set_hash(struct sk_buff *skb,
		      const struct virtio_net_hdr_v1_hash *hdr)
{
	enum pkt_hash_types type;

	switch (le16_to_cpu(hdr->hash_report)) {
	case VIRTIO_NET_HASH_REPORT_TCPv4:
	case VIRTIO_NET_HASH_REPORT_UDPv4:
	case VIRTIO_NET_HASH_REPORT_TCPv6:
	case VIRTIO_NET_HASH_REPORT_UDPv6:
	case VIRTIO_NET_HASH_REPORT_TCPv6_EX:
	case VIRTIO_NET_HASH_REPORT_UDPv6_EX:
		type = PKT_HASH_TYPE_L4;
		break;
	case VIRTIO_NET_HASH_REPORT_IPv4:
	case VIRTIO_NET_HASH_REPORT_IPv6:
	case VIRTIO_NET_HASH_REPORT_IPv6_EX:
		type = PKT_HASH_TYPE_L3;
		break;
	default:
		return;
	}
	skb_set_hash(skb, hash_value(hdr), type);
}

#ifdef PVG_HAVE_XDP_RX_HASH

static const enum xdp_rss_hash_type xdp_types[] = {
	[VIRTIO_NET_HASH_REPORT_IPv4]		= XDP_RSS_TYPE_L3_IPV4,
	[VIRTIO_NET_HASH_REPORT_TCPv4]		= XDP_RSS_TYPE_L4_IPV4_TCP,
	[VIRTIO_NET_HASH_REPORT_UDPv4]		= XDP_RSS_TYPE_L4_IPV4_UDP,
	[VIRTIO_NET_HASH_REPORT_IPv6]		= XDP_RSS_TYPE_L3_IPV6,
	[VIRTIO_NET_HASH_REPORT_TCPv6]		= XDP_RSS_TYPE_L4_IPV6_TCP,
	[VIRTIO_NET_HASH_REPORT_UDPv6]		= XDP_RSS_TYPE_L4_IPV6_UDP,
	[VIRTIO_NET_HASH_REPORT_IPv6_EX]	= XDP_RSS_TYPE_L3_IPV6_EX,
	[VIRTIO_NET_HASH_REPORT_TCPv6_EX]	= XDP_RSS_TYPE_L4_IPV6_TCP_EX,
	[VIRTIO_NET_HASH_REPORT_UDPv6_EX]	= XDP_RSS_TYPE_L4_IPV6_UDP_EX,
};

/* xmo_rx_hash: the program runs on the packet that its queue is at, whose header the queue
 * has a copy of, wherever the program has moved the start of the packet to.
 */
static int xdp_rx_hash(const struct xdp_md *ctx, u32 *hash,
		       enum xdp_rss_hash_type *type)
{
	const struct xdp_rxq_info *info = ((const struct xdp_buff *)ctx)->rxq;
	const struct pvg_net *net = netdev_priv(info->dev);
	const struct virtio_net_hdr_v1_hash *hdr;
	u16 report;

	if (!(info->dev->features & NETIF_F_RXHASH))
		return -ENODATA;
	hdr = &net->rxqs[info->queue_index].packet.hdr.hash;
	report = le16_to_cpu(hdr->hash_report);
	if (report >= ARRAY_SIZE(xdp_types) || !xdp_types[report])
		return -ENODATA;
	*hash = hash_value(hdr);
	*type = xdp_types[report];
	return 0;
}

static const struct xdp_metadata_ops xdp_metadata_ops = {
	.xmo_rx_hash = xdp_rx_hash,
};

/**
 * pvg_net_init_xdp_metadata() - let XDP programs ask for what the device says of packets
 * @dev: the device
 *
 * Context: probe, before register_netdev().
 */
void pvg_net_init_xdp_metadata(struct net_device *dev)
{
	dev->xdp_metadata_ops = &xdp_metadata_ops;
}

#endif /* PVG_HAVE_XDP_RX_HASH */

/* SPDX-License-Identifier: GPL-2.0-only */
/* The network stack's share of compat.h. */
#ifndef _PVGUEST_COMPAT_NET_H
#define _PVGUEST_COMPAT_NET_H

#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/u64_stats_sync.h>
#include <linux/virtio_net.h>
#include <net/xdp.h>

#include "pvguest/compat.h"

#ifdef PVG_HAVE_PAGE_POOL_DIR
#include <net/page_pool/helpers.h>
#include <net/page_pool/types.h>
#else
#include <net/page_pool.h>
#endif

#ifdef PVG_HAVE_NETDEV_STAT_OPS
#include <net/netdev_queues.h>
#endif

#ifndef PP_FLAG_PAGE_FRAG
#define PP_FLAG_PAGE_FRAG	0	/* always possible by then */
#endif

/* Feature bits and commands that some kernel's headers lack. */
#ifndef VIRTIO_NET_F_DEVICE_STATS
#define VIRTIO_NET_F_DEVICE_STATS	50
#endif
#ifndef VIRTIO_NET_F_VQ_NOTF_COAL
#define VIRTIO_NET_F_VQ_NOTF_COAL	52
#endif
#ifndef VIRTIO_NET_F_GUEST_USO4
#define VIRTIO_NET_F_GUEST_USO4		54
#define VIRTIO_NET_F_GUEST_USO6		55
#define VIRTIO_NET_F_HOST_USO		56
#endif
#ifndef VIRTIO_NET_F_GUEST_HDRLEN
#define VIRTIO_NET_F_GUEST_HDRLEN	59
#endif

/*
 * UDP segmentation: the kernel's conversion between packets and headers has to
 * know it.
 */
#ifdef VIRTIO_NET_HDR_GSO_UDP_L4
#define PVG_NET_USO	1
#else
#define PVG_NET_USO	0
#endif

/*
 * Segmentation of what is in a UDP tunnel: the same, and bits of features beyond
 * the 63rd.
 */
#ifdef PVG_HAVE_NET_TUNNEL
#define PVG_NET_TUNNEL	1
#else
#define PVG_NET_TUNNEL	0
#define VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_MAPPED	46
#define VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM_MAPPED	47
#endif

/*
 * A page pool that @napi alone takes pages from: what is freed there goes straight back to
 * the pool's cache, and users see the pool.
 */
static inline void pvg_page_pool_of(struct page_pool_params *params,
				    struct net_device *dev,
				    struct napi_struct *napi)
{
#ifdef PVG_HAVE_PAGE_POOL_NETDEV
	params->netdev = dev;
	params->napi = napi;
#endif
}

/**
 * struct pvg_pool_stats - what page pools count, nothing where the kernel has them not
 * @sum: of several pools
 */
struct pvg_pool_stats {
#ifdef CONFIG_PAGE_POOL_STATS
	struct page_pool_stats sum;
#endif
};

/* Add what @pool, which may be NULL, has counted. */
static inline void pvg_pool_stats_add(struct pvg_pool_stats *stats,
				      struct page_pool *pool)
{
#ifdef CONFIG_PAGE_POOL_STATS
	if (pool)
		page_pool_get_stats(pool, &stats->sum);
#endif
}

/*
 * Add the NAPI context of receive queue @queue: what a user sets for it lasts as long as
 * @dev does. Before Linux 6.13 there is nothing to set.
 */
static inline void pvg_napi_add_rx(struct net_device *dev,
				   struct napi_struct *napi,
				   int (*poll)(struct napi_struct *napi, int budget),
				   unsigned int queue)
{
#ifdef PVG_HAVE_NAPI_ADD_CONFIG
	netif_napi_add_config(dev, napi, poll, queue);
#else
	netif_napi_add(dev, napi, poll);
#endif
}

/* Show users which NAPI context serves a queue; NULL: none. Context: rtnl. */
static inline void pvg_show_rx_napi(struct net_device *dev, unsigned int queue,
				    struct napi_struct *napi)
{
#ifdef PVG_HAVE_QUEUE_SET_NAPI
	netif_queue_set_napi(dev, queue, NETDEV_QUEUE_TYPE_RX, napi);
#endif
}

static inline void pvg_show_tx_napi(struct net_device *dev, unsigned int queue,
				    struct napi_struct *napi)
{
#ifdef PVG_HAVE_QUEUE_SET_NAPI
	netif_queue_set_napi(dev, queue, NETDEV_QUEUE_TYPE_TX, napi);
#endif
}

static inline void pvg_skb_frag_fill(skb_frag_t *frag, struct page *page,
				     u32 offset, u32 size)
{
#ifdef PVG_HAVE_SKB_FRAG_FILL
	skb_frag_fill_page_desc(frag, page, offset, size);
#else
	__skb_frag_set_page(frag, page);
	skb_frag_off_set(frag, offset);
	skb_frag_size_set(frag, size);
#endif
}

/* The fragments of an xdp_buff, left in place by building @skb around it. */
static inline void pvg_xdp_frags_to_skb(struct sk_buff *skb, u8 nr_frags,
					u32 size, u32 truesize)
{
#ifdef PVG_HAVE_XDP_FRAGS_INFO
	xdp_update_skb_frags_info(skb, nr_frags, size, truesize, 0);
#else
	xdp_update_skb_shared_info(skb, nr_frags, size, truesize, false);
#endif
}

static inline void pvg_set_xdp_features(struct net_device *dev, bool zerocopy)
{
#ifdef PVG_HAVE_XDP_FEATURES
	dev->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT |
			    NETDEV_XDP_ACT_RX_SG | NETDEV_XDP_ACT_NDO_XMIT |
			    NETDEV_XDP_ACT_NDO_XMIT_SG;
	if (zerocopy)
		dev->xdp_features |= NETDEV_XDP_ACT_XSK_ZEROCOPY;
#endif
}

/**
 * pvg_extack_set() - say what is wrong with a netlink request
 * @extack: may be NULL
 * @msg: one line, never freed
 */
static inline void pvg_extack_set(struct netlink_ext_ack *extack,
				  const char *msg)
{
	if (extack)
		extack->_msg = msg;
}

/*
 * pvg_extack_fmt() - the same with numbers, each time the same ones in one place:
 * before 6.2 the text is read after rtnl is given up, from where it is for good.
 */
#ifdef NL_SET_ERR_MSG_FMT
#define pvg_extack_fmt(extack, fmt, ...)				\
	NL_SET_ERR_MSG_FMT(extack, fmt, ##__VA_ARGS__)
#else
#define pvg_extack_fmt(extack, fmt, ...)				\
do {									\
	static char __text[80];						\
									\
	snprintf(__text, sizeof(__text), fmt, ##__VA_ARGS__);		\
	pvg_extack_set(extack, __text);					\
} while (0)
#endif

#endif /* _PVGUEST_COMPAT_NET_H */

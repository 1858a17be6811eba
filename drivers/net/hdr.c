// SPDX-License-Identifier: GPL-2.0-only
/*
 * What precedes each packet: between the device's header (virtio 1.4, sections
 * 5.1.6.2 and 5.1.6.4) and what struct sk_buff says of checksum and segmentation.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include "pvg_net.h"

/**
 * pvg_net_link_length() - length of an Ethernet header with at most one tag
 * @skb: the packet, from there on; is pulled that far
 * @proto: what follows
 *
 * Context: any. Return: bytes, or 0 if there are not as many.
 */
u32 pvg_net_link_length(struct sk_buff *skb, __be16 *proto)
{
	if (!pskb_may_pull(skb, ETH_HLEN))
		return 0;
	*proto = ((struct ethhdr *)skb->data)->h_proto;
	if (!eth_type_vlan(*proto))
		return ETH_HLEN;
	if (!pskb_may_pull(skb, VLAN_ETH_HLEN))
		return 0;
	*proto = ((struct vlan_ethhdr *)skb->data)->h_vlan_encapsulated_proto;
	return VLAN_ETH_HLEN;
}

/**
 * pvg_net_hdr_init() - choose the header by the features
 * @net: the device
 *
 * Context: probe, features negotiated.
 */
void pvg_net_hdr_init(struct pvg_net *net)
{
#if PVG_NET_TUNNEL
	net->tx_tunnel = pvg_net_has(net, VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO);
	net->rx_tunnel = pvg_net_has(net, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO);
	net->rx_tunnel_csum =
		pvg_net_has(net, VIRTIO_NET_F_GUEST_UDP_TUNNEL_GSO_CSUM);
	if (net->tx_tunnel || net->rx_tunnel) {
		net->hdr_len = sizeof(struct virtio_net_hdr_v1_hash_tunnel);
		return;
	}
#endif
	if (pvg_net_has(net, VIRTIO_NET_F_HASH_REPORT))
		net->hdr_len = sizeof(struct virtio_net_hdr_v1_hash);
	else if (net->mergeable || pvg_net_has(net, VIRTIO_F_VERSION_1))
		net->hdr_len = sizeof(struct virtio_net_hdr_mrg_rxbuf);
	else
		net->hdr_len = sizeof(struct virtio_net_hdr);
}

/* GUEST_HDRLEN: to the end of the transport header, exactly. */
static void set_header_length(const struct pvg_net *net,
			      const struct sk_buff *skb,
			      struct virtio_net_hdr *hdr)
{
	u32 len = skb_transport_offset(skb);

	len += skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4 ?
	       sizeof(struct udphdr) : tcp_hdrlen(skb);
	hdr->hdr_len = __cpu_to_virtio16(net->little_endian, len);
}

/**
 * pvg_net_hdr_from_skb() - the header of a packet to be sent
 * @net: the device
 * @skb: the packet
 * @hdr: &pvg_net.hdr_len bytes are written
 *
 * Context: any. Return: 0, or -EPROTO for a packet that the device cannot send.
 */
int pvg_net_hdr_from_skb(const struct pvg_net *net, struct sk_buff *skb,
			 union pvg_net_hdr *hdr)
{
	memset(hdr, 0, net->hdr_len);
#if PVG_NET_TUNNEL
	if (net->tx_tunnel)
		return virtio_net_hdr_tnl_from_skb(skb, &hdr->tunnel, true,
				net->little_endian, 0, false,
				pvg_net_has(net, VIRTIO_NET_F_GUEST_HDRLEN)) ?
		       -EPROTO : 0;
#endif
	if (virtio_net_hdr_from_skb(skb, &hdr->base, net->little_endian, false,
				    0))
		return -EPROTO;
	if (skb_is_gso(skb) && pvg_net_has(net, VIRTIO_NET_F_GUEST_HDRLEN))
		set_header_length(net, skb, &hdr->base);
	return 0;
}

#if PVG_NET_TUNNEL
/* Is there a header of IP at @at that ends where @end says? */
static bool is_ip(const struct sk_buff *skb, u32 at, u32 end)
{
	const struct iphdr *ip = (const void *)(skb->data + at);

	if (ip->version == 6)
		return at + sizeof(struct ipv6hdr) == end;
	return ip->version == 4 && at + ip->ihl * 4 == end;
}

/* QEMU 11 does not write the offsets of two headers in a packet of a tunnel, so they
 * are what the buffer was left with, and the kernel refuses the packet. Offsets at
 * which the headers are not are looked for; what is not found is left to be refused.
 */
static void find_tunnel_headers(const struct pvg_net *net, struct sk_buff *skb,
				struct virtio_net_hdr_v1_hash_tunnel *hdr)
{
	const struct virtio_net_hdr_v1 *base = &hdr->hash_hdr.hdr;
	u32 inner_th, inner, outer_th, link, least;
	const struct iphdr *outer;
	__be16 proto;

	if (!(base->gso_type & VIRTIO_NET_HDR_GSO_UDP_TUNNEL))
		return;
	inner_th = __virtio16_to_cpu(net->little_endian, base->csum_start);
	link = pvg_net_link_length(skb, &proto);
	if (!link || inner_th < link + 2 * sizeof(*outer) ||
	    !pskb_may_pull(skb, inner_th))
		return;
	outer = (const void *)(skb->data + link);
	least = link + (outer->version == 6 ? sizeof(struct ipv6hdr) :
					      outer->ihl * 4);
	outer_th = le16_to_cpu(hdr->outer_th_offset);
	inner = le16_to_cpu(hdr->inner_nh_offset);
	if (outer_th >= least && inner >= outer_th + sizeof(struct udphdr) &&
	    inner < inner_th && is_ip(skb, inner, inner_th))
		return;

	inner = inner_th - sizeof(struct iphdr);
	if (!is_ip(skb, inner, inner_th))
		inner = inner_th - sizeof(struct ipv6hdr);
	if (inner <= least || !is_ip(skb, inner, inner_th))
		return;
	hdr->outer_th_offset = cpu_to_le16(least);
	hdr->inner_nh_offset = cpu_to_le16(inner);
}
#endif

static int to_skb(const struct pvg_net *net, struct sk_buff *skb,
		  union pvg_net_hdr *hdr)
{
#if PVG_NET_TUNNEL
	if (net->rx_tunnel) {
		if (virtio_net_handle_csum_offload(skb, &hdr->base,
						   net->rx_tunnel_csum))
			return -EINVAL;
		find_tunnel_headers(net, skb, &hdr->tunnel);
		return virtio_net_hdr_tnl_to_skb(skb, &hdr->tunnel, true,
						 net->rx_tunnel_csum,
						 net->little_endian);
	}
#endif
	if (hdr->base.flags & VIRTIO_NET_HDR_F_DATA_VALID)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	return virtio_net_hdr_to_skb(skb, &hdr->base, net->little_endian);
}

/**
 * pvg_net_hdr_to_skb() - what came with a packet: checksum state, segmentation, hash
 * @net: the device
 * @skb: the packet, from its Ethernet header on
 * @hdr: its header, a copy
 *
 * Context: any. Return: 0, or -EINVAL if they do not fit together, or not what
 * the device may do.
 */
int pvg_net_hdr_to_skb(const struct pvg_net *net, struct sk_buff *skb,
		       union pvg_net_hdr *hdr)
{
	int err;

	if (hdr->base.gso_type != VIRTIO_NET_HDR_GSO_NONE &&
	    !pvg_net_large(net->guest_offloads))
		return -EINVAL;
	if (unlikely(hdr->base.flags & VIRTIO_NET_HDR_F_RSC_INFO) &&
	    pvg_net_has(net, VIRTIO_NET_F_RSC_EXT))
		err = pvg_net_apply_rsc(net, skb, &hdr->base);
	else
		err = to_skb(net, skb, hdr);
	if (err)
		return -EINVAL;
	if (net->dev->features & NETIF_F_RXHASH)
		pvg_net_set_hash(skb, &hdr->hash);
	return 0;
}

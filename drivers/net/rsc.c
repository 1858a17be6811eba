// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments that the device has coalesced (VIRTIO_NET_F_RSC_EXT, virtio 1.4,
 * section 5.1.6.4): the header says how many instead of where the checksum is.
 *
 * Such a packet has been checked by the device. What the specification also
 * demands, a segment size and a complete IPv4 header, QEMU leaves out, so both
 * are made here where they are missing.
 */
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/virtio_net.h>
#include <net/ip.h>

#include "pvg_net.h"

/* IPv4 at @at. Return: the length of the header, or 0. */
static u32 ipv4_length(struct sk_buff *skb, u32 at)
{
	struct iphdr *ip;
	u32 len;

	if (!pskb_may_pull(skb, at + sizeof(*ip)))
		return 0;
	ip = (struct iphdr *)(skb->data + at);
	len = ip->ihl * 4;
	if (len < sizeof(*ip) || ip->protocol != IPPROTO_TCP ||
	    !pskb_may_pull(skb, at + len))
		return 0;
	ip_send_check((struct iphdr *)(skb->data + at));
	return len;
}

static u32 ipv6_length(struct sk_buff *skb, u32 at)
{
	struct ipv6hdr *ip;

	if (!pskb_may_pull(skb, at + sizeof(*ip)))
		return 0;
	ip = (struct ipv6hdr *)(skb->data + at);
	return ip->nexthdr == IPPROTO_TCP ? sizeof(*ip) : 0;
}

/* Return: bytes before the payload, or 0 if it is not what @type says. */
static u32 header_length(struct sk_buff *skb, u8 type)
{
	bool v4 = type == VIRTIO_NET_HDR_GSO_TCPV4;
	u32 link, ip, tcp;
	__be16 proto;

	link = pvg_net_link_length(skb, &proto);
	if (!link || proto != htons(v4 ? ETH_P_IP : ETH_P_IPV6))
		return 0;
	ip = v4 ? ipv4_length(skb, link) : ipv6_length(skb, link);
	if (!ip || !pskb_may_pull(skb, link + ip + sizeof(struct tcphdr)))
		return 0;
	tcp = ((struct tcphdr *)(skb->data + link + ip))->doff * 4;
	return tcp < sizeof(struct tcphdr) ? 0 : link + ip + tcp;
}

/**
 * pvg_net_apply_rsc() - segmentation and checksum state of a coalesced packet
 * @net: the device, which has VIRTIO_NET_F_RSC_EXT
 * @skb: the packet, from its Ethernet header on
 * @hdr: what came with it, with VIRTIO_NET_HDR_F_RSC_INFO
 *
 * Context: any. Return: 0, or -EINVAL if they do not fit together.
 */
int pvg_net_apply_rsc(const struct pvg_net *net, struct sk_buff *skb,
		      const struct virtio_net_hdr *hdr)
{
	struct skb_shared_info *sinfo;
	u8 type = hdr->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	u32 segments = __virtio16_to_cpu(net->little_endian, hdr->csum_start);
	u32 size = __virtio16_to_cpu(net->little_endian, hdr->gso_size);
	u32 headers, payload;

	if ((type != VIRTIO_NET_HDR_GSO_TCPV4 &&
	     type != VIRTIO_NET_HDR_GSO_TCPV6) || !segments)
		return -EINVAL;
	headers = header_length(skb, type);
	if (!headers || headers > skb->len)
		return -EINVAL;

	skb->ip_summed = CHECKSUM_UNNECESSARY;
	payload = skb->len - headers;
	/* Acknowledgements have no payload to be segmented. */
	if (segments == 1 || !payload)
		return 0;
	if (!size)
		size = DIV_ROUND_UP(payload, segments);
	if (segments > payload || size >= GSO_BY_FRAGS)
		return -EINVAL;
	sinfo = skb_shinfo(skb);
	sinfo->gso_size = size;
	sinfo->gso_segs = segments;
	sinfo->gso_type = SKB_GSO_DODGY |
		(type == VIRTIO_NET_HDR_GSO_TCPV4 ? SKB_GSO_TCPV4 :
						    SKB_GSO_TCPV6);
	if (hdr->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		sinfo->gso_type |= SKB_GSO_TCP_ECN;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* The network behind the device: it answers ARP, and gives back UDP. */
#include <linux/etherdevice.h>
#include <linux/if_arp.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/checksum.h>
#include <net/ip.h>

#include "fakehost.h"

#define GUEST	0x0a091402	/* 10.9.20.2, where the tests put the guest */
#define HOST	0x0a091401

static const u8 our_address[ETH_ALEN] = { 2, 0, 0, 0, 0, 0x14 };

struct arp {
	struct arphdr hdr;
	u8 sender[ETH_ALEN];
	__be32 sender_ip;
	u8 target[ETH_ALEN];
	__be32 target_ip;
} __packed;

static bool echo_arp(struct arp *arp)
{
	__be32 asked = arp->target_ip;

	if (arp->hdr.ar_op != htons(ARPOP_REQUEST) || asked == arp->sender_ip)
		return false;
	arp->hdr.ar_op = htons(ARPOP_REPLY);
	memcpy(arp->target, arp->sender, ETH_ALEN);
	arp->target_ip = arp->sender_ip;
	memcpy(arp->sender, our_address, ETH_ALEN);
	arp->sender_ip = asked;
	return true;
}

/* Exchanging them leaves the checksums as they are. */
static bool echo_udp(struct iphdr *ip, struct udphdr *udp)
{
	if (ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_UDP)
		return false;
	swap(ip->saddr, ip->daddr);
	swap(udp->source, udp->dest);
	return true;
}

/**
 * fh_echo() - make the answer out of a frame
 * @frame: the frame
 * @len: bytes
 *
 * Return: whether there is one.
 */
bool fh_echo(void *frame, u32 len)
{
	struct ethhdr *eth = frame;
	struct iphdr *ip = frame + ETH_HLEN;
	bool answer = false;

	if (len < ETH_HLEN)
		return false;
	if (eth->h_proto == htons(ETH_P_ARP) &&
	    len >= ETH_HLEN + sizeof(struct arp))
		answer = echo_arp(frame + ETH_HLEN);
	else if (eth->h_proto == htons(ETH_P_IP) &&
		 len >= ETH_HLEN + sizeof(*ip) + sizeof(struct udphdr))
		answer = echo_udp(ip, (struct udphdr *)(ip + 1));
	memcpy(eth->h_dest, eth->h_source, ETH_ALEN);
	memcpy(eth->h_source, our_address, ETH_ALEN);
	return answer;
}

static struct iphdr *put_headers(const struct virtio_net_config *config,
				 void *frame, u8 protocol, u32 len)
{
	struct ethhdr *eth = frame;
	struct iphdr *ip = frame + ETH_HLEN;

	memcpy(eth->h_dest, config->mac, ETH_ALEN);
	memcpy(eth->h_source, our_address, ETH_ALEN);
	eth->h_proto = htons(ETH_P_IP);
	*ip = (struct iphdr) {
		.version = 4, .ihl = 5, .ttl = 64, .protocol = protocol,
		.tot_len = htons(sizeof(*ip) + len),
		.saddr = htonl(HOST), .daddr = htonl(GUEST),
	};
	ip->check = ip_fast_csum(ip, ip->ihl);
	return ip;
}

/* A datagram to the guest's port 9. Return: its length. */
u32 fh_datagram(const struct virtio_net_config *config, void *frame)
{
	u32 len = sizeof(struct udphdr) + 32;
	struct iphdr *ip = put_headers(config, frame, IPPROTO_UDP, len);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	*udp = (struct udphdr) {
		.source = htons(9), .dest = htons(9), .len = htons(len),
	};
	memset(udp + 1, 0x5a, 32);
	return ETH_HLEN + sizeof(*ip) + len;
}

/**
 * fh_segments() - TCP segments to the guest's port 9, coalesced to one
 * @config: of the device
 * @frame: where to
 * @n: how many
 * @stale: with the checksum of the first one's IPv4 header
 *
 * TCP's checksum is of no use in either case. Return: length of the frame.
 */
u32 fh_segments(const struct virtio_net_config *config, void *frame,
		unsigned int n, bool stale)
{
	u32 len = sizeof(struct tcphdr) + n * FH_SEGMENT;
	struct iphdr *ip = put_headers(config, frame, IPPROTO_TCP, len);
	struct tcphdr *tcp = (struct tcphdr *)(ip + 1);

	if (stale)
		ip->check = ~ip->check;
	*tcp = (struct tcphdr) {
		.source = htons(9), .dest = htons(9), .seq = htonl(1),
		.ack_seq = htonl(1), .doff = 5, .ack = 1,
		.window = htons(1000), .check = (__force __sum16)0xdead,
	};
	memset(tcp + 1, 0x5a, n * FH_SEGMENT);
	return ETH_HLEN + sizeof(*ip) + len;
}

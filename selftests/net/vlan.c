// SPDX-License-Identifier: GPL-2.0-only
/*
 * A host on every VLAN of a link, for kernels without VLANs: UDP in tagged
 * frames is sent back with the same tag, and a copy without a listener with
 * the next one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "peer.h"

/* Behind the Ethernet header, which has no tag any more. */
#define IP		14
#define IP_PROTOCOL	(IP + 9)
#define IP_FROM		(IP + 12)
#define UDP		(IP + 20)
#define UDP_CHECKSUM	(UDP + 6)
#define FRAME_MIN	(UDP + 8)

static int open_packet(const char *name)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0), one = 1;

	if (fd < 0 || !ll.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		return -1;
	return fd;
}

/* Return: the tag of the packet that came with @msg, or -1. */
static int tag_of(struct msghdr *msg)
{
	struct tpacket_auxdata aux;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		if (aux.tp_status & TP_STATUS_VLAN_VALID)
			return aux.tp_vlan_tci;
	}
	return -1;
}

static void exchange(__u8 *a, __u8 *b, size_t len)
{
	__u8 t[8];

	memcpy(t, a, len);
	memcpy(a, b, len);
	memcpy(b, t, len);
}

static void send_tagged(int fd, const __u8 *frame, size_t len, __u16 tag)
{
	__u16 vlan[2] = { htons(ETH_P_8021Q), htons(tag) };
	struct iovec iov[] = {
		{ .iov_base = (void *)frame, .iov_len = 12 },
		{ .iov_base = vlan, .iov_len = sizeof(vlan) },
		{ .iov_base = (void *)(frame + 12), .iov_len = len - 12 },
	};

	if (writev(fd, iov, 3) < 0)
		perror("peer: send");
}

static void answer(int fd, __u8 *frame, size_t len, int tag)
{
	__u16 discard = htons(9);

	if (len < FRAME_MIN || frame[IP_PROTOCOL] != 17 || frame[IP] != 0x45 ||
	    frame[12] != 0x08 || frame[13])
		return;
	exchange(frame, frame + 6, 6);
	exchange(frame + IP_FROM, frame + IP_FROM + 4, 4);
	exchange(frame + UDP, frame + UDP + 2, 2);
	/* It may not have been computed yet; none is allowed, too. */
	memset(frame + UDP_CHECKSUM, 0, 2);
	send_tagged(fd, frame, len, tag);
	memcpy(frame + UDP + 2, &discard, sizeof(discard));
	send_tagged(fd, frame, len, tag + 1);
}

/* Never returns but for an error. */
int serve_vlans(const char *interface)
{
	static __u8 frame[PEER_SIZE_MAX];
	__u8 control[256];
	struct iovec iov = { .iov_base = frame, .iov_len = sizeof(frame) };
	struct sockaddr_ll from;
	int fd = open_packet(interface), tag;

	if (fd < 0) {
		perror("peer: packet socket");
		return 1;
	}
	for (;;) {
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		ssize_t n = recvmsg(fd, &msg, 0);

		if (n < 0)
			continue;
		tag = tag_of(&msg);
		if (tag >= 0 && from.sll_pkttype != PACKET_OUTGOING)
			answer(fd, frame, n, tag);
	}
}

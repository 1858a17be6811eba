// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device does: it gives the network's answer to what is sent, obeys
 * commands (virtio 1.4, section 5.1.6.5), and breaks rules where it is told to.
 */
#include <linux/etherdevice.h>
#include <linux/in.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/virtio_ids.h>

#include "fakehost.h"
#include "pvguest/compat_net.h"

static bool notf_coal = true;
module_param(notf_coal, bool, 0444);
MODULE_PARM_DESC(notf_coal, "offer VIRTIO_NET_F_NOTF_COAL");
static bool vq_notf_coal = true;
module_param(vq_notf_coal, bool, 0444);
MODULE_PARM_DESC(vq_notf_coal, "offer VIRTIO_NET_F_VQ_NOTF_COAL");
static bool mergeable = true;
module_param(mergeable, bool, 0444);
MODULE_PARM_DESC(mergeable, "offer VIRTIO_NET_F_MRG_RXBUF");

static bool guest_tso;
module_param(guest_tso, bool, 0444);
MODULE_PARM_DESC(guest_tso, "offer VIRTIO_NET_F_GUEST_TSO4, and CTRL_GUEST_OFFLOADS");

static unsigned int rsc;
module_param(rsc, uint, 0444);
MODULE_PARM_DESC(rsc, "offer VIRTIO_NET_F_RSC_EXT, and inject so many segments in one");
static bool rsc_bare;
module_param(rsc_bare, bool, 0444);
MODULE_PARM_DESC(rsc_bare, "leave out what QEMU does: segment size, IPv4 checksum");

static bool rss;
module_param(rss, bool, 0444);
MODULE_PARM_DESC(rss, "offer VIRTIO_NET_F_RSS");

static bool no_mac;
module_param(no_mac, bool, 0444);
MODULE_PARM_DESC(no_mac, "offer VIRTIO_NET_F_CTRL_MAC_ADDR in place of an address");

#define CTRL_NOTF_COAL	6
#define CTRL_STATS	8
#define STATS_CVQ	BIT_ULL(32)
#define STATS_RX	(BIT_ULL(0) | BIT_ULL(1))	/* basic, checksums */
#define STATS_TX	BIT_ULL(16)			/* basic */

#define HDR_LEN		sizeof(struct virtio_net_hdr_mrg_rxbuf)

struct stats_want {
	__le16 vq;
	__le16 reserved[3];
	__le64 types;
};

static_assert(sizeof(struct stats_want) == 16);

struct stats_reply {
	u8 type;
	u8 reserved;
	__le16 vq;
	__le16 reserved1;
	__le16 size;
	__le64 value[6];
};

static_assert(sizeof(struct stats_reply) == 56);

static void spoil_header(struct fh_dev *dev,
			 struct virtio_net_hdr_mrg_rxbuf *hdr)
{
	if (fh_take_bad(dev, FH_BAD_BUFFERS_ZERO))
		hdr->num_buffers = 0;
	if (fh_take_bad(dev, FH_BAD_BUFFERS_MANY))
		hdr->num_buffers = (__force __virtio16)U16_MAX;
	if (fh_take_bad(dev, FH_BAD_GSO_TYPE))
		hdr->hdr.gso_type = 0x7f;
	if (fh_take_bad(dev, FH_BAD_GSO_SIZE))
		hdr->hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	if (fh_take_bad(dev, FH_BAD_CSUM_START)) {
		hdr->hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->hdr.csum_start = (__force __virtio16)60000;
		hdr->hdr.csum_offset = (__force __virtio16)60000;
	}
}

/* Only what is injected comes as TCP. */
static void coalesced_header(struct virtio_net_hdr *hdr, const u8 *frame)
{
	if (!rsc || frame[ETH_HLEN + 9] != IPPROTO_TCP)
		return;
	hdr->flags = VIRTIO_NET_HDR_F_RSC_INFO;
	hdr->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->csum_start = (__force __virtio16)rsc;
	if (rsc_bare)
		return;
	hdr->flags |= VIRTIO_NET_HDR_F_NEEDS_CSUM;
	hdr->gso_size = (__force __virtio16)FH_SEGMENT;
}

/* A frame for the guest. */
static void receive(struct fh_dev *dev, unsigned int pair, const void *frame,
		    u32 len)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.num_buffers = (__force __virtio16)1,
	};
	struct fh_vq *q = &dev->vqs[2 * pair];
	struct fh_chain *c = &dev->other;

	if (!q->vq)
		return;
	if (!fh_pop(q, c)) {
		q->drops++;
		return;
	}
	coalesced_header(&hdr.hdr, frame);
	spoil_header(dev, &hdr);
	fh_write(c, 0, &hdr, HDR_LEN);
	len = HDR_LEN + fh_write(c, HDR_LEN, frame, len);
	q->packets++;
	q->bytes += len - HDR_LEN;
	if (fh_take_bad(dev, FH_BAD_LEN_SHORT))
		len = HDR_LEN - 1;
	if (fh_take_bad(dev, FH_BAD_LEN_MORE))
		len = fh_room(c) + 1;
	fh_push_spoiled(dev, q, c->head, len);
}

/* What comes when nobody asked. Return: its length. */
static u32 unasked(struct fh_dev *dev, void *frame)
{
	if (rsc)
		return fh_segments(&dev->config, frame, rsc, rsc_bare);
	return fh_datagram(&dev->config, frame);
}

static void send_all(struct fh_dev *dev, unsigned int pair, u8 *frame)
{
	struct fh_chain *c = &dev->chain;
	struct fh_vq *q = &dev->vqs[2 * pair + 1];
	u32 len;

	while (q->vq && fh_pop(q, c)) {
		len = fh_read(c, 0, frame, FH_FRAME_MAX);
		len -= min_t(u32, len, HDR_LEN);
		q->packets++;
		q->bytes += len;
		fh_push(q, c->head, 0);
		if (fh_echo(frame + HDR_LEN, len))
			receive(dev, pair, frame + HDR_LEN, len);
	}
}

static u8 set_all_coalescing(struct fh_dev *dev, unsigned int way,
			     const void *data, u32 len)
{
	const struct { __le32 max_packets, max_usecs; } *coal = data;
	unsigned int i;

	if (len < sizeof(*coal) ||
	    !virtio_has_feature(&dev->vdev, VIRTIO_NET_F_NOTF_COAL))
		return VIRTIO_NET_ERR;
	dev->coal[way].max_packets = le32_to_cpu(coal->max_packets);
	dev->coal[way].max_usecs = le32_to_cpu(coal->max_usecs);
	for (i = way; i < FH_CTRL; i += 2)
		fh_set_coalescing(&dev->vqs[i], dev->coal[way].max_packets,
				  dev->coal[way].max_usecs);
	return VIRTIO_NET_OK;
}

static u8 set_coalescing(struct fh_dev *dev, const void *data, u32 len)
{
	const struct {
		__le16 vq, reserved;
		__le32 max_packets, max_usecs;
	} *coal = data;
	u16 vq;

	if (len < sizeof(*coal) ||
	    !virtio_has_feature(&dev->vdev, VIRTIO_NET_F_VQ_NOTF_COAL))
		return VIRTIO_NET_ERR;
	vq = le16_to_cpu(coal->vq);
	if (vq >= FH_CTRL || !dev->vqs[vq].vq)
		return VIRTIO_NET_ERR;
	fh_set_coalescing(&dev->vqs[vq], le32_to_cpu(coal->max_packets),
			  le32_to_cpu(coal->max_usecs));
	return VIRTIO_NET_OK;
}

static u32 put_stats(struct fh_dev *dev, u16 vq, u8 type, u32 values,
		     const struct fh_chain *c, u32 at)
{
	struct fh_vq *q = &dev->vqs[vq];
	struct stats_reply reply = {
		.type = type, .vq = cpu_to_le16(vq),
		.size = cpu_to_le16(8 + values * 8),
	};

	if (type == 32) {
		reply.value[0] = cpu_to_le64(dev->commands);
		reply.value[1] = cpu_to_le64(dev->commands_ok);
	} else if (type != 1) {
		reply.value[0] = cpu_to_le64(q->kicks);
		reply.value[1] = cpu_to_le64(q->packets);
		reply.value[2] = cpu_to_le64(q->bytes);
		reply.value[3] = cpu_to_le64(q->interrupts);
		reply.value[4] = cpu_to_le64(q->drops);
	}
	if (fh_take_bad(dev, FH_BAD_CTRL_LIE))
		reply.size = cpu_to_le16(at & 8 ? 0 : U16_MAX);
	return fh_write(c, at, &reply, 8 + values * 8);
}

/* Results follow the byte of the status. */
static u8 get_stats(struct fh_dev *dev, const void *data, u32 len,
		    const struct fh_chain *c, u32 *at)
{
	const struct stats_want *want = data;
	u64 types, valid;
	u16 vq;

	for (; len >= sizeof(*want); want++, len -= sizeof(*want)) {
		vq = le16_to_cpu(want->vq);
		types = le64_to_cpu(want->types);
		if (vq >= FH_VQS)
			return VIRTIO_NET_ERR;
		valid = vq == FH_CTRL ? STATS_CVQ : vq % 2 ? STATS_TX : STATS_RX;
		if (types & ~valid)
			return VIRTIO_NET_ERR;
		if (types & STATS_CVQ)
			*at += put_stats(dev, vq, 32, 2, c, *at);
		if (types & BIT_ULL(0))
			*at += put_stats(dev, vq, 0, 6, c, *at);
		if (types & BIT_ULL(1))
			*at += put_stats(dev, vq, 1, 4, c, *at);
		if (types & BIT_ULL(16))
			*at += put_stats(dev, vq, 16, 6, c, *at);
	}
	return VIRTIO_NET_OK;
}

static u8 query_stats(const struct fh_chain *c, u32 *at)
{
	__le64 types = cpu_to_le64(STATS_CVQ | STATS_RX | STATS_TX);

	*at += fh_write(c, *at, &types, sizeof(types));
	return VIRTIO_NET_OK;
}

static u8 obey(struct fh_dev *dev, const u8 *command, u32 len,
	       const struct fh_chain *c, u32 *at)
{
	const void *data = command + 2;

	if (len < 2 || fh_take_bad(dev, FH_BAD_CTRL_REFUSE))
		return VIRTIO_NET_ERR;
	len -= 2;
	switch (command[0] << 8 | command[1]) {
	case CTRL_NOTF_COAL << 8 | 0:
		return set_all_coalescing(dev, 1, data, len);
	case CTRL_NOTF_COAL << 8 | 1:
		return set_all_coalescing(dev, 0, data, len);
	case CTRL_NOTF_COAL << 8 | 2:
		return set_coalescing(dev, data, len);
	case CTRL_STATS << 8 | 0:
		return query_stats(c, at);
	case CTRL_STATS << 8 | 1:
		return get_stats(dev, data, len, c, at);
	case VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		dev->pairs_set = command[2];
		return VIRTIO_NET_OK;
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (!no_mac || len < ETH_ALEN)
			return VIRTIO_NET_ERR;
		memcpy(dev->mac, data, ETH_ALEN);
		return VIRTIO_NET_OK;
	case VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_RSS_CONFIG:
		return rss ? VIRTIO_NET_OK : VIRTIO_NET_ERR;
	}
	switch (command[0]) {
	case VIRTIO_NET_CTRL_RX:
	case VIRTIO_NET_CTRL_MAC:
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS:
	case VIRTIO_NET_CTRL_VLAN:
		return VIRTIO_NET_OK;
	}
	return VIRTIO_NET_ERR;
}

static void obey_all(struct fh_dev *dev, u8 *command)
{
	struct fh_chain *c = &dev->chain;
	struct fh_vq *q = &dev->vqs[FH_CTRL];
	u8 status;
	u32 len, at;

	while (q->vq && fh_pop(q, c)) {
		if (fh_take_bad(dev, FH_BAD_CTRL_SILENT))
			continue;
		len = fh_read(c, 0, command, FH_FRAME_MAX);
		at = sizeof(status);
		dev->commands++;
		status = obey(dev, command, len, c, &at);
		if (status == VIRTIO_NET_OK)
			dev->commands_ok++;
		fh_write(c, 0, &status, sizeof(status));
		fh_push(q, c->head, at);
	}
}

/* Everything the driver has made available. */
static void process(struct fh_dev *dev)
{
	u8 *buf = kmalloc(FH_FRAME_MAX, GFP_KERNEL);
	unsigned int i;
	bool more;

	if (!buf)
		return;
	do {
		for (i = 0; i < FH_CTRL / 2; i++)
			send_all(dev, i, buf);
		obey_all(dev, buf);
		more = false;
		for (i = 1; i < FH_VQS; i += i == FH_CTRL - 1 ? 1 : 2)
			more |= dev->vqs[i].vq && fh_enable_kicks(&dev->vqs[i]);
	} while (more);
	kfree(buf);
}

/* "COUNT [PAIR]": so many packets that nobody asked for. */
static int inject(struct fh_dev *dev, const char *line)
{
	unsigned int n, pair = 0;
	u8 *frame;
	u32 len;

	if (sscanf(line, "%u %u", &n, &pair) < 1 || pair >= FH_CTRL / 2)
		return -EINVAL;
	frame = kmalloc(FH_FRAME_MAX, GFP_KERNEL);
	if (!frame)
		return -ENOMEM;
	len = unasked(dev, frame);
	mutex_lock(&dev->lock);
	while (n-- && dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		receive(dev, pair, frame, len);
	mutex_unlock(&dev->lock);
	kfree(frame);
	return 0;
}

static int init(struct fh_dev *dev)
{
	static const u8 mac[] = { 0x52, 0x54, 0x00, 0x70, 0x67, 0x14 };

	memcpy(dev->config.mac, mac, sizeof(mac));
	dev->config.mac[5] += dev->index;
	/* Little-endian, as this machine is. */
	dev->config.status = (__force __virtio16)VIRTIO_NET_S_LINK_UP;
	dev->config.max_virtqueue_pairs = (__force __virtio16)(FH_CTRL / 2);
	dev->config.rss_max_key_size = 40;
	dev->config.rss_max_indirection_table_length = cpu_to_le16(128);
	dev->config.supported_hash_types =
		cpu_to_le32(VIRTIO_NET_RSS_HASH_TYPE_IPv4 |
			    VIRTIO_NET_RSS_HASH_TYPE_UDPv4);
	return 0;
}

static u64 features(void)
{
	u64 features = BIT_ULL(VIRTIO_F_RING_RESET) |
		       BIT_ULL(no_mac ? VIRTIO_NET_F_CTRL_MAC_ADDR :
				VIRTIO_NET_F_MAC) |
		       BIT_ULL(VIRTIO_NET_F_STATUS) |
		       BIT_ULL(VIRTIO_NET_F_GUEST_CSUM) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_VQ) |
		       BIT_ULL(VIRTIO_NET_F_MQ) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_RX) |
		       BIT_ULL(VIRTIO_NET_F_CTRL_VLAN) |
		       BIT_ULL(VIRTIO_NET_F_DEVICE_STATS);

	if (rsc)
		features |= BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |
			    BIT_ULL(VIRTIO_NET_F_RSC_EXT);
	if (guest_tso)
		features |= BIT_ULL(VIRTIO_NET_F_GUEST_TSO4) |
			    BIT_ULL(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
	if (rss)
		features |= BIT_ULL(VIRTIO_NET_F_RSS);
	if (mergeable)
		features |= BIT_ULL(VIRTIO_NET_F_MRG_RXBUF);
	if (notf_coal)
		features |= BIT_ULL(VIRTIO_NET_F_NOTF_COAL);
	if (vq_notf_coal)
		features |= BIT_ULL(VIRTIO_NET_F_VQ_NOTF_COAL);
	return features;
}

const struct fh_kind fh_net = {
	.id = VIRTIO_ID_NET,
	.nr_vqs = FH_VQS,
	.config_len = sizeof(struct virtio_net_config),
	.init = init,
	.features = features,
	.process = process,
	.inject = inject,
};

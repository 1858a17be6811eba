// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP: programs that see packets before the network stack does.
 *
 * While a program is attached, buffers are whole pages with the headroom that
 * programs may grow into, the device sends neither merged segments nor, where it can
 * be told, partial checksums, and a packet's buffers are collected before the program
 * runs. What was posted before has the old shape, and is copied.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/virtio.h>
#include <net/checksum.h>

#include "pvg_net.h"

/* The largest packet that fits in one page, as a program wants it. */
static u32 linear_max(void)
{
	return PAGE_SIZE - XDP_PACKET_HEADROOM - pvg_net_tail_size();
}

static bool is_shaped(const struct pvg_net_rx_buf *buf)
{
	return buf->headroom >= XDP_PACKET_HEADROOM &&
	       buf->truesize == PAGE_SIZE;
}

/* Buffers that go with a packet are no longer ours to post. */
static void forget(struct pvg_net_rx_buf *buf)
{
	for (; buf; buf = buf->next)
		buf->va = NULL;
}

/* Make @xdp from a chain whose first buffer has the right shape. */
static int prepare_chain(struct pvg_net_rxq *rxq, struct xdp_buff *xdp,
			 struct pvg_net_rx_buf *first)
{
	struct skb_shared_info *sinfo;
	struct pvg_net_rx_buf *buf;
	u32 skip = rxq->net->hdr_len;

	xdp_init_buff(xdp, first->truesize, &rxq->xdp_rxq);
	xdp_prepare_buff(xdp, first->va, first->headroom + skip,
			 first->used - skip, true);
	if (!first->next)
		return 0;

	sinfo = xdp_get_shared_info_from_buff(xdp);
	sinfo->nr_frags = 0;
	sinfo->xdp_frags_size = 0;
	xdp_buff_set_frags_flag(xdp);
	for (buf = first->next; buf; buf = buf->next) {
		struct page *page = virt_to_head_page(buf->va);
		skb_frag_t *frag = &sinfo->frags[sinfo->nr_frags];

		if (sinfo->nr_frags == MAX_SKB_FRAGS)
			return -E2BIG;
		pvg_skb_frag_fill(frag, page, buf->va + buf->headroom -
				  page_address(page), buf->used);
		sinfo->nr_frags++;
		sinfo->xdp_frags_size += buf->used;
	}
	return 0;
}

/* Append an empty page to @xdp. Return: its address, or NULL. */
static void *add_page(struct pvg_net_rxq *rxq, struct xdp_buff *xdp)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);
	void *va;

	if (!xdp_buff_has_frags(xdp)) {
		sinfo->nr_frags = 0;
		sinfo->xdp_frags_size = 0;
		xdp_buff_set_frags_flag(xdp);
	}
	if (sinfo->nr_frags == MAX_SKB_FRAGS)
		return NULL;
	va = pvg_net_rx_get_page(rxq);
	if (va)
		pvg_skb_frag_fill(&sinfo->frags[sinfo->nr_frags++],
				  virt_to_head_page(va), 0, 0);
	return va;
}

/* Return: bytes that fit behind the end of @xdp, whose address goes to @at. */
static u32 room_at_end(struct xdp_buff *xdp, void **at)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);
	skb_frag_t *last;

	if (!xdp_buff_has_frags(xdp)) {
		*at = xdp->data_end;
		return linear_max() - (xdp->data_end - xdp->data);
	}
	last = &sinfo->frags[sinfo->nr_frags - 1];
	*at = skb_frag_address(last) + skb_frag_size(last);
	return PAGE_SIZE - skb_frag_size(last);
}

static void grow(struct xdp_buff *xdp, u32 len)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);

	if (!xdp_buff_has_frags(xdp)) {
		xdp->data_end += len;
		return;
	}
	skb_frag_size_add(&sinfo->frags[sinfo->nr_frags - 1], len);
	sinfo->xdp_frags_size += len;
}

/* Append a copy. Return: 0 or a negative errno. */
static int append(struct pvg_net_rxq *rxq, struct xdp_buff *xdp,
		  const void *from, u32 len, bool frags)
{
	u32 part;
	void *at;

	for (; len; len -= part, from += part) {
		part = min(len, room_at_end(xdp, &at));
		memcpy(at, from, part);
		grow(xdp, part);
		if (part)
			continue;
		if (!frags)
			return -E2BIG;
		if (!add_page(rxq, xdp))
			return -ENOMEM;
	}
	return 0;
}

/* Make @xdp from a copy, with fragments if a program can do with them. */
static int prepare_copy(struct pvg_net_rxq *rxq, struct xdp_buff *xdp,
			struct pvg_net_rx_buf *first, bool frags)
{
	u32 skip = rxq->net->hdr_len;
	struct pvg_net_rx_buf *buf;
	int err = 0;
	void *va;

	va = pvg_net_rx_get_page(rxq);
	if (!va)
		return -ENOMEM;
	xdp_init_buff(xdp, PAGE_SIZE, &rxq->xdp_rxq);
	xdp_prepare_buff(xdp, va, XDP_PACKET_HEADROOM, 0, true);
	for (buf = first; buf && !err; buf = buf->next) {
		err = append(rxq, xdp, buf->va + buf->headroom + skip,
			     buf->used - skip, frags);
		skip = 0;
	}
	if (err)
		xdp_return_buff(xdp);
	pvg_net_rx_count(rxq, &rxq->stats.copied);
	return err;
}

static __wsum add_frags(__wsum sum, struct xdp_buff *xdp, u32 at)
{
	struct skb_shared_info *sinfo = xdp_get_shared_info_from_buff(xdp);
	const skb_frag_t *frag;
	u32 i, len;

	for (i = 0; i < sinfo->nr_frags; i++) {
		frag = &sinfo->frags[i];
		len = skb_frag_size(frag);
		sum = csum_block_add(sum, csum_partial(skb_frag_address(frag),
						       len, 0), at);
		at += len;
	}
	return sum;
}

/**
 * pvg_net_xdp_csum() - complete a checksum that the device left to the driver
 * @rxq: the queue
 * @xdp: the packet
 * @hdr: its header, a copy; says afterwards that nothing is left to be done
 *
 * Wherever a program sends the packet, nothing would do that later.
 * Context: NAPI. Return: false, and counted, if it lies beyond the first buffer.
 */
bool pvg_net_xdp_csum(struct pvg_net_rxq *rxq, struct xdp_buff *xdp,
		      union pvg_net_hdr *hdr)
{
	bool le = rxq->net->little_endian;
	u32 start = __virtio16_to_cpu(le, hdr->base.csum_start);
	u32 where = start + __virtio16_to_cpu(le, hdr->base.csum_offset);
	u32 len = xdp->data_end - xdp->data;
	__wsum sum;

	if (likely(!(hdr->base.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)))
		return true;
	if (where + sizeof(__sum16) > len) {
		pvg_net_rx_count(rxq, &rxq->stats.frame_errors);
		return false;
	}
	sum = csum_partial(xdp->data + start, len - start, 0);
	if (xdp_buff_has_frags(xdp))
		sum = add_frags(sum, xdp, len - start);
	*(__sum16 *)(xdp->data + where) = csum_fold(sum) ?: CSUM_MANGLED_0;
	hdr->base.flags &= ~VIRTIO_NET_HDR_F_NEEDS_CSUM;
	return true;
}

static struct sk_buff *to_skb(struct pvg_net_rxq *rxq, struct xdp_buff *xdp)
{
	u32 metasize = xdp->data - xdp->data_meta;
	u8 nr_frags = 0;
	struct sk_buff *skb;

	/* Before the linear part is taken over and this is zeroed. */
	if (xdp_buff_has_frags(xdp))
		nr_frags = xdp_get_shared_info_from_buff(xdp)->nr_frags;
	skb = napi_build_skb(xdp->data_hard_start, xdp->frame_sz);
	if (unlikely(!skb))
		return NULL;
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	if (metasize)
		skb_metadata_set(skb, metasize);
	skb_mark_for_recycle(skb);
	if (nr_frags)
		pvg_xdp_frags_to_skb(skb, nr_frags,
				     skb_shinfo(skb)->xdp_frags_size,
				     nr_frags * PAGE_SIZE);
	return skb;
}

/* Return: whether @xdp now belongs to somebody else. */
static bool run(struct pvg_net_rxq *rxq, struct bpf_prog *prog,
		struct xdp_buff *xdp, struct sk_buff **skb)
{
	struct net_device *dev = rxq->net->dev;
	u32 len = xdp_get_buff_len(xdp), act;
	struct xdp_frame *frame;

	act = bpf_prog_run_xdp(prog, xdp);
	pvg_net_rx_count(rxq, &rxq->stats.xdp_packets);
	/* What goes on to the stack is counted there. */
	if (act != XDP_PASS)
		pvg_net_rx_count_packet(rxq, len);
	switch (act) {
	case XDP_PASS:
		*skb = to_skb(rxq, xdp);
		return *skb;
	case XDP_TX:
		frame = xdp_convert_buff_to_frame(xdp);
		if (frame && pvg_net_xdp_send(rxq->net, frame)) {
			pvg_net_rx_count(rxq, &rxq->stats.xdp_tx);
			rxq->xdp_flush |= PVG_NET_FLUSH_TX;
			return true;
		}
		break;
	case XDP_REDIRECT:
		if (!xdp_do_redirect(dev, xdp, prog)) {
			pvg_net_rx_count(rxq, &rxq->stats.xdp_redirect);
			rxq->xdp_flush |= PVG_NET_FLUSH_REDIRECT;
			return true;
		}
		break;
	default:
		bpf_warn_invalid_xdp_action(dev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(dev, prog, act);
		break;
	case XDP_DROP:
		pvg_net_rx_count(rxq, &rxq->stats.xdp_drop);
		return false;
	}
	pvg_net_rx_count(rxq, &rxq->stats.dropped);
	return false;
}

/**
 * pvg_net_xdp_receive() - run the program on a packet
 * @rxq: the queue
 * @prog: its program
 * @first: the packet's buffers, linked by next; lengths are validated. Those
 *	that the packet takes with it lose their memory.
 * @hdr: its header, a copy
 *
 * Context: NAPI, under RCU. Return: the packet, if it is to go on to the stack.
 */
struct sk_buff *pvg_net_xdp_receive(struct pvg_net_rxq *rxq,
				    struct bpf_prog *prog,
				    struct pvg_net_rx_buf *first,
				    union pvg_net_hdr *hdr)
{
	bool copied = !is_shaped(first) ||
		      (first->next && !prog->aux->xdp_has_frags);
	struct sk_buff *skb = NULL;
	struct xdp_buff xdp;
	int err;

	/* On its way since before the offloads were switched off. */
	if (hdr->base.gso_type != VIRTIO_NET_HDR_GSO_NONE)
		goto drop;
	err = copied ? prepare_copy(rxq, &xdp, first,
				    prog->aux->xdp_has_frags) :
		       prepare_chain(rxq, &xdp, first);
	if (err)
		goto drop;
	if (pvg_net_xdp_csum(rxq, &xdp, hdr) && run(rxq, prog, &xdp, &skb)) {
		if (!copied)
			forget(first);
	} else if (copied) {
		xdp_return_buff(&xdp);
	} else if (first->next) {
		/* Those that the program cut off are freed already. When it was
		 * all of them, @xdp no longer says that there were any.
		 */
		xdp_return_buff(&xdp);
		forget(first);
	}
	return skb;

drop:
	pvg_net_rx_count(rxq, &rxq->stats.dropped);
	return NULL;
}

/**
 * pvg_net_xdp_flush() - end of a poll: send on what verdicts left
 * @rxq: the queue
 */
void pvg_net_xdp_flush(struct pvg_net_rxq *rxq)
{
	if (rxq->xdp_flush & PVG_NET_FLUSH_TX)
		pvg_net_xdp_send_flush(rxq->net);
	if (rxq->xdp_flush & PVG_NET_FLUSH_REDIRECT)
		xdp_do_flush();
	rxq->xdp_flush = 0;
}

/* Return: NULL, or why @prog cannot run on this device now. */
static const char *objection(struct pvg_net *net, const struct bpf_prog *prog)
{
	u32 most = linear_max() - net->hdr_len - PVG_NET_FRAME_MAX;

	if (!pvg_net_can_be_raw(net))
		return "the device cannot be told to send unmerged packets, as programs need";
	if (net->dev->mtu > most && (!prog->aux->xdp_has_frags || !net->mergeable))
		return net->mergeable ?
		       "the MTU is too large for a program without support for fragments" :
		       "the MTU is too large for a program, whose buffers are pages here";
	return NULL;
}

/**
 * pvg_net_is_raw() - is each packet to be one frame as it was on the wire?
 * @net: the device
 *
 * Programs need that, and so do AF_XDP pools, whose buffers hold no more. Checksums
 * the driver can complete itself.
 * Context: rtnl.
 */
bool pvg_net_is_raw(const struct pvg_net *net)
{
	return rtnl_dereference(net->rxqs[0].xdp_prog) ||
	       pvg_net_xsk_bound(net);
}

/**
 * pvg_net_can_be_raw() - can the device send such packets only?
 * @net: the device
 */
bool pvg_net_can_be_raw(const struct pvg_net *net)
{
	return !pvg_net_large(net->guest_offloads_all) ||
	       pvg_net_has(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
}

/**
 * pvg_net_set_raw() - have the device send such packets only, or not
 * @net: the device; pvg_net_can_be_raw()
 * @raw: or what the features of the netdev ask for
 *
 * Context: rtnl; may sleep. Return: as pvg_net_ctrl().
 */
int pvg_net_set_raw(struct pvg_net *net, bool raw)
{
	u64 offloads = 0;

	if (!raw)
		offloads = pvg_net_wanted_offloads(net, net->dev->features);
	if (offloads == net->guest_offloads ||
	    !pvg_net_has(net, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
		return 0;
	/* It is told when it is brought up. */
	if (net->state != PVG_NET_LIVE) {
		net->guest_offloads = offloads;
		return 0;
	}
	return pvg_net_set_guest_offloads(net, offloads);
}

static void replace(struct pvg_net *net, struct bpf_prog *prog)
{
	struct bpf_prog *old;
	unsigned int i;

	for (i = 0; i < net->pairs; i++) {
		old = rtnl_dereference(net->rxqs[i].xdp_prog);
		rcu_assign_pointer(net->rxqs[i].xdp_prog, prog);
		if (old)
			bpf_prog_put(old);
	}
}

static int setup(struct pvg_net *net, struct bpf_prog *prog,
		 struct netlink_ext_ack *extack)
{
	const char *wrong = prog ? objection(net, prog) : NULL;
	int err;

	if (wrong) {
		pvg_extack_set(extack, wrong);
		return -EOPNOTSUPP;
	}
	err = pvg_net_set_raw(net, prog || pvg_net_xsk_bound(net));
	/* Without a program, raw packets do no harm. */
	if (err && prog) {
		pvg_extack_set(extack,
			       "the device refused to change its offloads");
		return err;
	}
	/* The caller's reference is for one queue. */
	if (prog)
		bpf_prog_add(prog, net->pairs - 1);
	replace(net, prog);
	return 0;
}

/**
 * pvg_net_bpf() - ndo_bpf
 * @dev: the device
 * @bpf: what to do
 *
 * Context: rtnl; may sleep.
 */
int pvg_net_bpf(struct net_device *dev, struct netdev_bpf *bpf)
{
	switch (bpf->command) {
	case XDP_SETUP_PROG:
		return setup(netdev_priv(dev), bpf->prog, bpf->extack);
	case XDP_SETUP_XSK_POOL:
		return pvg_net_xsk_setup(netdev_priv(dev), bpf->xsk.pool,
					 bpf->xsk.queue_id);
	default:
		return -EINVAL;
	}
}

/**
 * pvg_net_xdp_mtu_max() - the largest MTU that program and AF_XDP pools can do with
 * @net: the device
 *
 * Context: rtnl.
 */
u32 pvg_net_xdp_mtu_max(const struct pvg_net *net)
{
	const struct bpf_prog *prog = rtnl_dereference(net->rxqs[0].xdp_prog);
	u32 most = pvg_net_xsk_mtu_max(net);

	if (!prog || (prog->aux->xdp_has_frags && net->mergeable))
		return most;
	return min(most, linear_max() - net->hdr_len - PVG_NET_FRAME_MAX);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reception: from the virtqueue to the network core (virtio 1.2, section
 * 5.1.6.4).
 *
 * Nothing the device says is believed: lengths and buffer counts are checked
 * against what was posted, and the header is copied before anything looks at
 * it. A bad packet is dropped and counted; its buffers are posted again.
 */
#include <linux/etherdevice.h>
#include <linux/virtio.h>

#include "pvg_net.h"

#define COPY_MAX	256	/* up to here a copy costs less than a buffer */

static struct pvg_net_rxq *to_rxq(struct pvg_queue *q)
{
	return container_of(q, struct pvg_net_rxq, pvg);
}

static void pvg_net_rx_used(struct pvg_queue *q, void *token, u32 len,
			    struct pvg_done *done)
{
	struct pvg_net_rx_buf *buf = token, *last = done->last;

	pvg_net_rx_returned(buf);
	buf->used = len;
	buf->next = NULL;
	if (last)
		last->next = buf;
	else
		done->first = buf;
	done->last = buf;
}

static void pvg_net_rx_schedule(struct pvg_queue *q)
{
	napi_schedule(&to_rxq(q)->napi);
}

static void pvg_net_rx_broken(struct pvg_queue *q)
{
	pvg_net_recover(to_rxq(q)->net);
}

const struct pvg_queue_ops pvg_net_rx_ops = {
	.receive = true,
	.used	= pvg_net_rx_used,
	.poll	= pvg_net_rx_schedule,
	.broken	= pvg_net_rx_broken,
};

/* Bytes of @used that lie in the first piece. */
static u32 head_used(const struct pvg_net_rx_buf *buf)
{
	return min(buf->used, buf->room);
}

/* Hand the first piece of @buf to an sk_buff. @skip: header bytes. */
static struct sk_buff *build(struct pvg_net_rx_buf *buf, u32 skip)
{
	struct pvg_net_rxq *rxq = buf->rxq;
	u32 size = buf->truesize;
	struct sk_buff *skb;
	void *va;

	va = pvg_net_rx_fit(rxq, buf->va, &size, buf->headroom, head_used(buf),
			    pvg_net_tail_size());
	skb = napi_build_skb(va, size);
	if (unlikely(!skb)) {
		pvg_net_rx_unfit(rxq, buf->va, va, size);
		return NULL;
	}
	skb_reserve(skb, buf->headroom + skip);
	skb_put(skb, head_used(buf) - skip);
	if (va == buf->va)
		buf->va = NULL;
	return skb;
}

/* Hand @len bytes at @offset of the piece at *@va to @skb. *@va: NULL if it took that. */
static void add_frag(struct pvg_net_rxq *rxq, struct sk_buff *skb, void **va,
		     u32 size, u32 offset, u32 len)
{
	void *at = pvg_net_rx_fit(rxq, *va, &size, offset, len, 0);
	struct page *page = virt_to_head_page(at);

	skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, page,
			at + offset - page_address(page), len, size);
	if (at == *va)
		*va = NULL;
}

/* The same by a copy, which leaves the piece to the buffer. */
static struct sk_buff *copy(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf,
			    u32 skip)
{
	u32 len = buf->used - skip;
	struct sk_buff *skb = napi_alloc_skb(&rxq->napi, len);

	if (unlikely(!skb))
		return NULL;
	skb_put_data(skb, buf->va + buf->headroom + skip, len);
	pvg_net_rx_count(rxq, &rxq->stats.copied);
	return skb;
}

/* Append what lies beyond the first piece of a big buffer. */
static void add_more(struct sk_buff *skb, struct pvg_net_rx_buf *buf)
{
	u32 left = buf->used - head_used(buf), len, i;

	for (i = 0; left; i++) {
		len = min_t(u32, left, PVG_NET_BIG_SEG_SIZE);
		add_frag(buf->rxq, skb, &buf->more[i], PVG_NET_BIG_SEG_SIZE, 0,
			 len);
		left -= len;
	}
}

/* Append a merged buffer, as a fragment or in a further sk_buff. */
static int append(struct pvg_net_assembly *p, struct pvg_net_rx_buf *buf)
{
	u32 truesize = p->tail->truesize;
	struct sk_buff *next;

	if (skb_shinfo(p->tail)->nr_frags < MAX_SKB_FRAGS) {
		add_frag(buf->rxq, p->tail, &buf->va, buf->truesize,
			 buf->headroom, buf->used);
		if (p->tail != p->head) {
			p->head->len += buf->used;
			p->head->data_len += buf->used;
			p->head->truesize += p->tail->truesize - truesize;
		}
		return 0;
	}

	next = build(buf, 0);
	if (!next)
		return -ENOMEM;
	skb_mark_for_recycle(next);
	if (p->tail == p->head)
		skb_shinfo(p->head)->frag_list = next;
	else
		p->tail->next = next;
	p->tail = next;
	p->head->len += next->len;
	p->head->data_len += next->len;
	p->head->truesize += next->truesize;
	return 0;
}

static void deliver(struct pvg_net_rxq *rxq, struct sk_buff *skb,
		    union pvg_net_hdr *hdr)
{
	u32 len = skb->len;

	ewma_pvg_net_len_add(&rxq->avg_len, len);
	if (unlikely(pvg_net_hdr_to_skb(rxq->net, skb, hdr))) {
		pvg_net_rx_count(rxq, &rxq->stats.frame_errors);
		dev_kfree_skb_any(skb);
		return;
	}
	skb_record_rx_queue(skb, rxq->index);
	skb->protocol = eth_type_trans(skb, rxq->net->dev);
	pvg_net_rx_count_packet(rxq, len);
	napi_gro_receive(&rxq->napi, skb);
}

/* Return: 0, or a negative errno if a length is impossible or memory is out. */
static int take_further(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	struct pvg_net_assembly *p = &rxq->packet;

	if (unlikely(!buf->used || buf->used > buf->room)) {
		pvg_net_rx_count(rxq, &rxq->stats.length_errors);
		return -EINVAL;
	}
	if (p->first) {
		p->last->next = buf;
		p->last = buf;
		buf->next = NULL;
		return 0;
	}
	if (append(p, buf)) {
		pvg_net_rx_count(rxq, &rxq->stats.dropped);
		return -ENOMEM;
	}
	pvg_net_rx_recycle(buf);
	return 0;
}

static void give_up(struct pvg_net_assembly *p)
{
	pvg_net_rx_recycle_chain(p->first);
	p->first = NULL;
	dev_kfree_skb_any(p->head);
	p->head = NULL;
}

/* All buffers are there. */
static void end_packet(struct pvg_net_rxq *rxq)
{
	struct pvg_net_assembly *p = &rxq->packet;
	struct sk_buff *skb = p->head;
	struct bpf_prog *prog;

	if (p->first) {
		rcu_read_lock();
		prog = rcu_dereference(rxq->xdp_prog);
		if (likely(prog))
			skb = pvg_net_xdp_receive(rxq, prog, p->first, &p->hdr);
		else	/* detached since the packet began */
			pvg_net_rx_count(rxq, &rxq->stats.dropped);
		rcu_read_unlock();
		pvg_net_rx_recycle_chain(p->first);
	}
	p->first = NULL;
	p->head = NULL;
	if (skb)
		deliver(rxq, skb, &p->hdr);
}

/* A further buffer of a packet, or of one that is being dropped. */
static void continue_packet(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	struct pvg_net_assembly *p = &rxq->packet;

	p->missing--;
	if (!p->head && !p->first) {
		pvg_net_rx_recycle(buf);
		return;
	}
	if (take_further(rxq, buf)) {
		pvg_net_rx_recycle(buf);
		give_up(p);
	} else if (!p->missing) {
		end_packet(rxq);
	}
}

static u32 nr_buffers(const struct pvg_net *net, const union pvg_net_hdr *hdr)
{
	if (!net->mergeable)
		return 1;
	return __virtio16_to_cpu(net->little_endian, hdr->mrg.num_buffers);
}

/* Is what the device says about its first buffer possible? */
static bool is_possible(const struct pvg_net_rxq *rxq,
			const struct pvg_net_rx_buf *buf, u32 buffers)
{
	const struct pvg_net *net = rxq->net;
	u32 most = buf->room;

	/* AF_XDP memory has nothing beyond its room. */
	if (net->big && !buf->xdp)
		most += PVG_NET_BIG_SEGS * PVG_NET_BIG_SEG_SIZE;
	return buf->used >= net->hdr_len + ETH_HLEN && buf->used <= most &&
	       buffers && buffers <= virtqueue_get_vring_size(rxq->pvg.vq);
}

/* Make an sk_buff of the first buffer. Return: 0 or -ENOMEM. */
static int begin_skb(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	struct pvg_net_assembly *p = &rxq->packet;
	u32 skip = rxq->net->hdr_len;
	struct sk_buff *skb;

	if (buf->used <= skip + COPY_MAX)
		skb = copy(rxq, buf, skip);
	else
		skb = build(buf, skip);
	if (unlikely(!skb)) {
		pvg_net_rx_count(rxq, &rxq->stats.dropped);
		return -ENOMEM;
	}
	/* Whatever its head is, its fragments are from a pool. */
	skb_mark_for_recycle(skb);
	add_more(skb, buf);
	p->head = skb;
	p->tail = skb;
	pvg_net_rx_recycle(buf);
	return 0;
}

/* A packet in AF_XDP memory. */
static void take_xsk(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	u64_stats_t *counter = &rxq->stats.dropped;
	struct sk_buff *skb = NULL;
	struct bpf_prog *prog;

	rcu_read_lock();
	prog = rcu_dereference(rxq->xdp_prog);
	/* It has to be one buffer; what follows is dropped, too. */
	if (!rxq->packet.missing)
		counter = pvg_net_xsk_receive(rxq, prog, buf, &skb);
	rcu_read_unlock();
	if (counter)
		pvg_net_rx_count(rxq, counter);
	pvg_net_rx_recycle(buf);
	if (skb)
		deliver(rxq, skb, &rxq->packet.hdr);
}

static void begin_packet(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	struct pvg_net_assembly *p = &rxq->packet;
	const void *hdr;
	u32 buffers;

	if (buf->xdp)
		hdr = buf->xdp->data - rxq->net->hdr_len;
	else
		hdr = buf->va + buf->headroom;
	memcpy(&p->hdr, hdr, rxq->net->hdr_len);
	buffers = nr_buffers(rxq->net, &p->hdr);
	if (unlikely(!is_possible(rxq, buf, buffers))) {
		pvg_net_rx_count(rxq, &rxq->stats.length_errors);
		pvg_net_rx_recycle(buf);
		return;
	}
	p->missing = buffers - 1;

	if (buf->xdp) {
		take_xsk(rxq, buf);
		return;
	}
	if (rcu_access_pointer(rxq->xdp_prog)) {
		if (unlikely(buf->used > buf->room)) {
			pvg_net_rx_count(rxq, &rxq->stats.dropped);
			pvg_net_rx_recycle(buf);
			return;
		}
		p->first = buf;
		p->last = buf;
		buf->next = NULL;
	} else if (begin_skb(rxq, buf)) {
		pvg_net_rx_recycle(buf);
		return;
	}
	if (!p->missing)
		end_packet(rxq);
}

/* Return: buffers taken, at most @budget. */
static u32 receive_some(struct pvg_net_rxq *rxq, u32 budget)
{
	struct pvg_net_rx_buf *buf, *next;
	struct pvg_done done = {};
	u32 n;

	n = pvg_queue_poll(&rxq->pvg, budget, &done);
	for (buf = done.first; buf; buf = next) {
		next = buf->next;
		if (rxq->packet.missing)
			continue_packet(rxq, buf);
		else
			begin_packet(rxq, buf);
	}
	if (rxq->xdp_flush)
		pvg_net_xdp_flush(rxq);
	return n;
}

/**
 * pvg_net_rx_poll() - NAPI poll of a receive queue
 * @napi: of a struct pvg_net_rxq
 * @budget: buffers to take; 0 when called by netpoll, which wants none
 *
 * A merged packet counts as often as it has buffers.
 */
int pvg_net_rx_poll(struct napi_struct *napi, int budget)
{
	struct pvg_net_rxq *rxq = container_of(napi, struct pvg_net_rxq, napi);
	int n;

	if (!budget)
		return 0;
	pvg_net_tx_reap(&rxq->net->txqs[rxq->index], budget);
	n = receive_some(rxq, budget);
	if (rxq->nr_free >= virtqueue_get_vring_size(rxq->pvg.vq) / 8)
		pvg_net_rx_refill(rxq, GFP_ATOMIC);
	if (n < budget && napi_complete_done(napi, n) &&
	    pvg_queue_poll_done(&rxq->pvg))
		napi_schedule(napi);
	return n;
}

/**
 * pvg_net_rx_start() - fill a queue and let packets through
 * @rxq: the queue, its virtqueue running
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_rx_start(struct pvg_net_rxq *rxq)
{
	rxq->napi_on = true;
	pvg_net_rx_refill(rxq, GFP_KERNEL);
	napi_enable(&rxq->napi);
	pvg_show_rx_napi(rxq->net->dev, rxq->index, &rxq->napi);
	/* What came while NAPI was disabled has not been noticed by anyone. */
	local_bh_disable();
	napi_schedule(&rxq->napi);
	local_bh_enable();
}

/**
 * pvg_net_rx_stop() - no packet comes through afterwards
 * @rxq: the queue; may be stopped
 *
 * The device may still write to what is posted. Context: rtnl; may sleep.
 */
void pvg_net_rx_stop(struct pvg_net_rxq *rxq)
{
	if (!rxq->napi_on)
		return;
	rxq->napi_on = false;
	pvg_show_rx_napi(rxq->net->dev, rxq->index, NULL);
	napi_disable(&rxq->napi);
	/* NAPI, which has ended, was the last to schedule it. */
	cancel_delayed_work_sync(&rxq->refill_work);
}

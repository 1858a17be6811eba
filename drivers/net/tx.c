// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmission: from the network core to the virtqueue and back (virtio 1.2,
 * section 5.1.6.2).
 *
 * Everything of a queue but its counters is protected by the lock of the
 * netdev queue, which start_xmit() holds anyway; &pvg_queue.lock nests in it.
 * A queue that was closed under that lock is left alone by all but NAPI: with NAPI
 * off as well, its requests may be freed.
 */
#include <linux/error-injection.h>
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <net/xdp_sock_drv.h>

#include "pvg_net.h"

static struct pvg_net_txq *to_txq(struct pvg_queue *q)
{
	return container_of(q, struct pvg_net_txq, pvg);
}

struct netdev_queue *pvg_net_netdev_queue(const struct pvg_net_txq *txq)
{
	return netdev_get_tx_queue(txq->net->dev, txq->index);
}

static struct pvg_net_tx_req *get_req(struct pvg_net_txq *txq)
{
	struct pvg_net_tx_req *req = txq->free;

	if (req)
		txq->free = req->next;
	return req;
}

static void put_req(struct pvg_net_txq *txq, struct pvg_net_tx_req *req)
{
	req->skb = NULL;
	req->next = txq->free;
	txq->free = req;
}

/* Is there room for another packet of any shape? */
static bool has_room(const struct pvg_net_txq *txq)
{
	return txq->free && txq->pvg.vq->num_free >= PVG_NET_TX_SG;
}

/*
 * The header goes right before the packet where there is room, so that both
 * are one element.
 */
static bool can_push(const struct pvg_net *net, const struct sk_buff *skb)
{
	return pvg_net_has(net, VIRTIO_F_VERSION_1) && !skb_header_cloned(skb) &&
	       skb_headroom(skb) >= net->hdr_len &&
	       IS_ALIGNED((unsigned long)skb->data - net->hdr_len,
			  __alignof__(union pvg_net_hdr));
}

/* Return: elements of txq->sg, or a negative errno for a packet of no use. */
static int map_skb(struct pvg_net_txq *txq, struct pvg_net_tx_req *req)
{
	struct pvg_net *net = txq->net;
	struct sk_buff *skb = req->skb;
	bool push = can_push(net, skb);
	union pvg_net_hdr *hdr = req->hdr;
	int n;

	if (push)
		hdr = (union pvg_net_hdr *)(skb->data - net->hdr_len);
	n = pvg_net_hdr_from_skb(net, skb, hdr);
	if (n)
		return n;

	sg_init_table(txq->sg, skb_shinfo(skb)->nr_frags + (push ? 1 : 2));
	if (push) {
		__skb_push(skb, net->hdr_len);
		n = skb_to_sgvec(skb, txq->sg, 0, skb->len);
		/* To be as it was when someone looks at it again. */
		__skb_pull(skb, net->hdr_len);
		return n;
	}
	sg_set_buf(txq->sg, hdr, net->hdr_len);
	n = skb_to_sgvec(skb, txq->sg + 1, 0, skb->len);
	return n < 0 ? n : n + 1;
}

/* &pvg_queue.lock held. Return: 0 or a negative errno. */
static int add_skb(struct pvg_net_txq *txq, struct sk_buff *skb)
{
	struct scatterlist *sgs[1] = { txq->sg };
	struct pvg_net_tx_req *req = get_req(txq);
	int err;

	if (unlikely(!req))
		return -ENOSPC;
	req->type = PVG_NET_TX_SKB;
	req->skb = skb;
	req->bytes = skb->len;
	err = map_skb(txq, req);
	if (err > 0)
		err = pvg_queue_add(&txq->pvg, sgs, 1, 0, req, false);
	if (unlikely(err))
		put_req(txq, req);
	return err;
}

static void count_drop(struct pvg_net_txq *txq)
{
	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.dropped);
	u64_stats_update_end(&txq->stats.sync);
}

/* The ring is full. */
static void stop_queue(struct pvg_net_txq *txq, struct netdev_queue *nq)
{
	netif_tx_stop_queue(nq);
	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.stopped);
	u64_stats_update_end(&txq->stats.sync);
}

/* The queue was stopped, and is not any more. */
static void count_wake(struct pvg_net_txq *txq)
{
	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_inc(&txq->stats.woken);
	u64_stats_update_end(&txq->stats.sync);
}

/* @last: tell the device now, since perhaps no packet follows. */
static void commit_unlock(struct pvg_net_txq *txq, unsigned long flags,
			  bool last)
	__releases(&txq->pvg.lock)
{
	if (last)
		pvg_queue_flush_unlock(&txq->pvg, flags);
	else
		pvg_queue_commit_unlock(&txq->pvg, flags);
}

/**
 * pvg_net_start_xmit() - ndo_start_xmit
 * @skb: the packet
 * @dev: the device
 *
 * Context: BH disabled, the netdev queue's lock held.
 */
netdev_tx_t pvg_net_start_xmit(struct sk_buff *skb, struct net_device *dev)
{
	struct pvg_net *net = netdev_priv(dev);
	struct pvg_net_txq *txq = &net->txqs[skb_get_queue_mapping(skb)];
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);
	/* By netpoll, perhaps in a panic: no timer may ever fire again. */
	bool last = irqs_disabled();
	bool more = netdev_xmit_more();
	u32 bytes = skb->len;
	unsigned long flags;
	bool kick;
	int err;

	/* netif_device_attach() wakes what is to be opened only now. */
	if (unlikely(!txq->open)) {
		netif_tx_stop_queue(nq);
		return NETDEV_TX_BUSY;
	}
	skb_tx_timestamp(skb);
	flags = pvg_queue_lock(&txq->pvg);
	err = add_skb(txq, skb);
	if (unlikely(err)) {
		/* What came before may have been left for this one to tell. */
		commit_unlock(txq, flags, last);
		count_drop(txq);
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	kick = __netdev_tx_sent_queue(nq, bytes, more);
	if (!has_room(txq)) {
		stop_queue(txq, nq);
		kick = true;
	}
	if (!kick) {
		pvg_queue_unlock(&txq->pvg, flags);
	} else if (netif_xmit_stopped(nq)) {
		commit_unlock(txq, flags, true);
		/* What was reaped meanwhile saw the queue not stopped yet. */
		if (netif_tx_queue_stopped(nq) && has_room(txq)) {
			netif_tx_start_queue(nq);
			count_wake(txq);
		}
	} else {
		commit_unlock(txq, flags, last);
	}
	return NETDEV_TX_OK;
}

static void pvg_net_tx_used(struct pvg_queue *q, void *token, u32 len,
			    struct pvg_done *done)
{
	struct pvg_net_tx_req *req = token, *last = done->last;

	/* @len is of no meaning: nothing was writable. */
	req->next = NULL;
	if (last)
		last->next = req;
	else
		done->first = req;
	done->last = req;
}

/* Give back what was sent. @budget as NAPI has it, 0 elsewhere. */
static void finish(struct pvg_net_txq *txq, struct pvg_done *done, int budget)
{
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);
	struct pvg_net_tx_req *req = done->first, *next;
	u32 packets = 0, bytes = 0, frames = 0, frame_bytes = 0, xsk = 0;

	for (; req; req = next) {
		next = req->next;
		switch (req->type) {
		case PVG_NET_TX_SKB:
			packets++;
			bytes += req->bytes;
			napi_consume_skb(req->skb, budget);
			break;
		case PVG_NET_TX_XDP:
			frames++;
			frame_bytes += req->bytes;
			xdp_return_frame(req->frame);
			break;
		case PVG_NET_TX_XSK:
			xsk++;
			frame_bytes += req->bytes;
			break;
		}
		put_req(txq, req);
	}

	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_add(&txq->stats.packets, packets + frames + xsk);
	u64_stats_add(&txq->stats.bytes, bytes + frame_bytes);
	u64_stats_add(&txq->stats.xdp_packets, frames);
	u64_stats_update_end(&txq->stats.sync);

	if (xsk && txq->xsk)
		xsk_tx_completed(txq->xsk, xsk);
	if (packets)
		netdev_tx_completed_queue(nq, packets, bytes);
	if (txq->open && netif_tx_queue_stopped(nq) && has_room(txq)) {
		netif_tx_wake_queue(nq);
		count_wake(txq);
	}
}

/* Reaped by pvg_net_start_xmit(), so its lock is held. */
static void pvg_net_tx_done(struct pvg_queue *q, struct pvg_done *done)
{
	finish(to_txq(q), done, 0);
}

/* Return: elements of txq->sg. */
static int map_frame(struct pvg_net_txq *txq, struct pvg_net_tx_req *req)
{
	struct xdp_frame *frame = req->frame;
	u32 len = txq->net->hdr_len, i, n = 0, frags = 0;
	struct skb_shared_info *sinfo = NULL;

	if (xdp_frame_has_frags(frame)) {
		sinfo = xdp_get_shared_info_from_frame(frame);
		frags = sinfo->nr_frags;
		req->bytes += sinfo->xdp_frags_size;
	}
	memset(req->hdr, 0, len);
	if (pvg_net_has(txq->net, VIRTIO_F_VERSION_1) &&
	    frame->headroom >= len) {
		sg_init_table(txq->sg, 1 + frags);
		memset(frame->data - len, 0, len);
		sg_set_buf(&txq->sg[n++], frame->data - len, len + frame->len);
	} else {
		sg_init_table(txq->sg, 2 + frags);
		sg_set_buf(&txq->sg[n++], req->hdr, len);
		sg_set_buf(&txq->sg[n++], frame->data, frame->len);
	}
	for (i = 0; i < frags; i++)
		sg_set_page(&txq->sg[n++], skb_frag_page(&sinfo->frags[i]),
			    skb_frag_size(&sinfo->frags[i]),
			    skb_frag_off(&sinfo->frags[i]));
	return n;
}

/* The netdev queue's lock held. Return: whether the frame is taken. */
static bool send_frame(struct pvg_net_txq *txq, struct xdp_frame *frame)
{
	struct scatterlist *sgs[1] = { txq->sg };
	struct pvg_net_tx_req *req;
	unsigned long flags;
	int err;

	if (unlikely(!txq->open))
		return false;
	req = get_req(txq);
	if (unlikely(!req))
		return false;
	req->type = PVG_NET_TX_XDP;
	req->frame = frame;
	req->bytes = frame->len;
	map_frame(txq, req);

	flags = pvg_queue_lock(&txq->pvg);
	err = has_room(txq) ? pvg_queue_add(&txq->pvg, sgs, 1, 0, req, false) :
			      -ENOSPC;
	pvg_queue_unlock(&txq->pvg, flags);
	if (unlikely(err))
		put_req(txq, req);
	return !err;
}

/**
 * pvg_net_tx_has_room() - is the queue open, and can another packet be added?
 * @txq: the queue
 *
 * Context: the netdev queue's lock held.
 */
bool pvg_net_tx_has_room(struct pvg_net_txq *txq)
{
	unsigned long flags;
	bool room;

	flags = pvg_queue_lock(&txq->pvg);
	room = txq->open && txq->pvg.running && has_room(txq);
	pvg_queue_unlock(&txq->pvg, flags);
	return room;
}

/**
 * pvg_net_tx_add_xsk() - queue a packet in AF_XDP memory
 * @txq: the queue; pvg_net_tx_has_room()
 * @data: the packet
 * @len: bytes
 *
 * One that cannot be sent after all counts as completed.
 * Context: the netdev queue's lock held.
 */
void pvg_net_tx_add_xsk(struct pvg_net_txq *txq, struct scatterlist *data,
			u32 len)
{
	struct pvg_net_tx_req *req = get_req(txq);
	struct scatterlist *sgs[2];
	unsigned long flags;
	int err;

	req->type = PVG_NET_TX_XSK;
	req->bytes = len;
	memset(req->hdr, 0, txq->net->hdr_len);
	sg_init_one(txq->sg, req->hdr, txq->net->hdr_len);
	sgs[0] = txq->sg;
	sgs[1] = data;
	flags = pvg_queue_lock(&txq->pvg);
	err = pvg_queue_add(&txq->pvg, sgs, 2, 0, req, false);
	pvg_queue_unlock(&txq->pvg, flags);
	if (unlikely(err)) {
		put_req(txq, req);
		xsk_tx_completed(txq->xsk, 1);
		count_drop(txq);
	}
}

/* One queue for each CPU as far as they go; the lock makes sharing safe. */
static struct pvg_net_txq *xdp_txq(struct pvg_net *net)
{
	return &net->txqs[smp_processor_id() % READ_ONCE(net->active_pairs)];
}

/**
 * pvg_net_xdp_send() - queue a frame for a program's XDP_TX
 * @net: the device
 * @frame: the frame
 *
 * pvg_net_xdp_send_flush() is to follow on the same CPU.
 * Context: NAPI. Return: whether the frame is taken.
 */
bool pvg_net_xdp_send(struct pvg_net *net, struct xdp_frame *frame)
{
	struct pvg_net_txq *txq = xdp_txq(net);
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);
	bool taken;

	__netif_tx_lock(nq, smp_processor_id());
	taken = send_frame(txq, frame);
	if (!taken) {
		u64_stats_update_begin(&txq->stats.sync);
		u64_stats_inc(&txq->stats.xdp_dropped);
		u64_stats_update_end(&txq->stats.sync);
	}
	__netif_tx_unlock(nq);
	return taken;
}

/**
 * pvg_net_xdp_send_flush() - end a batch of pvg_net_xdp_send()
 * @net: the device
 *
 * Context: NAPI.
 */
void pvg_net_xdp_send_flush(struct pvg_net *net)
{
	struct pvg_net_txq *txq = xdp_txq(net);
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);

	__netif_tx_lock(nq, smp_processor_id());
	if (txq->open)
		pvg_queue_commit_unlock(&txq->pvg, pvg_queue_lock(&txq->pvg));
	__netif_tx_unlock(nq);
}

/**
 * pvg_net_xdp_xmit() - ndo_xdp_xmit: frames redirected from another device
 * @dev: the device
 * @n: how many
 * @frames: the frames
 * @flags: XDP_XMIT_FLUSH ends the batch
 *
 * Context: BH disabled. Return: frames taken, or a negative errno.
 */
int pvg_net_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames,
		     u32 flags)
{
	struct pvg_net *net = netdev_priv(dev);
	struct pvg_net_txq *txq = xdp_txq(net);
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);
	int i;

	if (flags & ~XDP_XMIT_FLAGS_MASK)
		return -EINVAL;

	__netif_tx_lock(nq, smp_processor_id());
	if (unlikely(!txq->open)) {
		__netif_tx_unlock(nq);
		return -ENETDOWN;
	}
	for (i = 0; i < n; i++)
		if (!send_frame(txq, frames[i]))
			break;
	if (flags & XDP_XMIT_FLUSH || i < n)
		pvg_queue_commit_unlock(&txq->pvg, pvg_queue_lock(&txq->pvg));
	u64_stats_update_begin(&txq->stats.sync);
	u64_stats_add(&txq->stats.xdp_dropped, n - i);
	u64_stats_update_end(&txq->stats.sync);
	__netif_tx_unlock(nq);
	return i;
}

static void pvg_net_tx_schedule(struct pvg_queue *q)
{
	napi_schedule(&to_txq(q)->napi);
}

static void pvg_net_tx_broken(struct pvg_queue *q)
{
	pvg_net_recover(to_txq(q)->net);
}

const struct pvg_queue_ops pvg_net_tx_ops = {
	.lazy	= true,
	.used	= pvg_net_tx_used,
	.done	= pvg_net_tx_done,
	.poll	= pvg_net_tx_schedule,
	.broken	= pvg_net_tx_broken,
};

/**
 * pvg_net_tx_poll() - NAPI poll of a transmit queue
 * @napi: of a struct pvg_net_txq
 * @budget: 0 when called by netpoll
 *
 * All that is there is taken: it is little work, and makes room.
 */
int pvg_net_tx_poll(struct napi_struct *napi, int budget)
{
	struct pvg_net_txq *txq = container_of(napi, struct pvg_net_txq, napi);
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);
	struct pvg_done done = {};
	int sent = 0;

	/* In netpoll a stopped CPU, or this one further up, may hold the lock. */
	if (budget)
		__netif_tx_lock(nq, smp_processor_id());
	else if (!__netif_tx_trylock(nq))
		return 0;
	if (pvg_queue_poll(&txq->pvg, U32_MAX, &done))
		finish(txq, &done, budget);
	if (txq->xsk && budget)
		sent = pvg_net_xsk_send(txq, budget);
	__netif_tx_unlock(nq);

	if (sent && sent == budget)
		return budget;
	if (budget && napi_complete_done(napi, 0) &&
	    pvg_queue_poll_done(&txq->pvg))
		napi_schedule(napi);
	return 0;
}

/**
 * pvg_net_tx_reap() - take back what was sent, while at receiving
 * @txq: the queue
 * @budget: as NAPI has it
 *
 * A packet that arrives is often the answer to one that was sent; that one
 * need not interrupt any more. Context: NAPI.
 */
void pvg_net_tx_reap(struct pvg_net_txq *txq, int budget)
{
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);
	struct pvg_done done = {};

	/* If someone is sending, they take it. */
	if (!READ_ONCE(txq->pvg.inflight) || !__netif_tx_trylock(nq))
		return;
	if (txq->open && pvg_queue_reap(&txq->pvg, budget, &done))
		finish(txq, &done, budget);
	__netif_tx_unlock(nq);
}

/**
 * pvg_net_tx_reclaim() - the device will not send this one any more
 * @token: a struct pvg_net_tx_req
 *
 * The packet is lost, and its sender has its memory back. Context: queue stopped;
 * may sleep.
 */
void pvg_net_tx_reclaim(void *token)
{
	struct pvg_net_tx_req *req = token;
	struct pvg_net_txq *txq = req->txq;

	switch (req->type) {
	case PVG_NET_TX_SKB:
		dev_kfree_skb_any(req->skb);
		break;
	case PVG_NET_TX_XDP:
		xdp_return_frame(req->frame);
		break;
	case PVG_NET_TX_XSK:
		if (txq->xsk)
			xsk_tx_completed(txq->xsk, 1);
		break;
	}
	put_req(txq, req);
}

/**
 * pvg_net_tx_start() - let NAPI run; pvg_net_tx_open() is to follow
 * @txq: the queue, its virtqueue running; may be started
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_tx_start(struct pvg_net_txq *txq)
{
	if (txq->napi_on)
		return;
	napi_enable(&txq->napi);
	pvg_show_tx_napi(txq->net->dev, txq->index, &txq->napi);
	txq->napi_on = true;
}

/**
 * pvg_net_tx_open() - take packets, and look once for what was sent
 * @txq: the queue; does nothing unless it is started and not yet open
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_tx_open(struct pvg_net_txq *txq)
{
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);

	if (!txq->napi_on)
		return;
	__netif_tx_lock_bh(nq);
	if (!txq->open) {
		txq->open = true;
		/* One that is full is woken by finish(). */
		if (has_room(txq))
			netif_tx_wake_queue(nq);
		else
			netif_tx_stop_queue(nq);
		napi_schedule(&txq->napi);
	}
	__netif_tx_unlock_bh(nq);
}

/*
 * Whoever has the lock later than this finds the queue closed: no packet is added,
 * and none is taken back but by NAPI. The watchdog takes a queue for stuck that has
 * been stopped since long, so one that was not open is not stopped, and the time of
 * the others begins now.
 */
static void close(struct pvg_net_txq *txq)
{
	struct netdev_queue *nq = pvg_net_netdev_queue(txq);

	__netif_tx_lock_bh(nq);
	if (txq->open) {
		WRITE_ONCE(nq->trans_start, jiffies);
		netif_tx_stop_queue(nq);
	}
	txq->open = false;
	__netif_tx_unlock_bh(nq);
}

/**
 * pvg_net_tx_stop() - nothing is sent or completed afterwards
 * @txq: the queue; may be stopped
 *
 * Its requests belong to the caller from then on, until pvg_net_tx_start().
 * Context: rtnl; may sleep.
 */
void pvg_net_tx_stop(struct pvg_net_txq *txq)
{
	if (!txq->napi_on)
		return;
	close(txq);
	txq->napi_on = false;
	pvg_show_tx_napi(txq->net->dev, txq->index, NULL);
	napi_disable(&txq->napi);
}

#define HDRS_PER_PAGE	(PAGE_SIZE / sizeof(union pvg_net_hdr))

static void free_reqs(struct pvg_net_tx_req *reqs, u32 n)
{
	u32 i;

	for (i = 0; i < n; i += HDRS_PER_PAGE)
		free_page((unsigned long)reqs[i].hdr);
	kvfree(reqs);
}

/* The device reads headers, so these are in pages, wherever the requests are. */
static struct pvg_net_tx_req *make_reqs(u32 n)
{
	struct pvg_net_tx_req *reqs = kvcalloc(n, sizeof(*reqs), GFP_KERNEL);
	u32 i;

	for (i = 0; reqs && i < n; i++) {
		if (i % HDRS_PER_PAGE) {
			reqs[i].hdr = reqs[i - 1].hdr + 1;
			continue;
		}
		reqs[i].hdr = (void *)get_zeroed_page(GFP_KERNEL);
		if (!reqs[i].hdr) {
			free_reqs(reqs, i);
			return NULL;
		}
	}
	return reqs;
}

/* Replace the queue's requests, none of which is in the ring. */
static void use_reqs(struct pvg_net_txq *txq, struct pvg_net_tx_req *reqs, u32 n)
{
	free_reqs(txq->reqs, txq->nr_reqs);
	txq->reqs = reqs;
	txq->nr_reqs = n;
	txq->free = NULL;
	while (n--) {
		reqs[n].txq = txq;
		put_req(txq, &reqs[n]);
	}
}

static void pause(struct pvg_net_txq *txq)
{
	txq->was_on = txq->napi_on;
	pvg_net_tx_stop(txq);
}

static void unpause(struct pvg_net_txq *txq)
{
	/* The packets that it counts were lost with the ring, if that is empty. */
	if (!txq->pvg.inflight)
		netdev_tx_reset_queue(pvg_net_netdev_queue(txq));
	if (!txq->was_on)
		return;
	pvg_net_tx_start(txq);
	pvg_net_tx_open(txq);
}

static void recycle(struct virtqueue *vq, void *token)
{
	pvg_net_tx_reclaim(token);
}

/**
 * pvg_net_tx_reset() - drop what was not sent yet, and change the AF_XDP pool
 * @txq: the queue, with RING_RESET
 * @pool: to send for from now on, or NULL
 *
 * Context: rtnl and &pvg_ring.lock; may sleep. Return: as pvg_queue_reset().
 */
int pvg_net_tx_reset(struct pvg_net_txq *txq, struct xsk_buff_pool *pool)
{
	int err;

	pause(txq);
	err = pvg_queue_reset(&txq->net->ring, &txq->pvg, recycle);
	if (!err) {
		txq->xsk = pool;
		pvg_net_coal_forget(&txq->coal);
	}
	unpause(txq);
	return err;
}

/**
 * pvg_net_tx_resize() - drop what was not sent yet, and change the ring size
 * @txq: the queue, with RING_RESET
 * @num: descriptors
 *
 * Context: rtnl and &pvg_ring.lock; may sleep. Return: as pvg_queue_resize();
 * after -ENOMEM the queue works with its old size.
 */
int pvg_net_tx_resize(struct pvg_net_txq *txq, u32 num)
{
	struct pvg_net_tx_req *reqs = make_reqs(num);
	int err;

	if (!reqs)
		return -ENOMEM;
	pause(txq);
	err = pvg_queue_resize(&txq->net->ring, &txq->pvg, num, recycle);
	/* Of the same size, it is the ring of before, with what was in it. */
	if (!err && !txq->pvg.inflight) {
		use_reqs(txq, reqs, num);
		pvg_net_coal_forget(&txq->coal);
	} else {
		free_reqs(reqs, num);
	}
	unpause(txq);
	return err;
}

/**
 * pvg_net_tx_alloc() - make the requests of a queue
 * @txq: the queue, stopped, and none of its requests in the ring
 * @ring_size: descriptors
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int pvg_net_tx_alloc(struct pvg_net_txq *txq, u32 ring_size)
{
	struct pvg_net_tx_req *reqs = make_reqs(ring_size);

	if (!reqs)
		return -ENOMEM;
	use_reqs(txq, reqs, ring_size);
	return 0;
}

void pvg_net_tx_free(struct pvg_net_txq *txq)
{
	free_reqs(txq->reqs, txq->nr_reqs);
	txq->reqs = NULL;
	txq->nr_reqs = 0;
	txq->free = NULL;
}

/* So that a test can have one of two rings change its pool only. */
ALLOW_ERROR_INJECTION(pvg_net_tx_reset, ERRNO);

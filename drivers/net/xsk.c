// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_XDP without copying: packets are received into, and sent from, the memory
 * of a process.
 *
 * While a pool is bound to a queue pair, all its receive buffers are the
 * pool's; the rings are reset when it is bound and released, so that nothing
 * else is left in them. Ordinary packets go on being sent through the transmit
 * queue beside the pool's. Packets for the stack are copied, with a program or
 * without, and the device merges none meanwhile: a buffer has room for one frame.
 */
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <linux/virtio.h>
#include <linux/vmalloc.h>
#include <net/xdp_sock_drv.h>

#include "pvg_net.h"

/*
 * The pool's memory is mapped twice over, for the kernel and for DMA; the
 * virtqueue code does its own mapping, so it gets pages. A chunk may lie on two.
 * Return: elements used.
 */
static unsigned int set_sg(struct scatterlist *sg, void *addr, u32 len)
{
	u32 offset = offset_in_page(addr);
	u32 first = min_t(u32, len, PAGE_SIZE - offset);

	sg_init_table(sg, first < len ? 2 : 1);
	sg_set_page(&sg[0], vmalloc_to_page(addr), first, offset);
	if (first == len)
		return 1;
	sg_set_page(&sg[1], vmalloc_to_page(addr + first), len - first, 0);
	return 2;
}

/**
 * pvg_net_xsk_prepare() - get memory of the pool for a buffer
 * @buf: the buffer, of a queue with a pool
 *
 * Context: NAPI, or NAPI disabled. Return: 0, or -ENOMEM if the process has
 * given none; with need_wakeup it wakes the driver when it has.
 */
int pvg_net_xsk_prepare(struct pvg_net_rx_buf *buf)
{
	struct xsk_buff_pool *pool = buf->rxq->xsk;

	if (!buf->xdp)
		buf->xdp = xsk_buff_alloc(pool);
	if (xsk_uses_need_wakeup(pool)) {
		if (buf->xdp)
			xsk_clear_rx_need_wakeup(pool);
		else
			xsk_set_rx_need_wakeup(pool);
	}
	if (!buf->xdp)
		return -ENOMEM;
	buf->room = buf->rxq->net->hdr_len + xsk_pool_get_rx_frame_size(pool);
	return 0;
}

/**
 * pvg_net_xsk_map() - describe a buffer to the device
 * @buf: the buffer, prepared
 *
 * The header goes right before the packet. Fills in the queue's scatterlist.
 */
void pvg_net_xsk_map(struct pvg_net_rx_buf *buf)
{
	struct pvg_net_rxq *rxq = buf->rxq;
	u32 len = rxq->net->hdr_len;

	/* A program may have moved the start of the packet before. */
	xsk_buff_set_size(buf->xdp, 0);
	set_sg(rxq->sg, buf->xdp->data - len, buf->room);
}

static struct sk_buff *to_skb(struct pvg_net_rxq *rxq, struct xdp_buff *xdp)
{
	u32 len = xdp->data_end - xdp->data;
	struct sk_buff *skb = napi_alloc_skb(&rxq->napi, len);

	if (skb)
		skb_put_data(skb, xdp->data, len);
	return skb;
}

static bool transmit(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	/* A copy; the chunk is back in the pool when it is made. */
	struct xdp_frame *frame = xdp_convert_buff_to_frame(buf->xdp);

	if (!frame)
		return false;
	buf->xdp = NULL;
	if (pvg_net_xdp_send(rxq->net, frame)) {
		rxq->xdp_flush |= PVG_NET_FLUSH_TX;
		return true;
	}
	xdp_return_frame_rx_napi(frame);
	return false;
}

/**
 * pvg_net_xsk_receive() - run the program on a packet in the pool's memory
 * @rxq: the queue
 * @prog: its program; NULL passes each packet
 * @buf: the packet, its length validated; its chunk stays with it unless that
 *	went with the packet
 * @skb: set to the packet if it is to go on to the stack
 *
 * Context: NAPI, under RCU. Return: what to count, or NULL.
 */
u64_stats_t *pvg_net_xsk_receive(struct pvg_net_rxq *rxq, struct bpf_prog *prog,
				 struct pvg_net_rx_buf *buf,
				 struct sk_buff **skb)
{
	struct net_device *dev = rxq->net->dev;
	u32 act = XDP_PASS;

	xsk_buff_set_size(buf->xdp, buf->used - rxq->net->hdr_len);
	if (prog) {
		if (!pvg_net_xdp_csum(rxq, buf->xdp, &rxq->packet.hdr))
			return NULL;
		act = bpf_prog_run_xdp(prog, buf->xdp);
		pvg_net_rx_count(rxq, &rxq->stats.xdp_packets);
	}
	/* What goes on to the stack is counted there. */
	if (act != XDP_PASS)
		pvg_net_rx_count_packet(rxq, buf->used - rxq->net->hdr_len);
	switch (act) {
	case XDP_PASS:
		*skb = to_skb(rxq, buf->xdp);
		return *skb ? NULL : &rxq->stats.dropped;
	case XDP_REDIRECT:
		if (xdp_do_redirect(dev, buf->xdp, prog)) {
			/* Free already if it was copied before it failed. */
			xsk_buff_free(buf->xdp);
			buf->xdp = NULL;
			return &rxq->stats.dropped;
		}
		buf->xdp = NULL;
		rxq->xdp_flush |= PVG_NET_FLUSH_REDIRECT;
		return &rxq->stats.xdp_redirect;
	case XDP_TX:
		return transmit(rxq, buf) ? &rxq->stats.xdp_tx :
					    &rxq->stats.dropped;
	default:
		bpf_warn_invalid_xdp_action(dev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(dev, prog, act);
		return &rxq->stats.dropped;
	case XDP_DROP:
		return &rxq->stats.xdp_drop;
	}
}

/**
 * pvg_net_xsk_send() - send what the process has queued
 * @txq: the queue, with a pool
 * @budget: packets at most
 *
 * Context: NAPI; the netdev queue's lock held. Return: packets sent.
 */
int pvg_net_xsk_send(struct pvg_net_txq *txq, int budget)
{
	struct xsk_buff_pool *pool = txq->xsk;
	struct xdp_desc desc;
	int n = 0;

	while (n < budget && pvg_net_tx_has_room(txq) &&
	       xsk_tx_peek_desc(pool, &desc)) {
		struct scatterlist sg[2], *data = sg;

		set_sg(sg, xsk_buff_raw_get_data(pool, desc.addr), desc.len);
		pvg_net_tx_add_xsk(txq, data, desc.len);
		n++;
	}
	if (n) {
		xsk_tx_release(pool);
		pvg_queue_commit_unlock(&txq->pvg, pvg_queue_lock(&txq->pvg));
	}
	if (xsk_uses_need_wakeup(pool))
		xsk_set_tx_need_wakeup(pool);
	return n;
}

/**
 * pvg_net_xsk_wakeup() - ndo_xsk_wakeup: there is something to send or fill
 * @dev: the device
 * @queue: of it
 * @flags: XDP_WAKEUP_RX, XDP_WAKEUP_TX
 *
 * Context: may be called with BH enabled.
 */
int pvg_net_xsk_wakeup(struct net_device *dev, u32 queue, u32 flags)
{
	struct pvg_net *net = netdev_priv(dev);

	if (!netif_running(dev) || READ_ONCE(net->state) != PVG_NET_LIVE)
		return -ENETDOWN;
	if (queue >= net->active_pairs || !READ_ONCE(net->rxqs[queue].xsk))
		return -EINVAL;

	local_bh_disable();
	if (flags & XDP_WAKEUP_RX &&
	    !napi_if_scheduled_mark_missed(&net->rxqs[queue].napi))
		napi_schedule(&net->rxqs[queue].napi);
	if (flags & XDP_WAKEUP_TX &&
	    !napi_if_scheduled_mark_missed(&net->txqs[queue].napi))
		napi_schedule(&net->txqs[queue].napi);
	local_bh_enable();
	return 0;
}

/* Empty both rings, with @pool to use from then on. */
static int switch_pool(struct pvg_net *net, u32 queue,
		       struct xsk_buff_pool *pool)
{
	struct pvg_net_rxq *rxq = &net->rxqs[queue];
	struct pvg_net_txq *txq = &net->txqs[queue];
	int err;

	mutex_lock(&net->ring.lock);
	err = pvg_net_rx_reset(rxq, pool);
	if (!err)
		err = pvg_net_tx_reset(txq, pool);
	mutex_unlock(&net->ring.lock);
	/* Either ring may hold what the caller is about to free. */
	if (err)
		pvg_net_halt(net);
	return err;
}

static const char *objection(struct pvg_net *net, struct xsk_buff_pool *pool)
{
	if (!pvg_net_has(net, VIRTIO_F_RING_RESET))
		return "the device cannot reset a single ring";
	if (xsk_pool_get_headroom(pool) < net->hdr_len)
		return "the pool has no room for the device's header";
	if (net->dev->mtu + PVG_NET_FRAME_MAX >
	    xsk_pool_get_rx_frame_size(pool))
		return "the MTU is larger than the pool's frames";
	if (!pvg_net_can_be_raw(net))
		return "the device cannot be told to send unmerged packets";
	return NULL;
}

/**
 * pvg_net_xsk_bound() - has a queue a pool?
 * @net: the device
 *
 * Context: rtnl.
 */
bool pvg_net_xsk_bound(const struct pvg_net *net)
{
	return pvg_net_xsk_mtu_max(net) != U32_MAX;
}

/**
 * pvg_net_xsk_mtu_max() - the largest MTU that all pools have room for
 * @net: the device
 *
 * Context: rtnl. Return: U32_MAX without a pool.
 */
u32 pvg_net_xsk_mtu_max(const struct pvg_net *net)
{
	u32 most = U32_MAX;
	unsigned int i;

	for (i = 0; i < net->pairs; i++)
		if (net->rxqs[i].xsk)
			most = min(most,
				   xsk_pool_get_rx_frame_size(net->rxqs[i].xsk) -
				   PVG_NET_FRAME_MAX);
	return most;
}

static int register_pool(struct pvg_net_rxq *rxq, struct xsk_buff_pool *pool)
{
	int err;

	err = xdp_rxq_info_reg(&rxq->xsk_rxq, rxq->net->dev, rxq->index,
			       rxq->napi.napi_id);
	if (err)
		return err;
	err = xdp_rxq_info_reg_mem_model(&rxq->xsk_rxq,
					 MEM_TYPE_XSK_BUFF_POOL, NULL);
	if (err)
		xdp_rxq_info_unreg(&rxq->xsk_rxq);
	else
		xsk_pool_set_rxq_info(pool, &rxq->xsk_rxq);
	return err;
}

static int bind_pool(struct pvg_net *net, struct xsk_buff_pool *pool, u32 queue)
{
	struct device *dma_dev = net->vdev->dev.parent;
	struct pvg_net_rxq *rxq = &net->rxqs[queue];
	const char *wrong = objection(net, pool);
	int err;

	if (wrong) {
		/* There is no extack here. */
		net_warn_ratelimited("%s: AF_XDP on queue %u: %s\n",
				     net->dev->name, queue, wrong);
		return -EOPNOTSUPP;
	}
	err = pvg_net_set_raw(net, true);
	if (err)
		return err;
	/* Not used, but the core insists. */
	err = xsk_pool_dma_map(pool, dma_dev, 0);
	if (err)
		goto merge;
	err = register_pool(rxq, pool);
	if (err)
		goto unmap;
	err = switch_pool(net, queue, pool);
	if (err)
		goto unregister;
	return 0;

unregister:
	rxq->xsk = NULL;
	net->txqs[queue].xsk = NULL;
	xdp_rxq_info_unreg(&rxq->xsk_rxq);
unmap:
	xsk_pool_dma_unmap(pool, 0);
merge:
	pvg_net_set_raw(net, pvg_net_is_raw(net));
	return err;
}

/* It cannot fail: if the rings are not reset, the device is. */
static int release_pool(struct pvg_net *net, u32 queue)
{
	struct pvg_net_rxq *rxq = &net->rxqs[queue];
	struct xsk_buff_pool *pool = rxq->xsk;

	if (!pool)
		return -EINVAL;
	/* In any other state the rings are gone. */
	if (net->state == PVG_NET_LIVE)
		switch_pool(net, queue, NULL);
	rxq->xsk = NULL;
	net->txqs[queue].xsk = NULL;
	xdp_rxq_info_unreg(&rxq->xsk_rxq);
	xsk_pool_dma_unmap(pool, 0);
	pvg_net_set_raw(net, pvg_net_is_raw(net));
	return 0;
}

/**
 * pvg_net_xsk_setup() - XDP_SETUP_XSK_POOL
 * @net: the device
 * @pool: to bind, or NULL to release
 * @queue: pair to do it for
 *
 * Context: rtnl; may sleep. Return: 0, -EINVAL, -EOPNOTSUPP, -ENETDOWN, or for
 * a pool what resetting the rings returned, and then the device is recovered.
 */
int pvg_net_xsk_setup(struct pvg_net *net, struct xsk_buff_pool *pool,
		      u16 queue)
{
	if (queue >= net->active_pairs)
		return -EINVAL;
	if (!pool)
		return release_pool(net, queue);
	if (net->state != PVG_NET_LIVE)
		return -ENETDOWN;
	if (net->rxqs[queue].xsk)
		return -EBUSY;
	return bind_pool(net, pool, queue);
}

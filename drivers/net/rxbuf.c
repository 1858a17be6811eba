// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive buffers: their memory, and posting them.
 *
 * A buffer is a piece of a page_pool page, laid out so that the packet in it
 * can become the linear part of an sk_buff as it is:
 *
 *	headroom | virtio header, packet ... | struct skb_shared_info
 *	         '------ for the device -----'
 *
 * With MRG_RXBUF the device continues in further buffers, so pieces follow the
 * mean length of recent packets: half a page holds a usual frame, and what
 * comes from TCP segmentation offload goes to blocks of up to 32 KiB. Without
 * it, a buffer holds the largest packet: a frame, or (big) 64 KiB in three
 * elements.
 *
 * A socket is charged for the whole piece that a packet is in. So a packet that is
 * small for its piece is copied to a piece of its own size, and the large one is posted
 * again.
 *
 * Where DMA goes through bounce buffers, as in confidential guests, a posted buffer takes
 * as much of these as it has room, until a packet comes. A queue then has a share, which
 * bounds what is posted, and pieces of a page at most. When a buffer cannot be mapped, the
 * share is halved, and doubled again each time that this has not happened for a while.
 * What is posted beyond the share goes as packets come.
 */
#include <linux/error-injection.h>
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <net/xdp_sock_drv.h>

#include "pvg_net.h"

#define PIECES_ORDER	get_order(PVG_NET_BIG_SEG_SIZE)
#define REFILL_BATCH	64
#define OVERSIZE	4	/* a packet may have a piece so many times too large */
/*
 * From a refill that failed to the next one, in jiffies, unless packets come before. A
 * queue without memory costs so many looks; one without frames of an AF_XDP process
 * receives again so long after the process has given some.
 */
#define RETRY_DELAY	(HZ / 20)
#define RETRY_DELAY_XSK	1

/*
 * Bytes of bounce buffers for all receive queues of a device: 1/16 of those that a guest
 * has by default (64 MiB). They hold 64 of the largest packets. With more than 32 queues it is
 * SHARE_MIN for each of them.
 */
#define BOUNCE_MAX	SZ_4M
#define SHARE_MIN	SZ_128K	/* of a queue: the largest packet, in small pieces */
#define GROW_DELAY	(10 * HZ)	/* from a mapping that failed to a larger share */

/* What the device leaves alone: enough that the IP header is aligned. */
static u32 headroom(const struct pvg_net_rxq *rxq)
{
	u32 room = rcu_access_pointer(rxq->xdp_prog) ? XDP_PACKET_HEADROOM :
						       NET_SKB_PAD;

	if (NET_IP_ALIGN)
		room += (4 - (room + rxq->net->hdr_len + ETH_HLEN) % 4) % 4;
	return room;
}

/* The smallest piece of @size bytes. */
static u32 round_piece(u32 size)
{
	return roundup_pow_of_two(clamp_t(u32, size, PAGE_SIZE / 2,
					  PVG_NET_BIG_SEG_SIZE));
}

/* The smallest piece in which a packet of @len bytes fits. */
static u32 piece_for(const struct pvg_net_rxq *rxq, u32 len)
{
	if (rcu_access_pointer(rxq->xdp_prog))
		return PAGE_SIZE;
	return round_piece(headroom(rxq) + rxq->net->hdr_len + len +
			   pvg_net_tail_size());
}

/*
 * The largest merged piece. With smaller ones than a page the largest packets would not fit
 * in the fragments of one sk_buff.
 */
static u32 piece_max(const struct pvg_net_rxq *rxq)
{
	return likely(rxq->share == SIZE_MAX) ? PVG_NET_BIG_SEG_SIZE : PAGE_SIZE;
}

static u32 choose_piece(struct pvg_net_rxq *rxq)
{
	struct pvg_net *net = rxq->net;

	if (net->mergeable)
		return min(piece_for(rxq, ewma_pvg_net_len_read(&rxq->avg_len)),
			   piece_max(rxq));
	return piece_for(rxq, net->dev->mtu + PVG_NET_FRAME_MAX);
}

static void *alloc_piece(struct page_pool *pool, u32 size, gfp_t gfp)
{
	unsigned int offset;
	struct page *page;

	page = page_pool_alloc_frag(pool, &offset, size,
				    gfp | __GFP_NOWARN | __GFP_COMP);
	return page ? page_address(page) + offset : NULL;
}

/**
 * pvg_net_rx_get_page() - a page for a program to look at
 * @rxq: the queue
 *
 * Context: NAPI. Return: its address, or NULL.
 */
void *pvg_net_rx_get_page(struct pvg_net_rxq *rxq)
{
	return alloc_piece(rxq->pages, PAGE_SIZE, GFP_ATOMIC);
}

/**
 * pvg_net_rx_put_piece() - give memory back
 * @pool: where it is from
 * @va: anywhere in it
 *
 * Context: any.
 */
void pvg_net_rx_put_piece(struct page_pool *pool, void *va)
{
	page_pool_put_full_page(pool, virt_to_head_page(va), false);
}

static struct page_pool *pool_for(const struct pvg_net_rxq *rxq, u32 size)
{
	return size > PAGE_SIZE ? rxq->blocks : rxq->pages;
}

/**
 * pvg_net_rx_fit() - move what is small for its piece to one of its own size
 * @rxq: the queue
 * @from: the piece
 * @size: its size in bytes; afterwards that of the returned piece
 * @offset: where in @from the data begins, and in the returned piece
 * @len: bytes of data
 * @tail: bytes to have behind the data
 *
 * At most a page is copied, and no more than a quarter of the piece. Context: NAPI.
 * Return: a piece for pvg_net_rx_unfit(), or @from, if that is not too large or there is
 * no memory.
 */
void *pvg_net_rx_fit(struct pvg_net_rxq *rxq, void *from, u32 *size, u32 offset,
		     u32 len, u32 tail)
{
	u32 own = round_piece(offset + len + tail);
	void *va;

	/* Of a block the rest would be lost until the next one is posted. */
	if (own > PAGE_SIZE || own * OVERSIZE > *size)
		return from;
	va = alloc_piece(pool_for(rxq, own), own, GFP_ATOMIC);
	if (!va)
		return from;
	memcpy(va + offset, from + offset, len);
	*size = own;
	pvg_net_rx_count(rxq, &rxq->stats.copied);
	return va;
}

/**
 * pvg_net_rx_unfit() - give back what pvg_net_rx_fit() returned
 * @rxq: the queue
 * @from: the piece that was given to it, nothing is done for that
 * @va: what it returned
 * @size: bytes there
 *
 * Context: NAPI.
 */
void pvg_net_rx_unfit(struct pvg_net_rxq *rxq, void *from, void *va, u32 size)
{
	if (va != from)
		pvg_net_rx_put_piece(pool_for(rxq, size), va);
}

static int alloc_head(struct pvg_net_rx_buf *buf, gfp_t gfp)
{
	struct pvg_net_rxq *rxq = buf->rxq;
	u32 size = choose_piece(rxq);

	buf->pool = pool_for(rxq, size);
	buf->va = alloc_piece(buf->pool, size, gfp);
	/* Merged from more pieces, if need be. */
	if (!buf->va && size > PAGE_SIZE && rxq->net->mergeable) {
		size = PAGE_SIZE;
		buf->pool = rxq->pages;
		buf->va = alloc_piece(buf->pool, size, gfp);
	}
	if (!buf->va)
		return -ENOMEM;
	buf->truesize = size;
	buf->headroom = headroom(rxq);
	buf->room = size - buf->headroom - pvg_net_tail_size();
	return 0;
}

/*
 * Is the memory from before a program was attached or detached, from when packets were so
 * much longer that each would be copied now, or too large for the share of the queue?
 */
static bool is_misshapen(const struct pvg_net_rx_buf *buf)
{
	struct pvg_net_rxq *rxq = buf->rxq;

	if (!buf->va)
		return false;
	return buf->headroom != headroom(rxq) ||
	       (rcu_access_pointer(rxq->xdp_prog) &&
		buf->truesize != PAGE_SIZE) ||
	       buf->truesize >= OVERSIZE * choose_piece(rxq) ||
	       (rxq->net->mergeable && buf->truesize > piece_max(rxq));
}

/* What a buffer has already, it keeps if it has the right shape. */
static int prepare(struct pvg_net_rx_buf *buf, gfp_t gfp)
{
	struct pvg_net_rxq *rxq = buf->rxq;
	unsigned int i;

	if (rxq->xsk)
		return pvg_net_xsk_prepare(buf);
	if (unlikely(is_misshapen(buf))) {
		pvg_net_rx_put_piece(buf->pool, buf->va);
		buf->va = NULL;
	}
	if (!buf->va && alloc_head(buf, gfp))
		return -ENOMEM;
	for (i = 0; rxq->net->big && i < PVG_NET_BIG_SEGS; i++) {
		if (buf->more[i])
			continue;
		buf->more[i] = alloc_piece(rxq->blocks, PVG_NET_BIG_SEG_SIZE, gfp);
		if (!buf->more[i])
			return -ENOMEM;
	}
	return 0;
}

static int post(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *buf)
{
	struct scatterlist *sgs[1] = { rxq->sg };
	unsigned int n = rxq->net->big ? 1 + PVG_NET_BIG_SEGS : 1, i;

	if (buf->xdp) {
		pvg_net_xsk_map(buf);
		return pvg_queue_add(&rxq->pvg, sgs, 0, 1, buf, false);
	}
	sg_init_table(rxq->sg, n);
	sg_set_buf(rxq->sg, buf->va + buf->headroom, buf->room);
	for (i = 1; i < n; i++)
		sg_set_buf(&rxq->sg[i], buf->more[i - 1],
			   PVG_NET_BIG_SEG_SIZE);
	return pvg_queue_add(&rxq->pvg, sgs, 0, 1, buf, false);
}

/* Memory of an AF_XDP pool is for whichever buffer is posted next. */
static void release_chunk(struct pvg_net_rx_buf *buf)
{
	if (buf->xdp)
		xsk_buff_free(buf->xdp);
	buf->xdp = NULL;
}

/* Bytes that count for the share of the queue while @buf, with memory, is posted. */
static size_t size_of(const struct pvg_net_rx_buf *buf)
{
	if (buf->xdp)
		return buf->room;
	return buf->truesize +
	       (buf->rxq->net->big ? PVG_NET_BIG_SEGS * PVG_NET_BIG_SEG_SIZE : 0);
}

/**
 * pvg_net_rx_returned() - the device has used a buffer, or the queue is reset
 * @buf: the buffer, posted until now
 *
 * Context: the lock of the queue held, or the queue stopped.
 */
void pvg_net_rx_returned(struct pvg_net_rx_buf *buf)
{
	buf->rxq->posted -= size_of(buf);
}

/*
 * Post up to REFILL_BATCH buffers. @err: -ENOMEM if there is no memory for more, -EAGAIN if
 * the queue did not take one, such as for want of DMA mappings; or 0. Return: whether to
 * go on.
 */
static bool refill_batch(struct pvg_net_rxq *rxq, gfp_t gfp, int *err)
{
	size_t bytes = rxq->posted;
	struct pvg_net_rx_buf *buf;
	u32 n = 0, posted = 0;
	unsigned long flags;
	int refused = 0;

	*err = 0;
	for (buf = rxq->free; buf && n < REFILL_BATCH && bytes < rxq->share;
	     buf = buf->next, n++) {
		*err = prepare(buf, gfp);
		if (*err)
			break;
		bytes += size_of(buf);
	}

	flags = pvg_queue_lock(&rxq->pvg);
	while (posted < n && rxq->pvg.vq->num_free) {
		refused = post(rxq, rxq->free);
		if (refused)
			break;
		rxq->posted += size_of(rxq->free);
		rxq->free = rxq->free->next;
		rxq->nr_free--;
		posted++;
	}
	pvg_queue_commit_unlock(&rxq->pvg, flags);
	for (buf = rxq->free; posted < n; buf = buf->next, n--)
		release_chunk(buf);
	/*
	 * Without descriptors the ring is as full as it can be, and what is broken or stopped
	 * begins anew.
	 */
	if (unlikely(refused && refused != -ENOSPC && rxq->pvg.running &&
		     !virtqueue_is_broken(rxq->pvg.vq)))
		*err = -EAGAIN;
	return posted == REFILL_BATCH && !*err;
}

/*
 * A device that steers packets may hold back one that came in for a queue that
 * has no buffers, and everything behind it. QEMU looks at those again when the
 * doorbell of the queue rings that is numbered like the way they came in, which
 * may be another one than this that has buffers now.
 */
static void ring_others(struct pvg_net_rxq *rxq)
{
	struct pvg_net *net = rxq->net;
	unsigned int i;

	for (i = 0; i < net->pairs; i++)
		if (i != rxq->index)
			pvg_queue_notify(&net->rxqs[i].pvg);
}

/* A buffer could not be mapped: others need the space, too. */
static void shrink(struct pvg_net_rxq *rxq)
{
	rxq->share = max_t(size_t, rxq->posted / 2, SHARE_MIN);
	rxq->shrunk = jiffies;
}

static void grow(struct pvg_net_rxq *rxq)
{
	if (likely(rxq->share == rxq->share_max) ||
	    !time_after(jiffies, rxq->shrunk + GROW_DELAY))
		return;
	/* With more than that nothing is bounced, and there need be no limit. */
	if (rxq->share >= min_t(size_t, rxq->share_max / 2, BOUNCE_MAX))
		rxq->share = rxq->share_max;
	else
		rxq->share *= 2;
	rxq->shrunk = jiffies;
}

/*
 * An AF_XDP process that is told that it has to wake the driver does so; with buffers in the
 * ring the next packet makes the driver look.
 */
static bool needs_retry(const struct pvg_net_rxq *rxq, int err)
{
	return err != -ENOMEM || !rxq->xsk ||
	       (!xsk_uses_need_wakeup(rxq->xsk) && !READ_ONCE(rxq->pvg.inflight));
}

/**
 * pvg_net_rx_refill() - post all buffers there is memory for
 * @rxq: the queue
 * @gfp: how to get memory
 *
 * When there is none, or the device cannot be given it, a work item has NAPI try again.
 *
 * Context: NAPI, or NAPI disabled.
 */
void pvg_net_rx_refill(struct pvg_net_rxq *rxq, gfp_t gfp)
{
	u64 doorbells = rxq->pvg.stats.doorbells;
	int err;

	while (refill_batch(rxq, gfp, &err))
		;
	/* It wanted to know: it had none left. */
	if (rxq->pvg.stats.doorbells != doorbells &&
	    pvg_net_has(rxq->net, VIRTIO_NET_F_RSS))
		ring_others(rxq);
	if (likely(!err)) {
		grow(rxq);
		return;
	}
	if (err == -EAGAIN)
		shrink(rxq);
	/* A process that gives no memory is no failure. */
	if (!rxq->xsk || err != -ENOMEM)
		pvg_net_rx_count(rxq, &rxq->stats.alloc_failed);
	if (needs_retry(rxq, err))
		schedule_delayed_work(&rxq->refill_work,
				      rxq->xsk ? RETRY_DELAY_XSK : RETRY_DELAY);
}

/* Does nothing while NAPI is disabled: a queue that starts looks on its own. */
void pvg_net_rx_refill_work(struct work_struct *work)
{
	struct pvg_net_rxq *rxq = container_of(to_delayed_work(work),
					       struct pvg_net_rxq,
					       refill_work);

	local_bh_disable();
	napi_schedule(&rxq->napi);
	local_bh_enable();
}

/**
 * pvg_net_rx_recycle() - a buffer is free to be posted again
 * @buf: the buffer; what memory it has, it keeps, unless an AF_XDP pool's
 *
 * Context: NAPI, or NAPI disabled.
 */
void pvg_net_rx_recycle(struct pvg_net_rx_buf *buf)
{
	struct pvg_net_rxq *rxq = buf->rxq;

	/* Others are posted before this one, and the pool may have no more for them. */
	release_chunk(buf);
	buf->next = rxq->free;
	rxq->free = buf;
	rxq->nr_free++;
}

/**
 * pvg_net_rx_recycle_chain() - the same for all buffers of a list
 * @buf: the first, linked by next; may be NULL
 */
void pvg_net_rx_recycle_chain(struct pvg_net_rx_buf *buf)
{
	struct pvg_net_rx_buf *next;

	for (; buf; buf = next) {
		next = buf->next;
		pvg_net_rx_recycle(buf);
	}
}

static void drop_memory(struct pvg_net_rx_buf *buf)
{
	unsigned int i;

	if (buf->va)
		pvg_net_rx_put_piece(buf->pool, buf->va);
	buf->va = NULL;
	release_chunk(buf);
	for (i = 0; i < PVG_NET_BIG_SEGS; i++) {
		if (buf->more[i])
			pvg_net_rx_put_piece(buf->rxq->blocks, buf->more[i]);
		buf->more[i] = NULL;
	}
}

/**
 * pvg_net_rx_reclaim() - the device will not write to this one any more
 * @token: a struct pvg_net_rx_buf
 *
 * Its memory may be of the wrong shape for what comes, so it goes back.
 * Context: queue stopped.
 */
void pvg_net_rx_reclaim(void *token)
{
	struct pvg_net_rx_buf *buf = token;

	pvg_net_rx_returned(buf);
	drop_memory(buf);
	pvg_net_rx_recycle(buf);
}

/* All buffers are back: give up their memory, and a packet half received. */
static void forget_all(struct pvg_net_rxq *rxq)
{
	struct pvg_net_rx_buf *buf;

	pvg_net_rx_recycle_chain(rxq->packet.first);
	dev_kfree_skb_any(rxq->packet.head);
	rxq->packet = (struct pvg_net_assembly) {};
	for (buf = rxq->free; buf; buf = buf->next)
		drop_memory(buf);
}

static void recycle(struct virtqueue *vq, void *token)
{
	pvg_net_rx_reclaim(token);
}

/**
 * pvg_net_rx_reset() - take back all buffers, and change where they are from
 * @rxq: the queue, with RING_RESET
 * @pool: AF_XDP memory to use from now on, or NULL
 *
 * Context: rtnl and &pvg_ring.lock; may sleep. Return: as pvg_queue_reset().
 */
int pvg_net_rx_reset(struct pvg_net_rxq *rxq, struct xsk_buff_pool *pool)
{
	bool on = rxq->napi_on;
	int err;

	pvg_net_rx_stop(rxq);
	err = pvg_queue_reset(&rxq->net->ring, &rxq->pvg, recycle);
	if (!err) {
		forget_all(rxq);
		rxq->xsk = pool;
		pvg_net_coal_forget(&rxq->coal);
	}
	if (on)
		pvg_net_rx_start(rxq);
	return err;
}

static struct page_pool *create_pool(struct pvg_net_rxq *rxq, u32 order,
				     u32 size)
{
	struct page_pool_params params = {
		.flags = PP_FLAG_PAGE_FRAG,
		.order = order,
		.pool_size = size,
		.nid = dev_to_node(rxq->net->vdev->dev.parent),
		.dev = rxq->net->vdev->dev.parent,
		.dma_dir = DMA_FROM_DEVICE,
	};

	pvg_page_pool_of(&params, rxq->net->dev, &rxq->napi);
	return page_pool_create(&params);
}

/* @pool may be NULL. */
static void destroy_pool(struct pvg_net_rxq *rxq, struct page_pool *pool)
{
	if (!pool)
		return;
	pvg_pool_stats_add(&rxq->net->pools_gone, pool);
	page_pool_destroy(pool);
}

static int alloc_pools(struct pvg_net_rxq *rxq, u32 ring_size)
{
	struct page_pool *pool;

	pool = create_pool(rxq, 0, ring_size);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	rxq->pages = pool;

	pool = create_pool(rxq, PIECES_ORDER, ring_size / 4 + 1);
	if (IS_ERR(pool))
		return PTR_ERR(pool);
	rxq->blocks = pool;
	return 0;
}

static struct pvg_net_rx_buf *make_bufs(u32 ring_size)
{
	return kvcalloc(ring_size, sizeof(struct pvg_net_rx_buf), GFP_KERNEL);
}

/* Replace the queue's buffers, none of which has memory. */
static void use_bufs(struct pvg_net_rxq *rxq, struct pvg_net_rx_buf *bufs, u32 n)
{
	kvfree(rxq->bufs);
	rxq->bufs = bufs;
	rxq->free = NULL;
	rxq->nr_free = 0;
	while (n--) {
		bufs[n].rxq = rxq;
		pvg_net_rx_recycle(&bufs[n]);
	}
}

static int register_xdp(struct pvg_net_rxq *rxq)
{
	int err;

	err = xdp_rxq_info_reg(&rxq->xdp_rxq, rxq->net->dev, rxq->index,
			       rxq->napi.napi_id);
	if (err)
		return err;
	return xdp_rxq_info_reg_mem_model(&rxq->xdp_rxq, MEM_TYPE_PAGE_POOL,
					  rxq->pages);
}

/*
 * Where buffers may be bounced, mappings are limited in size, which is all that a driver is
 * told. A page for a descriptor is enough to keep the device busy, so more is no use.
 */
static size_t share_of_queue(const struct pvg_net *net, u32 ring_size)
{
	if (virtio_max_dma_size(net->vdev) == SIZE_MAX)
		return SIZE_MAX;
	return max_t(size_t, SHARE_MIN,
		     min_t(size_t, BOUNCE_MAX / net->pairs, ring_size * PAGE_SIZE));
}

/**
 * pvg_net_rx_alloc() - make buffers for a queue
 * @rxq: the queue, without any
 * @ring_size: descriptors, the most that the ring will have
 *
 * Context: may sleep. Return: 0 or a negative errno; pvg_net_rx_free() cleans
 * up in any case.
 */
int pvg_net_rx_alloc(struct pvg_net_rxq *rxq, u32 ring_size)
{
	struct pvg_net_rx_buf *bufs;
	int err;

	ewma_pvg_net_len_init(&rxq->avg_len);
	rxq->share_max = share_of_queue(rxq->net, ring_size);
	rxq->share = rxq->share_max;
	err = alloc_pools(rxq, ring_size);
	if (err)
		return err;
	bufs = make_bufs(ring_size);
	if (!bufs)
		return -ENOMEM;
	use_bufs(rxq, bufs, ring_size);
	return register_xdp(rxq);
}

/**
 * pvg_net_rx_free() - undo pvg_net_rx_alloc()
 * @rxq: the queue, stopped and all buffers reclaimed; may be half built
 *
 * Pages that packets still hold are freed with them. Context: may sleep.
 */
void pvg_net_rx_free(struct pvg_net_rxq *rxq)
{
	forget_all(rxq);
	if (xdp_rxq_info_is_reg(&rxq->xdp_rxq))
		xdp_rxq_info_unreg(&rxq->xdp_rxq);
	destroy_pool(rxq, rxq->blocks);
	destroy_pool(rxq, rxq->pages);
	kvfree(rxq->bufs);
	rxq->blocks = NULL;
	rxq->pages = NULL;
	rxq->bufs = NULL;
	rxq->free = NULL;
	rxq->nr_free = 0;
}

/**
 * pvg_net_rx_resize() - change the ring size
 * @rxq: the queue, with RING_RESET
 * @num: descriptors
 *
 * Context: rtnl and &pvg_ring.lock; may sleep. Return: as pvg_queue_resize();
 * after -ENOMEM the queue works with its old size.
 */
int pvg_net_rx_resize(struct pvg_net_rxq *rxq, u32 num)
{
	struct pvg_net_rx_buf *bufs = make_bufs(num);
	bool on = rxq->napi_on;
	int err;

	if (!bufs)
		return -ENOMEM;
	pvg_net_rx_stop(rxq);
	err = pvg_queue_resize(&rxq->net->ring, &rxq->pvg, num, recycle);
	if (!err) {
		forget_all(rxq);
		use_bufs(rxq, bufs, num);
		pvg_net_coal_forget(&rxq->coal);
	} else {
		kvfree(bufs);
	}
	if (on)
		pvg_net_rx_start(rxq);
	return err;
}

/* See pvg_net_tx_reset(). */
ALLOW_ERROR_INJECTION(pvg_net_rx_reset, ERRNO);

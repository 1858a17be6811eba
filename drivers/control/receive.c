// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the host to the guest: buffers that wait for what the device writes.
 *
 * A port gets them when it is first used. A buffer is posted, filled, taken by
 * a reader, and posted again when it is empty; what is not read leaves the
 * device without buffers, and so the host waits.
 *
 * They are of 4 KiB, since QEMU fills one buffer for each 4 KiB it reads from
 * its side, whatever room there is in it.
 */
#include <linux/slab.h>
#include <linux/virtio.h>

#include "pvg_ctl.h"

#define RX_SIZE	4096
#define RX_WAIT_US	1000	/* that a part of a long message may wait */

static struct pvg_ctl_queue *to_ctl_queue(struct pvg_queue *q)
{
	return container_of(q, struct pvg_ctl_queue, pvg);
}

static bool post_locked(struct pvg_ctl_buf *buf)
{
	struct scatterlist sg, *sgs[] = { &sg };

	sg_init_one(&sg, buf->data, buf->size);
	return !pvg_queue_add(&buf->cq->pvg, sgs, 0, 1, buf, false);
}

/* Give the device all that is spare, as far as the ring has room. */
static void post_spares_unlock(struct pvg_ctl_queue *cq, unsigned long flags)
	__releases(&cq->pvg.lock)
{
	struct pvg_ctl_buf *buf, *next;

	lockdep_assert_held(&cq->pvg.lock);

	list_for_each_entry_safe(buf, next, &cq->spare[0], node) {
		list_del(&buf->node);
		if (!post_locked(buf)) {
			list_add(&buf->node, &cq->spare[0]);
			break;
		}
	}
	pvg_queue_commit_unlock(&cq->pvg, flags);
}

/*
 * The same when there are enough of them, a quarter of the buffers; until then the device has
 * the others. A device that looks at the ring only when it has data does not say that it has
 * seen a buffer, so that the progress guard rings for each that it is given after a pause: see
 * drivers/ring/guard.c. That was a doorbell for each message.
 */
static void post_some_unlock(struct pvg_ctl_queue *cq, unsigned long flags)
	__releases(&cq->pvg.lock)
{
	lockdep_assert_held(&cq->pvg.lock);

	if (cq->pvg.inflight > cq->buffers - cq->buffers / 4)
		pvg_queue_unlock(&cq->pvg, flags);
	else
		post_spares_unlock(cq, flags);
}

/**
 * pvg_ctl_rx_start() - post what there is, on a fresh virtqueue
 * @cq: the receive queue, running
 */
void pvg_ctl_rx_start(struct pvg_ctl_queue *cq)
{
	post_spares_unlock(cq, pvg_queue_lock(&cq->pvg));
}

/**
 * pvg_ctl_rx_provision() - see to it that a queue has buffers
 * @cq: the receive queue
 * @buffers: how many; no more than the ring has room for
 *
 * Context: may sleep; one caller at a time. Return: 0, or -ENOMEM when there
 * is none at all.
 */
int pvg_ctl_rx_provision(struct pvg_ctl_queue *cq, u32 buffers)
{
	struct pvg_ctl_buf *buf;
	unsigned long flags;
	LIST_HEAD(bufs);
	u32 have;

	flags = pvg_queue_lock(&cq->pvg);
	have = cq->buffers;
	if (cq->pvg.running)
		buffers = min(buffers, virtqueue_get_vring_size(cq->pvg.vq));
	pvg_queue_unlock(&cq->pvg, flags);

	for (; have < buffers; have++) {
		buf = pvg_ctl_buf_alloc(cq, RX_SIZE, GFP_KERNEL);
		if (!buf)
			break;
		list_add_tail(&buf->node, &bufs);
	}
	if (!have)
		return -ENOMEM;

	flags = pvg_queue_lock(&cq->pvg);
	list_splice(&bufs, &cq->spare[0]);
	cq->buffers = have;
	post_spares_unlock(cq, flags);
	return 0;
}

static void rx_used(struct pvg_queue *q, void *token, u32 len,
		    struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = to_ctl_queue(q);
	struct pvg_ctl_buf *buf = token;
	struct pvg_ctl_port *port;

	if (unlikely(len > buf->size)) {
		dev_err_ratelimited(&q->vq->vdev->dev,
				    "%s: %u bytes in a buffer of %u\n",
				    cq->name, len, buf->size);
		__virtqueue_break(q->vq);
		len = 0;
	}
	buf->len = len;
	buf->offset = 0;
	if (!len) {
		list_add(&buf->node, &cq->spare[0]);
		return;
	}
	list_add_tail(&buf->node, &cq->filled);
	port = rcu_dereference_protected(cq->port, lockdep_is_held(&q->lock));
	if (port)
		port->received += len;
}

/* Lock held. What nobody wants makes room for what somebody may want. */
static void discard_filled(struct pvg_ctl_queue *cq)
{
	list_splice_tail_init(&cq->filled, &cq->spare[0]);
}

static void rx_done(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = to_ctl_queue(q);
	struct pvg_ctl_port *port;
	unsigned long flags;
	bool wanted;

	rcu_read_lock();
	port = rcu_dereference(cq->port);
	/* Pairs with the lock in pvg_ctl_port_take(). */
	flags = pvg_queue_lock(q);
	wanted = port && port->holder != PVG_CTL_FREE;
	if (!wanted)
		discard_filled(cq);
	post_some_unlock(cq, flags);
	if (wanted)
		pvg_ctl_port_received(port);
	rcu_read_unlock();
}

const struct pvg_queue_ops pvg_ctl_in_ops = {
	.receive = true,
	.wait_max_us = RX_WAIT_US,
	.used	= rx_used,
	.done	= rx_done,
	.broken	= pvg_ctl_broken,
};

/**
 * pvg_ctl_rx_poll() - take what the device has written, interrupt or not
 * @port: the port
 *
 * A reader that is here anyway need not wait for an interrupt, and if it comes
 * often enough there will be none.
 *
 * Context: any but hard interrupt.
 */
void pvg_ctl_rx_poll(struct pvg_ctl_port *port)
{
	struct pvg_done done = {};

	if (pvg_queue_poll(&port->in->pvg, U32_MAX, &done))
		rx_done(&port->in->pvg, &done);
}

/**
 * pvg_ctl_rx_readable() - is there something to read?
 * @port: the port
 *
 * Context: any.
 */
bool pvg_ctl_rx_readable(const struct pvg_ctl_port *port)
{
	return !list_empty_careful(&port->ready) ||
	       !list_empty_careful(&port->in->filled);
}

/**
 * pvg_ctl_rx_take() - move what was received to the reader's list
 * @port: the port
 *
 * Context: &pvg_ctl_port.read_lock held.
 */
void pvg_ctl_rx_take(struct pvg_ctl_port *port)
{
	struct pvg_ctl_queue *cq = port->in;
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	lockdep_assert_held(&port->read_lock);

	flags = pvg_queue_lock(&cq->pvg);
	/* After removal, the queue and what is in it are another port's. */
	if (rcu_access_pointer(cq->port) == port) {
		list_for_each_entry(buf, &cq->filled, node)
			cq->buffers--;
		list_splice_tail_init(&cq->filled, &port->ready);
	}
	pvg_queue_unlock(&cq->pvg, flags);
}

/**
 * pvg_ctl_rx_repost() - give back what pvg_ctl_rx_take() took
 * @port: the port
 * @spent: buffers; empty afterwards
 *
 * Context: may sleep.
 */
void pvg_ctl_rx_repost(struct pvg_ctl_port *port, struct list_head *spent)
{
	struct pvg_ctl_queue *cq = port->in;
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	if (list_empty(spent))
		return;
	flags = pvg_queue_lock(&cq->pvg);
	if (rcu_access_pointer(cq->port) != port) {
		pvg_queue_unlock(&cq->pvg, flags);
		pvg_ctl_buf_free_list(spent);
		return;
	}
	list_for_each_entry(buf, spent, node)
		cq->buffers++;
	list_splice_tail_init(spent, &cq->spare[0]);
	post_some_unlock(cq, flags);
}

/**
 * pvg_ctl_rx_discard() - drop what was received and not read
 * @port: the port; has no readers
 *
 * Context: may sleep.
 */
void pvg_ctl_rx_discard(struct pvg_ctl_port *port)
{
	struct pvg_ctl_queue *cq = port->in;
	unsigned long flags;
	LIST_HEAD(spent);

	mutex_lock(&port->read_lock);
	list_splice_init(&port->ready, &spent);
	mutex_unlock(&port->read_lock);
	pvg_ctl_rx_repost(port, &spent);

	flags = pvg_queue_lock(&cq->pvg);
	if (rcu_access_pointer(cq->port) == port)
		discard_filled(cq);
	post_spares_unlock(cq, flags);
}

/**
 * pvg_ctl_receive() - take data from a port that is a console or a client's
 * @port: the port
 * @to: where to copy it
 * @len: bytes there is room for
 *
 * Context: any but under the lock of a queue; one caller at a time. Return:
 * bytes copied; 0 where there is nothing.
 */
size_t pvg_ctl_receive(struct pvg_ctl_port *port, void *to, size_t len)
{
	struct pvg_ctl_queue *cq = port->in;
	struct pvg_ctl_buf *buf;
	unsigned long flags;
	size_t n, copied = 0;

	flags = pvg_queue_lock(&cq->pvg);
	if (rcu_access_pointer(cq->port) != port) {
		pvg_queue_unlock(&cq->pvg, flags);
		return 0;
	}
	while (copied < len && !list_empty(&cq->filled)) {
		buf = list_first_entry(&cq->filled, struct pvg_ctl_buf, node);
		n = min_t(size_t, len - copied, buf->len - buf->offset);
		memcpy(to + copied, buf->data + buf->offset, n);
		copied += n;
		buf->offset += n;
		if (buf->offset == buf->len)
			list_move_tail(&buf->node, &cq->spare[0]);
	}
	post_some_unlock(cq, flags);
	return copied;
}

/**
 * pvg_ctl_rx_reclaim() - take back a buffer that was posted
 * @token: the struct pvg_ctl_buf
 */
void pvg_ctl_rx_reclaim(void *token)
{
	struct pvg_ctl_buf *buf = token;
	unsigned long flags;

	flags = pvg_queue_lock(&buf->cq->pvg);
	list_add(&buf->node, &buf->cq->spare[0]);
	pvg_queue_unlock(&buf->cq->pvg, flags);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the guest to the host: buffers that the device reads.
 *
 * What is written is copied, so that a write need not wait for the host, into
 * buffers of a few sizes that are used again and again. How much may be on its
 * way is bounded for each port; beyond that writers sleep.
 *
 * As long as there is room nothing waits for a buffer to come back: the queue is lazy,
 * see pvg_queue_ops, and the next buffer takes back the one before. Whoever waits for
 * room flushes the queue, which asks for the interrupt.
 */
#include <linux/slab.h>
#include <linux/virtio.h>

#include "pvg_ctl.h"

#define TX_BYTES_MAX	(1024 * 1024)	/* of buffers on their way, per port */
#define TX_SPARE_BYTES	TX_BYTES_MAX	/* of free ones that are kept */

static const u32 tx_size[PVG_CTL_TX_CLASSES] = {
	1024, 8192, 32768, 65536
};

/**
 * pvg_ctl_buf_alloc() - make a buffer
 * @cq: the queue it is for
 * @size: bytes
 * @gfp: as for kmalloc()
 */
struct pvg_ctl_buf *pvg_ctl_buf_alloc(struct pvg_ctl_queue *cq, u32 size,
				      gfp_t gfp)
{
	struct pvg_ctl_buf *buf = kzalloc(sizeof(*buf), gfp);

	if (!buf)
		return NULL;
	buf->data = kmalloc(size, gfp);
	if (!buf->data) {
		kfree(buf);
		return NULL;
	}
	buf->cq = cq;
	buf->size = size;
	return buf;
}

/**
 * pvg_ctl_buf_free() - free a buffer
 * @buf: the buffer; in no list
 */
void pvg_ctl_buf_free(struct pvg_ctl_buf *buf)
{
	kfree(buf->data);
	kfree(buf);
}

/**
 * pvg_ctl_buf_free_list() - free buffers
 * @list: of them; empty afterwards
 */
void pvg_ctl_buf_free_list(struct list_head *list)
{
	struct pvg_ctl_buf *buf, *next;

	list_for_each_entry_safe(buf, next, list, node)
		pvg_ctl_buf_free(buf);
	INIT_LIST_HEAD(list);
}

static unsigned int class_of(size_t len)
{
	unsigned int class = 0;

	while (class < PVG_CTL_TX_CLASSES - 1 && tx_size[class] < len)
		class++;
	return class;
}

static struct pvg_ctl_buf *take_spare(struct pvg_ctl_queue *cq,
				      unsigned int class)
{
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	flags = pvg_queue_lock(&cq->pvg);
	buf = list_first_entry_or_null(&cq->spare[class], struct pvg_ctl_buf,
				       node);
	if (buf) {
		list_del(&buf->node);
		cq->spare_bytes -= buf->size;
	}
	pvg_queue_unlock(&cq->pvg, flags);
	return buf;
}

/**
 * pvg_ctl_tx_get() - a buffer to fill
 * @cq: the transmit queue
 * @len: bytes it is wanted for; it may have room for less
 * @gfp: as for kmalloc()
 *
 * Context: as @gfp. Return: a buffer for pvg_ctl_tx_queue() or
 * pvg_ctl_tx_put(), or NULL.
 */
struct pvg_ctl_buf *pvg_ctl_tx_get(struct pvg_ctl_queue *cq, size_t len,
				   gfp_t gfp)
{
	unsigned int class = class_of(len);
	struct pvg_ctl_buf *buf = NULL;

	/* Where large pieces of memory are rare, smaller ones do as well. */
	for (;; class--) {
		buf = take_spare(cq, class);
		if (!buf)
			buf = pvg_ctl_buf_alloc(cq, tx_size[class],
						class ? gfp | __GFP_NOWARN |
							__GFP_NORETRY : gfp);
		if (buf || !class)
			break;
	}
	if (buf) {
		buf->len = 0;
		buf->release = NULL;
	}
	return buf;
}

/* Returns false where there are enough. */
static bool keep_spare(struct pvg_ctl_buf *buf)
{
	struct pvg_ctl_queue *cq = buf->cq;

	lockdep_assert_held(&cq->pvg.lock);

	if (cq->spare_bytes >= TX_SPARE_BYTES)
		return false;
	list_add(&buf->node, &cq->spare[class_of(buf->size)]);
	cq->spare_bytes += buf->size;
	return true;
}

/**
 * pvg_ctl_tx_put() - give back a buffer that is not sent
 * @buf: from pvg_ctl_tx_get()
 *
 * Context: any.
 */
void pvg_ctl_tx_put(struct pvg_ctl_buf *buf)
{
	unsigned long flags;
	bool kept;

	flags = pvg_queue_lock(&buf->cq->pvg);
	kept = keep_spare(buf);
	pvg_queue_unlock(&buf->cq->pvg, flags);
	if (!kept)
		pvg_ctl_buf_free(buf);
}

/**
 * pvg_ctl_tx_trim() - free the buffers that are kept
 * @cq: the transmit queue
 *
 * Context: may sleep.
 */
void pvg_ctl_tx_trim(struct pvg_ctl_queue *cq)
{
	unsigned long flags;
	unsigned int class;
	LIST_HEAD(spares);

	flags = pvg_queue_lock(&cq->pvg);
	for (class = 0; class < PVG_CTL_TX_CLASSES; class++)
		list_splice_init(&cq->spare[class], &spares);
	cq->spare_bytes = 0;
	pvg_queue_unlock(&cq->pvg, flags);
	pvg_ctl_buf_free_list(&spares);
}

static bool has_room(const struct pvg_ctl_queue *cq)
{
	lockdep_assert_held(&cq->pvg.lock);

	return cq->pvg.running && cq->pvg.vq->num_free &&
	       cq->bytes < TX_BYTES_MAX;
}

/**
 * pvg_ctl_tx_room() - may another buffer be sent?
 * @cq: the transmit queue
 *
 * If not, the queue is left such that pvg_ctl_port_writable() will be called
 * once there is.
 *
 * Context: any.
 */
bool pvg_ctl_tx_room(struct pvg_ctl_queue *cq)
{
	unsigned long flags;
	bool room;

	flags = pvg_queue_lock(&cq->pvg);
	room = has_room(cq);
	if (room || !cq->pvg.running) {
		pvg_queue_unlock(&cq->pvg, flags);
		return room;
	}
	/* Takes back what is done, and holds nothing back. */
	pvg_queue_flush_unlock(&cq->pvg, flags);
	flags = pvg_queue_lock(&cq->pvg);
	room = has_room(cq);
	pvg_queue_unlock(&cq->pvg, flags);
	return room;
}

/**
 * pvg_ctl_tx_hopeful() - may there be room?
 * @cq: the transmit queue
 *
 * Without the lock, for who finds out from pvg_ctl_tx_queue() anyway.
 *
 * Context: any.
 */
bool pvg_ctl_tx_hopeful(const struct pvg_ctl_queue *cq)
{
	return READ_ONCE(cq->bytes) < TX_BYTES_MAX;
}

/**
 * pvg_ctl_tx_idle() - has the device taken everything?
 * @cq: the transmit queue
 *
 * Context: any.
 */
bool pvg_ctl_tx_idle(struct pvg_ctl_queue *cq)
{
	pvg_queue_flush_unlock(&cq->pvg, pvg_queue_lock(&cq->pvg));
	return !READ_ONCE(cq->pvg.inflight);
}

/**
 * pvg_ctl_tx_add_locked() - give the device a buffer
 * @buf: the buffer, filled
 * @urgent: as of pvg_queue_add()
 *
 * Context: lock of its queue held; pvg_queue_commit_unlock() is to follow.
 * Return: 0; -EAGAIN where there is no room or the device is stopped; -ENOMEM.
 */
int pvg_ctl_tx_add_locked(struct pvg_ctl_buf *buf, bool urgent)
{
	struct pvg_ctl_queue *cq = buf->cq;
	struct scatterlist sg, *sgs[] = { &sg };
	struct pvg_ctl_port *port;
	int err;

	lockdep_assert_held(&cq->pvg.lock);

	if (!has_room(cq))
		return -EAGAIN;
	sg_init_one(&sg, buf->data, buf->len);
	buf->urgent = urgent;
	err = pvg_queue_add(&cq->pvg, sgs, 1, 0, buf, urgent);
	if (err)
		return err == -ENOMEM ? err : -EAGAIN;
	cq->bytes += buf->size;
	port = rcu_dereference_protected(cq->port,
					 lockdep_is_held(&cq->pvg.lock));
	if (port)
		port->sent += buf->len;
	return 0;
}

/**
 * pvg_ctl_tx_queue() - send a buffer
 * @buf: from pvg_ctl_tx_get(), filled, with len and release set
 * @urgent: somebody waits for the host's answer to it: it goes out at once, and
 *	its completion comes at once
 *
 * Context: any. Return: 0; or, and the buffer is still the caller's: -EAGAIN
 * where there is no room or the device is stopped; -ENOMEM.
 */
int pvg_ctl_tx_queue(struct pvg_ctl_buf *buf, bool urgent)
{
	struct pvg_ctl_queue *cq = buf->cq;
	unsigned long flags;
	int err;

	flags = pvg_queue_lock(&cq->pvg);
	err = pvg_ctl_tx_add_locked(buf, urgent);
	/* Without room the writer is about to wait. */
	if (err || !has_room(cq))
		pvg_queue_flush_unlock(&cq->pvg, flags);
	else
		pvg_queue_commit_unlock(&cq->pvg, flags);
	return err;
}

static void tx_used(struct pvg_queue *q, void *token, u32 len,
		    struct pvg_done *done)
{
	struct pvg_ctl_buf *buf = token;

	if (buf->urgent)
		pvg_queue_urgent_done(q);
	buf->cq->bytes -= buf->size;
	if (!buf->release && keep_spare(buf))
		return;
	buf->next = NULL;
	if (done->last)
		((struct pvg_ctl_buf *)done->last)->next = buf;
	else
		done->first = buf;
	done->last = buf;
}

static void release(struct pvg_ctl_buf *buf)
{
	if (buf->release)
		buf->release(buf);
	else
		pvg_ctl_buf_free(buf);
}

static void tx_done(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = container_of(q, struct pvg_ctl_queue, pvg);
	struct pvg_ctl_buf *buf, *next;
	struct pvg_ctl_port *port;

	for (buf = done->first; buf; buf = next) {
		next = buf->next;
		release(buf);
	}
	rcu_read_lock();
	port = rcu_dereference(cq->port);
	if (port)
		pvg_ctl_port_writable(port);
	rcu_read_unlock();
}

const struct pvg_queue_ops pvg_ctl_out_ops = {
	.lazy	= true,
	.used	= tx_used,
	.done	= tx_done,
	.broken	= pvg_ctl_broken,
};

/**
 * pvg_ctl_tx_poll() - take back what the device is done with
 * @cq: the transmit queue
 *
 * Context: any but under the lock of the queue.
 */
void pvg_ctl_tx_poll(struct pvg_ctl_queue *cq)
{
	struct pvg_done done = {};

	if (pvg_queue_poll(&cq->pvg, U32_MAX, &done))
		tx_done(&cq->pvg, &done);
}

/**
 * pvg_ctl_tx_try_poll() - pvg_ctl_tx_poll() unless somebody has the queue's lock
 * @cq: the transmit queue
 *
 * Context: any. Return: whether it was done.
 */
bool pvg_ctl_tx_try_poll(struct pvg_ctl_queue *cq)
{
	struct pvg_done done = {};
	unsigned long flags;
	u32 n;

	if (!spin_trylock_irqsave(&cq->pvg.lock, flags))
		return false;
	n = pvg_queue_poll_locked(&cq->pvg, U32_MAX, &done);
	pvg_queue_unlock(&cq->pvg, flags);
	if (n)
		tx_done(&cq->pvg, &done);
	return true;
}

/**
 * pvg_ctl_tx_reclaim() - take back a buffer that a reset device still held
 * @token: the struct pvg_ctl_buf
 */
void pvg_ctl_tx_reclaim(void *token)
{
	struct pvg_ctl_buf *buf = token;
	unsigned long flags;

	flags = pvg_queue_lock(&buf->cq->pvg);
	buf->cq->bytes -= buf->size;
	pvg_queue_unlock(&buf->cq->pvg, flags);
	release(buf);
}

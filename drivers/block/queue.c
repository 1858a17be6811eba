// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests: from the block layer to the virtqueue and back (virtio 1.2,
 * sections 5.2.6 and 5.2.6.1).
 */
#include <linux/blk-mq.h>
#include <linux/delay.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_blk.h"

static struct pvg_blk_queue *to_blk_queue(struct pvg_queue *q)
{
	return container_of(q, struct pvg_blk_queue, pvg);
}

/* The tag's room, for at least @size bytes; NULL where that cannot be. */
static void *get_room(struct pvg_blk_req *req, size_t size, gfp_t gfp)
{
	void *room;

	if (likely(size <= req->room_size))
		return req->room;
	if (size > PVG_BLK_ROOM_MAX)
		return NULL;
	size = max_t(size_t, roundup_pow_of_two(size), PVG_BLK_ROOM_MIN);
	room = kmalloc(size, gfp | __GFP_NOWARN);
	if (!room)
		return NULL;
	kfree(req->room);
	req->room = room;
	req->room_size = size;
	return room;
}

static void set_range(struct virtio_blk_discard_write_zeroes *range,
		      __le32 flags, u64 sector, u32 sectors)
{
	range->flags = flags;
	range->num_sectors = cpu_to_le32(sectors);
	range->sector = cpu_to_le64(sector);
}

/* The request's data is @len bytes at @at, of the driver's own. */
static void set_payload(struct request *rq, void *at, u32 len)
{
	rq->special_vec.bv_page = virt_to_page(at);
	rq->special_vec.bv_offset = offset_in_page(at);
	rq->special_vec.bv_len = len;
	rq->rq_flags |= RQF_SPECIAL_PAYLOAD;
}

static void forget_payload(struct request *rq)
{
	rq->rq_flags &= ~RQF_SPECIAL_PAYLOAD;
}

/* These have a range instead of data: that of the whole request. */
static void setup_range(struct request *rq, struct pvg_blk_req *req, bool unmap)
{
	__le32 flags = 0;

	if (unmap)
		flags = cpu_to_le32(VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	set_range(&req->range, flags, blk_rq_pos(rq), blk_rq_sectors(rq));
	set_payload(rq, &req->range, sizeof(req->range));
}

/* A discard may have several, which need not follow each other. */
static blk_status_t setup_discard(struct request *rq, struct pvg_blk_req *req)
{
	unsigned int n = blk_rq_nr_discard_segments(rq), i = 0;
	struct virtio_blk_discard_write_zeroes *range;
	struct bio *bio;

	/* May be several contiguous bios: the request has the sum. */
	if (n == 1) {
		setup_range(rq, req, false);
		return BLK_STS_OK;
	}
	range = get_room(req, n * sizeof(*range), GFP_ATOMIC);
	if (!range)
		return BLK_STS_RESOURCE;
	__rq_for_each_bio(bio, rq) {
		if (WARN_ON_ONCE(i == n))
			return BLK_STS_IOERR;
		set_range(&range[i++], 0, bio->bi_iter.bi_sector,
			  bio->bi_iter.bi_size >> SECTOR_SHIFT);
	}
	if (WARN_ON_ONCE(i != n))
		return BLK_STS_IOERR;
	set_payload(rq, range, n * sizeof(*range));
	return BLK_STS_OK;
}

/* What the device does not write keeps a value that it may not have. */
static void setup_lifetime(struct request *rq, struct pvg_blk_req *req)
{
	memset(&req->lifetime, U8_MAX, sizeof(req->lifetime));
	set_payload(rq, &req->lifetime, sizeof(req->lifetime));
}

/* Fill in the header, and the data where that is the driver's own. */
static blk_status_t setup_header(struct pvg_blk *blk, struct request *rq,
				 struct pvg_blk_req *req)
{
	blk_status_t status = BLK_STS_OK;
	u64 sector = 0;
	u32 type;

	req->urgent = false;
	switch (req_op(rq)) {
	case REQ_OP_READ:
		type = VIRTIO_BLK_T_IN;
		sector = blk_rq_pos(rq);
		req->urgent = rq->cmd_flags & REQ_PRIO;
		break;
	case REQ_OP_WRITE:
		type = VIRTIO_BLK_T_OUT;
		sector = blk_rq_pos(rq);
		break;
	case REQ_OP_FLUSH:
		type = VIRTIO_BLK_T_FLUSH;
		req->urgent = true;
		break;
	case REQ_OP_DISCARD:
		type = VIRTIO_BLK_T_DISCARD;
		status = setup_discard(rq, req);
		break;
	case REQ_OP_SECURE_ERASE:
		type = VIRTIO_BLK_T_SECURE_ERASE;
		setup_range(rq, req, false);
		break;
	case REQ_OP_WRITE_ZEROES:
		type = VIRTIO_BLK_T_WRITE_ZEROES;
		setup_range(rq, req, !(rq->cmd_flags & REQ_NOUNMAP));
		break;
	case REQ_OP_DRV_IN:
		type = req->own_type;
		if (type == VIRTIO_BLK_T_GET_LIFETIME)
			setup_lifetime(rq, req);
		if (type == VIRTIO_BLK_T_ZONE_REPORT)
			sector = req->own_sector;
		req->urgent = true;
		break;
	default:
		type = pvg_blk_zone_header(rq, &sector);
		if (WARN_ON_ONCE(!type))
			return BLK_STS_IOERR;
		req->urgent = !pvg_blk_is_append(rq);
	}

	req->hdr.type = cpu_to_virtio32(blk->vdev, type);
	req->hdr.ioprio = cpu_to_virtio32(blk->vdev, req_get_ioprio(rq));
	req->hdr.sector = cpu_to_virtio64(blk->vdev, sector);
	/* No status a device may write: one it did not write is an error. */
	req->status = U8_MAX;
	return status;
}

/* A table of @n entries: the request's own, the tag's, or one of a pool. */
static int get_table(struct pvg_blk_req *req, unsigned int n)
{
	struct scatterlist *sg = req->sg;
	int err;

	if (n > PVG_BLK_INLINE_SG)
		sg = get_room(req, array_size(n, sizeof(*sg)),
			      GFP_NOWAIT | __GFP_NOMEMALLOC);
	if (likely(sg)) {
		sg_init_table(sg, n);
		req->table.sgl = sg;
		return 0;
	}
	/* The pool has some in reserve, or writing back could not go on. */
	err = sg_alloc_table_chained(&req->table, n, NULL, 0);
	req->pooled = !err;
	return err;
}

static blk_status_t map_data(struct request *rq, struct pvg_blk_req *req)
{
	unsigned int n = blk_rq_nr_phys_segments(rq);

	req->table.nents = 0;
	req->pooled = false;
	if (!n)
		return BLK_STS_OK;
	if (unlikely(get_table(req, n)))
		return BLK_STS_RESOURCE;
	req->table.nents = pvg_blk_rq_map_sg(rq, req->table.sgl);
	return BLK_STS_OK;
}

static void unmap_data(struct pvg_blk_req *req)
{
	if (unlikely(req->pooled))
		sg_free_table_chained(&req->table, 0);
}

/* Make a request ready to be added. On failure nothing is left behind. */
static blk_status_t prepare(struct pvg_blk *blk, struct request *rq)
{
	struct pvg_blk_req *req = blk_mq_rq_to_pdu(rq);
	blk_status_t status;

	status = setup_header(blk, rq, req);
	if (unlikely(status))
		return status;
	status = map_data(rq, req);
	if (unlikely(status)) {
		forget_payload(rq);
		return status;
	}
	blk_mq_start_request(rq);
	return BLK_STS_OK;
}

static void unprepare(struct request *rq)
{
	unmap_data(blk_mq_rq_to_pdu(rq));
	forget_payload(rq);
}

static int add(struct pvg_blk_queue *bq, struct request *rq)
{
	struct pvg_blk_req *req = blk_mq_rq_to_pdu(rq);
	struct scatterlist hdr, status, *sgs[3];
	unsigned int out = 0, in = 0;

	sg_init_one(&hdr, &req->hdr, sizeof(req->hdr));
	sgs[out++] = &hdr;
	if (req->table.nents) {
		if (rq_data_dir(rq) == WRITE)
			sgs[out++] = req->table.sgl;
		else
			sgs[out + in++] = req->table.sgl;
	}
	if (unlikely(pvg_blk_is_append(rq)))
		sg_init_one(&status, &req->append_sector,
			    sizeof(req->append_sector) + sizeof(req->status));
	else
		sg_init_one(&status, &req->status, sizeof(req->status));
	sgs[out + in++] = &status;

	return pvg_queue_add(&bq->pvg, sgs, out, in, req, req->urgent);
}

/*
 * Not DEV_RESOURCE where the ring is full: the last completion may restart the queue before
 * the block layer has the request in its list, and one that is ended in a batch does not run
 * the queue again. RESOURCE has the block layer look again after 3 ms, unless the queue is
 * stopped by then.
 */
static blk_status_t add_error(int err)
{
	switch (err) {
	case -ENOSPC:
	case -ENOMEM:
		return BLK_STS_RESOURCE;
	default:
		return BLK_STS_IOERR;
	}
}

static blk_status_t pvg_blk_queue_rq(struct blk_mq_hw_ctx *hctx,
				     const struct blk_mq_queue_data *bd)
{
	struct pvg_blk_queue *bq = hctx->driver_data;
	struct request *rq = bd->rq;
	blk_status_t status;
	unsigned long flags;
	int err;

	status = prepare(bq->blk, rq);
	if (unlikely(status))
		return status;

	flags = pvg_queue_lock(&bq->pvg);
	err = add(bq, rq);
	if (unlikely(err)) {
		/* Without memory to map, a later run of the queue retries. */
		if (err == -ENOSPC) {
			WRITE_ONCE(bq->full, true);
			blk_mq_stop_hw_queue(hctx);
		}
		pvg_queue_flush_unlock(&bq->pvg, flags);
		unprepare(rq);
		return add_error(err);
	}
	if (bd->last)
		pvg_queue_commit_unlock(&bq->pvg, flags);
	else
		pvg_queue_unlock(&bq->pvg, flags);
	return BLK_STS_OK;
}

static void pvg_blk_commit_rqs(struct blk_mq_hw_ctx *hctx)
{
	struct pvg_blk_queue *bq = hctx->driver_data;

	pvg_queue_commit_unlock(&bq->pvg, pvg_queue_lock(&bq->pvg));
}

/* Add prepared requests of one queue as one batch. */
static void submit_batch(struct pvg_blk_queue *bq, pvg_rq_list *list)
{
	pvg_rq_list failed = PVG_RQ_LIST_INIT;
	struct request *rq;
	unsigned long flags;
	bool all = true;

	pvg_rq_list_oldest_first(list);
	flags = pvg_queue_lock(&bq->pvg);
	while ((rq = pvg_rq_list_pop(list))) {
		if (likely(!add(bq, rq)))
			continue;
		all = false;
		pvg_rq_list_add(&failed, rq);
	}
	if (likely(all)) {
		pvg_queue_commit_unlock(&bq->pvg, flags);
		return;
	}
	pvg_queue_flush_unlock(&bq->pvg, flags);
	while ((rq = pvg_rq_list_pop(&failed))) {
		unprepare(rq);
		blk_mq_requeue_request(rq, true);
	}
}

/* A whole plug at once. What cannot be prepared goes back to the caller. */
static void pvg_blk_queue_rqs(pvg_rq_list *list)
{
	pvg_rq_list ready = PVG_RQ_LIST_INIT, todo = PVG_RQ_LIST_INIT;
	struct pvg_blk_queue *bq = NULL;
	struct request *rq;

	/* Completing what is reaped on the way may add to the plug's list. */
	swap(todo, *list);
	pvg_rq_list_oldest_first(&todo);
	while ((rq = pvg_rq_list_pop(&todo))) {
		struct pvg_blk_queue *this = rq->mq_hctx->driver_data;

		if (bq && bq != this)
			submit_batch(bq, &ready);
		bq = this;
		/* Iterators over busy tags must find it; 6.1 leaves it to us. */
		rq->mq_hctx->tags->rqs[rq->tag] = rq;
		pvg_rq_list_add(prepare(bq->blk, rq) ? list : &ready, rq);
	}
	if (bq)
		submit_batch(bq, &ready);
}

static blk_status_t result(struct pvg_blk *blk, struct pvg_blk_req *req)
{
	struct request *rq = blk_mq_rq_from_pdu(req);
	u8 status = READ_ONCE(req->status);

	if (status == VIRTIO_BLK_S_OK && likely(!pvg_blk_is_append(rq)))
		return BLK_STS_OK;
	if (status == VIRTIO_BLK_S_UNSUPP)
		return BLK_STS_NOTSUPP;
	return pvg_blk_zone_result(blk, rq, req, status);
}

static void pvg_blk_used(struct pvg_queue *q, void *token, u32 len,
			 struct pvg_done *done)
{
	struct pvg_blk_req *req = token;
	struct pvg_blk_req *last = done->last;

	req->result = result(to_blk_queue(q)->blk, req);
	if (req->urgent)
		pvg_queue_urgent_done(q);

	req->next = NULL;
	if (last)
		last->next = req;
	else
		done->first = req;
	done->last = req;
}

static void pvg_blk_complete_rq(struct request *rq)
{
	struct pvg_blk_req *req = blk_mq_rq_to_pdu(rq);

	unprepare(rq);
	blk_mq_end_request(rq, req->result);
}

static void complete_batch(struct io_comp_batch *iob)
{
	struct request *rq;

	rq_list_for_each(&iob->req_list, rq)
		unprepare(rq);
	blk_mq_end_request_batch(iob);
}

/* Descriptors came free: whoever was turned away may try again. */
static void restart_if_full(struct pvg_blk_queue *bq)
{
	unsigned long flags;
	bool full;

	if (likely(!READ_ONCE(bq->full)))
		return;
	flags = pvg_queue_lock(&bq->pvg);
	full = bq->full;
	WRITE_ONCE(bq->full, false);
	pvg_queue_unlock(&bq->pvg, flags);
	if (full)
		blk_mq_start_stopped_hw_queues(bq->blk->disk->queue, true);
}

/* Each joins @iob where it can; the caller ends those. */
static void complete_done(struct pvg_done *done, struct io_comp_batch *iob)
{
	struct pvg_blk_req *req, *next;
	/* A submitter completes here, as one that polls does. */
	bool here = in_task();

	for (req = done->first; req; req = next) {
		struct request *rq = blk_mq_rq_from_pdu(req);
		bool error = req->result != BLK_STS_OK;

		next = req->next;
		if (here)
			blk_mq_set_request_complete(rq);
		else if (blk_mq_complete_request_remote(rq))
			continue;
		if (error ||
		    !blk_mq_add_to_batch(rq, iob, error, complete_batch))
			pvg_blk_complete_rq(rq);
	}
}

/* The device works, and has given descriptors back. */
static void has_moved(struct pvg_blk_queue *bq)
{
	if (unlikely(READ_ONCE(bq->blk->resets)))
		WRITE_ONCE(bq->blk->resets, 0);
	restart_if_full(bq);
}

static void pvg_blk_done(struct pvg_queue *q, struct pvg_done *done)
{
	DEFINE_IO_COMP_BATCH(iob);

	pvg_blk_latency_count(to_blk_queue(q)->blk, done);
	complete_done(done, &iob);
	if (iob.complete)
		iob.complete(&iob);
	has_moved(to_blk_queue(q));
}

/*
 * For a task that waits for a request of a queue without interrupts. The block layer keeps the
 * device here meanwhile: it holds the queue, or a request that is not freed yet.
 */
static int pvg_blk_poll(struct blk_mq_hw_ctx *hctx, struct io_comp_batch *iob)
{
	struct pvg_blk_queue *bq = hctx->driver_data;
	struct pvg_done done = {};
	u32 n = pvg_queue_reap(&bq->pvg, U32_MAX, &done);

	if (n) {
		pvg_blk_latency_count(bq->blk, &done);
		complete_done(&done, iob);
		has_moved(bq);
	}
	return n;
}

/**
 * pvg_blk_reap_work() - complete what was to be polled for, and was not
 * @work: reap_work of the device
 *
 * A bio that is polled for may be freed in task context only.
 */
void pvg_blk_reap_work(struct work_struct *work)
{
	struct pvg_blk *blk = container_of(work, struct pvg_blk, reap_work);
	unsigned int i;

	for (i = pvg_blk_nr_irq_queues(blk); i < blk->nr_queues; i++) {
		struct pvg_done done = {};

		if (pvg_queue_reap(&blk->queues[i].pvg, U32_MAX, &done))
			pvg_blk_done(&blk->queues[i].pvg, &done);
	}
}

/* Under the queue lock, too. */
static void pvg_blk_untaken(struct pvg_queue *q)
{
	schedule_work(&to_blk_queue(q)->blk->reap_work);
}

/* Under the queue lock: the rest is for a worker. */
static void pvg_blk_suspect(struct pvg_queue *q)
{
	schedule_work(&to_blk_queue(q)->blk->fault_work);
}

/**
 * pvg_blk_reclaim() - fail a request the device held when it was reset
 * @token: the struct pvg_blk_req
 */
void pvg_blk_reclaim(void *token)
{
	struct pvg_blk_req *req = token;

	req->result = BLK_STS_IOERR;
	blk_mq_complete_request(blk_mq_rq_from_pdu(req));
}

/**
 * pvg_blk_requeue() - take back a request the device held when it was reset
 * @token: the struct pvg_blk_req
 *
 * It goes to the device again once blk_mq_kick_requeue_list() was called. A write to a zone
 * does not, since the device may have done it: a second one would fail, or append twice.
 * The writer has the error and looks at the write pointer. Context:
 * the queue is quiesced and no timeout is being handled.
 */
void pvg_blk_requeue(void *token)
{
	struct request *rq = blk_mq_rq_from_pdu(token);
	struct pvg_blk_queue *bq = rq->mq_hctx->driver_data;

	if (bq->blk->limits.zone_sectors && op_is_write(req_op(rq))) {
		pvg_blk_reclaim(token);
		return;
	}
	unprepare(rq);
	blk_mq_requeue_request(rq, false);
}

/**
 * pvg_blk_alloc_request() - a request of the driver for itself, as soon as there is one
 * @blk: the device
 * @type: VIRTIO_BLK_T_ of it
 *
 * The queue of a disk that was given up may stay frozen until the disk goes, so nothing
 * waits for that. Context: may sleep. Return: the request, or an error.
 */
struct request *pvg_blk_alloc_request(struct pvg_blk *blk, u32 type)
{
	enum pvg_blk_state state;
	struct pvg_blk_req *req;
	struct request *rq;

	for (;;) {
		rq = blk_mq_alloc_request(blk->disk->queue, REQ_OP_DRV_IN,
					  BLK_MQ_REQ_NOWAIT);
		if (!IS_ERR(rq)) {
			req = blk_mq_rq_to_pdu(rq);
			req->own_type = type;
			return rq;
		}
		if (PTR_ERR(rq) != -EAGAIN)
			return rq;
		state = READ_ONCE(blk->state);
		if (state != PVG_BLK_LIVE && state != PVG_BLK_STOPPED)
			return ERR_PTR(-ENODEV);
		if (msleep_interruptible(10))
			return ERR_PTR(-EINTR);
	}
}

static void act_on_timeout(struct pvg_blk *blk, struct request *rq)
{
	switch (READ_ONCE(blk->timeout_action)) {
	case PVG_BLK_TIMEOUT_WAIT:
		dev_warn_ratelimited(&blk->vdev->dev,
				     "[%s] a request at sector %llu has not completed in %u ms: it goes on waiting\n",
				     blk->disk->disk_name, blk_rq_pos(rq),
				     jiffies_to_msecs(rq->timeout));
		break;
	case PVG_BLK_TIMEOUT_FAIL:
		set_bit(PVG_BLK_WANT_FAIL, &blk->wants);
		break;
	case PVG_BLK_TIMEOUT_RESET:
		set_bit(PVG_BLK_WANT_RESET, &blk->wants);
		break;
	}
	/* Whatever the action: the device may be gone, or want a reset. */
	schedule_work(&blk->fault_work);
}

/*
 * Often the device is done and only the interrupt is missing, or the device was
 * not told: that is tried first. In a worker of the block layer, which recovery
 * waits for before it deletes the virtqueues.
 */
static enum blk_eh_timer_return pvg_blk_timeout(struct request *rq)
{
	struct pvg_blk_queue *bq = rq->mq_hctx->driver_data;

	pvg_queue_check(&bq->pvg);
	if (blk_mq_rq_state(rq) != MQ_RQ_IN_FLIGHT)
		return BLK_EH_DONE;
	if (READ_ONCE(bq->blk->state) == PVG_BLK_LIVE ||
	    READ_ONCE(bq->blk->state) == PVG_BLK_DEAD)
		act_on_timeout(bq->blk, rq);
	return BLK_EH_RESET_TIMER;
}

static void pvg_blk_exit_request(struct blk_mq_tag_set *set,
				 struct request *rq, unsigned int hctx_idx)
{
	struct pvg_blk_req *req = blk_mq_rq_to_pdu(rq);

	kfree(req->room);
	req->room = NULL;
	req->room_size = 0;
}

static int pvg_blk_init_hctx(struct blk_mq_hw_ctx *hctx, void *data,
			     unsigned int index)
{
	struct pvg_blk *blk = data;

	hctx->driver_data = &blk->queues[index];
	return 0;
}

static void pvg_blk_map(struct blk_mq_tag_set *set)
{
	struct blk_mq_queue_map *polled = &set->map[HCTX_TYPE_POLL];
	struct blk_mq_queue_map *map = &set->map[HCTX_TYPE_DEFAULT];
	struct pvg_blk *blk = set->driver_data;

	map->nr_queues = pvg_blk_nr_irq_queues(blk);
	pvg_blk_map_queues(map, blk->vdev);
	if (!blk->nr_poll_queues)
		return;
	/* Without interrupts, any CPU is as good as another. */
	polled->nr_queues = blk->nr_poll_queues;
	polled->queue_offset = map->nr_queues;
	blk_mq_map_queues(polled);
}

const struct blk_mq_ops pvg_blk_mq_ops = {
	.queue_rq	= pvg_blk_queue_rq,
	.queue_rqs	= pvg_blk_queue_rqs,
	.commit_rqs	= pvg_blk_commit_rqs,
	.complete	= pvg_blk_complete_rq,
	.timeout	= pvg_blk_timeout,
	.exit_request	= pvg_blk_exit_request,
	.init_hctx	= pvg_blk_init_hctx,
	.map_queues	= pvg_blk_map,
	.poll		= pvg_blk_poll,
};

const struct pvg_queue_ops pvg_blk_queue_ops = {
	.used	= pvg_blk_used,
	.done	= pvg_blk_done,
	.broken	= pvg_blk_suspect,
	.stalled = pvg_blk_suspect,
};

const struct pvg_queue_ops pvg_blk_poll_queue_ops = {
	.no_irq	= true,
	.untaken = pvg_blk_untaken,
	.used	= pvg_blk_used,
	.done	= pvg_blk_done,
	.broken	= pvg_blk_suspect,
	.stalled = pvg_blk_suspect,
};

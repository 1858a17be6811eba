// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of drivers/block/queue.c: what becomes of a request that cannot be
 * prepared or added, and what the device's status means.
 */
#include "unit.h"
#include "block.h"
#include "../../drivers/block/pvg_blk.h"

static struct request_queue requests;
static struct gendisk disk = { .queue = &requests };
static struct virtio_device vdev;
static struct virtqueue vq;
static struct pvg_blk blk;
static struct pvg_blk_queue bq;
static struct blk_mq_hw_ctx hctx = { .driver_data = &bq };

static struct {
	struct request rq;
	struct pvg_blk_req req;
} a, b;

static struct pvg_queue *queue_of(struct pvg_ring *ring, unsigned int i)
{
	return &bq.pvg;
}

static void start(void)
{
	memset(&model_block, 0, sizeof(model_block));
	vdev = (struct virtio_device) { .features = EVENT };
	blk = (struct pvg_blk) { .vdev = &vdev, .disk = &disk };
	bq = (struct pvg_blk_queue) { .blk = &blk };
	blk.ring = (struct pvg_ring) {
		.vdev = &vdev,
		.queue = queue_of,
		.nr_queues = 1,
	};
	assert_int_equal(pvg_ring_register(&blk.ring), 0);
	blk.ring.mod.policy = PVG_POLICY_OFF;
	pvg_queue_init(&bq.pvg, &pvg_blk_queue_ops);
	vq.fault = MODEL_FINE;
	model_vq(&vq, &vdev);
	pvg_queue_start(&blk.ring, &bq.pvg, &vq);
}

static void forget(void *token)
{
}

/* Whatever happened, nothing that was allocated for a request is left. */
static void stop(void)
{
	assert_int_equal(model_block.tables, 0);
	assert_int_equal(model_block.warned, 0);
	pvg_queue_stop(&bq.pvg);
	pvg_queue_detach(&bq.pvg, forget);
	pvg_ring_unregister(&blk.ring);
}

/* Of the next requests that discard. */
static unsigned int model_ranges = 1;
static struct bio *model_bios;

static blk_status_t queue(struct request *rq, unsigned int op, u32 segments)
{
	struct blk_mq_queue_data bd = { .rq = rq, .last = true };

	*rq = (struct request) {
		.q = &requests,
		.mq_hctx = &hctx,
		.op = op,
		.segments = segments,
		.ranges = model_ranges,
		.bio = model_bios,
	};
	return pvg_blk_mq_ops.queue_rq(&hctx, &bd);
}

/* The device answers the oldest request. */
static void answer(struct pvg_blk_req *req, u8 status)
{
	req->status = status;
	model_use(&vq, 1, pvg_queue_callback);
}

static blk_status_t served(unsigned int op, u32 segments, u8 status)
{
	assert_int_equal(queue(&a.rq, op, segments), BLK_STS_OK);
	assert_true(a.rq.started);
	assert_false(a.rq.ended);
	answer(&a.req, status);
	assert_true(a.rq.ended);
	return a.rq.status;
}

/* What a tag keeps goes with it. */
static void free_tag(void)
{
	pvg_blk_mq_ops.exit_request(NULL, &a.rq, 0);
	memset(&a, 0, sizeof(a));
}

static void test_request_status(void **state)
{
	u32 status;

	start();
	assert_int_equal(served(REQ_OP_READ, 1, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(served(REQ_OP_WRITE, 3, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(served(REQ_OP_FLUSH, 0, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(served(REQ_OP_DISCARD, 1, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(served(REQ_OP_READ, 1, VIRTIO_BLK_S_UNSUPP),
			 BLK_STS_NOTSUPP);
	for (status = VIRTIO_BLK_S_IOERR; status <= U8_MAX; status++)
		if (status != VIRTIO_BLK_S_UNSUPP)
			assert_int_equal(served(REQ_OP_READ, 1, status),
					 BLK_STS_IOERR);
	/* One that the device did not write. */
	assert_int_equal(queue(&a.rq, REQ_OP_READ, 1), BLK_STS_OK);
	model_use(&vq, 1, pvg_queue_callback);
	assert_int_equal(a.rq.status, BLK_STS_IOERR);
	free_tag();
	stop();
}

static blk_status_t serve_ranges(unsigned int n)
{
	static struct bio bios[300];
	unsigned int i;

	memset(bios, 0, sizeof(bios));
	for (i = 1; i < n; i++)
		bios[i - 1].bi_next = &bios[i];
	model_ranges = n;
	model_bios = bios;
	return served(REQ_OP_DISCARD, 1, VIRTIO_BLK_S_OK);
}

/* A tag allocates when it needs more than ever before, and no sooner. */
static void test_request_allocates(void **state)
{
	unsigned int i;

	start();
	for (i = 0; i < 3; i++) {
		assert_int_equal(served(REQ_OP_READ, 2, VIRTIO_BLK_S_OK), BLK_STS_OK);
		assert_int_equal(serve_ranges(1), BLK_STS_OK);
	}
	assert_int_equal(model_block.allocated, 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(served(REQ_OP_READ, 16, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(model_block.allocated, 1);
	assert_int_equal(a.req.room_size, PVG_BLK_ROOM_MIN);
	for (i = 0; i < 3; i++)
		assert_int_equal(served(REQ_OP_WRITE,
					PVG_BLK_ROOM_MAX / sizeof(struct scatterlist),
					VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(model_block.allocated, 2);
	for (i = 0; i < 3; i++)
		assert_int_equal(serve_ranges(256), BLK_STS_OK);
	assert_int_equal(model_block.allocated, 2);
	assert_int_equal(a.req.room_size, PVG_BLK_ROOM_MAX);
	assert_int_equal(model_block.tables, 1);
	/* What is too much to keep is lent. */
	assert_int_equal(model_block.pooled, 0);
	assert_int_equal(served(REQ_OP_WRITE,
				PVG_BLK_ROOM_MAX / sizeof(struct scatterlist) + 1,
				VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(model_block.pooled, 1);
	assert_int_equal(model_block.tables, 1);
	free_tag();
	stop();
}

/*
 * Without memory the pool has a table, or a request is for later, and nothing of it
 * is on the ring.
 */
static void test_request_no_memory(void **state)
{
	start();
	model_block.no_memory = true;
	assert_int_equal(served(REQ_OP_WRITE, 3, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(model_block.pooled, 1);
	assert_int_equal(model_block.tables, 0);
	model_block.no_pool = true;
	model_ranges = 2;
	assert_int_equal(queue(&a.rq, REQ_OP_DISCARD, 1), BLK_STS_RESOURCE);
	model_ranges = 1;
	assert_int_equal(queue(&a.rq, REQ_OP_WRITE, 3), BLK_STS_RESOURCE);
	assert_int_equal(bq.pvg.inflight, 0);
	assert_int_equal(model_block.stopped, 0);
	/* What needs none goes on. */
	assert_int_equal(served(REQ_OP_WRITE, 2, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(serve_ranges(1), BLK_STS_OK);
	stop();

	start();
	vq.add_error = -ENOMEM;
	assert_int_equal(queue(&a.rq, REQ_OP_WRITE, 1), BLK_STS_RESOURCE);
	assert_int_equal(bq.pvg.inflight, 0);
	assert_int_equal(model_block.stopped, 0);
	stop();
}

/* A full ring stops the queue, and the next completion starts it again. */
static void test_request_full(void **state)
{
	start();
	vq.each = MODEL_RING;
	assert_int_equal(queue(&a.rq, REQ_OP_READ, 1), BLK_STS_OK);
	assert_int_equal(queue(&b.rq, REQ_OP_READ, 1), BLK_STS_RESOURCE);
	assert_int_equal(bq.pvg.inflight, 1);
	assert_int_equal(model_block.stopped, 1);
	assert_int_equal(model_block.restarted, 0);
	answer(&a.req, VIRTIO_BLK_S_OK);
	assert_int_equal(model_block.restarted, 1);
	assert_int_equal(served(REQ_OP_READ, 1, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(model_block.restarted, 1);
	stop();
}

static void test_request_broken(void **state)
{
	start();
	vq.broken = true;
	assert_int_equal(queue(&a.rq, REQ_OP_READ, 1), BLK_STS_IOERR);
	assert_true(blk.fault_work.scheduled);
	assert_int_equal(bq.pvg.inflight, 0);
	assert_int_equal(model_block.stopped, 0);
	stop();
}

static void test_request_unknown(void **state)
{
	start();
	assert_int_equal(queue(&a.rq, REQ_OP_UNKNOWN, 1), BLK_STS_IOERR);
	assert_int_equal(bq.pvg.inflight, 0);
	assert_int_equal(model_block.warned, 1);
	model_block.warned = 0;
	stop();
}

/* A reset takes requests back: what may not be done twice is not sent again. */
static void test_request_taken_back(void **state)
{
	static const struct {
		unsigned int op;
		u32 zone_sectors;
		bool again;
		blk_status_t result;
	} cases[] = {
		{ REQ_OP_READ, 0, true, BLK_STS_OK }, { REQ_OP_WRITE, 0, true, BLK_STS_OK },
		{ REQ_OP_READ, 8, true, BLK_STS_OK }, { REQ_OP_FLUSH, 8, true, BLK_STS_OK },
		{ REQ_OP_WRITE, 8, false, BLK_STS_IOERR },
		{ REQ_OP_ZONE_APPEND, 8, false, BLK_STS_IOERR },
	};
	unsigned int i;

	start();
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		a.rq = (struct request) { .op = cases[i].op, .mq_hctx = &hctx };
		a.req.result = BLK_STS_OK;
		blk.limits.zone_sectors = cases[i].zone_sectors;
		pvg_blk_requeue(&a.req);
		assert_int_equal(a.rq.requeued, cases[i].again);
		assert_int_equal(a.req.result, cases[i].result);
	}
	stop();
}

/* A request that takes long: what is there is taken, else it is as it was set. */
static void test_request_timeout(void **state)
{
	struct blk_mq_queue_data bd = { .rq = &a.rq, .last = true };

	start();
	blk.state = PVG_BLK_LIVE;
	a.rq = (struct request) { .op = REQ_OP_READ, .mq_hctx = &hctx };
	assert_int_equal(pvg_blk_mq_ops.queue_rq(&hctx, &bd), BLK_STS_OK);
	model_said = 0;
	assert_int_equal(pvg_blk_mq_ops.timeout(&a.rq), BLK_EH_RESET_TIMER);
	assert_int_equal(model_said, 1);
	assert_int_equal(blk.wants, 0);
	assert_int_equal(bq.pvg.stats.doorbells_forced, 1);
	blk.timeout_action = PVG_BLK_TIMEOUT_FAIL;
	assert_int_equal(pvg_blk_mq_ops.timeout(&a.rq), BLK_EH_RESET_TIMER);
	assert_int_equal(blk.wants, 1 << PVG_BLK_WANT_FAIL);
	assert_true(blk.fault_work.scheduled);
	blk.timeout_action = PVG_BLK_TIMEOUT_RESET;
	blk.wants = 0;
	assert_int_equal(pvg_blk_mq_ops.timeout(&a.rq), BLK_EH_RESET_TIMER);
	assert_int_equal(blk.wants, 1 << PVG_BLK_WANT_RESET);
	/* Nothing of that while the device is stopped. */
	blk.wants = 0;
	blk.state = PVG_BLK_STOPPED;
	assert_int_equal(pvg_blk_mq_ops.timeout(&a.rq), BLK_EH_RESET_TIMER);
	assert_int_equal(blk.wants, 0);
	/* Its interrupt was lost. */
	blk.state = PVG_BLK_LIVE;
	model_use(&vq, 1, NULL);
	assert_int_equal(pvg_blk_mq_ops.timeout(&a.rq), BLK_EH_DONE);
	assert_int_equal(bq.pvg.stats.healed_irq, 1);
	assert_true(a.rq.ended);
	assert_int_equal(blk.wants, 0);
	stop();
}

/* A request that took @ns is in bucket @bucket of @op, and in no other. */
static void takes(unsigned int op, unsigned int row, u64 ns, unsigned int bucket)
{
	struct pvg_blk_latency before = *blk.latency;
	unsigned int i, k;

	assert_int_equal(queue(&a.rq, op, op != REQ_OP_FLUSH), BLK_STS_OK);
	a.rq.start_time_ns = 5000;
	model_now = 5000 + ns;
	answer(&a.req, VIRTIO_BLK_S_OK);
	before.n[row][bucket]++;
	for (i = 0; i < PVG_BLK_LATENCY_OPS; i++)
		for (k = 0; k < PVG_BLK_LATENCY_BUCKETS; k++)
			assert_int_equal(blk.latency->n[i][k], before.n[i][k]);
}

static void test_request_latency(void **state)
{
	static const unsigned int ops[] = {
		REQ_OP_READ, REQ_OP_WRITE, REQ_OP_FLUSH, REQ_OP_DISCARD,
		REQ_OP_WRITE_ZEROES, REQ_OP_SECURE_ERASE
	};
	static struct pvg_blk_latency counts;
	unsigned int row, i;

	start();
	counts = (struct pvg_blk_latency) {};
	blk.latency = &counts;
	requests.io_stat = true;
	model_ranges = 1;
	model_bios = NULL;
	for (row = 0; row < ARRAY_SIZE(ops); row++) {
		takes(ops[row], row, 0, 0);
		takes(ops[row], row, 999, 0);
		takes(ops[row], row, 1000, 1);
		for (i = 1; i < 26; i++) {
			takes(ops[row], row, (1000ull << i) - 1, i);
			takes(ops[row], row, 1000ull << i, i + 1);
		}
		takes(ops[row], row, U64_MAX / 2, 26);
		/* The clock of another CPU may be a little behind. */
		takes(ops[row], row, -1000ull, 0);
	}
	stop();
	requests.io_stat = false;
	free_tag();
}

/* What the driver has for itself, and what began without a time, has no bucket. */
static void test_request_latency_none(void **state)
{
	static struct pvg_blk_latency counts;
	static const struct pvg_blk_latency none;
	u32 clocks;

	start();
	counts = (struct pvg_blk_latency) {};
	blk.latency = &counts;
	requests.io_stat = true;
	assert_int_equal(served(REQ_OP_READ, 1, VIRTIO_BLK_S_OK), BLK_STS_OK);
	assert_int_equal(queue(&a.rq, REQ_OP_DRV_IN, 0), BLK_STS_OK);
	a.rq.start_time_ns = 5000;
	answer(&a.req, VIRTIO_BLK_S_OK);
	/* Without iostats not even the clock is read. */
	requests.io_stat = false;
	assert_int_equal(queue(&a.rq, REQ_OP_READ, 1), BLK_STS_OK);
	a.rq.start_time_ns = 5000;
	clocks = model_clocks;
	answer(&a.req, VIRTIO_BLK_S_OK);
	assert_int_equal(model_clocks, clocks);
	assert_memory_equal(&counts, &none, sizeof(none));
	stop();
	free_tag();
}

const struct CMUnitTest request_tests[] = {
	cmocka_unit_test(test_request_taken_back),
	cmocka_unit_test(test_request_timeout),
	cmocka_unit_test(test_request_status),
	cmocka_unit_test(test_request_allocates),
	cmocka_unit_test(test_request_no_memory),
	cmocka_unit_test(test_request_full),
	cmocka_unit_test(test_request_broken),
	cmocka_unit_test(test_request_unknown),
	cmocka_unit_test(test_request_latency),
	cmocka_unit_test(test_request_latency_none),
};

const size_t nr_request_tests = sizeof(request_tests) / sizeof(*request_tests);

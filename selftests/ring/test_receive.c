// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of receive.c. */
#include "unit.h"

static void start(void)
{
	rig_ops.receive = true;
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	rig.q.inflight = MODEL_RING;
	rig.q.rcv.gap_ns = 1000;
}

static void stop(void)
{
	rig.q.inflight = 0;
	rig_stop();
}

/* @round buffers came, and then the queue is settled. */
static void settle(u32 round, bool by_timer)
{
	unsigned long flags = pvg_queue_lock(&rig.q);

	pvg_receive_taken(&rig.q, round);
	pvg_receive_settled(&rig.q, by_timer);
	pvg_queue_unlock(&rig.q, flags);
}

static void test_receive_start(void **state)
{
	start();
	rig_stop();
	rig_ops.receive = true;
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	assert_int_equal(rig.q.rcv.want, 1);
	assert_int_equal(rig.q.rcv.gap_ns, 200 * US);
	rig_stop();
	rig_ops.receive = true;
	rig_ops.wait_max_us = 50;
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	assert_int_equal(rig.q.rcv.gap_ns, 50 * US);
	rig_stop();
}

/* The gap is bounded on both sides, whatever the clock does. */
static void test_receive_gap(void **state)
{
	start();
	rig.q.rcv.gap_ns = 200 * US;
	rig.q.rcv.since_ns = model_now;
	settle(0, true);
	assert_int_equal(rig.q.rcv.gap_ns, 200 * US);
	/* local_clock() of another CPU is behind. */
	rig.q.rcv.since_ns = model_now + 10 * MS;
	settle(1, false);
	assert_int_equal(rig.q.rcv.gap_ns, 150 * US);
	/* A pause of ten seconds counts as twice the longest wait. */
	rig.q.rcv.gap_ns = 200 * US;
	model_now += 10000 * MS;
	settle(1, false);
	assert_int_equal(rig.q.rcv.gap_ns, 250 * US);
	stop();
}

static void test_receive_grows(void **state)
{
	u32 i;

	start();
	/* One at a time is waited for alone. */
	settle(1, false);
	assert_int_equal(rig.q.rcv.want, 1);
	settle(2, false);
	assert_int_equal(rig.q.rcv.want, 2);
	settle(2, false);
	assert_int_equal(rig.q.rcv.want, 3);
	settle(2, false);
	assert_int_equal(rig.q.rcv.want, 3);
	/* As many as asked for, by the timer: just in time. */
	rig.q.rcv.want = 4;
	settle(4, true);
	assert_int_equal(rig.q.rcv.want, 5);
	for (i = 0; i < 100; i++)
		settle(rig.q.rcv.want, false);
	assert_int_equal(rig.q.rcv.want, 64);
	stop();
}

static void test_receive_shrinks(void **state)
{
	start();
	rig.q.rcv.want = 8;
	settle(7, true);
	assert_int_equal(rig.q.rcv.want, 4);
	settle(1, true);
	settle(1, true);
	assert_int_equal(rig.q.rcv.want, 1);
	rig.q.rcv.want = 8;
	settle(0, true);
	assert_int_equal(rig.q.rcv.want, 1);
	rig.q.rcv.want = 8;
	settle(3, false);
	assert_int_equal(rig.q.rcv.want, 8);
	stop();
}

static void test_receive_want(void **state)
{
	start();
	rig.q.rcv.want = 64;
	assert_int_equal(pvg_receive_want(&rig.q), 64);
	/* A quarter of what is posted, and never none. */
	rig.q.inflight = 16;
	assert_int_equal(pvg_receive_want(&rig.q), 4);
	rig.q.inflight = 3;
	assert_int_equal(pvg_receive_want(&rig.q), 1);
	rig.q.inflight = 256;
	rig.q.rcv.want = 0;
	assert_int_equal(pvg_receive_want(&rig.q), 1);
	rig.q.rcv.want = 8;
	rig.q.lull = true;
	assert_int_equal(pvg_receive_want(&rig.q), 1);
	rig.q.lull = false;
	rig.q.mode = PVG_EVENT_PLAIN;
	assert_int_equal(pvg_receive_want(&rig.q), 1);
	rig.q.mode = PVG_EVENT_SPLIT;
	rig.q.rcv.gap_ns = 200 * US - 1;
	assert_int_equal(pvg_receive_want(&rig.q), 8);
	rig.q.rcv.gap_ns = 200 * US;
	assert_int_equal(pvg_receive_want(&rig.q), 1);
	stop();
}

static void test_receive_window(void **state)
{
	start();
	rig.q.rcv.gap_ns = 0;
	rig.q.rcv.want = 4;
	assert_int_equal(pvg_receive_window_ns(&rig.q), 20 * US);
	rig.q.rcv.gap_ns = 10 * US;
	assert_int_equal(pvg_receive_window_ns(&rig.q), 80 * US);
	rig.q.rcv.gap_ns = U32_MAX;
	assert_int_equal(pvg_receive_window_ns(&rig.q), 200 * US);
	stop();
}

static void test_receive_fresh(void **state)
{
	start();
	rig.q.rcv.gap_ns = 10 * US;
	rig.q.rcv.want = 4;
	rig.q.armed = 4;
	rig.q.rcv.since_ns = model_now - 40 * US + 1;
	assert_true(pvg_receive_fresh(&rig.q));
	rig.q.rcv.since_ns = model_now - 40 * US;
	assert_false(pvg_receive_fresh(&rig.q));
	rig.q.rcv.since_ns = model_now;
	rig.q.armed = 1;
	assert_false(pvg_receive_fresh(&rig.q));
	stop();
}

const struct CMUnitTest receive_tests[] = {
	cmocka_unit_test(test_receive_start),
	cmocka_unit_test(test_receive_gap),
	cmocka_unit_test(test_receive_grows),
	cmocka_unit_test(test_receive_shrinks),
	cmocka_unit_test(test_receive_want),
	cmocka_unit_test(test_receive_window),
	cmocka_unit_test(test_receive_fresh),
};

const size_t nr_receive_tests = sizeof(receive_tests) / sizeof(*receive_tests);

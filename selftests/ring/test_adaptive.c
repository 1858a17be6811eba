// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of adaptive.c: what bounds each thing that it learns or delays. */
#include "unit.h"

static const int submitter, another;

/* A submitter that is believed to go on: 16 in flight, at most 32. */
static void start(bool lazy)
{
	rig_ops.lazy = lazy;
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	rig.q.inflight = 16;
	rig.q.pred.depth = 32;
	rig.q.pred.credit = 8;
	rig.q.pred.gap_ns = 5 * US;
	rig.q.pred.commit_ns = model_now;
	rig.q.pred.seen_ns = model_now;
	model_task = &submitter;
}

static void stop(void)
{
	rig.q.inflight = 0;
	model_task = NULL;
	rig_stop();
}

static bool commit(u32 before_reap)
{
	unsigned long flags = pvg_queue_lock(&rig.q);
	bool hold = pvg_adaptive_commit(&rig.q, before_reap, true);

	pvg_queue_unlock(&rig.q, flags);
	return hold;
}

static void delivered(u32 n)
{
	unsigned long flags = pvg_queue_lock(&rig.q);

	pvg_adaptive_delivered(&rig.q, n);
	pvg_queue_unlock(&rig.q, flags);
}

static void expired(void)
{
	unsigned long flags = pvg_queue_lock(&rig.q);

	pvg_adaptive_expired(&rig.q);
	pvg_queue_unlock(&rig.q, flags);
}

static void doorbell(u32 held)
{
	unsigned long flags = pvg_queue_lock(&rig.q);

	rig.q.held = held;
	pvg_adaptive_doorbell(&rig.q);
	rig.q.held = 0;
	pvg_queue_unlock(&rig.q, flags);
}

/* Mean of the gaps: a pause counts twice at most, and time does not go back. */
static void test_adaptive_gap(void **state)
{
	start(false);
	rig.q.pred.gap_ns = 8 * US;
	model_now += 1000 * MS;
	commit(16);
	assert_int_equal(rig.q.pred.gap_ns, 8000 + (16000 + 20000 - 8000) / 8);
	rig.q.pred.gap_ns = 0;
	rig.q.pred.commit_ns = model_now + MS;
	commit(16);
	assert_int_equal(rig.q.pred.gap_ns, 0);
	/* So long that twice as long is no signed number any more. */
	rig.q.pred.gap_ns = 0x60000000;
	model_now += 100000 * MS;
	commit(16);
	assert_int_equal(rig.q.pred.gap_ns,
			 0x60000000 + (0x7fffffff - 0x60000000) / 8);
	stop();
}

static void test_adaptive_hold(void **state)
{
	start(false);
	rig.q.held = 7;
	assert_true(commit(16));
	rig.q.held = 8;
	assert_false(commit(16));
	/* A quarter of the depth, 8 to 32. */
	rig.q.pred.depth = 4;
	rig.q.inflight = 3;
	rig.q.held = 7;
	assert_true(commit(3));
	rig.q.inflight = 100;
	rig.q.pred.depth = 1000;
	rig.q.held = 31;
	assert_true(commit(16));
	rig.q.held = 32;
	assert_false(commit(16));
	stop();
}

/* What must not be held. */
static void test_adaptive_predict(void **state)
{
	start(false);
	assert_true(commit(16));
	rig.q.urgent = 1;
	assert_false(commit(16));
	rig.q.urgent = 0;
	assert_true(commit(16));
	/* At the depth at which it waits. */
	rig.q.inflight = 32;
	assert_false(commit(32));
	rig.q.inflight = 31;
	assert_true(commit(31));
	/* Too slow for any of this to pay. */
	rig.q.pred.gap_ns = 100 * MS;
	assert_false(commit(31));
	stop();
}

static void test_adaptive_too_slow(void **state)
{
	start(false);
	rig.q.pred.batch8 = 8;
	rig.q.pred.gap_ns = 500 * US;
	delivered(1);
	assert_true(rig.q.pred.expecting);
	rig.q.pred.expecting = false;
	rig.q.pred.gap_ns++;
	delivered(1);
	assert_false(rig.q.pred.expecting);
	stop();
}

static void test_adaptive_credit(void **state)
{
	u32 i;

	start(false);
	for (i = 0; i < 200; i++)
		commit(16);
	assert_int_equal(rig.q.pred.credit, 64);
	stop();
}

static void test_adaptive_streak(void **state)
{
	unsigned long flags;
	u32 i;

	start(true);
	flags = pvg_queue_lock(&rig.q);
	for (i = 0; i < 1000; i++)
		pvg_adaptive_reaped(&rig.q);
	pvg_queue_unlock(&rig.q, flags);
	assert_int_equal(rig.q.pred.streak, 256);
	stop();
}

static void test_adaptive_groups(void **state)
{
	u32 i;

	start(false);
	doorbell(1);
	assert_int_equal(rig.q.pred.groups, 1);
	for (i = 0; i < 40; i++)
		doorbell(1);
	assert_int_equal(rig.q.pred.groups, 16);
	stop();
}

/* A submitter that was interrupted was not waiting at its depth. */
static void test_adaptive_delivered(void **state)
{
	start(false);
	commit(16);
	rig.q.inflight = 40;
	delivered(9);
	assert_int_equal(rig.q.pred.depth, 50);
	delivered(1);
	assert_int_equal(rig.q.pred.depth, 50);
	model_task = &another;
	rig.q.inflight = 100;
	delivered(1);
	assert_int_equal(rig.q.pred.depth, 50);
	stop();
}

static void test_adaptive_want(void **state)
{
	start(false);
	assert_int_equal(pvg_adaptive_want(&rig.q), 4);
	rig.q.pred.expecting = true;
	assert_int_equal(pvg_adaptive_want(&rig.q), 0);
	rig.q.urgent = 1;
	assert_int_equal(pvg_adaptive_want(&rig.q), 1);
	rig.q.urgent = 0;
	rig.q.inflight = 0;
	assert_int_equal(pvg_adaptive_want(&rig.q), 1);
	rig.q.pred.expecting = false;
	rig.q.inflight = 16;
	rig.q.lull = true;
	assert_int_equal(pvg_adaptive_want(&rig.q), 1);
	rig.q.lull = false;
	rig.q.mode = PVG_EVENT_PLAIN;
	assert_int_equal(pvg_adaptive_want(&rig.q), 1);
	rig.q.mode = PVG_EVENT_SPLIT;
	rig.q.inflight = 250;
	assert_int_equal(pvg_adaptive_want(&rig.q), 32);
	rig.q.inflight = 1;
	assert_int_equal(pvg_adaptive_want(&rig.q), 1);
	stop();
}

/* Buffers of one doorbell come together, but one alone is no group. */
static void test_adaptive_want_group(void **state)
{
	struct pvg_predictor *p = &rig.q.pred;

	start(false);
	rig.q.inflight = 3;
	p->groups = 1;
	p->group8 = 8;
	p->group_end[0] = p->taken + 3;
	assert_int_equal(pvg_adaptive_want(&rig.q), 1);
	p->group8 = 16;
	assert_int_equal(pvg_adaptive_want(&rig.q), 3);
	/* Never more than is in flight. */
	p->group_end[0] = p->taken + 30;
	assert_int_equal(pvg_adaptive_want(&rig.q), 3);
	stop();
}

static void test_adaptive_window(void **state)
{
	struct pvg_predictor *p = &rig.q.pred;

	start(false);
	p->gap_ns = U32_MAX;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 10 * MS);
	p->gap_ns = 0;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 20 * US);
	p->expecting = true;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 20 * US);
	p->gap_ns = U32_MAX;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), MS);
	p->gap_ns = 0;
	rig_ops.hold_us = 300;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 300 * US);
	stop();
}

static void test_adaptive_window_lazy(void **state)
{
	start(true);
	rig.q.inflight = 1;
	assert_int_equal(pvg_adaptive_want(&rig.q), 0);
	rig.q.pred.streak = 0;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), MS);
	rig.q.pred.streak = 256;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 8 * MS);
	stop();
}

static void test_adaptive_fresh(void **state)
{
	start(false);
	rig.q.pred.expecting = true;
	rig.q.pred.gap_ns = 0;
	rig.q.pred.seen_ns = model_now - 20 * US + 1;
	assert_true(pvg_adaptive_fresh(&rig.q));
	rig.q.pred.seen_ns = model_now - 20 * US;
	assert_false(pvg_adaptive_fresh(&rig.q));
	stop();

	start(true);
	rig.q.inflight = 1;
	rig.q.pred.seen_ns = model_now - 500 * US + 1;
	assert_true(pvg_adaptive_fresh(&rig.q));
	rig.q.pred.seen_ns = model_now - 500 * US;
	assert_false(pvg_adaptive_fresh(&rig.q));
	stop();
}

/* A wrong prediction: the depth is what was in flight, within bounds. */
static void test_adaptive_missed(void **state)
{
	u32 i;

	start(false);
	model_task = &another;
	rig.q.pred.expecting = true;
	rig.q.inflight = 1;
	rig.q.pred.depth = 10;
	expired();
	assert_int_equal(rig.q.pred.depth, 5);
	assert_int_equal(rig.q.pred.credit, 4);
	rig.q.pred.expecting = true;
	rig.q.inflight = 0;
	rig.q.pred.depth = 1;
	expired();
	assert_int_equal(rig.q.pred.depth, 1);
	for (i = 0; i < 20; i++) {
		rig.q.pred.probing = true;
		rig.q.pred.expecting = true;
		expired();
	}
	assert_int_equal(rig.q.pred.depth, 1);
	assert_int_equal(rig.q.pred.probe_every, 1024);
	assert_int_equal(rig.q.pred.probe_wait, 1024);
	stop();
}

const struct CMUnitTest adaptive_tests[] = {
	cmocka_unit_test(test_adaptive_gap),
	cmocka_unit_test(test_adaptive_hold),
	cmocka_unit_test(test_adaptive_predict),
	cmocka_unit_test(test_adaptive_too_slow),
	cmocka_unit_test(test_adaptive_credit),
	cmocka_unit_test(test_adaptive_streak),
	cmocka_unit_test(test_adaptive_groups),
	cmocka_unit_test(test_adaptive_delivered),
	cmocka_unit_test(test_adaptive_want),
	cmocka_unit_test(test_adaptive_want_group),
	cmocka_unit_test(test_adaptive_window),
	cmocka_unit_test(test_adaptive_window_lazy),
	cmocka_unit_test(test_adaptive_fresh),
	cmocka_unit_test(test_adaptive_missed),
};

const size_t nr_adaptive_tests = sizeof(adaptive_tests) / sizeof(*adaptive_tests);

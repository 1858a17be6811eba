// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of adaptive.c: what it learns, and what bounds each delay. */
#include "unit.h"

#define BELL	(20 * US)
#define GAP	(50 * US)	/* between two batches that are not held */
#define CREDIT	(2 * (s64)MS)

static unsigned long flags;
static struct pvg_hold *const hold = &rig.q.hold;

/* A queue whose doorbell is expensive, locked. */
static void start(bool lazy)
{
	rig_ops.lazy = lazy;
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	rig.q.bell_ns = BELL;
	hold->gap_ns = GAP;
	hold->learn = 0;
	hold->credit_ns = CREDIT;
	flags = pvg_queue_lock(&rig.q);
}

static void stop(void)
{
	rig.q.inflight = 0;
	rig.q.watch = NULL;
	pvg_queue_unlock(&rig.q, flags);
	rig_stop();
}

/* A batch of one. */
static bool commit(void)
{
	rig.q.held++;
	return pvg_adaptive_commit(&rig.q, true, hold->allowed);
}

static void doorbell(void)
{
	pvg_adaptive_doorbell(&rig.q, true);
	rig.q.held = 0;
}

/* A hold of @n batches, @gap apart, that ends with the last. */
static void hold_of(u32 n, u64 gap)
{
	hold->window = n;
	while (n--) {
		assert_int_equal(commit(), n > 0);
		if (n)
			model_now += gap;
	}
	doorbell();
}

/* Too long is measured now and then, too short never. */
static void test_adaptive_bell(void **state)
{
	u32 i;

	start(false);
	rig.q.bell_ns = 0;
	pvg_adaptive_bell(&rig.q, 100);
	assert_int_equal(rig.q.bell_ns, 100);
	pvg_adaptive_bell(&rig.q, 10 * MS);
	assert_int_equal(rig.q.bell_ns, 100 + 100 / 8 + 200);
	for (i = 0; i < 200; i++)
		pvg_adaptive_bell(&rig.q, U64_MAX);
	assert_int_equal(rig.q.bell_ns, 200 * US);
	pvg_adaptive_bell(&rig.q, 0);
	assert_int_equal(rig.q.bell_ns, 150 * US);
	stop();
}

static void test_adaptive_may_hold(void **state)
{
	start(false);
	rig.q.held = 1;
	rig.q.bell_ns = 3 * US - 1;
	assert_false(pvg_adaptive_commit(&rig.q, true, false));
	rig.q.bell_ns = 3 * US;
	assert_false(pvg_adaptive_commit(&rig.q, false, false));
	rig.q.urgent = 1;
	assert_false(pvg_adaptive_commit(&rig.q, true, false));
	rig.q.urgent = 0;
	hold->learn = 1;
	assert_false(pvg_adaptive_commit(&rig.q, true, false));
	hold->learn = 0;
	hold->credit_ns = 0;
	assert_false(pvg_adaptive_commit(&rig.q, true, false));
	assert_int_equal(hold->batches, 0);
	hold->credit_ns = 1;
	assert_true(pvg_adaptive_commit(&rig.q, true, false));
	assert_int_equal(hold->batches, 1);
	stop();
}

/* Nothing is held before eight gaps were measured, which have earned a credit. */
static void test_adaptive_learns(void **state)
{
	u32 i;

	start(false);
	pvg_adaptive_start(&rig.q);
	rig.q.inflight = 4;
	for (i = 0; i < 8; i++) {
		assert_false(commit());
		doorbell();
		assert_int_equal(hold->learn, 8);
	}
	for (i = 1; i <= 8; i++) {
		model_now += 20 * US;
		rig.q.held = 1;
		assert_int_equal(pvg_adaptive_commit(&rig.q, true, true), i == 8);
		assert_int_equal(hold->learn, 8 - i);
	}
	assert_int_equal(hold->credit_ns, 8 * 4 * (20 * US / 256));
	stop();
}

/* One doorbell serves no more than the window, which grows to 8 when it is full. */
static void test_adaptive_window(void **state)
{
	u32 i, n;

	start(false);
	for (n = 2; n < 12; n++) {
		assert_int_equal(hold->window, n < 8 ? n : 8);
		for (i = 1; i < hold->window; i++)
			assert_true(commit());
		i = hold->window;
		assert_false(commit());
		assert_int_equal(rig.q.held, i);
		doorbell();
	}
	stop();
}

/* Mean of the gaps: a pause counts twice at most, and time does not go back. */
static void test_adaptive_gap(void **state)
{
	start(false);
	hold->gap_ns = 8 * US;
	hold->last_ns = model_now;
	model_now += 1000 * MS;
	pvg_adaptive_commit(&rig.q, false, true);
	assert_int_equal(hold->gap_ns, 8000 + (16000 + 20000 - 8000) / 8);
	/* Not of a submitter that left its CPU meanwhile. */
	model_now += 1000 * MS;
	pvg_adaptive_commit(&rig.q, false, false);
	assert_int_equal(hold->gap_ns, 8000 + (16000 + 20000 - 8000) / 8);
	hold->gap_ns = 0;
	hold->last_ns = model_now + MS;
	pvg_adaptive_commit(&rig.q, false, true);
	assert_int_equal(hold->gap_ns, 0);
	hold->gap_ns = MS;
	model_now += 1000 * MS;
	pvg_adaptive_commit(&rig.q, false, true);
	assert_int_equal(hold->gap_ns, MS);
	stop();
}

/* What is in flight earns a 256th of the time, and what holds save a 16th. */
static void test_adaptive_earns(void **state)
{
	start(false);
	rig.q.inflight = 3;
	hold->last_ns = model_now;
	hold->credit_ns = 0;
	model_now += 2560;
	pvg_adaptive_commit(&rig.q, false, true);
	assert_int_equal(hold->credit_ns, 3 * 10);
	/* Gaps are measured while nothing is held. */
	hold->gap_ns = GAP;
	assert_true(commit());
	model_now += 2560;
	assert_false(commit());
	assert_int_equal(hold->credit_ns, 3 * 10 + 3 * (10 + (GAP - 2560) / 16));
	hold->credit_ns = 4 * MS - 1;
	model_now += 2560;
	pvg_adaptive_commit(&rig.q, false, true);
	assert_int_equal(hold->credit_ns, 4 * MS);
	stop();
}

/* A doorbell that rings late costs the time by which it is late, once. */
static void test_adaptive_late(void **state)
{
	start(false);
	hold_of(3, US);
	assert_int_equal(rig.q.stats.prediction_hits, 1);
	assert_int_equal(hold->credit_ns, CREDIT);
	/* Of one batch: all of the time. */
	assert_true(commit());
	model_now += 10 * US;
	doorbell();
	assert_int_equal(hold->credit_ns, CREDIT - 10 * US);
	assert_int_equal(rig.q.stats.prediction_misses, 1);
	/* A doorbell that the device does not need delayed nothing. */
	assert_true(commit());
	model_now += 10 * US;
	pvg_adaptive_doorbell(&rig.q, false);
	rig.q.held = 0;
	assert_int_equal(hold->credit_ns, CREDIT - 10 * US);
	assert_int_equal(rig.q.stats.prediction_hits, 2);
	stop();
}

/* Beyond two gaps of silence each buffer that is held costs the time. */
static void test_adaptive_silence(void **state)
{
	start(false);
	hold->window = 32;
	assert_true(commit());
	assert_true(commit());
	rig.q.batch = 0;
	model_now += 2 * GAP;
	assert_true(commit());
	assert_int_equal(hold->cost_ns, 0);
	model_now += 2 * GAP + US;
	rig.q.held++;
	rig.q.batch = 1;
	assert_true(pvg_adaptive_commit(&rig.q, true, true));
	assert_int_equal(hold->cost_ns, 3 * US);
	/* Time that an interrupt took from the submitter does not count. */
	pvg_adaptive_interrupted(&rig.q, 5 * US);
	model_now += 2 * GAP + BELL + 5 * US;
	rig.q.held++;
	assert_true(pvg_adaptive_commit(&rig.q, true, true));
	assert_int_equal(hold->cost_ns, 3 * US);
	/* Nor more than a tick does. */
	model_now += 1000 * MS;
	rig.q.held++;
	rig.q.batch = 1;
	assert_true(pvg_adaptive_commit(&rig.q, true, true));
	assert_int_equal(hold->cost_ns, 3 * US + 5 * 8 * MS);
	stop();
}

/* As does each that may have come back without an interrupt. */
static void test_adaptive_silence_armed(void **state)
{
	start(false);
	hold->window = 32;
	rig.q.inflight = 10;
	rig.q.armed = 4;
	assert_true(commit());
	model_now += 2 * GAP + 7;
	hold->gap_ns = GAP;
	assert_true(pvg_adaptive_commit(&rig.q, true, false));
	assert_int_equal(hold->credit_ns, CREDIT - 3 * 7);
	rig.q.armed = 1;
	model_now += 2 * GAP + 7;
	assert_true(pvg_adaptive_commit(&rig.q, true, false));
	assert_int_equal(hold->credit_ns, CREDIT - 3 * 7);
	stop();
}

/* Without a credit nothing is held until eight gaps were measured again. */
static void test_adaptive_debt(void **state)
{
	u32 i;

	start(false);
	hold->window = 5;
	rig.q.inflight = 16;
	assert_true(commit());
	model_now += 1000 * MS;
	doorbell();
	/* However long it was: what is in flight has to earn it. */
	assert_int_equal(hold->credit_ns, -8 * (s64)MS);
	assert_int_equal(hold->window, 2);
	assert_int_equal(hold->learn, 8);
	assert_false(hold->allowed);
	for (i = 0; i < 20; i++) {
		model_now += GAP;
		assert_false(pvg_adaptive_commit(&rig.q, true, true));
	}
	assert_int_equal(hold->learn, 0);
	hold->credit_ns = 1;
	assert_true(commit());
	stop();
}

/* Gaps are measured anew after 128 holds, however well these paid. */
static void test_adaptive_learns_anew(void **state)
{
	u32 i;

	start(false);
	for (i = 1; i <= 128; i++) {
		assert_int_equal(hold->learn, 0);
		hold_of(2, US);
	}
	assert_int_equal(hold->learn, 8);
	assert_int_equal(hold->holds, 0);
	assert_false(commit());
	stop();
}

/* The CPU is idle: a quarter of what is in flight, 2 to 32. */
static void test_adaptive_left(void **state)
{
	static const u32 inflight[] = { 0, 8, 12, 100, 128, 200 };
	static const u32 window[] = { 2, 2, 3, 25, 32, 32 };
	u32 i;

	start(false);
	for (i = 0; i < ARRAY_SIZE(inflight); i++) {
		hold->busy = 100;
		rig.q.inflight = inflight[i];
		pvg_adaptive_left(&rig.q);
		assert_int_equal(hold->window, window[i]);
		assert_int_equal(hold->busy, 0);
	}
	stop();
}

static u32 want(u32 inflight)
{
	rig.q.inflight = inflight;
	return pvg_adaptive_want(&rig.q);
}

/* A busy CPU is interrupted for an eighth of what is in flight. */
static void test_adaptive_want_busy(void **state)
{
	u32 i;

	start(false);
	rig.q.watch = (void *)&rig;
	for (i = 0; i < 600; i++) {
		assert_int_equal(want(64), i < 512 ? 1 : 8);
		pvg_adaptive_commit(&rig.q, false, false);
	}
	assert_int_equal(want(0), 1);
	assert_int_equal(want(7), 1);
	assert_int_equal(want(16), 2);
	assert_int_equal(want(1000), 32);
	rig.q.urgent = 1;
	assert_int_equal(want(64), 1);
	rig.q.urgent = 0;
	rig.q.mode = PVG_EVENT_PLAIN;
	assert_int_equal(want(64), 1);
	rig.q.mode = PVG_EVENT_SPLIT;
	rig.q.watch = NULL;
	assert_int_equal(want(64), 1);
	rig.q.watch = (void *)&rig;
	pvg_adaptive_stayed(&rig.q);
	assert_int_equal(rig.q.stats.stayed, 1);
	assert_int_equal(want(64), 1);
	stop();
}

/* One that goes on without its answers gets them together. */
static void test_adaptive_want_hold(void **state)
{
	start(false);
	rig.q.watch = (void *)&rig;
	hold->window = 10;
	assert_true(commit());
	assert_int_equal(want(64), 16);
	assert_int_equal(want(4), 1);
	rig.q.watch = NULL;
	assert_int_equal(want(64), 1);
	stop();
}

static void test_adaptive_lazy(void **state)
{
	u32 i;

	start(true);
	assert_int_equal(want(1), 0);
	assert_int_equal(want(2), 1);
	assert_int_equal(want(40), 10);
	rig.q.waiting = true;
	assert_int_equal(want(1), 1);
	rig.q.waiting = false;
	rig.q.lull = true;
	assert_int_equal(want(1), 1);
	rig.q.lull = false;
	rig.q.urgent = 1;
	assert_int_equal(want(1), 1);
	rig.q.urgent = 0;
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), MS);
	for (i = 0; i < 1000; i++)
		pvg_adaptive_came_by(&rig.q);
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 8 * MS);
	model_now += 4 * MS - 1;
	assert_true(pvg_adaptive_fresh(&rig.q));
	model_now++;
	assert_false(pvg_adaptive_fresh(&rig.q));
	rig.q.inflight = 0;
	pvg_adaptive_expired(&rig.q);
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), 8 * MS);
	rig.q.inflight = 1;
	pvg_adaptive_expired(&rig.q);
	assert_int_equal(pvg_adaptive_window_ns(&rig.q), MS);
	stop();
}

const struct CMUnitTest adaptive_tests[] = {
	cmocka_unit_test(test_adaptive_bell),
	cmocka_unit_test(test_adaptive_may_hold),
	cmocka_unit_test(test_adaptive_learns),
	cmocka_unit_test(test_adaptive_window),
	cmocka_unit_test(test_adaptive_gap),
	cmocka_unit_test(test_adaptive_earns),
	cmocka_unit_test(test_adaptive_late),
	cmocka_unit_test(test_adaptive_silence),
	cmocka_unit_test(test_adaptive_silence_armed),
	cmocka_unit_test(test_adaptive_debt),
	cmocka_unit_test(test_adaptive_learns_anew),
	cmocka_unit_test(test_adaptive_left),
	cmocka_unit_test(test_adaptive_want_busy),
	cmocka_unit_test(test_adaptive_want_hold),
	cmocka_unit_test(test_adaptive_lazy),
};

const size_t nr_adaptive_tests = sizeof(adaptive_tests) / sizeof(*adaptive_tests);

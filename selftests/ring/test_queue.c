// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of queue.c, event.c and ring.c. */
#include "unit.h"

static const u64 event_features[] = { EVENT, PACKED };

/* Policy fixed interrupts at the Nth completion and not before. */
static void test_queue_fixed_exact(void **state)
{
	u32 i, n;

	for (i = 0; i < 2; i++) {
		rig_start(event_features[i], PVG_POLICY_FIXED, 4, 100);
		assert_int_equal(rig.q.mode, i ? PVG_EVENT_PACKED : PVG_EVENT_SPLIT);
		for (n = 0; n < 1000; n++) {
			assert_int_equal(rig_submit(8), 0);
			assert_int_equal(rig_use(3), 0);
			assert_int_equal(rig_use(1), 1);
			assert_int_equal(rig_use(3), 0);
			assert_int_equal(rig_use(1), 1);
			assert_int_equal(rig.used, 8 * (n + 1));
		}
		assert_int_equal(rig.q.inflight, 0);
		rig_stop();
	}
}

/* No more than are in flight are waited for, and one alone not at all. */
static void test_queue_fixed_few(void **state)
{
	rig_start(EVENT, PVG_POLICY_FIXED, 4, 100);
	rig_submit(1);
	assert_int_equal(rig.q.armed, 1);
	assert_false(rig.q.timer.queued);
	assert_int_equal(rig_use(1), 1);
	rig_submit(3);
	assert_int_equal(rig.q.armed, 3);
	assert_true(rig.q.timer.queued);
	assert_int_equal(rig.q.timer.expires, model_now + 100 * US);
	rig_stop();
}

/* Where no threshold can be asked for, the timer polls for more than one. */
static void test_queue_fixed_plain(void **state)
{
	rig_start(0, PVG_POLICY_FIXED, 4, 100);
	assert_int_equal(rig.q.mode, PVG_EVENT_PLAIN);
	rig_submit(1);
	assert_int_equal(rig.q.armed, 1);
	assert_false(rig.q.timer.queued);
	assert_int_equal(rig_use(1), 1);
	rig_submit(4);
	assert_int_equal(rig.q.armed, 0);
	assert_int_equal(rig_use(4), 0);
	model_fire(&rig.q.timer);
	assert_int_equal(rig.used, 5);
	rig_stop();

	rig_start(0, PVG_POLICY_FIXED, 1, 100);
	rig_submit(4);
	assert_int_equal(rig.q.armed, 1);
	assert_false(rig.q.timer.queued);
	rig_stop();
}

static void test_queue_off(void **state)
{
	rig_start(EVENT, PVG_POLICY_OFF, 16, 100);
	rig_submit(8);
	assert_false(rig.q.timer.queued);
	assert_int_equal(rig_use(8), 8);
	assert_int_equal(rig.q.stats.timer_starts, 0);
	rig_stop();
}

/* A timer that finds nothing leaves the queue with the next interrupt armed. */
static void test_queue_lull(void **state)
{
	rig_start(EVENT, PVG_POLICY_FIXED, 4, 100);
	rig_submit(8);
	assert_int_equal(rig.q.armed, 4);
	model_fire(&rig.q.timer);
	assert_int_equal(rig.used, 0);
	assert_int_equal(rig.q.armed, 1);
	assert_false(rig.q.timer.queued);
	assert_int_equal(rig_use(1), 1);
	assert_int_equal(rig.q.armed, 4);
	rig_stop();
}

/* What the device does itself is not done a second time. */
static void test_queue_by_device(void **state)
{
	rig_start(EVENT, PVG_POLICY_FIXED, 4, 100);
	pvg_queue_set_by_device(&rig.q, true);
	rig_submit(8);
	assert_int_equal(rig.q.armed, 1);
	assert_false(rig.q.timer.queued);
	rig_stop();
}

/* A timer that would come too late is started again, another one is not. */
static void test_queue_timer_restart(void **state)
{
	u64 first;

	rig_start(EVENT, PVG_POLICY_FIXED, 4, 100);
	rig_submit(4);
	first = rig.q.timer.expires;
	assert_int_equal(first, model_now + 100 * US);
	model_now += 50 * US;
	rig_submit(4);
	assert_int_equal(rig.q.timer.expires, first);
	assert_int_equal(rig.q.stats.timer_starts, 1);
	rig.q.timer_ns = model_now + 100 * MS;
	rig.q.timer.expires = rig.q.timer_ns;
	rig_submit(4);
	assert_int_equal(rig.q.timer.expires, model_now + 100 * US);
	assert_int_equal(rig.q.stats.timer_starts, 2);
	rig_stop();
}

/* Completions that come while the event is written are taken at once. */
static void test_queue_arm_race(void **state)
{
	u32 polls;

	rig_start(EVENT, PVG_POLICY_FIXED, 2, 100);
	polls = rig.vq.polls;
	rig_submit(2);
	/* The event is stored, and then a full barrier. */
	assert_true(rig.vq.polls > polls);
	rig_use(2);
	rig_submit(1);
	rig.vq.sneaks = 2;
	rig_submit(3);
	assert_int_equal(rig.used, 4);
	assert_int_equal(rig.q.inflight, 2);
	assert_int_equal(rig_use(2), 1);
	assert_int_equal(rig.used, 6);
	rig_stop();
}

/* A parked event is renewed before consumption reaches it. */
static void test_queue_park_renewed(void **state)
{
	unsigned long flags;
	u16 first;

	rig_start(EVENT, PVG_POLICY_FIXED, 2, 100);
	flags = pvg_queue_lock(&rig.q);
	pvg_event_park(&rig.q);
	first = rig.q.event;
	assert_int_equal((u16)(first - rig.q.last), 0x8000);
	rig.q.last += 0x4000;
	pvg_event_park(&rig.q);
	assert_int_equal(rig.q.event, first);
	rig.q.last++;
	pvg_event_park(&rig.q);
	assert_int_equal((u16)(rig.q.event - rig.q.last), 0x8000);
	assert_int_equal(vring_used_event(&rig.vq.vring), rig.q.event);
	pvg_queue_unlock(&rig.q, flags);
	rig_stop();
}

/* A packed ring whose event area is not as believed is not relied on. */
static void test_queue_packed_self_test(void **state)
{
	enum model_fault fault;

	for (fault = MODEL_NUM; fault <= MODEL_ELSEWHERE; fault++) {
		rig.vq.fault = fault;
		rig_start(PACKED, PVG_POLICY_FIXED, 4, 100);
		assert_int_equal(rig.q.mode, PVG_EVENT_PLAIN);
		rig_stop();
	}
	rig_start(PACKED, PVG_POLICY_FIXED, 4, 100);
	assert_int_equal(rig.q.mode, PVG_EVENT_PACKED);
	rig_stop();
}

/* Buffers of several descriptors: the event is where one of them ends. */
static void test_queue_packed_chains(void **state)
{
	rig_start(PACKED, PVG_POLICY_FIXED, 2, 100);
	rig.vq.each = 3;
	rig_submit(4);
	assert_int_equal(rig_use(1), 0);
	assert_int_equal(rig_use(1), 1);
	assert_int_equal(rig.used, 2);
	assert_int_equal(rig_use(2), 1);
	assert_int_equal(rig.used, 4);
	assert_int_equal(rig.q.inflight_descs, 0);
	rig_stop();
}

/* No more than asked for are taken from a polled queue. */
static void test_queue_budget(void **state)
{
	struct pvg_done done = {};

	rig_start(EVENT, PVG_POLICY_OFF, 1, 100);
	rig_submit(8);
	model_use(&rig.vq, 5, NULL);
	assert_int_equal(pvg_queue_poll(&rig.q, 2, &done), 2);
	assert_int_equal(rig.used, 2);
	assert_int_equal(done.count, 2);
	assert_int_equal(pvg_queue_poll(&rig.q, 0, &done), 0);
	assert_int_equal(pvg_queue_poll(&rig.q, 8, &done), 3);
	assert_int_equal(rig.q.inflight, 3);
	rig_stop();
}

/* The driver is told of a ring that broke, whoever finds out. */
static void test_queue_broken(void **state)
{
	rig_start(EVENT, PVG_POLICY_OFF, 1, 100);
	rig_submit(2);
	assert_int_equal(rig.broken, 0);
	rig.vq.broken = true;
	pvg_queue_callback(&rig.vq);
	assert_int_equal(rig.broken, 1);
	assert_int_equal(rig_submit(1), -EIO);
	assert_true(rig.broken >= 2);
	assert_int_equal(rig.q.inflight, 2);
	rig_stop();

	/* A full ring is no broken one. */
	rig_start(EVENT, PVG_POLICY_OFF, 1, 100);
	assert_int_equal(rig_submit(MODEL_RING + 1), -ENOSPC);
	assert_int_equal(rig.broken, 0);
	assert_int_equal(rig.q.inflight, MODEL_RING);
	rig_stop();
}

/* A queue that does not run takes nothing, gives nothing, and rings nothing. */
static void test_queue_stopped(void **state)
{
	struct pvg_done done = {};
	u32 notified;

	rig_start(EVENT, PVG_POLICY_FIXED, 4, 100);
	rig_submit(4);
	pvg_queue_stop(&rig.q);
	notified = rig.vq.notified;
	model_use(&rig.vq, 4, NULL);
	assert_int_equal(rig_submit(1), -EIO);
	assert_int_equal(rig.vq.notified, notified);
	pvg_queue_flush_unlock(&rig.q, pvg_queue_lock(&rig.q));
	assert_int_equal(rig.vq.notified, notified);
	pvg_queue_callback(&rig.vq);
	assert_int_equal(rig.q.stats.interrupts, 0);
	assert_int_equal(pvg_queue_poll(&rig.q, 8, &done), 0);
	rig.q.timer.queued = true;
	model_fire(&rig.q.timer);
	assert_int_equal(rig.q.stats.timer_fires, 0);
	assert_int_equal(rig.used, 0);
	assert_int_equal(rig.q.inflight, 4);
	pvg_queue_notify(&rig.q);
	assert_int_equal(rig.vq.notified, notified);
	rig_stop();
}

static int check(u32 frames, u32 usecs)
{
	struct pvg_moderation mod = { PVG_POLICY_FIXED, frames, usecs };

	return pvg_moderation_check(&rig.vdev, &mod);
}

static void test_queue_moderation_check(void **state)
{
	assert_int_equal(check(1, 1), 0);
	assert_int_equal(check(4096, 100000), 0);
	assert_int_equal(check(0, 1), -EINVAL);
	assert_int_equal(check(4097, 1), -EINVAL);
	assert_int_equal(check(U32_MAX, 1), -EINVAL);
	assert_int_equal(check(1, 0), -EINVAL);
	assert_int_equal(check(1, 100001), -EINVAL);
	assert_int_equal(check(1, U32_MAX), -EINVAL);
}

static int submit_urgent(void)
{
	unsigned long flags = pvg_queue_lock(&rig.q);
	struct scatterlist *sgs[1] = {};
	int err = pvg_queue_add(&rig.q, sgs, 0, 1, &rig, true);

	/* What came has asked for no interrupt. */
	pvg_event_park(&rig.q);
	pvg_queue_commit_unlock(&rig.q, flags);
	return err;
}

static u32 taken_by_other, taken_by_nested;

/* In done() of one submitter: another comes by, and then one below this one. */
static void done_and_submit(struct pvg_queue *q, struct pvg_done *done)
{
	static int other;
	const void *task = model_task;

	rig.done++;
	if (rig.done > 1)
		return;
	model_use(&rig.vq, 1, NULL);
	model_task = &other;
	taken_by_other = rig.used;
	assert_int_equal(submit_urgent(), 0);
	taken_by_other = rig.used - taken_by_other;
	model_task = task;

	model_use(&rig.vq, 1, NULL);
	taken_by_nested = rig.used;
	assert_int_equal(submit_urgent(), 0);
	taken_by_nested = rig.used - taken_by_nested;
	/* What it may not take is taken as soon as it is done. */
	assert_true(rig.q.left.queued);
}

static void test_queue_reapers(void **state)
{
	static int task;

	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	rig_ops.done = done_and_submit;
	model_task = &task;
	rig_submit(4);
	model_use(&rig.vq, 1, NULL);
	assert_int_equal(submit_urgent(), 0);
	assert_true(rig.done >= 1);
	assert_int_equal(taken_by_other, 1);
	assert_int_equal(taken_by_nested, 0);
	model_task = NULL;
	rig_stop();
}

/* On a queue without interrupts none is asked for, no timer runs, nothing is held. */
static void test_queue_no_irq(void **state)
{
	static const u64 features[] = { 0, EVENT, PACKED };
	enum pvg_policy policy;
	u32 i, n;

	for (i = 0; i < 9; i++) {
		struct pvg_done done = {};

		policy = i / 3;
		rig_ops.no_irq = true;
		rig_start(features[i % 3], policy, 4, 100);
		/* As far as an event that is parked once does not reach. */
		for (n = 0; n < 20000; n++) {
			assert_int_equal(rig_submit(8), 0);
			assert_int_equal(rig.q.armed, 0);
			assert_int_equal(rig.q.held, 0);
			assert_false(rig.q.timer.queued);
			assert_int_equal(rig_use(8), 0);
			assert_int_equal(rig.used, 8 * n);
			assert_int_equal(pvg_queue_reap(&rig.q, U32_MAX, &done), 8);
			assert_false(rig.q.timer.queued);
		}
		assert_int_equal(rig.q.stats.reaped, rig.q.stats.completions);
		assert_int_equal(rig.q.stats.interrupts, 0);
		assert_int_equal(rig.q.stats.timer_starts, 0);
		assert_int_equal(rig.done, 0);
		rig_stop();
	}
}

const struct CMUnitTest queue_tests[] = {
	cmocka_unit_test(test_queue_no_irq),
	cmocka_unit_test(test_queue_reapers),
	cmocka_unit_test(test_queue_fixed_exact),
	cmocka_unit_test(test_queue_fixed_few),
	cmocka_unit_test(test_queue_fixed_plain),
	cmocka_unit_test(test_queue_off),
	cmocka_unit_test(test_queue_lull),
	cmocka_unit_test(test_queue_by_device),
	cmocka_unit_test(test_queue_timer_restart),
	cmocka_unit_test(test_queue_arm_race),
	cmocka_unit_test(test_queue_park_renewed),
	cmocka_unit_test(test_queue_packed_self_test),
	cmocka_unit_test(test_queue_packed_chains),
	cmocka_unit_test(test_queue_budget),
	cmocka_unit_test(test_queue_broken),
	cmocka_unit_test(test_queue_stopped),
	cmocka_unit_test(test_queue_moderation_check),
};

const size_t nr_queue_tests = sizeof(queue_tests) / sizeof(*queue_tests);

// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of watch.c and wait.c: each wait ends when the submitter leaves. */
#include "unit.h"

static const int submitter, another;
static const struct device_driver pci = { "virtio-pci" }, vdpa = { "vdpa" };
static struct device parent;

static void start(const struct device_driver *driver, bool lazy)
{
	static bool once;

	if (!once)
		pvg_watch_init();
	once = true;
	parent.driver = driver;
	rig_ops.lazy = lazy;
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	rig.vdev.dev.parent = &parent;
	rig.q.watchable = pvg_watch_can(&rig.vdev);
	rig.q.bell_ns = 20 * US;
	rig.q.hold.window = 32;
	rig.q.hold.gap_ns = 50 * US;
	rig.q.hold.learn = 0;
	rig.q.hold.credit_ns = 4 * MS;
	model_task = &submitter;
}

static void stop(void)
{
	rig_stop();
	model_sched_out(&another);
	model_task = NULL;
}

/* Held for a submitter that stays, and rung when it leaves. */
static void test_watch_left(void **state)
{
	start(&pci, false);
	rig_submit(1);
	rig_submit(1);
	assert_int_equal(rig.vq.notified, 0);
	assert_int_equal(rig.q.stats.doorbells_held, 2);
	assert_true(rig.q.tick.queued);
	model_sched_out(&another);
	assert_int_equal(rig.vq.notified, 1);
	assert_int_equal(rig.q.held, 0);
	assert_int_equal(rig.q.armed, 1);
	assert_null(rig.q.watch);
	assert_false(rig.q.left.queued);
	/* Another task is not watched for it. */
	model_sched_out(&submitter);
	assert_int_equal(rig.vq.notified, 1);
	assert_int_equal(rig_use(1), 1);
	stop();
}

/* A commit reads the clock once, and twice more where it measures the doorbell. */
static void test_watch_clock(void **state)
{
	u32 n, before, notified, most = 0, held = 0;

	start(&pci, false);
	rig.q.bells = 1006;
	for (n = 0; n < 160; n++) {
		before = model_clocks;
		notified = rig.vq.notified;
		rig_submit(1);
		held += rig.vq.notified == notified;
		most += model_clocks - before > 1;
		assert_true(model_clocks - before <= 3);
	}
	assert_true(held > 0);
	assert_in_range(most, 1, (rig.vq.notified + 15) / 16);
	stop();
	/* The first ones are all measured. */
	start(&pci, false);
	rig.q.hold.credit_ns = 0;
	before = model_clocks;
	rig_submit(1);
	assert_int_equal(model_clocks - before, 3);
	stop();
	/* Policy off has nothing to look at it for. */
	rig_start(EVENT, PVG_POLICY_OFF, 16, 100);
	before = model_clocks;
	rig_submit(1);
	assert_int_equal(model_clocks - before, 0);
	rig_stop();
}

static void not_held(void)
{
	rig_submit(1);
	assert_int_equal(rig.vq.notified, 1);
	assert_null(rig.q.watch);
	stop();
}

static void test_watch_never(void **state)
{
	struct scatterlist *sgs[1] = {};

	start(&vdpa, false);
	not_held();
	start(NULL, false);
	not_held();
	start(&pci, false);
	model_in_task = false;
	not_held();
	model_in_task = true;
	start(&pci, false);
	model_task = &model_idle_task;
	not_held();
	/* Interrupts were off before. */
	start(&pci, false);
	(void)pvg_queue_lock(&rig.q);
	pvg_queue_add(&rig.q, sgs, 0, 1, &rig, false);
	pvg_queue_commit_unlock(&rig.q, 1);
	assert_int_equal(rig.vq.notified, 1);
	assert_null(rig.q.watch);
	rig.q.lock.held = false;
	stop();
	start(&pci, false);
	rig_moderate(PVG_POLICY_OFF, 16, 100);
	not_held();
}

/* The queue is locked by another CPU, and what came may not be taken there. */
static void test_watch_later(void **state)
{
	unsigned long flags;

	start(&pci, false);
	rig_submit(1);
	flags = pvg_queue_lock(&rig.q);
	model_sched_out(&model_idle_task);
	pvg_queue_unlock(&rig.q, flags);
	assert_int_equal(rig.vq.notified, 0);
	model_work(&rig.q.left);
	assert_int_equal(rig.vq.notified, 1);
	assert_null(rig.q.watch);
	stop();

	start(&pci, false);
	rig_submit(4);
	rig_submit(4);
	model_use(&rig.vq, 3, NULL);
	model_sched_out(&another);
	assert_int_equal(rig.used, 0);
	model_work(&rig.q.left);
	assert_int_equal(rig.used, 3);
	assert_int_equal(rig.done, 1);
	assert_int_equal(rig.q.armed, 1);
	stop();
}

/* A tick that finds no new commit gives the submitter up. */
static void test_watch_tick(void **state)
{
	start(&pci, false);
	rig_submit(1);
	rig_submit(1);
	model_tick(&rig.q.tick);
	assert_int_equal(rig.vq.notified, 0);
	assert_true(rig.q.tick.queued);
	model_use(&rig.vq, 1, NULL);
	model_tick(&rig.q.tick);
	assert_int_equal(rig.vq.notified, 1);
	assert_int_equal(rig.used, 1);
	assert_int_equal(rig.q.stats.stayed, 1);
	assert_false(rig.q.tick.queued);
	assert_null(rig.q.watch);
	stop();

	/* Nothing is held, and the next completion interrupts. */
	start(&pci, false);
	rig_submit(1);
	model_sched_out(&another);
	model_tick(&rig.q.tick);
	assert_int_equal(rig.q.stats.stayed, 0);
	stop();
}

/* Stopped or changed while watched: the doorbell rings, and no second time. */
static void test_watch_stop(void **state)
{
	start(&pci, false);
	rig_submit(1);
	pvg_queue_stop(&rig.q);
	assert_int_equal(rig.vq.notified, 1);
	assert_null(rig.q.watch);
	assert_false(rig.q.tick.queued);
	model_sched_out(&another);
	assert_int_equal(rig.vq.notified, 1);
	stop();

	start(&pci, false);
	rig_submit(1);
	rig_moderate(PVG_POLICY_FIXED, 4, 100);
	assert_int_equal(rig.vq.notified, 1);
	assert_null(rig.q.watch);
	stop();
}

/* An urgent buffer takes along what is held. */
static void test_watch_urgent(void **state)
{
	struct scatterlist *sgs[1] = {};
	unsigned long flags;

	start(&pci, false);
	rig_submit(1);
	flags = pvg_queue_lock(&rig.q);
	pvg_queue_add(&rig.q, sgs, 0, 1, &rig, true);
	pvg_queue_commit_unlock(&rig.q, flags);
	assert_int_equal(rig.vq.notified, 1);
	assert_int_equal(rig.q.held, 0);
	assert_int_equal(rig.q.armed, 1);
	stop();
}

/* What is there when nobody may take it is not left for a tick. */
static void test_watch_nested(void **state)
{
	unsigned long flags;

	start(&pci, false);
	rig.q.bell_ns = 0;
	rig_submit(2);
	flags = pvg_queue_lock(&rig.q);
	pvg_event_park(&rig.q);
	pvg_queue_unlock(&rig.q, flags);
	rig.q.reapers[0] = current;
	rig.vq.sneaks = 2;
	rig_submit(1);
	assert_true(rig.q.left.queued);
	rig.q.reapers[0] = NULL;
	model_work(&rig.q.left);
	assert_int_equal(rig.used, 2);
	stop();
}

/* The timer of a lazy queue is not what bounds a hold. */
static void test_watch_lazy(void **state)
{
	start(&pci, true);
	rig_submit(1);
	assert_int_equal(rig.vq.notified, 0);
	assert_int_equal(rig.q.armed, 0);
	assert_true(rig.q.timer.queued);
	assert_true(rig.q.tick.queued);
	model_sched_out(&model_idle_task);
	assert_int_equal(rig.vq.notified, 1);
	assert_int_equal(rig.q.armed, 0);
	stop();
}

const struct CMUnitTest watch_tests[] = {
	cmocka_unit_test(test_watch_left),
	cmocka_unit_test(test_watch_clock),
	cmocka_unit_test(test_watch_never),
	cmocka_unit_test(test_watch_later),
	cmocka_unit_test(test_watch_tick),
	cmocka_unit_test(test_watch_stop),
	cmocka_unit_test(test_watch_urgent),
	cmocka_unit_test(test_watch_nested),
	cmocka_unit_test(test_watch_lazy),
};

const size_t nr_watch_tests = sizeof(watch_tests) / sizeof(*watch_tests);

// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of drivers/ring/guard.c and reset.c: what was lost is made up for. */
#include "unit.h"

static struct pvg_queue_stats *stats(void)
{
	return &rig.q.stats;
}

static void start(void)
{
	rig_start(EVENT, PVG_POLICY_OFF, 1, 100);
	rig.vq.used_ring.event = 0;
}

/* The device says that it has seen all there is. */
static void sees_all(void)
{
	rig.vq.used_ring.event = rig.vq.added;
}

static void look(void)
{
	model_expire(&rig.q.guard.timer);
}

/* Looks for so long. Return: forced doorbells. */
static u32 looks_for(u64 ns)
{
	u64 before = stats()->doorbells_forced, end = model_now + ns;

	while (rig.q.guard.timer.queued &&
	       rig.q.guard.timer.expires * 4 * MS <= end)
		look();
	if (model_now < end)
		model_now = end;
	return stats()->doorbells_forced - before;
}

/* A last buffer: told at once and unasked, and nothing else happens. */
static void test_guard_dying(void **state)
{
	struct scatterlist sg = {};
	u32 doorbells, starts;

	start();
	sees_all();
	doorbells = rig.vq.notified;
	starts = stats()->timer_starts;
	assert_true(pvg_queue_add_dying(&rig.q, &sg, &sg));
	assert_int_equal(rig.vq.notified, doorbells + 1);
	assert_int_equal(stats()->submissions, 0);
	assert_int_equal(stats()->timer_starts, starts);
	assert_false(rig.q.guard.timer.queued);
	/* Not if somebody has the lock, the ring broke, or buffers have to be mapped. */
	rig.q.lock.held = true;
	assert_false(pvg_queue_add_dying(&rig.q, &sg, &sg));
	rig.q.lock.held = false;
	rig.vq.vdev->features |= BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	assert_false(pvg_queue_add_dying(&rig.q, &sg, &sg));
	rig.vq.vdev->features &= ~BIT_ULL(VIRTIO_F_ACCESS_PLATFORM);
	assert_int_equal(rig.vq.notified, doorbells + 1);
	rig_stop();
}

/* Where there are no interrupts none was lost: nobody has come for it. */
static void test_guard_no_irq(void **state)
{
	struct pvg_done done = {};

	rig_ops.no_irq = true;
	start();
	rig_submit(2);
	sees_all();
	model_use(&rig.vq, 1, NULL);
	look();
	assert_int_equal(rig.untaken, 0);
	look();
	assert_int_equal(rig.untaken, 1);
	/* It is the driver's to take, not the timer's. */
	assert_int_equal(rig.done, 0);
	assert_int_equal(pvg_queue_reap(&rig.q, U32_MAX, &done), 1);
	model_use(&rig.vq, 1, NULL);
	assert_int_equal(pvg_queue_check(&rig.q), 1);
	assert_int_equal(rig.used, 2);
	assert_int_equal(stats()->healed_irq, 0);
	assert_int_equal(stats()->doorbells_forced, 0);
	rig_stop();
}

static void test_guard_lost_interrupt(void **state)
{
	u64 begin;

	start();
	rig_submit(1);
	sees_all();
	model_use(&rig.vq, 1, NULL);
	begin = model_now;
	look();
	/* It might be under way. */
	assert_int_equal(stats()->healed_irq, 0);
	look();
	assert_int_equal(stats()->healed_irq, 1);
	assert_int_equal(rig.done, 1);
	assert_true(model_now - begin <= 100 * MS);
	assert_int_equal(stats()->doorbells_forced, 0);
	/* With nothing in flight the timer ends. */
	look();
	assert_false(rig.q.guard.timer.queued);
	rig_stop();
}

static void test_guard_late_interrupt(void **state)
{
	start();
	rig_submit(2);
	sees_all();
	model_use(&rig.vq, 1, NULL);
	look();
	/* It comes: that was another than the next look finds. */
	pvg_queue_callback(&rig.vq);
	model_use(&rig.vq, 1, NULL);
	look();
	assert_int_equal(stats()->healed_irq, 0);
	look();
	assert_int_equal(stats()->healed_irq, 1);
	rig_stop();
}

/* Completions that the moderation timer is about to take are its business. */
static void test_guard_moderated(void **state)
{
	rig_start(EVENT, PVG_POLICY_FIXED, 8, 100000);
	rig_submit(8);
	sees_all();
	model_use(&rig.vq, 2, NULL);
	look();
	look();
	assert_int_equal(stats()->healed_irq, 0);
	/* But a timer that is long overdue has been lost. */
	model_now = rig.q.timer_ns + 60 * MS;
	looks_for(200 * MS);
	assert_int_equal(stats()->healed_irq, 1);
	assert_int_equal(rig.used, 2);
	rig_stop();
}

static void test_guard_lost_doorbell(void **state)
{
	u32 notified;
	u64 begin;

	start();
	rig_submit(1);
	begin = model_now;
	notified = rig.vq.notified;
	/* avail_event is still at the beginning: the device has seen nothing. */
	look();
	assert_int_equal(rig.vq.notified, notified + 1);
	assert_true(model_now - begin <= 50 * MS);
	rig_use(1);
	look();
	assert_int_equal(stats()->healed_doorbell, 1);
	assert_int_equal(stats()->doorbells_forced, 1);
	rig_stop();
}

/* It helped, though the request takes its time. */
static void test_guard_doorbell_seen(void **state)
{
	start();
	rig_submit(1);
	look();
	sees_all();
	look();
	assert_int_equal(stats()->healed_doorbell, 1);
	assert_int_equal(looks_for(60 * 1000 * MS), 0);
	rig_stop();
}

/* A device that is slow, and says what it has seen, is left alone. */
static void test_guard_slow(void **state)
{
	u32 i, forced = 0;

	start();
	for (i = 0; i < 20; i++) {
		rig_submit(1);
		sees_all();
		forced += looks_for(2000 * MS);
		rig_use(1);
	}
	assert_int_equal(forced, 0);
	assert_int_equal(stats()->healed_doorbell, 0);
	assert_int_equal(stats()->healed_irq, 0);
	rig_stop();
}

/* One that does not say so gets doorbells ever more seldom, over all requests. */
static void test_guard_slow_silent(void **state)
{
	u32 i, forced = 0;

	start();
	for (i = 0; i < 100; i++) {
		rig_submit(1);
		rig.vq.used_ring.event = rig.vq.added + 1000;
		forced += looks_for(2000 * MS);
		rig_use(1);
	}
	assert_true(forced >= 1 && forced <= 8);
	assert_int_equal(stats()->healed_doorbell, 0);
	/* One that helps makes the guard quick again. */
	rig_submit(1);
	while (!rig.q.guard.rung)
		look();
	sees_all();
	look();
	assert_int_equal(stats()->healed_doorbell, 1);
	rig_use(1);
	rig_submit(1);
	rig.vq.used_ring.event = rig.vq.added + 1000;
	assert_int_equal(looks_for(100 * MS), 1);
	rig_stop();
}

/* After a long time without progress the guard looks as often as ever. */
static void test_guard_slow_then_lost(void **state)
{
	start();
	rig_submit(1);
	sees_all();
	looks_for(20 * 1000 * MS);
	rig_use(1);
	rig_submit(1);
	assert_int_equal(looks_for(100 * MS), 1);
	rig_stop();
}

static void test_guard_stalled(void **state)
{
	u64 begin;

	start();
	rig_submit(1);
	sees_all();
	begin = model_now;
	while (!rig.stalled)
		look();
	assert_true(model_now - begin <= 500 * MS);
	/* Seldom, but again and again. */
	looks_for(20 * 1000 * MS);
	assert_true(rig.stalled > 3 && rig.stalled < 12);
	rig_stop();
}

static void test_guard_broken(void **state)
{
	start();
	rig_submit(1);
	rig.vq.broken = true;
	look();
	assert_int_equal(rig.broken, 1);
	assert_false(rig.q.guard.timer.queued);
	rig_stop();
}

/* A transport that cannot ring the doorbell. */
static void test_guard_mute(void **state)
{
	start();
	rig.vq.mute = true;
	rig_submit(1);
	assert_int_equal(rig.broken, 1);
	rig.vq.broken = false;
	pvg_queue_notify(&rig.q);
	assert_int_equal(rig.broken, 2);
	rig_stop();
}

/* Buffers for what comes: one doorbell for the same of them, and no more. */
static void test_guard_receive(void **state)
{
	rig_ops.receive = true;
	start();
	assert_int_equal(rig.q.guard.timer.flags, TIMER_DEFERRABLE);
	rig_submit(4);
	assert_int_equal(looks_for(10 * 1000 * MS), 1);
	assert_int_equal(rig.stalled, 0);
	/* The device used all it had seen, and was not told of more. */
	rig_use(4);
	rig_submit(4);
	rig.vq.used_ring.event = rig.q.last;
	while (!rig.q.guard.rung)
		look();
	rig_use(1);
	look();
	assert_int_equal(stats()->healed_doorbell, 1);
	/* And what has come is found. */
	model_use(&rig.vq, 1, NULL);
	looks_for(100 * MS);
	assert_int_equal(stats()->healed_irq, 1);
	rig_stop();
}

static void test_guard_keeps(void **state)
{
	rig_ops.keeps = true;
	start();
	rig_submit(1);
	assert_int_equal(looks_for(60 * 1000 * MS), 1);
	assert_int_equal(rig.stalled, 0);
	rig_stop();
}

/* avail_event of a packed ring: the device area has place and flags. */
static void test_guard_packed(void **state)
{
	rig_start(PACKED, PVG_POLICY_OFF, 1, 100);
	rig_submit(2);
	rig.vq.used_ring.flags = model_position(&rig.vq, 2);
	rig.vq.used_ring.idx = VRING_PACKED_EVENT_FLAG_DESC;
	assert_int_equal(looks_for(1000 * MS), 0);
	rig.vq.used_ring.flags = model_position(&rig.vq, 1);
	assert_int_equal(looks_for(50 * 1000 * MS) > 0, 1);
	rig_stop();
}

static void test_guard_check(void **state)
{
	start();
	rig_submit(2);
	sees_all();
	assert_int_equal(pvg_queue_check(&rig.q), 0);
	assert_int_equal(stats()->doorbells_forced, 1);
	model_use(&rig.vq, 2, NULL);
	assert_int_equal(pvg_queue_check(&rig.q), 2);
	assert_int_equal(stats()->healed_irq, 1);
	assert_int_equal(rig.done, 1);
	rig_stop();
	assert_int_equal(pvg_queue_check(&rig.q), 0);
}

static void count_back(void *token)
{
	(*(u32 *)token)++;
}

/* What the device had done when it was reset is completed, the rest is not. */
static void test_guard_collect(void **state)
{
	struct scatterlist *sgs[1] = {};
	unsigned long flags;
	u32 back = 0, i;

	start();
	flags = pvg_queue_lock(&rig.q);
	for (i = 0; i < 3; i++)
		assert_int_equal(pvg_queue_add(&rig.q, sgs, 0, 1, &back, false), 0);
	pvg_queue_commit_unlock(&rig.q, flags);
	model_use(&rig.vq, 1, NULL);
	pvg_queue_stop(&rig.q);
	pvg_queue_collect(&rig.q);
	assert_int_equal(rig.used, 1);
	assert_int_equal(rig.done, 1);
	pvg_queue_detach(&rig.q, count_back);
	assert_int_equal(back, 2);
	rig_stop();
}

static u8 get_status(struct virtio_device *vdev)
{
	return model_status;
}

static int refused;

static int finalize(struct virtio_device *vdev)
{
	return refused;
}

static void test_guard_renegotiate(void **state)
{
	struct virtio_config_ops ops = {
		.get_status = get_status,
		.finalize_features = finalize,
	};
	struct virtio_device vdev = { .config = &ops };

	model_status = 0xff;
	assert_int_equal(pvg_device_renegotiate(&vdev), 0);
	assert_int_equal(model_status, VIRTIO_CONFIG_S_ACKNOWLEDGE |
				       VIRTIO_CONFIG_S_DRIVER);
	vdev.features = BIT_ULL(VIRTIO_F_VERSION_1);
	assert_int_equal(pvg_device_renegotiate(&vdev), 0);
	assert_true(model_status & VIRTIO_CONFIG_S_FEATURES_OK);
	model_refuses = true;
	assert_int_equal(pvg_device_renegotiate(&vdev), -ENODEV);
	assert_true(model_status & VIRTIO_CONFIG_S_FAILED);
	model_refuses = false;
	refused = -EINVAL;
	assert_int_equal(pvg_device_renegotiate(&vdev), -EINVAL);
	assert_true(model_status & VIRTIO_CONFIG_S_FAILED);
	refused = 0;
}

const struct CMUnitTest guard_tests[] = {
	cmocka_unit_test(test_guard_dying),
	cmocka_unit_test(test_guard_no_irq),
	cmocka_unit_test(test_guard_lost_interrupt),
	cmocka_unit_test(test_guard_late_interrupt),
	cmocka_unit_test(test_guard_moderated),
	cmocka_unit_test(test_guard_lost_doorbell),
	cmocka_unit_test(test_guard_doorbell_seen),
	cmocka_unit_test(test_guard_slow),
	cmocka_unit_test(test_guard_slow_silent),
	cmocka_unit_test(test_guard_slow_then_lost),
	cmocka_unit_test(test_guard_stalled),
	cmocka_unit_test(test_guard_broken),
	cmocka_unit_test(test_guard_mute),
	cmocka_unit_test(test_guard_receive),
	cmocka_unit_test(test_guard_keeps),
	cmocka_unit_test(test_guard_packed),
	cmocka_unit_test(test_guard_check),
	cmocka_unit_test(test_guard_collect),
	cmocka_unit_test(test_guard_renegotiate),
};

const size_t nr_guard_tests = sizeof(guard_tests) / sizeof(*guard_tests);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of drivers/ring and drivers/block: these very files, in
 * userspace, on the model of kernel.h.
 */
#include "unit.h"

struct rig rig;

static void rig_used(struct pvg_queue *q, void *token, u32 len,
		     struct pvg_done *done)
{
	rig.used++;
}

static void rig_done(struct pvg_queue *q, struct pvg_done *done)
{
	rig.done++;
}

static void rig_broken(struct pvg_queue *q)
{
	rig.broken++;
}

static void rig_untaken(struct pvg_queue *q)
{
	rig.untaken++;
}

static void rig_stalled(struct pvg_queue *q)
{
	rig.stalled++;
}

static struct pvg_queue *rig_queue(struct pvg_ring *ring, unsigned int i)
{
	return &rig.q;
}

/* Tests may set what else there is, before they start the rig. */
struct pvg_queue_ops rig_ops;

/* A queue that runs; rig.vq.fault is kept. */
void rig_start(u64 features, enum pvg_policy policy, u32 frames, u32 usecs)
{
	enum model_fault fault = rig.vq.fault;

	rig = (struct rig) {};
	rig.vq.fault = fault;
	rig.vdev.features = features;
	rig_ops.used = rig_used;
	rig_ops.done = rig_done;
	rig_ops.broken = rig_broken;
	rig_ops.untaken = rig_untaken;
	rig_ops.stalled = rig_stalled;
	rig.ring.vdev = &rig.vdev;
	rig.ring.queue = rig_queue;
	rig.ring.nr_queues = 1;
	assert_int_equal(pvg_ring_register(&rig.ring), 0);
	rig.ring.mod = (struct pvg_moderation) { policy, frames, usecs };
	pvg_queue_init(&rig.q, &rig_ops);
	model_vq(&rig.vq, &rig.vdev);
	pvg_queue_start(&rig.ring, &rig.q, &rig.vq);
}

static void forget(void *token)
{
}

void rig_stop(void)
{
	pvg_queue_stop(&rig.q);
	assert_false(rig.q.timer.queued);
	assert_false(rig.q.guard.timer.queued);
	pvg_queue_detach(&rig.q, forget);
	pvg_ring_unregister(&rig.ring);
	rig.vq.fault = MODEL_FINE;
	rig_ops = (struct pvg_queue_ops) {};
}

/* A batch of @n. Return: the first error. */
int rig_submit(u32 n)
{
	unsigned long flags = pvg_queue_lock(&rig.q);
	struct scatterlist *sgs[1] = {};
	int err = 0;

	while (n-- && !err)
		err = pvg_queue_add(&rig.q, sgs, 0, 1, &rig, false);
	pvg_queue_commit_unlock(&rig.q, flags);
	return err;
}

/* The device gives @n back. Return: interrupts. */
u32 rig_use(u32 n)
{
	return model_use(&rig.vq, n, pvg_queue_callback);
}

void rig_moderate(enum pvg_policy policy, u32 frames, u32 usecs)
{
	struct pvg_moderation mod = { policy, frames, usecs };

	pvg_queue_set_moderation(&rig.q, &mod);
}

int main(void)
{
	static const struct { const struct CMUnitTest *tests; const size_t *n; }
	files[] = {
		{ queue_tests, &nr_queue_tests },
		{ adaptive_tests, &nr_adaptive_tests },
		{ watch_tests, &nr_watch_tests },
		{ receive_tests, &nr_receive_tests },
		{ limits_tests, &nr_limits_tests },
		{ request_tests, &nr_request_tests },
		{ device_tests, &nr_device_tests },
		{ sysfs_tests, &nr_sysfs_tests },
		{ guard_tests, &nr_guard_tests },
	};
	struct CMUnitTest all[192];
	size_t n = 0, i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		assert(n + *files[i].n <= sizeof(all) / sizeof(*all));
		memcpy(&all[n], files[i].tests, *files[i].n * sizeof(*all));
		n += *files[i].n;
	}
	return _cmocka_run_group_tests("ring: core and limits", all, n, NULL, NULL);
}

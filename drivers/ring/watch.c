// SPDX-License-Identifier: GPL-2.0-only
/*
 * Watching submitters: is the task that committed last still on its CPU?
 *
 * While it is, it may commit again, and until it leaves no other task can run
 * there. So each CPU has one preempt notifier. The first commit to an adaptive
 * queue registers it for the current task and links the queue; when the task
 * is switched out, the notifier unlinks all queues and settles them.
 *
 * The scheduler calls the notifier with the run queue locked and interrupts
 * off. Nothing may be woken there, and a queue lock may only be tried: what
 * does not succeed is left to the queue's irq_work, which runs right after.
 * pvg_watch_can() knows the transports whose doorbell may ring there.
 *
 * Lock order: &pvg_queue.lock, then &pvg_watch.lock.
 */
#include <linux/cpu.h>
#include <linux/device.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/tick.h>
#include <linux/virtio.h>
#include <linux/workqueue.h>

#include "core.h"

#if IS_ENABLED(CONFIG_PREEMPT_NOTIFIERS) && !IS_ENABLED(CONFIG_PREEMPT_RT)

/**
 * struct pvg_watch - what a CPU's current task has committed to
 * @lock: protects @queues
 * @queues: linked through &pvg_queue.watched
 * @notifier: registered for the current task while @registered
 * @registered: written on this CPU only, with interrupts off
 */
struct pvg_watch {
	raw_spinlock_t lock;
	struct list_head queues;
	struct preempt_notifier notifier;
	bool registered;
};

static DEFINE_PER_CPU(struct pvg_watch, watches);

/**
 * pvg_watch_can() - may submitters to this device be watched?
 * @vdev: the device
 *
 * The doorbell then rings in the scheduler, so it must be no more than a write
 * to the device or a call of the hypervisor. It is for these transports, but a
 * virtqueue of vDPA or remoteproc may wake a task.
 */
bool pvg_watch_can(const struct virtio_device *vdev)
{
	static const char * const names[] = {
		"virtio-pci", "virtio-mmio", "virtio_ccw",
	};
	const struct device *parent = vdev->dev.parent;
	unsigned int i;

	if (!parent || !parent->driver)
		return false;
	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (!strcmp(parent->driver->name, names[i]))
			return true;
	return false;
}

/* Is the current task one that will be switched out before long? */
static bool may_watch(unsigned long flags)
{
	return in_task() && !irqs_disabled_flags(flags) &&
	       !is_idle_task(current) &&
	       !tick_nohz_full_cpu(smp_processor_id());
}

/**
 * pvg_watch_start() - the current task has committed to a queue
 * @q: the queue
 * @flags: interrupt flags from before the queue lock was taken
 *
 * Return: true if pvg_queue_left() will be called for @q when the task leaves
 * the CPU.
 */
bool pvg_watch_start(struct pvg_queue *q, unsigned long flags)
{
	struct pvg_watch *w;

	lockdep_assert_held(&q->lock);

	if (!q->watchable || !may_watch(flags))
		return false;
	w = this_cpu_ptr(&watches);
	if (q->watch != w) {
		pvg_watch_stop(q);
		raw_spin_lock(&w->lock);
		list_add_tail(&q->watched, &w->queues);
		raw_spin_unlock(&w->lock);
		q->watch = w;
		q->watch_cpu = smp_processor_id();
	}
	if (!w->registered) {
		w->registered = true;
		preempt_notifier_register(&w->notifier);
	}
	return true;
}

/**
 * pvg_watch_stop() - do not call pvg_queue_left() for a queue
 * @q: the queue; may not be watched
 */
void pvg_watch_stop(struct pvg_queue *q)
{
	struct pvg_watch *w = q->watch;

	lockdep_assert_held(&q->lock);

	if (!w)
		return;
	raw_spin_lock(&w->lock);
	list_del(&q->watched);
	raw_spin_unlock(&w->lock);
	q->watch = NULL;
}

static void sched_out(struct preempt_notifier *notifier,
		      struct task_struct *next)
{
	struct pvg_watch *w = container_of(notifier, struct pvg_watch, notifier);
	bool idle = is_idle_task(next);
	struct pvg_queue *q, *tmp;

	/*
	 * preempt_notifier_unregister() may not be used in here, because it
	 * poisons the pointer that the scheduler follows next.
	 */
	__hlist_del(&notifier->link);
	w->registered = false;

	raw_spin_lock(&w->lock);
	list_for_each_entry_safe(q, tmp, &w->queues, watched) {
		if (!spin_trylock(&q->lock)) {
			irq_work_queue(&q->left);
			continue;
		}
		list_del(&q->watched);
		q->watch = NULL;
		pvg_queue_left(q, idle);
		spin_unlock(&q->lock);
	}
	raw_spin_unlock(&w->lock);
}

/* Not called: the notifier is gone when its task is switched in again. */
static void sched_in(struct preempt_notifier *notifier, int cpu)
{
}

static struct preempt_ops watch_ops = {
	.sched_in	= sched_in,
	.sched_out	= sched_out,
};

/**
 * pvg_watch_init() - prepare all CPUs, at module load
 */
void pvg_watch_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		struct pvg_watch *w = per_cpu_ptr(&watches, cpu);

		raw_spin_lock_init(&w->lock);
		INIT_LIST_HEAD(&w->queues);
		preempt_notifier_init(&w->notifier, &watch_ops);
	}
	preempt_notifier_inc();
}

static void do_nothing(struct work_struct *work)
{
}

/**
 * pvg_watch_exit() - leave all CPUs, at module unload
 *
 * No queue runs any more, but a notifier may still be registered for a task
 * that has been on its CPU ever since: a worker takes each CPU once.
 */
void pvg_watch_exit(void)
{
	struct work_struct work;
	int cpu;

	cpus_read_lock();
	for_each_online_cpu(cpu) {
		INIT_WORK_ONSTACK(&work, do_nothing);
		schedule_work_on(cpu, &work);
		flush_work(&work);
		destroy_work_on_stack(&work);
	}
	cpus_read_unlock();
	preempt_notifier_dec();
}

#else

bool pvg_watch_can(const struct virtio_device *vdev)
{
	return false;
}

bool pvg_watch_start(struct pvg_queue *q, unsigned long flags)
{
	return false;
}

void pvg_watch_stop(struct pvg_queue *q)
{
}

void pvg_watch_init(void)
{
}

void pvg_watch_exit(void)
{
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated CPU: virtual time that everything it does takes, interrupts,
 * the timers of the kernel, and a scheduler that runs one task after the other
 * until it sleeps.
 */
#include <math.h>

#include "sim.h"

#define TASKS	64

u64 model_now;
u32 model_clocks;
const void *model_task;
u64 sim_busy_ns;
bool sim_irq_pending, sim_irqs_off;
u64 sim_noise_ns;

bool model_in_task;
const char model_idle_task;

static struct {
	struct hrtimer *timer;
	struct timer_list *tick;
	struct irq_work *work;
	struct preempt_notifier *notifier;
	u32 queue[TASKS];	/* tasks that are ready; the first one runs */
	u32 nr_queued;
	bool queued[TASKS];
	u64 seed;
	u64 steal_in;		/* CPU time to the next one */
} cpu;

/* Where current points to: a task's address is all that anybody looks at. */
static const char tasks[TASKS];

void sim_cpu_start(void)
{
	memset(&cpu, 0, sizeof(cpu));
	cpu.seed = 88172645463325252ull;
	model_now = 1000 * MS;
	model_task = &model_idle_task;
	model_in_task = false;
	sim_busy_ns = 0;
	sim_irq_pending = false;
	sim_irqs_off = false;
}

/* Exponentially distributed. */
u64 sim_random(u64 mean)
{
	cpu.seed ^= cpu.seed << 13;
	cpu.seed ^= cpu.seed >> 7;
	cpu.seed ^= cpu.seed << 17;
	return mean * -log(((cpu.seed >> 11) + 1) / 9007199254740992.0) + 1;
}

/*
 * The hypervisor's machine has other work, too: each millisecond or so this CPU
 * does not run for a while, and what it does takes now less, now more.
 */
static u64 disturbed(u64 ns)
{
	ns = ns * 6 / 10 + sim_random(ns * 4 / 10);
	while (cpu.steal_in <= ns) {
		u64 stolen = sim_random(sim_noise_ns);

		ns += stolen;
		cpu.steal_in += stolen + sim_random(5 * sim_noise_ns);
	}
	cpu.steal_in -= ns;
	return ns;
}

/* The CPU is busy for @ns. The device goes on meanwhile. */
void sim_spend(u64 ns)
{
	u64 end;

	if (sim_noise_ns && ns)
		ns = disturbed(ns);
	end = model_now + ns;
	sim_device_until(end, false);
	model_now = end;
	sim_busy_ns += ns;
}

unsigned long model_lock(bool *held)
{
	assert(!*held);
	*held = true;
	return sim_irqs_off;
}

void model_unlock(bool *held, unsigned long flags)
{
	assert(*held);
	*held = false;
}

void hrtimer_init(struct hrtimer *timer, clockid_t clock,
		  enum hrtimer_mode mode)
{
	timer->queued = false;
}

void hrtimer_start(struct hrtimer *timer, ktime_t after,
		   enum hrtimer_mode mode)
{
	cpu.timer = timer;
	timer->expires = model_now + after;
	timer->queued = true;
	sim_count.timer_starts++;
	sim_spend(sim_exit_ns);
}

int hrtimer_try_to_cancel(struct hrtimer *timer)
{
	bool was = timer->queued;

	timer->queued = false;
	return was;
}

int hrtimer_cancel(struct hrtimer *timer)
{
	return hrtimer_try_to_cancel(timer);
}

u64 model_jiffies(void)
{
	return model_now / TICK_NS;
}

void model_add_timer(struct timer_list *timer)
{
	cpu.tick = timer;
	timer->queued = true;
}

void irq_work_queue(struct irq_work *work)
{
	if (work->queued)
		return;
	cpu.work = work;
	work->queued = true;
	sim_count.ipis++;
	sim_spend(sim_exit_ns);
}

static void run_work(struct irq_work *work)
{
	cpu.work = NULL;
	work->queued = false;
	sim_spend(IRQ_NS);
	work->function(work);
}

void irq_work_sync(struct irq_work *work)
{
	if (work->queued)
		run_work(work);
}

void preempt_notifier_register(struct preempt_notifier *notifier)
{
	assert(!cpu.notifier);
	cpu.notifier = notifier;
}

void __hlist_del(struct hlist_node *node)
{
	assert(&cpu.notifier->link == node);
	cpu.notifier = NULL;
}

void model_sched_out(const void *next)
{
	if (cpu.notifier)
		cpu.notifier->ops->sched_out(cpu.notifier, (void *)next);
}

int model_says(const void *dev, const char *format, ...)
{
	abort();
}

void pvg_debugfs_add_queue(struct pvg_ring *ring, struct pvg_queue *q)
{
}

void pvg_debugfs_remove_queue(struct pvg_queue *q)
{
}

void sim_wake(u32 task)
{
	if (!cpu.queued[task])
		cpu.queue[cpu.nr_queued++] = task;
	cpu.queued[task] = true;
}

/* As sim_wake(), for a task that takes the CPU from another one. */
void sim_preempt(u32 task)
{
	if (cpu.queued[task])
		return;
	memmove(cpu.queue + 1, cpu.queue, cpu.nr_queued++ * sizeof(*cpu.queue));
	cpu.queue[0] = task;
	cpu.queued[task] = true;
}

/* The task that runs has nothing to do. */
void sim_sleep(void)
{
	cpu.queued[cpu.queue[0]] = false;
	memmove(cpu.queue, cpu.queue + 1, --cpu.nr_queued * sizeof(*cpu.queue));
}

static u64 timer_due(void)
{
	return cpu.timer && cpu.timer->queued ? cpu.timer->expires : NEVER;
}

/* The tick after the one for which it was started; the CPU is not idle. */
static u64 tick_due(void)
{
	return cpu.tick && cpu.tick->queued ? (cpu.tick->expires + 1) * TICK_NS :
					      NEVER;
}

/* What may happen next beside what the task does. */
u64 sim_next_event(void)
{
	u64 event = min(min(sim_load_next(), timer_due()), tick_due());

	return max(min(event, sim_device_next()), model_now);
}

static void switch_to(const void *next)
{
	if (model_task == next)
		return;
	sim_spend(SWITCH_NS);
	model_sched_out(next);
	model_task = next;
}

static void idle(void)
{
	u64 until = min(sim_load_next(), timer_due());

	sim_count.halts++;
	sim_device_until(until, true);
	if (!sim_irq_pending && until != NEVER)
		model_now = max(model_now, until);
}

/* One thing that the CPU does. */
void sim_step(void)
{
	sim_device_until(model_now, false);
	sim_load_arrive();
	model_in_task = false;
	if (cpu.work) {
		run_work(cpu.work);
	} else if (sim_irq_pending) {
		sim_irq_pending = false;
		sim_count.irqs++;
		sim_spend(sim_exit_ns + IRQ_NS);
		pvg_queue_callback(&sim_vq);
	} else if (timer_due() <= model_now) {
		cpu.timer->queued = false;
		sim_count.timer_fires++;
		sim_spend(sim_exit_ns);
		cpu.timer->function(cpu.timer);
	} else if (model_task != &model_idle_task && tick_due() <= model_now) {
		cpu.tick->queued = false;
		sim_spend(IRQ_NS);
		cpu.tick->function(cpu.tick);
	} else if (cpu.nr_queued) {
		switch_to(&tasks[cpu.queue[0]]);
		model_in_task = true;
		sim_load_step(cpu.queue[0]);
	} else if (model_task != &model_idle_task) {
		switch_to(&model_idle_task);
	} else {
		idle();
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/* What submits in the simulation; see enum sim_kind. */
#include "sim.h"

#define THREADS		64u
#define SAMPLES		1000000u
#define ARRIVALS	1000000u
#define REQUESTS	512u

struct request {
	u64 start;
	u32 thread;
	bool urgent;
	bool done;
	struct request *next;
};

struct thread {
	u64 compute_ns;		/* before it submits */
	u64 wakes_at;
	u32 todo;		/* requests to submit */
};

const struct sim_load *sim_load;

static struct thread threads[THREADS];
static struct request requests[REQUESTS], *unused;
static u64 arrivals[ARRIVALS], samples[SAMPLES];
static struct {
	u64 next_arrival;
	u32 arrived, submitted;	/* of open loops, free-running */
	u32 bursts;
	u32 nr_samples;
	double sum, max;
} run;

static bool is_open(void)
{
	return sim_load->kind <= SIM_BURST;
}

void sim_load_start(void)
{
	u32 i, n = sim_load->width;

	memset(threads, 0, sizeof(threads));
	memset(&run, 0, sizeof(run));
	unused = NULL;
	for (i = 0; i < REQUESTS; i++) {
		requests[i].next = unused;
		unused = &requests[i];
	}
	for (i = 0; i < THREADS; i++)
		threads[i].wakes_at = NEVER;
	run.next_arrival = is_open() ? model_now : NEVER;
	if (is_open())
		return;
	if (sim_load->kind == SIM_SYNC || sim_load->kind == SIM_NAP) {
		for (i = 0; i < n; i++) {
			threads[i].todo = 1;
			sim_wake(i);
		}
		return;
	}
	threads[0].todo = sim_load->kind == SIM_NETPOLL ? 0 : n;
	sim_wake(0);
	if (sim_load->kind == SIM_MIXED)
		threads[1].wakes_at = model_now;
}

u64 sim_load_next(void)
{
	u64 next = run.next_arrival;
	u32 i;

	if (sim_load->kind == SIM_NAP || sim_load->kind == SIM_MIXED)
		for (i = 0; i < THREADS; i++)
			next = min(next, threads[i].wakes_at);
	return next;
}

/* Requests of open loops, and the ends of naps. */
void sim_load_arrive(void)
{
	u32 i, n = sim_load->kind == SIM_BURST ? sim_load->width : 1;
	u64 pause = sim_load->pause_ns;

	while (run.next_arrival <= model_now) {
		for (i = 0; i < n; i++)
			arrivals[run.arrived++ % ARRIVALS] = run.next_arrival;
		run.next_arrival += sim_load->kind == SIM_POISSON ?
				    sim_random(pause) : pause;
		sim_wake(0);
	}
	if (sim_load_next() > model_now)
		return;
	for (i = 0; i < THREADS; i++) {
		if (threads[i].wakes_at > model_now)
			continue;
		threads[i].wakes_at = NEVER;
		threads[i].todo = 1;
		if (sim_load->kind == SIM_MIXED)
			sim_preempt(i);
		else
			sim_wake(i);
	}
}

static void sim_used(struct pvg_queue *q, void *token, u32 len,
		     struct pvg_done *done)
{
	struct request *r = token;

	r->next = NULL;
	if (r->urgent)
		pvg_queue_urgent_done(q);
	if (done->last)
		((struct request *)done->last)->next = r;
	else
		done->first = r;
	done->last = r;
}

static void sample(const struct request *r)
{
	u64 ns = model_now - r->start;

	sim_count.requests++;
	if (sim_load->kind == SIM_MIXED && !r->urgent)
		return;
	if (run.nr_samples < SAMPLES)
		samples[run.nr_samples++] = ns;
	run.sum += ns;
	if (ns > run.max)
		run.max = ns;
}

/* A thread has the answer to its request. */
static void answer(const struct request *r)
{
	struct thread *t = &threads[r->thread];
	u64 pause = sim_load->pause_ns;

	switch (sim_load->kind) {
	case SIM_NAP:
		t->wakes_at = model_now + sim_random(pause);
		return;
	case SIM_SYNC:
		t->compute_ns = sim_random(pause);
		break;
	case SIM_MIXED:
		if (r->urgent) {
			t->wakes_at = model_now + sim_random(pause);
			return;
		}
		break;
	case SIM_CLOSED:
	case SIM_BATCH:
		break;
	case SIM_OPEN:
	case SIM_POISSON:
	case SIM_BURST:
		/* It may wait for room. */
		if (run.arrived != run.submitted)
			sim_wake(0);
		return;
	case SIM_SPIN:
	case SIM_NETPOLL:
		return;
	}
	t->todo++;
	sim_wake(r->thread);
}

static void sim_done(struct pvg_queue *q, struct pvg_done *done)
{
	struct request *r, *next;

	for (r = done->first; r; r = next) {
		next = r->next;
		sim_spend(COMPLETE_NS);
		sample(r);
		r->done = true;
		answer(r);
		r->next = unused;
		unused = r;
	}
}

static void sim_broken(struct pvg_queue *q)
{
	abort();
}

static const struct pvg_queue_ops ops = {
	.used = sim_used,
	.done = sim_done,
	.broken = sim_broken,
};

/* A batch of @n. */
static struct request *submit(u32 thread, u32 n)
{
	bool urgent = sim_load->kind == SIM_MIXED && thread;
	struct scatterlist *sgs[1] = {};
	struct request *r = NULL;
	unsigned long flags;
	u64 start = model_now;
	int err = 0;

	sim_spend(n * SUBMIT_NS);
	flags = pvg_queue_lock(&sim_queue);
	while (n--) {
		r = unused;
		unused = r->next;
		*r = (struct request) { .thread = thread, .urgent = urgent };
		r->start = is_open() ?
			   arrivals[run.submitted++ % ARRIVALS] : start;
		err |= pvg_queue_add(&sim_queue, sgs, 0, 1, r, urgent);
	}
	assert(!err);
	pvg_queue_commit_unlock(&sim_queue, flags);
	return r;
}

/* Compute until something happens. */
static void compute(struct thread *t)
{
	u64 ns = min(t->compute_ns, sim_next_event() - model_now);

	sim_spend(ns);
	t->compute_ns -= ns;
}

static void step_spin(struct thread *t)
{
	if (t->todo && sim_vq.num_free) {
		t->todo--;
		submit(0, 1);
	} else {
		/* It does not wait for room, either. */
		t->todo = ++run.bursts % 8 ? sim_load->width :
					     4 * sim_load->width;
		t->compute_ns = sim_load->pause_ns;
	}
}

/* Interrupts are off until each request is back, or 20 ms, as netpoll has it. */
static void step_netpoll(struct thread *t)
{
	u32 i;

	sim_irqs_off = true;
	for (i = 0; i < sim_load->width; i++) {
		u64 end = model_now + 20 * MS;
		struct request *r = submit(0, 1);

		while (!r->done && model_now < end) {
			struct pvg_done done = {};

			if (pvg_queue_poll(&sim_queue, U32_MAX, &done))
				sim_done(&sim_queue, &done);
			else
				sim_spend(US);
		}
	}
	sim_irqs_off = false;
	t->compute_ns = sim_load->pause_ns;
}

/* What the thread that runs does next. */
void sim_load_step(u32 thread)
{
	struct thread *t = &threads[thread];
	u32 n = 1;

	if (is_open())
		t->todo = run.arrived - run.submitted;
	if (t->compute_ns) {
		compute(t);
	} else if (sim_load->kind == SIM_SPIN) {
		step_spin(t);
	} else if (sim_load->kind == SIM_NETPOLL) {
		step_netpoll(t);
	} else if (t->todo && sim_vq.num_free) {
		if (sim_load->kind == SIM_BATCH || sim_load->kind == SIM_BURST)
			n = min(t->todo, sim_vq.num_free);
		t->todo -= n;
		submit(thread, n);
	} else {
		sim_sleep();
	}
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Of what was counted since the start, or the last call. */
void sim_load_result(struct sim_result *result)
{
	u32 n = run.nr_samples;

	qsort(samples, n, sizeof(*samples), compare);
	*result = sim_count;
	result->mean = n ? run.sum / n : 0;
	result->p99 = n ? samples[n * 99ull / 100] : 0;
	result->max = run.max;
	run.nr_samples = 0;
	run.sum = 0;
	run.max = 0;
}

static struct pvg_queue *queue_of(struct pvg_ring *ring, unsigned int i)
{
	return &sim_queue;
}

#define WARM_NS		(100 * MS)
#define RUN_NS		(1500 * MS)
#define REQUESTS_MAX	60000u

/**
 * sim_run() - a load on a fresh queue
 * @load: the load
 * @exit_ns: cost of an exit to the hypervisor
 * @policy: of the queue
 * @result: filled in
 */
void sim_run(const struct sim_load *load, u64 exit_ns, enum pvg_policy policy,
	     struct sim_result *result)
{
	const struct device_driver pci = { "virtio-pci" };
	struct device parent = { .driver = &pci };
	struct virtio_device vdev = {
		.dev.parent = &parent,
		.features = BIT_ULL(VIRTIO_RING_F_EVENT_IDX),
	};
	struct pvg_ring ring = {
		.vdev = &vdev,
		.queue = queue_of,
		.nr_queues = 1,
		.mod = { policy, 16, 100 },
	};
	u64 start;

	sim_load = load;
	sim_exit_ns = exit_ns;
	memset(&sim_queue, 0, sizeof(sim_queue));
	dev_set_drvdata(&vdev.dev, &ring);
	sim_cpu_start();
	sim_device_start(&vdev);
	pvg_watch_init();
	pvg_queue_init(&sim_queue, &ops);
	pvg_queue_start(&ring, &sim_queue, &sim_vq);
	sim_load_start();
	start = model_now;
	while (model_now - start < WARM_NS)
		sim_step();
	sim_load_result(result);
	memset(&sim_count, 0, sizeof(sim_count));
	sim_busy_ns = 0;
	start = model_now;
	while (model_now - start < RUN_NS && sim_count.requests < REQUESTS_MAX)
		sim_step();
	sim_load_result(result);
	result->rate = result->requests * 1e9 / (model_now - start);
	result->load = (double)sim_busy_ns / (model_now - start);
	result->exits = (double)(result->irqs + result->doorbells +
				 result->timer_starts + result->timer_fires +
				 result->halts + result->ipis) / result->requests;
	pvg_queue_stop(&sim_queue);
	pvg_watch_exit();
}

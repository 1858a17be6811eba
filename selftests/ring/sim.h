/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A simulation of one guest CPU, one moderated split queue and its device, in
 * virtual time. drivers/ring is linked unchanged. sim_cpu.c has the CPU,
 * sim_device.c the virtqueue and the device, sim_load.c what submits, sim.c
 * the table and the checks.
 */
#ifndef _PVG_TEST_SIM_H
#define _PVG_TEST_SIM_H

#include "kernel.h"
#include "core.h"

#define US		1000ull
#define MS		1000000ull
#define NEVER		(~0ull)

/* CPU time, beside the exits to the hypervisor, whose cost is a parameter. */
#define SUBMIT_NS	(2 * US)	/* a request, in the submitter */
#define COMPLETE_NS	(1 * US)	/* a completion, in done() */
#define IRQ_NS		(1 * US)	/* entering and leaving an interrupt */
#define SWITCH_NS	(1 * US)	/* to another task, or to the idle task */
#define TICK_NS		(4 * MS)	/* HZ=250 */

/* What submits; width and pause of struct sim_load mean, in this order: */
enum sim_kind {
	SIM_OPEN,	/* a request each pause, whatever comes back */
	SIM_POISSON,	/* the same at random times */
	SIM_BURST,	/* width requests in one batch each pause */
	SIM_SYNC,	/* width threads: compute for pause, request, wait */
	SIM_NAP,	/* the same, asleep for pause */
	SIM_CLOSED,	/* one task, width in flight, submits one by one */
	SIM_BATCH,	/* the same, submits all it has answers for as a batch */
	SIM_SPIN,	/* width one by one, compute for pause, never waits */
	SIM_MIXED,	/* SIM_CLOSED, and a thread with urgent requests */
	SIM_NETPOLL,	/* one by one with interrupts off, polls; then computes */
};

enum sim_latency { SIM_FIXED, SIM_EXP, SIM_SLOW };

/**
 * struct sim_load - one line of the table
 * @kind: what submits
 * @width: threads, depth or size of a burst
 * @pause_ns: time between requests, to think or to compute
 * @latency: fixed; exponential behind 0.6 of the mean; one in 16 takes 50 times
 *	as long
 * @latency_ns: of the device, which serves all requests at the same time
 */
struct sim_load {
	const char *name;
	enum sim_kind kind;
	u32 width;
	u64 pause_ns;
	enum sim_latency latency;
	u64 latency_ns;
};

/**
 * struct sim_result - of a run; times in nanoseconds
 * @requests: completed
 * @mean: of the latency, for SIM_MIXED of urgent requests only
 * @rate: requests a second
 * @exits: sum of the counts below, of which each is an exit to the hypervisor
 */
struct sim_result {
	u64 requests;
	double mean, p99, max, rate, exits, load;
	u64 irqs, doorbells, timer_starts, timer_fires, halts, ipis;
};

/* The run. */
extern const struct sim_load *sim_load;
extern u64 sim_exit_ns, sim_noise_ns;
extern struct sim_result sim_count;
extern struct pvg_queue sim_queue;
void sim_run(const struct sim_load *load, u64 exit_ns, enum pvg_policy policy,
	     struct sim_result *result);

/* sim_cpu.c */
extern u64 sim_busy_ns;
extern bool sim_irq_pending, sim_irqs_off;
void sim_cpu_start(void);
void sim_spend(u64 ns);
u64 sim_random(u64 mean);
void sim_wake(u32 task);
void sim_preempt(u32 task);
void sim_sleep(void);
u64 sim_next_event(void);
void sim_step(void);

/* sim_device.c */
extern struct virtqueue sim_vq;
void sim_device_start(struct virtio_device *vdev);
void sim_device_until(u64 end, bool stop);
u64 sim_device_next(void);

/* sim_load.c */
void sim_load_start(void);
void sim_load_step(u32 task);
void sim_load_arrive(void);
u64 sim_load_next(void);
void sim_load_result(struct sim_result *result);

#endif /* _PVG_TEST_SIM_H */

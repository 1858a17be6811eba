// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which CPUs belong to a queue pair: they take its interrupts and send through it (XPS).
 * Each online CPU has one pair of those in use, in turns; with more pairs than CPUs a
 * CPU has several. When a CPU comes or goes, all is done again.
 */
#include <linux/cpu.h>
#include <linux/cpuhotplug.h>
#include <linux/cpumask.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_config.h>

#include "pvg_net.h"

static int online_state;

/* The CPUs of pair @i of @pairs. */
static void cpus_of_pair(struct cpumask *mask, unsigned int i, unsigned int pairs)
{
	unsigned int cpus = num_online_cpus(), n = 0;
	int cpu;

	cpumask_clear(mask);
	for_each_online_cpu(cpu) {
		if (n % pairs == i || n == i % cpus)
			cpumask_set_cpu(cpu, mask);
		n++;
	}
}

/**
 * pvg_net_spread() - share the CPUs between the queue pairs in use
 * @net: the device
 *
 * Does nothing unless the device is live: it is done when that comes up. Without memory
 * all stays as it is, which is slower, but works. Context: rtnl; may sleep.
 */
void pvg_net_spread(struct pvg_net *net)
{
	cpumask_var_t mask;
	unsigned int i;

	ASSERT_RTNL();
	if (net->state != PVG_NET_LIVE || !alloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	cpus_read_lock();
	for (i = 0; i < net->active_pairs; i++) {
		cpus_of_pair(mask, i, net->active_pairs);
		virtqueue_set_affinity(net->rxqs[i].pvg.vq, mask);
		virtqueue_set_affinity(net->txqs[i].pvg.vq, mask);
		__netif_set_xps_queue(net->dev, cpumask_bits(mask), i, XPS_CPUS);
	}
	cpus_read_unlock();
	free_cpumask_var(mask);
}

static void affinity_work(struct work_struct *work)
{
	struct pvg_net *net = container_of(work, struct pvg_net, affinity_work);

	rtnl_lock();
	pvg_net_spread(net);
	rtnl_unlock();
}

/*
 * A CPU came, or is about to go: pvg_net_spread() waits until it has gone. rtnl is taken
 * before the lock that is held here.
 */
static int cpu_changes(unsigned int cpu, struct hlist_node *node)
{
	struct pvg_net *net = hlist_entry(node, struct pvg_net, cpu_node);

	schedule_work(&net->affinity_work);
	return 0;
}

/**
 * pvg_net_follow_cpus() - do it again when CPUs come and go
 * @net: the device
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
int pvg_net_follow_cpus(struct pvg_net *net)
{
	int err = cpuhp_state_add_instance_nocalls(online_state, &net->cpu_node);

	net->follows_cpus = !err;
	/* One may have come or gone since they were shared. */
	if (!err)
		schedule_work(&net->affinity_work);
	return err;
}

/**
 * pvg_net_ignore_cpus() - end that
 * @net: the device; may not follow them
 *
 * Context: may sleep; without rtnl.
 */
void pvg_net_ignore_cpus(struct pvg_net *net)
{
	if (net->follows_cpus)
		cpuhp_state_remove_instance_nocalls(online_state, &net->cpu_node);
	net->follows_cpus = false;
	cancel_work_sync(&net->affinity_work);
}

/**
 * pvg_net_init_affinity() - before pvg_net_follow_cpus()
 * @net: the device
 */
void pvg_net_init_affinity(struct pvg_net *net)
{
	INIT_WORK(&net->affinity_work, affinity_work);
}

int __init pvg_net_affinity_init(void)
{
	int state = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "net/pvg:online",
					    cpu_changes, cpu_changes);

	online_state = state;
	return min(state, 0);
}

void pvg_net_affinity_exit(void)
{
	cpuhp_remove_multi_state(online_state);
}

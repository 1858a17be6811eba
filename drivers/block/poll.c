// SPDX-License-Identifier: GPL-2.0-only
/*
 * How many queues have no interrupts, for requests that are polled for (io_uring with
 * IORING_SETUP_IOPOLL): the module parameter poll_queues.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kstrtox.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/virtio.h>

#include "pvg_blk.h"

#define POLL_QUEUES_MAX	1024

static unsigned int poll_queues;

static int set_poll_queues(const char *val, const struct kernel_param *kp)
{
	unsigned int n;

	if (kstrtouint(val, 0, &n) || n > POLL_QUEUES_MAX) {
		pr_err("poll_queues is %.*s, allowed are 0 to %u\n",
		       (int)strcspn(val, "\n"), val, POLL_QUEUES_MAX);
		return -EINVAL;
	}
	WRITE_ONCE(poll_queues, n);
	return 0;
}

static const struct kernel_param_ops poll_queues_ops = {
	.set = set_poll_queues,
	.get = param_get_uint,
};

module_param_cb(poll_queues, &poll_queues_ops, &poll_queues, 0644);
MODULE_PARM_DESC(poll_queues, "queues of each disk that are polled and have no interrupts (default 0)");

/**
 * pvg_blk_poll_queues() - how many queues of a device are to be polled
 * @blk: the device
 * @n: queues that it has, at least 1
 *
 * One is left for interrupts; more than one per CPU would not be used. A device that
 * has fewer than were asked for works with what it has.
 *
 * Context: may sleep. Return: less than @n.
 */
unsigned int pvg_blk_poll_queues(struct pvg_blk *blk, unsigned int n)
{
	unsigned int want = min(READ_ONCE(poll_queues), nr_cpu_ids);

	if (want < n)
		return want;
	dev_warn(&blk->vdev->dev,
		 "poll_queues is %u, of %u queue%s that the device has %u can be polled\n",
		 READ_ONCE(poll_queues), n, n == 1 ? "" : "s", n - 1);
	return n - 1;
}

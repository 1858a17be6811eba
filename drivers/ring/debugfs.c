// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/pvguest/<virtioN>/<queue>/stats
 * Documentation/ABI.md describes it. Writing anything resets the counters.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/virtio.h>

#include "core.h"

static struct dentry *root;

static int stats_show(struct seq_file *m, void *unused)
{
	struct pvg_queue *q = m->private;
	struct pvg_queue_stats s;
	struct pvg_moderation mod;
	struct pvg_hold h;
	struct pvg_receiver r;
	u32 inflight, armed;
	unsigned long flags;
	unsigned int i;

	flags = pvg_queue_lock(q);
	s = q->stats;
	h = q->hold;
	r = q->rcv;
	mod = q->mod;
	inflight = q->inflight;
	armed = q->armed;
	pvg_queue_unlock(q, flags);

	for (i = 0; pvg_stats_name(i); i++)
		seq_printf(m, "%s: %llu\n", pvg_stats_name(i),
			   pvg_stats_value(&s, i));
	seq_printf(m, "inflight: %u\n", inflight);
	seq_printf(m, "event_threshold: %u\n", armed);
	seq_printf(m, "policy: %s\n", pvg_policy_name(mod.policy));
	seq_printf(m, "frames: %u\n", mod.frames);
	seq_printf(m, "usecs: %u\n", mod.usecs);
	seq_printf(m, "event_mode: %s\n", pvg_event_mode_name(q->mode));
	if (q->ops->receive) {
		seq_printf(m, "predicted_buffers: %u\n", r.want);
		seq_printf(m, "receive_gap_ns: %u\n", r.gap_ns);
		return 0;
	}
	seq_printf(m, "hold_window: %u\n", h.window);
	seq_printf(m, "hold_credit_ns: %lld\n", h.credit_ns);
	seq_printf(m, "doorbell_ns: %u\n", READ_ONCE(q->bell_ns));
	seq_printf(m, "submission_gap_ns: %u\n", h.gap_ns);
	return 0;
}

static ssize_t stats_write(struct file *file, const char __user *buf,
			   size_t count, loff_t *pos)
{
	pvg_stats_reset(file_inode(file)->i_private);
	return count;
}

static int stats_open(struct inode *inode, struct file *file)
{
	return single_open(file, stats_show, inode->i_private);
}

static const struct file_operations stats_fops = {
	.owner = THIS_MODULE,
	.open = stats_open,
	.read = seq_read,
	.write = stats_write,
	.llseek = seq_lseek,
	.release = single_release,
};

void pvg_debugfs_init(void)
{
	root = debugfs_create_dir("pvguest", NULL);
}

void pvg_debugfs_exit(void)
{
	debugfs_remove(root);
}

void pvg_debugfs_add_ring(struct pvg_ring *ring)
{
	ring->debugfs = debugfs_create_dir(dev_name(&ring->vdev->dev), root);
}

void pvg_debugfs_add_queue(struct pvg_ring *ring, struct pvg_queue *q)
{
	q->debugfs = debugfs_create_dir(q->vq->name, ring->debugfs);
	debugfs_create_file("stats", 0600, q->debugfs, q, &stats_fops);
}

/* Waits for readers, so the queue may go afterwards. */
void pvg_debugfs_remove_queue(struct pvg_queue *q)
{
	debugfs_remove(q->debugfs);
	q->debugfs = NULL;
}

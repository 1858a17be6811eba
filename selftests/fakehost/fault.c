// SPDX-License-Identifier: GPL-2.0-only
/*
 * Faults that break no rule of the ring: what is lost, late or stale on the way
 * between driver and device. "NAME VALUE" is written to .../pvg_fakehost/fault:
 *
 *	lose-kick N	every Nth doorbell of a queue is not heard; 0: none
 *	lose-irq N	every Nth interrupt of a queue does not arrive; 0: none
 *	stale-event N	the next N times avail_event is one from long ago
 *	silent N	1: the device does nothing; 0: it goes on
 *	slow-every N	every Nth request of a disk takes long; 0: none
 *	slow-ms N	so long
 *	mute N		the next N doorbells cannot be rung
 */
#include <linux/debugfs.h>
#include <linux/string.h>

#include "fakehost.h"

static const char * const names[FH_FAULTS] = {
	[FH_LOSE_KICK] = "lose-kick",
	[FH_LOSE_IRQ] = "lose-irq",
	[FH_STALE_EVENT] = "stale-event",
	[FH_SILENT] = "silent",
	[FH_SLOW_EVERY] = "slow-every",
	[FH_SLOW_MS] = "slow-ms",
	[FH_MUTE] = "mute",
};

static struct fh_dev *dev_of(const struct fh_vq *q)
{
	return container_of(q->vq->vdev, struct fh_dev, vdev);
}

/* Is this the Nth of those that @turn counts? */
static bool is_nth(struct fh_dev *dev, enum fh_fault fault, atomic_t *turn)
{
	int every = atomic_read(&dev->fault[fault]);

	return every && atomic_inc_return(turn) % every == 0;
}

/* One less of what is to happen so many times. */
static bool is_next(struct fh_dev *dev, enum fh_fault fault)
{
	return atomic_add_unless(&dev->fault[fault], -1, 0);
}

/* A doorbell is not heard. */
bool fh_kick_is_lost(struct fh_dev *dev, struct fh_vq *q)
{
	if (!is_nth(dev, FH_LOSE_KICK, &q->kick_turn))
		return false;
	atomic_inc(&dev->lost_kicks);
	return true;
}

/* A doorbell cannot be rung. */
bool fh_is_mute(struct fh_dev *dev)
{
	return is_next(dev, FH_MUTE);
}

/* An interrupt does not arrive. */
bool fh_irq_is_lost(struct fh_vq *q)
{
	struct fh_dev *dev = dev_of(q);

	if (!is_nth(dev, FH_LOSE_IRQ, &q->irq_turn))
		return false;
	atomic_inc(&dev->lost_irqs);
	return true;
}

/* avail_event is to be one that suppresses all doorbells. */
bool fh_event_is_stale(struct fh_vq *q)
{
	return is_next(dev_of(q), FH_STALE_EVENT);
}

bool fh_is_silent(struct fh_dev *dev)
{
	return atomic_read(&dev->fault[FH_SILENT]);
}

/* How long a request takes, in milliseconds; 0: no time. */
static unsigned int delay(struct fh_dev *dev)
{
	return is_nth(dev, FH_SLOW_EVERY, &dev->slow_turn) ?
	       atomic_read(&dev->fault[FH_SLOW_MS]) : 0;
}

/* A request is given back later than the others; one at a time. */
bool fh_push_later(struct fh_dev *dev, struct fh_vq *q, u16 id, u32 len)
{
	unsigned int ms;

	lockdep_assert_held(&dev->lock);

	if (dev->late.q)
		return false;
	ms = delay(dev);
	if (!ms)
		return false;
	dev->late.q = q;
	dev->late.id = id;
	dev->late.len = len;
	schedule_delayed_work(&dev->late.work, msecs_to_jiffies(ms));
	return true;
}

static void late_work(struct work_struct *work)
{
	struct fh_dev *dev = container_of(to_delayed_work(work), struct fh_dev,
					  late.work);

	mutex_lock(&dev->lock);
	if (dev->late.q)
		fh_push_spoiled(dev, dev->late.q, dev->late.id, dev->late.len);
	dev->late.q = NULL;
	mutex_unlock(&dev->lock);
}

void fh_fault_init(struct fh_dev *dev)
{
	INIT_DELAYED_WORK(&dev->late.work, late_work);
}

/* The device was reset, and has nothing any more. */
void fh_fault_reset(struct fh_dev *dev)
{
	lockdep_assert_held(&dev->lock);

	dev->late.q = NULL;
	cancel_delayed_work(&dev->late.work);
}

void fh_fault_show(struct seq_file *m, struct fh_dev *dev)
{
	unsigned int i;

	seq_printf(m, "lost_kicks: %d\n", atomic_read(&dev->lost_kicks));
	seq_printf(m, "lost_irqs: %d\n", atomic_read(&dev->lost_irqs));
	for (i = 0; i < FH_FAULTS; i++)
		seq_printf(m, "fault %s: %d\n", names[i],
			   atomic_read(&dev->fault[i]));
}

static void count_anew(struct fh_dev *dev)
{
	unsigned int i;

	atomic_set(&dev->slow_turn, 0);
	for (i = 0; i < FH_VQS; i++) {
		atomic_set(&dev->vqs[i].kick_turn, 0);
		atomic_set(&dev->vqs[i].irq_turn, 0);
	}
}

static ssize_t fault_write(struct file *file, const char __user *from,
			   size_t count, loff_t *pos)
{
	struct fh_dev *dev = file_inode(file)->i_private;
	char line[64] = "", name[32];
	unsigned int n;
	int fault;

	if (count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	if (sscanf(line, "%31s %u", name, &n) != 2 || n > INT_MAX)
		return -EINVAL;
	fault = match_string(names, FH_FAULTS, name);
	if (fault < 0)
		return fault;
	atomic_set(&dev->fault[fault], n);
	count_anew(dev);
	if (fault == FH_SILENT)
		schedule_work(&dev->work);
	return count;
}

const struct file_operations fh_fault_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = fault_write,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The freeze lease, carried out: a process hands over descriptors, their file
 * systems are frozen in this order and thawed in the opposite one when the lease
 * ends, for whatever reason (services_lease.c). Thawing is done by a workqueue
 * of its own, since it may wait for a device; the host gets its heartbeat all
 * the while.
 *
 * The lease may end while a file system is still being frozen, which cannot be
 * interrupted. What is frozen by then thaws at once, and that one when it is.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "channel.h"
#include "pvguest/compat_fs.h"
#include "../../../include/uapi/pvguest/control_dev.h"

#define THAW_WAIT_MS	60000

/**
 * struct pvg_freezer - what is frozen
 * @lock: of all that follows; not held while anything is frozen or thawed
 * @files: keep their file systems mounted; the first @frozen are frozen
 * @frozen: how many
 * @freezing: a process is at it, and has the file system of @files[@frozen]
 * @thawed: files of what was thawed; @work's own, no lock
 * @nr_thawed: how many; 0 once they are closed
 * @errors: that did not thaw
 * @owner: of the lease; protected by &pvg_channel.lock
 * @wq: runs @work
 * @work: thaws
 */
struct pvg_freezer {
	struct mutex lock;	/* of all but @owner and the work */
	struct file *files[PVG_CONTROL_FREEZE_MAX];
	u32 frozen;
	bool freezing;
	struct file *thawed[PVG_CONTROL_FREEZE_MAX];
	u32 nr_thawed;
	u32 errors;
	struct pvg_freeze_owner *owner;
	struct workqueue_struct *wq;
	struct work_struct work;
};

static struct pvg_freezer freezer;

static struct super_block *sb_of(const struct file *file)
{
	return file_inode(file)->i_sb;
}

static bool thaw_one(struct file *file)
{
	struct super_block *sb = sb_of(file);
	int err = pvg_thaw_super(sb);

	/* Somebody was faster, with fsfreeze or sysrq: it is thawed. */
	if (err == -EINVAL)
		err = 0;
	if (err)
		pr_err_ratelimited("pvg_ctl: %s does not thaw: %pe; try fsfreeze --unfreeze\n",
				   sb->s_id, ERR_PTR(err));
	return !err;
}

/*
 * Let go of the file systems, and at once, so that they can be unmounted. Not
 * before all are thawed: the last one who holds one unmounts it, which may have
 * to write to another.
 */
static void put_thawed(void)
{
	u32 i;

	for (i = freezer.nr_thawed; i; i--)
		__fput_sync(freezer.thawed[i - 1]);
	WRITE_ONCE(freezer.nr_thawed, 0);
}

/* The last one that is frozen, or NULL. */
static struct file *take_frozen(void)
{
	struct file *file = NULL;

	mutex_lock(&freezer.lock);
	if (freezer.frozen) {
		file = freezer.files[--freezer.frozen];
		freezer.files[freezer.frozen] = NULL;
	}
	mutex_unlock(&freezer.lock);
	return file;
}

static void thaw_work(struct work_struct *work)
{
	struct pvg_channel *ch = &pvg_channel;
	struct file *file;
	bool due, done;
	u32 errors;

	/* This may be late, and what is frozen now another lease's. */
	mutex_lock(&ch->lock);
	due = ch->services.lease.state == PVC_LEASE_THAWING;
	mutex_unlock(&ch->lock);
	if (!due)
		return;
	while ((file = take_frozen())) {
		freezer.thawed[freezer.nr_thawed++] = file;
		if (thaw_one(file))
			continue;
		mutex_lock(&freezer.lock);
		freezer.errors++;
		mutex_unlock(&freezer.lock);
	}
	mutex_lock(&freezer.lock);
	/* Who is still freezing has this run again when he is done. */
	done = !freezer.freezing && !freezer.frozen;
	errors = freezer.errors;
	mutex_unlock(&freezer.lock);
	if (!done)
		return;

	mutex_lock(&ch->lock);
	freezer.owner = NULL;
	smp_wmb();	/* files that are to be put are counted before it is over */
	pvs_thawed(&ch->services, errors);
	pvg_channel_flush_locked();
	mutex_unlock(&ch->lock);
	put_thawed();
	wake_up_all(&ch->thawed);
}

/**
 * pvg_freeze_thaw() - the lease has ended
 * @v: unused
 *
 * pvs_thawed() follows.
 *
 * Context: any.
 */
void pvg_freeze_thaw(struct pvs *v)
{
	queue_work(freezer.wq, &freezer.work);
}

static bool is_frozen_already(const struct super_block *sb)
{
	u32 i;

	for (i = 0; i < freezer.frozen; i++)
		if (sb_of(freezer.files[i]) == sb)
			return true;
	return false;
}

static bool lease_goes_on(void)
{
	u32 state = READ_ONCE(pvg_channel.services.lease.state);

	return state == PVC_LEASE_FREEZING;
}

/* Freeze the file system of a descriptor. Consumes @file. */
static int freeze_one(struct file *file)
{
	struct super_block *sb = sb_of(file);
	bool keep;
	int err;

	mutex_lock(&freezer.lock);
	keep = !is_frozen_already(sb);
	mutex_unlock(&freezer.lock);
	if (!keep) {
		fput(file);
		return 0;
	}
	err = pvg_can_freeze(sb) ? pvg_freeze_super(sb) : -EOPNOTSUPP;
	if (err) {
		pr_err_ratelimited("pvg_ctl: %s (%s) cannot be frozen: %pe\n",
				   sb->s_id, sb->s_type->name, ERR_PTR(err));
		fput(file);
		return err;
	}
	mutex_lock(&freezer.lock);
	freezer.files[freezer.frozen++] = file;
	mutex_unlock(&freezer.lock);
	return 0;
}

static int freeze_all(const s32 *fds, u32 nr)
{
	struct file *file;
	int err = 0;
	u32 i;

	for (i = 0; i < nr && !err; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!lease_goes_on())
			return -ETIME;
		file = fget(fds[i]);
		if (!file) {
			pr_err_ratelimited("pvg_ctl: freeze: descriptor %d is not open\n",
					   fds[i]);
			return -EBADF;
		}
		err = freeze_one(file);
	}
	return err;
}

static int begin_lease(struct pvg_control_freeze *req,
		       struct pvg_freeze_owner *owner)
{
	struct pvg_channel *ch = &pvg_channel;
	u32 ms = req->lease_ms ?: PVC_LEASE_DEFAULT_MS;
	u32 status;

	mutex_lock(&ch->lock);
	/* It could not shut down. */
	status = pvs_stopping(&ch->services) ? PVC_BUSY :
		 pvs_lease_begin(&ch->services.lease, ms,
				 req->flags & PVG_CONTROL_FREEZE_SESSION,
				 pvg_channel_now());
	if (status == PVC_OK) {
		freezer.owner = owner;
		owner->lease = ch->services.lease.number;
		put_pid(owner->pid);
		owner->pid = get_pid(task_tgid(current));
		req->lease = owner->lease;
		mutex_lock(&freezer.lock);
		freezer.freezing = true;
		freezer.errors = 0;
		mutex_unlock(&freezer.lock);
		pvg_channel_flush_locked();
	}
	mutex_unlock(&ch->lock);
	return status == PVC_OK ? 0 : status == PVC_BUSY ? -EBUSY : -EINVAL;
}

/* Everything is frozen, or something failed, or it took too long. */
static int end_freezing(int err, u32 *frozen)
{
	struct pvg_channel *ch = &pvg_channel;

	mutex_lock(&ch->lock);
	mutex_lock(&freezer.lock);
	freezer.freezing = false;
	*frozen = freezer.frozen;
	mutex_unlock(&freezer.lock);
	if (err)
		pvs_end_lease(&ch->services, PVC_LEASE_END_FAILED);
	else if (!pvs_lease_frozen(&ch->services.lease, *frozen))
		err = -ETIME;
	/* What was frozen after it ended is still to be thawed. */
	if (err)
		pvg_freeze_thaw(&ch->services);
	pvg_channel_flush_locked();
	mutex_unlock(&ch->lock);
	return err;
}

/* Is this lease over, and its file systems let go of? */
static bool is_over(u32 lease)
{
	const struct pvs_lease *l = &pvg_channel.services.lease;

	if (READ_ONCE(l->number) == lease &&
	    READ_ONCE(l->state) != PVC_LEASE_NONE)
		return false;
	smp_rmb();	/* pairs with that of thaw_work() */
	return !READ_ONCE(freezer.nr_thawed);
}

static int wait_until_over(u32 lease)
{
	long left = wait_event_killable_timeout(pvg_channel.thawed,
						is_over(lease),
						msecs_to_jiffies(THAW_WAIT_MS));

	if (left < 0)
		return left;
	return left ? 0 : -ETIMEDOUT;
}

/**
 * pvg_freeze_begin() - freeze, under a new lease
 * @req: lease_ms, flags and nr_fds, checked; frozen and lease are filled in
 * @fds: descriptors of the caller
 * @owner: of the open file it is to belong to
 *
 * Context: process, with the caller's descriptors. Return: 0 or as
 * PVG_CONTROL_FREEZE.
 */
int pvg_freeze_begin(struct pvg_control_freeze *req, const s32 *fds,
		     struct pvg_freeze_owner *owner)
{
	int err = begin_lease(req, owner);

	if (err)
		return err;
	err = end_freezing(freeze_all(fds, req->nr_fds), &req->frozen);
	if (err)
		wait_until_over(req->lease);
	return err;
}

/* There is nothing of its own that the owner could be told. */
static int nothing_of_its_own(const struct pvg_freeze_owner *owner)
{
	lockdep_assert_held(&pvg_channel.lock);

	return freezer.owner && freezer.owner != owner ? -EPERM : -ENOENT;
}

/**
 * pvg_freeze_end() - thaw, on behalf of the owner
 * @owner: of the open file
 *
 * Context: may sleep. Return: 0 or as PVG_CONTROL_THAW.
 */
int pvg_freeze_end(struct pvg_freeze_owner *owner)
{
	struct pvg_channel *ch = &pvg_channel;
	u32 lease;
	int err;

	mutex_lock(&ch->lock);
	lease = owner->lease;
	if (lease && lease == ch->services.lease.number)
		pvs_end_lease(&ch->services, PVC_LEASE_END_RELEASED);
	mutex_unlock(&ch->lock);
	err = lease ? wait_until_over(lease) : 0;
	if (err)
		return err;

	mutex_lock(&ch->lock);
	switch (pvs_lease_verdict(&ch->services.lease, lease, PVS_TOLD_OWNER)) {
	case PVC_OK:
		break;
	case PVC_EXPIRED:
		err = -ETIME;
		break;
	case PVC_FAILED:
		err = -EIO;
		break;
	default:
		err = nothing_of_its_own(owner);
		break;
	}
	mutex_unlock(&ch->lock);
	return err;
}

/**
 * pvg_freeze_renew() - a new term, on behalf of the owner
 * @owner: of the open file
 * @lease_ms: from now on
 *
 * Context: may sleep. Return: 0 or as PVG_CONTROL_RENEW.
 */
int pvg_freeze_renew(struct pvg_freeze_owner *owner, u32 lease_ms)
{
	struct pvg_channel *ch = &pvg_channel;
	int err = 0;

	mutex_lock(&ch->lock);
	switch (pvs_lease_renew(&ch->services.lease, owner->lease, lease_ms,
				pvg_channel_now())) {
	case PVC_OK:
		break;
	case PVC_INVALID:
		err = -EINVAL;
		break;
	case PVC_EXPIRED:
		err = -ETIME;
		break;
	default:
		err = nothing_of_its_own(owner);
		break;
	}
	pvg_channel_flush_locked();
	mutex_unlock(&ch->lock);
	return err;
}

/**
 * pvg_freeze_disown() - an open file is gone, and with it its lease
 * @owner: of the open file; not used afterwards
 *
 * Context: may sleep.
 */
void pvg_freeze_disown(struct pvg_freeze_owner *owner)
{
	struct pvg_channel *ch = &pvg_channel;

	mutex_lock(&ch->lock);
	if (freezer.owner == owner) {
		pvs_end_lease(&ch->services, PVC_LEASE_END_OWNER);
		freezer.owner = NULL;
	}
	pvg_channel_flush_locked();
	mutex_unlock(&ch->lock);
	put_pid(owner->pid);
}

static int is_same(const void *file, struct file *other, unsigned int fd)
{
	return file == other;
}

/*
 * A process that was killed keeps its descriptors until its last thread is gone. One
 * that waits to write to what is frozen, or dumps its memory there, goes no sooner
 * than that is thawed. A core dump may make a second table of them. If the file is open
 * more often than that, another process has a descriptor, or a call is under way.
 */
static bool is_dying(const struct pvg_freeze_owner *owner)
{
	struct files_struct *seen[2] = {};
	struct task_struct *task, *thread;
	unsigned int n = 0;

	rcu_read_lock();
	task = pid_task(owner->pid, PIDTYPE_TGID);
	if (!task || !(READ_ONCE(task->signal->flags) & SIGNAL_GROUP_EXIT)) {
		rcu_read_unlock();
		return false;
	}
	for_each_thread(task, thread) {
		struct files_struct *files;

		task_lock(thread);
		files = thread->files;
		if (files && files != seen[0] && files != seen[1] &&
		    n < ARRAY_SIZE(seen) &&
		    iterate_fd(files, 0, is_same, owner->file))
			seen[n++] = files;
		task_unlock(thread);
	}
	rcu_read_unlock();
	return n && file_count(owner->file) <= n;
}

/**
 * pvg_freeze_look_locked() - end the lease if its owner is dying
 *
 * Context: &pvg_channel.lock held. Return: whether the owner of a lease has to be
 * looked at again in a while.
 */
bool pvg_freeze_look_locked(void)
{
	struct pvg_channel *ch = &pvg_channel;

	lockdep_assert_held(&ch->lock);

	if (!freezer.owner || !pvs_lease_left(&ch->services.lease, pvg_channel_now()))
		return false;
	if (!is_dying(freezer.owner))
		return true;
	pvs_end_lease(&ch->services, PVC_LEASE_END_OWNER);
	return false;
}

/**
 * pvg_freeze_init() - before anybody can freeze
 *
 * Return: 0 or -ENOMEM.
 */
int pvg_freeze_init(void)
{
	mutex_init(&freezer.lock);
	INIT_WORK(&freezer.work, thaw_work);
	freezer.wq = alloc_workqueue("pvg_thaw", WQ_MEM_RECLAIM | WQ_UNBOUND, 1);
	return freezer.wq ? 0 : -ENOMEM;
}

/**
 * pvg_freeze_exit() - when nobody can freeze any more
 *
 * Waits for what is being thawed.
 *
 * Context: may sleep.
 */
void pvg_freeze_exit(void)
{
	destroy_workqueue(freezer.wq);
	mutex_destroy(&freezer.lock);
}

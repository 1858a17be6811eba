// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which open file of /dev/pvg_control provides which service, and the requests that wait
 * to be accepted. See include/uapi/pvguest/control_dev.h.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/memcontrol.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "stream.h"

#define ACCEPT_FLAGS	(O_CLOEXEC | O_NONBLOCK)

static LIST_HEAD(listeners);

/**
 * pvg_listener_get() - one more reference
 * @l: the listener
 */
struct pvg_listener *pvg_listener_get(struct pvg_listener *l)
{
	refcount_inc(&l->refs);
	return l;
}

/**
 * pvg_listener_put() - one reference less
 * @l: the listener
 */
void pvg_listener_put(struct pvg_listener *l)
{
	if (!refcount_dec_and_test(&l->refs))
		return;
	put_pid(l->opener);
	mem_cgroup_put(l->memcg);
	kfree(l);
}

/**
 * pvg_listener_charge() - charge what is allocated with __GFP_ACCOUNT to the daemon
 * @l: its listener
 *
 * Return: what set_active_memcg() is to be called with afterwards.
 */
struct mem_cgroup *pvg_listener_charge(struct pvg_listener *l)
{
	return set_active_memcg(l->memcg);
}

/* What waits was not begun. */
static void drop_waiting(struct pvg_listener *l)
{
	struct pvg_stream *st, *next;

	list_for_each_entry_safe(st, next, &l->waiting, node) {
		list_del_init(&st->node);
		pvg_stream_drop(st, PVC_NO_SERVICE);
	}
}

/* Does the process still run that alone may accept? */
static bool is_alive(const struct pvg_listener *l)
{
	struct task_struct *task;
	bool alive;

	rcu_read_lock();
	task = pid_task(l->opener, PIDTYPE_TGID);
	/* A zombie is still found. */
	alive = task && atomic_read(&task->signal->live);
	rcu_read_unlock();
	return alive;
}

/**
 * pvg_listener_look_locked() - whose process has ended provides nothing any more
 *
 * Though another one may have the descriptor, and keeps the file open.
 *
 * Context: may sleep; &pvg_channel.lock held; what is to be sent then has to be.
 */
void pvg_listener_look_locked(void)
{
	struct pvg_listener *l;

	lockdep_assert_held(&pvg_channel.lock);

	list_for_each_entry(l, &listeners, node) {
		if (bitmap_empty(l->services, PVC_SERVICE_NR) || is_alive(l))
			continue;
		bitmap_zero(l->services, PVC_SERVICE_NR);
		drop_waiting(l);
		pvg_channel_announce_locked();
	}
}

static struct pvg_listener *provider(u16 service)
{
	struct pvg_listener *l;

	lockdep_assert_held(&pvg_channel.lock);

	if (service >= PVC_SERVICE_NR)
		return NULL;
	pvg_listener_look_locked();
	list_for_each_entry(l, &listeners, node)
		if (test_bit(service, l->services))
			return l;
	return NULL;
}

/**
 * pvg_listener_forward() - &pvs_ops.forward: a request that may be a daemon's
 * @v: the services
 * @s: the stream
 * @args: of the request
 * @len: of @args
 *
 * Of the freeze service only what begins a freeze is a daemon's.
 *
 * Context: may sleep; &pvg_channel.lock held. Return: whether a daemon takes
 * it, or it is answered.
 */
bool pvg_listener_forward(struct pvs *v, struct pvc_stream *s, const void *args,
			  u32 len)
{
	const struct pvc_service_range *range;
	struct pvg_listener *l = provider(s->service);
	struct pvg_stream *st;

	if (!l || (s->service == PVC_SERVICE_FREEZE &&
		   s->op != PVC_FREEZE_FREEZE))
		return false;
	range = &l->versions[s->service];
	if (s->version < range->version_min ||
	    s->version > range->version_max) {
		pvc_reply(&v->pvc, s, PVC_BAD_VERSION, 0);
		return true;
	}
	st = pvg_stream_alloc(l, s, args, len);
	if (!st) {
		pvc_reply(&v->pvc, s, PVC_BUSY, 0);
		return true;
	}
	list_add_tail(&st->node, &l->waiting);
	wake_up_interruptible(&l->wait);
	return true;
}

/**
 * pvg_listener_services() - what daemons provide
 * @ranges: room for PVC_SERVICE_NR
 *
 * Context: &pvg_channel.lock held. Return: how many there are.
 */
u32 pvg_listener_services(struct pvc_service_range *ranges)
{
	struct pvg_listener *l;
	unsigned int service;
	u32 n = 0;

	lockdep_assert_held(&pvg_channel.lock);

	list_for_each_entry(l, &listeners, node)
		for_each_set_bit(service, l->services, PVC_SERVICE_NR)
			if (service >= PVC_SERVICE_DAEMON)
				ranges[n++] = l->versions[service];
	return n;
}

/**
 * pvg_listener_open() - a file was opened
 *
 * Context: may sleep. Return: what the other functions take, or NULL.
 */
struct pvg_listener *pvg_listener_open(void)
{
	struct pvg_listener *l = kzalloc(sizeof(*l), GFP_KERNEL_ACCOUNT);

	if (!l)
		return NULL;
	refcount_set(&l->refs, 1);
	INIT_LIST_HEAD(&l->waiting);
	init_waitqueue_head(&l->wait);
	l->opener = get_pid(task_tgid(current));
	l->memcg = get_mem_cgroup_from_mm(current->mm);
	mutex_lock(&pvg_channel.lock);
	list_add_tail(&l->node, &listeners);
	mutex_unlock(&pvg_channel.lock);
	return l;
}

/**
 * pvg_listener_release() - it is closed: nobody provides its services any more
 * @l: the listener
 *
 * What waits was not begun, and ends with NO_SERVICE. What was accepted goes on.
 *
 * Context: may sleep.
 */
void pvg_listener_release(struct pvg_listener *l)
{
	mutex_lock(&pvg_channel.lock);
	list_del(&l->node);
	drop_waiting(l);
	if (!bitmap_empty(l->services, PVC_SERVICE_NR))
		pvg_channel_announce_locked();
	mutex_unlock(&pvg_channel.lock);
	pvg_channel_kick();
	pvg_listener_put(l);
}

/**
 * pvg_listener_may() - has the caller a right that comes with this open file?
 * @l: its listener
 * @right: PVG_CONTROL_RIGHT_*, or 0 for what cannot be given up
 */
bool pvg_listener_may(const struct pvg_listener *l, u32 right)
{
	return !(READ_ONCE(l->dropped) & right) &&
	       l->opener == task_tgid(current);
}

/**
 * pvg_listener_drop() - give rights up
 * @l: the listener
 * @rights: PVG_CONTROL_RIGHT_*
 *
 * Context: may sleep. Return: 0 or -EINVAL.
 */
int pvg_listener_drop(struct pvg_listener *l, u32 rights)
{
	if (rights & ~PVG_CONTROL_RIGHTS) {
		pr_err_ratelimited("pvg_ctl: rights %#x to give up: there are %#x\n",
				   rights, PVG_CONTROL_RIGHTS);
		return -EINVAL;
	}
	mutex_lock(&pvg_channel.lock);
	WRITE_ONCE(l->dropped, l->dropped | rights);
	mutex_unlock(&pvg_channel.lock);
	return 0;
}

static bool bind_is_valid(const struct pvg_control_bind *bind)
{
	if ((bind->service < PVC_SERVICE_DAEMON &&
	     bind->service != PVC_SERVICE_FREEZE) ||
	    bind->service >= PVC_SERVICE_NR || !bind->version_min ||
	    bind->version_min > bind->version_max || bind->reserved) {
		pr_err_ratelimited("pvg_ctl: service %u, versions %u to %u: allowed are %u and %u to %u, versions from 1 on\n",
				   bind->service, bind->version_min,
				   bind->version_max, PVC_SERVICE_FREEZE,
				   PVC_SERVICE_DAEMON, PVC_SERVICE_NR - 1);
		return false;
	}
	return true;
}

/**
 * pvg_listener_bind() - provide a service
 * @l: the listener
 * @bind: which
 *
 * Context: may sleep. Return: 0; -EINVAL; -EBUSY: somebody provides it.
 */
int pvg_listener_bind(struct pvg_listener *l,
		      const struct pvg_control_bind *bind)
{
	int err = 0;

	if (!bind_is_valid(bind))
		return -EINVAL;
	mutex_lock(&pvg_channel.lock);
	if (provider(bind->service)) {
		err = -EBUSY;
	} else {
		l->versions[bind->service] = (struct pvc_service_range) {
			.service = cpu_to_le16(bind->service),
			.version_min = bind->version_min,
			.version_max = bind->version_max,
		};
		set_bit(bind->service, l->services);
		pvg_channel_announce_locked();
	}
	mutex_unlock(&pvg_channel.lock);
	pvg_channel_kick();
	return err;
}

/*
 * The oldest request, off the list; -EAGAIN: there is none; -EMSGSIZE: its arguments
 * need more than @room, namely *@len.
 */
static struct pvg_stream *take_waiting(struct pvg_listener *l, u32 room,
				       u32 *len)
{
	struct pvg_stream *st;

	mutex_lock(&pvg_channel.lock);
	st = list_first_entry_or_null(&l->waiting, struct pvg_stream, node);
	if (!st) {
		st = ERR_PTR(-EAGAIN);
	} else {
		*len = st->args->len;
		if (*len > room)
			st = ERR_PTR(-EMSGSIZE);
		else
			list_del_init(&st->node);
	}
	mutex_unlock(&pvg_channel.lock);
	return st;
}

static struct pvg_stream *await_waiting(struct pvg_listener *l, u32 room,
					u32 *len, bool nonblock)
{
	struct pvg_stream *st;
	int err;

	for (;;) {
		st = take_waiting(l, room, len);
		if (st != ERR_PTR(-EAGAIN) || nonblock)
			return st;
		err = wait_event_interruptible(l->wait,
					       !list_empty_careful(&l->waiting));
		if (err)
			return ERR_PTR(err);
	}
}

/* It could not be handed over: somebody else may try. */
static void put_back(struct pvg_listener *l, struct pvg_stream *st)
{
	mutex_lock(&pvg_channel.lock);
	if (st->s) {
		list_add(&st->node, &l->waiting);
		wake_up_interruptible(&l->wait);
	} else {
		pvg_stream_drop(st, PVC_NO_SERVICE);
	}
	mutex_unlock(&pvg_channel.lock);
}

/* Returns a descriptor, or a negative errno; then the stream is still the caller's. */
static int hand_over(struct pvg_stream *st, const struct pvg_control_accept *req,
		     struct pvg_control_accept __user *arg)
{
	struct pvg_control_accept head = st->head;
	struct file *file;
	int fd;

	head.args = req->args;
	head.fd_flags = req->fd_flags;
	if (copy_to_user(u64_to_user_ptr(req->args), st->args->data,
			 st->args->len) ||
	    copy_to_user(arg, &head, sizeof(head)))
		return -EFAULT;
	fd = get_unused_fd_flags(req->fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	file = pvg_stream_file(st, req->fd_flags & O_NONBLOCK);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	fd_install(fd, file);
	return fd;
}

/**
 * pvg_listener_accept() - the oldest request, as a descriptor
 * @l: the listener
 * @arg: see PVG_CONTROL_ACCEPT
 * @nonblock: do not wait for one
 *
 * Context: may sleep. Return: the descriptor or a negative errno.
 */
int pvg_listener_accept(struct pvg_listener *l,
			struct pvg_control_accept __user *arg, bool nonblock)
{
	struct pvg_control_accept req;
	struct pvg_stream *st;
	u32 len = 0;
	int ret;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (req.fd_flags & ~ACCEPT_FLAGS || req.reserved) {
		pr_err_ratelimited("pvg_ctl: accept with descriptor flags %#x: allowed are %#x\n",
				   req.fd_flags, ACCEPT_FLAGS);
		return -EINVAL;
	}
	st = await_waiting(l, req.args_len, &len, nonblock);
	if (st == ERR_PTR(-EMSGSIZE) && put_user(len, &arg->args_len))
		return -EFAULT;
	if (IS_ERR(st))
		return PTR_ERR(st);
	ret = hand_over(st, &req, arg);
	if (ret < 0)
		put_back(l, st);
	return ret;
}

/**
 * pvg_listener_poll() - is there a request to accept?
 * @l: the listener
 * @file: the file
 * @wait: as of &file_operations.poll
 */
__poll_t pvg_listener_poll(struct pvg_listener *l, struct file *file,
			   struct poll_table_struct *wait)
{
	poll_wait(file, &l->wait, wait);
	return list_empty_careful(&l->waiting) ? 0 : EPOLLIN | EPOLLRDNORM;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/pvg_control: the guest's daemon freezes file systems through it, and
 * provides services to the host. See include/uapi/pvguest/control_dev.h.
 */
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "channel.h"
#include "../../../include/uapi/pvguest/control_dev.h"

/* An open file. */
struct control_file {
	struct pvg_listener *listener;
	struct pvg_freeze_owner owner;
};

static int control_open(struct inode *inode, struct file *file)
{
	struct pvg_channel *ch = &pvg_channel;
	struct control_file *cf;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = stream_open(inode, file);
	if (err)
		return err;
	cf = kzalloc(sizeof(*cf), GFP_KERNEL);
	if (!cf)
		return -ENOMEM;
	cf->listener = pvg_listener_open();
	if (!cf->listener) {
		kfree(cf);
		return -ENOMEM;
	}
	cf->owner.file = file;
	file->private_data = cf;
	pvg_crc_find();
	mutex_lock(&ch->lock);
	ch->files++;
	ch->services.daemon_attached = true;
	mutex_unlock(&ch->lock);
	return 0;
}

static int control_release(struct inode *inode, struct file *file)
{
	struct pvg_channel *ch = &pvg_channel;
	struct control_file *cf = file->private_data;

	pvg_freeze_disown(&cf->owner);
	pvg_listener_release(cf->listener);
	kfree(cf);
	mutex_lock(&ch->lock);
	ch->services.daemon_attached = --ch->files;
	mutex_unlock(&ch->lock);
	return 0;
}

static int check_freeze(const struct pvg_control_freeze *req)
{
	if (req->lease_ms > PVC_LEASE_MAX_MS ||
	    req->flags & ~PVG_CONTROL_FREEZE_FLAGS || req->reserved ||
	    !req->nr_fds ||
	    req->nr_fds > PVG_CONTROL_FREEZE_MAX) {
		pr_err_ratelimited("pvg_ctl: freeze of %u descriptors for %u ms, flags %#x: allowed are 1 to %u, up to %u ms, flags %#x\n",
				   req->nr_fds, req->lease_ms, req->flags,
				   PVG_CONTROL_FREEZE_MAX, PVC_LEASE_MAX_MS,
				   PVG_CONTROL_FREEZE_FLAGS);
		return -EINVAL;
	}
	return 0;
}

static long ioctl_freeze(struct control_file *cf, void __user *arg)
{
	struct pvg_control_freeze req;
	s32 *fds;
	int err;

	if (!pvg_listener_may(cf->listener, PVG_CONTROL_RIGHT_FREEZE))
		return -EPERM;
	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	err = check_freeze(&req);
	if (err)
		return err;
	fds = memdup_user(u64_to_user_ptr(req.fds),
			  array_size(req.nr_fds, sizeof(*fds)));
	if (IS_ERR(fds))
		return PTR_ERR(fds);
	req.frozen = 0;
	req.lease = 0;
	err = pvg_freeze_begin(&req, fds, &cf->owner);
	kfree(fds);
	/* The lease goes on; who gave a bad address has the file to close. */
	if (copy_to_user(arg, &req, sizeof(req)))
		return -EFAULT;
	return err;
}

static long ioctl_renew(struct control_file *cf, const u32 __user *arg)
{
	u32 lease_ms;

	if (!pvg_listener_may(cf->listener, PVG_CONTROL_RIGHT_FREEZE))
		return -EPERM;
	if (get_user(lease_ms, arg))
		return -EFAULT;
	return pvg_freeze_renew(&cf->owner, lease_ms);
}

static long ioctl_status(void __user *arg)
{
	struct pvg_channel *ch = &pvg_channel;
	struct pvg_control_status status = {};
	struct pvs_lease *l = &ch->services.lease;

	mutex_lock(&ch->lock);
	status.state = l->state;
	status.last_end = l->last_end;
	status.remaining_ms = pvs_lease_left(l, pvg_channel_now());
	status.filesystems = l->filesystems;
	status.errors = l->errors;
	status.lease = l->number;
	if (ch->services.pvc.state == PVC_UP)
		status.session = ch->services.pvc.session;
	mutex_unlock(&ch->lock);
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

static long ioctl_bind(struct control_file *cf, const void __user *arg)
{
	struct pvg_control_bind bind;

	if (!pvg_listener_may(cf->listener, PVG_CONTROL_RIGHT_BIND))
		return -EPERM;
	if (copy_from_user(&bind, arg, sizeof(bind)))
		return -EFAULT;
	return pvg_listener_bind(cf->listener, &bind);
}

static long ioctl_accept(struct control_file *cf, void __user *arg,
			 bool nonblock)
{
	if (!pvg_listener_may(cf->listener, 0))
		return -EPERM;
	return pvg_listener_accept(cf->listener, arg, nonblock);
}

static long ioctl_drop(struct control_file *cf, const u32 __user *arg)
{
	u32 rights;

	if (!pvg_listener_may(cf->listener, 0))
		return -EPERM;
	if (get_user(rights, arg))
		return -EFAULT;
	return pvg_listener_drop(cf->listener, rights);
}

static long control_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct control_file *cf = file->private_data;
	void __user *ptr = (void __user *)arg;

	switch (cmd) {
	case PVG_CONTROL_FREEZE:
		return ioctl_freeze(cf, ptr);
	case PVG_CONTROL_THAW:
		return pvg_freeze_end(&cf->owner);
	case PVG_CONTROL_RENEW:
		return ioctl_renew(cf, ptr);
	case PVG_CONTROL_STATUS:
		return ioctl_status(ptr);
	case PVG_CONTROL_BIND:
		return ioctl_bind(cf, ptr);
	case PVG_CONTROL_ACCEPT:
		return ioctl_accept(cf, ptr, file->f_flags & O_NONBLOCK);
	case PVG_CONTROL_DROP:
		return ioctl_drop(cf, ptr);
	default:
		return -ENOTTY;
	}
}

static __poll_t control_poll(struct file *file, poll_table *wait)
{
	struct control_file *cf = file->private_data;

	return pvg_listener_poll(cf->listener, file, wait);
}

static const struct file_operations control_fops = {
	.owner		= THIS_MODULE,
	.open		= control_open,
	.release	= control_release,
	.poll		= control_poll,
	.unlocked_ioctl	= control_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice control_device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "pvg_control",
	.mode	= 0600,
	.fops	= &control_fops,
};

/**
 * pvg_control_device_init() - make /dev/pvg_control
 *
 * Return: 0 or a negative errno.
 */
int pvg_control_device_init(void)
{
	return misc_register(&control_device);
}

/**
 * pvg_control_device_exit() - take it away; nobody has it open
 */
void pvg_control_device_exit(void)
{
	misc_deregister(&control_device);
}

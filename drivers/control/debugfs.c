// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/debug/pvguest/<virtioN>/{ports,emergency,reset}
 * Documentation/ABI.md describes them.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "pvg_ctl.h"

static const char *holder_name(enum pvg_ctl_holder holder)
{
	switch (holder) {
	case PVG_CTL_FREE:
		return "nobody";
	case PVG_CTL_FILE:
		return "file";
	case PVG_CTL_CONSOLE:
		return "console";
	case PVG_CTL_CLIENT:
		return "kernel";
	}
	return "?";
}

static void show_port(struct seq_file *m, struct pvg_ctl_port *port)
{
	struct pvg_ctl_console *con;

	con = rcu_dereference_protected(port->console,
					lockdep_is_held(&port->ctl->state_lock));
	mutex_lock(&port->lock);
	seq_printf(m, "%s held_by=%s host=%s received=%llu sent=%llu lost=%llu name=%s\n",
		   dev_name(&port->dev), holder_name(port->holder),
		   port->host_connected ? "connected" : "absent",
		   port->received, port->sent,
		   con ? pvg_ctl_console_lost(con) : 0,
		   port->name ?: "");
	mutex_unlock(&port->lock);
}

static int ports_show(struct seq_file *m, void *unused)
{
	struct pvg_ctl *ctl = m->private;
	u32 id;

	mutex_lock(&ctl->state_lock);
	for (id = 0; id < ctl->max_ports; id++)
		if (ctl->ports[id])
			show_port(m, ctl->ports[id]);
	mutex_unlock(&ctl->state_lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(ports);

static ssize_t emergency_write(struct file *filp, const char __user *from,
			       size_t len, loff_t *pos)
{
	struct pvg_ctl *ctl = filp->private_data;
	char text[128];

	if (!ctl->emergency)
		return -EOPNOTSUPP;
	len = min(len, sizeof(text));
	if (copy_from_user(text, from, len))
		return -EFAULT;
	pvg_ctl_console_emergency(ctl, text, len);
	return len;
}

static const struct file_operations emergency_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= emergency_write,
};

static ssize_t reset_write(struct file *filp, const char __user *from,
			   size_t len, loff_t *pos)
{
	struct pvg_ctl *ctl = filp->private_data;

	mutex_lock(&ctl->state_lock);
	ctl->reset_wanted = true;
	mutex_unlock(&ctl->state_lock);
	pvg_ctl_reset(ctl);
	return len;
}

static const struct file_operations reset_fops = {
	.owner	= THIS_MODULE,
	.open	= simple_open,
	.write	= reset_write,
};

/**
 * pvg_ctl_debugfs_add() - make the files of a device
 * @ctl: the device, with its ring registered; they go with that
 *
 * Context: may sleep.
 */
void pvg_ctl_debugfs_add(struct pvg_ctl *ctl)
{
	debugfs_create_file("ports", 0400, ctl->ring.debugfs, ctl,
			    &ports_fops);
	debugfs_create_file("emergency", 0200, ctl->ring.debugfs, ctl,
			    &emergency_fops);
	debugfs_create_file("reset", 0200, ctl->ring.debugfs, ctl, &reset_fops);
}

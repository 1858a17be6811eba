// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ports: how they come, are named, are taken by somebody, and go.
 *
 * Their devices are on a bus of the name "virtio-ports". The in-tree driver has
 * a class of that name, which two drivers cannot have both; udev's rules for
 * either are the same, since all they see is the name of the subsystem. Device
 * names have the number of the virtio device in them and so do not collide.
 */
#include <linux/ctype.h>
#include <linux/fs.h>
#include <linux/idr.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "channel/channel.h"
#include "pvg_ctl.h"

#define MINORS		4096
#define RX_BUFFERS	128	/* 4 KiB each, of a port that is in use */
#define RX_BUFFERS_CONSOLE 16

static struct bus_type port_bus = {
	.name = "virtio-ports",
};

static dev_t first_devt;
static DEFINE_IDA(minors);

/* Who takes ports inside the kernel; NULL at the end. */
static const struct pvg_ctl_client *const clients[] = {
	&pvg_channel_client,
	NULL
};

int pvg_ctl_port_init(void)
{
	int err;

	err = alloc_chrdev_region(&first_devt, 0, MINORS, KBUILD_MODNAME);
	if (err)
		return err;
	err = bus_register(&port_bus);
	if (err)
		unregister_chrdev_region(first_devt, MINORS);
	return err;
}

void pvg_ctl_port_exit(void)
{
	bus_unregister(&port_bus);
	unregister_chrdev_region(first_devt, MINORS);
	ida_destroy(&minors);
}

static struct pvg_ctl_port *to_port(struct device *dev)
{
	return container_of(dev, struct pvg_ctl_port, dev);
}

static ssize_t name_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%s\n", to_port(dev)->name);
}
static DEVICE_ATTR_RO(name);

/* The last file is closed. */
static void port_free(struct device *dev)
{
	struct pvg_ctl_port *port = to_port(dev);

	ida_free(&minors, MINOR(dev->devt));
	pvg_ctl_buf_free_list(&port->ready);
	kfree(port->name);
	mutex_destroy(&port->lock);
	mutex_destroy(&port->read_lock);
	mutex_destroy(&port->write_lock);
	pvg_ctl_put(port->ctl);
	/* Completions look at ports without references. */
	kfree_rcu(port, rcu);
}

static struct pvg_ctl_port *port_alloc(struct pvg_ctl *ctl, u32 id)
{
	struct pvg_ctl_port *port = kzalloc(sizeof(*port), GFP_KERNEL);

	if (!port)
		return NULL;
	kref_get(&ctl->ref);
	port->ctl = ctl;
	port->in = pvg_ctl_in_queue(ctl, id);
	port->out = pvg_ctl_out_queue(ctl, id);
	port->id = id;
	mutex_init(&port->lock);
	mutex_init(&port->read_lock);
	mutex_init(&port->write_lock);
	INIT_LIST_HEAD(&port->ready);
	init_waitqueue_head(&port->wait);
	return port;
}

static int init_device(struct pvg_ctl_port *port)
{
	struct virtio_device *vdev = port->ctl->vdev;
	int minor;

	minor = ida_alloc_max(&minors, MINORS - 1, GFP_KERNEL);
	if (minor < 0)
		return minor;
	device_initialize(&port->dev);
	port->dev.bus = &port_bus;
	port->dev.parent = &vdev->dev;
	port->dev.release = port_free;
	port->dev.devt = MKDEV(MAJOR(first_devt), minor);
	cdev_init(&port->cdev, &pvg_ctl_fops);
	port->cdev.owner = THIS_MODULE;
	return 0;
}

/* From here on completions find the port; or, with NULL, do not. */
static void set_queue_port(struct pvg_ctl_queue *cq, struct pvg_ctl_port *port)
{
	unsigned long flags;

	flags = pvg_queue_lock(&cq->pvg);
	rcu_assign_pointer(cq->port, port);
	pvg_queue_unlock(&cq->pvg, flags);
}

/**
 * pvg_ctl_port_add() - the device has a port
 * @ctl: the device; ports[id] is filled in
 * @id: below max_ports, and not there yet
 *
 * Context: may sleep; state_lock held. Return: 0 or a negative errno, which
 * was logged.
 */
int pvg_ctl_port_add(struct pvg_ctl *ctl, u32 id)
{
	struct pvg_ctl_port *port = port_alloc(ctl, id);
	int err = -ENOMEM;

	lockdep_assert_held(&ctl->state_lock);

	if (!port)
		goto fail;
	err = init_device(port);
	if (err)
		goto free_port;
	err = dev_set_name(&port->dev, "vport%up%u", ctl->vdev->index, id);
	if (err)
		goto put_device;
	set_queue_port(port->in, port);
	set_queue_port(port->out, port);
	ctl->ports[id] = port;
	err = cdev_device_add(&port->cdev, &port->dev);
	if (err)
		goto hide;
	return 0;

hide:
	ctl->ports[id] = NULL;
	set_queue_port(port->in, NULL);
	set_queue_port(port->out, NULL);
	synchronize_rcu();
put_device:
	put_device(&port->dev);
	goto fail;
free_port:
	pvg_ctl_put(ctl);
	kfree(port);
fail:
	dev_err_ratelimited(&ctl->vdev->dev, "port %u cannot be added: %pe\n",
			    id, ERR_PTR(err));
	return err;
}

static void notify(struct pvg_ctl_port *port, int band)
{
	kill_fasync(&port->fasync, SIGIO, band);
}

static void client_lost(struct pvg_ctl_port *port)
{
	const struct pvg_ctl_client *client = port->client;

	if (!client)
		return;
	port->client = NULL;
	/* No received() is running any more. */
	synchronize_rcu();
	client->lost(port->client_data);
}

/**
 * pvg_ctl_port_remove() - the device has taken a port away
 * @port: the port
 *
 * Who has it open is told and keeps it until it is closed.
 *
 * Context: may sleep; state_lock held.
 */
void pvg_ctl_port_remove(struct pvg_ctl_port *port)
{
	struct pvg_ctl *ctl = port->ctl;

	lockdep_assert_held(&ctl->state_lock);

	ctl->ports[port->id] = NULL;
	mutex_lock(&port->lock);
	WRITE_ONCE(port->host_connected, false);
	WRITE_ONCE(port->gone, true);
	mutex_unlock(&port->lock);
	wake_up_interruptible_all(&port->wait);
	notify(port, POLL_HUP);

	/* In this order: what comes in between is dropped. */
	set_queue_port(port->in, NULL);
	set_queue_port(port->out, NULL);
	client_lost(port);
	pvg_ctl_console_remove(port);
	cdev_device_del(&port->cdev, &port->dev);
	put_device(&port->dev);
}

/* Names become names of files, and may come from anywhere. */
static bool is_good_name(const char *name, size_t len)
{
	size_t i;

	if (!len || len > PVG_CTL_NAME_MAX || name[0] == '.')
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) || !isprint(name[i]) || name[i] == '/')
			return false;
	return true;
}

/**
 * pvg_ctl_port_set_name() - the device tells a port's name
 * @port: the port
 * @name: not terminated, or terminated early
 * @len: bytes
 *
 * A second name is ignored: after a reset the device tells the first again.
 *
 * Context: may sleep; state_lock held.
 */
void pvg_ctl_port_set_name(struct pvg_ctl_port *port, const char *name,
			   size_t len)
{
	char *copy;

	lockdep_assert_held(&port->ctl->state_lock);

	if (port->name)
		return;
	len = strnlen(name, len);
	if (!is_good_name(name, len)) {
		dev_warn_ratelimited(&port->dev,
				     "name of %zu bytes ignored, allowed are 1 to %u printable characters without '/', not starting with '.'\n",
				     len, PVG_CTL_NAME_MAX);
		return;
	}
	copy = kmemdup_nul(name, len, GFP_KERNEL);
	if (!copy)
		return;
	mutex_lock(&port->lock);
	port->name = copy;
	mutex_unlock(&port->lock);
	if (device_create_file(&port->dev, &dev_attr_name))
		dev_err(&port->dev, "name does not appear in sysfs\n");
	/* Now udev can make the link. */
	kobject_uevent(&port->dev.kobj, KOBJ_CHANGE);
	pvg_ctl_port_offer(port);
}

/**
 * pvg_ctl_port_set_connected() - somebody at the host has come or gone
 * @port: the port
 * @connected: the former
 *
 * Context: may sleep; state_lock held.
 */
void pvg_ctl_port_set_connected(struct pvg_ctl_port *port, bool connected)
{
	const struct pvg_ctl_client *client;

	lockdep_assert_held(&port->ctl->state_lock);

	WRITE_ONCE(port->unconfirmed, false);
	/* What it wrote before it went comes before the end. */
	if (!connected)
		pvg_ctl_rx_poll(port);
	if (port->host_connected == connected)
		return;
	smp_wmb();	/* pairs with smp_rmb() in ctl_read_iter() */
	WRITE_ONCE(port->host_connected, connected);
	wake_up_interruptible_all(&port->wait);
	notify(port, connected ? POLL_OUT : POLL_HUP);

	mutex_lock(&port->lock);
	client = port->client;
	mutex_unlock(&port->lock);
	if (client)
		client->connected(port->client_data, connected);
}

/**
 * pvg_ctl_port_take() - become the one who uses a port
 * @port: the port
 * @holder: who
 *
 * Context: may sleep. Return: 0; -ENODEV: the port is gone; -ENXIO: it is a
 * console; -EBUSY: somebody has it; -ENOMEM.
 */
int pvg_ctl_port_take(struct pvg_ctl_port *port, enum pvg_ctl_holder holder)
{
	u32 buffers = holder == PVG_CTL_CONSOLE ? RX_BUFFERS_CONSOLE :
						  RX_BUFFERS;
	unsigned long flags;
	int err;

	mutex_lock(&port->lock);
	if (port->gone)
		err = -ENODEV;
	else if (port->holder == PVG_CTL_CONSOLE)
		err = -ENXIO;
	else if (port->holder != PVG_CTL_FREE)
		err = -EBUSY;
	else
		err = pvg_ctl_rx_provision(port->in, buffers);
	if (!err) {
		flags = pvg_queue_lock(&port->in->pvg);
		port->holder = holder;
		pvg_queue_unlock(&port->in->pvg, flags);
		pvg_ctl_message_send(port->ctl, port->id,
				     VIRTIO_CONSOLE_PORT_OPEN, 1);
	}
	mutex_unlock(&port->lock);
	return err;
}

/**
 * pvg_ctl_port_release() - stop using a port
 * @port: the port, taken
 *
 * Context: may sleep.
 */
void pvg_ctl_port_release(struct pvg_ctl_port *port)
{
	unsigned long flags;

	mutex_lock(&port->lock);
	if (!port->gone)
		pvg_ctl_message_send(port->ctl, port->id,
				     VIRTIO_CONSOLE_PORT_OPEN, 0);
	flags = pvg_queue_lock(&port->in->pvg);
	port->holder = PVG_CTL_FREE;
	pvg_queue_unlock(&port->in->pvg, flags);
	pvg_ctl_rx_discard(port);
	pvg_ctl_tx_trim(port->out);
	mutex_unlock(&port->lock);
}

/**
 * pvg_ctl_port_received() - tell whoever uses a port that there is data
 * @port: the port
 *
 * Context: any; rcu_read_lock() held.
 */
void pvg_ctl_port_received(struct pvg_ctl_port *port)
{
	const struct pvg_ctl_client *client;
	struct pvg_ctl_console *con;

	switch (READ_ONCE(port->holder)) {
	case PVG_CTL_FREE:
		break;
	case PVG_CTL_FILE:
		wake_up_interruptible_poll(&port->wait,
					   EPOLLIN | EPOLLRDNORM);
		notify(port, POLL_IN);
		break;
	case PVG_CTL_CONSOLE:
		con = rcu_dereference(port->console);
		if (con)
			pvg_ctl_console_received(con);
		break;
	case PVG_CTL_CLIENT:
		client = READ_ONCE(port->client);
		if (client)
			client->received(port->client_data);
		break;
	}
}

/**
 * pvg_ctl_port_writable() - there may be room for more
 * @port: the port
 *
 * Context: any; rcu_read_lock() or state_lock held.
 */
void pvg_ctl_port_writable(struct pvg_ctl_port *port)
{
	struct pvg_ctl_console *con;

	if (READ_ONCE(port->holder) == PVG_CTL_CONSOLE) {
		rcu_read_lock();
		con = rcu_dereference(port->console);
		if (con)
			pvg_ctl_console_push(con);
		rcu_read_unlock();
	} else if (wq_has_sleeper(&port->wait)) {
		wake_up_interruptible_poll(&port->wait,
					   EPOLLOUT | EPOLLWRNORM);
	}
}

static const struct pvg_ctl_client *find_client(const char *name)
{
	unsigned int i;

	for (i = 0; clients[i]; i++)
		if (!strcmp(clients[i]->name, name))
			return clients[i];
	return NULL;
}

/**
 * pvg_ctl_port_offer() - give a port to the client that waits for its name
 * @port: the port
 *
 * Who has it open already keeps it.
 *
 * Context: may sleep; state_lock held.
 */
void pvg_ctl_port_offer(struct pvg_ctl_port *port)
{
	const struct pvg_ctl_client *client = find_client(port->name);

	lockdep_assert_held(&port->ctl->state_lock);

	if (!client || pvg_ctl_port_take(port, PVG_CTL_CLIENT))
		return;
	port->client_data = client->found(port);
	if (!port->client_data) {
		pvg_ctl_port_release(port);
		return;
	}
	mutex_lock(&port->lock);
	WRITE_ONCE(port->client, client);
	mutex_unlock(&port->lock);
	if (pvg_ctl_rx_readable(port))
		client->received(port->client_data);
}

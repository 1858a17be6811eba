// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/vportNpM: ports as files, with the meanings that programs know from the
 * in-tree driver:
 *
 *  - one opener at a time, more get EBUSY; consoles get ENXIO;
 *  - while no host is connected, a read returns 0 where there is nothing left
 *    to read, poll says POLLHUP, and a write waits;
 *  - once the port is gone, everything fails with ENODEV and poll says POLLHUP;
 *  - SIGIO for data and for connections that come and go.
 *
 * Other than there, a read takes all there is rather than one buffer, a write
 * writes all it is given rather than 32 KiB, and writers wait for room rather
 * than the kernel for the host.
 */
#include <linux/fcntl.h>
#include <linux/freezer.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "pvg_ctl.h"

/* Buffers a reader keeps from the device at most. */
#define SPENT_MAX	32

/*
 * Copies what there is. Returns bytes, 0 where there is nothing, or -EFAULT.
 *
 * Who may wait takes what came with an interrupt, and leaves it to the queue how
 * much that is; picking up each buffer that has come meanwhile would turn a read
 * of many into many reads.
 */
static ssize_t copy_ready(struct pvg_ctl_port *port, struct iov_iter *to,
			  bool may_wait)
{
	struct pvg_ctl_buf *buf;
	unsigned int kept = 0;
	LIST_HEAD(spent);
	ssize_t copied = 0;
	size_t n;

	if (!may_wait)
		pvg_ctl_rx_poll(port);
	pvg_ctl_rx_take(port);
	while (iov_iter_count(to) && !list_empty(&port->ready)) {
		buf = list_first_entry(&port->ready, struct pvg_ctl_buf, node);
		n = copy_to_iter(buf->data + buf->offset,
				 buf->len - buf->offset, to);
		copied += n;
		buf->offset += n;
		if (buf->offset < buf->len) {
			if (iov_iter_count(to) && !copied)
				copied = -EFAULT;
			break;
		}
		list_move_tail(&buf->node, &spent);
		if (++kept % SPENT_MAX == 0)
			pvg_ctl_rx_repost(port, &spent);
	}
	pvg_ctl_rx_repost(port, &spent);
	return copied;
}

static ssize_t ctl_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct pvg_ctl_port *port = iocb->ki_filp->private_data;
	bool nonblock = pvg_ctl_nonblocking(iocb);
	bool connected;
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	for (;;) {
		/* Looked at first: what came before a disconnect is read. */
		connected = READ_ONCE(port->host_connected);
		smp_rmb();	/* pairs with the lock of the queue in rx_used() */
		ret = pvg_ctl_lock_for(&port->read_lock, nonblock);
		if (ret)
			return ret;
		ret = READ_ONCE(port->gone) ? -ENODEV :
		      copy_ready(port, to, connected && !nonblock);
		mutex_unlock(&port->read_lock);
		if (ret || !connected)
			return ret;
		if (nonblock)
			return -EAGAIN;
		ret = wait_event_freezable(port->wait,
					   pvg_ctl_rx_readable(port) ||
					   !READ_ONCE(port->host_connected) ||
					   READ_ONCE(port->gone));
		if (ret)
			return ret;
	}
}

static bool may_write(struct pvg_ctl_port *port)
{
	return READ_ONCE(port->host_connected) && pvg_ctl_tx_room(port->out);
}

/*
 * One buffer full. Returns bytes, -EAGAIN where there is no room, or another
 * error; then nothing of @from is used up.
 */
static ssize_t write_some(struct pvg_ctl_port *port, struct iov_iter *from)
{
	size_t len = iov_iter_count(from);
	struct pvg_ctl_buf *buf;
	size_t n;
	int err;

	if (!READ_ONCE(port->host_connected) ||
	    (!pvg_ctl_tx_hopeful(port->out) && !pvg_ctl_tx_room(port->out)))
		return -EAGAIN;
	buf = pvg_ctl_tx_get(port->out, len, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	n = copy_from_iter(buf->data, min_t(size_t, buf->size, len), from);
	buf->len = n;
	err = n ? pvg_ctl_tx_queue(buf, false) : -EFAULT;
	if (err) {
		iov_iter_revert(from, n);
		pvg_ctl_tx_put(buf);
		return err;
	}
	return n;
}

/* As many buffers as there is room for. No lock is held while waiting. */
static ssize_t write_room(struct pvg_ctl_port *port, struct iov_iter *from,
			  bool nonblock)
{
	ssize_t ret, written = 0;

	ret = pvg_ctl_lock_for(&port->write_lock, nonblock);
	if (ret)
		return ret;
	while (iov_iter_count(from)) {
		ret = READ_ONCE(port->gone) ? -ENODEV : write_some(port, from);
		if (ret < 0)
			break;
		written += ret;
	}
	mutex_unlock(&port->write_lock);
	return written ?: ret;
}

static ssize_t ctl_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct pvg_ctl_port *port = iocb->ki_filp->private_data;
	bool nonblock = pvg_ctl_nonblocking(iocb);
	ssize_t ret = 0, written = 0;

	while (iov_iter_count(from)) {
		ret = write_room(port, from, nonblock);
		if (ret > 0) {
			written += ret;
			continue;
		}
		if (ret != -EAGAIN || nonblock)
			break;
		ret = wait_event_freezable(port->wait,
					   READ_ONCE(port->gone) ||
					   may_write(port));
		if (ret)
			break;
	}
	return written ?: ret;
}

static __poll_t ctl_poll(struct file *filp, poll_table *wait)
{
	struct pvg_ctl_port *port = filp->private_data;
	__poll_t mask = 0;
	bool connected;

	poll_wait(filp, &port->wait, wait);
	if (READ_ONCE(port->gone))
		return EPOLLHUP;
	connected = READ_ONCE(port->host_connected);
	if (!connected)
		mask |= EPOLLHUP;
	if (!pvg_ctl_rx_readable(port))
		pvg_ctl_rx_poll(port);
	if (!connected || pvg_ctl_rx_readable(port))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (connected && pvg_ctl_tx_room(port->out))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

static int ctl_fasync(int fd, struct file *filp, int on)
{
	struct pvg_ctl_port *port = filp->private_data;

	return fasync_helper(fd, filp, on, &port->fasync);
}

static int ctl_open(struct inode *inode, struct file *filp)
{
	struct pvg_ctl_port *port = container_of(inode->i_cdev,
						 struct pvg_ctl_port, cdev);
	int err;

	err = pvg_ctl_port_take(port, PVG_CTL_FILE);
	if (err)
		return err;
	filp->private_data = port;
	return stream_open(inode, filp);
}

static int ctl_release(struct inode *inode, struct file *filp)
{
	pvg_ctl_port_release(filp->private_data);
	return 0;
}

const struct file_operations pvg_ctl_fops = {
	.owner		= THIS_MODULE,
	.open		= ctl_open,
	.release	= ctl_release,
	.read_iter	= ctl_read_iter,
	.write_iter	= ctl_write_iter,
	.splice_read	= pvg_splice_read,
	.splice_write	= iter_file_splice_write,
	.poll		= ctl_poll,
	.fasync		= ctl_fasync,
};

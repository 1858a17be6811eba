/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of pvg_ctl share with each other.
 *
 * Lock order: &pvg_ctl.state_lock, &pvg_ctl_port.lock, &pvg_queue.lock,
 * &pvg_ctl_console.lock. &pvg_ctl_port.read_lock and .write_lock are taken
 * before &pvg_queue.lock and never with another mutex.
 */
#ifndef _PVG_CTL_H
#define _PVG_CTL_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/virtio_console.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pvguest/compat_ctl.h"
#include "pvguest/ring.h"

struct pvg_ctl_client;
struct pvg_ctl_console;
struct virtio_device;

#define PVG_CTL_MAX_PORTS	512	/* of one device */
#define PVG_CTL_NAME_MAX	255	/* bytes of a port's name */
#define PVG_CTL_TX_CLASSES	4	/* sizes of transmit buffers */

/**
 * enum pvg_ctl_state - life of a device; changed by set_state() in main.c only
 * @PVG_CTL_NEW: being probed
 * @PVG_CTL_LIVE: virtqueues run
 * @PVG_CTL_STOPPED: suspended or recovering: reset, virtqueues gone
 * @PVG_CTL_FAILED: broken beyond repair: as stopped, and without ports
 * @PVG_CTL_DEAD: being removed; nothing brings it back
 */
enum pvg_ctl_state {
	PVG_CTL_NEW,
	PVG_CTL_LIVE,
	PVG_CTL_STOPPED,
	PVG_CTL_FAILED,
	PVG_CTL_DEAD,
};

/**
 * enum pvg_ctl_holder - who uses a port; one at a time
 * @PVG_CTL_FREE: nobody: the host may not send, and what it sends is dropped
 * @PVG_CTL_FILE: an open file of /dev/vportNpM
 * @PVG_CTL_CONSOLE: the hvc console, for the life of the port
 * @PVG_CTL_CLIENT: a struct pvg_ctl_client, for the life of the port
 */
enum pvg_ctl_holder {
	PVG_CTL_FREE,
	PVG_CTL_FILE,
	PVG_CTL_CONSOLE,
	PVG_CTL_CLIENT,
};

/**
 * struct pvg_ctl_queue - one virtqueue
 * @pvg: the moderated queue; its lock protects all below but what is constant
 * @ctl: the device
 * @port: the port it belongs to; NULL while there is none
 * @filled: receive: buffers with data, oldest first
 * @spare: receive: [0] are buffers that are not posted; transmit: free ones of
 *	each size
 * @buffers: receive: posted, filled and spare ones
 * @bytes: transmit: sizes of the buffers the device holds
 * @spare_bytes: transmit: sizes of the buffers in @spare
 * @name: of the virtqueue
 */
struct pvg_ctl_queue {
	struct pvg_queue pvg;
	struct pvg_ctl *ctl;
	struct pvg_ctl_port __rcu *port;
	struct list_head filled;
	struct list_head spare[PVG_CTL_TX_CLASSES];
	u32 buffers;
	u32 bytes;
	u32 spare_bytes;
	char name[16];
};

/**
 * struct pvg_ctl_buf - memory the device reads or writes
 * @node: in one of the lists of a queue, a port or a console
 * @next: of those taken back in one go
 * @cq: the queue it was made for
 * @release: transmit: called without locks, in any context, when the device is
 *	done with it; NULL: becomes a spare of @cq
 * @owner: for @release
 * @data: physically contiguous
 * @size: bytes at @data
 * @len: bytes of it that are in use
 * @offset: receive: of these, bytes already read
 * @urgent: transmit: as passed to pvg_queue_add()
 */
struct pvg_ctl_buf {
	struct list_head node;
	struct pvg_ctl_buf *next;
	struct pvg_ctl_queue *cq;
	void (*release)(struct pvg_ctl_buf *buf);
	void *owner;
	void *data;
	u32 size;
	u32 len;
	u32 offset;
	bool urgent;
};

/**
 * struct pvg_ctl_port - a port of a device
 *
 * Lives as long as @dev has references, which files have; @gone tells that the
 * device has taken it away.
 */
struct pvg_ctl_port {
	/* Constant. */
	struct pvg_ctl *ctl;
	struct pvg_ctl_queue *in;
	struct pvg_ctl_queue *out;
	u32 id;

	struct mutex lock;	/* of @holder, @gone, @name and @client */
	enum pvg_ctl_holder holder;
	bool gone;
	bool host_connected;	/* written by message.c and on removal */
	bool unconfirmed;	/* since a reset the host has not said whether it is */
	char *name;		/* NULL until the device tells; then constant */
	const struct pvg_ctl_client *client;
	void *client_data;
	struct pvg_ctl_console __rcu *console;

	struct mutex read_lock;	/* of @ready */
	struct mutex write_lock; /* one write at a time */
	struct list_head ready;	/* filled buffers a reader has taken */
	wait_queue_head_t wait;	/* data, room, or the connection changed */
	struct fasync_struct *fasync;
	u64 received;		/* bytes; under the lock of @in */
	u64 sent;		/* bytes; under the lock of @out */

	struct rcu_head rcu;
	struct device dev;
	struct cdev cdev;
};

/**
 * struct pvg_ctl - a device
 *
 * Allocated by probe; ports have references.
 */
struct pvg_ctl {
	/* Set by probe, then only read. */
	struct virtio_device *vdev;
	bool multiport;
	bool emergency;		/* EMERG_WRITE was offered */
	u32 max_ports;
	struct pvg_ctl_queue *queues;
	unsigned int nr_queues;

	/* What exists already, in the order of creation; for tear-down. */
	bool ring_registered;
	bool have_vqs;

	enum pvg_ctl_state state;	/* under @state_lock */
	bool reset_wanted;		/* by debugfs */
	unsigned long recovered;	/* jiffies of the last recovery; 0: none */
	struct mutex state_lock;	/* of bring-up, stop and @ports */
	struct pvg_ctl_port **ports;	/* by id; NULL where there is none */
	struct pvg_ring ring;
	struct kref ref;

	struct work_struct config_work;
	struct work_struct fail_work;

	/* message.c; under the lock of the queue they are of. */
	struct list_head inbox;		/* received, not handled */
	u32 inbox_len;
	struct list_head outbox;	/* not sent */
	u32 outbox_len;
	u32 asked;			/* questions the device is working on */
	struct work_struct inbox_work;
	struct delayed_work confirm_work;
};

/**
 * struct pvg_ctl_client - a user of a port inside the kernel
 * @name: of the port it takes when it appears
 * @found: the port is there and is the client's from now on; the host may be
 *	connected already or not. Returns what the other calls get as @data, or
 *	NULL to leave the port to /dev. May sleep.
 * @connected: the host has connected or disconnected; may sleep. Data that was
 *	received before is still there.
 * @received: there is something for pvg_ctl_receive(); also called after
 *	@found if so. Any context, also from within pvg_ctl_receive(); must not
 *	sleep.
 * @lost: the port is gone: no further calls, and nothing that was sent has its
 *	completion still to come, except for what the device holds: that comes
 *	when the device is reset, which is before remove() of the driver ends.
 *	May sleep.
 *
 * Calls that may sleep never overlap with each other.
 */
struct pvg_ctl_client {
	const char *name;
	void *(*found)(struct pvg_ctl_port *port);
	void (*connected)(void *data, bool connected);
	void (*received)(void *data);
	void (*lost)(void *data);
};

/* main.c */
struct pvg_ctl_queue *pvg_ctl_in_queue(struct pvg_ctl *ctl, u32 id);
struct pvg_ctl_queue *pvg_ctl_out_queue(struct pvg_ctl *ctl, u32 id);
void pvg_ctl_put(struct pvg_ctl *ctl);
void pvg_ctl_reset(struct pvg_ctl *ctl);
void pvg_ctl_broken(struct pvg_queue *q);

/* message.c */
extern const struct pvg_queue_ops pvg_ctl_message_in_ops;
extern const struct pvg_queue_ops pvg_ctl_message_out_ops;
void pvg_ctl_message_init(struct pvg_ctl *ctl);
int pvg_ctl_message_start(struct pvg_ctl *ctl);
void pvg_ctl_message_stop(struct pvg_ctl *ctl);
void pvg_ctl_message_send(struct pvg_ctl *ctl, u32 id, u16 event, u16 value);
void pvg_ctl_message_reclaim_in(void *token);
void pvg_ctl_message_reclaim_out(void *token);

/* port.c */
int pvg_ctl_port_init(void);
void pvg_ctl_port_exit(void);
int pvg_ctl_port_add(struct pvg_ctl *ctl, u32 id);
void pvg_ctl_port_remove(struct pvg_ctl_port *port);
void pvg_ctl_port_set_name(struct pvg_ctl_port *port, const char *name,
			   size_t len);
void pvg_ctl_port_set_connected(struct pvg_ctl_port *port, bool connected);
void pvg_ctl_port_offer(struct pvg_ctl_port *port);
int pvg_ctl_port_take(struct pvg_ctl_port *port, enum pvg_ctl_holder holder);
void pvg_ctl_port_release(struct pvg_ctl_port *port);
void pvg_ctl_port_received(struct pvg_ctl_port *port);
void pvg_ctl_port_writable(struct pvg_ctl_port *port);

/* Of files that are read and written: may this call wait? */
static inline bool pvg_ctl_nonblocking(const struct kiocb *iocb)
{
	return (iocb->ki_filp->f_flags & O_NONBLOCK) ||
	       (iocb->ki_flags & IOCB_NOWAIT);
}

/* Takes @lock: 0; -EAGAIN: not without waiting; -ERESTARTSYS. */
static inline int pvg_ctl_lock_for(struct mutex *lock, bool nonblock)
{
	if (!nonblock)
		return mutex_lock_interruptible(lock) ? -ERESTARTSYS : 0;
	return mutex_trylock(lock) ? 0 : -EAGAIN;
}

/* file.c */
extern const struct file_operations pvg_ctl_fops;

/* transmit.c */
extern const struct pvg_queue_ops pvg_ctl_out_ops;
struct pvg_ctl_buf *pvg_ctl_buf_alloc(struct pvg_ctl_queue *cq, u32 size,
				      gfp_t gfp);
void pvg_ctl_buf_free(struct pvg_ctl_buf *buf);
void pvg_ctl_buf_free_list(struct list_head *list);
struct pvg_ctl_buf *pvg_ctl_tx_get(struct pvg_ctl_queue *cq, size_t len,
				   gfp_t gfp);
void pvg_ctl_tx_put(struct pvg_ctl_buf *buf);
void pvg_ctl_tx_trim(struct pvg_ctl_queue *cq);
bool pvg_ctl_tx_room(struct pvg_ctl_queue *cq);
bool pvg_ctl_tx_hopeful(const struct pvg_ctl_queue *cq);
bool pvg_ctl_tx_idle(struct pvg_ctl_queue *cq);
void pvg_ctl_tx_poll(struct pvg_ctl_queue *cq);
bool pvg_ctl_tx_try_poll(struct pvg_ctl_queue *cq);
int pvg_ctl_tx_queue(struct pvg_ctl_buf *buf, bool urgent);
int pvg_ctl_tx_add_locked(struct pvg_ctl_buf *buf, bool urgent);
void pvg_ctl_tx_reclaim(void *token);

/* receive.c */
extern const struct pvg_queue_ops pvg_ctl_in_ops;
int pvg_ctl_rx_provision(struct pvg_ctl_queue *cq, u32 buffers);
void pvg_ctl_rx_start(struct pvg_ctl_queue *cq);
void pvg_ctl_rx_repost(struct pvg_ctl_port *port, struct list_head *spent);
void pvg_ctl_rx_discard(struct pvg_ctl_port *port);
void pvg_ctl_rx_poll(struct pvg_ctl_port *port);
bool pvg_ctl_rx_readable(const struct pvg_ctl_port *port);
void pvg_ctl_rx_take(struct pvg_ctl_port *port);
size_t pvg_ctl_receive(struct pvg_ctl_port *port, void *to, size_t len);
void pvg_ctl_rx_reclaim(void *token);

/* console.c */
int pvg_ctl_console_init(struct pvg_ctl_port *port);
void pvg_ctl_console_remove(struct pvg_ctl_port *port);
void pvg_ctl_console_received(struct pvg_ctl_console *con);
void pvg_ctl_console_push(struct pvg_ctl_console *con);
void pvg_ctl_console_resize(struct pvg_ctl_port *port, u16 rows, u16 cols);
void pvg_ctl_console_emergency(struct pvg_ctl *ctl, const char *text,
			       size_t len);
u64 pvg_ctl_console_lost(const struct pvg_ctl_console *con);

/* debugfs.c */
void pvg_ctl_debugfs_add(struct pvg_ctl *ctl);

#endif /* _PVG_CTL_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Console ports: the kernel's hvc consoles and ttys (/dev/hvcN, console=hvcN).
 *
 * printk() comes in pieces of 16 bytes, from any context, with any lock held,
 * even that of our own queue. So it only fills pages; an interrupt of our own,
 * raised at the end of each record, gives them to the device. A line costs one
 * buffer, and while the host is slow many lines share one. Nothing ever waits
 * for the host: a console whose pages are all full loses output, and says how
 * much as soon as there is room.
 *
 * The exceptions are a panic and the last lines before a reboot, when no
 * interrupt will come any more: then the host gets a moment, and if it does not
 * use it, the emergency write register gets the rest (virtio 1.2, 5.3.6.1).
 */
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/xarray.h>

#include "pvg_ctl.h"

#define PAGES		64	/* of 4 KiB; what a console can be behind */
#define PAGES_PRINTK	16	/* of these, left to printk() by ttys */
#define PAGES_OUT	4	/* with the device; more output shares a page */
#define PAGE_BYTES	4096
#define TTY_BYTES	4096	/* of hvc's own buffer */
#define PRINTK_PIECE	16	/* what printk()'s output is cut into by hvc */
#define PATIENCE_US	200000	/* in emergencies, in all */
#define PATIENCE_STEP_US 20
#define HVC_DATA	0x70766763 /* only to find it again */

/**
 * struct pvg_ctl_console - a console port
 * @port: the port; we have a reference to it
 * @hvc: its tty
 * @state: fields of @hvc, or NULL where they are not known
 * @vtermno: by which hvc calls us
 * @ws: size of the terminal; 0 where it is not known
 * @reading: hvc is taking input; under hvc's lock
 * @lock: of all below; the innermost of all locks
 * @free: pages without content
 * @full: pages with content, oldest first; the last may get more
 * @nr_free: pages in @free
 * @nr_out: pages the device has
 * @lost: bytes dropped since the driver was bound
 * @untold: of these, those the reader was not told of
 * @tty_waits: the tty was turned away
 * @dead: removed; the last page that comes back frees the rest
 * @patience_us: what is left of the time that may be spent waiting
 * @push_work: gives @full to the device
 * @rcu: frees
 */
struct pvg_ctl_console {
	struct pvg_ctl_port *port;
	struct hvc_struct *hvc;
	struct pvg_hvc_state *state;
	u32 vtermno;
	struct winsize ws;
	bool reading;

	raw_spinlock_t lock;	/* of the rest */
	struct list_head free;
	struct list_head full;
	u32 nr_free;
	u32 nr_out;
	u64 lost;
	u64 untold;
	bool tty_waits;
	bool dead;
	u32 patience_us;

	struct irq_work push_work;
	struct rcu_head rcu;
};

/* By vtermno; readers are under RCU. */
static DEFINE_XARRAY_ALLOC(consoles);

/* So that a tty is not opened before its console knows that it has it. */
static DEFINE_MUTEX(register_lock);

static void console_free(struct pvg_ctl_console *con)
{
	pvg_ctl_buf_free_list(&con->free);
	pvg_ctl_buf_free_list(&con->full);
	kfree_rcu(con, rcu);
}

/* The device is done with a page. */
static void page_sent(struct pvg_ctl_buf *buf)
{
	struct pvg_ctl_console *con = buf->owner;
	bool tty_waits, last;
	unsigned long flags;

	raw_spin_lock_irqsave(&con->lock, flags);
	buf->len = 0;
	list_add(&buf->node, &con->free);
	con->nr_free++;
	con->nr_out--;
	last = con->dead && !con->nr_out;
	tty_waits = con->tty_waits && !con->dead;
	con->tty_waits = false;
	raw_spin_unlock_irqrestore(&con->lock, flags);
	if (tty_waits)
		hvc_kick();
	if (last)
		console_free(con);
}

/* The page that gets what is printed next, or NULL. */
static struct pvg_ctl_buf *page_to_fill(struct pvg_ctl_console *con, u32 keep)
{
	struct pvg_ctl_buf *buf;

	lockdep_assert_held(&con->lock);

	if (!list_empty(&con->full)) {
		buf = list_last_entry(&con->full, struct pvg_ctl_buf, node);
		if (buf->len < buf->size)
			return buf;
	}
	if (con->nr_free <= keep)
		return NULL;
	buf = list_first_entry(&con->free, struct pvg_ctl_buf, node);
	list_move_tail(&buf->node, &con->full);
	con->nr_free--;
	return buf;
}

static size_t append(struct pvg_ctl_console *con, const char *text, size_t len,
		     u32 keep)
{
	struct pvg_ctl_buf *buf;
	size_t n, done = 0;

	while (done < len) {
		buf = page_to_fill(con, keep);
		if (!buf)
			break;
		n = min_t(size_t, len - done, buf->size - buf->len);
		memcpy(buf->data + buf->len, text + done, n);
		buf->len += n;
		done += n;
	}
	return done;
}

/* Where output was lost, the reader is told before there is more. */
static void tell_lost(struct pvg_ctl_console *con)
{
	char text[80];
	int len;

	if (likely(!con->untold) || con->nr_free < 2)
		return;
	len = scnprintf(text, sizeof(text),
			"\r\n[%llu bytes of console output lost]\r\n",
			con->untold);
	append(con, text, len, 0);
	con->untold = 0;
}

static size_t console_put(struct pvg_ctl_console *con, const char *text,
			  size_t len, bool is_tty)
{
	unsigned long flags;
	size_t n;

	raw_spin_lock_irqsave(&con->lock, flags);
	tell_lost(con);
	n = append(con, text, len, is_tty ? PAGES_PRINTK : 0);
	if (n < len && is_tty) {
		con->tty_waits = true;
	} else if (n < len) {
		con->lost += len - n;
		con->untold += len - n;
	}
	raw_spin_unlock_irqrestore(&con->lock, flags);
	return n;
}

static struct pvg_ctl_buf *take_page(struct pvg_ctl_console *con)
{
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	raw_spin_lock_irqsave(&con->lock, flags);
	buf = list_first_entry_or_null(&con->full, struct pvg_ctl_buf, node);
	if (buf && con->nr_out < PAGES_OUT) {
		list_del(&buf->node);
		con->nr_out++;
	} else {
		buf = NULL;
	}
	raw_spin_unlock_irqrestore(&con->lock, flags);
	return buf;
}

static void put_page_back(struct pvg_ctl_console *con, struct pvg_ctl_buf *buf)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&con->lock, flags);
	list_add(&buf->node, &con->full);
	con->nr_out--;
	raw_spin_unlock_irqrestore(&con->lock, flags);
}

/* Lock of the queue held on entry, not on return. */
static void push_unlock(struct pvg_ctl_console *con, unsigned long flags)
	__releases(&con->port->out->pvg.lock)
{
	struct pvg_ctl_queue *cq = con->port->out;
	struct pvg_ctl_buf *buf;

	while (rcu_access_pointer(cq->port) == con->port &&
	       (buf = take_page(con))) {
		buf->release = page_sent;
		if (pvg_ctl_tx_add_locked(buf, true)) {
			put_page_back(con, buf);
			break;
		}
	}
	pvg_queue_commit_unlock(&cq->pvg, flags);
}

/**
 * pvg_ctl_console_push() - give the device what was printed
 * @con: the console
 *
 * Context: any but under the lock of a queue or in printk(); rcu_read_lock()
 * held.
 */
void pvg_ctl_console_push(struct pvg_ctl_console *con)
{
	unsigned long flags = pvg_queue_lock(&con->port->out->pvg);

	push_unlock(con, flags);
}

static void push_work(struct irq_work *work)
{
	struct pvg_ctl_console *con = container_of(work,
						   struct pvg_ctl_console,
						   push_work);

	rcu_read_lock();
	pvg_ctl_console_push(con);
	rcu_read_unlock();
}

/**
 * pvg_ctl_console_emergency() - write without a queue
 * @ctl: the device
 * @text: what to write
 * @len: bytes
 *
 * Context: any. Does nothing where the device has no emergency write.
 */
void pvg_ctl_console_emergency(struct pvg_ctl *ctl, const char *text,
			       size_t len)
{
	__virtio32 c;

	/* Not virtio_cwrite(), which takes every context for one to sleep in. */
	for (; ctl->emergency && len; len--) {
		c = cpu_to_virtio32(ctl->vdev, (u8)*text++);
		ctl->vdev->config->set(ctl->vdev,
				       offsetof(struct virtio_console_config,
						emerg_wr), &c, sizeof(c));
	}
}

static bool is_idle(struct pvg_ctl_console *con)
{
	return list_empty_careful(&con->full) && !READ_ONCE(con->nr_out);
}

static bool in_emergency(void)
{
	return oops_in_progress || pvg_system_ends();
}

/*
 * No interrupt may come any more: wait for the host, but not for long. Whoever
 * holds the queue's lock may have been stopped, or wait to print something.
 */
static void push_now(struct pvg_ctl_console *con)
{
	struct pvg_ctl_queue *cq = con->port->out;
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	while (con->patience_us &&
	       spin_trylock_irqsave(&cq->pvg.lock, flags)) {
		push_unlock(con, flags);
		if (!pvg_ctl_tx_try_poll(cq))
			break;
		if (is_idle(con))
			return;
		udelay(PATIENCE_STEP_US);
		con->patience_us -= PATIENCE_STEP_US;
	}
	if (!con->port->ctl->emergency ||
	    !raw_spin_trylock_irqsave(&con->lock, flags))
		return;
	while ((buf = list_first_entry_or_null(&con->full, struct pvg_ctl_buf,
					       node))) {
		pvg_ctl_console_emergency(con->port->ctl, buf->data, buf->len);
		buf->len = 0;
		list_move(&buf->node, &con->free);
		con->nr_free++;
	}
	raw_spin_unlock_irqrestore(&con->lock, flags);
}

/* A tty writes from the buffer that is part of it; printk() from its stack. */
static bool is_from_tty(const struct pvg_ctl_console *con, const void *text)
{
	const void *hvc = READ_ONCE(con->hvc);

	return hvc && text >= hvc && text < hvc + 4096 + TTY_BYTES;
}

static pvg_hvc_ret hv_put_chars(u32 vtermno, const pvg_hvc_char *text,
				pvg_hvc_count count)
{
	struct pvg_ctl_console *con;
	pvg_hvc_ret n = -EPIPE;

	rcu_read_lock();
	con = xa_load(&consoles, vtermno);
	if (!con)
		goto out;
	if (is_from_tty(con, text)) {
		n = console_put(con, text, count, true);
		pvg_ctl_console_push(con);
	} else {
		console_put(con, text, count, false);
		n = count;
		/* More of the record may follow; then so does a flush. */
		if (count != PRINTK_PIECE)
			irq_work_queue(&con->push_work);
	}
out:
	rcu_read_unlock();
	return n;
}

static pvg_hvc_ret hv_get_chars(u32 vtermno, pvg_hvc_char *text,
				pvg_hvc_count count)
{
	struct pvg_ctl_console *con;
	pvg_hvc_ret n = -EPIPE;

	rcu_read_lock();
	con = xa_load(&consoles, vtermno);
	if (con) {
		WRITE_ONCE(con->reading, true);
		n = pvg_ctl_receive(con->port, text, count);
		WRITE_ONCE(con->reading, false);
	}
	rcu_read_unlock();
	return n;
}

static int hv_flush(u32 vtermno, bool wait)
{
	struct pvg_ctl_console *con;

	if (wait)
		return 0;
	rcu_read_lock();
	con = xa_load(&consoles, vtermno);
	if (con && unlikely(in_emergency()))
		push_now(con);
	else if (con && !list_empty_careful(&con->full))
		irq_work_queue(&con->push_work);
	rcu_read_unlock();
	return 0;
}

static void resize(struct pvg_ctl_console *con)
{
	struct pvg_hvc_head *head = (struct pvg_hvc_head *)con->hvc;
	unsigned long flags;

	if (!con->state || !con->ws.ws_row || !con->ws.ws_col)
		return;
	spin_lock_irqsave(&head->lock, flags);
	__hvc_resize(con->hvc, con->ws);
	spin_unlock_irqrestore(&head->lock, flags);
}

static struct pvg_ctl_console *of_hvc(struct hvc_struct *hp)
{
	struct pvg_ctl_console *con;
	unsigned long i;

	xa_for_each(&consoles, i, con)
		if (con->hvc == hp)
			return con;
	return NULL;
}

static int hv_opened(struct hvc_struct *hp, int data)
{
	struct pvg_ctl_console *con;

	mutex_lock(&register_lock);
	rcu_read_lock();
	con = of_hvc(hp);
	if (con && con->state) {
		con->state->irq_requested = 1;
		resize(con);
	}
	rcu_read_unlock();
	mutex_unlock(&register_lock);
	return con ? 0 : -ENODEV;
}

static void hv_closed(struct hvc_struct *hp, int data)
{
	struct pvg_ctl_console *con;

	rcu_read_lock();
	con = of_hvc(hp);
	if (con && con->state)
		con->state->irq_requested = 0;
	rcu_read_unlock();
}

static const struct hv_ops hv_ops = {
	.get_chars		= hv_get_chars,
	.put_chars		= hv_put_chars,
	.flush			= hv_flush,
	.notifier_add		= hv_opened,
	.notifier_del		= hv_closed,
	.notifier_hangup	= hv_closed,
};

/**
 * pvg_ctl_console_received() - there is input
 * @con: the console
 *
 * Context: any but under the lock of a queue; rcu_read_lock() held.
 */
void pvg_ctl_console_received(struct pvg_ctl_console *con)
{
	/* While it is reading, this may come from there, with its lock held. */
	if (con->hvc && (READ_ONCE(con->reading) || hvc_poll(con->hvc)))
		hvc_kick();
}

/**
 * pvg_ctl_console_resize() - the host's terminal has a new size
 * @port: the port; need not be a console
 * @rows: lines
 * @cols: characters
 *
 * Context: may sleep; state_lock held.
 */
void pvg_ctl_console_resize(struct pvg_ctl_port *port, u16 rows, u16 cols)
{
	struct pvg_ctl_console *con;

	con = rcu_dereference_protected(port->console,
					lockdep_is_held(&port->ctl->state_lock));
	if (!con)
		return;
	con->ws.ws_row = rows;
	con->ws.ws_col = cols;
	resize(con);
}

static struct pvg_ctl_console *console_alloc(struct pvg_ctl_port *port)
{
	struct pvg_ctl_console *con = kzalloc(sizeof(*con), GFP_KERNEL);
	struct pvg_ctl_buf *buf;

	if (!con)
		return NULL;
	con->port = port;
	con->patience_us = PATIENCE_US;
	raw_spin_lock_init(&con->lock);
	INIT_LIST_HEAD(&con->free);
	INIT_LIST_HEAD(&con->full);
	init_irq_work(&con->push_work, push_work);
	for (; con->nr_free < PAGES; con->nr_free++) {
		buf = pvg_ctl_buf_alloc(port->out, PAGE_BYTES, GFP_KERNEL);
		if (!buf) {
			console_free(con);
			return NULL;
		}
		buf->owner = con;
		list_add(&buf->node, &con->free);
	}
	return con;
}

/* printk() may use it before this returns. */
static int register_hvc(struct pvg_ctl_console *con)
{
	struct hvc_struct *hvc;
	int err;

	err = xa_alloc(&consoles, &con->vtermno, con, xa_limit_31b, GFP_KERNEL);
	if (err)
		return err;
	mutex_lock(&register_lock);
	hvc = hvc_alloc(con->vtermno, HVC_DATA, &hv_ops, TTY_BYTES);
	if (IS_ERR(hvc)) {
		mutex_unlock(&register_lock);
		xa_erase(&consoles, con->vtermno);
		return PTR_ERR(hvc);
	}
	con->state = pvg_hvc_find_state(hvc, &hv_ops, HVC_DATA);
	if (!con->state)
		dev_warn(&con->port->dev,
			 "this kernel's hvc is not known: input is polled for, no resize\n");
	WRITE_ONCE(con->hvc, hvc);
	mutex_unlock(&register_lock);
	return 0;
}

/**
 * pvg_ctl_console_init() - a port is a console
 * @port: the port; does nothing where it has been one already
 *
 * Context: may sleep; state_lock held. Return: 0 or a negative errno, which was
 * logged.
 */
int pvg_ctl_console_init(struct pvg_ctl_port *port)
{
	struct pvg_ctl_console *con;
	int err;

	lockdep_assert_held(&port->ctl->state_lock);

	if (port->holder == PVG_CTL_CONSOLE)
		return 0;
	con = console_alloc(port);
	if (!con)
		return -ENOMEM;
	err = pvg_ctl_port_take(port, PVG_CTL_CONSOLE);
	if (err)
		goto fail;
	err = register_hvc(con);
	if (err) {
		pvg_ctl_port_release(port);
		goto fail;
	}
	get_device(&port->dev);
	rcu_assign_pointer(port->console, con);
	/* What came or was printed until now found no one to tell. */
	rcu_read_lock();
	pvg_ctl_console_push(con);
	rcu_read_unlock();
	return 0;

fail:
	synchronize_rcu();
	irq_work_sync(&con->push_work);
	console_free(con);
	dev_err_ratelimited(&port->dev, "no console: %pe\n", ERR_PTR(err));
	return err;
}

/**
 * pvg_ctl_console_remove() - a console port goes
 * @port: the port; need not be a console
 *
 * Context: may sleep; state_lock held.
 */
void pvg_ctl_console_remove(struct pvg_ctl_port *port)
{
	struct pvg_ctl_console *con;
	bool last;

	con = rcu_dereference_protected(port->console,
					lockdep_is_held(&port->ctl->state_lock));
	if (!con)
		return;
	xa_erase(&consoles, con->vtermno);
	rcu_assign_pointer(port->console, NULL);
	synchronize_rcu();
	irq_work_sync(&con->push_work);
	hvc_remove(con->hvc);

	raw_spin_lock_irq(&con->lock);
	con->dead = true;
	last = !con->nr_out;
	raw_spin_unlock_irq(&con->lock);
	if (last)
		console_free(con);
	put_device(&port->dev);
}

/**
 * pvg_ctl_console_lost() - bytes of output that were dropped
 * @con: the console
 */
u64 pvg_ctl_console_lost(const struct pvg_ctl_console *con)
{
	return READ_ONCE(con->lost);
}

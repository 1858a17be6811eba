// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request of the host as a descriptor: what PVG_CONTROL_ACCEPT gives. Its data is read
 * and written as from a socket, and an ioctl answers it; see
 * include/uapi/pvguest/control_dev.h.
 *
 * The protocol's credit bounds what is kept here: data counts as consumed when the
 * reader takes it, and at most OUT_MAX bytes wait for the host. The streams are under
 * &pvg_channel.lock, which is never held while user memory is touched: that could wait
 * for a file system.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "../pvg_ctl.h"
#include "stream.h"

/* Bytes of a stream that wait for the host: with headers, a buffer of the channel. */
#define OUT_MAX		(PVG_CHANNEL_BUF - 1024)
#define PIECE		32768	/* bytes that are taken from a writer at a time */
/* Bytes of room for data; with the head, an object of the allocator. */
#define CHUNK_MIN	(1024 - sizeof(struct pvg_chunk))
#define CHUNK_MAX	(4096 - sizeof(struct pvg_chunk))

static struct pvc *core(void)
{
	return &pvg_channel.services.pvc;
}

/**
 * pvg_chunk_alloc() - room for some bytes
 * @size: how many
 * @gfp: as for kmalloc()
 *
 * Return: a chunk whose &pvg_chunk.len is @size, for kfree(); or NULL.
 */
struct pvg_chunk *pvg_chunk_alloc(u32 size, gfp_t gfp)
{
	struct pvg_chunk *c = kmalloc(struct_size(c, data, size), gfp);

	if (!c)
		return NULL;
	c->size = size;
	c->len = size;
	c->at = 0;
	return c;
}

/*
 * A chunk that is the daemon's memory where its cgroup has room, and the system's
 * otherwise: reclaim on behalf of a daemon at its limit may take seconds, in which the host
 * would hear nothing, and credit bounds what there is. Reclaim must not wait for a file
 * system, which may be frozen.
 */
static struct pvg_chunk *charged_chunk(struct pvg_listener *listener, u32 size)
{
	struct mem_cgroup *old = pvg_listener_charge(listener);
	struct pvg_chunk *c;

	c = pvg_chunk_alloc(size, GFP_NOWAIT | __GFP_ACCOUNT | __GFP_NOWARN);
	set_active_memcg(old);
	return c ?: pvg_chunk_alloc(size, GFP_NOIO);
}

/* The last chunk of a list if it has room for that many bytes more. */
static struct pvg_chunk *last_with_room(struct list_head *list, u32 len)
{
	struct pvg_chunk *c;

	if (list_empty(list))
		return NULL;
	c = list_last_entry(list, struct pvg_chunk, node);
	return c->size - c->len >= len ? c : NULL;
}

static void free_chunks(struct list_head *list)
{
	struct pvg_chunk *c, *next;

	list_for_each_entry_safe(c, next, list, node)
		kfree(c);
	INIT_LIST_HEAD(list);
}

/* Has this side ended its data, or answered? */
static bool has_ended(const struct pvc_stream *s)
{
	return s->flags & PVC_STREAM_EOF ||
	       s->pending & (PVC_SEND_EOF | PVC_SEND_RESULT);
}

static bool is_writable(const struct pvg_stream *st)
{
	return !st->s || has_ended(st->s) || st->out_bytes <= OUT_MAX / 2;
}

static __poll_t events_of(const struct pvg_stream *st)
{
	__poll_t events = 0;

	if (!list_empty(&st->in) || READ_ONCE(st->current_in) || st->eof ||
	    st->answered || !st->s)
		events |= EPOLLIN | EPOLLRDNORM;
	if (st->eof || !st->s)
		events |= EPOLLRDHUP;
	if (is_writable(st))
		events |= EPOLLOUT | EPOLLWRNORM;
	if (!st->s)
		events |= EPOLLHUP | (st->answered ? 0 : EPOLLERR);
	return events;
}

/*
 * Something has changed. Who waits for what is possible since then looks again; nobody
 * else, or a reader that found nothing would wake who waits to write.
 */
static void changed(struct pvg_stream *st)
{
	__poll_t events = events_of(st), news = events & ~st->events;

	lockdep_assert_held(&pvg_channel.lock);

	WRITE_ONCE(st->events, events);
	if (news)
		wake_up_interruptible_poll(&st->wait, news);
}

/**
 * pvg_stream_try_free() - free a stream that neither the core nor anybody else has
 * @st: the stream
 *
 * Context: may sleep; &pvg_channel.lock held.
 */
void pvg_stream_try_free(struct pvg_stream *st)
{
	lockdep_assert_held(&pvg_channel.lock);

	if (st->s || st->held)
		return;
	free_chunks(&st->in);
	free_chunks(&st->out);
	kfree(st->current_in);
	kfree(st->args);
	kfree(st->body);
	pvg_listener_put(st->listener);
	mutex_destroy(&st->read_lock);
	kfree(st);
}

/**
 * pvg_stream_alloc() - what a request becomes; held by the caller
 * @listener: whose memory it is charged to; it gets a reference
 * @s: the core's stream
 * @args: of the request
 * @len: of @args
 *
 * Context: may sleep; &pvg_channel.lock held. Return: the stream or NULL.
 */
struct pvg_stream *pvg_stream_alloc(struct pvg_listener *listener,
				    struct pvc_stream *s, const void *args,
				    u32 len)
{
	struct pvg_stream *st = kzalloc(sizeof(*st), GFP_NOIO);

	if (!st)
		return NULL;
	st->args = charged_chunk(listener, len);
	if (!st->args) {
		kfree(st);
		return NULL;
	}
	memcpy(st->args->data, args, len);
	st->head = (struct pvg_control_accept) {
		.args_len = len,
		.service = s->service,
		.op = s->op,
		.version = s->version,
		.prio = s->prio,
		.flags = s->open_flags,
		.deadline_ms = s->deadline_ms,
		.key = s->key,
	};
	memcpy(st->head.principal, s->principal, sizeof(st->head.principal));
	st->listener = pvg_listener_get(listener);
	st->s = s;
	st->held = true;
	st->eof = s->flags & PVC_STREAM_PEER_EOF;
	INIT_LIST_HEAD(&st->node);
	INIT_LIST_HEAD(&st->in);
	INIT_LIST_HEAD(&st->out);
	init_waitqueue_head(&st->wait);
	mutex_init(&st->read_lock);
	s->priv = st;
	changed(st);
	return st;
}

/* ---- from the core ------------------------------------------------------- */

/*
 * Data goes where the last left room, then into new chunks: credit counts bytes, so a host
 * that sends them one by one must not cost a chunk each.
 */
static int add_in(struct pvg_stream *st, const void *data, u32 len)
{
	struct pvg_chunk *c;
	u32 n;

	while (len) {
		c = last_with_room(&st->in, 1);
		if (!c) {
			c = charged_chunk(st->listener, len < CHUNK_MIN ?
					  CHUNK_MIN : CHUNK_MAX);
			if (!c)
				return -ENOMEM;
			c->len = 0;
			list_add_tail(&c->node, &st->in);
		}
		n = min(len, c->size - c->len);
		memcpy(c->data + c->len, data, n);
		c->len += n;
		data += n;
		len -= n;
	}
	return 0;
}

/* There is more to read than before, which an edge-triggered reader has to hear. */
static void wake_readers(struct pvg_stream *st)
{
	WRITE_ONCE(st->events, events_of(st));
	wake_up_interruptible_poll(&st->wait, EPOLLIN | EPOLLRDNORM);
}

static void stream_data(struct pvc *p, struct pvc_stream *s, const void *data,
			u32 len)
{
	struct pvg_stream *st = s->priv;

	if (!st || !st->held)
		pvc_consumed(p, s, len);
	else if (add_in(st, data, len))
		pvc_reset(p, s, PVC_FAILED);
	else
		wake_readers(st);
}

static void stream_eof(struct pvc *p, struct pvc_stream *s)
{
	struct pvg_stream *st = s->priv;

	if (!st)
		return;
	st->eof = true;
	changed(st);
}

static void stream_closed(struct pvc *p, struct pvc_stream *s, u32 status)
{
	struct pvg_stream *st = s->priv;

	if (!st)
		return;
	s->priv = NULL;
	st->s = NULL;
	st->status = status;
	free_chunks(&st->in);
	free_chunks(&st->out);
	st->out_bytes = 0;
	if (!list_empty(&st->node)) {
		/* Nobody has accepted it, or ever will. */
		list_del_init(&st->node);
		st->held = false;
	}
	changed(st);
	pvg_stream_try_free(st);
}

static u32 fill_data(struct pvg_stream *st, u8 *buf, u32 max)
{
	struct pvg_chunk *c;
	u32 n, done = 0;

	while (done < max && !list_empty(&st->out)) {
		c = list_first_entry(&st->out, struct pvg_chunk, node);
		n = min(max - done, c->len - c->at);
		memcpy(buf + done, c->data + c->at, n);
		done += n;
		c->at += n;
		if (c->at < c->len)
			break;
		list_del(&c->node);
		kfree(c);
	}
	st->out_bytes -= done;
	if (list_empty(&st->out))
		pvc_drained(core(), st->s);
	if (done && is_writable(st))
		changed(st);
	return done;
}

static u32 stream_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		       void *buf, u32 max)
{
	struct pvg_stream *st = s->priv;

	if (!st)
		return 0;
	if (type == PVC_DATA)
		return fill_data(st, buf, max);
	if (type != PVC_RESULT || !st->body || st->body->len > max)
		return 0;
	memcpy(buf, st->body->data, st->body->len);
	return st->body->len;
}

/* Nothing is opened from this side, so there are no results. */
const struct pvc_ops pvg_stream_ops = {
	.data	= stream_data,
	.eof	= stream_eof,
	.closed	= stream_closed,
	.fill	= stream_fill,
};

/* ---- from the descriptor ------------------------------------------------- */

/*
 * The next chunk to read, in @st->current_in; NULL if there is none now. What is taken makes
 * room for more, of which the host may have to hear.
 */
static struct pvg_chunk *take_in(struct pvg_stream *st)
{
	struct pvc *p = core();
	struct pvg_chunk *c;
	bool credit = false;

	mutex_lock(&pvg_channel.lock);
	c = list_first_entry_or_null(&st->in, struct pvg_chunk, node);
	if (c) {
		list_del(&c->node);
		WRITE_ONCE(st->current_in, c);
		pvc_consumed(p, st->s, c->len);
		credit = st->s->pending & PVC_SEND_CREDIT ||
			 p->pending & BIT(PVC_CREDIT);
	}
	mutex_unlock(&pvg_channel.lock);
	if (credit)
		pvg_channel_kick();
	return c;
}

/* What a read finds at the end: 0, or why there was no orderly one. */
static ssize_t read_end(struct pvg_stream *st)
{
	ssize_t ret;

	mutex_lock(&pvg_channel.lock);
	if (!list_empty(&st->in) || (st->s && !st->eof && !st->answered))
		ret = -EAGAIN;
	else if (st->s || st->answered)
		ret = 0;
	else if (st->status == PVC_TIMED_OUT)
		ret = -ETIMEDOUT;
	else if (st->status == PVC_CANCELLED)
		ret = -ECANCELED;
	else
		ret = -ECONNRESET;
	mutex_unlock(&pvg_channel.lock);
	return ret;
}

static ssize_t read_some(struct pvg_stream *st, struct iov_iter *to)
{
	struct pvg_chunk *c;
	ssize_t done = 0;
	size_t n;

	while (iov_iter_count(to)) {
		c = st->current_in ?: take_in(st);
		if (!c)
			break;
		n = copy_to_iter(c->data + c->at, c->len - c->at, to);
		if (!n) {
			done = done ?: -EFAULT;
			break;
		}
		done += n;
		c->at += n;
		if (c->at < c->len)
			continue;
		/* Still said to be readable; read_done() sees to that. */
		WRITE_ONCE(st->current_in, NULL);
		kfree(c);
	}
	return done;
}

/* What another reader, or poll(), finds now. */
static void read_done(struct pvg_stream *st)
{
	mutex_lock(&pvg_channel.lock);
	changed(st);
	mutex_unlock(&pvg_channel.lock);
}

static ssize_t stream_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct pvg_stream *st = iocb->ki_filp->private_data;
	bool nonblock = pvg_ctl_nonblocking(iocb);
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	for (;;) {
		ret = pvg_ctl_lock_for(&st->read_lock, nonblock);
		if (ret)
			return ret;
		ret = read_some(st, to);
		if (!ret)
			ret = read_end(st);
		read_done(st);
		mutex_unlock(&st->read_lock);
		if (ret != -EAGAIN || nonblock)
			return ret;
		ret = wait_event_interruptible(st->wait,
					       READ_ONCE(st->events) & EPOLLIN);
		if (ret)
			return ret;
	}
}

/* Takes @pieces, of @n bytes, over unless it fails: -EPIPE; -EAGAIN: no room. */
static int add_out(struct pvg_stream *st, struct list_head *pieces, u32 n)
{
	struct pvg_chunk *last, *c;
	int err = 0;

	mutex_lock(&pvg_channel.lock);
	if (!st->s || has_ended(st->s)) {
		err = -EPIPE;
	} else if (st->out_bytes && st->out_bytes + n > OUT_MAX) {
		err = -EAGAIN;
	} else {
		c = list_first_entry(pieces, struct pvg_chunk, node);
		last = last_with_room(&st->out, c->len);
		if (last) {
			memcpy(last->data + last->len, c->data, c->len);
			last->len += c->len;
			list_del(&c->node);
			kfree(c);
		}
		list_splice_tail_init(pieces, &st->out);
		st->out_bytes += n;
		pvc_ready(core(), st->s);
		WRITE_ONCE(st->events, events_of(st));
	}
	mutex_unlock(&pvg_channel.lock);
	return err;
}

/* Why nothing is taken: -EPIPE; -EAGAIN: there is no room. */
static int write_end(struct pvg_stream *st)
{
	bool over;

	mutex_lock(&pvg_channel.lock);
	over = !st->s || has_ended(st->s);
	mutex_unlock(&pvg_channel.lock);
	return over ? -EPIPE : -EAGAIN;
}

/* Copies up to @max bytes into chunks on @pieces; returns how many, or why none. */
static int copy_pieces(struct list_head *pieces, struct iov_iter *from, u32 max)
{
	struct pvg_chunk *c;
	u32 n, done = 0;
	int err = -ENOMEM;

	while (done < max) {
		n = min_t(u32, max - done, CHUNK_MAX);
		c = pvg_chunk_alloc(n < CHUNK_MIN ? CHUNK_MIN : CHUNK_MAX,
				    GFP_KERNEL_ACCOUNT);
		if (!c)
			break;
		c->len = copy_from_iter(c->data, n, from);
		if (!c->len) {
			kfree(c);
			err = -EFAULT;
			break;
		}
		list_add_tail(&c->node, pieces);
		done += c->len;
	}
	return done ?: err;
}

/* What there is room for, up to PIECE. If it fails nothing of @from is used up. */
static ssize_t write_some(struct pvg_stream *st, struct iov_iter *from)
{
	u32 max, waiting = READ_ONCE(st->out_bytes);
	LIST_HEAD(pieces);
	int n, err;

	if (waiting >= OUT_MAX)
		return write_end(st);
	max = min_t(size_t, OUT_MAX - waiting, iov_iter_count(from));
	n = copy_pieces(&pieces, from, min_t(u32, max, PIECE));
	if (n < 0)
		return n;
	err = add_out(st, &pieces, n);
	if (err) {
		iov_iter_revert(from, n);
		free_chunks(&pieces);
		return err;
	}
	return n;
}

static ssize_t stream_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct pvg_stream *st = iocb->ki_filp->private_data;
	bool nonblock = pvg_ctl_nonblocking(iocb);
	ssize_t ret = 0, written = 0;

	while (iov_iter_count(from)) {
		ret = write_some(st, from);
		if (ret > 0) {
			written += ret;
			continue;
		}
		if (ret != -EAGAIN || nonblock)
			break;
		pvg_channel_kick();
		ret = wait_event_interruptible(st->wait,
					       READ_ONCE(st->events) & EPOLLOUT);
		if (ret)
			break;
	}
	if (written)
		pvg_channel_kick();
	return written ?: ret;
}

static __poll_t stream_poll(struct file *file, poll_table *wait)
{
	struct pvg_stream *st = file->private_data;

	poll_wait(file, &st->wait, wait);
	return READ_ONCE(st->events);
}

/* Takes @body over, also where it fails. @more: something else of the caller's follows. */
static int reply(struct pvg_stream *st, u32 status, struct pvg_chunk *body,
		 bool more)
{
	int err = 0;

	mutex_lock(&pvg_channel.lock);
	if (!st->s || st->answered) {
		err = -EPIPE;
		kfree(body);
	} else {
		st->answered = true;
		st->body = body;
		pvc_reply(core(), st->s, status, 0);
		changed(st);
	}
	mutex_unlock(&pvg_channel.lock);
	if (!err && more)
		pvg_channel_kick_soon(PVG_STREAM_MORE_MS);
	else if (!err)
		pvg_channel_kick();
	return err;
}

static bool is_answer(u32 status)
{
	return status < PVC_STATUS_NR && status != PVC_LOST;
}

static int ioctl_reply(struct pvg_stream *st, const void __user *arg, bool more)
{
	struct pvg_stream_reply req;
	struct pvg_chunk *body;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!is_answer(req.status) || req.len > PVG_STREAM_BODY_MAX) {
		pr_err_ratelimited("pvg_ctl: a reply with status %u and %u bytes: allowed are 0 to %u but %u, and up to %u bytes\n",
				   req.status, req.len, PVC_STATUS_NR - 1,
				   PVC_LOST, PVG_STREAM_BODY_MAX);
		return -EINVAL;
	}
	body = pvg_chunk_alloc(req.len, GFP_KERNEL_ACCOUNT);
	if (!body)
		return -ENOMEM;
	if (copy_from_user(body->data, u64_to_user_ptr(req.body), req.len)) {
		kfree(body);
		return -EFAULT;
	}
	return reply(st, req.status, body, more);
}

static int ioctl_reset(struct pvg_stream *st, const u32 __user *arg)
{
	u32 status;
	int err = 0;

	if (get_user(status, arg))
		return -EFAULT;
	if (!is_answer(status) || status == PVC_OK) {
		pr_err_ratelimited("pvg_ctl: a reset with status %u: allowed are 1 to %u but %u\n",
				   status, PVC_STATUS_NR - 1, PVC_LOST);
		return -EINVAL;
	}
	mutex_lock(&pvg_channel.lock);
	if (st->s)
		pvc_reset(core(), st->s, status);
	else
		err = -EPIPE;
	mutex_unlock(&pvg_channel.lock);
	if (!err)
		pvg_channel_kick();
	return err;
}

static int ioctl_shutdown(struct pvg_stream *st)
{
	int err = 0;

	mutex_lock(&pvg_channel.lock);
	if (!st->s || has_ended(st->s)) {
		err = -EPIPE;
	} else {
		pvc_finish(core(), st->s);
		changed(st);
	}
	mutex_unlock(&pvg_channel.lock);
	if (!err)
		pvg_channel_kick();
	return err;
}

static int ioctl_status(struct pvg_stream *st, void __user *arg)
{
	struct pvg_stream_status status = {};

	mutex_lock(&pvg_channel.lock);
	if (!st->s) {
		status.state = PVG_STREAM_CLOSED;
		status.status = st->status;
	} else if (st->answered) {
		status.state = PVG_STREAM_ANSWERED;
	} else {
		status.state = PVG_STREAM_OPEN;
	}
	status.unsent = st->out_bytes;
	mutex_unlock(&pvg_channel.lock);
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

static long stream_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct pvg_stream *st = file->private_data;
	void __user *ptr = (void __user *)arg;

	switch (cmd) {
	case PVG_STREAM_REPLY:
		return ioctl_reply(st, ptr, false);
	case PVG_STREAM_REPLY_MORE:
		return ioctl_reply(st, ptr, true);
	case PVG_STREAM_RESET:
		return ioctl_reset(st, ptr);
	case PVG_STREAM_SHUTDOWN:
		return ioctl_shutdown(st);
	case PVG_STREAM_STATUS:
		return ioctl_status(st, ptr);
	default:
		return -ENOTTY;
	}
}

/* The host may wait for credit before it gives any. */
static void consume_rest(struct pvg_stream *st)
{
	struct pvg_chunk *c;

	list_for_each_entry(c, &st->in, node)
		pvc_consumed(core(), st->s, c->len);
	free_chunks(&st->in);
}

/**
 * pvg_stream_drop() - who held a stream is gone
 * @st: the stream
 * @status: enum pvc_status, for the host, unless it was answered: that still goes out
 *
 * Context: may sleep; &pvg_channel.lock held. Return: whether there may be something to
 * send: then pvg_channel_kick() is to follow.
 */
bool pvg_stream_drop(struct pvg_stream *st, u32 status)
{
	bool open = st->s;

	lockdep_assert_held(&pvg_channel.lock);

	st->held = false;
	if (!open)
		pvg_stream_try_free(st);
	else if (!st->answered)
		pvc_reset(core(), st->s, status);
	else
		consume_rest(st);
	return open;
}

static int stream_release(struct inode *inode, struct file *file)
{
	bool open;

	mutex_lock(&pvg_channel.lock);
	open = pvg_stream_drop(file->private_data, PVC_ABORTED);
	mutex_unlock(&pvg_channel.lock);
	if (open)
		pvg_channel_kick();
	return 0;
}

static const struct file_operations stream_fops = {
	.owner		= THIS_MODULE,
	.release	= stream_release,
	.read_iter	= stream_read_iter,
	.write_iter	= stream_write_iter,
	.splice_read	= pvg_splice_read,
	.splice_write	= iter_file_splice_write,
	.poll		= stream_poll,
	.unlocked_ioctl	= stream_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

/**
 * pvg_stream_file() - make a stream a file
 * @st: the stream; held by the file from then on, unless this fails
 * @flags: O_NONBLOCK or not
 *
 * Context: may sleep. Return: the file, or an error pointer.
 */
struct file *pvg_stream_file(struct pvg_stream *st, int flags)
{
	struct file *file = anon_inode_getfile("[pvg_stream]", &stream_fops, st,
					       O_RDWR | flags);

	if (!IS_ERR(file))
		stream_open(file_inode(file), file);
	return file;
}

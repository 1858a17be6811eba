// SPDX-License-Identifier: GPL-2.0-only
/*
 * What goes between the host and a daemon: streams of the services that an open
 * file of /dev/pvg_control provides. See include/uapi/pvguest/control_dev.h.
 *
 * The protocol's credit bounds what is kept here: data counts as consumed when
 * the daemon has read it, and the daemon's own waits in at most OUT_MAX bytes
 * for the host's. All of it is under &pvg_channel.lock, which is never held
 * while user memory is touched: that could wait for a file system.
 */
#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "channel.h"
#include "../../../include/uapi/pvguest/control_dev.h"

#define OUT_MAX		65536	/* bytes of a stream that wait for the host */
#define CHUNK_MIN	1024	/* bytes of room for the host's data */

/* Some bytes: data, the arguments of a request, the body of an answer. */
struct chunk {
	struct list_head node;
	u32 size;		/* bytes of room */
	u32 len;		/* bytes that are there */
	u32 at;			/* of these, bytes already used */
	u8 data[];
};

/* What the daemon has not been told yet, besides data. */
#define TELL_OPEN	0x01u
#define TELL_EOF	0x02u
#define TELL_ROOM	0x04u
#define TELL_CLOSED	0x08u

/**
 * struct relay_stream - a stream the host has opened
 * @node: of &pvg_relay.streams
 * @relay: whose it is; NULL if that closed the file after it had answered
 * @s: the core's; NULL once it is closed
 * @id: what the daemon calls it; never used again
 * @tell: TELL_*
 * @status: for TELL_CLOSED, enum pvc_status
 * @refused: a write found no room; TELL_ROOM follows
 * @out_bytes: in @out
 * @open: for TELL_OPEN
 * @args: for TELL_OPEN
 * @body: of the answer, when there is one
 * @in: data from the host
 * @out: data for the host
 */
struct relay_stream {
	struct list_head node;
	struct pvg_relay *relay;
	struct pvc_stream *s;
	u64 id;
	u32 tell;
	u32 status;
	bool refused;
	u32 out_bytes;
	struct pvg_control_open open;
	struct chunk *args;
	struct chunk *body;
	struct list_head in;
	struct list_head out;
};

/* A message on its way to the daemon. */
struct letter {
	struct pvg_control_message head;
	struct pvg_control_open open;
	u32 open_len;		/* of @open that is sent: all or nothing */
	struct chunk *chunk;	/* or NULL */
};

/**
 * struct pvg_relay - an open file
 * @node: of all
 * @services: it provides
 * @versions: of these; constant once the bit is set
 * @streams: of its services, those with something to tell for longest first
 * @ready: there is something to read
 * @returned: @letter was not read, since its reader's memory could not be written
 * @letter: for @returned
 * @room: counts changes for which a writer may wait
 * @wait: for @ready and @room
 * @read_lock: one reader at a time
 */
struct pvg_relay {
	struct list_head node;
	DECLARE_BITMAP(services, PVC_SERVICE_NR);
	struct pvc_service_range versions[PVC_SERVICE_NR];
	struct list_head streams;
	bool ready;
	bool returned;
	struct letter letter;
	u32 room;
	wait_queue_head_t wait;
	struct mutex read_lock;	/* of readers, @returned and @letter */
};

static LIST_HEAD(relays);
static u64 last_id;

static struct chunk *chunk_alloc(u32 size, gfp_t gfp)
{
	struct chunk *c = kmalloc(struct_size(c, data, size), gfp);

	if (!c)
		return NULL;
	c->size = size;
	c->len = size;
	c->at = 0;
	return c;
}

/*
 * Put data where the last left room, or into a new chunk: credit counts bytes, so
 * a host that sends them one by one must not cost a chunk each.
 */
static int chunk_add(struct list_head *list, const void *data, u32 len)
{
	struct chunk *c = NULL;

	if (!list_empty(list))
		c = list_last_entry(list, struct chunk, node);
	if (!c || c->size - c->len < len) {
		c = chunk_alloc(max_t(u32, len, CHUNK_MIN), GFP_NOIO);
		if (!c)
			return -ENOMEM;
		c->len = 0;
		list_add_tail(&c->node, list);
	}
	memcpy(c->data + c->len, data, len);
	c->len += len;
	return 0;
}

static void free_chunks(struct list_head *list)
{
	struct chunk *c, *next;

	list_for_each_entry_safe(c, next, list, node)
		kfree(c);
	INIT_LIST_HEAD(list);
}

static void stream_free(struct relay_stream *rs)
{
	list_del(&rs->node);
	free_chunks(&rs->in);
	free_chunks(&rs->out);
	kfree(rs->args);
	kfree(rs->body);
	kfree(rs);
}

static void tell(struct relay_stream *rs, u32 what)
{
	lockdep_assert_held(&pvg_channel.lock);

	if (!rs->relay)
		return;
	rs->tell |= what;
	WRITE_ONCE(rs->relay->ready, true);
	wake_up_interruptible(&rs->relay->wait);
}

/* Writers look again. */
static void room_changed(struct relay_stream *rs)
{
	struct pvg_relay *relay = rs->relay;

	if (!relay)
		return;
	WRITE_ONCE(relay->room, relay->room + 1);
	wake_up_interruptible(&relay->wait);
}

static struct pvg_relay *provider(u16 service)
{
	struct pvg_relay *relay;

	lockdep_assert_held(&pvg_channel.lock);

	if (service >= PVC_SERVICE_NR)
		return NULL;
	list_for_each_entry(relay, &relays, node)
		if (test_bit(service, relay->services))
			return relay;
	return NULL;
}

static struct relay_stream *stream_alloc(struct pvg_relay *relay,
					 struct pvc_stream *s, const void *args,
					 u32 len)
{
	/* Reclaim must not wait for a file system, which may be frozen. */
	struct relay_stream *rs = kzalloc(sizeof(*rs), GFP_NOIO);

	if (!rs)
		return NULL;
	rs->args = chunk_alloc(len, GFP_NOIO);
	if (!rs->args) {
		kfree(rs);
		return NULL;
	}
	memcpy(rs->args->data, args, len);
	rs->relay = relay;
	rs->s = s;
	rs->id = ++last_id;
	rs->open = (struct pvg_control_open) {
		.service = s->service,
		.op = s->op,
		.version = s->version,
		.prio = s->prio,
		.flags = s->open_flags,
		.deadline_ms = s->deadline_ms,
		.key = s->key,
	};
	INIT_LIST_HEAD(&rs->in);
	INIT_LIST_HEAD(&rs->out);
	list_add_tail(&rs->node, &relay->streams);
	return rs;
}

/**
 * pvg_relay_forward() - &pvs_ops.forward: a request that may be a daemon's
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
bool pvg_relay_forward(struct pvs *v, struct pvc_stream *s, const void *args,
		       u32 len)
{
	const struct pvc_service_range *range;
	struct pvg_relay *relay = provider(s->service);
	struct relay_stream *rs;

	if (!relay || (s->service == PVC_SERVICE_FREEZE &&
		       s->op != PVC_FREEZE_FREEZE))
		return false;
	range = &relay->versions[s->service];
	if (s->version < range->version_min ||
	    s->version > range->version_max) {
		pvc_reply(&v->pvc, s, PVC_BAD_VERSION, 0);
		return true;
	}
	rs = stream_alloc(relay, s, args, len);
	if (!rs) {
		pvc_reply(&v->pvc, s, PVC_BUSY, 0);
		return true;
	}
	s->priv = rs;
	tell(rs, TELL_OPEN);
	return true;
}

static void relay_data(struct pvc *p, struct pvc_stream *s, const void *data,
		       u32 len)
{
	struct relay_stream *rs = s->priv;

	if (!rs || !rs->relay)
		pvc_consumed(p, s, len);
	else if (chunk_add(&rs->in, data, len))
		pvc_reset(p, s, PVC_FAILED);
	else
		tell(rs, 0);
}

static void relay_eof(struct pvc *p, struct pvc_stream *s)
{
	if (s->priv)
		tell(s->priv, TELL_EOF);
}

static void relay_closed(struct pvc *p, struct pvc_stream *s, u32 status)
{
	struct relay_stream *rs = s->priv;

	if (!rs)
		return;
	s->priv = NULL;
	rs->s = NULL;
	free_chunks(&rs->in);
	free_chunks(&rs->out);
	room_changed(rs);
	if (!rs->relay || rs->tell & TELL_OPEN) {
		stream_free(rs);
		return;
	}
	rs->tell = 0;
	rs->status = status;
	tell(rs, TELL_CLOSED);
}

static u32 fill_data(struct relay_stream *rs, u8 *buf, u32 max)
{
	struct chunk *c;
	u32 n, done = 0;

	while (done < max && !list_empty(&rs->out)) {
		c = list_first_entry(&rs->out, struct chunk, node);
		n = min(max - done, c->len - c->at);
		memcpy(buf + done, c->data + c->at, n);
		done += n;
		c->at += n;
		if (c->at < c->len)
			break;
		list_del(&c->node);
		kfree(c);
	}
	rs->out_bytes -= done;
	if (rs->out_bytes <= OUT_MAX / 2) {
		room_changed(rs);
		if (rs->refused)
			tell(rs, TELL_ROOM);
		rs->refused = false;
	}
	return done;
}

static u32 relay_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		      void *buf, u32 max)
{
	struct relay_stream *rs = s->priv;

	if (!rs)
		return 0;
	if (type == PVC_DATA)
		return fill_data(rs, buf, max);
	if (type != PVC_RESULT || !rs->body || rs->body->len > max)
		return 0;
	memcpy(buf, rs->body->data, rs->body->len);
	return rs->body->len;
}

/* Nothing is opened from this side, so there are no results. */
const struct pvc_ops pvg_relay_ops = {
	.data	= relay_data,
	.eof	= relay_eof,
	.closed	= relay_closed,
	.fill	= relay_fill,
};

/**
 * pvg_relay_services() - what daemons provide
 * @ranges: room for PVC_SERVICE_NR
 *
 * Context: &pvg_channel.lock held. Return: how many there are.
 */
u32 pvg_relay_services(struct pvc_service_range *ranges)
{
	struct pvg_relay *relay;
	unsigned int service;
	u32 n = 0;

	lockdep_assert_held(&pvg_channel.lock);

	list_for_each_entry(relay, &relays, node)
		for_each_set_bit(service, relay->services, PVC_SERVICE_NR)
			if (service >= PVC_SERVICE_DAEMON)
				ranges[n++] = relay->versions[service];
	return n;
}

/**
 * pvg_relay_open() - a file was opened
 *
 * Context: may sleep. Return: what the other functions take, or NULL.
 */
struct pvg_relay *pvg_relay_open(void)
{
	struct pvg_relay *relay = kzalloc(sizeof(*relay), GFP_KERNEL);

	if (!relay)
		return NULL;
	INIT_LIST_HEAD(&relay->streams);
	init_waitqueue_head(&relay->wait);
	mutex_init(&relay->read_lock);
	mutex_lock(&pvg_channel.lock);
	list_add_tail(&relay->node, &relays);
	mutex_unlock(&pvg_channel.lock);
	return relay;
}

/* An answer that was given still goes out. */
static void stream_abandon(struct relay_stream *rs)
{
	struct pvc *p = &pvg_channel.services.pvc;

	list_del_init(&rs->node);
	rs->relay = NULL;
	if (!rs->s)
		stream_free(rs);
	else if (!(rs->s->pending & PVC_SEND_RESULT))
		pvc_reset(p, rs->s, PVC_NO_SERVICE);
}

/**
 * pvg_relay_release() - it is closed: nobody provides its services any more
 * @relay: the file's
 *
 * Context: may sleep.
 */
void pvg_relay_release(struct pvg_relay *relay)
{
	struct relay_stream *rs, *next;

	mutex_lock(&pvg_channel.lock);
	list_del(&relay->node);
	list_for_each_entry_safe(rs, next, &relay->streams, node)
		stream_abandon(rs);
	pvg_channel_announce_locked();
	mutex_unlock(&pvg_channel.lock);
	pvg_channel_kick();
	if (relay->returned)
		kfree(relay->letter.chunk);
	mutex_destroy(&relay->read_lock);
	kfree(relay);
}

/**
 * pvg_relay_bind() - provide a service
 * @relay: the file's
 * @bind: which
 *
 * Context: may sleep. Return: 0; -EINVAL; -EBUSY: somebody provides it.
 */
int pvg_relay_bind(struct pvg_relay *relay, const struct pvg_control_bind *bind)
{
	int err = 0;

	if ((bind->service < PVC_SERVICE_DAEMON &&
	     bind->service != PVC_SERVICE_FREEZE) ||
	    bind->service >= PVC_SERVICE_NR || !bind->version_min ||
	    bind->version_min > bind->version_max || bind->reserved)
		return -EINVAL;
	mutex_lock(&pvg_channel.lock);
	if (provider(bind->service)) {
		err = -EBUSY;
	} else {
		relay->versions[bind->service] = (struct pvc_service_range) {
			.service = cpu_to_le16(bind->service),
			.version_min = bind->version_min,
			.version_max = bind->version_max,
		};
		set_bit(bind->service, relay->services);
		pvg_channel_announce_locked();
	}
	mutex_unlock(&pvg_channel.lock);
	return err;
}

static bool has_news(const struct relay_stream *rs)
{
	return rs->tell || !list_empty(&rs->in);
}

/* The first stream that has something; one of each in turn. */
static struct relay_stream *next_stream(struct pvg_relay *relay)
{
	struct relay_stream *rs;

	list_for_each_entry(rs, &relay->streams, node)
		if (has_news(rs))
			return rs;
	return NULL;
}

static u32 message_type(const struct relay_stream *rs)
{
	if (rs->tell & TELL_OPEN)
		return PVG_CONTROL_OPEN;
	if (rs->tell & TELL_CLOSED)
		return PVG_CONTROL_CLOSED;
	if (rs->tell & TELL_ROOM)
		return PVG_CONTROL_ROOM;
	return list_empty(&rs->in) ? PVG_CONTROL_EOF : PVG_CONTROL_DATA;
}

/* Take the chunk, if any, and mark it as told. */
static void take_message(struct relay_stream *rs, struct letter *l)
{
	struct pvc *p = &pvg_channel.services.pvc;

	switch (l->head.type) {
	case PVG_CONTROL_OPEN:
		rs->tell &= ~TELL_OPEN;
		rs->args = NULL;
		break;
	case PVG_CONTROL_CLOSED:
		stream_free(rs);
		return;
	case PVG_CONTROL_ROOM:
		rs->tell &= ~TELL_ROOM;
		break;
	case PVG_CONTROL_EOF:
		rs->tell &= ~TELL_EOF;
		break;
	case PVG_CONTROL_DATA:
		list_del(&l->chunk->node);
		pvc_consumed(p, rs->s, l->chunk->len);
		break;
	}
	list_move_tail(&rs->node, &rs->relay->streams);
}

static void compose(struct relay_stream *rs, struct letter *l)
{
	*l = (struct letter) {
		.head = {
			.type = message_type(rs),
			.stream = rs->id,
		},
	};
	switch (l->head.type) {
	case PVG_CONTROL_OPEN:
		l->open = rs->open;
		l->open_len = sizeof(l->open);
		l->chunk = rs->args;
		break;
	case PVG_CONTROL_CLOSED:
		l->head.status = rs->status;
		break;
	case PVG_CONTROL_DATA:
		l->chunk = list_first_entry(&rs->in, struct chunk, node);
		break;
	}
	l->head.len = l->open_len + (l->chunk ? l->chunk->len : 0);
}

/* Returns 0; -EAGAIN: there is none; -EMSGSIZE: it is longer than @max. */
static int get_message(struct pvg_relay *relay, struct letter *l, size_t max)
{
	struct relay_stream *rs;
	int err = 0;

	mutex_lock(&pvg_channel.lock);
	rs = next_stream(relay);
	if (!rs) {
		err = -EAGAIN;
	} else {
		compose(rs, l);
		if (l->head.len > max)
			err = -EMSGSIZE;
		else
			take_message(rs, l);
	}
	WRITE_ONCE(relay->ready, next_stream(relay));
	mutex_unlock(&pvg_channel.lock);
	return err;
}

static int put_to_user(char __user *to, const struct letter *l)
{
	if (copy_to_user(to, &l->head, sizeof(l->head)))
		return -EFAULT;
	to += sizeof(l->head);
	if (copy_to_user(to, &l->open, l->open_len))
		return -EFAULT;
	to += l->open_len;
	if (l->chunk && copy_to_user(to, l->chunk->data, l->chunk->len))
		return -EFAULT;
	return 0;
}

/* As get_message(), and waits for one unless @nonblock. */
static int await_message(struct pvg_relay *relay, struct letter *l, size_t max,
			 bool nonblock)
{
	int err;

	for (;;) {
		err = get_message(relay, l, max);
		if (err != -EAGAIN || nonblock)
			return err;
		err = wait_event_interruptible(relay->wait,
					       READ_ONCE(relay->ready));
		if (err)
			return err;
	}
}

static ssize_t read_message(struct pvg_relay *relay, char __user *to,
			    size_t max, bool nonblock)
{
	struct letter *l = &relay->letter;
	int err;

	max -= sizeof(l->head);
	if (relay->returned)
		err = l->head.len > max ? -EMSGSIZE : 0;
	else
		err = await_message(relay, l, max, nonblock);
	if (err)
		return err;
	/* There may be credit to send. */
	if (l->head.type == PVG_CONTROL_DATA)
		pvg_channel_kick();
	err = put_to_user(to, l);
	WRITE_ONCE(relay->returned, err);
	if (err)
		return err;
	kfree(l->chunk);
	return sizeof(l->head) + l->head.len;
}

/**
 * pvg_relay_read() - one message for the daemon
 * @relay: the file's
 * @to: where to
 * @max: bytes there is room for
 * @nonblock: do not wait
 *
 * Context: may sleep. Return: its length, or a negative errno.
 */
ssize_t pvg_relay_read(struct pvg_relay *relay, char __user *to, size_t max,
		       bool nonblock)
{
	ssize_t ret;

	if (max < sizeof(struct pvg_control_message))
		return -EMSGSIZE;
	if (nonblock ? !mutex_trylock(&relay->read_lock) :
		       mutex_lock_interruptible(&relay->read_lock))
		return nonblock ? -EAGAIN : -ERESTARTSYS;
	ret = read_message(relay, to, max, nonblock);
	mutex_unlock(&relay->read_lock);
	return ret;
}

static struct relay_stream *find_stream(struct pvg_relay *relay, u64 id)
{
	struct relay_stream *rs;

	list_for_each_entry(rs, &relay->streams, node)
		if (rs->id == id && rs->s && !(rs->tell & TELL_OPEN))
			return rs;
	return NULL;
}

/* Has the daemon ended its data, or answered? */
static bool has_ended(const struct pvc_stream *s)
{
	return s->flags & PVC_STREAM_EOF ||
	       s->pending & (PVC_SEND_EOF | PVC_SEND_RESULT);
}

static int send_data(struct relay_stream *rs, struct chunk *c)
{
	if (has_ended(rs->s))
		return -EPIPE;
	if (rs->out_bytes && rs->out_bytes + c->len > OUT_MAX) {
		rs->refused = true;
		return -EAGAIN;
	}
	list_add_tail(&c->node, &rs->out);
	rs->out_bytes += c->len;
	pvc_ready(&pvg_channel.services.pvc, rs->s);
	return 0;
}

/* Takes @c over unless it fails. */
static int put_message(struct pvg_relay *relay,
		       const struct pvg_control_message *head, struct chunk *c)
{
	struct pvc *p = &pvg_channel.services.pvc;
	struct relay_stream *rs = find_stream(relay, head->stream);

	if (!rs)
		return -ENOENT;
	if (head->type == PVG_CONTROL_DATA)
		return send_data(rs, c);
	if (head->type == PVG_CONTROL_RESET) {
		pvc_reset(p, rs->s, head->status);
	} else if (has_ended(rs->s) && (head->type == PVG_CONTROL_EOF ||
					rs->s->pending & PVC_SEND_RESULT)) {
		return -EPIPE;
	} else if (head->type == PVG_CONTROL_EOF) {
		pvc_finish(p, rs->s);
	} else {
		rs->body = c;
		pvc_reply(p, rs->s, head->status, 0);
		return 0;
	}
	kfree(c);
	return 0;
}

static int check_message(const struct pvg_control_message *head, size_t len)
{
	u32 least = 0, most = 0;

	switch (head->type) {
	case PVG_CONTROL_DATA:
		least = 1;
		most = PVG_CONTROL_DATA_MAX;
		break;
	case PVG_CONTROL_REPLY:
		most = PVG_CONTROL_BODY_MAX;
		break;
	case PVG_CONTROL_EOF:
	case PVG_CONTROL_RESET:
		break;
	default:
		return -EINVAL;
	}
	if (head->len != len || len < least || len > most ||
	    head->status >= PVC_STATUS_NR || head->status == PVC_LOST ||
	    head->reserved)
		return -EINVAL;
	return 0;
}

static int send_message(struct pvg_relay *relay,
			const struct pvg_control_message *head, struct chunk *c,
			bool nonblock)
{
	u32 room;
	int err;

	for (;;) {
		mutex_lock(&pvg_channel.lock);
		err = put_message(relay, head, c);
		room = relay->room;
		mutex_unlock(&pvg_channel.lock);
		if (err != -EAGAIN || nonblock)
			return err;
		err = wait_event_interruptible(relay->wait,
					       READ_ONCE(relay->room) != room);
		if (err)
			return err;
	}
}

/**
 * pvg_relay_write() - one message of the daemon
 * @relay: the file's
 * @from: the message
 * @len: its length
 * @nonblock: do not wait for room
 *
 * Context: may sleep. Return: @len, or a negative errno.
 */
ssize_t pvg_relay_write(struct pvg_relay *relay, const char __user *from,
			size_t len, bool nonblock)
{
	struct pvg_control_message head;
	struct chunk *c;
	int err;

	if (len < sizeof(head))
		return -EINVAL;
	if (copy_from_user(&head, from, sizeof(head)))
		return -EFAULT;
	err = check_message(&head, len - sizeof(head));
	if (err)
		return err;
	c = chunk_alloc(head.len, GFP_KERNEL_ACCOUNT);
	if (!c)
		return -ENOMEM;
	if (copy_from_user(c->data, from + sizeof(head), head.len))
		err = -EFAULT;
	if (!err)
		err = send_message(relay, &head, c, nonblock);
	if (err) {
		kfree(c);
		return err;
	}
	pvg_channel_kick();
	return len;
}

/**
 * pvg_relay_poll() - can there be read?
 * @relay: the file's
 * @file: the file
 * @wait: as of &file_operations.poll
 *
 * Whether there is room for data is told per stream, by a message.
 */
__poll_t pvg_relay_poll(struct pvg_relay *relay, struct file *file,
			poll_table *wait)
{
	poll_wait(file, &relay->wait, wait);
	return EPOLLOUT | EPOLLWRNORM |
	       (READ_ONCE(relay->ready) || READ_ONCE(relay->returned) ?
		EPOLLIN | EPOLLRDNORM : 0);
}

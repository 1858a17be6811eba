// SPDX-License-Identifier: GPL-2.0-only
/*
 * See client.h. A channel is a stream of the protocol core with room for what the core cannot
 * send yet, and for what the verb has not taken yet: at most the window that the guest was
 * given. It outlives its stream until the verb has had all data, the end, and the answer.
 */
#include <event2/buffer.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "client.h"

#define TX_ROOM		131072u	/* bytes that channel_write() takes beyond what was sent */
#define RX_WINDOW	262144u	/* bytes that the guest may send before they are taken */
#define RX_WINDOW_BULK	1048576u
/* Arguments in OPEN: with it and its header no more than the hypervisor reads at a time. */
#define OPEN_ARGS	3960u

struct channel {
	LIST_ENTRY(channel) entry;
	struct client *client;
	struct pvc_stream *stream;	/* NULL: closed */
	const struct channel_ops *ops;
	void *priv;
	struct evbuffer *tx;		/* begins with @args_len bytes of arguments */
	struct evbuffer *rx;		/* what data() did not take */
	size_t args_len;
	bool tx_ended;
	bool want_write;		/* writable() is due */
	bool eof;			/* no more data comes */
	bool eof_told;
	bool resumed;			/* rx is to be offered */
	bool answered;
	bool closed;			/* done() is due when rx is empty */
	bool dead;			/* nothing is told any more */
	__u32 status, flags;
	size_t body_len;
	__u8 *body;
};

LIST_HEAD(channels, channel);

struct client {
	struct link link;
	struct channels open;
	struct channels graves;		/* freed when no callback of theirs can be on the stack */
	struct event *wake;		/* verbs are called from here, as by the core */
	bool json;
	bool given_timeout;
	bool stopped;
	enum outcome outcome;
	char principal[PVC_PRINCIPAL_MAX + 1];
};

/* Streams that were given up have this one. */
static struct channel nobody;

static void check_memory(const void *p)
{
	if (p)
		return;
	fprintf(stderr, "pvhost: out of memory\n");
	exit(FAILED);
}

static struct pvc *core(const struct channel *ch)
{
	return &ch->client->link.pvc;
}

static void wake(struct client *c)
{
	event_active(c->wake, EV_TIMEOUT, 0);
}

static void consumed(struct channel *ch, size_t len)
{
	if (!len || !ch->stream)
		return;
	pvc_consumed(core(ch), ch->stream, len);
	link_kick(&ch->client->link);
}

/* What has been kept, until the verb takes no more. */
static void offer(struct channel *ch)
{
	size_t len, n;

	ch->resumed = false;
	while (!ch->dead && (len = evbuffer_get_contiguous_space(ch->rx))) {
		n = ch->ops->data(ch, evbuffer_pullup(ch->rx, len), len);
		n = min_t(size_t, n, len);
		evbuffer_drain(ch->rx, n);
		consumed(ch, n);
		if (n < len)
			break;
	}
}

static void tell_eof(struct channel *ch)
{
	if (!ch->eof || ch->eof_told || ch->dead || evbuffer_get_length(ch->rx))
		return;
	ch->eof_told = true;
	if (ch->ops->eof)
		ch->ops->eof(ch);
}

/* The verb is not called for it any more. */
static void bury(struct channel *ch)
{
	ch->dead = true;
	LIST_REMOVE(ch, entry);
	LIST_INSERT_HEAD(&ch->client->graves, ch, entry);
	wake(ch->client);
}

static void tell_done(struct channel *ch)
{
	if (!ch->closed || ch->dead || evbuffer_get_length(ch->rx))
		return;
	if (ch->ops->done)
		ch->ops->done(ch, ch->status, ch->flags, ch->body ? ch->body : (__u8 *)"",
			      ch->body_len);
	if (!ch->dead)
		bury(ch);
}

static void free_channel(struct channel *ch)
{
	LIST_REMOVE(ch, entry);
	evbuffer_free(ch->tx);
	evbuffer_free(ch->rx);
	free(ch->body);
	free(ch);
}

/* Callbacks of the core. */

static struct channel *channel_of(const struct pvc_stream *s)
{
	struct channel *ch = s->priv;

	return ch->stream == s ? ch : NULL;
}

static void on_data(struct pvc *p, struct pvc_stream *s, const void *data, __u32 len)
{
	struct channel *ch = channel_of(s);
	size_t n = len;

	if (!ch)
		return;
	if (!evbuffer_get_length(ch->rx) && ch->ops->data)
		n = min_t(size_t, ch->ops->data(ch, data, len), len);
	else if (ch->ops->data)
		n = 0;
	if (ch->dead || !ch->stream)
		return;
	if (n < len && evbuffer_add(ch->rx, (const __u8 *)data + n, len - n))
		check_memory(NULL);
	if (n)
		pvc_consumed(p, s, n);
}

static void on_eof(struct pvc *p, struct pvc_stream *s)
{
	struct channel *ch = channel_of(s);

	(void)p;
	if (!ch)
		return;
	ch->eof = true;
	tell_eof(ch);
}

static void on_result(struct pvc *p, struct pvc_stream *s, __u32 flags, const void *body,
		      __u32 len)
{
	struct channel *ch = channel_of(s);

	(void)p;
	if (!ch)
		return;
	ch->answered = true;
	ch->flags = flags;
	ch->body_len = len;
	ch->body = len ? malloc(len) : NULL;
	if (!len)
		return;
	check_memory(ch->body);
	memcpy(ch->body, body, len);
}

/*
 * An answer waits until the verb has taken the data before it; a reset, or the end of the
 * session, does not. One that is not PVC_OK has cut the data short: that is no end in order.
 */
static void on_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct channel *ch = channel_of(s);

	(void)p;
	if (!ch)
		return;
	ch->stream = NULL;
	ch->closed = true;
	ch->status = status;
	ch->want_write = false;
	if (ch->answered) {
		ch->eof = ch->eof || status == PVC_OK;
		tell_eof(ch);
	} else {
		evbuffer_drain(ch->rx, evbuffer_get_length(ch->rx));
	}
	tell_done(ch);
}

static __u32 fill_open(struct channel *ch, void *buf, __u32 max)
{
	__u32 n = min_t(size_t, ch->args_len, min_t(__u32, max, OPEN_ARGS));

	evbuffer_remove(ch->tx, buf, n);
	ch->args_len -= n;
	return n;
}

static __u32 on_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type, void *buf,
		     __u32 max)
{
	struct channel *ch = channel_of(s);
	int n;

	if (!ch)
		return 0;
	if (type == PVC_OPEN)
		return fill_open(ch, buf, max);
	if (type != PVC_DATA)
		return 0;
	n = evbuffer_remove(ch->tx, buf, max);
	if (n < 0)
		n = 0;
	ch->args_len -= min_t(size_t, ch->args_len, n);
	if (!evbuffer_get_length(ch->tx))
		pvc_drained(p, s);
	return n;
}

static const struct pvc_ops stream_ops = {
	.data = on_data,
	.eof = on_eof,
	.result = on_result,
	.closed = on_closed,
	.fill = on_fill,
};

static size_t tx_room(const struct channel *ch)
{
	size_t used = evbuffer_get_length(ch->tx) - ch->args_len;

	return used < TX_ROOM ? TX_ROOM - used : 0;
}

/* Not for every frame that was sent: a call is worth half of the room. */
static bool write_is_due(const struct channel *ch)
{
	return ch->want_write && tx_room(ch) >= TX_ROOM / 2;
}

static struct channel *find_due(struct client *c)
{
	struct channel *ch;

	LIST_FOREACH(ch, &c->open, entry)
		if (ch->resumed || write_is_due(ch))
			return ch;
	return NULL;
}

static void on_turn(struct link *link)
{
	struct client *c = link->priv;

	if (find_due(c))
		wake(c);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct client *c = arg;
	struct channel *ch;
	int i;

	(void)fd;
	(void)what;
	/* The others in the loop have their turn, too. */
	for (i = 0; i < 64 && (ch = find_due(c)); i++) {
		if (write_is_due(ch)) {
			ch->want_write = false;
			if (ch->ops->writable)
				ch->ops->writable(ch);
		}
		if (ch->dead || !ch->resumed)
			continue;
		offer(ch);
		tell_eof(ch);
		tell_done(ch);
	}
	if (find_due(c))
		wake(c);
	while ((ch = LIST_FIRST(&c->graves)))
		free_channel(ch);
}

static const struct link_hooks hooks = {
	.streams = &stream_ops,
	.turn = on_turn,
};

static struct channel *new_channel(struct client *c, const struct channel_request *req,
				   const struct channel_ops *ops)
{
	struct channel *ch = calloc(1, sizeof(*ch));
	struct pvo_header header = {
		.size = cpu_to_le16(sizeof(header)),
		.record_len = cpu_to_le32(req->record_len),
		.job = cpu_to_le64(req->job),
	};

	check_memory(ch);
	ch->client = c;
	ch->ops = ops;
	ch->priv = req->priv;
	ch->tx = evbuffer_new();
	ch->rx = evbuffer_new();
	check_memory(ch->tx);
	check_memory(ch->rx);
	if (req->user)
		memcpy(header.user, req->user,
		       min_t(size_t, strlen(req->user), sizeof(header.user) - 1));
	if (evbuffer_add(ch->tx, &header, sizeof(header)) ||
	    evbuffer_add(ch->tx, req->record, req->record_len))
		check_memory(NULL);
	ch->args_len = evbuffer_get_length(ch->tx);
	LIST_INSERT_HEAD(&c->open, ch, entry);
	return ch;
}

static struct channel *open_channel(struct client *c, const struct channel_request *req,
				    const struct channel_ops *ops, __u16 flags)
{
	struct channel *ch = new_channel(c, req, ops);
	bool more = ch->args_len > OPEN_ARGS;
	struct pvc_request open = {
		.service = req->service,
		.op = req->op,
		.version = PVO_VERSION,
		.prio = req->bulk ? PVC_PRIO_BULK : PVC_PRIO_NORMAL,
		.flags = flags | (more ? PVC_OPEN_MORE : req->nodata ? PVC_OPEN_NODATA : 0),
		.deadline_ms = req->deadline_ms,
		.window = req->bulk ? RX_WINDOW_BULK : RX_WINDOW,
		.key = req->key,
		.principal = c->principal,
		.priv = ch,
	};

	ch->stream = pvc_open(&c->link.pvc, &open);
	if (!ch->stream) {
		free_channel(ch);
		return NULL;
	}
	if (more)
		pvc_ready(&c->link.pvc, ch->stream);
	if (req->nodata) {
		ch->tx_ended = true;
		pvc_finish(&c->link.pvc, ch->stream);
	}
	link_kick(&c->link);
	return ch;
}

struct channel *channel_open(struct client *c, const struct channel_request *req,
			     const struct channel_ops *ops)
{
	return open_channel(c, req, ops, 0);
}

struct channel *channel_query(struct client *c, const struct channel_request *req,
			      const struct channel_ops *ops)
{
	return open_channel(c, req, ops, PVC_OPEN_QUERY);
}

void *channel_priv(const struct channel *ch)
{
	return ch->priv;
}

struct client *channel_client(const struct channel *ch)
{
	return ch->client;
}

size_t channel_write(struct channel *ch, const void *buf, size_t len)
{
	size_t n;

	if (!ch->stream || ch->tx_ended)
		return 0;
	n = min_t(size_t, len, tx_room(ch));
	if (n && evbuffer_add(ch->tx, buf, n))
		check_memory(NULL);
	ch->want_write = n < len;
	if (n)
		pvc_ready(core(ch), ch->stream);
	link_kick(&ch->client->link);
	return n;
}

void channel_eof(struct channel *ch)
{
	if (!ch->stream || ch->tx_ended)
		return;
	ch->tx_ended = true;
	ch->want_write = false;
	pvc_finish(core(ch), ch->stream);
	link_kick(&ch->client->link);
}

void channel_resume(struct channel *ch)
{
	if (ch->dead)
		return;
	ch->resumed = true;
	wake(ch->client);
}

void channel_reset(struct channel *ch, __u32 status)
{
	struct pvc_stream *s = ch->stream;

	if (ch->dead)
		return;
	ch->stream = NULL;
	bury(ch);
	if (!s)
		return;
	s->priv = &nobody;
	pvc_reset(core(ch), s, status);
	link_kick(&ch->client->link);
}

/* The client. */

struct client *client_new(const char *path, __u32 timeout_ms, bool given_timeout, bool json)
{
	struct client *c = calloc(1, sizeof(*c));
	const struct passwd *pw = getpwuid(getuid());

	check_memory(c);
	if (link_init(&c->link, path, timeout_ms) != DONE)
		exit(FAILED);
	c->link.hooks = &hooks;
	c->link.priv = c;
	c->wake = evtimer_new(c->link.base, on_wake, c);
	check_memory(c->wake);
	c->given_timeout = given_timeout;
	c->json = json;
	if (pw)
		snprintf(c->principal, sizeof(c->principal), "%s", pw->pw_name);
	else
		snprintf(c->principal, sizeof(c->principal), "uid:%u", getuid());
	return c;
}

void client_free(struct client *c)
{
	struct channel *ch;

	/* What the verb left open may not call it any more. */
	c->link.hooks = NULL;
	while ((ch = LIST_FIRST(&c->open)))
		channel_reset(ch, PVC_CANCELLED);
	while ((ch = LIST_FIRST(&c->graves)))
		free_channel(ch);
	event_free(c->wake);
	link_close(&c->link);
	free(c);
}

enum outcome client_session(struct client *c)
{
	enum outcome out;

	link_set_timeout(&c->link, c->link.timeout_ms);
	out = link_session(&c->link);
	link_set_timeout(&c->link, 0);
	return out;
}

struct event_base *client_base(struct client *c)
{
	return c->link.base;
}

enum outcome client_run(struct client *c)
{
	enum outcome out = DONE;

	c->stopped = false;
	while (!c->stopped) {
		out = link_turn(&c->link, ~0ull);
		/* What came before the end may still have to be taken. */
		if (out == NO_CONNECTION && !LIST_EMPTY(&c->open) && !c->stopped)
			event_base_loop(c->link.base, EVLOOP_ONCE);
		else if (out != DONE && !c->stopped)
			return out;
	}
	return c->outcome;
}

void client_stop(struct client *c, enum outcome outcome)
{
	c->stopped = true;
	c->outcome = outcome;
	event_base_loopbreak(c->link.base);
}

const __u8 *client_boot_id(const struct client *c)
{
	return c->link.pvc.peer.boot_id;
}

__u64 client_random(struct client *c)
{
	__u64 value = 0;

	(void)c;
	while (!value)
		fill_random(&value, sizeof(value));
	return value;
}

bool client_json(const struct client *c)
{
	return c->json;
}

void client_set_json(struct client *c)
{
	c->json = true;
}

__u32 client_timeout(const struct client *c)
{
	return c->given_timeout ? c->link.timeout_ms : 0;
}

bool client_timeout_given(const struct client *c)
{
	return c->given_timeout;
}

struct link *client_link(struct client *c)
{
	return &c->link;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost forward -R: the guest listens, and tells each connection, for which this host connects
 * to the target and takes the connection's stream.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pb_decode.h>

#include "forward.h"
#include "generated/forward.pb.h"
#include "pump.h"

#define RECORDS_MAX	(pvo_forward_event_size + 5)

struct remote {
	struct forwarding *f;
	struct channel *ch;
	__u64 job;
	size_t have;		/* bytes of a record that is not complete */
	__u8 buf[RECORDS_MAX];
};

/* A connection of the guest's that waits until ours is there. */
struct pending {
	struct remote *remote;
	struct pump *pump;
	struct event *connected;
	int fd;
};

static void finished(struct pump *p, __u32 status, const void *body, size_t len, int error)
{
	(void)body;
	(void)len;
	(void)error;
	close_socket(pump_in(p), status == PVC_OK);
}

static void on_connected(evutil_socket_t fd, short what, void *arg)
{
	struct pending *w = arg;
	int error = ECONNREFUSED;
	socklen_t len = sizeof(error);

	(void)fd;
	(void)what;
	if (w->fd >= 0)
		getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error) {
		pump_start(w->pump);
	} else {
		if (w->fd >= 0) {
			fprintf(stderr, "pvhost: forward: %s: %s\n", w->remote->f->target,
				strerror(error));
			close(w->fd);
		}
		pump_free(w->pump);
	}
	event_free(w->connected);
	free(w);
}

/*
 * The stream is opened first, also for a target that refuses: the reset of the stream is what the
 * guest's connection hears.
 */
static void take(struct remote *r, __u64 id)
{
	struct timeval soon = { .tv_usec = 1000 };
	struct forwarding *f = r->f;
	struct pending *w = calloc(1, sizeof(*w));
	struct channel *ch;

	if (!w)
		return;
	w->remote = r;
	w->fd = forward_connect_host(f->target);
	w->pump = pump_new(f->client, w->fd, w->fd, finished, f);
	w->connected = w->fd < 0 ? evtimer_new(client_base(f->client), on_connected, w) :
		       event_new(client_base(f->client), w->fd, EV_WRITE, on_connected, w);
	ch = w->pump && w->connected ?
	     forward_open(f->client, PVO_FORWARD_ACCEPT, NULL, r->job, id, &pump_ops, w->pump) :
	     NULL;
	if (ch)
		pump_attach(w->pump, ch);
	if (ch && !event_add(w->connected, w->fd < 0 ? &soon : NULL))
		return;
	/* The guest closes a connection that nobody takes. */
	if (w->connected)
		event_free(w->connected);
	if (w->pump)
		pump_free(w->pump);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}

static void take_event(struct remote *r, const pvo_forward_event *event)
{
	char name[TARGET_MAX];
	const char *colon = strrchr(r->f->listen, ':');

	if (!event->port) {
		take(r, event->id);
		return;
	}
	snprintf(name, sizeof(name), "%.*s:%u", (int)(colon - r->f->listen), r->f->listen,
		 event->port);
	forward_tell(r->f, name);
}

/* Bytes of the record that @buf begins with, its length included; 0: not all of it; -1: none. */
static int record_len(const __u8 *buf, size_t len)
{
	size_t value;

	if (!len)
		return 0;
	value = buf[0] & 0x7f;
	if (buf[0] & 0x80) {
		if (len < 2)
			return 0;
		if (buf[1] & 0x80)
			return -1;
		value |= buf[1] << 7;
	}
	value += buf[0] & 0x80 ? 2 : 1;
	return value > RECORDS_MAX ? -1 : value > len ? 0 : (int)value;
}

static void broken(struct remote *r, const char *why)
{
	fprintf(stderr, "pvhost: forward: %s: %s\n", r->f->listen, why);
	client_stop(r->f->client, FAILED);
}

static size_t on_data(struct channel *ch, const void *data, size_t len)
{
	struct remote *r = channel_priv(ch);
	pvo_forward_event event;
	size_t n, done = 0;
	int record;

	while (done < len) {
		n = min_t(size_t, len - done, sizeof(r->buf) - r->have);
		memcpy(r->buf + r->have, (const __u8 *)data + done, n);
		r->have += n;
		done += n;
		while ((record = record_len(r->buf, r->have)) > 0) {
			pb_istream_t in = pb_istream_from_buffer(r->buf, record);

			event = (pvo_forward_event)pvo_forward_event_init_zero;
			if (!pb_decode_ex(&in, pvo_forward_event_fields, &event,
					  PB_DECODE_DELIMITED)) {
				record = -1;
				break;
			}
			take_event(r, &event);
			r->have -= record;
			memmove(r->buf, r->buf + record, r->have);
		}
		if (record < 0) {
			broken(r, "the guest's record is malformed");
			return len;
		}
	}
	return len;
}

static void on_done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct remote *r = channel_priv(ch);

	(void)flags;
	r->ch = NULL;
	if (status != PVC_LOST)
		client_refused("forward", r->f->listen, status, body, len);
	/* With the next session it is asked for again. */
	client_stop(r->f->client, status == PVC_LOST ? DONE : FAILED);
}

static const struct channel_ops listen_ops = { .data = on_data, .done = on_done };

bool remote_start(struct forwarding *f)
{
	struct remote *r = f->priv ? f->priv : calloc(1, sizeof(*r));
	char target[TARGET_MAX + 4];

	if (!r)
		return false;
	f->priv = r;
	r->f = f;
	if (r->ch)
		return true;
	r->job = client_random(f->client);
	r->have = 0;
	snprintf(target, sizeof(target), "tcp:%s", f->listen);
	r->ch = forward_open(f->client, PVO_FORWARD_LISTEN, target, r->job, 0, &listen_ops, r);
	if (!r->ch)
		fprintf(stderr, "pvhost: forward: the guest takes no more streams\n");
	return r->ch;
}

void remote_end(struct forwarding *f)
{
	struct remote *r = f->priv;

	if (r && r->ch)
		channel_reset(r->ch, PVC_CANCELLED);
	free(r);
	f->priv = NULL;
}

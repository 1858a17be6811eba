// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost serve: a stream of a client and the stream to the guest that it stands for. See
 * serve.h.
 *
 * What one side sends is kept until the other takes it, and only then has that side credit for
 * more: no more is kept of a stream than PVC_BULK_WINDOW and SERVE_WINDOW_DOWN bytes.
 */
#include <event2/buffer.h>
#include <stdlib.h>

#include "serve.h"

/**
 * struct relay - two streams that are one
 * @client: whose
 * @near: the client's stream; NULL: closed
 * @far: the stream to the guest; NULL: closed, or never opened
 * @up: data for the guest; before OPEN was sent, its arguments
 * @down: data for the client
 * @body: of the answer
 * @body_len: bytes of it
 * @shared: it is one of &server.shared
 */
struct relay {
	struct serve_client *client;
	struct pvc_stream *near;
	struct pvc_stream *far;
	struct evbuffer *up;
	struct evbuffer *down;
	__u32 args_len;
	__u8 *body;
	__u32 body_len;
	bool shared;
};

static struct pvc *far_core(const struct relay *r)
{
	return &r->client->server->link->pvc;
}

static struct pvc *near_core(const struct relay *r)
{
	return &r->client->pvc;
}

static void kick(const struct relay *r)
{
	serve_client_kick(r->client);
	link_kick(r->client->server->link);
}

static void free_relay(struct relay *r)
{
	if (r->up)
		evbuffer_free(r->up);
	if (r->down)
		evbuffer_free(r->down);
	free(r->body);
	free(r);
}

/* The stream to the guest is over. */
static void end_far(struct relay *r)
{
	struct server *server = r->client->server;

	r->far = NULL;
	r->client->open--;
	r->client->shared -= r->shared;
	server->nr_streams--;
	server->shared -= r->shared;
	if (!r->near)
		free_relay(r);
}

/* May the client have one more stream, and is it one of those that all share? */
static bool admit(const struct serve_client *c, bool *shared)
{
	*shared = c->open >= SERVE_STREAMS_SURE;
	return !*shared || c->shared < SERVE_STREAMS_SHARED - c->server->shared;
}

static struct relay *new_relay(struct serve_client *c, const void *args, __u32 len)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->client = c;
	r->up = evbuffer_new();
	r->down = evbuffer_new();
	r->args_len = len;
	if (r->up && r->down && !evbuffer_add(r->up, args, len))
		return r;
	free_relay(r);
	return NULL;
}

void relay_open(struct serve_client *c, struct pvc_stream *s, const void *args, __u32 len)
{
	struct pvc_request req = {
		.service = s->service,
		.op = s->op,
		.version = s->version,
		.prio = s->prio,
		.flags = s->open_flags,
		.deadline_ms = s->deadline_ms,
		.window = min_t(__u32, s->window, SERVE_WINDOW_DOWN),
		.key = s->key,
		.principal = c->user,
	};
	struct relay *r = NULL;
	bool shared;

	if (admit(c, &shared))
		r = new_relay(c, args, len);
	if (r) {
		req.priv = r;
		r->shared = shared;
		r->far = pvc_open(&c->server->link->pvc, &req);
	}
	if (!r || !r->far) {
		if (r)
			free_relay(r);
		pvc_reply(&c->pvc, s, PVC_BUSY, 0);
		return;
	}
	r->near = s;
	s->priv = r;
	c->open++;
	c->server->nr_streams++;
	c->shared += shared;
	c->server->shared += shared;
	kick(r);
}

/* The client's side. A stream without a relay was answered at once. */

void relay_data(struct serve_client *c, struct pvc_stream *s, const void *data, __u32 len)
{
	struct relay *r = s->priv;

	if (!r || !r->far) {
		/* Answered already. */
		pvc_consumed(&c->pvc, s, len);
		return;
	}
	if (evbuffer_add(r->up, data, len)) {
		pvc_reset(&c->pvc, s, PVC_FAILED);
		return;
	}
	pvc_ready(far_core(r), r->far);
	kick(r);
}

void relay_eof(struct pvc_stream *s)
{
	struct relay *r = s->priv;

	if (!r || !r->far)
		return;
	pvc_finish(far_core(r), r->far);
	kick(r);
}

/*
 * The guest is told with what status the client has given up; one whose session ended has
 * not said so.
 */
void relay_closed(struct pvc_stream *s, __u32 status)
{
	struct relay *r = s->priv;
	struct link *link;

	if (!r)
		return;
	r->near = NULL;
	if (!r->far) {
		free_relay(r);
		return;
	}
	link = r->client->server->link;
	/* far_closed() frees the relay. */
	pvc_reset(&link->pvc, r->far, status == PVC_LOST ? PVC_ABORTED : status);
	link_kick(link);
}

static __u32 take(struct evbuffer *from, void *buf, __u32 max)
{
	int n = evbuffer_remove(from, buf, max);

	return n > 0 ? n : 0;
}

__u32 relay_fill(struct pvc_stream *s, enum pvc_type type, void *buf, __u32 max)
{
	struct relay *r = s->priv;
	__u32 n;

	if (!r)
		return 0;
	if (type == PVC_RESULT) {
		n = min_t(__u32, r->body_len, max);
		if (n)
			memcpy(buf, r->body, n);
		return n;
	}
	if (type != PVC_DATA)
		return 0;
	n = take(r->down, buf, max);
	if (!evbuffer_get_length(r->down))
		pvc_drained(near_core(r), s);
	if (r->far) {
		pvc_consumed(far_core(r), r->far, n);
		link_kick(r->client->server->link);
	}
	return n;
}

/* The guest's side. */

static void far_data(struct pvc *p, struct pvc_stream *s, const void *data, __u32 len)
{
	struct relay *r = s->priv;

	if (!r->near || evbuffer_add(r->down, data, len)) {
		pvc_reset(p, s, PVC_ABORTED);
		return;
	}
	pvc_ready(near_core(r), r->near);
	serve_client_kick(r->client);
}

static void far_eof(struct pvc *p, struct pvc_stream *s)
{
	struct relay *r = s->priv;

	(void)p;
	if (r->near)
		pvc_finish(near_core(r), r->near);
	serve_client_kick(r->client);
}

static void far_result(struct pvc *p, struct pvc_stream *s, __u32 flags, const void *body,
		       __u32 len)
{
	struct relay *r = s->priv;

	(void)p;
	if (!r->near)
		return;
	r->body = len ? malloc(len) : NULL;
	if (r->body) {
		memcpy(r->body, body, len);
		r->body_len = len;
	}
	pvc_reply(near_core(r), r->near, s->status, flags);
	/* What the client has sent, and the guest will not take, is no reason to wait. */
	pvc_consumed(near_core(r), r->near, evbuffer_get_length(r->up));
	evbuffer_drain(r->up, evbuffer_get_length(r->up));
	serve_client_kick(r->client);
}

static void far_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct relay *r = s->priv;
	struct pvc_stream *near = r->near;
	struct serve_client *c = r->client;
	bool answered = near && near->pending & PVC_SEND_RESULT;

	(void)p;
	end_far(r);		/* frees it if there is no @near */
	/* A lost session ends that of the client, too: serve_client_down(). */
	if (near && !answered && status != PVC_LOST)
		pvc_reset(&c->pvc, near, status);
	if (near)
		serve_client_kick(c);
}

static __u32 far_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type, void *buf,
		      __u32 max)
{
	struct relay *r = s->priv;
	__u32 n;

	if (type == PVC_OPEN) {
		n = r->args_len;
		if (n > max) {
			pvc_reset(p, s, PVC_INVALID);
			return 0;
		}
		r->args_len = 0;
		return take(r->up, buf, n);
	}
	if (type != PVC_DATA)
		return 0;
	n = take(r->up, buf, max);
	if (!evbuffer_get_length(r->up))
		pvc_drained(p, s);
	if (r->near) {
		pvc_consumed(near_core(r), r->near, n);
		serve_client_kick(r->client);
	}
	return n;
}

const struct pvc_ops relay_guest_ops = {
	.data = far_data,
	.eof = far_eof,
	.result = far_result,
	.closed = far_closed,
	.fill = far_fill,
};

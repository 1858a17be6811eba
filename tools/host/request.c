// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests from begin to end: client_call(), what became of one after the session was lost,
 * and what is said when the guest refuses. See client.h.
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"

#define ATTEMPTS	20	/* sessions in which a request is tried */
#define ASK_MS		100	/* between questions whether it is finished */

struct wait {
	struct reply *reply;
	size_t max;
	bool too_much;
};

static size_t collect(struct channel *ch, const void *buf, size_t len)
{
	struct wait *w = channel_priv(ch);
	struct reply *reply = w->reply;
	__u8 *data;

	if (len > w->max - reply->data_len) {
		w->too_much = true;
		channel_reset(ch, PVC_CANCELLED);
		client_stop(channel_client(ch), FAILED);
		return len;
	}
	data = realloc(reply->data, reply->data_len + len);
	if (!data) {
		fprintf(stderr, "pvhost: out of memory\n");
		exit(FAILED);
	}
	memcpy(data + reply->data_len, buf, len);
	reply->data = data;
	reply->data_len += len;
	return len;
}

static void finish(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct wait *w = channel_priv(ch);

	w->reply->status = status;
	w->reply->flags = flags;
	w->reply->len = min_t(size_t, len, LINK_BODY);
	memcpy(w->reply->body, body, w->reply->len);
	client_stop(channel_client(ch), DONE);
}

static const struct channel_ops call_ops = {
	.data = collect,
	.done = finish,
};

/* Once; the status is PVC_LOST if the session was lost. */
static enum outcome attempt(struct client *c, const struct channel_request *req, size_t max,
			    bool query, struct reply *reply)
{
	struct wait w = { .reply = reply, .max = max };
	struct channel_request mine = *req;
	enum outcome out;
	struct channel *ch;

	free(reply->data);
	memset(reply, 0, sizeof(*reply));
	out = client_session(c);
	if (out != DONE)
		return out;
	mine.priv = &w;
	mine.nodata = true;
	if (!mine.deadline_ms)
		mine.deadline_ms = client_timeout(c);
	ch = query ? channel_query(c, &mine, &call_ops) : channel_open(c, &mine, &call_ops);
	if (!ch) {
		fprintf(stderr, "pvhost: the guest takes no more streams\n");
		return FAILED;
	}
	out = client_run(c);
	if (w.too_much)
		fprintf(stderr, "pvhost: the guest sent more than %zu bytes\n", max);
	return out;
}

static void wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_stop(arg, DONE);
}

static enum outcome pause_ms(struct client *c, __u32 ms)
{
	struct timeval tv = { .tv_usec = ms * 1000 };
	struct event *ev = evtimer_new(client_base(c), wake, c);
	enum outcome out;

	if (!ev || evtimer_add(ev, &tv))
		return FAILED;
	out = client_run(c);
	event_free(ev);
	return out;
}

enum outcome client_ask(struct client *c, const struct channel_request *req,
			const __u8 *boot_id, struct reply *reply)
{
	struct channel_request query = *req;
	enum outcome out;
	int i;

	query.record = NULL;
	query.record_len = 0;
	query.deadline_ms = 0;
	for (i = 0; i < ATTEMPTS; i++) {
		out = attempt(c, &query, 0, true, reply);
		if (out != DONE && out != NO_CONNECTION)
			return out;
		if (out == DONE && reply->status != PVC_LOST)
			break;
	}
	if (i == ATTEMPTS)
		return NO_CONNECTION;
	/* A guest that has booted since knows nothing of what it did before. */
	if (reply->status == PVC_NOT_FOUND && memcmp(client_boot_id(c), boot_id, 16))
		reply->status = PVC_FORGOTTEN;
	return DONE;
}

enum outcome client_call(struct client *c, const struct channel_request *req, size_t max,
			 struct reply *reply)
{
	enum outcome out = DONE;
	__u8 boot_id[16];
	int i;

	memset(reply, 0, sizeof(*reply));
	for (i = 0; i < ATTEMPTS; i++) {
		/* The guest that it is sent to. */
		out = client_session(c);
		if (out != DONE)
			return out;
		memcpy(boot_id, client_boot_id(c), sizeof(boot_id));
		out = attempt(c, req, max, false, reply);
		if (out != DONE && out != NO_CONNECTION)
			return out;
		if (out == DONE && reply->status != PVC_LOST)
			break;
		if (!req->key)
			continue;
		do {
			out = client_ask(c, req, boot_id, reply);
		} while (out == DONE && reply->status == PVC_IN_PROGRESS &&
			 (out = pause_ms(c, ASK_MS)) == DONE);
		if (out != DONE || reply->status != PVC_NOT_FOUND)
			break;
	}
	if (i == ATTEMPTS)
		return NO_CONNECTION;
	return out == DONE && reply->status == PVC_TIMED_OUT ? NO_ANSWER : out;
}

/* Bytes of the character at @p if it is UTF-8, not ASCII, and no control character; 0: no. */
static size_t utf8_len(const __u8 *p, size_t len)
{
	static const __u32 least[] = { 0, 0, 0xa0, 0x800, 0x10000 };
	size_t i, n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	__u32 value = *p & (0x7f >> n);

	if (*p < 0xc2 || *p > 0xf4 || n > len)
		return 0;
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3f);
	}
	return value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000) ? 0 : n;
}

const char *client_printable(const void *text, size_t len)
{
	static char out[4 * LINK_BODY + 1];
	const __u8 *in = text;
	size_t i = 0, n = 0, step;

	while (i < len && n + 4 < sizeof(out)) {
		step = in[i] >= ' ' && in[i] < 0x7f ? 1 : utf8_len(in + i, len - i);
		if (step)
			memcpy(out + n, in + i, step);
		else
			snprintf(out + n, 5, "\\x%02x", in[i]);
		n += step ? step : 4;
		i += step ? step : 1;
	}
	out[n] = '\0';
	return out;
}

enum outcome client_refused(const char *verb, const char *what, __u32 status, const void *text,
			    size_t len)
{
	fprintf(stderr, "pvhost: %s%s%s: %s%s%s\n", verb, what ? " " : "", what ? what : "",
		pvc_status_name(status), len ? ": " : "", len ? client_printable(text, len) : "");
	return FAILED;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * pvhost serve: the session with a client. See serve.h.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "serve.h"

static struct serve_client *client_of(struct pvc *p)
{
	return p->priv;
}

static void op_random(struct pvc *p, void *buf, __u32 len)
{
	(void)p;
	fill_random(buf, len);
}

static void op_up(struct pvc *p)
{
	client_of(p)->beats = 0;
}

static void op_down(struct pvc *p, __u32 why)
{
	struct serve_client *c = client_of(p);

	c->ping = 0;
	/* What is not one of the ways in which a program ends. */
	if (why != PVC_WHY_BYE && why != PVC_WHY_TRANSPORT && why != PVC_WHY_RUN)
		serve_log(c->server, "%s, process %d: session lost: %s", c->user, c->pid,
			  pvc_why_name(why));
}

static void op_open(struct pvc *p, struct pvc_stream *s, const void *args, __u32 len)
{
	relay_open(client_of(p), s, args, len);
}

static void op_data(struct pvc *p, struct pvc_stream *s, const void *data, __u32 len)
{
	relay_data(client_of(p), s, data, len);
}

static void op_eof(struct pvc *p, struct pvc_stream *s)
{
	(void)p;
	relay_eof(s);
}

static void op_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	(void)p;
	relay_closed(s, status);
}

static __u32 fill_beat(struct serve_client *c, void *buf, __u32 max)
{
	struct pvc_heartbeat beat = c->server->beat;

	if (!c->server->have_beat || max < sizeof(beat))
		return 0;
	beat.count = cpu_to_le32(++c->beats);
	memcpy(buf, &beat, sizeof(beat));
	return sizeof(beat);
}

static __u32 op_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type, void *buf,
		     __u32 max)
{
	struct serve_client *c = client_of(p);

	if (type == PVC_HEARTBEAT)
		return fill_beat(c, buf, max);
	if (type != PVC_NOTICE)
		return relay_fill(s, type, buf, max);
	if (c->server->notice_len > max)
		return 0;
	memcpy(buf, c->server->notice, c->server->notice_len);
	return c->server->notice_len;
}

/* The guest answers it, not we: one PING of ours is for all clients' of the moment. */
static void op_ping(struct pvc *p, __u64 token)
{
	struct serve_client *c = client_of(p);

	c->ping_token = token;
	c->ping = ++c->server->pings;
	pvc_ping(&c->server->link->pvc, c->ping);
	link_kick(c->server->link);
}

static const struct pvc_ops ops = {
	.random = op_random,
	.up = op_up,
	.down = op_down,
	.open = op_open,
	.data = op_data,
	.eof = op_eof,
	.closed = op_closed,
	.fill = op_fill,
	.ping = op_ping,
};

static void set_tick(struct serve_client *c)
{
	__u64 next = pvc_next_tick(&c->pvc), now = now_ms(), ms;
	struct timeval tv;

	if (next == c->tick_at)
		return;
	c->tick_at = next;
	if (next == ~0ull) {
		evtimer_del(c->tick);
		return;
	}
	ms = next > now ? min_t(__u64, next - now, 60000) : 0;
	tv.tv_sec = ms / 1000;
	tv.tv_usec = ms % 1000 * 1000;
	evtimer_add(c->tick, &tv);
}

static void block(struct serve_client *c, bool blocked)
{
	if (blocked == c->blocked)
		return;
	c->blocked = blocked;
	if (blocked)
		event_add(c->writable, NULL);
	else
		event_del(c->writable);
}

static void gather(struct serve_client *c)
{
	__u32 n = 1;

	c->out_at = 0;
	c->out_len = 0;
	while (n && c->out_len < LINK_GATHER) {
		n = pvc_output(&c->pvc, c->out + c->out_len, PVC_SYNC_RUN, now_ms());
		c->out_len += n;
	}
}

static void flush(struct serve_client *c)
{
	ssize_t n;

	while (!c->gone) {
		if (c->out_at == c->out_len)
			gather(c);
		if (!c->out_len)
			break;
		n = write(c->fd, c->out + c->out_at, c->out_len - c->out_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			block(c, true);
			set_tick(c);
			return;
		}
		if (n < 0)
			c->gone = true;
		else
			c->out_at += n;
	}
	block(c, false);
	set_tick(c);
}

/* Everything that happens to a client ends here. */
static void settle(struct serve_client *c)
{
	flush(c);
	if (c->gone)
		serve_client_free(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static __u8 buf[65536];
	struct serve_client *c = arg;
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)what;
	/* Who calls while there is no guest is told when there is one: RESYNC. */
	if (n > 0 && c->server->up)
		pvc_input(&c->pvc, buf, n, now_ms());
	else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		c->gone = true;
	settle(c);
}

static void on_flush(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	settle(arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct serve_client *c = arg;

	(void)fd;
	(void)what;
	c->tick_at = ~0ull - 1;		/* to be set again, whatever it will be */
	pvc_tick(&c->pvc, now_ms());
	settle(c);
}

void serve_client_kick(struct serve_client *c)
{
	event_active(c->flush, EV_TIMEOUT, 0);
}

static void find_user(struct serve_client *c)
{
	const struct passwd *pw = getpwuid(c->uid);

	if (pw && *pw->pw_name && strlen(pw->pw_name) <= PVC_PRINCIPAL_MAX)
		strcpy(c->user, pw->pw_name);
	else
		snprintf(c->user, sizeof(c->user), "uid:%u", c->uid);
}

static bool add_events(struct serve_client *c)
{
	struct event_base *base = c->server->link->base;

	c->readable = event_new(base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, c->fd, EV_WRITE | EV_PERSIST, on_flush, c);
	c->tick = evtimer_new(base, on_tick, c);
	c->flush = evtimer_new(base, on_flush, c);
	return c->readable && c->writable && c->tick && c->flush;
}

struct serve_client *serve_client_new(struct server *s, int fd, uid_t uid, pid_t pid)
{
	struct serve_client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return NULL;
	}
	c->server = s;
	c->fd = fd;
	c->uid = uid;
	c->pid = pid;
	c->tick_at = ~0ull;
	find_user(c);
	LIST_INSERT_HEAD(&s->clients, c, entry);
	s->nr_clients++;
	if (!add_events(c) || event_add(c->readable, NULL)) {
		serve_client_free(c);
		return NULL;
	}
	if (s->up)
		serve_client_up(c);
	return c;
}

void serve_client_up(struct serve_client *c)
{
	const struct pvc *guest = &c->server->link->pvc;
	struct pvc_config cfg = {
		.role = PVC_GUEST,
		.ops = &ops,
		.priv = c,
		.rx_buf = c->rx_buf,
		.rx_size = sizeof(c->rx_buf),
		.streams = c->streams,
		.nr_streams = SERVE_STREAMS_CLIENT + 1,
		.peer_streams = SERVE_STREAMS_CLIENT,
		.stream_window = PVC_STREAM_WINDOW,
		.bulk_window = PVC_BULK_WINDOW,
		.bulk_streams = SERVE_STREAMS_SURE,
		/* Data that the guest does not take uses no credit of another stream. */
		.conn_window = 2 * SERVE_STREAMS_CLIENT * PVC_BULK_WINDOW,
		.quiet_ms = guest->peer.quiet_ms ? guest->peer.quiet_ms : 1000,
		.features = guest->features,
		.tlvs = c->server->tlvs,
		.tlv_len = c->server->tlv_len,
	};

	memcpy(cfg.boot_id, guest->peer.boot_id, sizeof(cfg.boot_id));
	if (pvc_init(&c->pvc, &cfg)) {
		c->gone = true;
		serve_client_kick(c);
		return;
	}
	pvc_start(&c->pvc, now_ms());
	serve_client_kick(c);
}

void serve_client_down(struct serve_client *c)
{
	/* It hears that at once, and calls again. */
	pvc_lose(&c->pvc, PVC_WHY_TRANSPORT);
	serve_client_kick(c);
}

void serve_client_free(struct serve_client *c)
{
	struct server *s = c->server;

	if (c->pvc.cfg.ops)
		pvc_stop(&c->pvc, now_ms());
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	if (c->tick)
		event_free(c->tick);
	if (c->flush)
		event_free(c->flush);
	close(c->fd);
	LIST_REMOVE(c, entry);
	s->nr_clients--;
	free(c);
}

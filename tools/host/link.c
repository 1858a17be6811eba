// SPDX-License-Identifier: GPL-2.0-only
/*
 * See link.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "link.h"
#include "pvguest/version.h"

#define QUIET_MS	1000	/* a guest gives us up after three times that */
#define RETRY_MS	100	/* between attempts to connect again */

static __u64 read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

__u64 now_ms(void)
{
	return read_clock(CLOCK_MONOTONIC) / 1000000;
}

__u64 now_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

void fill_random(void *buf, __u32 len)
{
	if (getrandom(buf, len, 0) != (ssize_t)len) {
		perror("pvhost: getrandom");
		exit(FAILED);
	}
}

static struct link *to_link(struct pvc *p)
{
	return p->priv;
}

/* Callbacks of the owner of a stream; NULL: it is a request of call.c. */
static const struct pvc_ops *owner_of(struct pvc *p, const struct pvc_stream *s)
{
	const struct link_hooks *hooks = to_link(p)->hooks;

	return s->priv && hooks ? hooks->streams : NULL;
}

static void op_random(struct pvc *p, void *buf, __u32 len)
{
	(void)p;
	fill_random(buf, len);
}

static void tell_session(struct link *link, bool up)
{
	if (link->hooks && link->hooks->session)
		link->hooks->session(link, up);
}

static void op_up(struct pvc *p)
{
	tell_session(to_link(p), true);
}

static void op_down(struct pvc *p, __u32 why)
{
	to_link(p)->down_why = why;
	to_link(p)->downs++;
	tell_session(to_link(p), false);
}

static void op_refused(struct pvc *p, __u32 status)
{
	to_link(p)->refused = status;
}

static void op_data(struct pvc *p, struct pvc_stream *s, const void *data, __u32 len)
{
	const struct pvc_ops *owner = owner_of(p, s);

	if (owner)
		owner->data(p, s, data, len);
	else
		pvc_consumed(p, s, len);
}

static void op_eof(struct pvc *p, struct pvc_stream *s)
{
	const struct pvc_ops *owner = owner_of(p, s);

	if (owner)
		owner->eof(p, s);
}

static void op_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	const struct pvc_ops *owner = owner_of(p, s);

	if (owner)
		owner->result(p, s, flags, body, len);
	else if (!s->priv)
		call_result(to_link(p), s, flags, body, len);
}

static void op_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	const struct pvc_ops *owner = owner_of(p, s);

	if (owner)
		owner->closed(p, s, status);
	else if (!s->priv)
		call_closed(to_link(p), status);
}

static __u32 op_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	const struct pvc_ops *owner = s ? owner_of(p, s) : NULL;

	if (owner)
		return owner->fill(p, s, type, buf, max);
	return s && !s->priv ? call_fill(to_link(p), type, buf, max) : 0;
}

static void take_notice(struct news *news, const void *payload, __u32 len)
{
	struct pvc_notice notice;
	__u32 i;

	memcpy(&notice, payload, sizeof(notice));
	len -= sizeof(notice);
	news->notices++;
	news->notice_kind = le32_to_cpu(notice.kind);
	news->notice_uptime_ms = le64_to_cpu(notice.uptime_ms);
	memcpy(news->notice_text, (const __u8 *)payload + sizeof(notice), len);
	news->notice_text[len] = '\0';
	/* It comes from the guest and goes to a terminal. */
	for (i = 0; i < len; i++)
		if (news->notice_text[i] < ' ' || news->notice_text[i] > '~')
			news->notice_text[i] = '?';
}

static void op_event(struct pvc *p, enum pvc_type type, const void *payload,
		     __u32 len)
{
	const struct link_hooks *hooks = to_link(p)->hooks;
	struct news *news = &to_link(p)->news;
	struct pvc_ping ping;

	if (type == PVC_HEARTBEAT) {
		memcpy(&news->beat, payload, sizeof(news->beat));
		news->beats++;
	} else if (type == PVC_NOTICE) {
		take_notice(news, payload, len);
	} else if (type == PVC_PONG) {
		memcpy(&ping, payload, sizeof(ping));
		news->pong_token = le64_to_cpu(ping.token);
		news->pongs++;
	}
	if (hooks && hooks->event)
		hooks->event(to_link(p), type, payload, len);
}

static const struct pvc_ops ops = {
	.random = op_random,
	.up = op_up,
	.down = op_down,
	.refused = op_refused,
	.data = op_data,
	.eof = op_eof,
	.result = op_result,
	.closed = op_closed,
	.fill = op_fill,
	.event = op_event,
};

/* A virtio-serial port, a pty or the like: in a VM that is another's host. */
static int open_device(const char *path)
{
	return open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd, error;

	if (!stat(path, &st) && S_ISCHR(st.st_mode))
		return open_device(path);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && (connect(fd, (void *)&addr, sizeof(addr)) < 0 ||
			fcntl(fd, F_SETFL, O_NONBLOCK) < 0)) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

void link_set_timeout(struct link *link, __u32 timeout_ms)
{
	link->deadline = timeout_ms ? now_ms() + timeout_ms : ~0ull;
}

static void set_timer(struct event *ev, __u64 at)
{
	__u64 now = now_ms(), ms = at <= now ? 0 : min_t(__u64, at - now, 60000);
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	evtimer_add(ev, &tv);
}

/* The core's next tick, if it is another than before. */
static void set_tick(struct link *link)
{
	__u64 next = link->closed ? ~0ull : pvc_next_tick(&link->pvc);

	if (next == link->tick_at)
		return;
	link->tick_at = next;
	if (next == ~0ull)
		evtimer_del(link->tick);
	else
		set_timer(link->tick, next);
}

static void gather(struct link *link)
{
	__u32 n = 1;

	link->out_at = 0;
	link->out_len = 0;
	while (n && link->out_len < LINK_GATHER) {
		n = pvc_output(&link->pvc, link->out + link->out_len, PVC_SYNC_RUN,
			       now_ms());
		link->out_len += n;
	}
}

static void block(struct link *link, bool blocked)
{
	if (blocked == link->blocked)
		return;
	link->blocked = blocked;
	if (blocked)
		event_add(link->writable, NULL);
	else
		event_del(link->writable);
}

/* Writes what there is, as far as the socket takes it; true: it may take more. */
static bool send_output(struct link *link)
{
	ssize_t n;

	for (;;) {
		if (link->out_at == link->out_len)
			gather(link);
		if (!link->out_len)
			return true;
		n = write(link->fd, link->out + link->out_at, link->out_len - link->out_at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		/* Gone: what it has written before is read first, then its end. */
		if (n < 0)
			link->out_at = link->out_len;
		else
			link->out_at += n;
	}
}

/* Something may have to be sent. */
static void flush_link(struct link *link)
{
	if (link->fd < 0 || link->closed)
		return;
	block(link, !send_output(link));
	set_tick(link);
	if (link->hooks && link->hooks->turn)
		link->hooks->turn(link);
}

void link_kick(struct link *link)
{
	if (link->fd >= 0 && !link->closed)
		event_active(link->flush, EV_TIMEOUT, 0);
}

/* The other end is gone. */
static void end_link(struct link *link)
{
	link->closed = true;
	event_del(link->readable);
	block(link, false);
	link->out_len = 0;
	link->out_at = 0;
	pvc_stop(&link->pvc, now_ms());
	set_tick(link);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	static __u8 buf[65536];
	struct link *link = arg;
	ssize_t n = read(fd, buf, sizeof(buf));

	(void)what;
	if (n > 0)
		pvc_input(&link->pvc, buf, n, now_ms());
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_link(link);
	flush_link(link);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	flush_link(arg);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct link *link = arg;

	(void)fd;
	(void)what;
	link->tick_at = ~0ull - 1;	/* to be set again, whatever it will be */
	pvc_tick(&link->pvc, now_ms());
	flush_link(link);
}

static void on_until(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

enum outcome link_init(struct link *link, const char *path, __u32 timeout_ms)
{
	static const char name[] = "pvhost " PVG_VERSION;
	struct pvc_config cfg = {
		.role = PVC_HOST,
		.ops = &ops,
		.priv = link,
		.rx_buf = link->rx_buf,
		.rx_size = sizeof(link->rx_buf),
		.streams = link->streams,
		.nr_streams = LINK_STREAMS,
		.peer_streams = 1,
		.stream_window = PVC_STREAM_WINDOW,
		.conn_window = LINK_WINDOW,
		.quiet_ms = QUIET_MS,
		.features = PVC_FEATURE_KERNEL | PVC_FEATURE_LEASE,
		.tlvs = link->tlvs,
	};

	memset(link, 0, sizeof(*link));
	link->fd = -1;
	link->path = path;
	link->timeout_ms = timeout_ms;
	link->tick_at = ~0ull;
	cfg.tlv_len = pvc_put_tlv(link->tlvs, 0, sizeof(link->tlvs),
				  PVC_TLV_SOFTWARE, name, strlen(name));
	link_set_timeout(link, timeout_ms);
	link->base = event_base_new();
	if (link->base) {
		link->tick = evtimer_new(link->base, on_tick, link);
		link->flush = evtimer_new(link->base, on_writable, link);
		link->until = evtimer_new(link->base, on_until, link);
	}
	if (!link->base || !link->tick || !link->flush || !link->until ||
	    pvc_init(&link->pvc, &cfg)) {
		fprintf(stderr, "pvhost: cannot set up the event loop or the protocol core\n");
		return FAILED;
	}
	return DONE;
}

int link_connect(struct link *link)
{
	int fd;

	link_disconnect(link);
	fd = connect_to(link->path);
	if (fd < 0)
		return -errno;
	link->readable = event_new(link->base, fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(link->base, fd, EV_WRITE | EV_PERSIST, on_writable, link);
	if (!link->readable || !link->writable || event_add(link->readable, NULL)) {
		close(fd);
		return -ENOMEM;
	}
	link->fd = fd;
	link->closed = false;
	pvc_start(&link->pvc, now_ms());
	link_kick(link);
	return 0;
}

enum outcome link_open(struct link *link)
{
	int error = link_connect(link);

	if (!error)
		return DONE;
	fprintf(stderr, "pvhost: %s: %s\n", link->path, strerror(-error));
	return NO_CONNECTION;
}

void link_disconnect(struct link *link)
{
	if (link->fd >= 0 && !link->closed)
		end_link(link);
	if (link->readable)
		event_free(link->readable);
	if (link->writable)
		event_free(link->writable);
	link->readable = NULL;
	link->writable = NULL;
	if (link->fd >= 0)
		close(link->fd);
	link->fd = -1;
}

/* What main() explains when the verb ends with it. */
static enum outcome fault(struct link *link, enum outcome out)
{
	link->fault = out;
	return out;
}

enum outcome link_turn(struct link *link, __u64 until)
{
	if (link->turning) {
		fprintf(stderr, "pvhost: bug: a callback waits in the loop that called it\n");
		abort();
	}
	if (now_ms() >= link->deadline)
		return fault(link, NO_ANSWER);
	link->turning = true;
	if (link->fd >= 0 && !link->closed)
		pvc_tick(&link->pvc, now_ms());
	flush_link(link);
	until = min_t(__u64, until, link->deadline);
	if (until != ~0ull)
		set_timer(link->until, until);
	if (link->fd >= 0 && !link->closed)
		event_base_loop(link->base, EVLOOP_ONCE);
	evtimer_del(link->until);
	link->turning = false;
	if (link->pvc.state == PVC_REFUSED)
		return fault(link, REFUSED);
	return fault(link, link->fd < 0 || link->closed ? NO_CONNECTION : DONE);
}

/* Connects again, at intervals, as long as the time given allows. */
static enum outcome connect_again(struct link *link)
{
	const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000 };
	int error = link_connect(link);

	while (error) {
		if (now_ms() >= link->deadline) {
			link->fault = DONE;	/* said here */
			fprintf(stderr, "pvhost: %s: %s\n", link->path, strerror(-error));
			return NO_CONNECTION;
		}
		nanosleep(&pause, NULL);
		error = link_connect(link);
	}
	return DONE;
}

enum outcome link_session(struct link *link)
{
	enum outcome out = DONE;

	while (link->pvc.state != PVC_UP && out == DONE) {
		/* The guest took leave: it is called again. */
		if (link->fd >= 0 && !link->closed && link->pvc.state == PVC_IDLE)
			pvc_start(&link->pvc, now_ms());
		if (link->fd >= 0 && !link->closed)
			out = link_turn(link, ~0ull);
		else
			out = link->pvc.stats.sessions ? connect_again(link) : link_open(link);
	}
	return out;
}

void link_close(struct link *link)
{
	__u64 until = now_ms() + 200;

	/* Take leave, so that the guest need not find out by itself. */
	link->deadline = ~0ull;
	/* What was given up has to be told first: nothing is sent after BYE. */
	flush_link(link);
	pvc_bye(&link->pvc, PVC_WHY_BYE);
	flush_link(link);
	while (link->out_at < link->out_len && now_ms() < until)
		if (link_turn(link, until) != DONE)
			break;
	link_disconnect(link);
	event_free(link->until);
	event_free(link->flush);
	event_free(link->tick);
	event_base_free(link->base);
}

void link_explain(int out, const struct link *link)
{
	const struct pvc_peer *peer = &link->pvc.peer;

	/* Otherwise it was said already, or it is the verb's own status. */
	if (out == DONE || (int)link->fault != out)
		return;
	if (out == NO_CONNECTION)
		fprintf(stderr, "pvhost: the hypervisor closed the socket\n");
	else if (out == NO_ANSWER)
		fprintf(stderr, "pvhost: no answer in time (%s)\n",
			link->pvc.state == PVC_UP ? "there is a session" :
			"no session: is pvguest running in the guest?");
	else if (out == REFUSED)
		fprintf(stderr, "pvhost: refused (%s): the guest speaks versions %u to %u, we %u\n",
			pvc_status_name(link->refused), peer->version_min,
			peer->version_max, PVC_VERSION);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * See pump.h.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pump.h"

#define ROOM	65536u
#define LINGER_S	10	/* for what a program that has closed sent before */
#define PIECE	4096u	/* what a pipe or terminal takes without waiting when poll() says so */

enum kind { SOCKET, FILE_LIKE, OTHER };

struct pump {
	struct client *client;
	struct channel *ch;
	int in, out;
	enum kind in_kind, out_kind;
	struct event *readable, *writable, *linger;
	pump_done done;
	void *priv;
	bool started, in_ended, out_ended, has_data;
	bool deaf;		/* @out, a socket, takes no more; @in may still have something */
	bool over;		/* the channel was done before the pump was started: @status */
	__u32 status;
	size_t from, to;	/* in @buf: what the channel has not taken yet */
	__u8 buf[ROOM];
};

static enum kind kind_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return OTHER;
	return S_ISSOCK(st.st_mode) ? SOCKET : S_ISREG(st.st_mode) ? FILE_LIKE : OTHER;
}

static bool is_ready(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	return poll(&pfd, 1, 0) == 1;
}

/* As read(); EAGAIN instead of waiting. */
static ssize_t read_some(const struct pump *p, void *buf, size_t len)
{
	if (p->in_kind == SOCKET)
		return recv(p->in, buf, len, MSG_DONTWAIT);
	if (p->in_kind == OTHER && !is_ready(p->in, POLLIN)) {
		errno = EAGAIN;
		return -1;
	}
	return read(p->in, buf, len);
}

static ssize_t write_some(const struct pump *p, const void *buf, size_t len)
{
	if (p->out_kind == SOCKET)
		return send(p->out, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (p->out_kind == FILE_LIKE)
		return write(p->out, buf, len);
	if (!is_ready(p->out, POLLOUT)) {
		errno = EAGAIN;
		return -1;
	}
	return write(p->out, buf, min_t(size_t, len, PIECE));
}

/* A descriptor has failed. */
static void give_up(struct pump *p, int error)
{
	p->done(p, PVC_ABORTED, "", 0, error);
	pump_free(p);
}

/*
 * A program that takes no more may have sent something before it closed, which is still for
 * the guest. What comes from the guest is dropped meanwhile, and after a time all of it ends.
 */
static void linger(struct pump *p)
{
	const struct timeval most = { .tv_sec = LINGER_S };

	if (p->deaf && p->in_ended)
		event_add(p->linger, &most);
}

static void on_linger(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	give_up(arg, EPIPE);
}

/* Until the channel takes no more, or there is no more. */
static void fill(struct pump *p)
{
	ssize_t n;

	for (;;) {
		p->from += channel_write(p->ch, p->buf + p->from, p->to - p->from);
		if (p->from < p->to || p->in_ended)
			return;
		n = read_some(p, p->buf, ROOM);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			event_add(p->readable, NULL);
			return;
		}
		if (n < 0) {
			give_up(p, errno);
			return;
		}
		p->from = 0;
		p->to = n;
		if (n)
			continue;
		p->in_ended = true;
		channel_eof(p->ch);
		linger(p);
		return;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	fill(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct pump *p = arg;

	(void)fd;
	(void)what;
	channel_resume(p->ch);
}

static size_t on_data(struct channel *ch, const void *buf, size_t len)
{
	struct pump *p = channel_priv(ch);
	size_t done = 0;
	ssize_t n;

	if (!p->started)
		return 0;
	p->has_data = true;
	if (p->deaf)
		return len;
	while (done < len) {
		n = write_some(p, (const __u8 *)buf + done, len - done);
		if (n >= 0) {
			done += n;
		} else if (errno == EAGAIN) {
			event_add(p->writable, NULL);
			break;
		} else if (p->out_kind == SOCKET && (errno == EPIPE || errno == ECONNRESET)) {
			p->deaf = true;
			linger(p);
			return len;
		} else if (errno != EINTR) {
			give_up(p, errno);
			return len;
		}
	}
	return done;
}

static void end_out(struct pump *p)
{
	if (p->out_kind == SOCKET)
		shutdown(p->out, SHUT_WR);
	else if (p->out != p->in)
		close(p->out);
}

static void on_eof(struct channel *ch)
{
	struct pump *p = channel_priv(ch);

	p->out_ended = true;
	if (p->started)
		end_out(p);
}

static void on_room(struct channel *ch)
{
	struct pump *p = channel_priv(ch);

	if (p->started)
		fill(p);
}

static void on_done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct pump *p = channel_priv(ch);

	(void)flags;
	p->ch = NULL;
	p->status = status;
	p->over = !p->started;
	if (p->over)
		return;
	p->done(p, status, body, len, 0);
	pump_free(p);
}

const struct channel_ops pump_ops = {
	.data = on_data,
	.eof = on_eof,
	.writable = on_room,
	.done = on_done,
};

struct pump *pump_new(struct client *c, int in, int out, pump_done done, void *priv)
{
	struct pump *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->client = c;
	p->in = in;
	p->out = out;
	p->in_kind = kind_of(in);
	p->out_kind = kind_of(out);
	p->done = done;
	p->priv = priv;
	p->readable = event_new(client_base(c), in, EV_READ, on_readable, p);
	p->writable = event_new(client_base(c), out, EV_WRITE, on_writable, p);
	p->linger = evtimer_new(client_base(c), on_linger, p);
	if (p->readable && p->writable && p->linger)
		return p;
	pump_free(p);
	return NULL;
}

void pump_attach(struct pump *p, struct channel *ch)
{
	p->ch = ch;
}

void pump_start(struct pump *p)
{
	p->started = true;
	if (p->out_ended)
		end_out(p);
	if (p->over) {
		p->done(p, p->status, "", 0, 0);
		pump_free(p);
		return;
	}
	channel_resume(p->ch);
	fill(p);
}

void *pump_priv(const struct pump *p)
{
	return p->priv;
}

int pump_in(const struct pump *p)
{
	return p->in;
}

bool pump_has_data(const struct pump *p)
{
	return p->has_data;
}

void pump_free(struct pump *p)
{
	if (p->ch)
		channel_reset(p->ch, PVC_ABORTED);
	if (p->readable)
		event_free(p->readable);
	if (p->writable)
		event_free(p->writable);
	if (p->linger)
		event_free(p->linger);
	free(p);
}

void close_socket(int fd, bool orderly)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (!orderly)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

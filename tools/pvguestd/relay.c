// SPDX-License-Identifier: GPL-2.0-only
/*
 * See relay.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "relay.h"

enum { P_STREAM, P_SOCK };

struct relay *relay_new(const struct stream *stream, int sock, bool connecting)
{
	struct relay *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->stream = *stream;
	r->sock = sock;
	r->state = connecting ? RELAY_CONNECTING : RELAY_OPEN;
	set_nonblock(stream->fd);
	set_nonblock(sock);
	return r;
}

static bool has_room(const struct way *w)
{
	return !w->ended && w->to < RELAY_ROOM;
}

static bool is_empty(const struct way *w)
{
	return w->from == w->to;
}

void relay_poll(const struct relay *r, struct pollfd *polls)
{
	bool both = r->up.ended && r->down.passed;

	/*
	 * A stream of which both directions have ended says POLLHUP though the host has not
	 * given up.
	 */
	polls[P_STREAM].fd = both ? -1 : r->stream.fd;
	polls[P_STREAM].events = (has_room(&r->up) ? POLLIN : 0) |
				 (is_empty(&r->down) ? 0 : POLLOUT);
	polls[P_STREAM].revents = 0;
	polls[P_SOCK].fd = r->sock;
	polls[P_SOCK].revents = 0;
	if (r->state == RELAY_CONNECTING) {
		polls[P_SOCK].events = POLLOUT;
		return;
	}
	polls[P_SOCK].events = (has_room(&r->down) ? POLLIN : 0) |
			       (is_empty(&r->up) ? 0 : POLLOUT);
	/* Both ends have been told: it says POLLHUP, for ever. */
	if (!polls[P_SOCK].events)
		polls[P_SOCK].fd = -1;
}

/* 0 or -errno. */
static int take(struct way *w, int fd)
{
	ssize_t n;

	if (!has_room(w))
		return 0;
	n = read(fd, w->buf + w->to, RELAY_ROOM - w->to);
	if (n > 0)
		w->to += n;
	else if (!n)
		w->ended = true;
	return n >= 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* 0 or -errno. */
static int give(struct way *w, int fd)
{
	ssize_t n;

	if (is_empty(w))
		return 0;
	n = write(fd, w->buf + w->from, w->to - w->from);
	if (n > 0)
		w->from += n;
	if (is_empty(w)) {
		w->from = 0;
		w->to = 0;
	}
	return n >= 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

/* The target sends no more, whatever the reason; what it sent before is still passed on. */
static void take_target(struct relay *r)
{
	if (take(&r->down, r->sock)) {
		r->down.ended = true;
		r->reset = true;
	}
}

/* A target that takes no more may have answered: only what is for it is dropped. */
static void give_target(struct relay *r)
{
	int err = give(&r->up, r->sock);

	if (!err)
		return;
	r->up.from = 0;
	r->up.to = 0;
	r->up.ended = true;
	r->up.passed = true;
	/* EPIPE: it closed in order. */
	if (err != -EPIPE)
		r->reset = true;
}

/* The end of what came passes behind the last byte. */
static void pass_ends(struct relay *r)
{
	if (r->up.ended && is_empty(&r->up) && !r->up.passed) {
		r->up.passed = true;
		shutdown(r->sock, SHUT_WR);
	}
	if (r->down.ended && is_empty(&r->down) && !r->down.passed) {
		r->down.passed = true;
		stream_shutdown(&r->stream);
	}
}

static void finish_connect(struct relay *r, const struct pollfd *polls)
{
	socklen_t len = sizeof(r->error);

	if (!polls[P_SOCK].revents)
		return;
	if (getsockopt(r->sock, SOL_SOCKET, SO_ERROR, &r->error, &len) < 0)
		r->error = errno;
	r->state = r->error ? RELAY_BROKEN : RELAY_OPEN;
}

enum relay_state relay_turn(struct relay *r, const struct pollfd *polls)
{
	const short hup = POLLHUP | POLLERR;
	bool broken = false;

	if (polls[P_STREAM].revents & hup && stream_closed(&r->stream) != PVC_OK) {
		r->state = RELAY_BROKEN;
		return r->state;
	}
	if (r->state == RELAY_CONNECTING)
		finish_connect(r, polls);
	if (r->state != RELAY_OPEN)
		return r->state;
	if (polls[P_STREAM].revents & (POLLIN | hup))
		broken = take(&r->up, r->stream.fd);
	if (polls[P_SOCK].revents & (POLLIN | hup))
		take_target(r);
	/* Without waiting for another poll(): mostly there is room. */
	give_target(r);
	if (broken || give(&r->down, r->stream.fd)) {
		r->state = RELAY_BROKEN;
		return r->state;
	}
	if (r->reset && r->down.ended && is_empty(&r->down)) {
		r->state = RELAY_CUT;
		return r->state;
	}
	pass_ends(r);
	if (r->up.passed && r->down.passed)
		r->state = RELAY_DONE;
	return r->state;
}

void relay_free(struct relay *r)
{
	const struct linger at_once = { .l_onoff = 1 };

	/* One that could not be connected was answered, with the reason, which a reset drops. */
	if (r->state == RELAY_BROKEN && !r->error) {
		setsockopt(r->sock, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
		stream_reset(&r->stream, PVC_ABORTED);
	}
	close(r->sock);
	stream_close(&r->stream);
	free(r);
}

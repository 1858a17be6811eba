// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVO_SERVICE_FORWARD: connections to TCP ports and unix sockets of the guest for the host, and
 * connections to a port in the guest that are handed to the host.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <pb_decode.h>
#include <pb_encode.h>

#include "generated/forward.pb.h"
#include "policy.h"
#include "relay.h"

#define CONNECTIONS_MAX	64	/* of one LISTEN, those that wait for the host among them */
#define WAIT_MS		30000	/* for the host to take a connection */

/* A connection of a LISTEN: it waits for the host, or has its stream. */
struct connection {
	__u64 id;		/* 0: none */
	int sock;		/* -1: @relay has it */
	__u64 until;		/* ms */
	struct relay *relay;
};

struct listener {
	struct request *req;
	int sock;
	__u64 last_id;
	/* An event that the host's stream has not taken yet: from @from to @to of @event. */
	__u32 from, to;
	pb_byte_t event[pvo_forward_event_size + 5];
	struct connection all[CONNECTIONS_MAX];
};

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

static __u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* "ADDRESS:PORT", which the policy has found to be one, or has a port 0. */
static bool parse_tcp(const char *text, union address *to, socklen_t *len)
{
	const char *colon = strrchr(text, ':');
	char address[INET6_ADDRSTRLEN + 2];
	unsigned long port;
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof(address))
		return false;
	memcpy(address, text, colon - text);
	address[colon - text] = '\0';
	port = strtoul(colon + 1, &end, 10);
	if (*end || end == colon + 1 || port > 65535)
		return false;
	if (*address == '[' && address[strlen(address) - 1] == ']') {
		address[strlen(address) - 1] = '\0';
		to->in6.sin6_family = AF_INET6;
		to->in6.sin6_port = htons(port);
		*len = sizeof(to->in6);
		return inet_pton(AF_INET6, address + 1, &to->in6.sin6_addr) == 1;
	}
	to->in.sin_family = AF_INET;
	to->in.sin_port = htons(port);
	*len = sizeof(to->in);
	return inet_pton(AF_INET, address, &to->in.sin_addr) == 1;
}

static bool parse_target(const char *target, union address *to, socklen_t *len)
{
	memset(to, 0, sizeof(*to));
	if (!strncmp(target, "tcp:", 4))
		return parse_tcp(target + 4, to, len);
	target += strlen("unix:");
	if (strlen(target) >= sizeof(to->un.sun_path))
		return false;
	to->un.sun_family = AF_UNIX;
	memcpy(to->un.sun_path, target, strlen(target));
	*len = offsetof(struct sockaddr_un, sun_path) + strlen(target) + 1;
	return true;
}

/* false: it was refused. */
static bool is_allowed(struct request *req, const char *target)
{
	struct verdict verdict;

	policy_target(req->policy, req->principal, req->operation->verb, req->user, target,
		      &verdict);
	if (!verdict.allowed)
		refuse(req, PVC_DENIED, "%s %s: %s", req->operation->verb, target, verdict.text);
	return verdict.allowed;
}

static bool decode_target(struct request *req, pvo_forward_target *record)
{
	pb_istream_t in = pb_istream_from_buffer(req->record, req->record_len);

	if (pb_decode(&in, pvo_forward_target_fields, record))
		return true;
	refuse(req, PVC_INVALID, "%s: the record is not one of a target of at most 127 bytes",
	       req->operation->verb);
	return false;
}

/*
 * The name in the request may be that of a symbolic link, which another has made. The socket
 * that is connected to tells the name that its owner gave it; the policy has to allow that, too.
 */
static bool is_where_it_says(struct request *req, int sock, const char *target)
{
	char name[sizeof("unix:") + sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct sockaddr_un peer = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(peer);

	if (strncmp(target, "unix:", 5))
		return true;
	if (getpeername(sock, (void *)&peer, &len) < 0) {
		refuse_errno(req, errno, target);
		return false;
	}
	snprintf(name, sizeof(name), "unix:%.*s", (int)sizeof(peer.sun_path), peer.sun_path);
	return !strcmp(name, target) || is_allowed(req, name);
}

/* A socket, connected or about to be (*@connecting); -1: it was refused. */
static int connect_socket(struct request *req, const char *target, bool *connecting)
{
	union address to;
	socklen_t len;
	int sock, one = 1;

	if (!parse_target(target, &to, &len)) {
		refuse(req, PVC_INVALID, "connect %s: neither tcp:ADDRESS:PORT nor unix:PATH",
		       target);
		return -1;
	}
	sock = socket(to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	*connecting = false;
	if (sock >= 0 && to.any.sa_family != AF_UNIX)
		setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (sock >= 0 && !connect(sock, &to.any, len))
		return sock;
	*connecting = sock >= 0 && errno == EINPROGRESS;
	if (*connecting)
		return sock;
	refuse_errno(req, errno, target);
	if (sock >= 0)
		close(sock);
	return -1;
}

static void run_relay(struct request *req, struct relay *r, const char *target)
{
	struct pollfd polls[RELAY_POLLS];
	enum relay_state state = r->state;
	bool connecting;

	while (state == RELAY_CONNECTING || state == RELAY_OPEN) {
		connecting = state == RELAY_CONNECTING;
		relay_poll(r, polls);
		if (poll(polls, RELAY_POLLS, -1) < 0 && errno != EINTR)
			break;
		state = relay_turn(r, polls);
		if (connecting && state == RELAY_BROKEN && r->error)
			refuse_errno(req, r->error, target);
	}
	/* By these, from which the audit log has the status. */
	if (state == RELAY_DONE)
		answer(req, PVC_OK, "", 0);
	else if (state == RELAY_CUT)
		answer(req, PVC_ABORTED, "", 0);
	else if (!r->error && stream_closed(&r->stream) == PVC_OK)
		abandon(req, PVC_ABORTED);
	relay_free(r);
}

static void connect_run(struct request *req)
{
	const struct stream stream = stream_of(req);
	pvo_forward_target record = pvo_forward_target_init_zero;
	struct relay *r;
	bool connecting;
	int sock;

	signal(SIGPIPE, SIG_IGN);
	if (!decode_target(req, &record) || !is_allowed(req, record.target))
		return;
	sock = connect_socket(req, record.target, &connecting);
	if (sock < 0 || !is_where_it_says(req, sock, record.target))
		return;
	r = relay_new(&stream, sock, connecting);
	if (r)
		run_relay(req, r, record.target);
	else
		refuse_errno(req, ENOMEM, record.target);
}

/* LISTEN */

/*
 * Sends what the stream takes, and waits for nothing: connections that are under way do not
 * depend on a host that reads events. false: it does not hear them any more.
 */
static bool send_event(struct listener *l)
{
	const struct stream stream = stream_of(l->req);
	ssize_t n = 0;

	if (l->from < l->to)
		n = stream_write(&stream, l->event + l->from, l->to - l->from);
	if (n > 0)
		l->from += n;
	return n >= 0 || n == -EAGAIN;
}

/* The event before has been sent; false: the host does not hear it. */
static bool tell(struct listener *l, const pvo_forward_event *event)
{
	pb_ostream_t out = pb_ostream_from_buffer(l->event, sizeof(l->event));

	if (!pb_encode_ex(&out, pvo_forward_event_fields, event, PB_ENCODE_DELIMITED))
		return false;
	l->from = 0;
	l->to = out.bytes_written;
	return send_event(l);
}

static void name_peer(const union address *from, char *name, size_t size)
{
	char text[INET6_ADDRSTRLEN] = "?";

	if (from->any.sa_family == AF_INET) {
		inet_ntop(AF_INET, &from->in.sin_addr, text, sizeof(text));
		snprintf(name, size, "%s:%u", text, ntohs(from->in.sin_port));
	} else {
		inet_ntop(AF_INET6, &from->in6.sin6_addr, text, sizeof(text));
		snprintf(name, size, "[%s]:%u", text, ntohs(from->in6.sin6_port));
	}
}

/* Takes the address of LISTEN; -1: it was refused. */
static int listen_socket(struct request *req, const char *target, pvo_forward_event *event)
{
	union address at;
	socklen_t len;
	int sock, one = 1;

	if (strncmp(target, "tcp:", 4) || !parse_target(target, &at, &len)) {
		refuse(req, PVC_INVALID, "listen %s: not tcp:ADDRESS:PORT", target);
		return -1;
	}
	sock = socket(at.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock >= 0)
		setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (sock < 0 || bind(sock, &at.any, len) < 0 || listen(sock, CONNECTIONS_MAX) < 0 ||
	    getsockname(sock, &at.any, &len) < 0) {
		refuse_errno(req, errno, target);
		return -1;
	}
	event->port = ntohs(at.any.sa_family == AF_INET ? at.in.sin_port : at.in6.sin6_port);
	return sock;
}

static struct connection *find(struct listener *l, __u64 id)
{
	int i;

	for (i = 0; i < CONNECTIONS_MAX; i++)
		if (l->all[i].id == id)
			return &l->all[i];
	return NULL;
}

static void end_connection(struct connection *c)
{
	if (c->relay)
		relay_free(c->relay);
	else
		close(c->sock);
	memset(c, 0, sizeof(*c));
}

/* false: the host does not hear it. */
static bool accept_one(struct listener *l, struct connection *c)
{
	pvo_forward_event event = pvo_forward_event_init_zero;
	union address from;
	socklen_t len = sizeof(from);
	int one = 1;

	memset(&from, 0, sizeof(from));
	c->sock = accept4(l->sock, &from.any, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (c->sock < 0)
		return true;
	setsockopt(c->sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->id = ++l->last_id;
	c->until = now_ms() + WAIT_MS;
	event.id = c->id;
	name_peer(&from, event.peer, sizeof(event.peer));
	return tell(l, &event);
}

/* The host takes a connection; false: the broker is gone. */
static bool join(struct listener *l)
{
	static struct joined joined;
	pvo_forward_accept record = pvo_forward_accept_init_zero;
	static const char gone[] = "listen: there is no such connection, or it was taken";
	struct connection *c = NULL;
	pb_istream_t in;
	int err = job_next(l->req, &joined);

	if (err)
		return err != -ENOTCONN;
	in = pb_istream_from_buffer(joined.record, joined.record_len);
	if (joined.op == PVO_FORWARD_ACCEPT &&
	    pb_decode(&in, pvo_forward_accept_fields, &record) && record.id)
		c = find(l, record.id);
	if (c && !c->relay) {
		c->relay = relay_new(&joined.stream, c->sock, false);
		if (c->relay)
			return true;
	}
	stream_reply(&joined.stream, c ? PVC_INVALID : PVC_NOT_FOUND, gone, strlen(gone));
	stream_close(&joined.stream);
	return true;
}

/* What to poll() for; returns how many, *@timeout: ms. */
static nfds_t fill_polls(struct listener *l, struct pollfd *polls, int *timeout)
{
	bool told = l->from == l->to, room = find(l, 0);
	__u64 now = now_ms(), next = ~0ull;
	nfds_t n = 3;
	int i;

	polls[0] = (struct pollfd){ .fd = l->req->stream, .events = told ? 0 : POLLOUT };
	polls[1] = (struct pollfd){ .fd = l->req->broker, .events = POLLIN };
	polls[2] = (struct pollfd){ .fd = room && told ? l->sock : -1, .events = POLLIN };
	for (i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = &l->all[i];

		if (c->relay)
			relay_poll(c->relay, polls + n);
		if (c->relay)
			n += RELAY_POLLS;
		else if (c->id)
			next = min_t(__u64, next, c->until);
	}
	*timeout = next == ~0ull ? -1 : next <= now ? 0 : (int)(next - now);
	return n;
}

static void turn_connections(struct listener *l, const struct pollfd *polls)
{
	__u64 now = now_ms();
	int i;

	for (i = 0; i < CONNECTIONS_MAX; i++) {
		struct connection *c = &l->all[i];

		if (c->relay) {
			enum relay_state state = relay_turn(c->relay, polls);

			if (state == RELAY_DONE || state == RELAY_CUT)
				stream_reply(&c->relay->stream,
					     state == RELAY_DONE ? PVC_OK : PVC_ABORTED, "", 0);
			if (state >= RELAY_DONE)
				end_connection(c);
			polls += RELAY_POLLS;
		} else if (c->id && now >= c->until) {
			end_connection(c);
		}
	}
}

static void serve(struct listener *l)
{
	const struct stream stream = stream_of(l->req);
	struct pollfd polls[3 + CONNECTIONS_MAX * RELAY_POLLS];
	int timeout;
	nfds_t n;

	for (;;) {
		n = fill_polls(l, polls, &timeout);
		if (poll(polls, n, timeout) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (polls[0].revents & (POLLHUP | POLLERR) && stream_closed(&stream) != PVC_OK)
			return;
		if (!send_event(l))
			return;
		turn_connections(l, polls + 3);
		if (polls[1].revents && !join(l))
			return;
		if (polls[2].revents && find(l, 0) && !accept_one(l, find(l, 0)))
			return;
	}
}

static void listen_run(struct request *req)
{
	static struct listener l;
	pvo_forward_target record = pvo_forward_target_init_zero;
	pvo_forward_event event = pvo_forward_event_init_zero;

	signal(SIGPIPE, SIG_IGN);
	if (!decode_target(req, &record) || !is_allowed(req, record.target))
		return;
	l.req = req;
	set_nonblock(req->stream);
	l.sock = listen_socket(req, record.target, &event);
	if (l.sock >= 0 && tell(&l, &event))
		serve(&l);
}

const struct operation forward_operations[] = {
	{
		.service = PVO_SERVICE_FORWARD, .op = PVO_FORWARD_CONNECT, .verb = "connect",
		.keep = KEEP_NET, .run = connect_run,
	}, {
		.service = PVO_SERVICE_FORWARD, .op = PVO_FORWARD_LISTEN, .verb = "listen",
		.keep = KEEP_NET, .caps = 1ull << CAP_NET_BIND_SERVICE, .job = true,
		.run = listen_run,
	},
	{ }
};

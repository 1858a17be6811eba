// SPDX-License-Identifier: GPL-2.0-only
/*
 * See peer.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "peer.h"

struct peer peer;

__u64 now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

__u8 pattern(__u64 offset)
{
	return (offset * 2654435761u) >> 13;
}

void fill_pattern(void *buf, __u32 len, __u64 offset)
{
	__u8 *bytes = buf;
	__u32 i;

	for (i = 0; i < len; i++)
		bytes[i] = pattern(offset + i);
}

static void on_random(struct pvc *p, void *buf, __u32 len)
{
	(void)p;
	if (getrandom(buf, len, 0) != (ssize_t)len)
		exit(2);
}

static void on_data(struct pvc *p, struct pvc_stream *s, const void *data,
		    __u32 len)
{
	struct call *call = s->priv;
	__u32 i;

	for (i = 0; i < len; i++)
		if (((const __u8 *)data)[i] != pattern(call->got + i))
			call->intact = false;
	if (call->sink)
		fwrite(data, 1, len, call->sink);
	call->got += len;
	if (!call->hold)
		pvc_consumed(p, s, len);
}

static void on_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	struct call *call = s->priv;

	(void)p;
	(void)flags;
	call->body_len = min_t(__u32, len, sizeof(call->body));
	memcpy(call->body, body, call->body_len);
}

static void on_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct call *call = s->priv;

	(void)p;
	call->s = NULL;
	call->closed = true;
	call->status = status;
}

static __u32 on_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	struct call *call = s->priv;
	__u32 n;

	if (type == PVC_OPEN) {
		memcpy(buf, call->args, call->args_len);
		return call->args_len;
	}
	n = min_t(__u64, call->piece ? call->piece : max, call->send - call->sent);
	fill_pattern(buf, n, call->sent);
	call->sent += n;
	if (call->sent == call->send)
		pvc_finish(p, s);
	return n;
}

static void on_event(struct pvc *p, enum pvc_type type, const void *payload,
		     __u32 len)
{
	(void)p;
	(void)payload;
	(void)len;
	peer.announced += type == PVC_SERVICES;
}

static const struct pvc_ops ops = {
	.random = on_random,
	.data = on_data,
	.result = on_result,
	.closed = on_closed,
	.fill = on_fill,
	.event = on_event,
};

/* A port, or a unix socket in its place. */
static int open_path(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (stat(path, &st) || !S_ISSOCK(st.st_mode))
		return open(path, O_RDWR | O_CLOEXEC);
	if (strlen(path) >= sizeof(addr.sun_path))
		return -1;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return fd;
}

bool peer_open(const char *path)
{
	struct pvc_config cfg = {
		.role = PVC_HOST,
		.ops = &ops,
		.rx_buf = peer.rx,
		.rx_size = sizeof(peer.rx),
		.streams = peer.streams,
		.nr_streams = PEER_STREAMS,
		.stream_window = 256 * KIB,
		.conn_window = 64 * 1024 * KIB,
		.quiet_ms = PVC_QUIET_MAX_MS,
	};

	peer.fd = open_path(path);
	if (peer.fd < 0 || pvc_init(&peer.pvc, &cfg))
		return false;
	pvc_start(&peer.pvc, now_ms());
	return true;
}

static void send_all(void)
{
	static __u8 buf[PVC_SYNC_RUN];
	__u32 len, at;
	ssize_t n;

	while ((len = pvc_output(&peer.pvc, buf, sizeof(buf), now_ms())))
		for (at = 0; at < len; at += n) {
			n = write(peer.fd, buf + at, len - at);
			if (n < 0)
				exit(2);
		}
}

/* Let the session go on, for at most that long. */
void peer_turn(int ms)
{
	struct pollfd pfd = { .fd = peer.fd, .events = POLLIN };
	static __u8 buf[65536];
	ssize_t n;

	send_all();
	if (poll(&pfd, 1, ms) > 0) {
		n = read(peer.fd, buf, sizeof(buf));
		if (n > 0)
			pvc_input(&peer.pvc, buf, n, now_ms());
	}
	pvc_tick(&peer.pvc, now_ms());
	send_all();
}

bool peer_session(void)
{
	bool up = peer_until(peer.pvc.state == PVC_UP);

	/* Nothing here is about silence, which a busy machine may well cause. */
	peer.pvc.peer.quiet_ms = 0;
	return up;
}

/* Opens a stream; its end is @call->closed. */
bool peer_request(struct call *call)
{
	struct pvc_request req = {
		.service = call->service ? call->service : SERVICE,
		.op = call->op,
		.version = call->version ? call->version : 2,
		.prio = call->prio,
		.window = 256 * KIB,
		.flags = call->flags | (call->send || call->mute ? 0 : PVC_OPEN_NODATA),
		.deadline_ms = call->deadline_ms,
		.key = call->key,
		.principal = call->principal,
		.priv = call,
	};

	call->sent = 0;
	call->got = 0;
	call->intact = true;
	call->closed = false;
	call->status = PVC_LOST;
	call->body_len = 0;
	call->s = pvc_open(&peer.pvc, &req);
	if (call->s && call->send)
		pvc_ready(&peer.pvc, call->s);
	return call->s;
}

bool peer_finish(struct call *call)
{
	return peer_until(call->closed);
}

/* Lets the session go on until the daemon has counted that far. */
bool peer_counted(atomic_uint *count, unsigned int wanted)
{
	return peer_until(*count >= wanted);
}

/* The status of a request that takes no data. */
__u32 peer_ask(struct call *call)
{
	if (!peer_session() || !peer_request(call) || !peer_finish(call))
		return PVC_LOST;
	return call->status;
}

/* The number that is the answer's body, or all ones. */
__u32 call_number(const struct call *call)
{
	__u32 n = ~0u;

	if (call->body_len == sizeof(n))
		memcpy(&n, call->body, sizeof(n));
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * See link.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

static struct link *to_link(struct pvc *p)
{
	return p->priv;
}

static void op_random(struct pvc *p, void *buf, __u32 len)
{
	(void)p;
	if (getrandom(buf, len, 0) != (ssize_t)len) {
		perror("pvhost: getrandom");
		exit(FAILED);
	}
}

static void op_down(struct pvc *p, __u32 why)
{
	to_link(p)->down_why = why;
	to_link(p)->downs++;
}

static void op_refused(struct pvc *p, __u32 status)
{
	to_link(p)->refused = status;
}

static void op_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	struct link *link = to_link(p);

	link->answer->status = s->status;
	link->answer->flags = flags;
	link->answer->len = min_t(__u32, len, LINK_BODY);
	memcpy(link->answer->body, body, link->answer->len);
	link->answered = true;
}

static void op_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct link *link = to_link(p);

	(void)s;
	if (link->answered)
		return;
	if (status == PVC_LOST) {
		link->dropped = true;
		return;
	}
	/* Reset, by the guest or because it took too long. */
	link->answer->status = status;
	link->answer->len = 0;
	link->answered = true;
}

static __u32 op_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	struct link *link = to_link(p);

	(void)s;
	if (type != PVC_OPEN || link->args_len > max || !link->args_len)
		return 0;
	memcpy(buf, link->args, link->args_len);
	return link->args_len;
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
}

static const struct pvc_ops ops = {
	.random = op_random,
	.down = op_down,
	.refused = op_refused,
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
	int fd;

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
		close(fd);
		return -1;
	}
	return fd;
}

void link_set_timeout(struct link *link, __u32 timeout_ms)
{
	link->deadline = timeout_ms ? now_ms() + timeout_ms : ~0ull;
}

/**
 * link_open() - connect to the hypervisor's socket
 * @link: the link
 * @path: of the socket
 * @timeout_ms: for all that follows, until link_set_timeout(); 0: for ever
 */
enum outcome link_open(struct link *link, const char *path, __u32 timeout_ms)
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
		.stream_window = 65536,
		.conn_window = 262144,
		.quiet_ms = QUIET_MS,
		.features = PVC_FEATURE_KERNEL | PVC_FEATURE_LEASE,
		.tlvs = link->tlvs,
	};

	memset(link, 0, sizeof(*link));
	cfg.tlv_len = pvc_put_tlv(link->tlvs, 0, sizeof(link->tlvs),
				  PVC_TLV_SOFTWARE, name, strlen(name));
	link_set_timeout(link, timeout_ms);
	link->fd = connect_to(path);
	if (link->fd < 0) {
		fprintf(stderr, "pvhost: %s: %s\n", path, strerror(errno));
		return NO_CONNECTION;
	}
	if (pvc_init(&link->pvc, &cfg)) {
		fprintf(stderr, "pvhost: protocol core: bad configuration\n");
		return FAILED;
	}
	pvc_start(&link->pvc, now_ms());
	return DONE;
}

/* Write what there is, as far as the socket takes it. */
static void send_output(struct link *link)
{
	ssize_t n;

	for (;;) {
		if (link->out_at == link->out_len) {
			link->out_at = 0;
			link->out_len = pvc_output(&link->pvc, link->out,
						   sizeof(link->out), now_ms());
			if (!link->out_len)
				return;
		}
		n = write(link->fd, link->out + link->out_at,
			  link->out_len - link->out_at);
		if (n < 0) {
			if (errno != EAGAIN && errno != EINTR)
				link->closed = true;
			return;
		}
		link->out_at += n;
	}
}

static void receive(struct link *link)
{
	static __u8 buf[65536];
	ssize_t n = read(link->fd, buf, sizeof(buf));

	if (n > 0)
		pvc_input(&link->pvc, buf, n, now_ms());
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		link->closed = true;
}

/* Milliseconds to sleep, for poll(). */
static int sleep_ms(const struct link *link, __u64 until)
{
	__u64 now = now_ms(), next = pvc_next_tick(&link->pvc);

	next = min_t(__u64, next, min_t(__u64, until, link->deadline));
	if (next <= now)
		return 0;
	return next - now > 60000 ? 60000 : (int)(next - now);
}

/**
 * link_turn() - let things happen, once
 * @link: the link
 * @until: return then at the latest, ms; ~0: when something has come
 *
 * Return: DONE, or why it is no use to go on.
 */
enum outcome link_turn(struct link *link, __u64 until)
{
	struct pollfd pfd = { .fd = link->fd, .events = POLLIN };

	if (now_ms() >= link->deadline)
		return NO_ANSWER;
	pvc_tick(&link->pvc, now_ms());
	send_output(link);
	if (link->out_at < link->out_len)
		pfd.events |= POLLOUT;
	if (!link->closed &&
	    poll(&pfd, 1, sleep_ms(link, until)) < 0 && errno != EINTR) {
		perror("pvhost: poll");
		return FAILED;
	}
	if (pfd.revents & (POLLIN | POLLHUP | POLLERR))
		receive(link);
	send_output(link);
	if (link->pvc.state == PVC_REFUSED)
		return REFUSED;
	return link->closed ? NO_CONNECTION : DONE;
}

/**
 * link_session() - wait until there is a session
 * @link: the link
 */
enum outcome link_session(struct link *link)
{
	enum outcome out = DONE;

	while (link->pvc.state != PVC_UP && out == DONE)
		out = link_turn(link, ~0ull);
	return out;
}

void link_close(struct link *link)
{
	__u64 until = now_ms() + 200;

	/* Take leave, so that the guest need not find out by itself. */
	link->deadline = ~0ull;
	pvc_bye(&link->pvc, PVC_WHY_BYE);
	while (link->pvc.state == PVC_UP && now_ms() < until)
		if (link_turn(link, until) != DONE)
			break;
	while (link->out_at < link->out_len && now_ms() < until)
		if (link_turn(link, until) != DONE)
			break;
	pvc_stop(&link->pvc, now_ms());
	close(link->fd);
}

/* One attempt at a call; DONE with @link->dropped if the session was lost. */
static enum outcome attempt(struct link *link, const struct call *call,
			    __u64 key, __u16 flags)
{
	struct pvc_request req = {
		.service = call->service, .op = call->op,
		.version = PVC_SERVICE_VERSION,
		.flags = PVC_OPEN_NODATA | flags, .key = key,
	};
	enum outcome out = link_session(link);
	__u64 now = now_ms();

	if (out != DONE)
		return out;
	if (link->deadline != ~0ull)
		req.deadline_ms = link->deadline > now ?
				  link->deadline - now : 1;
	link->answered = false;
	link->dropped = false;
	link->args = call->args;
	link->args_len = flags & PVC_OPEN_QUERY ? 0 : call->len;
	if (call->refresh)
		call->refresh(call->args);
	if (!(flags & PVC_OPEN_QUERY))
		memcpy(link->boot_id, link->pvc.peer.boot_id, sizeof(link->boot_id));
	if (!pvc_open(&link->pvc, &req))
		return FAILED;
	while (!link->answered && !link->dropped && out == DONE)
		out = link_turn(link, ~0ull);
	return link->answered ? DONE : out;
}

static void pause_ms(struct link *link, __u32 ms)
{
	__u64 until = now_ms() + ms;

	while (now_ms() < until && link_turn(link, until) == DONE)
		;
}

/*
 * The session was lost under a request: was it carried out? Leaves what became
 * of it in the answer, or *@again set if the guest has not heard of it.
 */
static enum outcome ask(struct link *link, const struct call *call, __u64 key,
			bool *again)
{
	enum outcome out;

	*again = false;
	for (;;) {
		out = attempt(link, call, key, PVC_OPEN_QUERY);
		if (out != DONE)
			return out;
		if (link->dropped)
			continue;
		if (link->answer->status != PVC_IN_PROGRESS)
			break;
		pause_ms(link, 100);
	}
	if (link->answer->status != PVC_NOT_FOUND)
		return DONE;
	/* A guest that has booted since knows nothing of what it did before. */
	if (memcmp(link->pvc.peer.boot_id, link->boot_id, sizeof(link->boot_id)))
		link->answer->status = PVC_FORGOTTEN;
	else
		*again = true;
	return DONE;
}

/**
 * link_call() - have the guest do something, and wait for its answer
 * @link: the link
 * @call: what
 * @answer: its answer
 *
 * If the session is lost meanwhile it is tried again in the next, without doing
 * twice what must be done once only.
 *
 * Return: DONE if there is an answer, whatever it says.
 */
enum outcome link_call(struct link *link, const struct call *call,
		       struct answer *answer)
{
	enum outcome out;
	bool again = true;
	__u64 key = 0;

	link->answer = answer;
	while (call->once && !key)
		op_random(&link->pvc, &key, sizeof(key));
	while (again) {
		again = false;
		out = attempt(link, call, key, 0);
		if (out != DONE)
			return out;
		if (!link->dropped)
			break;
		again = true;
		out = key ? ask(link, call, key, &again) : DONE;
		if (out != DONE)
			return out;
	}
	/* It says so as we do: nothing came in time. */
	return answer->status == PVC_TIMED_OUT ? NO_ANSWER : DONE;
}

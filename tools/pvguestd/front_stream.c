// SPDX-License-Identifier: GPL-2.0-only
/*
 * Streams between the protocol core and workers. A worker has one end of two socket pairs:
 * a byte stream for the data, and packets for the answer.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "front.h"

#define LATE_SIZE	(2 * PVC_BULK_WINDOW)	/* bytes of &front_stream.late */

static struct front_stream *streams[PVS_STREAMS];

static void await(int op, int fd, __u32 events, __u64 mark)
{
	struct epoll_event event = { .events = events | EPOLLET, .data.u64 = mark };

	epoll_ctl(front_epoll, op, fd, &event);
}

static __u32 slot_of(const struct pvc_stream *s)
{
	return s - front.streams;
}

static __u32 unread(const struct front_stream *f)
{
	int n = 0;

	return f->data < 0 || ioctl(f->data, FIONREAD, &n) < 0 ? 0 : n;
}

static bool gives_up(const struct port_answer *answer)
{
	return answer->reset || answer->status != PVC_OK;
}

/*
 * Has the worker given up? Its answer, which it gave before its data ended, may not have been
 * taken yet; if there is none and the end of it has come, all processes are gone.
 */
static bool is_cut(const struct front_stream *f)
{
	struct port_answer answer;
	ssize_t n;

	if (f->answered)
		return f->cut;
	n = recv(f->answer, &answer, sizeof(answer), MSG_PEEK | MSG_DONTWAIT);
	return !n || (n == sizeof(answer) && gives_up(&answer));
}

/* The worker's data has ended. It ended in order, unless the worker gave up. */
static void end_data(struct front_stream *f)
{
	if (!is_cut(f))
		pvc_finish(&front.pvc, f->s);
}

/* The worker has written, or its data has ended. */
static void look_at_data(struct front_stream *f)
{
	if (unread(f)) {
		pvc_ready(&front.pvc, f->s);
	} else if (f->worker_eof) {
		pvc_drained(&front.pvc, f->s);
		end_data(f);
	}
}

/* Gives the worker what it had no room for. */
static void send_late(struct front_stream *f)
{
	ssize_t n = 0;

	while (f->late_at < f->late_len) {
		n = send(f->data, f->late + f->late_at, f->late_len - f->late_at,
			 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		/* A worker that reads no more takes all of it. */
		if (n < 0)
			n = f->late_len - f->late_at;
		f->late_at += n;
		pvc_consumed(&front.pvc, f->s, n);
	}
	free(f->late);
	f->late = NULL;
	f->late_len = 0;
	f->late_at = 0;
	await(EPOLL_CTL_MOD, f->data, EPOLLIN | EPOLLRDHUP, front_mark(FRONT_DATA, slot_of(f->s)));
	if (f->host_eof)
		shutdown(f->data, SHUT_WR);
}

/* Keeps what the socket did not take: the window bounds how much that is. */
static void keep_late(struct front_stream *f, const __u8 *data, __u32 len)
{
	if (f->late_at) {
		memmove(f->late, f->late + f->late_at, f->late_len - f->late_at);
		f->late_len -= f->late_at;
		f->late_at = 0;
	}
	if (!f->late) {
		f->late = malloc(LATE_SIZE);
		if (f->late)
			await(EPOLL_CTL_MOD, f->data, EPOLLIN | EPOLLOUT | EPOLLRDHUP,
			      front_mark(FRONT_DATA, slot_of(f->s)));
	}
	if (!f->late || len > LATE_SIZE - f->late_len) {
		pvc_reset(&front.pvc, f->s, PVC_FAILED);
		return;
	}
	memcpy(f->late + f->late_len, data, len);
	f->late_len += len;
}

static void on_data(struct pvc *p, struct pvc_stream *s, const void *data, __u32 len)
{
	struct front_stream *f = s->priv;
	ssize_t n = 0;

	if (!f) {
		pvc_consumed(p, s, len);
		return;
	}
	if (!f->late)
		n = send(f->data, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		n = len;
	if (n < 0)
		n = 0;
	pvc_consumed(p, s, n);
	if (n < len) {
		keep_late(f, (const __u8 *)data + n, len - n);
		/* The socket may have got room before it was waited for. */
		if (s->priv)
			send_late(f);
	}
}

static void on_eof(struct pvc *p, struct pvc_stream *s)
{
	struct front_stream *f = s->priv;

	(void)p;
	if (!f)
		return;
	f->host_eof = true;
	if (!f->late)
		shutdown(f->data, SHUT_WR);
}

static __u32 fill_data(struct front_stream *f, void *buf, __u32 max)
{
	ssize_t n = read(f->data, buf, max);

	if (n < 0)
		return 0;
	if (!n)
		f->worker_eof = true;
	if (!unread(f)) {
		pvc_drained(&front.pvc, f->s);
		if (f->worker_eof)
			end_data(f);
	}
	return n;
}

static __u32 on_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type, void *buf,
		     __u32 max)
{
	struct front_stream *f = s->priv;

	(void)p;
	if (!f)
		return 0;
	if (type == PVC_DATA)
		return fill_data(f, buf, max);
	if (type != PVC_RESULT || f->len > max)
		return 0;
	memcpy(buf, f->body, f->len);
	return f->len;
}

static void on_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	struct front_stream *f = s->priv;

	(void)p;
	if (!f)
		return;
	/* For stream_closed(). */
	send(f->answer, &status, sizeof(status), MSG_DONTWAIT | MSG_NOSIGNAL);
	close(f->data);
	close(f->answer);
	free(f->late);
	free(f);
	s->priv = NULL;
	streams[slot_of(s)] = NULL;
}

const struct pvc_ops front_stream_ops = {
	.data = on_data,
	.eof = on_eof,
	.closed = on_closed,
	.fill = on_fill,
};

/* The answer, or the end of all processes that could have given it. */
static void take_answer(struct front_stream *f)
{
	struct port_answer answer;
	struct iovec iov[] = {
		{ .iov_base = &answer, .iov_len = sizeof(answer) },
		{ .iov_base = f->body, .iov_len = sizeof(f->body) },
	};
	ssize_t n = readv(f->answer, iov, 2);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < (ssize_t)sizeof(answer)) {
		pvc_reset(&front.pvc, f->s, PVC_ABORTED);
		return;
	}
	/* One answer is enough, and no one waits for what follows. */
	epoll_ctl(front_epoll, EPOLL_CTL_DEL, f->answer, NULL);
	f->len = n - sizeof(answer);
	f->answered = true;
	f->cut = gives_up(&answer);
	look_at_data(f);
	if (answer.reset)
		pvc_reset(&front.pvc, f->s, answer.status ? answer.status : PVC_FAILED);
	else
		pvc_reply(&front.pvc, f->s, answer.status, answer.flags);
}

void front_stream_event(__u32 slot, enum front_source source, __u32 events)
{
	struct front_stream *f = streams[slot];

	if (!f)
		return;
	if (source == FRONT_ANSWER) {
		take_answer(f);
		return;
	}
	if (events & (EPOLLRDHUP | EPOLLHUP))
		f->worker_eof = true;
	if (f->late && events & (EPOLLOUT | EPOLLHUP))
		send_late(f);
	look_at_data(f);
}

/* The request goes to the broker with the two descriptors that the worker is to have. */
static int pass_request(const struct pvc_stream *s, const void *args, __u32 len, int broker,
			const int *fds)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	struct port_request req = {
		.service = s->service, .op = s->op, .flags = s->open_flags,
		.deadline_ms = s->deadline_ms, .args_len = len, .key = s->key,
	};
	struct iovec iov[] = {
		{ .iov_base = &req, .iov_len = sizeof(req) },
		{ .iov_base = (void *)args, .iov_len = len },
	};
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	memcpy(req.principal, s->principal, sizeof(req.principal));
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, 2 * sizeof(int));
	return sendmsg(broker, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static bool make_pairs(int *data, int *answer)
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, data) < 0)
		return false;
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, answer))
		return true;
	close(data[0]);
	close(data[1]);
	return false;
}

static void set_nonblock(int fd)
{
	int on = 1;

	ioctl(fd, FIONBIO, &on);
}

bool front_stream_open(struct pvs *v, struct pvc_stream *s, const void *args, __u32 len,
		       int broker)
{
	struct front_stream *f = calloc(1, sizeof(*f));
	int data[2], answer[2], err;

	s->priv = NULL;
	if (!f || !make_pairs(data, answer)) {
		free(f);
		pvc_reply(&v->pvc, s, PVC_BUSY, 0);
		return true;
	}
	set_nonblock(data[0]);
	set_nonblock(answer[0]);
	err = pass_request(s, args, len, broker, (const int []){ data[1], answer[1] });
	close(data[1]);
	close(answer[1]);
	if (err) {
		close(data[0]);
		close(answer[0]);
		free(f);
		pvc_reply(&v->pvc, s, PVC_BUSY, 0);
		return true;
	}
	f->s = s;
	f->data = data[0];
	f->answer = answer[0];
	s->priv = f;
	streams[slot_of(s)] = f;
	await(EPOLL_CTL_ADD, f->data, EPOLLIN | EPOLLRDHUP, front_mark(FRONT_DATA, slot_of(s)));
	await(EPOLL_CTL_ADD, f->answer, EPOLLIN, front_mark(FRONT_ANSWER, slot_of(s)));
	if (s->open_flags & PVC_OPEN_NODATA)
		shutdown(f->data, SHUT_WR);
	return true;
}

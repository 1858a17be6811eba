// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream of a request. With the module its descriptor is the kernel's; without, it is a
 * unix socket whose other end front.c has, and the answer goes over another.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "channel.h"
#include "worker.h"
#include "../../include/uapi/pvguest/control_dev.h"

static int send_answer(const struct stream *s, const struct port_answer *answer,
		       const void *body)
{
	struct iovec iov[] = {
		{ .iov_base = (void *)answer, .iov_len = sizeof(*answer) },
		{ .iov_base = (void *)body, .iov_len = answer->len },
	};
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	do {
		n = sendmsg(s->answer, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return 0;
	return errno == ECONNRESET ? -EPIPE : -errno;
}

/* By ioctl; a module of before @request was there answers at once. */
static int reply_module(int fd, unsigned long request, const struct pvg_stream_reply *reply)
{
	int ret = ioctl(fd, request, reply);

	if (ret < 0 && errno == ENOTTY)
		ret = ioctl(fd, PVG_STREAM_REPLY, reply);
	return ret < 0 ? -errno : 0;
}

static int reply(const struct stream *s, unsigned long request, __u32 status, const void *body,
		 __u32 len)
{
	struct pvg_stream_reply reply = {
		.status = status, .len = len, .body = (__u64)(unsigned long)body,
	};
	struct port_answer answer = { .status = status, .len = len };

	if (len > PVG_STREAM_BODY_MAX || status == PVC_LOST || status >= PVC_STATUS_NR)
		return -EINVAL;
	if (s->answer >= 0)
		return send_answer(s, &answer, body);
	return reply_module(s->fd, request, &reply);
}

int stream_reply(const struct stream *s, __u32 status, const void *body, __u32 len)
{
	return reply(s, PVG_STREAM_REPLY, status, body, len);
}

int stream_reply_more(const struct stream *s, __u32 status, const void *body, __u32 len)
{
	return reply(s, PVG_STREAM_REPLY_MORE, status, body, len);
}

int stream_reset(const struct stream *s, __u32 status)
{
	struct port_answer answer = { .reset = 1, .status = status };

	if (status == PVC_OK || status == PVC_LOST || status >= PVC_STATUS_NR)
		return -EINVAL;
	if (s->answer >= 0)
		return send_answer(s, &answer, "");
	return ioctl(s->fd, PVG_STREAM_RESET, &status) < 0 ? -errno : 0;
}

int stream_shutdown(const struct stream *s)
{
	if (s->answer >= 0)
		return shutdown(s->fd, SHUT_WR) < 0 ? -errno : 0;
	return ioctl(s->fd, PVG_STREAM_SHUTDOWN) < 0 ? -errno : 0;
}

void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	if (s->answer >= 0)
		close(s->answer);
	s->fd = -1;
	s->answer = -1;
}

__u32 stream_closed(const struct stream *s)
{
	struct pollfd pfd = { .fd = s->answer };
	struct pvg_stream_status status;
	__u32 told;

	if (s->answer < 0)
		return ioctl(s->fd, PVG_STREAM_STATUS, &status) < 0 ? PVC_LOST :
		       status.state == PVG_STREAM_CLOSED ? status.status : PVC_OK;
	/*
	 * The front says why before it closes first the data, which is what wakes whoever asks, and
	 * then this. Others that have the stream may want to know it, too.
	 */
	if (recv(s->answer, &told, sizeof(told), MSG_DONTWAIT | MSG_PEEK) == sizeof(told))
		return told;
	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLHUP ? PVC_LOST : PVC_OK;
}

/* Waits for the descriptor, which may be O_NONBLOCK. */
static int wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	while (poll(&pfd, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

ssize_t stream_write(const struct stream *s, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = s->answer >= 0 ? send(s->fd, buf, len, MSG_NOSIGNAL) : write(s->fd, buf, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return n;
}

int stream_write_all(const struct stream *s, const void *buf, size_t len)
{
	const char *at = buf;
	int err;

	while (len) {
		ssize_t n = stream_write(s, at, len);

		if (n >= 0) {
			at += n;
			len -= n;
			continue;
		}
		err = n == -EAGAIN ? wait_for(s->fd, POLLOUT) : n;
		if (err)
			return err;
	}
	return 0;
}

int stream_read_all(const struct stream *s, void *buf, size_t len)
{
	char *at = buf;
	int err;

	while (len) {
		ssize_t n = read(s->fd, at, len);

		if (n < 0 && errno == EAGAIN) {
			err = wait_for(s->fd, POLLIN);
			if (err)
				return err;
		} else if (n < 0 && errno != EINTR) {
			return -errno;
		} else if (!n) {
			return -ENODATA;
		} else if (n > 0) {
			at += n;
			len -= n;
		}
	}
	return 0;
}

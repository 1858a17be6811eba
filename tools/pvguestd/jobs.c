// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: what goes on while other streams of the host join it. The broker knows which worker
 * has which job, and sends the stream there.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "broker.h"

bool job_at(unsigned int i, struct job_info *info)
{
	unsigned int w;

	for (w = 0; w < WORKERS_MAX; w++) {
		const struct worker *worker = &broker.workers[w];

		if (!worker->pid || !worker->job || i--)
			continue;
		info->job = worker->job;
		info->principal = worker->principal;
		info->user = worker->user;
		info->verb = worker->operation->verb;
		info->pid = worker->pid;
		info->began = worker->began;
		info->note = worker->note;
		info->note_len = worker->note_len;
		return true;
	}
	return false;
}

int job_note(struct request *req, const void *note, __u32 len)
{
	struct worker_message message = { .type = WORKER_NOTE, .len = len };

	if (len > JOB_NOTE_MAX)
		return -EMSGSIZE;
	memcpy(message.body, note, len);
	return send(req->broker, &message, sizeof(message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int job_kept(struct request *req)
{
	struct worker_message message = { .type = WORKER_KEPT };

	return send(req->broker, &message, sizeof(message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int job_next(struct request *req, struct joined *joined)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct join_message message;
	struct iovec iov[] = {
		{ .iov_base = &message, .iov_len = sizeof(message) },
		{ .iov_base = joined->record, .iov_len = sizeof(joined->record) },
	};
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	struct cmsghdr *cmsg;
	int fds[2] = { -1, -1 };
	ssize_t n;

	do {
		n = recvmsg(req->broker, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (n < (ssize_t)sizeof(message) || !cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -ENOTCONN;
	memcpy(fds, CMSG_DATA(cmsg),
	       min_t(size_t, sizeof(fds), cmsg->cmsg_len - CMSG_LEN(0)));
	joined->stream.fd = fds[0];
	joined->stream.answer = fds[1];
	joined->op = message.op;
	joined->flags = message.flags;
	joined->record_len = n - sizeof(message);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a worker: see worker.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "accounts.h"
#include "audit.h"
#include "broker.h"
#include "sandbox.h"

#ifdef PVG_TEST
#define RECORD_S	1u
#else
#define RECORD_S	30u	/* for all of the record to come */
#endif

/*
 * Of the answer; the exit status of the worker, for the audit log. One that ends without an
 * answer has heard that the host wants none.
 */
static __u32 answered = PVC_CANCELLED;

/* The broker remembers the answer first: what the host has heard is never unknown. */
int answer(struct request *req, __u32 status, const void *body, __u32 len)
{
	struct worker_message message = { .type = WORKER_ANSWER, .status = status };
	struct stream s = stream_of(req);

	answered = status;
	if (req->key) {
		if (len <= PVS_BODY) {
			message.len = len;
			memcpy(message.body, body, len);
		}
		if (send(req->broker, &message, sizeof(message), MSG_NOSIGNAL) < 0)
			log_line(LOG_WARNING, "%s: the broker is gone", req->operation->verb);
	}
	return stream_reply(&s, status, body, len);
}

int abandon(struct request *req, __u32 status)
{
	struct stream s = stream_of(req);

	answered = status;
	return stream_reset(&s, status);
}

void refuse(struct request *req, __u32 status, const char *format, ...)
{
	char text[REQUEST_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_line(LOG_NOTICE, "%s by '%s' as %s: %s: %s", req->operation->verb, req->principal,
		 req->user, pvc_status_name(status), text);
	answer(req, status, text, strlen(text));
}

void refuse_errno(struct request *req, int error, const char *what)
{
	static const struct {
		int error;
		__u32 status;
	} known[] = {
		{ ENOENT, PVC_NOT_FOUND }, { ESRCH, PVC_NOT_FOUND }, { ENOTDIR, PVC_NOT_FOUND },
		{ EACCES, PVC_DENIED }, { EPERM, PVC_DENIED }, { EXDEV, PVC_DENIED },
		{ ELOOP, PVC_DENIED }, { EINVAL, PVC_INVALID }, { ENAMETOOLONG, PVC_INVALID },
		{ EBUSY, PVC_BUSY }, { EAGAIN, PVC_BUSY }, { EMFILE, PVC_BUSY },
		{ ENOSYS, PVC_UNSUPPORTED }, { EOPNOTSUPP, PVC_UNSUPPORTED },
		{ ETIMEDOUT, PVC_TIMED_OUT },
	};
	__u32 status = PVC_FAILED;
	size_t i;

	error = abs(error);
	for (i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].error == error)
			status = known[i].status;
	refuse(req, status, "%s: %s: %s", req->operation->verb, what, strerror(error));
}

/* As getpwnam(), of /etc/passwd alone: what else NSS knows runs code in a root process. */
static bool find_user(struct request *req)
{
	FILE *passwd = accounts_open("/etc/passwd");
	const struct passwd *pw;

	if (!*req->user)
		strcpy(req->user, "root");
	pw = accounts_user(passwd, req->user);
	if (pw) {
		req->uid = pw->pw_uid;
		req->gid = pw->pw_gid;
		req->ngroups = accounts_groups_now(req->user, req->gid, req->groups);
		snprintf(req->home, sizeof(req->home), "%s", pw->pw_dir);
		snprintf(req->shell, sizeof(req->shell), "%s",
			 *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	}
	if (passwd)
		fclose(passwd);
	return pw;
}

/* As stream_read_all(), but not for longer than that: a worker is not the host's to keep. */
static int read_soon(const struct stream *s, __u8 *at, __u32 len)
{
	struct pollfd pfd = { .fd = s->fd, .events = POLLIN };
	struct timespec now, end;
	ssize_t n;
	int left;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += RECORD_S;
	for (; len; len -= n, at += n) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		left = (end.tv_sec - now.tv_sec) * 1000 + (end.tv_nsec - now.tv_nsec) / 1000000;
		if (left <= 0 || !poll(&pfd, 1, left))
			return -ETIMEDOUT;
		n = read(s->fd, at, len);
		if (!n)
			return -ENODATA;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		n = n < 0 ? 0 : n;
	}
	return 0;
}

/* The record: what came with the request, and the rest as the first data of the stream. */
static bool read_record(struct request *req, const __u8 *args, __u32 len)
{
	struct stream s = stream_of(req);
	__u8 *record;
	int err;

	if (len > req->record_len ||
	    (len < req->record_len && !(req->flags & PVC_OPEN_MORE))) {
		refuse(req, PVC_INVALID, "%s: the record has %u bytes, and %u came",
		       req->operation->verb, req->record_len, len);
		return false;
	}
	record = malloc(req->record_len + 1);
	if (!record) {
		refuse_errno(req, ENOMEM, "the record");
		return false;
	}
	memcpy(record, args, len);
	err = read_soon(&s, record + len, req->record_len - len);
	if (err == -ENODATA)
		refuse(req, PVC_INVALID, "%s: the data ends within the record",
		       req->operation->verb);
	else if (err == -ETIMEDOUT)
		refuse(req, PVC_TIMED_OUT, "%s: the record has not come within %u s",
		       req->operation->verb, RECORD_S);
	if (err) {
		free(record);
		return false;
	}
	req->record = record;
	return true;
}

static void __attribute__((noreturn)) end(void)
{
	audit_flush();
	_exit(answered);
}

void worker_run(struct request *req, const __u8 *args, __u32 args_len)
{
	const struct operation *operation = req->operation;
	__u32 status;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "pvg-%s", operation->verb);
	prctl(PR_SET_NAME, name);
	audit_open(broker.journal, !audit_by_verb(operation->verb));
	audit_worker(req->principal);
	if (!find_user(req)) {
		refuse(req, PVC_INVALID, "%s: /etc/passwd has no user '%s'", operation->verb,
		       req->user);
		end();
	}
	status = operation->prepare ? operation->prepare(req) : PVC_OK;
	if (status != PVC_OK) {
		/* Has no effect where prepare() has refused it. */
		answer(req, status, "", 0);
		end();
	}
	err = sandbox_enter(req);
	if (err) {
		refuse(req, PVC_FAILED, "%s: the worker cannot give up its rights: %s",
		       operation->verb, strerror(-err));
		end();
	}
	if (read_record(req, args, args_len))
		operation->run(req);
	end();
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A worker: the process that deals with one request of the host. The broker forks it; it
 * resolves the user, calls the operation's prepare() as root, gives up root, capabilities and
 * system calls, and only then looks at what the host sent: run().
 */
#ifndef _PVGUESTD_WORKER_H
#define _PVGUESTD_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "accounts.h"
#include "pvguest/freestanding.h"
#include "../../include/uapi/pvguest/control.h"
#include "../../include/uapi/pvguest/operations.h"

struct policy;
struct operation;

#define REQUEST_TEXT_MAX	512	/* bytes of a refusal's text */

/**
 * struct request - one request of the host
 * @parent: the broker
 * @stream: descriptor for read(), write() and poll(): the host's data and ours
 * @answer: -1, or in port mode the descriptor over which the answer goes; see stream.c
 * @broker: a SOCK_SEQPACKET to the broker: streams for this job come over it
 * @operation: what is asked for
 * @service: as the host said, like @op, @flags, @deadline_ms, @key and @principal
 * @op: see @service
 * @flags: PVC_OPEN_*
 * @deadline_ms: see @service; the channel watches it
 * @key: see @service
 * @principal: on whose behalf the host asks; empty: it did not say
 * @job: of the header; 0: none
 * @user: in whose name; a name that exists in /etc/passwd, in run() and prepare()
 * @uid: of @user
 * @gid: of @user
 * @groups: of @user, @gid among them
 * @ngroups: of @groups
 * @home: of @user
 * @shell: of @user
 * @record: the operation's record, @record_len bytes; whole in run(), NULL in prepare()
 * @record_len: see @record
 * @policy: of the guest; read only
 * @priv: what prepare() leaves for run()
 */
struct request {
	pid_t parent;
	int stream;
	int answer;
	int broker;
	const struct operation *operation;
	__u16 service;
	__u16 op;
	__u16 flags;
	__u32 deadline_ms;
	__u64 key;
	char principal[PVC_PRINCIPAL_MAX + 1];
	__u64 job;
	char user[PVO_USER_MAX];
	uid_t uid;
	gid_t gid;
	gid_t groups[ACCOUNT_GROUPS];
	int ngroups;
	char home[256];
	char shell[256];
	const __u8 *record;
	__u32 record_len;
	const struct policy *policy;
	void *priv;
};

/* What a worker keeps when it gives up root, &operation.keep. */
#define KEEP_ROOT	0x01u	/* stays uid 0, without the capabilities not named in caps */
#define KEEP_FORK	0x02u	/* its seccomp filter lets it fork */
#define KEEP_EXEC	0x04u	/* and execute */
#define KEEP_NET	0x08u	/* and make sockets, connect, bind, listen, accept */
#define KEEP_FILES	0x10u	/* and open and change files, within Landlock's roots */
#define KEEP_PROC	0x20u	/* and read /proc, /sys and time zones, no other file */
/* and kill(), pidfd_open(), pidfd_send_signal(), waitid(), recvmsg() of descriptors */
#define KEEP_SIGNAL	0x40u
/*
 * It becomes nobody instead of the user, for what needs nothing of the user's: collectors, and
 * parsers of records for a process that prepare() forked. @uid and @user stay the user's.
 */
#define KEEP_NOBODY	0x80u

/**
 * struct operation - something that the host may ask for
 * @service: enum pvo_service
 * @op: an operation of it, without PVO_OP_JOB: those go to the worker of the job
 * @verb: its name in the policy, the audit log and pvhost, such as "exec"
 * @keep: KEEP_*
 * @caps: capabilities kept where the user is root or with KEEP_ROOT, bits 1ull << CAP_*, none
 *	for other users; for all others the bounding set ends, too
 * @job: it may begin a job: other streams may join it
 * @prepare: as root, before anything of the record is known: opens what run() needs and
 *	forks what must have what this process gives up. enum pvc_status; with a status that
 *	is not PVC_OK it may have called refuse(). May be NULL
 * @run: deals with the request and answers it with answer() or refuse(); the process ends
 *	when it returns
 */
struct operation {
	__u16 service;
	__u16 op;
	const char *verb;
	__u32 keep;
	__u64 caps;
	bool job;
	__u32 (*prepare)(struct request *req);
	void (*run)(struct request *req);
};

/* operations.c: all of them */
const struct operation *operation_find(__u16 service, __u16 op);
const struct operation *operation_by_verb(const char *verb);
const struct operation *operation_at(unsigned int i);	/* NULL: no more */

/*
 * stream.c: the stream of a request. The functions may be used by whatever process has the
 * two descriptors of it.
 */

/**
 * struct stream - one stream of the host
 * @fd: for read(), write(), poll()
 * @answer: -1 with the module; else where the answer goes
 */
struct stream {
	int fd;
	int answer;
};

/* That of the request itself. */
static inline struct stream stream_of(const struct request *req)
{
	return (struct stream){ .fd = req->stream, .answer = req->answer };
}

/* Answers with @status and at most PVG_STREAM_BODY_MAX bytes; 0 or -errno. */
int stream_reply(const struct stream *s, __u32 status, const void *body, __u32 len);
/* The same, by a process that answers another stream right then: both go in one piece. */
int stream_reply_more(const struct stream *s, __u32 status, const void *body, __u32 len);
/* Gives up; what was not sent is dropped. */
int stream_reset(const struct stream *s, __u32 status);
/* No more data from the guest. */
int stream_shutdown(const struct stream *s);
void stream_close(struct stream *s);
/*
 * Why the host has closed a stream that was not answered, once poll() has said POLLHUP:
 * PVC_CANCELLED, PVC_TIMED_OUT, PVC_LOST with its session, or another status that the host gave;
 * PVC_OK: it is open.
 */
__u32 stream_closed(const struct stream *s);
/* O_NONBLOCK; 0 or -errno. */
int set_nonblock(int fd);
/* What it takes; how much, or -errno: -EAGAIN if O_NONBLOCK, -EPIPE: the host is gone. */
ssize_t stream_write(const struct stream *s, const void *buf, size_t len);
/* All of it, waiting as long as it takes; 0 or -errno (-EPIPE: the host is gone). */
int stream_write_all(const struct stream *s, const void *buf, size_t len);
/* @len bytes; -ENODATA: the host's data ended before; -errno as read(). */
int stream_read_all(const struct stream *s, void *buf, size_t len);

/* As stream_reply() and stream_reset(), of the stream of @req and for the audit log. */
int answer(struct request *req, __u32 status, const void *body, __u32 len);
int abandon(struct request *req, __u32 status);
/*
 * Answers with a status that is not PVC_OK, and a text for a person: which verb, which limit
 * or rule, and what would be allowed. It also goes to the log.
 */
void refuse(struct request *req, __u32 status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The status and text for an errno of an operation on @what. */
void refuse_errno(struct request *req, int error, const char *what);

/*
 * Another stream of the host for this job has come over @req->broker: its descriptors, its
 * operation (with PVO_OP_JOB) and its record.
 */
struct joined {
	struct stream stream;
	__u16 op;
	__u16 flags;
	__u32 record_len;
	__u8 record[4096];
};

/*
 * Waits for one; poll() of @req->broker says when there is one. 0, -ENOTCONN: the broker is
 * gone, -errno.
 */
int job_next(struct request *req, struct joined *joined);

/*
 * jobs.c: what PVO_EXEC_JOBS tells. A worker leaves a note of its job with the broker, bytes of
 * its own choice; job_at() gives the jobs there were when the calling worker was forked, from
 * @i = 0 on until NULL. Those of other principals are among them.
 */
#define JOB_NOTE_MAX	256

struct job_info {
	__u64 job;
	const char *principal;
	const char *user;
	const char *verb;
	pid_t pid;		/* of its worker */
	time_t began;		/* s since 1970 */
	const __u8 *note;
	__u32 note_len;
};

bool job_at(unsigned int i, struct job_info *info);
/* 0 or -errno; what is longer than JOB_NOTE_MAX is -EMSGSIZE. */
int job_note(struct request *req, const void *note, __u32 len);
/*
 * The job has ended, and its worker only keeps the result for a host that comes for it. There is
 * a bound of those: @req->broker ends when this one is to give up.
 */
int job_kept(struct request *req);

/*
 * sandbox.c: becomes the user of @req, with that user's groups and no capability beyond those of
 * its uid: for a process that was forked in prepare() and is about to execute something. 0 or
 * -errno.
 */
int become_user(const struct request *req);

/* log.c: to the journal (stderr with syslog's priority prefixes), rate limited. */
void log_line(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif /* _PVGUESTD_WORKER_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The broker: see broker.h. One thread, one poll().
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "audit.h"
#include "broker.h"
#include "kv.h"
#include "sandbox.h"

#define STOP_MS		5000	/* workers have that long to end */
#define FIRST_WORKER	3	/* of the descriptors that are polled */
#define GRACE_MS	5000	/* and one whose stream the host has closed */
#define RESTART_MS	1000	/* between two of what ends at once */
#define RESTARTS	10
#define ACCEPTS		16	/* requests in a row, before workers are heard */

struct broker broker;

static __u8 args[ARGS_MAX];
static int signals = -1;
static int watch = -1, watched = -1;	/* of inotify; the policy's directory in it */

void broker_policy(void)
{
	char error[POLICY_TEXT_MAX];
	struct policy *policy = policy_load(broker.policy_dir, error, sizeof(error));

	if (*error)
		log_line(LOG_ERR, "policy: %s; only what is open by default is allowed", error);
	if (broker.policy)
		policy_free(broker.policy);
	broker.policy = policy;
}

static __u64 now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ull + now.tv_nsec / 1000000;
}

/* NULL if it may be used; what is wrong with it. */
static const char *check_header(const struct pvo_header *header, __u32 len)
{
	size_t i;

	if (len < sizeof(*header) || le16_to_cpu(header->size) != sizeof(*header))
		return "the arguments have no header of 64 bytes";
	if (header->flags)
		return "the header has unknown flags";
	if (le32_to_cpu(header->record_len) > PVO_ARGS_MAX)
		return "the record is longer than 262144 bytes";
	for (i = 0; i < sizeof(header->reserved); i++)
		if (header->reserved[i])
			return "reserved bytes of the header are not 0";
	if (header->user[PVO_USER_MAX - 1])
		return "the user's name has no end";
	i = strlen((const char *)header->user);
	for (; i < PVO_USER_MAX; i++)
		if (header->user[i])
			return "the user's name is not filled up with zero bytes";
	return NULL;
}

static void refuse_arrival(const struct arrival *arrival, __u32 status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse_arrival(const struct arrival *arrival, __u32 status, const char *format, ...)
{
	const struct operation *operation = operation_find(arrival->service, arrival->op);
	const struct pvo_header *header = (const struct pvo_header *)args;
	struct stream s = { .fd = arrival->stream, .answer = arrival->answer };
	char text[REQUEST_TEXT_MAX], number[32];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	snprintf(number, sizeof(number), "service %u op %u", arrival->service, arrival->op);
	audit(&(struct audit_line){
		.event = status == PVC_DENIED ? AUDIT_DENY : AUDIT_ERROR,
		.principal = arrival->principal, .verb = operation ? operation->verb : number,
		.user = check_header(header, arrival->args_len) ? "" :
			header->user[0] ? (const char *)header->user : "root",
		.why = text,
	});
	stream_reply(&s, status, text, strlen(text));
}

static struct worker *find_job(const struct arrival *arrival, __u64 job)
{
	unsigned int i;

	for (i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &broker.workers[i];

		if (w->pid && w->job == job && !strcmp(w->principal, arrival->principal))
			return w;
	}
	return NULL;
}

/* The stream goes to the worker of the job. */
static int pass_stream(const struct worker *w, const struct arrival *arrival, __u32 record_len)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control = { 0 };
	int n = arrival->answer >= 0 ? 2 : 1, fds[2] = { arrival->stream, arrival->answer };
	struct join_message message = {
		.op = arrival->op, .flags = arrival->flags, .record_len = record_len,
	};
	struct iovec iov[] = {
		{ .iov_base = &message, .iov_len = sizeof(message) },
		{ .iov_base = args + sizeof(struct pvo_header), .iov_len = record_len },
	};
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.buf, .msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	return sendmsg(w->control, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void join_job(const struct arrival *arrival, const struct pvo_header *header)
{
	__u32 record_len = le32_to_cpu(header->record_len);
	struct worker *w = find_job(arrival, le64_to_cpu(header->job));
	struct pvs_key *key;
	int err;

	if (record_len > sizeof(((struct joined *)0)->record) ||
	    arrival->args_len != sizeof(*header) + record_len) {
		refuse_arrival(arrival, PVC_INVALID, "a record for a job has at most %zu bytes, all in the request",
			       sizeof(((struct joined *)0)->record));
		return;
	}
	if (keys_recall(arrival))
		return;
	if (!w || !header->job || w->operation->service != arrival->service) {
		refuse_arrival(arrival, PVC_NOT_FOUND, "there is no such job");
		return;
	}
	/* Whether the job carries it out is not known here. */
	if (keys_begin(arrival, &key) && key)
		pvs_key_done(key, PVC_FORGOTTEN, "", 0);
	err = pass_stream(w, arrival, record_len);
	if (err)
		refuse_arrival(arrival, PVC_BUSY, "the job takes no more streams now");
}

static void swap_ints(int *a, int *b)
{
	int c = *a;

	if (c > *b) {
		*a = *b;
		*b = c;
	}
}

/* In the new process. */
static void become_worker(const struct arrival *arrival, const struct pvo_header *header,
			  const struct operation *operation, int control, pid_t parent)
{
	static struct request req;
	int keep[3] = { arrival->stream, arrival->answer, control };
	sigset_t none;

	swap_ints(&keep[0], &keep[1]);
	swap_ints(&keep[1], &keep[2]);
	swap_ints(&keep[0], &keep[1]);
	sandbox_close(keep, 3);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	req.parent = parent;
	req.stream = arrival->stream;
	req.answer = arrival->answer;
	req.broker = control;
	req.operation = operation;
	req.service = arrival->service;
	req.op = arrival->op;
	req.flags = arrival->flags;
	req.deadline_ms = arrival->deadline_ms;
	req.key = arrival->key;
	memcpy(req.principal, arrival->principal, sizeof(req.principal));
	req.job = le64_to_cpu(header->job);
	memcpy(req.user, header->user, sizeof(req.user));
	req.record_len = le32_to_cpu(header->record_len);
	req.policy = broker.policy;
	worker_run(&req, args + sizeof(*header), arrival->args_len - sizeof(*header));
}

static void start_worker(const struct arrival *arrival, const struct pvo_header *header,
			 const struct operation *operation, const char *why, struct worker *w)
{
	pid_t pid = -1, parent = getpid();
	int pair[2];

	memset(w, 0, sizeof(*w));
	if (!keys_begin(arrival, &w->key)) {
		refuse_arrival(arrival, PVC_BUSY, "%s: too many requests with keys are being dealt with",
			       operation->verb);
		return;
	}
	if (!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		/* Without the libraries' handlers: see exec_prepare(). */
		pid = _Fork();
		if (!pid)
			become_worker(arrival, header, operation, pair[1], parent);
		close(pair[1]);
		if (pid < 0)
			close(pair[0]);
	}
	if (pid < 0) {
		if (w->key)
			pvs_key_done(w->key, PVC_FAILED, "", 0);
		refuse_arrival(arrival, PVC_BUSY, "%s: no worker can be started: %s",
			       operation->verb, strerror(errno));
		return;
	}
	w->pid = pid;
	w->control = pair[0];
	w->watch = fcntl(arrival->answer >= 0 ? arrival->answer : arrival->stream,
			 F_DUPFD_CLOEXEC, 0);
	w->closed_ms = now_ms();
	w->operation = operation;
	memcpy(w->principal, arrival->principal, sizeof(w->principal));
	snprintf(w->user, sizeof(w->user), "%s",
		 header->user[0] ? (const char *)header->user : "root");
	w->job = le64_to_cpu(header->job);
	w->began = time(NULL);
	w->began_ms = now_ms();
	if (audit_by_verb(operation->verb))
		audit(&(struct audit_line){
			.event = AUDIT_ALLOW, .principal = w->principal, .verb = operation->verb,
			.user = w->user, .job = w->job, .why = why,
		});
}

static void dispatch(const struct arrival *arrival)
{
	const struct operation *operation;
	struct pvo_header header;
	char text[REQUEST_TEXT_MAX];
	struct verdict verdict;
	struct worker *slot;
	const char *wrong;

	memcpy(&header, args, sizeof(header));
	wrong = check_header(&header, arrival->args_len);
	if (wrong) {
		refuse_arrival(arrival, PVC_INVALID, "%s", wrong);
		return;
	}
	if (arrival->op & PVO_OP_JOB) {
		join_job(arrival, &header);
		return;
	}
	operation = operation_find(arrival->service, arrival->op);
	if (!operation) {
		refuse_arrival(arrival, PVC_UNSUPPORTED, "this guest has no operation %u of service %u",
			       arrival->op, arrival->service);
		return;
	}
	policy_verb(broker.policy, arrival->principal, operation->verb,
		    header.user[0] ? (const char *)header.user : "root", &verdict);
	if (!verdict.allowed) {
		refuse_arrival(arrival, PVC_DENIED, "%s", verdict.text);
		return;
	}
	if (keys_recall(arrival))
		return;
	if (header.job && (!operation->job || find_job(arrival, le64_to_cpu(header.job)))) {
		refuse_arrival(arrival, PVC_INVALID, "%s: %s", operation->verb,
			       operation->job ? "the job runs already" : "it begins no job");
		return;
	}
	slot = limits_admit(arrival->principal, operation->verb, operation->job, text,
			    sizeof(text));
	if (!slot)
		refuse_arrival(arrival, PVC_BUSY, "%s", text);
	else
		start_worker(arrival, &header, operation, verdict.text, slot);
}

/* 0, or why there will be no more. */
static int accept_requests(void)
{
	struct arrival arrival;
	int i, err;

	for (i = 0; i < ACCEPTS; i++) {
		err = broker.channel.accept(&broker.channel, &arrival, args);
		if (err == -EAGAIN || err == -EPROTO)
			return 0;
		if (err == -EMFILE || err == -ENFILE || err == -ENOMEM) {
			/* The request is still there. */
			log_line(LOG_ERR, "a request has to wait: %s", strerror(-err));
			poll(NULL, 0, 100);
			return 0;
		}
		if (err)
			return err;
		dispatch(&arrival);
		close(arrival.stream);
		if (arrival.answer >= 0)
			close(arrival.answer);
	}
	return 0;
}

/* What a worker tells; its body is not believed to be anything. */
static void hear_worker(struct worker *w)
{
	struct worker_message message;
	ssize_t n;

	/* That it ended with a stream unread is told first, once, and what it told follows. */
	while ((n = recv(w->control, &message, sizeof(message), MSG_DONTWAIT)) > 0 ||
	       (n < 0 && errno == ECONNRESET)) {
		if (n != sizeof(message) || message.len > JOB_NOTE_MAX)
			continue;
		if (message.type == WORKER_KEPT && w->operation->job)
			limits_keep(w);
		if (message.type == WORKER_ANSWER && w->key) {
			pvs_key_done(w->key, message.status, message.body, message.len);
			w->key = NULL;
		} else if (message.type == WORKER_NOTE) {
			memcpy(w->note, message.body, message.len);
			w->note_len = message.len;
		}
	}
	/* It has closed its end, or was told to end: poll() would say so until it is gone. */
	if (!n || errno != EAGAIN)
		w->deaf = true;
}

static void worker_ended(struct worker *w, int status)
{
	hear_worker(w);
	if (w->key)
		pvs_key_done(w->key, PVC_ABORTED, "", 0);
	audit(&(struct audit_line){
		.event = AUDIT_END, .principal = w->principal, .verb = w->operation->verb,
		.user = w->user, .job = w->job, .duration_ms = now_ms() - w->began_ms,
		.status = WIFEXITED(status) ? WEXITSTATUS(status) : PVC_ABORTED,
	});
	if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM)
		log_line(LOG_WARNING, "%s by '%s' as %s: its worker was killed by signal %d",
			 w->operation->verb, w->principal, w->user, WTERMSIG(status));
	close(w->control);
	if (w->watch >= 0)
		close(w->watch);
	w->pid = 0;
}

/* Children that have ended, and what they left behind. */
static void reap(void)
{
	unsigned int i;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == broker.channel.pid) {
			log_line(LOG_ERR, "the process that speaks with the host has ended (status %#x)",
				 status);
			broker.channel.pid = 0;
		}
		if (pid == broker.kv_pid)
			broker.kv_pid = 0;
		for (i = 0; i < WORKERS_MAX; i++)
			if (broker.workers[i].pid == pid)
				worker_ended(&broker.workers[i], status);
	}
}

/* The directory that has the name now; its descriptor in @watch is -1 where there is none. */
static void watch_dir(void)
{
	watched = inotify_add_watch(watch, broker.policy_dir,
				    IN_CLOSE_WRITE | IN_MOVE | IN_CREATE | IN_DELETE | IN_ATTRIB |
				    IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR);
}

static void watch_policy(void)
{
	watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch < 0)
		log_line(LOG_WARNING, "policy: %s: %s; SIGHUP has it read again", broker.policy_dir,
			 strerror(errno));
	else
		watch_dir();
}

/* What has come of the directory. True: it is another's by now, or gone. */
static bool read_changes(bool *changed)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	bool moved = false;
	ssize_t n;
	char *at;

	while ((n = read(watch, buf, sizeof(buf))) > 0) {
		*changed = true;
		for (at = buf; at < buf + n; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			moved = moved || event->mask & (IN_MOVE_SELF | IN_DELETE_SELF | IN_UNMOUNT);
		}
	}
	return moved;
}

/* Before a request is looked at: what was changed before it came counts for it. */
static void refresh_policy(void)
{
	bool changed = false, moved;

	if (watch < 0)
		return;
	moved = read_changes(&changed);
	if (moved || watched < 0) {
		/* It is gone by itself if the directory is. */
		if (watched >= 0)
			inotify_rm_watch(watch, watched);
		watch_dir();
		changed = changed || watched >= 0;
	}
	if (changed)
		broker_policy();
}

/* True: the daemon is to end. */
static bool take_signals(void)
{
	struct signalfd_siginfo info;
	bool stop = false;

	while (read(signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			broker_policy();
		else if (info.ssi_signo != SIGCHLD)
			stop = true;
	}
	reap();
	return stop;
}

static bool begin(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return signals >= 0;
}

static void start_kv(void)
{
	pid_t pid = kv_start(broker.kv, broker.state_dir);

	if (pid > 0)
		broker.kv_pid = pid;
	else
		log_line(LOG_ERR, "kv: no process for the values: %s", strerror(-pid));
}

/* The host has closed the stream, or it was answered: the worker is to end. */
static void stream_is_closed(struct worker *w)
{
	close(w->watch);
	w->watch = -1;
	w->closed_ms = now_ms();
}

static bool is_overdue(const struct worker *w)
{
	return w->pid && w->watch < 0 && !w->operation->job;
}

/* Kills workers that went on for too long; ms until there may be another, or @timeout. */
static int kill_overdue(int timeout)
{
	__u64 now = now_ms();
	unsigned int i;

	for (i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &broker.workers[i];
		int left;

		if (!is_overdue(w))
			continue;
		left = w->closed_ms + GRACE_MS > now ? w->closed_ms + GRACE_MS - now : 0;
		if (!left) {
			log_line(LOG_NOTICE, "%s by '%s': its worker is killed, since it goes on after its end",
				 w->operation->verb, w->principal);
			kill(w->pid, SIGKILL);
			w->closed_ms = now;
			left = GRACE_MS;
		}
		if (timeout < 0 || left < timeout)
			timeout = left;
	}
	return timeout;
}

#define POLLED	(FIRST_WORKER + 2 * WORKERS_MAX)

/* Each worker has two descriptors in @pfds, from @n on; how many there are then. */
static unsigned int poll_workers(struct pollfd *pfds, struct worker **of, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &broker.workers[i];

		if (!w->pid)
			continue;
		of[n] = w;
		pfds[n].fd = w->deaf ? -1 : w->control;
		pfds[n++].events = POLLIN;
		of[n] = w;
		pfds[n].fd = w->watch;
		pfds[n++].events = 0;
	}
	return n;
}

/* Waits for something to do and does it; 0, or the daemon is to end. */
static int turn(int timeout)
{
	struct pollfd pfds[POLLED] = {
		{ .fd = signals, .events = POLLIN },
		{ .fd = broker.channel.fd, .events = POLLIN },
		{ .fd = broker.kv_pid ? -1 : broker.kv, .events = POLLIN },
	};
	struct worker *of[POLLED];
	unsigned int i, n = poll_workers(pfds, of, FIRST_WORKER);

	if (poll(pfds, n, kill_overdue(timeout)) <= 0)
		return 0;
	for (i = FIRST_WORKER; i < n; i++) {
		if (pfds[i].revents & POLLIN)
			hear_worker(of[i]);
		else if (!pfds[i].events && pfds[i].revents)
			stream_is_closed(of[i]);
	}
	if (pfds[0].revents && take_signals())
		return -ESHUTDOWN;
	if (pfds[2].revents)
		start_kv();
	if (!pfds[1].revents)
		return 0;
	refresh_policy();
	return accept_requests();
}

/* No more requests; workers end, except those of jobs, which hear that the broker is gone. */
static void stop_workers(void)
{
	struct timespec now, until;
	unsigned int i, left;

	close(broker.channel.fd);
	broker.channel.fd = -1;
	if (broker.channel.pid)
		kill(broker.channel.pid, SIGTERM);
	if (broker.kv_pid)
		kill(broker.kv_pid, SIGTERM);
	for (i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &broker.workers[i];

		if (w->pid && w->operation->job)
			shutdown(w->control, SHUT_RDWR);
		else if (w->pid)
			kill(w->pid, SIGTERM);
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_MS / 1000;
	do {
		reap();
		left = (broker.channel.pid != 0) + (broker.kv_pid != 0);
		for (i = 0; i < WORKERS_MAX; i++)
			left += broker.workers[i].pid && !broker.workers[i].operation->job;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (left)
			poll(&(struct pollfd){ .fd = signals, .events = POLLIN }, 1, 100);
		while (left && read(signals, &(struct signalfd_siginfo){ 0 },
				    sizeof(struct signalfd_siginfo)) > 0)
			;
	} while (left && now.tv_sec < until.tv_sec);
	for (i = 0; i < WORKERS_MAX; i++)
		if (broker.workers[i].pid && !broker.workers[i].operation->job)
			kill(broker.workers[i].pid, SIGKILL);
}

/* What comes back at once, again and again, is not started for ever. */
static int wait_before_restart(void)
{
	static unsigned int quick;
	static __u64 last;
	__u64 now = now_ms(), until;
	int err;

	quick = last && now - last < RESTART_MS ? quick + 1 : 0;
	if (quick == RESTARTS)
		return -EIO;
	for (until = quick ? now + RESTART_MS : now; now < until; now = now_ms()) {
		err = turn(until - now);
		if (err)
			return err;
	}
	last = now_ms();
	return 0;
}

/* The process that speaks with the host has ended: another one. */
static int restart_channel(void)
{
	int err;

	if (!broker.use_port)
		return -ENODEV;
	close(broker.channel.fd);
	broker.channel.fd = -1;
	err = wait_before_restart();
	if (err)
		return err;
	/* The port may be another by now, or none. */
	if (broker.port.path && broker.port.fd >= 0) {
		close(broker.port.fd);
		err = port_open(&broker.port);
	}
	return err ? err : port_start(&broker.channel, &broker.port);
}

int broker_run(void)
{
	int err;

	if (!begin())
		return 1;
	watch_policy();
	broker_policy();
	if (broker.use_port) {
		err = port_start(&broker.channel, &broker.port);
		if (err) {
			log_line(LOG_ERR, "cannot speak with the host: %s", strerror(-err));
			return 1;
		}
	}
	log_line(LOG_INFO, "pvguestd %d: ready", getpid());
	do {
		/* -1, unless the audit log has left out something that it has yet to tell. */
		err = turn(audit_flush());
		if (err && err != -ESHUTDOWN)
			err = restart_channel();
	} while (!err);
	if (err != -ESHUTDOWN)
		log_line(LOG_ERR, "the channel is gone: %s", strerror(-err));
	stop_workers();
	return err != -ESHUTDOWN;
}

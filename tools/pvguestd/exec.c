// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVO_EXEC_RUN: a program in the guest, its data streamed. The worker is its supervisor; what
 * is allowed to become the program is forked before anything of the host's record is known.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "exec.h"
#include "exec_list.h"
#include "policy.h"

/* What prepare() leaves: the supervisor's ends, and the launcher's until it has them. */
struct prepared {
	struct board *board;
	pid_t pid;
	int pidfd;
	int control[2];
	int in[2], out[2], err[2];
};

static struct prepared prepared;

__u64 exec_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

/* Without it nothing works, so what has been opened is left to exit(). */
static __u32 no_resource(struct request *req, const char *what)
{
	refuse(req, PVC_BUSY, "exec: the guest gives no %s: %s", what, strerror(errno));
	return PVC_BUSY;
}

static void close_all(const int *fds, int n)
{
	while (n--)
		if (fds[n] >= 0)
			close(fds[n]);
}

static __u32 exec_prepare(struct request *req)
{
	struct prepared *p = &prepared;
	struct launch launch = { .req = req, .supervisor = getpid() };

	p->board = mmap(NULL, sizeof(*p->board), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->board == MAP_FAILED)
		return no_resource(req, "memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p->control) < 0 ||
	    pipe2(p->in, O_CLOEXEC) < 0 || pipe2(p->out, O_CLOEXEC) < 0 ||
	    pipe2(p->err, O_CLOEXEC) < 0)
		return no_resource(req, "descriptors");
	/* Without the libraries' handlers: none has a thread, nor a lock that one could hold. */
	p->pid = _Fork();
	if (!p->pid) {
		/* The host has to hear it when the supervisor ends, and so has the launcher. */
		close_all((int []){ p->control[0], p->in[1], p->out[0], p->err[0], req->stream,
			  req->answer, req->broker }, 7);
		launch.control = p->control[1];
		launch.board = p->board;
		launch.in = p->in[0];
		launch.out = p->out[1];
		launch.err = p->err[1];
		launcher_run(&launch);
	}
	if (p->pid < 0)
		return no_resource(req, "process");
	p->pidfd = syscall(SYS_pidfd_open, p->pid, 0);
	if (p->pidfd < 0)
		return no_resource(req, "pidfd");
	close(p->control[1]);
	close(p->in[0]);
	close(p->out[1]);
	close(p->err[1]);
	req->priv = p;
	return PVC_OK;
}

static int write_control(int fd, const void *buf, size_t len)
{
	const char *at = buf;

	while (len) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			at += n;
			len -= n;
		}
	}
	return 0;
}

/* What goes wrong here the launcher has told, or it is gone, which the pump finds out. */
static void send_plan(struct job *job, bool stdin_data)
{
	const char *cwd = job->exec.msg.cwd;
	struct plan_head head;

	plan_fill(&head, &job->exec, stdin_data);
	if (!write_control(job->control, &head, sizeof(head)) &&
	    !write_control(job->control, cwd, strlen(cwd) + 1))
		write_control(job->control, job->exec.strings, job->exec.len);
}

/* The launcher passes on a terminal or a cgroup, or its end is of interest. */
static bool needs_control(const struct request *req, const pvo_exec_run *msg)
{
	if (policy_limit(req->policy, req->principal, "processes") != POLICY_UNLIMITED)
		return true;
	return msg->tty || msg->detach || msg->timeout_ms || msg->kill_group ||
	       msg->memory_max || msg->pids_max || msg->cpu_milli;
}

static void take_ends(struct job *job, const struct prepared *p, bool stdin_data)
{
	const pvo_exec_run *msg = &job->exec.msg;

	job->in = p->in[1];
	job->out[OUT].fd = p->out[0];
	job->out[ERR].fd = p->err[0];
	if (msg->tty || !stdin_data) {
		close(job->in);
		job->in = -1;
	}
	if (!msg->separate) {
		close(job->out[ERR].fd);
		job->out[ERR].fd = -1;
	}
	if (msg->tty) {
		/* The terminal comes over the control socket. */
		close(job->out[OUT].fd);
		job->out[OUT].fd = -1;
	}
	if (job->in >= 0)
		set_nonblock(job->in);
	if (!needs_control(job->req, msg)) {
		close(job->control);
		job->control = -1;
	}
}

static bool begin(struct job *job, const struct prepared *p)
{
	struct request *req = job->req;
	const pvo_exec_run *msg = &job->exec.msg;
	bool stdin_data = !(req->flags & PVC_OPEN_NODATA);
	char text[REQUEST_TEXT_MAX];
	__u32 status = exec_decode(&job->exec, req->record, req->record_len, text);

	if (status == PVC_OK && !req->job && (msg->detach || msg->separate)) {
		snprintf(text, sizeof(text),
			 "exec: a job that is detached or has a stream for stderr has a number");
		status = PVC_INVALID;
	}
	if (status != PVC_OK || !ring_init(&job->out[OUT].ring) ||
	    (msg->separate && !ring_init(&job->out[ERR].ring))) {
		refuse(req, status == PVC_OK ? PVC_FAILED : status, "%s",
		       status == PVC_OK ? "exec: no memory" : text);
		return false;
	}
	job->board = p->board;
	job->pid = p->pid;
	job->pidfd = p->pidfd;
	job->control = p->control[0];
	job->wait_err = msg->separate;
	job->in_eof = !stdin_data;
	send_plan(job, stdin_data);
	take_ends(job, p, stdin_data);
	if (msg->timeout_ms)
		job->deadline = job->started / 1000 + msg->timeout_ms;
	return true;
}

static void exec_run(struct request *req)
{
	static struct job job = {
		.kill_fd = -1,
		.out[ERR].stream = { .fd = -1, .answer = -1 },
	};

	job.req = req;
	job.started = exec_now_us();
	job.out[OUT].stream = stream_of(req);
	set_nonblock(req->stream);
	if (begin(&job, req->priv))
		job_pump(&job);
}

const struct operation exec_operations[] = {
	{
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_RUN, .verb = "exec",
		.keep = KEEP_SIGNAL, .caps = 1ull << CAP_KILL, .job = true,
		.prepare = exec_prepare, .run = exec_run,
	}, {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_JOBS, .verb = "jobs",
		.run = jobs_run,
	}, {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_PS, .verb = "ps",
		.keep = KEEP_PROC, .prepare = ps_prepare, .run = ps_run,
	}, {
		.service = PVO_SERVICE_EXEC, .op = PVO_EXEC_KILL, .verb = "kill",
		.keep = KEEP_PROC | KEEP_SIGNAL, .caps = 1ull << CAP_KILL, .run = kill_run,
	}, { }
};

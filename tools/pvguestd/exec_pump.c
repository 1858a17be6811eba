// SPDX-License-Identifier: GPL-2.0-only
/*
 * The supervisor of a program: moves its data, hears of its end, and keeps its last output for
 * a host that was cut off. One poll() over all it has; no descriptor is waited for alone.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

enum { P_BROKER, P_STREAM, P_STREAM_ERR, P_OUT, P_ERR, P_IN, P_PROGRAM, P_CONTROL, P_NR };

static __u64 now_ms(void)
{
	return exec_now_us() / 1000;
}

static __u64 unsent(const struct output *out)
{
	return out->ring.head - out->ring.sent;
}

/* Where stdin goes; -1: nowhere. */
static int in_fd(const struct job *job)
{
	return job->exec.msg.tty ? job->out[OUT].fd : job->in;
}

/* Nobody waits for this output: the ring keeps the last of it. */
static bool is_loose(const struct job *job, int which)
{
	if (!job_attached(job))
		return job->detached;
	return which == ERR && job->out[ERR].stream.fd < 0 && !job->wait_err;
}

static bool wants(const struct job *job, int which)
{
	const struct output *out = &job->out[which];

	return out->fd >= 0 && (is_loose(job, which) || unsent(out) < RING_UNSENT);
}

static void end_output(struct output *out)
{
	close(out->fd);
	out->fd = -1;
}

static void read_output(struct job *job, int which)
{
	struct output *out = &job->out[which];
	size_t max = RING_UNSENT;
	ssize_t n;

	if (!wants(job, which))
		return;
	if (job->exited)
		max = min_t(size_t, max, out->left);
	n = max ? ring_read(&out->ring, out->fd, max) : 0;
	if (n < 0 && errno == EAGAIN && !job->exited)
		return;
	if (n > 0 && job->exited)
		out->left -= n;
	/* A terminal says EIO when its last user has gone. */
	if (n <= 0 || (job->exited && !out->left))
		end_output(out);
}

static void write_output(struct job *job, int which)
{
	struct output *out = &job->out[which];

	if (out->stream.fd >= 0 && unsent(out))
		ring_write(&out->ring, out->stream.fd);
}

static bool wants_input(const struct job *job)
{
	return !job->in_eof && job->in_at == job->in_len && in_fd(job) >= 0 && !job->exited;
}

static void read_input(struct job *job)
{
	ssize_t n = read(job->out[OUT].stream.fd, job->in_buf, sizeof(job->in_buf));

	if (n > 0) {
		job->in_at = 0;
		job->in_len = n;
		job->in_bytes += n;
	} else if (!n && stream_closed(&job->out[OUT].stream) == PVC_OK) {
		/* Otherwise it is not the data that has ended, but the stream. */
		job->in_eof = true;
		/* A terminal's program is told by the character for the end. */
		if (job->exec.msg.tty && !job->in_ended) {
			job->in_ended = true;
			job->in_buf[0] = 4;
			job->in_at = 0;
			job->in_len = 1;
		}
	}
}

static void write_input(struct job *job)
{
	int fd = in_fd(job);
	ssize_t n;

	if (fd < 0)
		return;
	if (job->in_at < job->in_len) {
		n = write(fd, job->in_buf + job->in_at, job->in_len - job->in_at);
		if (n > 0)
			job->in_at += n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			job->in_at = job->in_len;
	}
	if (job->in_eof && job->in_at == job->in_len && job->in >= 0) {
		close(job->in);
		job->in = -1;
	}
}

/* The program has closed its stdin: the host's data stays where it is. */
static void close_input(struct job *job)
{
	close(job->in);
	job->in = -1;
	job->in_at = job->in_len;
}

/* What the launcher passes on, and then its silence: the program runs. */
static void hear_launcher(struct job *job)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control;
	char which = 0;
	struct iovec iov = { .iov_base = &which, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(job->control, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *cmsg;
	int fds[2] = { -1, -1 }, i = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		close(job->control);
		job->control = -1;
		if (job->exec.msg.detach && atomic_load(&job->board->state) == BOARD_EXECUTING) {
			pvo_exec_result running = { .running = true, .pid = job->pid };

			job->detached = true;
			job_answer(job, &running);
			job_tell(job);
		}
		return;
	}
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fds, CMSG_DATA(cmsg),
		       min_t(size_t, sizeof(fds), cmsg->cmsg_len - CMSG_LEN(0)));
	if (which & LAUNCH_FD_TTY) {
		job->out[OUT].fd = fds[i++];
		ioctl(job->out[OUT].fd, FIONBIO, &(int){ 1 });
	}
	if (which & LAUNCH_FD_CGROUP)
		job->kill_fd = fds[i];
}

static void fill_result(struct job *job, const siginfo_t *info, const struct rusage *usage)
{
	pvo_exec_result *result = &job->result;

	if (info->si_code == CLD_EXITED)
		result->code = info->si_status;
	else
		result->signal = info->si_status;
	result->core = info->si_code == CLD_DUMPED;
	result->timed_out = job->timed_out;
	result->elapsed_us = exec_now_us() - job->started;
	result->user_us = usage->ru_utime.tv_sec * 1000000ull + usage->ru_utime.tv_usec;
	result->system_us = usage->ru_stime.tv_sec * 1000000ull + usage->ru_stime.tv_usec;
	result->max_rss = usage->ru_maxrss * 1024ull;
	result->pid = job->pid;
}

/* What is there by now is delivered; a child that keeps the pipe does not matter. */
static void count_rest(struct job *job)
{
	int i, n;

	for (i = 0; i < OUTS; i++) {
		struct output *out = &job->out[i];

		if (out->fd < 0)
			continue;
		n = 0;
		if (job->exec.msg.tty)
			n = RING_SIZE;	/* until it has no more */
		else if (ioctl(out->fd, FIONREAD, &n) < 0 || n < 0)
			n = 0;
		out->left = n;
		if (!n)
			end_output(out);
	}
}

/* What a detached job leaves is there for a while. */
static void keep_result(struct job *job)
{
	job->patience = now_ms() + KEEP_MS;
	if (!job->kept)
		job_kept(job->req);
	job->kept = true;
}

static void hear_exit(struct job *job)
{
	struct rusage usage = {};
	siginfo_t info = {};

	/* Its number is that of its group until it is reaped, and no longer. */
	if (syscall(SYS_waitid, P_PIDFD, job->pidfd, &info, WEXITED | WNOWAIT, NULL) < 0)
		return;
	if (job->timed_out || job->abandoned || job->exec.msg.kill_group)
		job_kill(job);
	syscall(SYS_waitid, P_PIDFD, job->pidfd, &info, WEXITED, &usage);
	close(job->pidfd);
	job->pidfd = -1;
	if (job->control >= 0)
		hear_launcher(job);
	job->exited = true;
	job->kill_at = 0;
	job->deadline = 0;
	job->err_by = now_ms() + ERR_MS;
	fill_result(job, &info, &usage);
	count_rest(job);
	if (!job_attached(job) && job->detached)
		keep_result(job);
	else if (!job_attached(job))
		job->patience = now_ms() + REATTACH_MS;
	if (job->noted)
		job_tell(job);
}

/* The launcher has not become the program: says so. True: nothing is left to do. */
static bool never_ran(struct job *job)
{
	struct board *board = job->board;
	unsigned int state = atomic_load(&board->state);
	struct stream *err = &job->out[ERR].stream;
	__u32 status = board->status;

	if (!job->exited || state == BOARD_EXECUTING)
		return false;
	if (err->fd >= 0)
		stream_reply_more(err, PVC_OK, "", 0);
	board->text[sizeof(board->text) - 1] = '\0';
	if (state == BOARD_FAILED && status != PVC_OK && status != PVC_LOST &&
	    status < PVC_STATUS_NR)
		refuse(job->req, status, "%s", board->text);
	else
		refuse(job->req, PVC_ABORTED,
		       "exec: the process was ended by signal %u before it was the program",
		       job->result.signal);
	stream_close(err);
	return true;
}

/* The program is told to end, and will be made to. */
static void end_program(struct job *job, int signal)
{
	job_signal(job, signal);
	job->kill_at = now_ms() + GRACE_MS;
}

void job_abandon(struct job *job)
{
	job->abandoned = true;
	job->patience = 0;
	if (!job->exited)
		end_program(job, SIGHUP);
}

/*
 * The host has closed the stream; one whose session was lost may come back. ABORTED is what pvhost
 * serve says when that was the session of its client.
 */
static void hear_closed(struct job *job)
{
	__u32 why = stream_closed(&job->out[OUT].stream);

	job_leave(job);
	if (job->detached) {
		if (job->exited)
			keep_result(job);
	} else if (why == PVC_LOST || why == PVC_ABORTED || why == PVC_OK) {
		job->patience = now_ms() + REATTACH_MS;
		job_tell(job);
	} else {
		job_abandon(job);
	}
}

static void look_at_time(struct job *job)
{
	__u64 now = now_ms();

	if (job->deadline && now >= job->deadline) {
		job->deadline = 0;
		job->timed_out = true;
		end_program(job, SIGTERM);
	}
	if (job->kill_at && now >= job->kill_at) {
		job->kill_at = 0;
		job_kill(job);
	}
	/* The host has not opened it, though it may have data to take still. */
	if (job->exited && now >= job->err_by)
		job->wait_err = false;
	if (!job->exited && job->patience && now >= job->patience)
		job_abandon(job);
	if (!job->noted && now >= job->started / 1000 + NOTE_MS)
		job_tell(job);
}

static int next_time(const struct job *job)
{
	__u64 times[] = {
		job->deadline, job->kill_at, job->patience,
		job->noted ? 0 : job->started / 1000 + NOTE_MS,
		job->exited && job->wait_err ? job->err_by : 0,
	};
	__u64 now = now_ms(), next = 0;
	size_t i;

	for (i = 0; i < sizeof(times) / sizeof(*times); i++)
		if (times[i] && (!next || times[i] < next))
			next = times[i];
	if (!next)
		return -1;
	return next <= now ? 0 : (int)min_t(__u64, next - now, 3600000);
}

/* Everything is said, or nobody is there to hear it: true: the supervisor ends. */
static bool settle(struct job *job)
{
	__u64 now = now_ms();

	if (!job->exited)
		return false;
	/* What is in the pipes then waits for the host, too. */
	if (!job_attached(job))
		return job->abandoned || now >= job->patience;
	if (job->out[OUT].fd >= 0 || job->out[ERR].fd >= 0 || unsent(&job->out[OUT]))
		return false;
	if (job->wait_err && now < job->err_by)
		return false;
	if (job->out[ERR].stream.fd >= 0 && unsent(&job->out[ERR]))
		return false;
	job->result.stdout_bytes = job->out[OUT].ring.head;
	job->result.stderr_bytes = job->out[ERR].ring.head;
	job_answer(job, &job->result);
	if (job->detached)
		keep_result(job);
	return !job->detached;
}

static void want(struct pollfd *pfd, int fd, short events)
{
	pfd->fd = fd;
	pfd->events = events;
	pfd->revents = 0;
}

static void prepare_poll(struct job *job, struct pollfd *pfds)
{
	struct output *out = job->out;
	bool input = job->in_at < job->in_len;
	bool tty = job->exec.msg.tty;

	want(&pfds[P_BROKER], job->req->broker, POLLIN);
	want(&pfds[P_STREAM], out[OUT].stream.fd,
	     (wants_input(job) ? POLLIN : 0) | (unsent(&out[OUT]) ? POLLOUT : 0));
	want(&pfds[P_STREAM_ERR], out[ERR].stream.fd, unsent(&out[ERR]) ? POLLOUT : 0);
	want(&pfds[P_OUT], wants(job, OUT) || (tty && input) ? out[OUT].fd : -1,
	     (wants(job, OUT) ? POLLIN : 0) | (tty && input ? POLLOUT : 0));
	want(&pfds[P_ERR], wants(job, ERR) ? out[ERR].fd : -1, POLLIN);
	want(&pfds[P_IN], job->in, input ? POLLOUT : 0);
	want(&pfds[P_PROGRAM], job->pidfd, POLLIN);
	want(&pfds[P_CONTROL], job->control, POLLIN);
}

/* Before the program's end is heard, what it wrote is read. */
static void move_data(struct job *job, const struct pollfd *pfds)
{
	if (pfds[P_OUT].revents & (POLLIN | POLLHUP | POLLERR))
		read_output(job, OUT);
	if (pfds[P_ERR].revents)
		read_output(job, ERR);
	if (pfds[P_PROGRAM].revents)
		hear_exit(job);
	while (job->exited && (wants(job, OUT) || wants(job, ERR))) {
		read_output(job, OUT);
		read_output(job, ERR);
	}
	write_output(job, ERR);
	write_output(job, OUT);
	if (pfds[P_STREAM].revents & POLLIN && wants_input(job) && job_attached(job))
		read_input(job);
	if (pfds[P_IN].revents & POLLERR && job->in >= 0)
		close_input(job);
	write_input(job);
}

static void turn(struct job *job, const struct pollfd *pfds)
{
	if (pfds[P_CONTROL].revents)
		hear_launcher(job);
	if (pfds[P_BROKER].revents)
		job_join(job);
	move_data(job, pfds);
	/* A stream that has just joined has another descriptor. */
	if (pfds[P_STREAM].revents & (POLLHUP | POLLERR) &&
	    pfds[P_STREAM].fd == job->out[OUT].stream.fd)
		hear_closed(job);
	else if (pfds[P_STREAM_ERR].revents & (POLLHUP | POLLERR) &&
		 pfds[P_STREAM_ERR].fd == job->out[ERR].stream.fd)
		stream_close(&job->out[ERR].stream);
	look_at_time(job);
}

void job_pump(struct job *job)
{
	struct pollfd pfds[P_NR];

	while (!settle(job)) {
		prepare_poll(job, pfds);
		if (poll(pfds, P_NR, next_time(job)) < 0 && errno != EINTR)
			break;
		turn(job, pfds);
		if (never_ran(job))
			break;
	}
}

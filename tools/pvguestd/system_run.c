// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs of the system that the doer runs: hooks, and what shuts down.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "system.h"

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* @in, @out: what it reads and prints. Nothing else of the doer is left to it. */
static void child(const struct run *run, int in, int out)
{
	static char *env[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || chdir("/"))
		_exit(127);
	close_range(3, ~0u, 0);
	execve(run->path, run->argv, env);
	_exit(127);
}

/* Keeps the end of what was printed. */
static bool read_some(struct run *run, int fd)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));
	size_t len = n > 0 ? n : 0, over;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (len > sizeof(run->tail)) {
		memcpy(run->tail, buf + len - sizeof(run->tail), sizeof(run->tail));
		run->tail_len = sizeof(run->tail);
		return true;
	}
	if (run->tail_len + len > sizeof(run->tail)) {
		over = run->tail_len + len - sizeof(run->tail);
		run->tail_len -= over;
		memmove(run->tail, run->tail + over, run->tail_len);
	}
	memcpy(run->tail + run->tail_len, buf, len);
	run->tail_len += len;
	return true;
}

/* Its exit ends it, though a child of it may have the pipe. */
static void watch(struct run *run, pid_t pid, int out)
{
	struct pollfd fds[] = {
		{ syscall(SYS_pidfd_open, pid, 0), POLLIN, 0 }, { out, POLLIN, 0 },
	};
	__u64 from = now_ms(), now, end = from + run->timeout_ms;
	int i;

	while ((now = now_ms()) < end && !fds[0].revents) {
		if (poll(fds, 2, end - now) <= 0)
			continue;
		if (fds[1].revents && !read_some(run, out))
			fds[1].fd = -1;
	}
	run->timed_out = !(fds[0].revents & POLLIN);
	if (run->timed_out)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &run->status, 0) < 0 && errno == EINTR)
		;
	run->ms = now_ms() - from;
	fcntl(out, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 16 && read_some(run, out); i++)
		;
	close(fds[0].fd);
}

/* What it reads, in a file without a name, so that nobody has to wait until it does. */
static int make_input(const char *text)
{
	int fd;

	if (!text)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	fd = syscall(SYS_memfd_create, "input", 1u /* MFD_CLOEXEC */);
	if (fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) &&
	    !lseek(fd, 0, SEEK_SET))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int run_program(struct run *run)
{
	int out[2], in, error = 0;
	pid_t pid;

	run->tail_len = 0;
	run->timed_out = false;
	if (access(run->path, X_OK) || pipe2(out, O_CLOEXEC))
		return -errno;
	in = make_input(run->input);
	pid = in < 0 ? -1 : fork();
	if (!pid)
		child(run, in, out[1]);
	error = errno;
	close(out[1]);
	if (in >= 0)
		close(in);
	if (pid > 0)
		watch(run, pid, out[0]);
	close(out[0]);
	return pid < 0 ? -error : 0;
}

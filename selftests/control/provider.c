// SPDX-License-Identifier: GPL-2.0-only
/*
 * See provider.h.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "provider.h"

struct shared *shared;

static int control;
static int courier[2];		/* to the process that OP_PASS hands descriptors to */
static int kept[MANY], nr_kept;

int accept_into(int fd, struct pvg_control_accept *req, void *args, __u32 room,
		__u32 flags)
{
	*req = (struct pvg_control_accept){
		.args = (__u64)(unsigned long)args, .args_len = room,
		.fd_flags = flags,
	};
	return ioctl(fd, PVG_CONTROL_ACCEPT, req);
}

int reply(int fd, __u32 status, const void *body, __u32 len)
{
	struct pvg_stream_reply req = {
		.status = status, .len = len, .body = (__u64)(unsigned long)body,
	};

	return ioctl(fd, PVG_STREAM_REPLY, &req);
}

int reply_more(int fd, __u32 status, const void *body, __u32 len)
{
	struct pvg_stream_reply req = {
		.status = status, .len = len, .body = (__u64)(unsigned long)body,
	};

	return ioctl(fd, PVG_STREAM_REPLY_MORE, &req);
}

struct pvg_stream_status status_of(int fd)
{
	struct pvg_stream_status st = { .state = ~0u };

	ioctl(fd, PVG_STREAM_STATUS, &st);
	return st;
}

static void echo(int fd)
{
	__u8 buf[30000];
	__u32 total = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (write(fd, buf, n) != n)
			_exit(7);
		total += n;
	}
	if (n < 0 || reply(fd, PVC_OK, &total, sizeof(total)))
		_exit(8);
}

static void send_pattern(int fd, __u32 total)
{
	static __u8 buf[256 * KIB];
	__u32 n, done;

	for (done = 0; done < total; done += n) {
		n = min_t(__u32, total - done, sizeof(buf));
		fill_pattern(buf, n, done);
		if (write(fd, buf, n) != (ssize_t)n)
			_exit(7);
	}
	reply(fd, PVC_OK, &total, sizeof(total));
}

static void send_descriptor(int sock, int fd)
{
	char control_buf[CMSG_SPACE(sizeof(int))] = {}, byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control_buf, .msg_controllen = sizeof(control_buf),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	if (sendmsg(sock, &msg, 0) != 1)
		_exit(9);
}

static int receive_descriptor(int sock)
{
	char control_buf[CMSG_SPACE(sizeof(int))], byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control_buf, .msg_controllen = sizeof(control_buf),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

/* Nobody, with nothing but streams that are sent to it. */
static void start_courier(void)
{
	int fd;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, courier))
		_exit(10);
	if (fork())
		return;
	close(control);
	close(courier[1]);
	if (setgid(65534) || setuid(65534))
		_exit(11);
	while ((fd = receive_descriptor(courier[0])) >= 0) {
		echo(fd);
		close(fd);
	}
	_exit(0);
}

static void start_worker(int fd)
{
	if (fork())
		return;
	close(control);
	if (setgid(65534) || setuid(65534))
		_exit(11);
	echo(fd);
	_exit(0);
}

/* Reads to the end; what it read is added to the pair's. */
static void read_share(int fd)
{
	__u32 bytes = 0, sum = 0;
	__u8 buf[5000];
	ssize_t n, i;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++)
			sum += buf[i];
		bytes += n;
		/* Both shall have some, on one CPU too. */
		sched_yield();
	}
	if (n < 0)
		_exit(8);
	__atomic_add_fetch(&shared->pair.bytes, bytes, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->pair.sum, sum, __ATOMIC_SEQ_CST);
	__atomic_add_fetch(&shared->pair.readers, bytes != 0, __ATOMIC_SEQ_CST);
}

static void start_pair(int fd)
{
	int status = -1;
	pid_t other;

	if (fork())
		return;
	close(control);
	/* The daemon does not care for its children, this one does. */
	signal(SIGCHLD, SIG_DFL);
	shared->pair = (struct pair){};
	other = fork();
	read_share(fd);
	if (!other)
		_exit(0);
	if (waitpid(other, &status, 0) == other && !status)
		reply(fd, PVC_OK, &shared->pair, sizeof(shared->pair));
	_exit(0);
}

static __u32 count_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	__u32 n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void answer_kept(void)
{
	while (nr_kept) {
		reply(kept[--nr_kept], PVC_OK, "", 0);
		close(kept[nr_kept]);
	}
}

/* Returns whether the descriptor is kept. */
static bool serve_one(int fd, const struct pvg_control_accept *req,
		      const __u8 *args)
{
	__u8 body[PVG_STREAM_BODY_MAX];
	__u32 i, len = req->args_len, total;

	switch (req->op) {
	case OP_REVERSE:
		for (i = 0; i < len; i++)
			body[i] = args[len - 1 - i];
		reply(fd, PVC_OK, body, len);
		break;
	case OP_DEAF:
		for (i = 0; i < 6000 && !shared->awake; i++)
			usleep(10000);
		echo(fd);
		break;
	case OP_ECHO:
		echo(fd);
		break;
	case OP_WORKER:
		start_worker(fd);
		break;
	case OP_PASS:
		send_descriptor(courier[1], fd);
		break;
	case OP_SOURCE:
		memcpy(&total, args, sizeof(total));
		send_pattern(fd, total);
		break;
	case OP_KEEP:
		kept[nr_kept++] = fd;
		return true;
	case OP_LAST:
		total = status_of(kept[--nr_kept]).status;
		close(kept[nr_kept]);
		reply(fd, PVC_OK, &total, sizeof(total));
		break;
	case OP_ANSWER_ALL:
		answer_kept();
		reply(fd, PVC_OK, "", 0);
		break;
	case OP_OPEN_FILES:
		total = count_files();
		reply(fd, PVC_OK, &total, sizeof(total));
		break;
	case OP_PAIR:
		start_pair(fd);
		break;
	case OP_NAME:
		reply(fd, PVC_OK, req->principal, strlen(req->principal));
		break;
	case OP_DIE:
		_exit(0);
	case OP_BYE:
		reply(fd, PVC_OK, "bye", 3);
		_exit(0);
	}
	return false;
}

static void serve(void)
{
	static __u8 args[8192];
	struct pvg_control_accept req;
	int fd;

	signal(SIGCHLD, SIG_IGN);
	for (;;) {
		/* A request that cannot be handed over is not lost. */
		fd = accept_into(control, &req, (void *)8, sizeof(args), 0);
		if (fd >= 0 || (errno != EFAULT && errno != EMSGSIZE))
			if (fd < 0 || req.args_len)
				_exit(6);
		if (fd < 0)
			fd = accept_into(control, &req, args, sizeof(args), O_CLOEXEC);
		if (fd < 0)
			_exit(4);
		shared->opened++;
		if (!serve_one(fd, &req, args))
			close(fd);
	}
}

int bind_service(int fd, __u16 service, __u8 lowest, __u8 highest)
{
	struct pvg_control_bind bind = {
		.service = service,
		.version_min = lowest,
		.version_max = highest,
	};

	return ioctl(fd, PVG_CONTROL_BIND, &bind);
}

/* Returns once it has bound its service, in versions 2 to 3; -1: it could not. */
pid_t start_daemon(void)
{
	const char *procs = getenv("PVG_CGROUP_PROCS");
	int ready[2], fd;
	pid_t pid;
	char c;

	if (pipe(ready))
		exit(2);
	pid = fork();
	if (!pid) {
		if (procs) {
			fd = open(procs, O_WRONLY);
			if (write(fd, "0", 1) != 1)
				_exit(12);
			close(fd);
		}
		close(peer.fd);
		control = open("/dev/pvg_control", O_RDWR | O_CLOEXEC);
		start_courier();
		if (bind_service(control, SERVICE, 2, 3) ||
		    write(ready[1], "", 1) != 1)
			_exit(5);
		serve();
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		pid = -1;
	close(ready[0]);
	return pid;
}

/* What both see of each other; before start_daemon(). */
bool share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return shared != MAP_FAILED;
}

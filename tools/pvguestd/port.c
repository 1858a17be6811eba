// SPDX-License-Identifier: GPL-2.0-only
/*
 * The channel of a guest without the kernel module: a process without rights speaks the
 * protocol, and passes requests on.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "sandbox.h"

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	/* What another daemon has left. */
	if (!lstat(path, &st) && S_ISSOCK(st.st_mode))
		unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 8) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	return fd;
}

int port_open(struct port_config *config)
{
	int fd;

	/* Whoever starts the process has opened it. */
	if (config->front)
		return 0;
	if (config->listen)
		fd = listen_at(config->listen);
	else
		fd = open(config->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return config->listen ? fd : -errno;
	config->fd = fd;
	return 0;
}

/* The descriptors of a message; false: there are not two of them, and none is kept. */
static bool take_fds(struct msghdr *msg, struct arrival *arrival)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fds[2];

	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return false;
	if (cmsg->cmsg_len != CMSG_LEN(sizeof(fds))) {
		memcpy(fds, CMSG_DATA(cmsg), sizeof(*fds));
		close(*fds);
		return false;
	}
	memcpy(fds, CMSG_DATA(cmsg), sizeof(fds));
	arrival->stream = fds[0];
	arrival->answer = fds[1];
	return true;
}

static int port_accept(struct channel *ch, struct arrival *arrival, void *args)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct port_request req;
	struct iovec iov[] = {
		{ .iov_base = &req, .iov_len = sizeof(req) },
		{ .iov_base = args, .iov_len = ARGS_MAX },
	};
	struct msghdr msg = {
		.msg_iov = iov, .msg_iovlen = 2,
		.msg_control = control.buf, .msg_controllen = sizeof(control.buf),
	};
	ssize_t n = recvmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno;
	if (!n)
		return -EPIPE;
	memset(arrival, 0, sizeof(*arrival));
	if (!take_fds(&msg, arrival))
		return -EPROTO;
	if (n < (ssize_t)sizeof(req) || n - sizeof(req) != req.args_len ||
	    req.principal[PVC_PRINCIPAL_MAX]) {
		close(arrival->stream);
		close(arrival->answer);
		return -EPROTO;
	}
	arrival->service = req.service;
	arrival->op = req.op;
	arrival->flags = req.flags;
	arrival->deadline_ms = req.deadline_ms;
	arrival->key = req.key;
	arrival->args_len = req.args_len;
	memcpy(arrival->principal, req.principal, sizeof(arrival->principal));
	return 0;
}

static int connect_front(struct channel *ch, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	ch->fd = fd;
	ch->accept = port_accept;
	ch->pid = 0;
	return 0;
}

int port_start(struct channel *ch, const struct port_config *config)
{
	int pair[2];
	pid_t pid;

	if (config->front)
		return connect_front(ch, config->front);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (!pid)
		front_run(config, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		close(pair[0]);
		return -EAGAIN;
	}
	ch->fd = pair[0];
	ch->accept = port_accept;
	ch->pid = pid;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other end of QEMU's socket netdev, which reads only when told so: until
 * then packets stay in the device.
 */
#define _GNU_SOURCE
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static int open_port(int type, __u16 port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(type == SOCK_STREAM ?
					 INADDR_LOOPBACK : INADDR_ANY),
	};
	int fd = socket(AF_INET, type, 0), one = 1, space = 65536;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Inherited by what it accepts. */
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &space, sizeof(space));
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    (type == SOCK_STREAM && listen(fd, 1))) {
		perror("peer: listen");
		return -1;
	}
	return fd;
}

/* Until the other end goes. A datagram of "1" on @told lets it read. */
static void stall(int fd, int told)
{
	struct pollfd fds[] = {
		{ .fd = told, .events = POLLIN }, { .fd = -1, .events = POLLIN },
	};
	static char buf[65536];
	char order;

	while (poll(fds, 2, -1) > 0) {
		if (fds[0].revents && recv(told, &order, 1, 0) == 1)
			fds[1].fd = order == '1' ? fd : -1;
		if (fds[1].revents && recv(fd, buf, sizeof(buf), 0) <= 0)
			return;
	}
}

int serve_stalled(void)
{
	int tcp = open_port(SOCK_STREAM, PEER_STALLED);
	int told = open_port(SOCK_DGRAM, PEER_STALLED), fd;

	if (tcp < 0 || told < 0)
		return 1;
	while ((fd = accept(tcp, NULL, NULL)) >= 0) {
		stall(fd, told);
		close(fd);
	}
	return 1;
}

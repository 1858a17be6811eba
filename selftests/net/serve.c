// SPDX-License-Identifier: GPL-2.0-only
/* The end that stays where it is: one child for each connection. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

static int listen_on(int type, __u16 port)
{
	struct sockaddr_in6 any = {
		.sin6_family = AF_INET6, .sin6_port = htons(port),
	};
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) ||
	    (type == SOCK_STREAM && listen(fd, 64))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int sink(int fd, const struct peer_request *rq)
{
	__u64 differs;

	if (stream_check(fd, rq->seed, rq->bytes, &differs))
		return -1;
	return send_all(fd, &differs, sizeof(differs));
}

static int echo(int fd, const struct peer_request *rq)
{
	static char buf[PEER_SIZE_MAX];

	if (!rq->size || rq->size > sizeof(buf))
		return -1;
	while (!recv_all(fd, buf, rq->size))
		if (send_all(fd, buf, rq->size))
			return -1;
	return 0;
}

/* Has the other end closed the connection? */
static bool is_over(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/*
 * A full socket buffer or queue of the device is no error here, nor is what the
 * other end said of a message before, which is not sent then.
 */
static int push_one(int udp, const void *buf, size_t len)
{
	ssize_t n;

	do {
		n = send(udp, buf, len, 0);
	} while (n < 0 && errno == ECONNREFUSED);
	return n < 0 && errno != ENOBUFS && errno != EAGAIN ? -1 : 0;
}

#define NUMBERS	65536

/* Is it an answer that has not come before? Of numbers beyond NUMBERS, each is. */
static bool is_new(__u32 number)
{
	static bool seen[NUMBERS];
	bool is = number >= NUMBERS || !seen[number];

	if (number < NUMBERS)
		seen[number] = true;
	return is;
}

/*
 * Until it is silent for @ms. Return: answers of the size that is expected, each
 * message counted once.
 */
static __u32 count_answers(int udp, __u32 size, int ms)
{
	struct pollfd p = { .fd = udp, .events = POLLIN };
	char buf[PEER_SIZE_MAX];
	__u32 n = 0, number;

	while (poll(&p, 1, ms) > 0) {
		if (recv(udp, buf, sizeof(buf), MSG_DONTWAIT) != (ssize_t)size)
			continue;
		memcpy(&number, buf, sizeof(number));
		n += is_new(number);
	}
	return n;
}

static int push_to(int fd, int udp, const struct peer_request *rq)
{
	static char buf[PEER_SIZE_MAX];
	__u32 counts[2] = {}, *sent = &counts[0], i;
	__u64 next = now_ns();

	while (!rq->count || *sent < rq->count) {
		for (i = 0; i < (rq->burst ? rq->burst : 1); i++) {
			memcpy(buf, sent, sizeof(*sent));
			if (push_one(udp, buf, rq->size))
				return -1;
			++*sent;
			if (*sent == rq->count)
				break;
		}
		next += rq->gap_us * 1000ull;
		if (rq->gap_us) {
			wait_until(next);
			counts[1] += count_answers(udp, rq->size, 0);
		}
		if ((rq->gap_us || !(*sent & 255)) && is_over(fd))
			break;
	}
	next = now_ns() + rq->patience * 1000000000ull;
	do {
		counts[1] += count_answers(udp, rq->size, rq->count ? 100 : 0);
	} while (counts[1] < *sent && now_ns() < next);
	return send_all(fd, counts, sizeof(counts));
}

static int push(int fd, const struct peer_request *rq)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = rq->addr,
		.sin_port = htons(rq->port),
	};
	struct sockaddr_in6 who;
	socklen_t len = sizeof(who);
	int udp, err;

	if (rq->size < sizeof(__u32) || rq->size > PEER_SIZE_MAX)
		return -1;
	if (!rq->addr) {
		if (getpeername(fd, (struct sockaddr *)&who, &len))
			return -1;
		memcpy(&to.sin_addr, &who.sin6_addr.s6_addr[12], 4);
	}
	udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (udp < 0)
		return -1;
	err = connect(udp, (struct sockaddr *)&to, sizeof(to)) ?:
	      push_to(fd, udp, rq);
	close(udp);
	return err;
}

static int handle(int fd)
{
	struct peer_request rq;
	int one = 1;

	set_timeouts(fd);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (recv_all(fd, &rq, sizeof(rq)) || rq.magic != PEER_MAGIC)
		return -1;
	switch (rq.op) {
	case PEER_SINK:
		return sink(fd, &rq);
	case PEER_SOURCE:
		return stream_send(fd, rq.seed, rq.bytes);
	case PEER_ECHO:
		return echo(fd, &rq);
	case PEER_PUSH:
		return push(fd, &rq);
	default:
		return -1;
	}
}

static void give_back(int udp)
{
	static char buf[PEER_SIZE_MAX];
	struct sockaddr_in6 from;
	socklen_t len = sizeof(from);
	ssize_t n;

	n = recvfrom(udp, buf, sizeof(buf), MSG_DONTWAIT,
		     (struct sockaddr *)&from, &len);
	if (n >= 0)
		sendto(udp, buf, n, MSG_DONTWAIT, (struct sockaddr *)&from, len);
}

static void take(int udp)
{
	char buf[PEER_SIZE_MAX];
	int i;

	for (i = 0; i < 64; i++)
		if (recv(udp, buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC) < 0)
			break;
}

static void take_connection(int tcp)
{
	int fd = accept4(tcp, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(handle(fd) ? 1 : 0);
	}
	close(fd);
}

/* Never returns but for an error. */
int serve(void)
{
	struct pollfd fds[] = {
		{ .fd = listen_on(SOCK_STREAM, PEER_PORT), .events = POLLIN },
		{ .fd = listen_on(SOCK_DGRAM, PEER_PORT), .events = POLLIN },
		{ .fd = listen_on(SOCK_DGRAM, PEER_DISCARD), .events = POLLIN },
	};

	if (fds[0].fd < 0 || fds[1].fd < 0 || fds[2].fd < 0) {
		perror("peer: listen");
		return 1;
	}
	signal(SIGCHLD, SIG_IGN);
	puts("ready");
	fflush(stdout);
	while (poll(fds, 3, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents)
			take_connection(fds[0].fd);
		if (fds[1].revents)
			give_back(fds[1].fd);
		if (fds[2].revents)
			take(fds[2].fd);
	}
	return 1;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP on 127.0.0.1 for the tests of connections, all of them in one process:
 *
 *	sockets echo PORT		sends back what comes, and its end
 *	sockets break PORT		resets each connection when something has come
 *	sockets talk PORT N BYTES	makes N connections, and when all are there sends bytes
 *					of its own on each, its end, and compares what comes
 *					back; prints how many were "intact", "wrong", "reset"
 *
 * The servers run until they are killed. "talk" gives up when nothing has moved for 60 s.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST		256	/* connections */
#define ROOM		65536
#define PATIENCE_MS	60000

enum result { UNDER_WAY, INTACT, WRONG, RESET };

struct connection {
	int fd;
	/* echo: what is to be sent back, from @at to @len of @buf */
	size_t at, len;
	bool ended;
	char *buf;
	/* talk */
	size_t sent, received;
	enum result result;
};

static struct connection all[MOST];
static struct pollfd polls[MOST + 1];

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static struct sockaddr_in address(const char *port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET, .sin_port = htons(atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

static bool is_later(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* A server */

static int listen_at(const char *port)
{
	struct sockaddr_in at = address(port);
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (void *)&at, sizeof(at)) || listen(fd, MOST))
		die("listen");
	return fd;
}

static void take(int listener)
{
	int i, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (i = 0; i < MOST && all[i].fd >= 0; i++)
		;
	if (i == MOST) {
		close(fd);
		return;
	}
	all[i] = (struct connection){ .fd = fd, .buf = malloc(ROOM) };
	if (!all[i].buf)
		die("malloc");
}

static void drop(struct connection *c, bool reset)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(c->fd);
	free(c->buf);
	c->fd = -1;
}

/* What came goes back before more is read. */
static void echo(struct connection *c)
{
	ssize_t n;

	if (c->at == c->len) {
		n = read(c->fd, c->buf, ROOM);
		if (n < 0 && !is_later())
			drop(c, true);
		if (n < 0)
			return;
		c->at = 0;
		c->len = n;
		c->ended = !n;
	}
	n = c->ended ? 0 : send(c->fd, c->buf + c->at, c->len - c->at, MSG_NOSIGNAL);
	if (n > 0)
		c->at += n;
	if (c->ended || (n < 0 && !is_later()))
		drop(c, !c->ended);
}

static void serve(int listener, bool breaks)
{
	int i;

	for (i = 0; i < MOST; i++)
		all[i].fd = -1;
	for (;;) {
		for (i = 0; i < MOST; i++)
			polls[i] = (struct pollfd){
				.fd = all[i].fd,
				.events = all[i].at < all[i].len ? POLLOUT : POLLIN,
			};
		polls[MOST] = (struct pollfd){ .fd = listener, .events = POLLIN };
		if (poll(polls, MOST + 1, -1) < 0)
			die("poll");
		for (i = 0; i < MOST; i++) {
			if (all[i].fd < 0 || !polls[i].revents)
				continue;
			if (breaks)
				drop(&all[i], true);
			else
				echo(&all[i]);
		}
		if (polls[MOST].revents)
			take(listener);
	}
}

/* talk */

/* Byte @at of connection @i: neighbours in either differ, and no power of two is a period. */
static char byte_of(int i, size_t at)
{
	return (at * 7 + at / 251 * 3 + i * 31) % 253;
}

static void push(struct connection *c, int i, size_t bytes)
{
	static char buf[4096];
	size_t n, len = bytes - c->sent < sizeof(buf) ? bytes - c->sent : sizeof(buf);
	ssize_t sent;

	for (n = 0; n < len; n++)
		buf[n] = byte_of(i, c->sent + n);
	sent = send(c->fd, buf, len, MSG_NOSIGNAL);
	if (sent < 0 && !is_later())
		c->result = RESET;
	if (sent > 0)
		c->sent += sent;
	if (sent > 0 && c->sent == bytes)
		shutdown(c->fd, SHUT_WR);
}

static void pull(struct connection *c, int i, size_t bytes)
{
	static char buf[ROOM];
	ssize_t at, n = read(c->fd, buf, sizeof(buf));

	if (n < 0 && !is_later())
		c->result = errno == ECONNRESET ? RESET : WRONG;
	if (!n)
		c->result = c->received == bytes ? INTACT : WRONG;
	for (at = 0; at < n; at++)
		if (c->received + at >= bytes || buf[at] != byte_of(i, c->received + at))
			c->result = WRONG;
	if (n > 0)
		c->received += n;
}

static void connect_all(const char *port, int nr)
{
	struct sockaddr_in to = address(port);
	int i;

	for (i = 0; i < nr; i++) {
		all[i].fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (all[i].fd < 0 || connect(all[i].fd, (void *)&to, sizeof(to)) ||
		    fcntl(all[i].fd, F_SETFL, O_NONBLOCK))
			die("connect");
	}
}

/* false: the result of each is there, or nothing moves. */
static bool turn(int nr, size_t bytes)
{
	bool goes_on = false;
	int i;

	for (i = 0; i < nr; i++) {
		goes_on |= all[i].result == UNDER_WAY;
		polls[i] = (struct pollfd){
			.fd = all[i].result == UNDER_WAY ? all[i].fd : -1,
			.events = all[i].sent < bytes ? POLLIN | POLLOUT : POLLIN,
		};
	}
	if (!goes_on || poll(polls, nr, PATIENCE_MS) <= 0)
		return false;
	for (i = 0; i < nr; i++) {
		if (polls[i].revents & POLLOUT)
			push(&all[i], i, bytes);
		if (polls[i].revents & ~POLLOUT && all[i].result == UNDER_WAY)
			pull(&all[i], i, bytes);
	}
	return true;
}

static void talk(const char *port, int nr, size_t bytes)
{
	int i, count[4] = { 0 };

	connect_all(port, nr);
	while (turn(nr, bytes))
		;
	for (i = 0; i < nr; i++)
		count[all[i].result]++;
	printf("%d intact %d wrong %d reset\n", count[INTACT], count[WRONG] + count[UNDER_WAY],
	       count[RESET]);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "echo"))
		serve(listen_at(argv[2]), false);
	else if (argc == 3 && !strcmp(argv[1], "break"))
		serve(listen_at(argv[2]), true);
	else if (argc == 5 && !strcmp(argv[1], "talk") && atoi(argv[3]) > 0 &&
		 atoi(argv[3]) <= MOST && atol(argv[4]) > 0)
		talk(argv[2], atoi(argv[3]), atol(argv[4]));
	else
		return 2;
	return 0;
}

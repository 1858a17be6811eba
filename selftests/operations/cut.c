// SPDX-License-Identifier: GPL-2.0-only
/*
 * cut LISTEN TARGET BYTES CUTS: passes on what comes over the unix socket LISTEN to TARGET, and
 * back. The first CUTS connections are closed when about BYTES have gone over them, at an
 * offset that differs each time. Prints the number of those cut so far, a line each.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int make_socket(const char *path, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

static int write_all(int fd, const char *buf, ssize_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, buf, len);

		if (n <= 0)
			return -1;
		buf += n;
		len -= n;
	}
	return 0;
}

/* Until an end closes, or @left bytes have gone over; -1: no limit. 1: cut */
static int pass(int a, int b, long left)
{
	struct pollfd fds[] = { { .fd = a, .events = POLLIN }, { .fd = b, .events = POLLIN } };
	static char buf[65536];
	int i;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			return 0;
		for (i = 0; i < 2; i++) {
			size_t want = sizeof(buf);
			ssize_t n;

			if (!fds[i].revents)
				continue;
			if (left >= 0 && (size_t)left < want)
				want = left;
			n = read(fds[i].fd, buf, want);
			if (n <= 0 || write_all(fds[!i].fd, buf, n))
				return 0;
			if (left >= 0)
				left -= n;
			if (!left)
				return 1;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_un from, to;
	int listener, cuts = 0;

	if (argc != 5)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	listener = make_socket(argv[1], &from);
	if (bind(listener, (struct sockaddr *)&from, sizeof(from)) || listen(listener, 5))
		return 1;
	for (;;) {
		int a = accept(listener, NULL, NULL), b = make_socket(argv[2], &to);
		long bytes = cuts < atoi(argv[4]) ? atol(argv[3]) + cuts * 4099L : -1;

		if (a < 0 || connect(b, (struct sockaddr *)&to, sizeof(to)))
			return 1;
		if (pass(a, b, bytes)) {
			printf("%d\n", ++cuts);
			fflush(stdout);
		}
		close(a);
		close(b);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of `scripts/bench control`: connects to the sockets of QEMU's
 * ports and then, until it is killed,
 *
 *   sink PATH     reads and forgets
 *   source PATH   writes without end
 *   answer PATH   reads messages that begin with their length in bytes (u32 in
 *                 the order of this machine) and answers each with one byte
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char buf[256 * 1024];

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int i, fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	for (i = 0; i < 6000; i++) {
		if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
			return fd;
		usleep(100 * 1000);
	}
	perror(path);
	return -1;
}

static int sink(int fd)
{
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	return 0;
}

static int source(int fd)
{
	while (write(fd, buf, sizeof(buf)) > 0)
		;
	return 0;
}

static int read_all(int fd, void *to, size_t len)
{
	ssize_t n;

	for (; len; to = (char *)to + n, len -= n) {
		n = read(fd, to, len);
		if (n <= 0)
			return -1;
	}
	return 0;
}

static int answer(int fd)
{
	uint32_t len;

	while (!read_all(fd, &len, sizeof(len))) {
		if (len < sizeof(len) || len > sizeof(buf) ||
		    read_all(fd, buf, len - sizeof(len)) ||
		    write(fd, "!", 1) != 1)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc == 3 ? connect_to(argv[2]) : -1;

	if (fd < 0)
		return 2;
	switch (argv[1][1]) {
	case 'i':
		return sink(fd);
	case 'o':
		return source(fd);
	case 'n':
		return answer(fd);
	}
	return 2;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host's side of `scripts/bench control`: connects to the sockets of QEMU's
 * ports and then, until it is killed,
 *
 *   sink PATH     reads and forgets
 *   source PATH   writes without end
 *   answer PATH   reads messages that begin with their length in bytes (u32 in
 *                 the order of this machine) and answers each with one byte
 *   for PATH COMMAND   runs the shell's COMMAND for each line it reads, which is
 *                 in $LINE; its first line of output is the answer
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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

static int run_for(int fd, const char *command)
{
	size_t len = 0;
	FILE *output;

	while (len < sizeof(buf) / 2 && read(fd, buf + len, 1) == 1) {
		if (buf[len++] != '\n')
			continue;
		buf[len - 1] = 0;
		setenv("LINE", buf, 1);
		output = popen(command, "r");
		if (!output || !fgets(buf, sizeof(buf), output))
			strcpy(buf, "failed\n");
		if (output)
			pclose(output);
		len = strlen(buf);
		if (write(fd, buf, len) != (ssize_t)len)
			return 1;
		len = 0;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = argc >= 3 ? connect_to(argv[2]) : -1;

	if (fd < 0)
		return 2;
	if (argc == 4 && !strcmp(argv[1], "for"))
		return run_for(fd, argv[3]);
	if (!strcmp(argv[1], "sink"))
		return sink(fd);
	if (!strcmp(argv[1], "source"))
		return source(fd);
	if (!strcmp(argv[1], "answer"))
		return answer(fd);
	return 2;
}

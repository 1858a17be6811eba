// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds a freeze lease, for lease.sh:
 *
 *   lease MS FLAGS PATH...
 *
 * freezes the file systems of the paths and prints "frozen N" or "freeze: ERROR".
 * Then commands are read from stdin, a line each, and what came of them is
 * printed: thaw, renew MS, status, number; block PATH (a thread begins to write there),
 * fork (a child inherits the descriptor). At the end of them it exits.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "pvguest/control_dev.h"

static int control;

static void result(const char *what, int err)
{
	printf("%s: %s\n", what, err ? strerrorname_np(errno) : "ok");
	fflush(stdout);
}

static void freeze(int argc, char **argv)
{
	struct pvg_control_freeze req = {
		.lease_ms = strtoul(argv[1], NULL, 0),
		.flags = strtoul(argv[2], NULL, 0),
		.nr_fds = argc - 3,
	};
	__s32 *fds = calloc(argc, sizeof(*fds));
	int i;

	for (i = 3; i < argc; i++)
		fds[i - 3] = open(argv[i], O_RDONLY | O_CLOEXEC);
	req.fds = (unsigned long)fds;
	if (ioctl(control, PVG_CONTROL_FREEZE, &req))
		result("freeze", -1);
	else
		printf("frozen %u\n", req.frozen);
	fflush(stdout);
	/* The lease holds what it needs. */
	for (i = 3; i < argc; i++)
		close(fds[i - 3]);
	free(fds);
}

static void show(void)
{
	static const char *const states[] = {
		"none", "freezing", "frozen", "thawing",
	};
	struct pvg_control_status st;

	if (ioctl(control, PVG_CONTROL_STATUS, &st))
		result("status", -1);
	else
		printf("status: %s %u filesystems, end %u, session %s\n",
		       states[st.state & 3], st.filesystems, st.last_end,
		       st.session ? "yes" : "no");
	fflush(stdout);
}

/* The file system may be frozen: then this waits, and cannot be killed. */
static void *write_byte(void *fd)
{
	return (void *)write(*(int *)fd, "x", 1);
}

static void block(const char *path)
{
	static int fd;
	pthread_t thread;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	result("block", fd < 0 || pthread_create(&thread, NULL, write_byte, &fd));
}

static void fork_child(void)
{
	pid_t pid = fork();

	if (!pid) {
		/* Nothing is left of the parent but the descriptor. */
		close(0);
		close(1);
		for (;;)
			pause();
	}
	printf("fork: %d\n", pid);
	fflush(stdout);
}

static void show_number(void)
{
	struct pvg_control_status st;

	if (ioctl(control, PVG_CONTROL_STATUS, &st))
		result("number", -1);
	else
		printf("number: %u\n", st.lease);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[256];
	__u32 ms;

	control = open("/dev/pvg_control", O_RDWR | O_CLOEXEC);
	if (control < 0 || argc < 3) {
		perror("lease MS FLAGS PATH...: /dev/pvg_control");
		return 1;
	}
	freeze(argc, argv);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strcmp(line, "thaw"))
			result("thaw", ioctl(control, PVG_CONTROL_THAW));
		else if (sscanf(line, "renew %u", &ms) == 1)
			result("renew", ioctl(control, PVG_CONTROL_RENEW, &ms));
		else if (!strcmp(line, "status"))
			show();
		else if (!strcmp(line, "number"))
			show_number();
		else if (!strncmp(line, "block ", 6))
			block(line + 6);
		else if (!strcmp(line, "fork"))
			fork_child();
		else if (!strcmp(line, "unknown"))
			result("unknown", ioctl(control, _IO(0xbe, 99)));
	}
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A cgroup (version 2) for a job: for its limits, and so that all of it can be killed. It is
 * beneath the daemon's own, which systemd has delegated to it, or where the daemon is no
 * service, beneath /pvguest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exec.h"

#define UNIT	"/pvguestd.service"

static int put(int dir, const char *file, const char *text)
{
	int fd = openat(dir, file, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Descriptor of the root of the hierarchy; -errno. */
static int open_hierarchy(void)
{
	static const char *const places[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	struct statfs fs;
	int i;

	for (i = 0; i < 2; i++) {
		int fd = open(places[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (fd >= 0 && !fstatfs(fd, &fs) && fs.f_type == CGROUP2_SUPER_MAGIC)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ENOENT;
}

/* The cgroup of this process, up to the daemon's unit; empty: it is no service. */
static void own_unit(char *path, size_t size)
{
	FILE *file = fopen("/proc/self/cgroup", "re");
	char line[4096], *unit = NULL;

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "0::/", 4))
			continue;
		line[strcspn(line, "\n")] = '\0';
		unit = strstr(line, UNIT);
		if (unit && (unit[strlen(UNIT)] == '/' || !unit[strlen(UNIT)]))
			unit[strlen(UNIT)] = '\0';
		else
			unit = NULL;
		break;
	}
	if (file)
		fclose(file);
	snprintf(path, size, "%s", unit ? line + 4 : "");
}

static void enable_controllers(int dir)
{
	static const char *const controllers[] = { "+memory", "+pids", "+cpu" };
	size_t i;

	/* Those that are missing are missed when a limit is set. */
	for (i = 0; i < 3; i++)
		put(dir, "cgroup.subtree_control", controllers[i]);
}

/* A cgroup whose children have controllers has no processes: they move to "daemon". */
static void move_daemon(int base)
{
	char line[32];
	int tries, inner;
	FILE *file;

	mkdirat(base, "daemon", 0755);
	inner = openat(base, "daemon", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (tries = 0; inner >= 0 && tries < 8; tries++) {
		int fd = openat(base, "cgroup.procs", O_RDONLY | O_CLOEXEC);
		bool any = false;

		file = fd < 0 ? NULL : fdopen(fd, "r");
		while (file && fgets(line, sizeof(line), file)) {
			any = true;
			put(inner, "cgroup.procs", line);
		}
		if (file)
			fclose(file);
		if (!any)
			break;
	}
	if (inner >= 0)
		close(inner);
}

/* Descriptor of the cgroup beneath which jobs have theirs; -errno. */
static int open_base(void)
{
	int root = open_hierarchy(), base;
	char unit[4096];

	if (root < 0)
		return root;
	own_unit(unit, sizeof(unit));
	if (!*unit) {
		enable_controllers(root);
		mkdirat(root, "pvguest", 0755);
	}
	base = openat(root, *unit ? unit : "pvguest", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		base = -errno;
	else if (*unit)
		move_daemon(base);
	if (base >= 0)
		enable_controllers(base);
	close(root);
	return base;
}

/* Reads "populated N" of cgroup.events. */
static bool is_populated(int events)
{
	char text[256];
	ssize_t n = pread(events, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return strstr(text, "populated 1");
}

/* The process that removes the cgroup when nothing is in it; begins when @begin is closed. */
static void sweeper(int base, const char *name, int events, int begin)
{
	struct pollfd pfd;
	char byte;

	setsid();
	dup2(base, 0);
	dup2(events, 1);
	dup2(begin, 2);
	close_range(3, ~0u, 0);
	while (read(2, &byte, 1) < 0 && errno == EINTR)
		;
	pfd = (struct pollfd){ .fd = 1, .events = POLLPRI };
	while (is_populated(1))
		poll(&pfd, 1, -1);
	unlinkat(0, name, AT_REMOVEDIR);
	_exit(0);
}

/*
 * Two forks, so that the program does not find a child that it has not made. The descriptor
 * that lets it begin when it is closed, or -errno: no process would remove the cgroup.
 */
static int start_sweeper(int base, const char *name, int dir)
{
	int events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	int begin[2], status = 0, err;
	pid_t pid;

	if (events < 0)
		return -errno;
	if (pipe2(begin, O_CLOEXEC) < 0) {
		err = -errno;
		close(events);
		return err;
	}
	pid = fork();
	if (!pid) {
		close(begin[1]);
		pid = fork();
		if (!pid)
			sweeper(base, name, events, begin[0]);
		_exit(pid < 0);
	}
	close(events);
	close(begin[0]);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid > 0 && !status)
		return begin[1];
	close(begin[1]);
	return -EAGAIN;
}

static void set_limit(struct launch *launch, int dir, const char *file, const char *value)
{
	int err = put(dir, file, value);

	if (err)
		launch_fail(launch, PVC_FAILED,
			    "exec: %s cannot be limited: %s; it takes this controller of cgroup version 2",
			    file, err == -ENOENT ? "the cgroup has no such controller" :
			    strerror(-err));
}

static void set_all(struct launch *launch, const struct plan_head *head, int dir)
{
	char value[64];

	if (head->memory_max) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)head->memory_max);
		set_limit(launch, dir, "memory.max", value);
		put(dir, "memory.oom.group", "1");
	}
	if (head->pids_max) {
		snprintf(value, sizeof(value), "%llu", (unsigned long long)head->pids_max);
		set_limit(launch, dir, "pids.max", value);
	}
	if (head->cpu_milli) {
		snprintf(value, sizeof(value), "%u 100000", head->cpu_milli * 100);
		set_limit(launch, dir, "cpu.max", value);
	}
}

/*
 * Enters a new cgroup @name beneath @base, with the limits. The descriptor of its cgroup.kill, or
 * -errno.
 */
static int enter_new(struct launch *launch, const struct plan_head *head, int base,
		     const char *name)
{
	int dir, begin, fd, err;

	if (mkdirat(base, name, 0755) < 0)
		return -errno;
	dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	begin = dir < 0 ? -errno : start_sweeper(base, name, dir);
	if (begin < 0) {
		unlinkat(base, name, AT_REMOVEDIR);
		fd = begin;
	} else {
		set_all(launch, head, dir);
		err = put(dir, "cgroup.procs", "0");
		fd = err ? err : openat(dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
		close(begin);
	}
	if (dir >= 0)
		close(dir);
	return fd;
}

int launch_cgroup(struct launch *launch, const struct plan_head *head)
{
	bool limits = head->memory_max || head->pids_max || head->cpu_milli;
	int base = open_base(), fd = base;
	char name[48];

	snprintf(name, sizeof(name), "job-%d-%016llx", getpid(),
		 (unsigned long long)launch->req->job);
	if (base >= 0) {
		fd = enter_new(launch, head, base, name);
		close(base);
	}
	if (fd < 0 && limits)
		launch_fail(launch, PVC_FAILED,
			    "exec: no cgroup for the job (%s): memory, pids and cpu cannot be limited",
			    strerror(-fd));
	return fd < 0 ? -1 : fd;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The program of an exec: which file it is. The policy is asked about that file, so its path
 * is what the kernel says it is, with no symbolic link in it. Executed is the file of that name
 * in that directory, which is held open, with no link followed: whoever can put another file
 * there could have done so before, and the policy is about the path.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "exec.h"

static int open_dir(const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));

	return fd < 0 ? -errno : (int)fd;
}

/* The directory and name of the open file @fd, which has to be there still. */
static int locate(struct program *program, int fd)
{
	struct stat file, there;
	char link[32], *slash;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, program->path, sizeof(program->path) - 1);
	if (n < 0)
		return -errno;
	program->path[n] = '\0';
	if (*program->path != '/' || n == sizeof(program->path) - 1)
		return -ENAMETOOLONG;
	slash = strrchr(program->path, '/');
	program->name = slash + 1;
	*slash = '\0';
	program->dir = open_dir(slash == program->path ? "/" : program->path);
	*slash = '/';
	if (program->dir < 0)
		return program->dir;
	if (!fstat(fd, &file) &&
	    !fstatat(program->dir, program->name, &there, AT_SYMLINK_NOFOLLOW) &&
	    file.st_dev == there.st_dev && file.st_ino == there.st_ino)
		return 0;
	close(program->dir);
	return -ESTALE;
}

static int try_path(struct program *program, const char *path)
{
	int fd = open(path, O_PATH | O_CLOEXEC), err;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    faccessat(fd, "", X_OK, AT_EMPTY_PATH) < 0)
		err = -EACCES;
	else
		err = locate(program, fd);
	close(fd);
	return err;
}

int program_find(struct program *program, const char *name, const char *path)
{
	int err, result = -ENOENT;
	char full[4096];

	if (strchr(name, '/'))
		return try_path(program, name);
	while (path && *path) {
		int len = strcspn(path, ":");

		/* A relative directory in PATH would be whatever the caller has put there. */
		if (*path == '/' &&
		    snprintf(full, sizeof(full), "%.*s/%s", len, path, name) <
		    (int)sizeof(full)) {
			err = try_path(program, full);
			if (!err)
				return 0;
			if (err != -ENOENT && err != -ENOTDIR)
				result = err;
		}
		path += len + (path[len] == ':');
	}
	return result;
}

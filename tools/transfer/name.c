// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "name.h"

bool name_component_valid(const void *name, size_t len)
{
	const char *s = name;

	if (!len || len > 255 || memchr(s, 0, len) || memchr(s, '/', len))
		return false;
	return !(s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.')));
}

bool name_valid(const void *name, size_t len)
{
	const char *s = name, *end = s + len, *slash;
	unsigned int depth = 0;

	if (!len || len > PVO_FILE_NAME_MAX)
		return false;
	for (;; s = slash + 1) {
		slash = memchr(s, '/', end - s);
		if (!name_component_valid(s, (slash ? slash : end) - s) ||
		    ++depth > PVO_FILE_DEPTH_MAX)
			return false;
		if (!slash)
			return true;
	}
}

int path_normal(const void *path, size_t len, char *out, bool *slash)
{
	const char *s = path, *end = s + len;
	size_t used = 0;

	if (!len || *s != '/' || memchr(s, 0, len))
		return -EINVAL;
	if (len > PVO_FILE_NAME_MAX)
		return -ENAMETOOLONG;
	if (slash)
		*slash = end[-1] == '/';
	while (s < end) {
		const char *next = memchr(s, '/', end - s);
		size_t part = (next ? next : end) - s;

		if (part == 2 && s[0] == '.' && s[1] == '.')
			return -EINVAL;
		if (part > 255)
			return -ENAMETOOLONG;
		if (part && !(part == 1 && *s == '.')) {
			out[used++] = '/';
			memcpy(out + used, s, part);
			used += part;
		}
		s += part + 1;
	}
	if (!used)
		out[used++] = '/';
	out[used] = 0;
	return 0;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int path_join(const char *dir, const char *name, char *out)
{
	size_t len = strlen(dir), more = strlen(name);
	bool slash = more && len && dir[len - 1] != '/';

	if (len + slash + more > PVO_FILE_NAME_MAX)
		return -ENAMETOOLONG;
	memmove(out, dir, len);
	if (slash)
		out[len++] = '/';
	memcpy(out + len, name, more + 1);
	return 0;
}

int open_beneath(int dir, const char *name, int flags)
{
	struct open_how how = {
		/* openat2() takes no other flags with O_PATH. */
		.flags = flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, dir, *name ? name : ".", &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int open_parent(int dir, const char *name, const char **last)
{
	char parent[NAME_SIZE];
	int fd;

	*last = path_base(name);
	if (*last == name) {
		*parent = 0;
	} else {
		memcpy(parent, name, *last - name - 1);
		parent[*last - name - 1] = 0;
	}
	fd = open_beneath(dir, parent, O_RDONLY | O_DIRECTORY);
	if (fd == -EACCES)	/* what has no r may have wx */
		fd = open_beneath(dir, parent, O_PATH | O_DIRECTORY);
	return fd;
}

int name_order(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	if (!*a || !*b)
		return (*a != 0) - (*b != 0);
	if (*a == '/' || *b == '/')
		return *a == '/' ? -1 : 1;
	return (unsigned char)*a - (unsigned char)*b;
}

bool cannot_sync(int error)
{
	return error == EINVAL || error == EROFS || error == EOPNOTSUPP;
}

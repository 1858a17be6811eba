// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names.h"

void names_free(struct names *names)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		free(names->list[i]);
	free(names->list);
	names->list = NULL;
	names->count = 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(struct names *names, size_t *room, const char *name)
{
	if (names->count == *room) {
		size_t more = *room ? 2 * *room : 64;
		char **list = reallocarray(names->list, more, sizeof(*list));

		if (!list)
			return -ENOMEM;
		names->list = list;
		*room = more;
	}
	if (names->count == NAMES_MAX)
		return -E2BIG;
	names->list[names->count] = strdup(name);
	return names->list[names->count++] ? 0 : -ENOMEM;
}

int names_read(int fd, struct names *names)
{
	struct dirent *entry;
	size_t room = 0;
	int err = 0;
	DIR *dir;

	memset(names, 0, sizeof(*names));
	fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		err = -errno;
		close(fd);
		return err;
	}
	for (errno = 0; !err && (entry = readdir(dir)); errno = 0) {
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			err = add_name(names, &room, entry->d_name);
	}
	if (!err && errno)
		err = -errno;
	closedir(dir);
	if (!err && names->count)
		qsort(names->list, names->count, sizeof(*names->list), by_name);
	if (err)
		names_free(names);
	return err;
}

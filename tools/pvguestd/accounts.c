// SPDX-License-Identifier: GPL-2.0-only
/*
 * See accounts.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts.h"

/* At most @size bytes; what a writer appends meanwhile is for the next reader. */
static size_t read_all(int fd, char *to, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, to + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += n;
	}
	return len;
}

FILE *accounts_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	FILE *file = NULL;
	struct stat st;
	size_t len;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && st.st_size)
		text = malloc(st.st_size);
	if (text) {
		len = read_all(fd, text, st.st_size);
		/* The process does one request: nobody frees the text. */
		file = fmemopen(text, len ? len : 1, "r");
	}
	close(fd);
	return file;
}

const struct passwd *accounts_user(FILE *passwd, const char *name)
{
	struct passwd *pw;

	while (passwd && (pw = fgetpwent(passwd)))
		if (!strcmp(pw->pw_name, name))
			/* setresuid() and setresgid() take -1 for "leave it as it is". */
			return pw->pw_uid == (uid_t)-1 || pw->pw_gid == (gid_t)-1 ? NULL : pw;
	return NULL;
}

int accounts_groups(FILE *group, const char *user, gid_t gid, gid_t *groups)
{
	struct group *gr;
	int n = 0, i;

	groups[n++] = gid;
	while (group && *user && (gr = fgetgrent(group)))
		for (i = 0; gr->gr_mem[i] && n < ACCOUNT_GROUPS; i++)
			if (gr->gr_gid != gid && !strcmp(gr->gr_mem[i], user))
				groups[n++] = gr->gr_gid;
	return n;
}

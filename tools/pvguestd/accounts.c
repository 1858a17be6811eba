// SPDX-License-Identifier: GPL-2.0-only
/*
 * See accounts.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "accounts.h"

FILE *accounts_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	FILE *file = NULL;
	struct stat st;
	char part[4096];
	ssize_t n;

	if (fd < 0)
		return NULL;
	/* Room for what it has now: what a writer appends meanwhile is for the next reader. */
	if (!fstat(fd, &st) && st.st_size)
		file = fmemopen(NULL, st.st_size + 1, "w+");
	while (file && (n = read(fd, part, sizeof(part))) != 0) {
		if (n > 0)
			fwrite(part, 1, n, file);
		else if (errno != EINTR)
			break;
	}
	if (file)
		rewind(file);
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

int accounts_groups_now(const char *user, gid_t gid, gid_t *groups)
{
	FILE *group = accounts_open("/etc/group");
	int n = accounts_groups(group, user, gid, groups);

	if (group)
		fclose(group);
	return n;
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

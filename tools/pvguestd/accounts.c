// SPDX-License-Identifier: GPL-2.0-only
/*
 * See accounts.h.
 */
#include <ctype.h>
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

char *accounts_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st))
		text = malloc(st.st_size + 1);
	if (text)
		text[read_all(fd, text, st.st_size)] = '\0';
	close(fd);
	return text;
}

/*
 * The next line's fields, @n of them, the last one with all that follows; missing ones are
 * empty. False: there are no more lines.
 */
static bool next_line(char **at, char **fields, int n)
{
	char *line;
	int i;

	do {
		line = strsep(at, "\n");
		if (!line)
			return false;
		while (isspace((unsigned char)*line))
			line++;
	} while (!*line || *line == '#');
	for (i = 0; i < n; i++) {
		fields[i] = line ? line : "";
		if (line && i < n - 1) {
			line = strchr(line, ':');
			if (line)
				*line++ = '\0';
		}
	}
	return true;
}

/* A number of digits alone that a user or group may have: the last one means none. */
static bool to_id(const char *text, id_t *id)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	value = strtoull(text, &end, 10);
	*id = value;
	return !*end && value < (id_t)-1;
}

bool accounts_user(char *passwd, const char *name, struct account *account)
{
	char *fields[7];

	while (next_line(&passwd, fields, 7)) {
		if (strcmp(fields[0], name) || !to_id(fields[2], &account->uid) ||
		    !to_id(fields[3], &account->gid))
			continue;
		account->name = fields[0];
		account->home = fields[5];
		account->shell = *fields[6] ? fields[6] : "/bin/sh";
		return true;
	}
	return false;
}

/* Names that commas separate, with blanks before them or not. */
static bool is_member(const char *members, const char *user)
{
	size_t len = strlen(user);

	while (*members) {
		members += strspn(members, " \t");
		if (!strncmp(members, user, len) && strchr(",", members[len]))
			return true;
		members += strcspn(members, ",");
		members += *members == ',';
	}
	return false;
}

int accounts_groups(char *group, const char *user, gid_t gid, gid_t *groups)
{
	char *fields[4];
	gid_t other;
	int n = 0;

	groups[n++] = gid;
	if (!group || !*user)
		return n;
	while (n < ACCOUNT_GROUPS && next_line(&group, fields, 4))
		if (to_id(fields[2], &other) && other != gid && is_member(fields[3], user))
			groups[n++] = other;
	return n;
}

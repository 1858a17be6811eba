/* SPDX-License-Identifier: GPL-2.0-only */
/* The names in a directory, in the order of their bytes. */
#ifndef _TOOLS_TRANSFER_NAMES_H
#define _TOOLS_TRANSFER_NAMES_H

#include <stddef.h>

#define NAMES_MAX	2000000u	/* in one directory */

struct names {
	char **list;
	size_t count;
};

/* Of the open directory @fd, without . and ..; 0, -E2BIG: more than NAMES_MAX, or -errno. */
int names_read(int fd, struct names *names);
void names_free(struct names *names);

#endif /* _TOOLS_TRANSFER_NAMES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Names and paths that the peer sent: they are data until they were looked at here. */
#ifndef _TOOLS_TRANSFER_NAME_H
#define _TOOLS_TRANSFER_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../../include/uapi/pvguest/files.h"

#define NAME_SIZE	(PVO_FILE_NAME_MAX + 1)

/*
 * Is this a name of a transfer: 1 to PVO_FILE_DEPTH_MAX components of 1 to 255 bytes, none of
 * them . or .., separated by one slash each, no zero byte, PVO_FILE_NAME_MAX bytes at most?
 */
bool name_valid(const void *name, size_t len);
/* One component of such a name? */
bool name_component_valid(const void *name, size_t len);
/*
 * Makes @path, which has to be absolute and without .., a normal one in @out, of NAME_SIZE
 * bytes: no . and no empty components, no slash at its end. 0, -EINVAL: it is empty, relative,
 * has a zero byte or .., -ENAMETOOLONG. @slash, if not NULL: did it end with a slash?
 */
int path_normal(const void *path, size_t len, char *out, bool *slash);
/* The last component of a normal path; "" for "/". */
const char *path_base(const char *path);
/*
 * @dir and @name with a slash between them in @out, of NAME_SIZE bytes; @name may be empty.
 * 0 or -ENAMETOOLONG
 */
int path_join(const char *dir, const char *name, char *out);
/*
 * opens @name beneath the directory @dir without following a symbolic link in any of its
 * components. "" or ".": the directory itself. A descriptor or -errno.
 */
int open_beneath(int dir, const char *name, int flags);
/* The directory of @name, as open_beneath(); *@last is its last component. */
int open_parent(int dir, const char *name, const char **last);
/*
 * Compares two names by the order of a transfer: that of their bytes, and what is in a
 * directory right after it. As strcmp()
 */
int name_order(const char *a, const char *b);

/* Does fsync() fail with @error where nothing has to be written to a disk? */
bool cannot_sync(int error);

#endif /* _TOOLS_TRANSFER_NAME_H */

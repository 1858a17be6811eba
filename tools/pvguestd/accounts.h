/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /etc/passwd and /etc/group, by the C library, but from memory: it asks the kernel twice for
 * each line where it is in a file, and a worker looks into both for each request.
 */
#ifndef _PVGUESTD_ACCOUNTS_H
#define _PVGUESTD_ACCOUNTS_H

#include <grp.h>
#include <pwd.h>
#include <stdio.h>

#define ACCOUNT_GROUPS	256	/* of a user; further ones are left out */

/* The file at @path, as it is now, for those below; NULL: there is none, or nothing in it. */
FILE *accounts_open(const char *path);
/* As getpwnam(), of @passwd alone; NULL: no line is of @name, or its user or group is -1. */
const struct passwd *accounts_user(FILE *passwd, const char *name);
/*
 * The groups that @user has by @group, behind @gid: how many there are then in @groups, with
 * room for ACCOUNT_GROUPS. Without a @group, or with an empty @user: @gid alone.
 */
int accounts_groups(FILE *group, const char *user, gid_t gid, gid_t *groups);
/* The same of /etc/group as it is now. */
int accounts_groups_now(const char *user, gid_t gid, gid_t *groups);

#endif /* _PVGUESTD_ACCOUNTS_H */

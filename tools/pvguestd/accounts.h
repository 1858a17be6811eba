/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * /etc/passwd and /etc/group. A worker looks into both for each request, and fgetpwent() and
 * fgetgrent() ask the kernel twice for each line where they are in the file.
 */
#ifndef _PVGUESTD_ACCOUNTS_H
#define _PVGUESTD_ACCOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

#define ACCOUNT_GROUPS	256	/* of a user; further ones are left out */

/**
 * struct account - a user, as /etc/passwd has it
 * @name: see passwd(5), like what follows; an empty shell is /bin/sh
 */
struct account {
	const char *name;
	uid_t uid;
	gid_t gid;
	const char *home;
	const char *shell;
};

/* The file at @path, whole, with a zero byte at its end, for free(); NULL: there is none. */
char *accounts_read(const char *path);
/* The line of user @name in @passwd, which is changed; false: there is none. */
bool accounts_user(char *passwd, const char *name, struct account *account);
/*
 * The groups of @user in @group, which is changed, behind @gid: how many there are then in
 * @groups, with room for ACCOUNT_GROUPS. Without a @group, or with an empty @user: @gid alone.
 */
int accounts_groups(char *group, const char *user, gid_t gid, gid_t *groups);

#endif /* _PVGUESTD_ACCOUNTS_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest's owner lets the host do: the files of /etc/pvguest/policy.d, their grammar
 * in pvguest-policy(5). Parsed once by the broker; workers have a copy.
 */
#ifndef _PVGUESTD_POLICY_H
#define _PVGUESTD_POLICY_H

#include <stdbool.h>
#include <stddef.h>

struct policy;

#define POLICY_DIR	"/etc/pvguest/policy.d"
#define POLICY_TEXT_MAX	512

/*
 * What a decision rests on.
 * @allowed: may it be done?
 * @text: why: the file, line and name of the rule, or that no rule allows it and what such
 *	a rule would be
 */
struct verdict {
	bool allowed;
	char text[POLICY_TEXT_MAX];
};

/*
 * Reads all files *.conf of @dir, in the order of their names. A directory that is not there
 * is the built-in policy. NULL: something is wrong, @error says file, line and what; the
 * caller then has to deny all that is closed by default: policy_closed().
 */
struct policy *policy_load(const char *dir, char *error, size_t size);
/* The policy after an error: only what is open by default, and not even that with deny. */
struct policy *policy_closed(void);
void policy_free(struct policy *policy);

/* May @principal use @verb in the name of @user? What it does then is asked for below. */
void policy_verb(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, struct verdict *verdict);
/* May it run this? @path is absolute and resolved. */
void policy_command(const struct policy *policy, const char *principal, const char *user,
		    const char *path, char *const *argv, struct verdict *verdict);
/* May it use this file? @path is absolute and normal; @write: change it. */
void policy_path(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, const char *path, bool write, struct verdict *verdict);
/*
 * The directories beneath which @verb may work, for Landlock; calls @root for each until it
 * returns something other than 0, which is returned.
 */
int policy_roots(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, int (*root)(const char *path, bool write, void *priv),
		 void *priv);
/* May it be connected to? @target: "tcp:ADDRESS:PORT" or "unix:PATH". */
void policy_target(const struct policy *policy, const char *principal, const char *verb,
		   const char *user, const char *target, struct verdict *verdict);
/* The highest number of jobs, processes or bytes that @what names; ~0: no limit. */
unsigned long policy_limit(const struct policy *policy, const char *principal,
			   const char *what);

#endif /* _PVGUESTD_POLICY_H */

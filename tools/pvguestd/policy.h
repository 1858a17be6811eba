/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest's owner lets the host do: the files of /etc/pvguest/policy.d, their grammar
 * in pvguest-policy(5). Parsed by the broker when it starts and at SIGHUP; a worker has the
 * copy that it was forked with. Nothing here changes a policy after it was loaded, so that
 * all functions but policy_load() and policy_free() may be called by any process or thread.
 */
#ifndef _PVGUESTD_POLICY_H
#define _PVGUESTD_POLICY_H

#include <stdbool.h>
#include <stddef.h>

struct policy;

#define POLICY_DIR	"/etc/pvguest/policy.d"
#define POLICY_TEXT_MAX	512
#define POLICY_UNLIMITED (~0ul)

/**
 * struct verdict - what was decided, and why
 * @allowed: may it be done?
 * @text: printable: the file, line and name of the rule; or that no rule allows it, and what
 *	would be allowed
 */
struct verdict {
	bool allowed;
	char text[POLICY_TEXT_MAX];
};

/*
 * Reads all files *.conf of @dir, in the order of their names. A directory that is not there
 * is the built-in policy. Never NULL. Without an error @error is the empty string. Otherwise
 * it says file, line and what is wrong, and the policy is closed: what is open by default is
 * all that it allows, and the deny rules and limits that could be read hold.
 */
struct policy *policy_load(const char *dir, char *error, size_t size);
/* The same; each error, not only the first, is given to @report. */
struct policy *policy_read(const char *dir, void (*report)(void *priv, const char *text),
			   void *priv);
/* The built-in policy and nothing else; for a process that has none loaded. */
struct policy *policy_closed(void);
void policy_free(struct policy *policy);

/*
 * May @principal use @verb (the name in struct operation) in the name of @user? An empty
 * @user is root. What it does then is asked for below, by the process that does it.
 */
void policy_verb(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, struct verdict *verdict);
/*
 * May exec run this? @path is absolute, with all symbolic links resolved; @argv as execve()
 * will have it, with argv[0].
 */
void policy_command(const struct policy *policy, const char *principal, const char *user,
		    const char *path, char *const *argv, struct verdict *verdict);
/*
 * May @verb use this file? @path is absolute and normal (no "//", "." or ".."), with all
 * symbolic links resolved. @write: change it, its attributes, or its directory entry (create,
 * remove, rename: to be asked for both names). A recursive verb asks for the top of the tree
 * and for each entry. Whatever the policy says, the files of pvguest itself are denied.
 */
void policy_path(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, const char *path, bool write, struct verdict *verdict);
/*
 * May a directory be renamed as a whole? For verb mv, of both names, beside policy_path(): a
 * tree must not take what is denied beneath it to where the rule does not reach, nor bring
 * what it has to where that is denied.
 */
void policy_tree(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, const char *path, struct verdict *verdict);
/*
 * The directories beneath which @verb may work, for Landlock; calls @root for each until it
 * returns something other than 0, which is returned. They may not exist, and they may be
 * wider than what policy_path() allows: a root with a pattern in it begins above the pattern.
 */
int policy_roots(const struct policy *policy, const char *principal, const char *verb,
		 const char *user, int (*root)(const char *path, bool write, void *priv),
		 void *priv);
/*
 * May @verb connect to, or listen at, @target: "tcp:ADDRESS:PORT" (an IPv6 address in
 * brackets; numbers, not names) or "unix:PATH" (normal)?
 */
void policy_target(const struct policy *policy, const char *principal, const char *verb,
		   const char *user, const char *target, struct verdict *verdict);
/* May the kv @verb use @key? */
void policy_key(const struct policy *policy, const char *principal, const char *verb,
		const char *user, const char *key, struct verdict *verdict);
/*
 * The lowest limit that the policy sets for @principal, POLICY_UNLIMITED where it sets none.
 * @what: "jobs" (at once), "processes" (of one job), "bytes" (that one request may write into
 * the guest's files), "rate" (requests a minute).
 */
unsigned long policy_limit(const struct policy *policy, const char *principal,
			   const char *what);

/* policy_cli.c: "pvguestd policy check|explain|profile ..."; the exit status */
int policy_main(int argc, char **argv);

#endif /* _PVGUESTD_POLICY_H */

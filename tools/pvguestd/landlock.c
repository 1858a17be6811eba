// SPDX-License-Identifier: GPL-2.0-only
/*
 * Landlock: beneath which directories a worker may do what. The C library of Debian 12 has no
 * functions for it, and its headers not all rights.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <syslog.h>
#include <unistd.h>

#include "policy.h"
#include "sandbox.h"

#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER	(1ull << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE	(1ull << 14)
#endif

#define FS_FIRST	((1ull << 13) - 1)	/* what the first version knows */
#define FS_READ		(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_FILE		(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | \
			 LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_TRUNCATE)

/* A set of rules that is being made. */
struct ruleset {
	int fd;
	__u64 handled;
};

/* 0: there is no Landlock. */
static __u64 handled_rights(void)
{
	int version = syscall(SYS_landlock_create_ruleset, NULL, 0,
			      LANDLOCK_CREATE_RULESET_VERSION);

	if (version < 1)
		return 0;
	return FS_FIRST | (version >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0) |
	       (version >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0);
}

/* The second argument says whether it may be written to; see policy_roots(). */
static int add_root(const char *path, bool write, void *priv)
{
	struct ruleset *r = priv;
	struct landlock_path_beneath_attr rule = {
		.allowed_access = write ? r->handled & ~LANDLOCK_ACCESS_FS_EXECUTE : FS_READ,
	};
	struct stat st;
	int err = 0;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	if (!fstat(rule.parent_fd, &st) && !S_ISDIR(st.st_mode))
		rule.allowed_access &= FS_FILE;
	if (syscall(SYS_landlock_add_rule, r->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
		err = -errno;
	close(rule.parent_fd);
	return err;
}

static int add_rules(const struct request *req, struct ruleset *r)
{
	__u32 keep = req->operation->keep;
	int err = 0;

	if (keep & KEEP_PROC)
		err = add_root("/proc", false, r);
	if (!err && keep & KEEP_PROC)
		err = add_root("/sys", false, r);
	/* For the local time, which may become another while a worker runs. */
	if (!err && keep & KEEP_PROC)
		err = add_root("/usr/share/zoneinfo", false, r);
	if (!err && keep & KEEP_FILES)
		err = policy_roots(req->policy, req->principal, req->operation->verb, req->user,
				   add_root, r);
	return err;
}

int landlock_make(const struct request *req)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = handled_rights() };
	struct ruleset r = { .handled = attr.handled_access_fs };
	int err;

	/* What is executed may need anything. */
	if (!r.handled || req->operation->keep & KEEP_EXEC)
		return -ENOSYS;
	r.fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr.handled_access_fs), 0);
	if (r.fd < 0)
		return -errno;
	err = add_rules(req, &r);
	if (err) {
		close(r.fd);
		return err;
	}
	return r.fd;
}

int landlock_enter(int ruleset)
{
	int err = 0;

	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	close(ruleset);
	return err;
}

void landlock_tell(void)
{
	if (!handled_rights())
		log_line(LOG_WARNING, "this kernel has no Landlock (or not with lsm=): workers are held by the policy, their user and openat2() alone");
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a worker gives up: see sandbox.h.
 */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "filter.h"
#include "sandbox.h"

#define NOFILE		256
#define ADDRESSES	(512ul << 20)	/* bytes */

static int become(const gid_t *groups, int n, uid_t uid, gid_t gid)
{
	if (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

static int become_nobody(void)
{
	return become((gid_t []){ NOBODY }, 1, NOBODY, NOBODY);
}

static int become_root(void)
{
	gid_t groups[ACCOUNT_GROUPS];
	int n = accounts_groups_now("root", 0, groups);

	return become(groups, n, 0, 0);
}

int become_user(const struct request *req)
{
	return become(req->groups, req->ngroups, req->uid, req->gid);
}

/* In whose name a worker acts: a user, or nobody where no file, socket or process asks. */
static int become_whoever(const struct request *req)
{
	const __u32 needs = KEEP_ROOT | KEEP_FILES | KEEP_NET | KEEP_SIGNAL | KEEP_EXEC;
	__u32 keep = req->operation->keep;

	if (keep & KEEP_ROOT)
		return become_root();
	if (keep & KEEP_NOBODY || (!req->uid && !(keep & needs)))
		return become_nobody();
	return become_user(req);
}

/*
 * @caps are all that can be had any more, by whatever is executed, too. Not by libcap-ng, which
 * reads /proc/PID/status three times for it, in each request.
 */
static int drop_bounds(__u64 caps)
{
	int cap;

	for (cap = 0; cap < 64; cap++)
		if (!(caps >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			break;
	/* The kernel knows no capability of this number, nor higher ones. */
	if (cap < 64 && errno != EINVAL)
		return -errno;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 ? -errno : 0;
}

/* They are kept by root alone. */
static int drop_caps(__u64 caps)
{
	int cap;

	if (geteuid())
		caps = 0;
	capng_clear(CAPNG_SELECT_CAPS);
	for (cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (caps >> cap & 1)
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, cap);
	return capng_apply(CAPNG_SELECT_CAPS) < 0 ? -EPERM : 0;
}

static int limit(int what, rlim_t value)
{
	struct rlimit r = { .rlim_cur = value, .rlim_max = value };

	return setrlimit(what, &r) < 0 ? -errno : 0;
}

static int set_limits(void)
{
	int err = limit(RLIMIT_CORE, 0);

	if (!err)
		err = limit(RLIMIT_NOFILE, NOFILE);
#ifndef __SANITIZE_ADDRESS__
	/* AddressSanitizer has terabytes of addresses. */
	if (!err)
		err = limit(RLIMIT_AS, ADDRESSES);
#endif
	return err;
}

int end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	/* No signal comes for what was gone before. */
	return getppid() == parent ? 0 : -ESRCH;
}

int sandbox_enter(const struct request *req)
{
	const struct operation *operation = req->operation;
	int err, ruleset = landlock_make(req);

	if (ruleset < 0 && ruleset != -ENOSYS)
		return ruleset;
	err = drop_bounds(operation->caps);
	if (!err)
		err = become_whoever(req);
	if (!err)
		err = drop_caps(operation->caps);
	if (!err)
		err = set_limits();
	if (err)
		return err;
	/* Jobs end when they hear that the broker is gone. What has no privileges is left. */
	err = operation->job ? 0 : end_with(req->parent);
	if (err)
		return err;
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (ruleset >= 0)
		err = landlock_enter(ruleset);
	return err ? err : filter_enter(operation->keep);
}

int sandbox_front(void)
{
	/* As a unit of its own it was never root. */
	bool root = !geteuid();
	int err = root ? drop_bounds(0) : 0;

	if (!err && root)
		err = become_nobody();
	if (!err)
		err = drop_caps(0);
	if (!err)
		err = limit(RLIMIT_CORE, 0);
	if (!err && prctl(PR_SET_DUMPABLE, 0) < 0)
		err = -errno;
	return err ? err : filter_enter(FILTER_FRONT);
}

void sandbox_close(const int *keep, int n)
{
	unsigned int from = STDERR_FILENO + 1;
	int i;

	for (i = 0; i < n; i++) {
		if (keep[i] < (int)from)
			continue;
		if (keep[i] > (int)from)
			close_range(from, keep[i] - 1, 0);
		from = keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a worker gives up: see sandbox.h.
 */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "sandbox.h"

#define NOBODY		65534
#define GROUPS_MAX	256

/* The groups that /etc/group says @user is in, and @gid. */
static int groups_of(const char *user, gid_t gid, gid_t *groups)
{
	FILE *file = fopen("/etc/group", "re");
	struct group *gr;
	int n = 0, i;

	groups[n++] = gid;
	while (file && (gr = fgetgrent(file)))
		for (i = 0; gr->gr_mem[i] && n < GROUPS_MAX; i++)
			if (gr->gr_gid != gid && !strcmp(gr->gr_mem[i], user))
				groups[n++] = gr->gr_gid;
	if (file)
		fclose(file);
	return n;
}

static int become(const char *user, uid_t uid, gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int n = groups_of(user, gid, groups);

	if (setgroups(n, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	return 0;
}

int become_user(const struct request *req)
{
	return become(req->user, req->uid, req->gid);
}

int sandbox_enter(const struct request *req)
{
	if (req->operation->keep & KEEP_ROOT)
		return 0;
	if (req->operation->keep & KEEP_NOBODY)
		return become("", NOBODY, NOBODY);
	return become_user(req);
}

int sandbox_front(void)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return become("", NOBODY, NOBODY);
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

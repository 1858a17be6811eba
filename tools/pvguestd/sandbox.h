/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process of the daemon gives up, for good: sandbox.c, with filter.c (system calls)
 * and landlock.c (files).
 */
#ifndef _PVGUESTD_SANDBOX_H
#define _PVGUESTD_SANDBOX_H

#include "worker.h"

#define NOBODY	65534	/* of those that act in nobody's name */

/* Of a worker, by &operation.keep and &operation.caps; 0 or -errno. */
int sandbox_enter(const struct request *req);
/*
 * Ends this process with the process that has made it, @parent, also where that is gone already;
 * 0 or -errno. A change of the user forgets it.
 */
int end_with(pid_t parent);
/* Of the process that speaks the protocol; see front.h. 0 or -errno. */
int sandbox_front(void);
/*
 * Closes all descriptors but the standard ones and the @n of @keep, which have to be in
 * ascending order; -1 is none.
 */
void sandbox_close(const int *keep, int n);

/*
 * landlock.c: a set of rules with the policy's roots for @req, made by root; -ENOSYS: the
 * kernel has no Landlock, or the worker shall have none; -errno.
 */
int landlock_make(const struct request *req);
/* Enters and closes it; no new privileges have to be set. 0 or -errno. */
int landlock_enter(int ruleset);
/* Says it in the log, once, where the kernel has none. */
void landlock_tell(void);

#endif /* _PVGUESTD_SANDBOX_H */

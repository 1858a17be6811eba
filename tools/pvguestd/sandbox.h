/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a process of the daemon gives up, for good.
 */
#ifndef _PVGUESTD_SANDBOX_H
#define _PVGUESTD_SANDBOX_H

#include "worker.h"

/* Of a worker, by &operation.keep and &operation.caps; 0 or -errno. */
int sandbox_enter(const struct request *req);
/* Of the process that speaks the protocol; see front.h. 0 or -errno. */
int sandbox_front(void);
/*
 * Closes all descriptors but stderr and the @n of @keep, which have to be in ascending order.
 */
void sandbox_close(const int *keep, int n);

#endif /* _PVGUESTD_SANDBOX_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The system calls that are left to a process: seccomp filters, by KEEP_*. They are made once,
 * by a process of its own, so that neither the broker has libseccomp's memory nor a worker
 * spends its time.
 */
#ifndef _PVGUESTD_FILTER_H
#define _PVGUESTD_FILTER_H

#include <linux/types.h>

#define FILTER_FRONT	0x80000000u	/* that of front.c, in place of KEEP_* */

/* Makes those that operation_at() needs, and the front's; 0 or -errno. */
int filters_make(void);
/* The front's alone, by this process itself; 0 or -errno. */
int filter_make_front(void);
/* No new privileges, and this filter, for good; 0 or -errno. */
int filter_enter(__u32 keep);

#endif /* _PVGUESTD_FILTER_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations of PVO_SERVICE_EXEC that begin no job: lists of processes and jobs, and kill.
 * For the table in exec.c.
 */
#ifndef _PVGUESTD_EXEC_LIST_H
#define _PVGUESTD_EXEC_LIST_H

#include "worker.h"

/* exec_jobs.c: the jobs of the principal, from the notes that their workers left */
void jobs_run(struct request *req);
/* ps.c: reads names of users while it may */
__u32 ps_prepare(struct request *req);
void ps_run(struct request *req);
void kill_run(struct request *req);

#endif /* _PVGUESTD_EXEC_LIST_H */

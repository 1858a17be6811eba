/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How many lines the audit log takes: buckets of tokens, one for each principal that was heard
 * of lately and one for all together, each with one share for denials and one for the rest.
 */
#ifndef _PVGUESTD_AUDIT_LIMIT_H
#define _PVGUESTD_AUDIT_LIMIT_H

#include <stdbool.h>

#define AUDIT_PRINCIPALS	16	/* what comes beyond shares one bucket */
#define AUDIT_BURST		500	/* lines at once, of a share */
#define AUDIT_SECOND		5	/* and then a second: 200 MB a day at most, of all */
#define AUDIT_ALL		4	/* so many principals may do that at once */
#define AUDIT_WORKER		16	/* lines of a worker, of a share */

/* Tells what was left out since it was last told. */
typedef void left_out_fn(const char *principal, unsigned int denials, unsigned int others);

/* May a line be written? @tell is called before the first that may be after some. */
bool audit_limit(const char *principal, bool denial, left_out_fn *tell);
/* See audit_worker() and audit_flush(). */
void audit_limit_worker(const char *principal);
int audit_limit_flush(left_out_fn *tell);

#endif /* _PVGUESTD_AUDIT_LIMIT_H */

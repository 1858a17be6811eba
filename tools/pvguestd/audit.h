/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The audit log: a line for each decision about the host's requests, with fields PVGUEST_* in
 * the journal (over its native protocol), or on stderr where there is no journal.
 *
 * Who writes what: the broker AUDIT_DENY and AUDIT_ERROR for what it refuses, AUDIT_ALLOW for
 * verbs that the policy decides by their name alone, and AUDIT_END for each worker. The process
 * that asks policy_command(), policy_path(), policy_target() or policy_key() writes their
 * verdict, with the arguments that it is about: audit_verdict(). A verb that walks a tree
 * writes the verdict about its top and each that denies.
 *
 * What the host causes must not fill a disk: of each principal, and of all of them together,
 * so many lines are written at once and then so many a second; the next one that is written
 * comes behind a line that says how many were left out. Denials have a share of their own.
 */
#ifndef _PVGUESTD_AUDIT_H
#define _PVGUESTD_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

struct policy;
struct request;
struct verdict;

#define AUDIT_JOURNAL	"/run/systemd/journal/socket"

enum audit_event {
	AUDIT_ALLOW,
	AUDIT_DENY,
	AUDIT_ERROR,	/* it was not understood, or a limit is reached */
	AUDIT_END,	/* the worker has ended */
	AUDIT_NR
};

/**
 * struct audit_line - what is told
 * @event: of what kind
 * @principal: on whose behalf the host asked
 * @verb: of the policy
 * @user: in whose name; empty: not known yet
 * @job: 0: none
 * @why: rule or limit; NULL: nothing to say
 * @args: what was asked for: a path, target or key, or the strings of argv with their zeros;
 *	NULL: nothing. Their digest is told (SHA-256; XXH3 where the kernel has no AF_ALG),
 *	and as much of them as has room
 * @args_len: bytes of @args
 * @status: of END: enum pvc_status of the answer
 * @duration_ms: of END
 */
struct audit_line {
	enum audit_event event;
	const char *principal;
	const char *verb;
	const char *user;
	__u64 job;
	const char *why;
	const void *args;
	size_t args_len;
	__u32 status;
	__u32 duration_ms;
};

/*
 * Opens what audit() needs, in the broker when it starts and in each worker while it is root;
 * afterwards audit() does nothing but read() and write(). @journal: AUDIT_JOURNAL, or the
 * socket of a test. @digest: lines will have arguments.
 */
void audit_open(const char *journal, bool digest);
/* In a worker: it may write few lines, and none if its principal had none left. */
void audit_worker(const char *principal);
void audit(const struct audit_line *line);
/*
 * Says what was left out, as far as that may be written already. Milliseconds until it is to
 * be called again; -1: there is nothing to say.
 */
int audit_flush(void);

/* In a worker, a verdict about the request's arguments; see &audit_line.args. */
void audit_verdict(const struct request *req, const struct verdict *verdict, const void *args,
		   size_t args_len);

/* Does the broker write AUDIT_ALLOW for it? Not if a worker writes about its arguments. */
bool audit_by_verb(const char *verb);

#endif /* _PVGUESTD_AUDIT_H */

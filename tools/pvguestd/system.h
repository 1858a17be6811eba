/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * SYSTEM: what needs root. Two processes deal with a request: the worker, which has no
 * privileges, parses the host's record and encodes records for it; and the doer, root, which
 * prepare() forked, gets a fixed structure from the worker, checks it again, and acts.
 */
#ifndef _PVGUESTD_SYSTEM_H
#define _PVGUESTD_SYSTEM_H

#include <stdbool.h>

#include "worker.h"
#include "system.pb.h"

#define GRACE_MAX_S		3600u
#define HOOK_TIMEOUT_S		30u
#define HOOK_TIMEOUT_MAX_S	300u
#define ONLINE_COUNT_MAX	4096u

/**
 * struct system_order - from the worker to the doer
 * @op: enum pvo_system_op; what follows is for one or the other
 * @grace_s: see PowerRequest, as are the next ones
 * @hook_timeout_s: 1 to HOOK_TIMEOUT_MAX_S
 * @dry_run: 0 or 1
 * @mode: SuspendMode
 * @action: OnlineAction
 * @kind: OnlineKind
 * @first: see OnlineRequest
 * @count: see OnlineRequest
 * @minimum: see TrimRequest
 * @text: @text_len bytes: message, or target
 */
struct system_order {
	__u32 op;
	__u32 grace_s;
	__u32 hook_timeout_s;
	__u32 dry_run;
	__u32 mode;
	__u32 action;
	__u32 kind;
	__u32 first;
	__u32 count;
	__u32 text_len;
	__u64 minimum;
	char text[1024];
};

enum system_note {
	NOTE_RECORD = 1,	/* doer to worker: a record for the host */
	NOTE_DONE,		/* the answer; nothing follows */
	NOTE_TOLD,		/* worker to doer: the host has been sent PHASE_GOING */
	NOTE_CANCEL,		/* the host has cancelled the request */
};

/* What the doer says. */
struct system_report {
	__u32 note;
	__u32 status;		/* DONE: enum pvc_status */
	__u32 failed;
	__u64 slept_ms;
	union {
		pvo_SystemRecord record;
		char text[REQUEST_TEXT_MAX];	/* DONE */
	};
};

/* The doer: @fd is its socket to the worker. */
struct doer {
	int fd;
	bool alone;		/* there is no worker any more */
	bool cancelled;
	__u32 failed;		/* records that said so */
};

/*
 * system_order.c: makes an order of the record of @req; false: it was refused. For the worker.
 */
bool order_parse(struct request *req, struct system_order *order);
/* For the doer, of an order from whomever: are all fields that its @op has in range? */
bool order_is_valid(const struct system_order *order);

/* system_do.c: the doer's process; does not return. @op: the only one that it takes. */
void doer_main(int fd, __u32 op) __attribute__((noreturn));
/* Reports @rec; a worker that is gone is no error. */
void doer_report(struct doer *d, const pvo_SystemRecord *rec);
/* The end of the request. */
void doer_done(struct doer *d, __u32 status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/*
 * Waits @ms for a note of the worker; the note, or 0: none came. Sets @cancelled, @alone.
 */
__u32 doer_wait(struct doer *d, __u32 ms);
/* Tells the host that the system is about to go, and waits until that has been sent. */
void doer_going(struct doer *d);
/* Is a file system frozen under a lease? Then the request was answered. */
bool doer_frozen(struct doer *d, const char *verb);

/* system_run.c: a program of the system, as root; what it prints ends up in @tail. */
struct run {
	const char *path;
	char *const *argv;
	const char *input;	/* NULL: none */
	__u32 timeout_ms;
	int status;		/* as of waitpid() */
	bool timed_out;		/* it was killed, and all of its process group */
	__u32 ms;
	size_t tail_len;
	char tail[256];
};

/* 0 or -errno: it was not run. */
int run_program(struct run *run);

/* Each deals with one order, to the end. */
void power_do(struct doer *d, const struct system_order *order);
void suspend_do(struct doer *d, const struct system_order *order);
void trim_do(struct doer *d, const struct system_order *order);
void online_do(struct doer *d, const struct system_order *order);

/* system_hooks.c: all of /etc/pvguest/hooks.d/shutdown.d, each reported. */
void hooks_run(struct doer *d, const char *action, __u32 timeout_s, bool dry_run);

extern const struct operation system_operations[];	/* ends with an empty one */

#endif /* _PVGUESTD_SYSTEM_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon of stream.c: a child process that provides SERVICE, and its workers.
 */
#ifndef _SELFTESTS_CONTROL_PROVIDER_H
#define _SELFTESTS_CONTROL_PROVIDER_H

#include "peer.h"

#define MANY	256		/* streams to daemons at a time, PVS_DAEMON */

/* What the daemon does upon a request. */
enum op {
	OP_REVERSE = 1,		/* answers its arguments backwards */
	OP_ECHO,		/* data comes back; its length is the answer */
	OP_SOURCE,		/* sends as much data as the arguments say */
	OP_KEEP,		/* does not answer, keeps the stream */
	OP_DIE,
	OP_LAST,		/* what became of the stream that was kept last */
	OP_DEAF,		/* does not read until it is woken up, then as ECHO */
	OP_BYE,			/* answers and is gone */
	OP_WORKER,		/* as ECHO, by a process that inherits nothing else */
	OP_PASS,		/* as ECHO, by a process that got the descriptor sent */
	OP_NAME,		/* answers with the principal */
	OP_ANSWER_ALL,		/* answers all that were kept, with OK */
	OP_OPEN_FILES,		/* how many descriptors the daemon has */
	OP_PAIR,		/* two processes read at once; see struct pair */
};

/* Answer of OP_PAIR: what both read together, and whether each read something. */
struct pair {
	__u32 bytes;
	__u32 sum;		/* of all bytes */
	__u32 readers;
};

/* What the daemon has seen, as it counts, and what it waits for. */
struct shared {
	struct pair pair;
	atomic_uint opened;	/* requests */
	atomic_bool awake;	/* OP_DEAF goes on */
};

extern struct shared *shared;

int accept_into(int fd, struct pvg_control_accept *req, void *args, __u32 room,
		__u32 flags);
int reply(int fd, __u32 status, const void *body, __u32 len);
/* The same, when something else is about to be sent. */
int reply_more(int fd, __u32 status, const void *body, __u32 len);
struct pvg_stream_status status_of(int fd);
int bind_service(int fd, __u16 service, __u8 lowest, __u8 highest);
bool share(void);
pid_t start_daemon(void);

#endif /* _SELFTESTS_CONTROL_PROVIDER_H */

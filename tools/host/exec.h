/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program in the guest, and the three streams of pvhost. exec.c has the options, exec_run.c
 * what goes on between the begin and the end, exec_stdio.c the data.
 */
#ifndef _TOOLS_HOST_EXEC_H
#define _TOOLS_HOST_EXEC_H

#include <event2/event.h>

#include "client.h"
#include "terminal.h"
#include "generated/exec.pb.h"

/* Exit statuses of exec, shell and attach that are not the program's. */
enum exec_exit {
	EXIT_TIMED_OUT = 124,	/* --timeout */
	EXIT_OWN = 125,		/* pvhost, the connection or the guest's daemon */
	EXIT_CANNOT = 126,	/* the program may not be executed, or cannot */
	EXIT_NO_PROGRAM = 127,	/* there is none of this name */
	EXIT_SIGNAL = 128,	/* and the number of the signal that killed it */
};

struct run;

/**
 * struct sink - stdout or stderr of pvhost
 * @fd: of it
 * @ready: says when there is room again; NULL: nothing is waited for
 * @channel: where its data comes from; NULL: none, or it is over
 * @got: bytes that came, of all that the program wrote
 * @broken: nothing reads it any more
 */
struct sink {
	struct run *run;
	int fd;
	struct event *ready;
	struct channel *channel;
	__u64 got;
	bool broken;
};

#define STDIN_KEPT	(512u * 1024)	/* bytes for a guest whose session was lost */

/**
 * struct source - stdin of pvhost
 * @ready: says when there is data; NULL: it is not read
 * @always: a file, which is ready at any time
 * @used: it is read at all
 * @eof: it has ended
 * @eof_sent: and the guest was told
 * @kept: the last STDIN_KEPT bytes of it, a ring
 * @read: bytes that were read
 * @sent: bytes of these that the channel has taken
 */
struct source {
	struct event *ready;
	bool always;
	bool used;
	bool eof;
	bool eof_sent;
	char *kept;
	__u64 read;
	__u64 sent;
};

/**
 * struct run - a program in the guest, from here
 * @client: where it is
 * @verb: "exec", "shell" or "attach", for messages
 * @what: its name, for messages
 * @user: in whose name
 * @job: its number
 * @key: of the request to begin it; 0: it has begun
 * @record: of that request, @record_len bytes
 * @record_len: see @record
 * @tty: it has a terminal, and so have we
 * @separate: stderr has a stream of its own
 * @attach: with ATTACH, rather than RUN
 * @replay: ATTACH begins with the oldest that the guest still has
 * @in: stdin
 * @out: stdout and stderr
 * @escapes: keys of pvhost itself
 * @head: the beginning of what ATTACH sends, until it is whole; @head_len bytes
 * @head_len: see @head
 * @head_due: ATTACH's first data has not come
 * @boot_id: of the guest in which the program was begun
 * @lost: the session was lost
 * @finished: there is a @status for the program
 * @detached: we go, it stays
 * @cancelled: it was given up: pvhost ends with @exit
 * @exit: see @cancelled
 * @interrupts: that came since @interrupt_at, ms
 * @status: of the answer
 * @body: of the answer, @body_len bytes
 */
struct run {
	struct client *client;
	const char *verb;
	const char *what;
	const char *user;
	__u64 job;
	__u64 key;
	const void *record;
	size_t record_len;
	bool tty;
	bool separate;
	bool attach;
	bool replay;
	struct source in;
	struct sink out[2];
	struct escapes escapes;
	__u8 head[128];
	size_t head_len;
	bool head_due;
	__u8 boot_id[16];
	bool lost;
	bool finished;
	bool detached;
	bool cancelled;
	int exit;
	unsigned int interrupts;
	__u64 interrupt_at;
	__u32 status, flags;
	size_t body_len;
	__u8 body[LINK_BODY];
};

/*
 * exec_run.c: runs it to its end, over as many sessions as it takes; the exit status of pvhost.
 * A program that was detached is DONE.
 */
int run_program(struct run *run);
/* Gives the program up; pvhost ends with @exit. */
void run_cancel(struct run *run, int exit);
/* Leaves the program, which goes on. */
void run_detach(struct run *run);

/* exec_stdio.c */

void stdio_begin(struct run *run);
void stdio_end(struct run *run);
/* Sends what there is of stdin, as far as there is room. */
void stdio_pump(struct run *run);
/* The guest has taken @at bytes of stdin; false: what follows was not kept. */
bool stdio_rewind(struct run *run, __u64 at);
/* Data for a sink; how much of it was written. */
size_t stdio_write(struct sink *sink, const void *buf, size_t len);

#endif /* _TOOLS_HOST_EXEC_H */

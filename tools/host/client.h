/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams to a guest, for the verbs of pvhost: several at a time over one link, with flow
 * control, beside other descriptors, timers and signals of the verb, all in one libevent loop.
 *
 * A verb is a function verb_x(struct client *, int argc, char **argv) that parses its own
 * arguments with getopt_long(), opens streams, and runs the loop until it has what it wants.
 */
#ifndef _TOOLS_HOST_CLIENT_H
#define _TOOLS_HOST_CLIENT_H

#include <event2/event.h>

#include "link.h"
#include "../../include/uapi/pvguest/operations.h"

struct client;
struct channel;

/**
 * struct channel_ops - what happens to a stream; each may be NULL
 * @data: bytes came; returns how many were taken at once, the rest is given again after
 *	channel_resume(). NULL: all are dropped
 * @eof: the guest's data has ended
 * @writable: there is room again after channel_write() took less than it was given
 * @done: the last that is heard of it: the answer's status, flags and body, or PVC_LOST
 *	when the session ended. The channel is freed when this returns
 */
struct channel_ops {
	size_t (*data)(struct channel *ch, const void *buf, size_t len);
	void (*eof)(struct channel *ch);
	void (*writable)(struct channel *ch);
	void (*done)(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len);
};

/**
 * struct channel_request - a stream to open
 * @service: enum pvo_service
 * @op: of it
 * @user: in whose name; NULL: the guest's default
 * @job: see struct pvo_header
 * @record: the operation's record
 * @record_len: its length, at most PVO_ARGS_MAX; what is longer than a frame continues as data
 * @bulk: it gives way to others
 * @nodata: no data will be written
 * @key: see struct pvc_open; 0: none
 * @deadline_ms: 0: none
 * @priv: the verb's, see channel_priv()
 */
struct channel_request {
	__u16 service;
	__u16 op;
	const char *user;
	__u64 job;
	const void *record;
	size_t record_len;
	bool bulk;
	bool nodata;
	__u64 key;
	__u32 deadline_ms;
	void *priv;
};

/* NULL: no room for a stream, or there is no session. The record is copied. */
struct channel *channel_open(struct client *c, const struct channel_request *req,
			     const struct channel_ops *ops);
void *channel_priv(const struct channel *ch);
struct client *channel_client(const struct channel *ch);
/* How many bytes were taken, 0 to @len; @writable follows when less. */
size_t channel_write(struct channel *ch, const void *buf, size_t len);
void channel_eof(struct channel *ch);
/* Offer again what data() did not take. */
void channel_resume(struct channel *ch);
/* Gives it up; done() is not called. */
void channel_reset(struct channel *ch, __u32 status);

/* Waits for a session; DONE or why there is none. */
enum outcome client_session(struct client *c);
/* The verb's own events belong to this base. */
struct event_base *client_base(struct client *c);
/* Runs until client_stop(), or the link is lost for good: its outcome. */
enum outcome client_run(struct client *c);
void client_stop(struct client *c, enum outcome outcome);
/* The guest was booted again since @boot_id was copied from client_boot_id()? */
const __u8 *client_boot_id(const struct client *c);
__u64 client_random(struct client *c);
bool client_json(const struct client *c);
/* The link itself, for the services of the kernel (link_call()). */
struct link *client_link(struct client *c);

/*
 * A request without data of its own, from begin to end: opens, runs the loop, collects the data
 * that comes (at most @max bytes, NULL: none is expected) and the answer. DONE with
 * @answer->status, or why there is none.
 */
struct reply {
	__u32 status;
	__u32 flags;
	size_t len;
	__u8 body[LINK_BODY];
	size_t data_len;
	__u8 *data;	/* malloc()ed */
};
enum outcome client_call(struct client *c, const struct channel_request *req, size_t max,
			 struct reply *reply);
/*
 * What to print for a status that is not PVC_OK: "pvhost: VERB WHAT: denied: TEXT", where the
 * text is the guest's, made safe for a terminal. Returns FAILED.
 */
enum outcome client_refused(const char *verb, const char *what, __u32 status, const void *text,
			    size_t len);
/* @text of the guest for a terminal: control characters as \xNN. Static buffer. */
const char *client_printable(const void *text, size_t len);

/**
 * struct command - a verb
 * @name: as it is typed
 * @usage: its arguments, such as "[-u USER] -- COMMAND [ARGUMENT...]"
 * @help: one line
 * @run: @argv[0] is the verb; the exit status of pvhost, enum outcome where nothing better
 *	is known
 */
struct command {
	const char *name;
	const char *usage;
	const char *help;
	int (*run)(struct client *c, int argc, char **argv);
};

#endif /* _TOOLS_HOST_CLIENT_H */

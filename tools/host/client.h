/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Streams to a guest, for the verbs of pvhost: several at a time over one link, with flow
 * control, beside other descriptors, timers and signals of the verb, all in one libevent loop.
 *
 * A verb is a function (struct command) that parses its own
 * arguments with getopt_long(), opens streams, and runs the loop until it has what it wants.
 */
#ifndef _TOOLS_HOST_CLIENT_H
#define _TOOLS_HOST_CLIENT_H

#include "link.h"
#include "../../include/uapi/pvguest/operations.h"

struct client;
struct channel;

/**
 * struct channel_ops - what happens to a stream; each may be NULL
 * @data: bytes came; returns how many were taken at once, the rest is given again after
 *	channel_resume(). NULL: all are dropped
 * @eof: the guest's data has ended in order: by itself, or with an answer that is PVC_OK
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

/*
 * NULL: no room for a stream, or there is no session. The record is copied. From within the
 * callbacks of channels and of events streams may be opened, written and reset, but nothing
 * may be waited for: no client_run(), client_session(), client_call(), link_call().
 */
struct channel *channel_open(struct client *c, const struct channel_request *req,
			     const struct channel_ops *ops);
/* The same, to ask what became of the request with this key; see client_ask(). */
struct channel *channel_query(struct client *c, const struct channel_request *req,
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

/*
 * Waits for a session, at most for the time of --timeout, and connects to the socket if that
 * was not done yet or the other end has closed it. DONE or why there is none, which main()
 * prints. A verb calls it first, and again when a channel's status was PVC_LOST and it goes on.
 */
enum outcome client_session(struct client *c);
/* The verb's own events belong to this base. */
struct event_base *client_base(struct client *c);
/*
 * Runs until client_stop(), or the socket is closed and all channels are done: its outcome.
 * A lost session is told to each channel, done() with PVC_LOST, and does not end it.
 */
enum outcome client_run(struct client *c);
void client_stop(struct client *c, enum outcome outcome);
/*
 * Of the guest of the present or last session, 16 bytes; they differ when it was booted, or
 * its daemon started, since.
 */
const __u8 *client_boot_id(const struct client *c);
/* A key or the number of a job; never 0. */
__u64 client_random(struct client *c);
/* --json was given before the verb, or a verb that takes it itself has called client_set_json() */
bool client_json(const struct client *c);
void client_set_json(struct client *c);
/* What --timeout said, ms; 0 if it was not given: then requests have no limit. */
__u32 client_timeout(const struct client *c);
bool client_timeout_given(const struct client *c);
/* The link itself, for the services of the kernel (link_call()). */
struct link *client_link(struct client *c);

/*
 * A request without data of its own, from begin to end: waits for a session, opens, runs the
 * loop, collects the data that comes (at most @max bytes; more is FAILED) and the answer. DONE
 * with @reply->status, or why there is none. @reply->data is the caller's to free, whatever is
 * returned. If the session is lost meanwhile it asks the guest by @req->key what became of the
 * request, and repeats it if it was not begun; a request without a key must be one that may
 * be carried out twice.
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
 * The session was lost under @req, which had a key: waits for the next one and asks what became
 * of it. @boot_id: a copy of client_boot_id() from when it was opened. DONE with
 * @reply->status:
 *   PVC_NOT_FOUND    it was not begun; open it again, with the same key
 *   PVC_IN_PROGRESS  it goes on
 *   PVC_FORGOTTEN    the guest does not know, or was booted since; not to be repeated blindly
 *   PVC_ABORTED      begun, and ended with the session
 *   another          its answer (PVC_RESULT_REPLAYED in @reply->flags)
 */
enum outcome client_ask(struct client *c, const struct channel_request *req,
			const __u8 *boot_id, struct reply *reply);
/*
 * What to print for a status that is not PVC_OK: "pvhost: VERB WHAT: denied: TEXT", where the
 * text is the guest's, made safe for a terminal. Returns FAILED.
 */
enum outcome client_refused(const char *verb, const char *what, __u32 status, const void *text,
			    size_t len);
/*
 * @text of the guest for a terminal: control characters and what is not UTF-8 as \xNN. Static
 * buffer: the next call overwrites it; 4096 bytes of text at least fit.
 */
const char *client_printable(const void *text, size_t len);

/**
 * struct command - a verb
 * @name: as it is typed
 * @usage: its arguments, such as "[-u USER] -- COMMAND [ARGUMENT...]"
 * @help: one line
 * @run: @argv[0] is the verb, optind is 0; the exit status of pvhost, enum outcome where
 *	nothing better is known. The socket is not connected yet: see client_session()
 * @options: lines for --help about its options; NULL: none
 *
 * "pvhost VERB --help" is dealt with by main(), which prints usage, help and options.
 */
struct command {
	const char *name;
	const char *usage;
	const char *help;
	int (*run)(struct client *c, int argc, char **argv);
	const char *options;
};

/* For main() alone. @timeout_ms: for sessions to begin; @given_timeout: the user said so. */
struct client *client_new(const char *path, __u32 timeout_ms, bool given_timeout, bool json);
void client_free(struct client *c);

#endif /* _TOOLS_HOST_CLIENT_H */

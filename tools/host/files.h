/* SPDX-License-Identifier: GPL-2.0-only */
/* The verbs that are about files in the guest: what they share. */
#ifndef _TOOLS_HOST_FILES_H
#define _TOOLS_HOST_FILES_H

#include <cjson/cJSON.h>

#include "client.h"
#include "transfer/name.h"
#include "transfer/record.h"

/* files.c */

/* Sets @bytes and @size, a field of a record, to a path in the guest; or exits. */
void guest_path(const char *verb, const char *text, __u8 *bytes, pb_size_t *size);
/* Does the shell's user mean a pattern? */
bool is_pattern(const char *text);
/* Encodes @message into @buf of PVO_ARGS_MAX bytes; its length. Exits if it does not fit. */
size_t encode_record(const pb_msgdesc_t *fields, const void *message, __u8 *buf);
/* Prints a text of the guest, or ours, about one entry. */
void complain(const char *verb, const char *text);
/* The body of an answer that is PVC_OK. */
void decode_summary(const void *body, size_t len, pvo_file_summary *summary);
/* One line of JSON; frees it. */
void print_json(cJSON *object);
_Noreturn void usage(const char *verb, const char *text);
/* "1.5 MiB", static buffer */
const char *human_size(double bytes);

/**
 * struct file_reader - reads records from a channel
 * @taken: each record; false: that is enough, something is wrong
 */
struct file_reader {
	struct record_reader reader;
	const pb_msgdesc_t *fields;
	void *message;
	bool (*taken)(void *priv);
	void *priv;
	bool bad;
};

size_t file_reader_data(struct file_reader *r, const void *buf, size_t len);

/*
 * A request whose data out is records and which may be repeated; DONE with @status, and
 * @summary if that is PVC_OK. What is refused was printed.
 */
enum outcome file_call(struct client *c, const struct channel_request *req, const char *verb,
		       struct file_reader *reader, void (*again)(void *priv),
		       pvo_file_summary *summary, __u32 *status);

/* progress.c: how far it is, on a terminal */
struct progress;
void progress_begin(bool quiet);
void progress_total(__u64 total);
void progress_add(const char *name, __u64 bytes);
/* The line goes, since something else is to be printed. */
void progress_clear(void);
/* Seconds since progress_begin(). */
double progress_end(void);

/* copy.c */
struct copy_options {
	const char *verb;
	const char *user;
	__u32 flags;		/* PVO_FILE_* */
	bool resume;
	bool quiet;
	bool literal;
	bool owner;
};

/* The end of a verb: the summary, and the exit status. */
int copy_report(struct client *c, const struct copy_options *opt,
		const pvo_file_summary *summary, double seconds);
/* The umask of our user; that of the process is 0 from then on, as a receiver wants it. */
mode_t copy_umask(void);
/* After a session was lost: may it be tried again? @moved: something came over since. */
bool copy_again(unsigned int *attempts, bool moved);

/* copy_put.c */
struct sender;
struct source;

/**
 * struct put - files that go to the guest
 * @opt: see there
 * @target: path in the guest
 * @next: the next source, see struct sender_ops; it is asked from the first one on again
 *	after @again, when the session was lost
 * @again: see @next
 * @priv: for them
 * @id: of 16 bytes if it can be resumed, or NULL
 * @summary: out: the guest's
 */
struct put {
	struct client *c;
	const struct copy_options *opt;
	const char *target;
	int (*next)(struct sender *s, struct source *source);
	void (*again)(struct put *put);
	void *priv;
	const __u8 *id;
	pvo_file_summary summary;
};

enum outcome put_run(struct put *put);
/* For the sources of @put. */
struct put *put_of(struct sender *s);
int verb_put(struct client *c, int argc, char **argv);

/* copy_get.c */

/**
 * struct get - files that come from the guest
 * @opt: see there
 * @msg: the request, whose paths are set
 * @base: descriptor of the directory that they go to
 * @base_path: its name, for messages
 * @top: the name that takes the place of the first component; "": none does
 * @allowed: may there be such a name in the transfer? What the guest sends must have been
 *	asked for
 * @wanted: with PVO_FILE_LISTED: the names, in turn, NULL at the end
 * @id: of 16 bytes if it can be resumed, or NULL
 * @summary: out: what was received
 */
struct get {
	struct client *c;
	const struct copy_options *opt;
	pvo_file_get *msg;
	int base;
	const char *base_path;
	const char *top;
	bool (*allowed)(struct get *get, const char *name);
	const char *(*wanted)(struct get *get, bool again);
	void *priv;
	const __u8 *id;
	pvo_file_summary summary;
};

enum outcome get_run(struct get *get);
int verb_get(struct client *c, int argc, char **argv);

/* files_list.c */
int verb_ls(struct client *c, int argc, char **argv);
int verb_stat(struct client *c, int argc, char **argv);

/* sync.c */
int verb_sync(struct client *c, int argc, char **argv);

extern const struct command file_commands[];

#endif /* _TOOLS_HOST_FILES_H */

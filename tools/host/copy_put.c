// SPDX-License-Identifier: GPL-2.0-only
/* put: files go to the guest, over sessions that may be lost. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "files.h"
#include "transfer/send.h"

#define RESUMABLE	1048576	/* bytes of a file from which on it is worth it */
#define ASK_MS		100
#define ASKED_MAX	100	/* times, about 10 s */

/* One attempt, over one session. */
struct attempt {
	struct put *put;
	struct channel *ch;
	struct sender *sender;
	struct file_reader reader;
	pvo_file_record rec;
	bool begun;		/* what the guest has already is known */
	bool ended;
	bool moved;		/* something went over */
	__u32 exact;		/* flags of the next one; 0: where it goes is not known */
	size_t have, at;
	__u32 status;
	size_t len;
	__u8 body[LINK_BODY];
	char done[NAME_SIZE];	/* all up to this is in place; kept for the next one */
	__u8 buf[3 * SENDER_ROOM];
};

static void give_up(struct attempt *a, const char *text)
{
	complain(a->put->opt->verb, text);
	channel_reset(a->ch, PVC_CANCELLED);
	client_stop(a->put->c, FAILED);
}

/* As much as the channel takes. */
static void pump(struct channel *ch)
{
	struct attempt *a = channel_priv(ch);

	while (a->begun && !a->ended) {
		size_t n;

		if (a->at == a->have) {
			ssize_t len = sender_fill(a->sender, a->buf, sizeof(a->buf));

			if (len < 0) {
				give_up(a, a->sender->trouble.text);
				return;
			}
			if (!len) {
				a->ended = true;
				channel_eof(ch);
				return;
			}
			a->have = len;
			a->at = 0;
		}
		n = channel_write(ch, a->buf + a->at, a->have - a->at);
		a->at += n;
		if (a->at < a->have)
			return;
	}
}

static bool take_reply(void *priv)
{
	struct attempt *a = priv;
	const pvo_file_record *rec = &a->rec;

	switch (rec->kind) {
	case PVO_FILE_RESUME:
		if (a->begun)
			return false;
		/* The next session finds there what this one has made. */
		a->exact = rec->name.size ? PVO_FILE_EXACT : PVO_FILE_INTO;
		if (rec->offset && rec->xxh3.size == DIGEST_XXH3) {
			a->sender->offset = rec->offset;
			memcpy(a->sender->prefix, rec->xxh3.bytes, DIGEST_XXH3);
		}
		a->begun = true;
		pump(a->ch);
		return true;
	case PVO_FILE_ERROR:
		complain(a->put->opt->verb, rec->text);
		return true;
	case PVO_FILE_DONE:
		if (!name_valid(rec->name.bytes, rec->name.size))
			return false;
		memcpy(a->done, rec->name.bytes, rec->name.size);
		a->done[rec->name.size] = 0;
		a->moved = true;
		return true;
	default:
		return false;
	}
}

static size_t on_data(struct channel *ch, const void *buf, size_t len)
{
	struct attempt *a = channel_priv(ch);

	file_reader_data(&a->reader, buf, len);
	if (a->reader.bad)
		give_up(a, "the guest's records are not understood");
	return len;
}

static void on_done(struct channel *ch, __u32 status, __u32 flags, const void *body, size_t len)
{
	struct attempt *a = channel_priv(ch);

	(void)flags;
	a->status = status;
	a->len = len < sizeof(a->body) ? len : sizeof(a->body);
	memcpy(a->body, body, a->len);
	client_stop(channel_client(ch), DONE);
}

static const struct channel_ops put_ops = {
	.data = on_data,
	.writable = pump,
	.done = on_done,
};

static void on_sent(struct sender *s, const char *name, __u64 bytes)
{
	struct attempt *a = s->priv;

	a->moved = a->moved || bytes;
	progress_add(name, bytes);
}

struct put *put_of(struct sender *s)
{
	struct attempt *a = s->priv;

	return a->put;
}

static int on_next(struct sender *s, struct source *source)
{
	return put_of(s)->next(s, source);
}

static const struct sender_ops sender_ops = {
	.next = on_next,
	.sent = on_sent,
};

static void wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_stop(arg, DONE);
}

static void pause_ms(struct client *c, __u32 ms)
{
	struct timeval tv = { .tv_usec = ms * 1000 };
	struct event *ev = evtimer_new(client_base(c), wake, c);

	if (ev && !evtimer_add(ev, &tv))
		client_run(c);
	if (ev)
		event_free(ev);
}

/*
 * The session was lost: was it done all the same? DONE, FAILED (printed) or why it is not known;
 * NO_ANSWER: it was not, and may be tried again.
 */
static enum outcome ask(struct attempt *a, const struct channel_request *req,
			const __u8 *boot_id)
{
	static struct reply reply;
	enum outcome out;
	unsigned int i;

	for (i = 0; i < ASKED_MAX; i++) {
		free(reply.data);
		memset(&reply, 0, sizeof(reply));
		out = client_ask(a->put->c, req, boot_id, &reply);
		if (out != DONE)
			return out;
		if (reply.status != PVC_IN_PROGRESS)
			break;
		pause_ms(a->put->c, ASK_MS);
	}
	if (reply.status != PVC_OK)
		return NO_ANSWER;
	decode_summary(reply.body, reply.len, &a->put->summary);
	return DONE;
}

static bool prepare(struct attempt *a)
{
	struct put *put = a->put;

	sender_free(a->sender);
	a->sender = sender_new(&sender_ops, put->opt->flags, a);
	if (!a->sender) {
		complain(put->opt->verb, strerror(errno));
		return false;
	}
	strcpy(a->sender->after, a->done);
	a->begun = false;
	a->ended = false;
	a->moved = false;
	a->have = 0;
	a->at = 0;
	memset(&a->reader, 0, sizeof(a->reader));
	a->reader.fields = pvo_file_record_fields;
	a->reader.message = &a->rec;
	a->reader.taken = take_reply;
	a->reader.priv = a;
	return true;
}

static void make_request(const struct attempt *a, struct channel_request *req)
{
	static pvo_file_put msg;
	static __u8 record[PVO_ARGS_MAX];
	const struct put *put = a->put;

	memset(&msg, 0, sizeof(msg));
	guest_path(put->opt->verb, put->target, msg.path.bytes, &msg.path.size);
	msg.flags = put->opt->flags & ~PVO_FILE_RECURSIVE;
	if (!(msg.flags & PVO_FILE_CONTENTS))
		msg.flags |= a->exact;
	if (put->id) {
		memcpy(msg.id.bytes, put->id, 16);
		msg.id.size = 16;
	}
	req->record = record;
	req->record_len = encode_record(pvo_file_put_fields, &msg, record);
}

/* Over one session; DONE: a->status says more. */
static enum outcome attempt_once(struct attempt *a, const struct channel_request *req)
{
	struct client *c = a->put->c;

	if (!prepare(a))
		return FAILED;
	a->ch = channel_open(c, req, &put_ops);
	if (!a->ch) {
		complain(a->put->opt->verb, "the guest takes no more streams");
		return FAILED;
	}
	pump(a->ch);
	return client_run(c);
}

static enum outcome attempts(struct attempt *a, struct channel_request *req)
{
	struct put *put = a->put;
	unsigned int failures = 0;
	__u8 boot_id[16], was[16] = { 0 };
	enum outcome out;

	for (;;) {
		out = client_session(put->c);
		if (out != DONE)
			return out;
		memcpy(boot_id, client_boot_id(put->c), sizeof(boot_id));
		/* What was put in place last need not have been on the disk when the guest went. */
		if (*a->done && memcmp(boot_id, was, sizeof(was)))
			*a->done = 0;
		memcpy(was, boot_id, sizeof(was));
		req->key = client_random(put->c);
		make_request(a, req);
		out = attempt_once(a, req);
		if (out != DONE && out != NO_CONNECTION)
			return out;
		if (out == DONE && a->status != PVC_LOST)
			return DONE;
		if (!copy_again(&failures, a->moved))
			return NO_CONNECTION;
		out = ask(a, req, boot_id);
		if (out == DONE) {
			a->status = PVC_OK;
			a->len = 0;
			return DONE;
		}
		if (out != NO_ANSWER && out != NO_CONNECTION)
			return out;
		if (put->again)
			put->again(put);
	}
}

enum outcome put_run(struct put *put)
{
	struct channel_request req = {
		.service = PVO_SERVICE_FILE, .op = PVO_FILE_PUT, .user = put->opt->user,
		.bulk = true,
	};
	struct attempt *a = calloc(1, sizeof(*a));
	enum outcome out;

	if (!a)
		return FAILED;
	req.priv = a;
	a->put = put;
	out = attempts(a, &req);
	if (out == DONE && a->status != PVC_OK) {
		progress_clear();
		out = client_refused(put->opt->verb, put->target, a->status, a->body, a->len);
	} else if (out == DONE && a->len) {
		decode_summary(a->body, a->len, &put->summary);
	}
	sender_free(a->sender);
	free(a);
	return out;
}

/* The verb: its sources are on the command line. */
struct arguments {
	char **argv;
	int argc, next;
	int dir;		/* of the last source, or -1 */
};

/* @path as something to send; 0 or -errno */
static int local_source(struct arguments *args, const char *path, struct source *source)
{
	char real[PATH_MAX], dir[PATH_MAX], copy[PATH_MAX];
	size_t len = strlen(path);
	char *slash;

	if (len >= sizeof(copy))
		return -ENAMETOOLONG;
	if (!realpath(path, real))
		return -errno;
	strcpy(copy, path);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = 0;
	strcpy(dir, real);
	slash = strrchr(dir, '/');
	*slash = 0;
	if (args->dir >= 0)
		close(args->dir);
	args->dir = open(*dir ? dir : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (args->dir < 0)
		return -errno;
	memset(source, 0, sizeof(*source));
	source->dir = args->dir;
	strcpy(source->name, slash + 1);
	if (!strcmp(path_base(copy), "."))	/* its content alone */
		snprintf(source->within, sizeof(source->within), "%s", real);
	else if (strcmp(path_base(copy), "..") && strcmp(copy, "/"))
		snprintf(source->as, sizeof(source->as), "%s", path_base(copy));
	else if (strlen(real) > 1)
		snprintf(source->as, sizeof(source->as), "%s", path_base(real));
	else
		return -EINVAL;
	if (*source->as)
		snprintf(source->within, sizeof(source->within), "%s", dir);
	return 0;
}

static int next_argument(struct sender *s, struct source *source)
{
	struct arguments *args = put_of(s)->priv;
	int err;

	if (args->next == args->argc)
		return 0;
	err = local_source(args, args->argv[args->next], source);
	if (err) {
		snprintf(source->as, sizeof(source->as), "?");
		trouble_errno(&source->trouble, -err, args->argv[args->next]);
		source->kind = PVO_FILE_ERROR;
	}
	args->next++;
	return 1;
}

static void arguments_again(struct put *put)
{
	struct arguments *args = put->priv;

	args->next = 0;
}

static __u64 total;

static int add_size(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)ftw;
	if (type == FTW_F)
		total += st->st_size;
	return 0;
}

/* Complains of what is not there; the sum of sizes, if a person wants to know it. */
static void look_at(const struct arguments *args, bool sum)
{
	struct stat st;
	int i;

	for (i = 0; i < args->argc; i++) {
		if (stat(args->argv[i], &st)) {
			fprintf(stderr, "pvhost: put: %s: %s\n", args->argv[i], strerror(errno));
			exit(FAILED);
		}
		if (sum && nftw(args->argv[i], add_size, 32, FTW_PHYS))
			total = 0;
	}
	progress_total(total);
}

/* A number that is the same when the same command is given again. */
static bool transfer_id(const char *path, const char *target, __u8 *id)
{
	char text[PATH_MAX + NAME_SIZE + 128], real[PATH_MAX];
	XXH128_canonical_t canonical;
	struct stat st;
	int len;

	if (stat(path, &st) || !S_ISREG(st.st_mode) || st.st_size < RESUMABLE ||
	    !realpath(path, real))
		return false;
	len = snprintf(text, sizeof(text), "%s|%s|%llu|%llu|%lld.%09ld|%llu", real, target,
		       (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
		       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		       (unsigned long long)st.st_size);
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(text, len));
	memcpy(id, canonical.digest, 16);
	return true;
}

static bool parse(struct copy_options *opt, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "preserve", no_argument, NULL, 'p' },
		{ "recursive", no_argument, NULL, 'r' },
		{ "no-replace", no_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "user", required_argument, NULL, 'u' },
		{ "sha256", no_argument, NULL, 'S' },
		{ "no-resume", no_argument, NULL, 'R' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "rpnqu:", longopts, NULL)) != -1) {
		switch (c) {
		case 'r':
			opt->flags |= PVO_FILE_RECURSIVE;
			break;
		case 'p':
			opt->flags |= PVO_FILE_PRESERVE;
			break;
		case 'n':
			opt->flags |= PVO_FILE_NO_REPLACE;
			break;
		case 'q':
			opt->quiet = true;
			break;
		case 'u':
			opt->user = optarg;
			break;
		case 'S':
			opt->flags |= PVO_FILE_SHA256;
			break;
		case 'R':
			opt->resume = false;
			break;
		default:
			return false;
		}
	}
	return true;
}

/* LOCAL/. and . */
static bool is_content(const char *path)
{
	const char *base = path_base(path);

	return !strcmp(base, ".");
}

int verb_put(struct client *c, int argc, char **argv)
{
	struct copy_options opt = { .verb = "put", .resume = true };
	struct arguments args = { .dir = -1 };
	struct put put = {
		.c = c, .opt = &opt, .next = next_argument, .again = arguments_again,
		.priv = &args,
	};
	double seconds;
	__u8 id[16];
	int out;

	if (!parse(&opt, argc, argv))
		return USAGE;
	if (argc - optind < 2)
		usage("put", "a file of ours and a path in the guest are needed");
	args.argv = argv + optind;
	args.argc = argc - optind - 1;
	put.target = argv[argc - 1];
	if (args.argc > 1)
		opt.flags |= PVO_FILE_INTO;
	else if (is_content(args.argv[0]))
		opt.flags |= PVO_FILE_CONTENTS;
	progress_begin(opt.quiet);
	look_at(&args, !opt.quiet && isatty(STDERR_FILENO));
	if (opt.resume && args.argc == 1 && transfer_id(args.argv[0], put.target, id))
		put.id = id;
	out = put_run(&put);
	seconds = progress_end();
	if (args.dir >= 0)
		close(args.dir);
	return out == DONE ? copy_report(c, &opt, &put.summary, seconds) : out;
}

// SPDX-License-Identifier: GPL-2.0-only
/* get: files come from the guest, whose names are not believed. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "files.h"
#include "transfer/receive.h"

struct attempt {
	struct get *get;
	struct channel *ch;
	struct receiver *receiver;
	bool failed;		/* the receiver gave up */
	bool moved;
	bool told;		/* a text was printed */
	__u32 status;
	size_t len;
	__u8 body[LINK_BODY];
	char done[NAME_SIZE];	/* all up to this is in place; kept for the next one */
	/* names that are wanted, as records */
	__u8 want[PVO_FILE_RECORD_MAX];
	size_t want_len, want_at;
	bool want_ended;
	pvo_file_record rec;
	pvo_file_summary before;	/* of the attempts before */
};

/* Where @name is not the guest's, its first component is get->top, and what is asked is ours. */
static void on_allow(struct receiver *r, const char *name, struct trouble *trouble)
{
	struct attempt *a = r->priv;

	if (!a->get->allowed || a->get->allowed(a->get, name))
		return;
	trouble_set(trouble, PVC_INVALID, "%s: the guest sent it, and was not asked for it", name);
}

static void on_failed(struct receiver *r, const struct trouble *trouble)
{
	struct attempt *a = r->priv;

	complain(a->get->opt->verb, trouble->text);
}

static void on_file_done(struct receiver *r, const char *name)
{
	struct attempt *a = r->priv;

	strcpy(a->done, name);
	a->moved = true;
}

static void on_received(struct receiver *r, const char *name, __u64 bytes, __u64 size)
{
	struct attempt *a = r->priv;

	a->moved = a->moved || bytes;
	if (a->get->id)
		progress_total(size);
	progress_add(name, bytes);
}

static const struct receiver_ops receiver_ops = {
	.allow = on_allow,
	.failed = on_failed,
	.done = on_file_done,
	.received = on_received,
};

static size_t on_data(struct channel *ch, const void *buf, size_t len)
{
	struct attempt *a = channel_priv(ch);

	if (!a->failed && receiver_input(a->receiver, buf, len)) {
		a->failed = true;
		complain(a->get->opt->verb, a->receiver->trouble.text);
		channel_reset(ch, PVC_CANCELLED);
		client_stop(a->get->c, FAILED);
	}
	return len;
}

/* The next name that is wanted; false: there is no more. */
static bool next_wanted(struct attempt *a)
{
	const char *name = a->get->wanted(a->get, false);
	ssize_t len;

	if (!name)
		return false;
	record_begin(&a->rec, PVO_FILE_WANT);
	record_name(&a->rec, name);
	len = record_write(a->want, sizeof(a->want), pvo_file_record_fields, &a->rec);
	a->want_len = len < 0 ? 0 : len;
	a->want_at = 0;
	return true;
}

static void on_writable(struct channel *ch)
{
	struct attempt *a = channel_priv(ch);

	while (a->get->wanted && !a->want_ended) {
		if (a->want_at == a->want_len && !next_wanted(a)) {
			a->want_ended = true;
			channel_eof(ch);
			return;
		}
		a->want_at += channel_write(ch, a->want + a->want_at, a->want_len - a->want_at);
		if (a->want_at < a->want_len)
			return;
	}
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

static const struct channel_ops get_ops = {
	.data = on_data,
	.writable = on_writable,
	.done = on_done,
};

/* Receivers of this host set owners only if they are told to: guests choose the mode bits. */
static bool prepare(struct attempt *a)
{
	struct get *get = a->get;
	struct receiver *r;
	__u64 offset = 0;

	r = receiver_new(&receiver_ops, get->opt->flags, get->base, a);
	if (!r) {
		complain(get->opt->verb, strerror(errno));
		return false;
	}
	a->receiver = r;
	r->umask = copy_umask();
	r->owner = get->opt->owner && !geteuid();
	strcpy(r->top, get->top);
	snprintf(r->base_path, sizeof(r->base_path), "%s", get->base_path);
	get->msg->offset = 0;
	get->msg->xxh3.size = 0;
	if (get->id) {
		if (receiver_resume(r, get->id, &offset, get->msg->xxh3.bytes)) {
			complain(get->opt->verb, r->trouble.text);
			return false;
		}
		get->msg->offset = offset;
		get->msg->xxh3.size = offset ? DIGEST_XXH3 : 0;
	} else {
		memcpy(get->msg->after.bytes, a->done, strlen(a->done));
		get->msg->after.size = strlen(a->done);
	}
	a->failed = false;
	a->moved = false;
	a->want_len = 0;
	a->want_at = 0;
	a->want_ended = false;
	if (get->wanted)
		get->wanted(get, true);
	return true;
}

static enum outcome attempt_once(struct attempt *a)
{
	static __u8 record[PVO_ARGS_MAX];
	struct get *get = a->get;
	struct channel_request req = {
		.service = PVO_SERVICE_FILE, .op = PVO_FILE_GET, .user = get->opt->user,
		.record = record, .bulk = true, .nodata = !get->wanted, .priv = a,
	};

	req.record_len = encode_record(pvo_file_get_fields, get->msg, record);
	a->ch = channel_open(get->c, &req, &get_ops);
	if (!a->ch) {
		complain(get->opt->verb, "the guest takes no more streams");
		return FAILED;
	}
	on_writable(a->ch);
	return client_run(get->c);
}

static void add_summary(pvo_file_summary *sum, const pvo_file_summary *more)
{
	sum->files += more->files;
	sum->directories += more->directories;
	sum->bytes += more->bytes;
	sum->errors += more->errors;
	sum->removed += more->removed;
}

/* All was sent, or the guest says why not. */
static enum outcome finish(struct attempt *a)
{
	struct get *get = a->get;

	if (a->status != PVC_OK) {
		progress_clear();
		return client_refused(get->opt->verb, NULL, a->status, a->body, a->len);
	}
	if (receiver_finish(a->receiver)) {
		complain(get->opt->verb, a->receiver->trouble.text);
		return FAILED;
	}
	return DONE;
}

enum outcome get_run(struct get *get)
{
	struct attempt *a = calloc(1, sizeof(*a));
	unsigned int failures = 0;
	enum outcome out = FAILED;

	if (!a)
		return FAILED;
	a->get = get;
	for (;;) {
		bool lost;

		out = client_session(get->c);
		if (out != DONE || !prepare(a))
			break;
		out = attempt_once(a);
		lost = out == NO_CONNECTION || (out == DONE && a->status == PVC_LOST);
		if (out == DONE && !lost)
			out = finish(a);
		add_summary(&get->summary, &a->receiver->summary);
		receiver_free(a->receiver, lost);
		a->receiver = NULL;
		if (!lost)
			break;
		if (!copy_again(&failures, a->moved)) {
			out = NO_CONNECTION;
			break;
		}
	}
	receiver_free(a->receiver, false);
	free(a);
	return out;
}

/* The verb. */
struct target {
	bool patterns;		/* names are checked as patterns */
	bool contents;		/* names are whatever is in the directory */
	int count;
	char **argv;		/* paths in the guest */
};

/* What a guest may call a file is what it was asked for. */
static bool name_asked(struct get *get, const char *name)
{
	const struct target *target = get->priv;
	size_t len = strcspn(name, "/");
	char top[256];
	int i;

	if (target->contents || *get->top)
		return true;
	if (len >= sizeof(top))
		return false;
	memcpy(top, name, len);
	top[len] = 0;
	for (i = 0; i < target->count; i++) {
		char path[NAME_SIZE];
		size_t end = strlen(target->argv[i]);

		if (end >= sizeof(path))
			continue;
		strcpy(path, target->argv[i]);
		while (end > 1 && path[end - 1] == '/')
			path[--end] = 0;
		if (!strcmp(path_base(path), top) ||
		    (target->patterns && !fnmatch(path_base(path), top, FNM_PERIOD)))
			return true;
	}
	return false;
}

/* Where it goes: a directory that is there, or a new name in one. */
static int open_target(const char *path, bool directory, char *top, char *base_path)
{
	char copy[NAME_SIZE], *slash;
	size_t len = strlen(path);
	struct stat st;
	int fd;

	*top = 0;
	if (len >= sizeof(copy) || !len) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(copy, path);
	strcpy(base_path, path);
	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory || copy[len - 1] == '/') {
		errno = ENOTDIR;
		return -1;
	}
	slash = strrchr(copy, '/');
	if (strlen(slash ? slash + 1 : copy) > 255) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(top, slash ? slash + 1 : copy);
	if (slash)
		slash[slash == copy] = 0;
	strcpy(base_path, slash ? copy : "");
	fd = open(slash ? copy : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd;
}

static int open_contents(const char *path, char *base_path)
{
	if (mkdir(path, 0777) && errno != EEXIST)
		return -1;
	snprintf(base_path, NAME_SIZE, "%s", path);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool parse(struct copy_options *opt, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "preserve", no_argument, NULL, 'p' },
		{ "recursive", no_argument, NULL, 'r' },
		{ "no-replace", no_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "user", required_argument, NULL, 'u' },
		{ "literal", no_argument, NULL, 'L' },
		{ "sha256", no_argument, NULL, 'S' },
		{ "no-resume", no_argument, NULL, 'R' },
		{ "owner", no_argument, NULL, 'o' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "rpnqLu:", longopts, NULL)) != -1) {
		switch (c) {
		case 'r':
			opt->flags |= PVO_FILE_RECURSIVE;
			break;
		case 'o':
			opt->owner = true;
			opt->flags |= PVO_FILE_PRESERVE;
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
		case 'L':
			opt->literal = true;
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

/* The same when the same command is given again. */
static void transfer_id(const struct get *get, const char *path, const char *local, __u8 *id)
{
	char text[3 * NAME_SIZE];
	XXH128_canonical_t canonical;
	int len;

	len = snprintf(text, sizeof(text), "%s|%s|%s", path,
		       get->opt->user ? get->opt->user : "", local);
	if (len >= (int)sizeof(text))
		len = sizeof(text) - 1;
	XXH128_canonicalFromHash(&canonical, XXH3_128bits(text, len));
	memcpy(id, canonical.digest, 16);
}

/* The paths of the request; @target says what may come. */
static void take_paths(struct get *get, struct target *target, struct copy_options *opt)
{
	int i;

	if (target->count > PVO_FILE_PATHS_MAX) {
		fprintf(stderr, "pvhost: get: %d paths in the guest, %u at most (or a pattern)\n",
			target->count, PVO_FILE_PATHS_MAX);
		exit(USAGE);
	}
	for (i = 0; i < target->count; i++) {
		if (!opt->literal && is_pattern(target->argv[i]))
			target->patterns = true;
		if (!strcmp(path_base(target->argv[i]), "."))
			target->contents = true;
		guest_path("get", target->argv[i], get->msg->path[i].bytes,
			   &get->msg->path[i].size);
	}
	get->msg->path_count = target->count;
	if (target->contents && (target->count > 1 || !(opt->flags & PVO_FILE_RECURSIVE)))
		usage("get", "a path that ends with /. is alone, and needs -r");
	get->msg->flags = (opt->flags & ~PVO_FILE_NO_REPLACE) |
			  (target->patterns ? PVO_FILE_GLOB : 0) |
			  (target->contents ? PVO_FILE_CONTENTS : 0);
}

int verb_get(struct client *c, int argc, char **argv)
{
	static pvo_file_get msg;
	char top[256] = "", base_path[NAME_SIZE];
	struct copy_options opt = { .verb = "get", .resume = true };
	struct target target = { 0 };
	struct get get = {
		.c = c, .opt = &opt, .msg = &msg, .allowed = name_asked, .priv = &target,
		.top = top, .base_path = base_path,
	};
	const char *local;
	double seconds;
	__u8 id[16];
	int out;

	if (!parse(&opt, argc, argv))
		return USAGE;
	if (argc - optind < 2)
		usage("get", "a path in the guest and one of ours are needed");
	target.argv = argv + optind;
	target.count = argc - optind - 1;
	local = argv[argc - 1];
	take_paths(&get, &target, &opt);
	get.base = target.contents ? open_contents(local, base_path) :
		   open_target(local, target.count > 1 || target.patterns, top, base_path);
	if (get.base < 0) {
		fprintf(stderr, "pvhost: get: %s: %s\n", local, strerror(errno));
		return FAILED;
	}
	if (opt.resume && target.count == 1 && !target.patterns &&
	    !(opt.flags & PVO_FILE_RECURSIVE)) {
		transfer_id(&get, target.argv[0], local, id);
		get.id = id;
	}
	progress_begin(opt.quiet);
	out = get_run(&get);
	seconds = progress_end();
	close(get.base);
	return out == DONE ? copy_report(c, &opt, &get.summary, seconds) : out;
}

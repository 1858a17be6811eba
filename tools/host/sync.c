// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync: the second directory becomes like the first. What differs is found by comparing lists
 * of both; it goes over as one put, or as one get of the names that are wanted.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync.h"
#include "transfer/receive.h"
#include "transfer/send.h"

struct sync {
	struct client *c;
	struct copy_options opt;
	bool sums, delete, dry_run;
	const char *guest, *local;
	int fd;			/* of @local */
	struct sync_list here, there;
	struct sync_list *from, *to;
	/* where the sources, or the names that are wanted, are */
	enum { STEP_REPLACE, STEP_COPY, STEP_GONE, STEP_ENDS } step;
	size_t next;
	bool missing;		/* the guest's directory is not there */
	bool failed;
	unsigned int left_out;
	pvo_file_entry entry;
};

/* An entry of the guest's list. */
static bool take_entry(void *priv)
{
	struct sync *sync = priv;
	const pvo_file_entry *in = &sync->entry;
	struct sync_entry *entry;

	if (in->status == PVC_NOT_FOUND && !sync->there.count) {
		sync->missing = true;
		return true;
	}
	if (in->status) {
		complain("sync", in->text);
		sync->failed = true;
		return true;
	}
	if (!in->has_attr || !name_valid(in->name.bytes, in->name.size))
		return false;
	if (!S_ISREG(in->attr.mode) && !S_ISDIR(in->attr.mode) && !S_ISLNK(in->attr.mode)) {
		sync->left_out += sync->from == &sync->there;
		return true;
	}
	entry = sync_add(&sync->there, (const char *)in->name.bytes, in->name.size);
	if (!entry)
		return false;
	entry->attr = in->attr;
	entry->size = in->size;
	if (in->xxh3.size == DIGEST_XXH3)
		memcpy(entry->xxh3, in->xxh3.bytes, DIGEST_XXH3);
	if (S_ISLNK(in->attr.mode)) {
		if (memchr(in->target.bytes, 0, in->target.size))
			return false;
		entry->target = strndup((const char *)in->target.bytes, in->target.size);
	}
	return true;
}

static void list_again(void *priv)
{
	struct sync *sync = priv;

	sync_free(&sync->there);
	sync->missing = false;
}

static enum outcome read_guest(struct sync *sync)
{
	static pvo_file_list msg;
	static __u8 record[PVO_ARGS_MAX];
	static struct file_reader reader;
	struct channel_request req = {
		.service = PVO_SERVICE_FILE, .op = PVO_FILE_SUMS, .user = sync->opt.user,
		.record = record, .bulk = true,
	};
	pvo_file_summary summary;
	enum outcome out;
	__u32 status;

	guest_path("sync", sync->guest, msg.path[0].bytes, &msg.path[0].size);
	msg.path_count = 1;
	msg.flags = PVO_FILE_RECURSIVE | (sync->sums ? PVO_FILE_CHECKSUM : 0);
	req.record_len = encode_record(pvo_file_list_fields, &msg, record);
	reader = (struct file_reader){
		.fields = pvo_file_entry_fields, .message = &sync->entry, .taken = take_entry,
		.priv = sync,
	};
	out = file_call(sync->c, &req, "sync", &reader, list_again, &summary, &status);
	sync_sort(&sync->there);
	return out;
}

/* The next entry, in the order in which things are done; NULL: that was all. @kind: what. */
static struct sync_entry *next_entry(struct sync *sync, enum pvo_file_kind *kind)
{
	struct sync_list *list = sync->step == STEP_GONE ? sync->to : sync->from;
	struct sync_entry *entry;

	for (;;) {
		if (sync->next == list->count) {
			if (sync->step == STEP_ENDS)
				return NULL;
			sync->step++;
			sync->next = 0;
			list = sync->step == STEP_GONE ? sync->to : sync->from;
			continue;
		}
		/* Directories end after what is in them. */
		entry = &list->entries[sync->step == STEP_ENDS ? list->count - 1 - sync->next :
				       sync->next];
		sync->next++;
		*kind = PVO_FILE_GONE;
		if (sync->step == STEP_REPLACE && entry->action == SYNC_REPLACE)
			return entry;
		if (sync->step == STEP_GONE && entry->action == SYNC_GONE)
			return entry;
		*kind = S_ISDIR(entry->attr.mode) ? PVO_FILE_DIR : 0;
		if (sync->step == STEP_COPY &&
		    (entry->action == SYNC_COPY || entry->action == SYNC_REPLACE))
			return entry;
		*kind = PVO_FILE_DIR_END;
		if (sync->step == STEP_ENDS && S_ISDIR(entry->attr.mode) &&
		    (entry->changed || entry->action == SYNC_COPY ||
		     entry->action == SYNC_REPLACE))
			return entry;
	}
}

static void rewind_entries(struct sync *sync)
{
	sync->step = STEP_REPLACE;
	sync->next = 0;
}

static void count(struct sync *sync, unsigned long *copies, unsigned long *removals)
{
	enum pvo_file_kind kind;
	struct sync_entry *entry;
	__u64 total = 0;
	size_t i;

	*copies = 0;
	*removals = 0;
	rewind_entries(sync);
	while ((entry = next_entry(sync, &kind))) {
		if (kind == PVO_FILE_GONE)
			++*removals;
		else if (kind != PVO_FILE_DIR_END)
			++*copies;
		if (!kind && S_ISREG(entry->attr.mode))
			total += entry->size;
		if (sync->dry_run && kind != PVO_FILE_DIR_END)
			printf("%s %s\n", kind == PVO_FILE_GONE ? "remove" : "copy",
			       client_printable(entry->name, strlen(entry->name)));
	}
	progress_total(total);
	rewind_entries(sync);
	for (i = 0; i < sync->from->count; i++) {
		char text[NAME_SIZE + 100];

		entry = &sync->from->entries[i];
		if (entry->action != SYNC_REFUSED)
			continue;
		snprintf(text, sizeof(text),
			 "%s: it is of another type there, which --delete replaces", entry->name);
		complain("sync", text);
		sync->failed = true;
	}
}

/* To the guest. */

static int next_source(struct sender *s, struct source *source)
{
	struct sync *sync = put_of(s)->priv;
	enum pvo_file_kind kind;
	struct sync_entry *entry = next_entry(sync, &kind);

	if (!entry)
		return 0;
	source->dir = sync->fd;
	strcpy(source->name, entry->name);
	strcpy(source->as, entry->name);
	snprintf(source->within, sizeof(source->within), "%s", sync->local);
	source->kind = kind;
	return 1;
}

static void sources_again(struct put *put)
{
	rewind_entries(put->priv);
}

static enum outcome to_guest(struct sync *sync, pvo_file_summary *summary)
{
	struct copy_options opt = sync->opt;
	struct put put = {
		.c = sync->c, .opt = &opt, .target = sync->guest, .next = next_source,
		.again = sources_again, .priv = sync,
	};
	enum outcome out;

	opt.flags = PVO_FILE_PRESERVE | PVO_FILE_CONTENTS | (sync->delete ? PVO_FILE_DELETE : 0);
	out = put_run(&put);
	*summary = put.summary;
	return out;
}

/* From the guest: directories and removals are done here, files and links come. */

static void local_failed(struct receiver *r, const struct trouble *trouble)
{
	(void)r;
	complain("sync", trouble->text);
}

static const struct receiver_ops local_ops = { .failed = local_failed };

static void fill_local(pvo_file_record *rec, const struct sync_entry *entry,
		       enum pvo_file_kind kind)
{
	record_begin(rec, kind);
	record_name(rec, entry->name);
	rec->has_attr = true;
	rec->attr = entry->attr;
}

/* What needs nothing of the guest, in the steps from @from to @to. */
static enum outcome change_local(struct sync *sync, int from, int to, pvo_file_summary *summary)
{
	static pvo_file_record rec;
	struct receiver *r = receiver_new(&local_ops, PVO_FILE_PRESERVE | PVO_FILE_DELETE,
					  sync->fd, sync);
	enum pvo_file_kind kind;
	struct sync_entry *entry;
	int err = 0;

	if (!r)
		return FAILED;
	copy_umask();
	snprintf(r->base_path, sizeof(r->base_path), "%s", sync->local);
	rewind_entries(sync);
	while (!err && (entry = next_entry(sync, &kind))) {
		if ((int)sync->step < from || (int)sync->step > to || !kind)
			continue;
		fill_local(&rec, entry, kind);
		err = receiver_record(r, &rec);
	}
	record_begin(&rec, PVO_FILE_END);
	if (!err)
		err = receiver_record(r, &rec);
	if (!err)
		err = receiver_finish(r);
	if (err)
		complain("sync", r->trouble.text);
	summary->removed += r->summary.removed;
	summary->errors += r->summary.errors;
	receiver_free(r, false);
	return err ? FAILED : DONE;
}

static const char *wanted(struct get *get, bool again)
{
	struct sync *sync = get->priv;
	enum pvo_file_kind kind;
	struct sync_entry *entry;

	if (again) {
		rewind_entries(sync);
		return NULL;
	}
	while ((entry = next_entry(sync, &kind)))
		if (!kind)
			return entry->name;
	return NULL;
}

/* A name that was wanted: a file or link that is to be copied. */
static bool name_wanted(struct get *get, const char *name)
{
	struct sync *sync = get->priv;
	const struct sync_entry *entry = sync_find(sync->from, name);

	return entry && !S_ISDIR(entry->attr.mode) &&
	       (entry->action == SYNC_COPY || entry->action == SYNC_REPLACE);
}

static enum outcome from_guest(struct sync *sync, pvo_file_summary *summary)
{
	static pvo_file_get msg;
	struct copy_options opt = sync->opt;
	struct get get = {
		.c = sync->c, .opt = &opt, .msg = &msg, .base = sync->fd,
		.base_path = sync->local, .top = "", .allowed = name_wanted,
		.wanted = wanted, .priv = sync,
	};
	enum outcome out;

	opt.flags = PVO_FILE_PRESERVE;
	out = change_local(sync, STEP_REPLACE, STEP_COPY, summary);
	if (out != DONE)
		return out;
	guest_path("sync", sync->guest, msg.path[0].bytes, &msg.path[0].size);
	msg.path_count = 1;
	msg.flags = PVO_FILE_PRESERVE | PVO_FILE_LISTED;
	out = get_run(&get);
	if (out != DONE)
		return out;
	summary->files = get.summary.files;
	summary->bytes = get.summary.bytes;
	summary->errors += get.summary.errors;
	return change_local(sync, STEP_GONE, STEP_ENDS, summary);
}

/* Both lists; DONE or why not, which was said. */
static enum outcome read_both(struct sync *sync)
{
	struct trouble trouble = { 0 };
	unsigned int ignored = 0;
	enum outcome out = read_guest(sync);

	if (out != DONE)
		return out;
	if (sync->missing && sync->from == &sync->there) {
		complain("sync", sync->entry.text);
		return FAILED;
	}
	/* Of what cannot be seen it is not known that it is gone. */
	if (sync->failed && (sync->delete || sync->from == &sync->there)) {
		complain("sync", "nothing is done: not all of the guest's directory can be read");
		return FAILED;
	}
	if (sync_read_local(&sync->here, sync->fd, sync->local, sync->sums,
			    sync->from == &sync->here ? &sync->left_out : &ignored, &trouble)) {
		complain("sync", trouble.text);
		return FAILED;
	}
	sync_compare(sync->from, sync->to, sync->sums, sync->delete);
	return DONE;
}

static int run(struct sync *sync)
{
	pvo_file_summary summary = { 0 };
	unsigned long copies, removals;
	enum outcome out;
	char text[80];
	double seconds;

	progress_begin(sync->opt.quiet);
	out = read_both(sync);
	if (out != DONE)
		return out;
	count(sync, &copies, &removals);
	if (sync->dry_run)
		return sync->failed ? FAILED : DONE;
	if (copies || removals || sync->missing)
		out = sync->from == &sync->here ? to_guest(sync, &summary) :
		      from_guest(sync, &summary);
	seconds = progress_end();
	if (sync->left_out) {
		snprintf(text, sizeof(text), "%u fifos, sockets or devices were left out",
			 sync->left_out);
		complain("sync", text);
	}
	if (out != DONE)
		return out;
	out = copy_report(sync->c, &sync->opt, &summary, seconds);
	return sync->failed ? FAILED : out;
}

static bool parse(struct sync *sync, int argc, char **argv)
{
	static const struct option longopts[] = {
		{ "checksum", no_argument, NULL, 'c' },
		{ "delete", no_argument, NULL, 'd' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "user", required_argument, NULL, 'u' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "nqu:", longopts, NULL)) != -1) {
		if (c == 'c')
			sync->sums = true;
		else if (c == 'd')
			sync->delete = true;
		else if (c == 'n')
			sync->dry_run = true;
		else if (c == 'q')
			sync->opt.quiet = true;
		else if (c == 'u')
			sync->opt.user = optarg;
		else
			return false;
	}
	return true;
}

int verb_sync(struct client *c, int argc, char **argv)
{
	struct sync *sync = calloc(1, sizeof(*sync));
	bool first, second;
	int out;

	if (!sync)
		return FAILED;
	sync->c = c;
	sync->opt.verb = "sync";
	if (!parse(sync, argc, argv))
		return USAGE;
	if (argc - optind != 2)
		usage("sync", "two directories are needed");
	first = !strncmp(argv[optind], "guest:", 6);
	second = !strncmp(argv[optind + 1], "guest:", 6);
	if (first == second)
		usage("sync", "one of the two directories is guest:DIR");
	sync->guest = argv[optind + second];
	sync->local = argv[optind + first];
	sync->from = first ? &sync->there : &sync->here;
	sync->to = first ? &sync->here : &sync->there;
	if (first && mkdir(sync->local, 0777) && errno != EEXIST) {
		fprintf(stderr, "pvhost: sync: %s: %s\n", sync->local, strerror(errno));
		return FAILED;
	}
	sync->fd = open(sync->local, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (sync->fd < 0) {
		fprintf(stderr, "pvhost: sync: %s: %s\n", sync->local, strerror(errno));
		return FAILED;
	}
	out = run(sync);
	close(sync->fd);
	sync_free(&sync->here);
	sync_free(&sync->there);
	free(sync);
	return out;
}

// SPDX-License-Identifier: GPL-2.0-only
/* put and get: a transfer over the request's stream, made and taken by tools/transfer. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"
#include "policy.h"
#include "transfer/receive.h"
#include "transfer/send.h"

#define PUT_FLAGS (PVO_FILE_PRESERVE | PVO_FILE_SHA256 | PVO_FILE_INTO | PVO_FILE_CONTENTS | \
		   PVO_FILE_NO_REPLACE | PVO_FILE_DELETE | PVO_FILE_EXACT)
#define GET_FLAGS (PVO_FILE_RECURSIVE | PVO_FILE_PRESERVE | PVO_FILE_SHA256 | PVO_FILE_GLOB | \
		   PVO_FILE_CONTENTS | PVO_FILE_LISTED)

/* What comes next; 0: the host's data has ended, -errno */
static ssize_t read_some(struct request *req, void *buf, size_t size)
{
	struct pollfd pfd = { .fd = req->stream, .events = POLLIN };

	for (;;) {
		ssize_t n = read(req->stream, buf, size);

		if (n >= 0)
			return n;
		if (errno == EAGAIN)
			poll(&pfd, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

/* A put. */
struct put {
	struct files *f;
	char base[NAME_SIZE];	/* the path of what the names are relative to */
	bool remove;		/* the policy lets rm be used, too */
	struct trouble remove_trouble;
	pvo_file_record rec;
};

static void put_allow(struct receiver *r, const char *name, struct trouble *trouble)
{
	struct put *put = r->priv;
	char path[NAME_SIZE];

	if (path_join(put->base, name, path)) {
		trouble_errno(trouble, ENAMETOOLONG, name);
		return;
	}
	if (r->removing && !put->remove)
		*trouble = put->remove_trouble;
	else if (!place_allowed(put->f, "put", path, true, trouble) && r->removing)
		place_allowed(put->f, "rm", path, true, trouble);
}

static void put_failed(struct receiver *r, const struct trouble *trouble)
{
	struct put *put = r->priv;

	record_begin(&put->rec, PVO_FILE_ERROR);
	put->rec.status = trouble->status;
	strcpy(put->rec.text, trouble->text);
	if (!files_put(put->f, pvo_file_record_fields, &put->rec))
		files_flush(put->f);
}

static void put_done(struct receiver *r, const char *name)
{
	struct put *put = r->priv;

	record_begin(&put->rec, PVO_FILE_DONE);
	if (!record_name(&put->rec, name) &&
	    !files_put(put->f, pvo_file_record_fields, &put->rec))
		files_flush(put->f);
}

static bool put_over(void *priv)
{
	const struct put *put = priv;

	return files_over(put->f->req);
}

static const struct receiver_ops put_ops = {
	.over = put_over,
	.allow = put_allow,
	.failed = put_failed,
	.done = put_done,
};

static int open_base(const struct place *place)
{
	int fd = place_open(place, O_RDONLY | O_DIRECTORY);

	return fd == -EACCES ? place_open(place, O_PATH | O_DIRECTORY) : fd;
}

/*
 * The directory that the names are relative to, and in @top what takes the place of their
 * first component. A descriptor or -errno with @trouble.
 */
static int find_base(struct put *put, const pvo_file_put *msg, char *top, struct trouble *trouble)
{
	struct place place;
	struct trouble inner = { 0 };
	__u32 status = PVC_NOT_FOUND;
	const char *last;
	int fd;

	if (!(msg->flags & PVO_FILE_EXACT))
		status = place_find(put->f, msg->path.bytes, msg->path.size, PLACE_FILE, true,
				    &place, &inner);
	if (!status) {
		fd = open_base(&place);
		if (fd >= 0) {
			strcpy(put->base, place.path);
			return fd;
		}
		if (fd != -ENOTDIR && fd != -ENOENT)
			return trouble_errno(trouble, -fd, place.asked);
	} else if (status != PVC_NOT_FOUND && status != PVC_DENIED) {
		*trouble = inner;
		return -EINVAL;
	}
	if (place_find(put->f, msg->path.bytes, msg->path.size, PLACE_ENTRY, true, &place, trouble))
		return -EINVAL;
	/* What it is in is not ours, and the names would not be what the policy is asked about. */
	if (!*place.rel)
		return trouble_set(trouble, PVC_DENIED, "%s: a root of the policy stays what it is",
				   place.asked);
	if ((msg->flags & PVO_FILE_INTO) || (place.slash && !(msg->flags & PVO_FILE_CONTENTS)))
		return trouble_set(trouble, PVC_NOT_FOUND, "%s: it is no directory", place.asked);
	fd = place_parent(&place, &last);
	if (fd < 0)
		return trouble_errno(trouble, -fd, place.asked);
	if (msg->flags & PVO_FILE_CONTENTS) {
		int dir = fd;

		fd = mkdirat(dir, last, 0755) ? -errno :
		     open_beneath(dir, last, O_RDONLY | O_DIRECTORY);
		close(dir);
		strcpy(put->base, place.path);
		return fd < 0 ? trouble_errno(trouble, -fd, place.asked) : fd;
	}
	strcpy(top, last);
	memcpy(put->base, place.path, path_base(place.path) - place.path);
	put->base[path_base(place.path) - place.path] = 0;
	if (strlen(put->base) > 1)
		put->base[strlen(put->base) - 1] = 0;
	return fd;
}

static bool tell_resume(struct put *put, struct receiver *r, const pvo_file_put *msg)
{
	__u64 offset;

	record_begin(&put->rec, PVO_FILE_RESUME);
	record_name(&put->rec, r->top);
	if (msg->id.size == 16) {
		if (receiver_resume(r, msg->id.bytes, &offset, put->rec.xxh3.bytes))
			return false;
		put->rec.offset = offset;
		put->rec.xxh3.size = DIGEST_XXH3;
	}
	return !files_put(put->f, pvo_file_record_fields, &put->rec) && !files_flush(put->f);
}

/* The transfer; 0, or -errno: r->trouble, or the stream's. */
static int take_all(struct request *req, struct receiver *r)
{
	static __u8 buf[65536];
	ssize_t n;
	int err;

	while ((n = read_some(req, buf, sizeof(buf))) > 0) {
		err = receiver_input(r, buf, n);
		if (err)
			return err;
	}
	return n < 0 ? n : receiver_finish(r);
}

static void may_remove(struct put *put)
{
	struct request *req = put->f->req;
	struct verdict verdict;

	policy_verb(req->policy, req->principal, "rm", req->user, &verdict);
	put->remove = verdict.allowed;
	if (!verdict.allowed)
		trouble_set(&put->remove_trouble, PVC_DENIED, "%s", verdict.text);
}

static void put_into(struct put *put, const pvo_file_put *msg, int base, const char *top)
{
	struct request *req = put->f->req;
	struct stream s = stream_of(req);
	struct receiver *r = receiver_new(&put_ops, msg->flags, base, put);
	int err;

	if (!r) {
		files_refuse_new(req, errno, msg->flags);
		return;
	}
	r->owner = !geteuid();
	r->limit = policy_limit(req->policy, req->principal, "bytes");
	if (r->limit == POLICY_UNLIMITED)
		r->limit = ~0ull;
	strcpy(r->top, top);
	strcpy(r->base_path, put->base);
	if (msg->flags & PVO_FILE_DELETE)
		may_remove(put);
	err = tell_resume(put, r, msg) ? take_all(req, r) : -EINVAL;
	if (!err) {
		files_answer(req, &r->summary);
		receiver_free(r, false);
		return;
	}
	if (r->trouble.status && stream_closed(&s) == PVC_OK)
		files_refuse(req, &r->trouble);
	receiver_free(r, stream_closed(&s) == PVC_LOST);
}

void files_run_put(struct request *req)
{
	static struct put put;
	static pvo_file_put msg;
	struct trouble trouble = { 0 };
	char top[256] = "";
	int base;

	if (!files_decode(req, pvo_file_put_fields, &msg) ||
	    !files_flags(req, msg.flags, PUT_FLAGS))
		return;
	put.f = req->priv;
	base = find_base(&put, &msg, top, &trouble);
	if (base < 0)
		files_refuse(req, &trouble);
	else
		put_into(&put, &msg, base, top);
}

/* A get. */
struct get {
	struct files *f;
	pvo_file_get msg;
	pb_size_t next;		/* path */
	glob_t paths;		/* of the pattern under way */
	size_t next_match;
	struct place place;	/* of the source under way */
	char top[NAME_SIZE];	/* its name in the transfer */
	int dir;		/* what it is in, or -1 */
	struct record_reader reader;	/* of what is wanted */
	pvo_file_record want;
	__u8 buf[4096];
	size_t have, at;
};

static struct get get;

static void get_allow(struct sender *s, const char *name, struct trouble *trouble)
{
	char path[NAME_SIZE];

	(void)s;
	name += strlen(get.top);
	if (*name == '/')
		name++;
	if (path_join(get.place.path, name, path))
		trouble_errno(trouble, ENAMETOOLONG, name);
	else
		place_allowed(get.f, "get", path, false, trouble);
}

static const struct sender_ops get_ops;

static int set_source(struct source *source, const void *path, size_t len)
{
	const char *last;

	memset(source, 0, sizeof(*source));
	*get.top = 0;
	if (get.dir >= 0)
		close(get.dir);
	get.dir = -1;
	if (place_find(get.f, path, len, PLACE_FILE, false, &get.place, &source->trouble))
		goto bad;
	get.dir = place_parent(&get.place, &last);
	if (get.dir < 0) {
		trouble_errno(&source->trouble, -get.dir, get.place.asked);
		goto bad;
	}
	source->dir = get.dir;
	strcpy(source->name, last);
	if (get.msg.flags & PVO_FILE_CONTENTS) {
		strcpy(source->within, get.place.asked);
		return 1;
	}
	strcpy(get.top, path_base(get.place.asked));
	if (!*get.top) {
		trouble_set(&source->trouble, PVC_INVALID,
			    "/: it has no name; its directories can be had");
		goto bad;
	}
	strcpy(source->as, get.top);
	snprintf(source->within, sizeof(source->within), "%.*s",
		 (int)(path_base(get.place.asked) - get.place.asked), get.place.asked);
	return 1;
bad:
	source->kind = PVO_FILE_ERROR;
	return 1;
}

/* The next match of a pattern, the next path, ... */
static int next_path(struct source *source)
{
	for (;;) {
		pvo_file_get_path_t *path;

		if (get.next_match < get.paths.gl_pathc) {
			const char *match = get.paths.gl_pathv[get.next_match++];

			return set_source(source, match, strlen(match));
		}
		if (get.next == get.msg.path_count)
			return 0;
		path = &get.msg.path[get.next++];
		if (!(get.msg.flags & PVO_FILE_GLOB))
			return set_source(source, path->bytes, path->size);
		globfree(&get.paths);
		get.next_match = 0;
		memset(source, 0, sizeof(*source));
		if (place_glob(get.f, path->bytes, path->size, &get.paths, &source->trouble)) {
			globfree(&get.paths);
			memset(&get.paths, 0, sizeof(get.paths));
			source->kind = PVO_FILE_ERROR;
			return 1;
		}
	}
}

/* ... or the next name that is wanted. */
static int next_wanted(struct source *source)
{
	bool whole = false;

	while (!whole) {
		ssize_t n;

		if (get.at == get.have) {
			n = read_some(get.f->req, get.buf, sizeof(get.buf));
			if (n <= 0)
				return n;
			get.have = n;
			get.at = 0;
		}
		n = record_take(&get.reader, get.buf + get.at, get.have - get.at,
				pvo_file_record_fields, &get.want, &whole);
		if (n < 0)
			return n;
		get.at += n;
	}
	if (get.want.kind != PVO_FILE_WANT ||
	    !name_valid(get.want.name.bytes, get.want.name.size))
		return -EBADMSG;
	memcpy(source->name, get.want.name.bytes, get.want.name.size);
	source->name[get.want.name.size] = 0;
	strcpy(source->as, source->name);
	source->kind = 0;
	source->dir = get.dir;
	strcpy(source->within, get.place.asked);
	return 1;
}

static int get_next(struct sender *s, struct source *source)
{
	int more = get.msg.flags & PVO_FILE_LISTED ? next_wanted(source) : next_path(source);

	if (more == -EBADMSG)
		trouble_set(&s->trouble, PVC_INVALID,
			    "what came is no record WANT with a name without ..");
	return more;
}

static bool get_over(void *priv)
{
	(void)priv;
	return files_over(get.f->req);
}

static const struct sender_ops get_ops = {
	.over = get_over,
	.next = get_next,
	.allow = get_allow,
};

static void send_all(struct request *req, struct sender *s)
{
	static __u8 buf[3 * SENDER_ROOM];
	struct stream stream = stream_of(req);
	ssize_t n;

	while ((n = sender_fill(s, buf, sizeof(buf))) > 0)
		if (stream_write_all(&stream, buf, n))
			return;
	if (!n)
		files_answer(req, &s->summary);
	else if (s->trouble.status)
		files_refuse(req, &s->trouble);
}

/* The names that are wanted are beneath one directory. */
static bool begin_listed(struct request *req)
{
	struct trouble trouble = { 0 };

	if (get.msg.path_count != 1 || (get.msg.flags & (PVO_FILE_GLOB | PVO_FILE_CONTENTS))) {
		refuse(req, PVC_INVALID, "get: names are wanted of one directory, not of %u paths",
		       get.msg.path_count);
		return false;
	}
	if (!place_find(get.f, get.msg.path[0].bytes, get.msg.path[0].size, PLACE_FILE, false,
			&get.place, &trouble)) {
		get.dir = place_open(&get.place, O_PATH | O_DIRECTORY);
		if (get.dir < 0)
			trouble_errno(&trouble, -get.dir, get.place.asked);
	}
	if (!trouble.status)
		return true;
	files_refuse(req, &trouble);
	return false;
}

void files_run_get(struct request *req)
{
	struct sender *s;

	if (!files_decode(req, pvo_file_get_fields, &get.msg) ||
	    !files_flags(req, get.msg.flags, GET_FLAGS))
		return;
	get.f = req->priv;
	get.dir = -1;
	if ((get.msg.flags & PVO_FILE_LISTED) && !begin_listed(req))
		return;
	s = sender_new(&get_ops, get.msg.flags, &get);
	if (!s) {
		files_refuse_new(req, errno, get.msg.flags);
		return;
	}
	if (get.msg.xxh3.size == DIGEST_XXH3) {
		s->offset = get.msg.offset;
		memcpy(s->prefix, get.msg.xxh3.bytes, DIGEST_XXH3);
	}
	memcpy(s->after, get.msg.after.bytes, get.msg.after.size);
	if (*s->after && !name_valid(get.msg.after.bytes, get.msg.after.size))
		refuse(req, PVC_INVALID, "get: the name that is there already is none");
	else
		send_all(req, s);
	sender_free(s);
}

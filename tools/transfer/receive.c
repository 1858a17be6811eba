// SPDX-License-Identifier: GPL-2.0-only
/* Receiving: what each record asks for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "receive.h"
#include "remove.h"
#include "xattr.h"

struct receiver *receiver_new(const struct receiver_ops *ops, __u32 flags, int base, void *priv)
{
	struct receiver *r = calloc(1, sizeof(*r));
	int err;

	if (!r)
		return NULL;
	r->ops = ops;
	r->priv = priv;
	r->flags = flags;
	r->base = base;
	r->umask = 022;
	r->limit = ~0ull;
	r->fd = -1;
	r->partial = -1;
	err = digest_new(&r->digest, flags & PVO_FILE_SHA256);
	if (err) {
		free(r);
		errno = -err;
		return NULL;
	}
	r->digest.over = ops->over;
	r->digest.priv = priv;
	return r;
}

void receive_dir_put(struct receiver_dir *dir)
{
	if (!dir || --dir->users)
		return;
	close(dir->fd);
	free(dir);
}

const char *receive_what(struct receiver *r, const char *name)
{
	if (!*r->base_path || path_join(r->base_path, name, r->what))
		return name;
	return r->what;
}

/* An entry goes wrong; 0, or the last straw. */
int receive_trouble(struct receiver *r, const struct trouble *trouble)
{
	if (r->ops->failed)
		r->ops->failed(r, trouble);
	if (++r->summary.errors < RECEIVER_ERRORS_MAX)
		return 0;
	return trouble_set(&r->trouble, trouble->status, "%.300s (more than %u such errors)",
			   trouble->text, RECEIVER_ERRORS_MAX - 1);
}

/* The same for an errno; what would befall all other entries, too, ends the transfer. */
int receive_failed(struct receiver *r, int error)
{
	const char *what = receive_what(r, r->name);
	struct trouble trouble;

	switch (error) {
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EIO:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return trouble_errno(&r->trouble, error, what);
	default:
		trouble_errno(&trouble, error, what);
		return receive_trouble(r, &trouble);
	}
}

/*
 * r->name and r->sent_name of @rec. Names that are wrong are no accident: they end the
 * transfer.
 */
static int take_name(struct receiver *r, const pvo_file_record *rec)
{
	const char *sent = r->sent_name, *rest;

	if (!name_valid(rec->name.bytes, rec->name.size))
		return trouble_set(&r->trouble, PVC_INVALID,
				   "a name in the transfer is absolute, empty, too long or has .. in it");
	memcpy(r->sent_name, rec->name.bytes, rec->name.size);
	r->sent_name[rec->name.size] = 0;
	if (!*r->top) {
		strcpy(r->name, sent);
		return 0;
	}
	rest = strchr(sent, '/');
	if (path_join(r->top, rest ? rest + 1 : "", r->name))
		return trouble_errno(&r->trouble, ENAMETOOLONG, sent);
	return 0;
}

/* r->dir becomes the directory of r->name; 0 or -errno. *@last: the last component. */
static int enter_parent(struct receiver *r, const char **last)
{
	size_t len = path_base(r->name) - r->name;
	struct receiver_dir *dir;
	struct stat st;
	int fd;

	*last = r->name + len;
	if (r->dir && strlen(r->dir->path) == len && !memcmp(r->dir->path, r->name, len))
		return 0;
	fd = open_parent(r->base, r->name, last);
	if (fd < 0)
		return fd;
	dir = malloc(sizeof(*dir) + len + 1);
	if (!dir || fstat(fd, &st)) {
		free(dir);
		close(fd);
		return -ENOMEM;
	}
	dir->fd = fd;
	dir->users = 1;
	dir->dev = st.st_dev;
	memcpy(dir->path, r->name, len);
	dir->path[len] = 0;
	receive_dir_put(r->dir);
	r->dir = dir;
	return 0;
}

/* An entry begins: its name, whether it may be. 1: it is left out. */
static int begin_entry(struct receiver *r, const pvo_file_record *rec, const char **last)
{
	struct trouble trouble = { 0 };
	int err;

	err = take_name(r, rec);
	if (err)
		return err;
	if (r->ops->allow)
		r->ops->allow(r, r->name, &trouble);
	if (trouble.status) {
		err = receive_trouble(r, &trouble);
		return err ? err : 1;
	}
	err = enter_parent(r, last);
	if (err) {
		err = receive_failed(r, -err);
		return err ? err : 1;
	}
	return 0;
}

static unsigned int depth_of(const char *name)
{
	unsigned int depth = 0;

	for (; *name; name++)
		depth += *name == '/';
	return depth;
}

static int take_dir(struct receiver *r, const pvo_file_record *rec)
{
	const char *last;
	struct stat st;
	mode_t mode;
	int err;

	if (!rec->has_attr)
		return trouble_set(&r->trouble, PVC_INVALID,
				   "a directory in the transfer has no mode");
	err = begin_entry(r, rec, &last);
	if (err < 0)
		return err;
	strcpy(r->within, r->name);
	r->made[depth_of(r->name)] = false;
	if (err)
		return 0;
	/* Where modes are preserved, the content alone is ours until the directory is complete. */
	mode = r->flags & PVO_FILE_PRESERVE ? 0 : rec->attr.mode & 0777 & ~r->umask;
	if (!mkdirat(r->dir->fd, last, mode | 0700)) {
		r->made[depth_of(r->name)] = true;
		r->summary.directories++;
		return 0;
	}
	if (errno != EEXIST)
		return receive_failed(r, errno);
	if (fstatat(r->dir->fd, last, &st, AT_SYMLINK_NOFOLLOW))
		return receive_failed(r, errno);
	if (!S_ISDIR(st.st_mode))
		return receive_failed(r, ENOTDIR);
	r->summary.directories++;
	return 0;
}

/* Its attributes are set when all that waits to be put into it is there. */
static int take_dir_end(struct receiver *r, const pvo_file_record *rec)
{
	struct receiver_ready *ready;
	const char *last;
	char *slash;
	int err, fd;

	err = begin_entry(r, rec, &last);
	if (err < 0)
		return err;
	strcpy(r->within, r->name);
	slash = strrchr(r->within, '/');
	*(slash ? slash : r->within) = 0;
	if (err || !rec->has_attr ||
	    !(r->made[depth_of(r->name)] || (r->flags & PVO_FILE_PRESERVE)))
		return 0;
	if (r->nr_ready == RECEIVER_READY) {
		err = receive_commit(r);
		if (err)
			return err;
	}
	fd = open_beneath(r->dir->fd, last, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return receive_failed(r, -fd);
	ready = &r->ready[r->nr_ready++];
	ready->fd = fd;
	ready->directory = true;
	ready->made = r->made[depth_of(r->name)];
	ready->dir = r->dir;
	r->dir->users++;
	*ready->temp = 0;
	strcpy(ready->name, last);
	ready->attr = rec->attr;
	return 0;
}

static void remove_allow(struct remover *rm, const char *name, struct trouble *trouble)
{
	struct receiver *r = rm->priv;

	if (r->ops->allow)
		r->ops->allow(r, name, trouble);
}

static int take_gone(struct receiver *r, const pvo_file_record *rec)
{
	char name[NAME_SIZE];
	struct remover rm = {
		.recursive = true, .allow = remove_allow, .priv = r, .name = name,
	};
	const char *last;
	int err;

	if (!(r->flags & PVO_FILE_DELETE))
		return trouble_set(&r->trouble, PVC_INVALID,
				   "the transfer removes files, which it was not begun for");
	err = receive_commit(r);
	r->removing = true;
	if (!err)
		err = begin_entry(r, rec, &last);
	r->removing = false;
	if (err)
		return err < 0 ? err : 0;
	strcpy(name, r->name);
	r->removing = true;
	err = remove_tree(&rm, r->dir->fd, last);
	r->removing = false;
	r->summary.removed += rm.removed;
	return err && err != -ENOENT ? receive_trouble(r, &rm.trouble) : 0;
}

static int take_file(struct receiver *r, const pvo_file_record *rec)
{
	const char *last;
	int err;

	if (!rec->has_attr)
		return trouble_set(&r->trouble, PVC_INVALID, "a file in the transfer has no mode");
	err = begin_entry(r, rec, &last);
	if (err < 0)
		return err;
	r->in_file = true;
	r->skipping = err;
	r->size = rec->size;
	return err ? 0 : receive_file_begin(r, rec);
}

static int take_xattr(struct receiver *r, const pvo_file_record *rec)
{
	if (!name_component_valid(rec->name.bytes, rec->name.size) ||
	    rec->length > sizeof(r->xattr_value) || (!r->in_file && !*r->within))
		return trouble_set(&r->trouble, PVC_INVALID,
				   "an extended attribute in the transfer is wrong");
	memcpy(r->xattr, rec->name.bytes, rec->name.size);
	r->xattr[rec->name.size] = 0;
	r->xattr_have = 0;
	r->raw_left = rec->length;
	return 0;
}

/*
 * The directory that the attribute is of. It may have been left out, which was told; and the
 * last DIR_END may have named any.
 */
static void end_directory_xattr(struct receiver *r)
{
	struct trouble trouble = { 0 };
	int fd;

	if (r->ops->allow)
		r->ops->allow(r, r->within, &trouble);
	fd = trouble.status ? -1 : open_beneath(r->base, r->within, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return;
	receive_xattr(r, fd);
	close(fd);
}

/* The attribute is complete. */
static int end_xattr(struct receiver *r)
{
	int err = 0;

	if (r->in_file) {
		if (!r->skipping)
			err = receive_settle(r);
		if (!err && !r->skipping)
			receive_xattr(r, r->fd);
	} else {
		end_directory_xattr(r);
	}
	*r->xattr = 0;
	return err;
}

static int take_error(struct receiver *r, const pvo_file_record *rec)
{
	struct trouble trouble = { .status = rec->status ? rec->status : PVC_FAILED };

	receive_file_drop(r);
	r->in_file = false;
	strcpy(trouble.text, rec->text);
	text_clean(trouble.text);
	return receive_trouble(r, &trouble);
}

static int take_in_file(struct receiver *r, const pvo_file_record *rec)
{
	switch (rec->kind) {
	case PVO_FILE_DATA:
		if (!rec->length || rec->length > PVO_FILE_PIECE ||
		    (!r->skipping && rec->length > r->size - r->pos))
			break;
		r->raw_left = rec->length;
		return 0;
	case PVO_FILE_HOLE:
		if (!rec->length || (!r->skipping && rec->length > r->size - r->pos))
			break;
		return r->skipping ? 0 : receive_file_hole(r, rec->length);
	case PVO_FILE_XATTR:
		return take_xattr(r, rec);
	case PVO_FILE_FILE_END:
		r->in_file = false;
		return r->skipping ? 0 : receive_file_end(r, rec);
	case PVO_FILE_ERROR:
		return take_error(r, rec);
	}
	return trouble_set(&r->trouble, PVC_INVALID,
			   "a record of kind %u may not come within a file, or is out of its bounds",
			   rec->kind);
}

static int take_symlink(struct receiver *r, const pvo_file_record *rec)
{
	const char *last;
	int err;

	if (!rec->target.size || rec->target.size > PVO_FILE_NAME_MAX ||
	    memchr(rec->target.bytes, 0, rec->target.size) || !rec->has_attr)
		return trouble_set(&r->trouble, PVC_INVALID,
				   "a symbolic link in the transfer has no target, or a wrong one");
	err = begin_entry(r, rec, &last);
	if (err)
		return err < 0 ? err : 0;
	return receive_symlink(r, rec);
}

int receiver_record(struct receiver *r, const pvo_file_record *rec)
{
	if (r->ended)
		return trouble_set(&r->trouble, PVC_INVALID, "a record after the transfer's end");
	if (r->in_file)
		return take_in_file(r, rec);
	switch (rec->kind) {
	case PVO_FILE_DIR:
		return take_dir(r, rec);
	case PVO_FILE_DIR_END:
		return take_dir_end(r, rec);
	case PVO_FILE_FILE:
		return take_file(r, rec);
	case PVO_FILE_SYMLINK:
		return take_symlink(r, rec);
	case PVO_FILE_XATTR:
		return take_xattr(r, rec);
	case PVO_FILE_GONE:
		return take_gone(r, rec);
	case PVO_FILE_ERROR:
		return take_error(r, rec);
	case PVO_FILE_END:
		r->ended = true;
		return 0;
	default:
		return trouble_set(&r->trouble, PVC_INVALID,
				   "a record of kind %u may not come here", rec->kind);
	}
}

static int take_raw(struct receiver *r, const void *buf, size_t len)
{
	int err = 0;

	if (*r->xattr) {
		memcpy(r->xattr_value + r->xattr_have, buf, len);
		r->xattr_have += len;
	} else if (!r->skipping) {
		err = receive_file_data(r, buf, len);
	}
	r->raw_left -= len;
	return err;
}

int receiver_input(struct receiver *r, const void *buf, size_t len)
{
	const __u8 *s = buf;
	int err = 0;

	while (len && !err) {
		ssize_t used;
		bool whole;

		if (r->raw_left) {
			used = len < r->raw_left ? len : r->raw_left;
			err = take_raw(r, s, used);
		} else {
			used = record_take(&r->reader, s, len, pvo_file_record_fields, &r->rec,
					   &whole);
			if (used < 0)
				return trouble_set(&r->trouble, PVC_INVALID,
						   "what came is no record of a transfer");
			if (whole)
				err = receiver_record(r, &r->rec);
		}
		s += used;
		len -= used;
		if (!err && *r->xattr && !r->raw_left)
			err = end_xattr(r);
	}
	return err;
}

int receiver_finish(struct receiver *r)
{
	int err;

	if (!r->ended)
		return trouble_set(&r->trouble, PVC_INVALID,
				   "the transfer ended before it was complete");
	err = receive_commit(r);
	if (err)
		return err;
	/*
	 * The names, too. A file system that cannot do it has no such promise to keep; nor can a
	 * user who may write to a directory and not read it (O_PATH: EBADF).
	 */
	if (r->summary.files + r->summary.directories + r->summary.removed <= 1) {
		if (fsync(r->dir ? r->dir->fd : r->base) && !cannot_sync(errno) && errno != EBADF)
			return trouble_errno(&r->trouble, errno, "the directory");
	} else if (syncfs(r->base) && !cannot_sync(errno) && errno != EBADF) {
		return trouble_errno(&r->trouble, errno, "the file system");
	}
	return 0;
}

void receiver_free(struct receiver *r, bool keep)
{
	if (!r)
		return;
	while (r->nr_ready) {
		struct receiver_ready *ready = &r->ready[--r->nr_ready];
		bool partial = r->partial >= 0 && ready->fd == r->partial;

		if (*ready->temp && !(partial && keep))
			unlinkat(ready->dir->fd, ready->temp, 0);
		if (partial)
			r->partial = -1;
		close(ready->fd);
		receive_dir_put(ready->dir);
	}
	if (r->partial >= 0 && !keep)
		unlinkat(r->base, r->partial_name, 0);
	if (r->fd == r->partial)
		r->fd = -1;
	receive_file_drop(r);
	if (r->partial >= 0)
		close(r->partial);
	receive_dir_put(r->dir);
	digest_free(&r->digest);
	free(r);
}

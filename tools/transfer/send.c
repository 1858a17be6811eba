// SPDX-License-Identifier: GPL-2.0-only
/* Sending: which entries, in which order. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "send.h"

struct sender *sender_new(const struct sender_ops *ops, __u32 flags, void *priv)
{
	struct sender *s = calloc(1, sizeof(*s));
	int err;

	if (!s)
		return NULL;
	s->ops = ops;
	s->priv = priv;
	s->flags = flags;
	s->limit = ~0ull;
	s->fd = -1;
	s->first = true;
	err = digest_new(&s->digest, flags & PVO_FILE_SHA256);
	if (err) {
		free(s);
		errno = -err;
		return NULL;
	}
	s->digest.over = ops->over;
	s->digest.priv = priv;
	return s;
}

void sender_free(struct sender *s)
{
	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	while (s->depth) {
		struct sender_level *level = &s->levels[--s->depth];

		names_free(&level->names);
		close(level->fd);
	}
	free(s->xattrs);
	digest_free(&s->digest);
	free(s);
}

static bool above(const char *name, const char *other)
{
	size_t len = strlen(name);

	return !strncmp(name, other, len) && other[len] == '/';
}

/* A directory is entered; s->trouble. */
static int push(struct sender *s, int dir, const char *name)
{
	struct sender_level *level = &s->levels[s->depth];
	int err;

	/* A receiver takes names of that many components, and no longer ones. */
	if (s->depth + 1 >= PVO_FILE_DEPTH_MAX)
		return trouble_set(&s->trouble, PVC_UNSUPPORTED,
				   "%s: more than %u directories deep", sender_what(s),
				   PVO_FILE_DEPTH_MAX);
	memset(level, 0, sizeof(*level));
	level->fd = open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
	if (level->fd < 0)
		return trouble_errno(&s->trouble, -level->fd, sender_what(s));
	err = fstat(level->fd, &level->st) ? -errno : 0;
	if (!err && !s->source.kind)
		err = names_read(level->fd, &level->names);
	if (err) {
		names_free(&level->names);
		close(level->fd);
		return trouble_errno(&s->trouble, -err, sender_what(s));
	}
	level->name_len = strlen(s->name);
	s->depth++;
	return 0;
}

static ssize_t put_dir(struct sender *s, enum pvo_file_kind kind, const struct stat *st,
		       __u8 *buf, size_t size)
{
	if (!*s->name)	/* its content alone is sent */
		return 0;
	record_begin(&s->rec, kind);
	record_name(&s->rec, s->name);
	s->rec.has_attr = true;
	record_attr(&s->rec.attr, st);
	return sender_put(s, buf, size);
}

static ssize_t begin_dir(struct sender *s, int dir, const char *name, __u8 *buf, size_t size)
{
	if (!s->source.kind && !(s->flags & PVO_FILE_RECURSIVE)) {
		trouble_set(&s->trouble, PVC_INVALID,
			    "%s: it is a directory, which is copied with -r alone", sender_what(s));
		return sender_error(s, buf, size);
	}
	if (push(s, dir, name))
		return sender_error(s, buf, size);
	s->summary.directories++;
	return put_dir(s, PVO_FILE_DIR, &s->levels[s->depth - 1].st, buf, size);
}

static ssize_t put_symlink(struct sender *s, int dir, const char *name,
			   const struct stat *st, __u8 *buf, size_t size)
{
	ssize_t len;

	record_begin(&s->rec, PVO_FILE_SYMLINK);
	record_name(&s->rec, s->name);
	len = readlinkat(dir, name, (char *)s->rec.target.bytes, sizeof(s->rec.target.bytes));
	if (len <= 0 || (size_t)len == sizeof(s->rec.target.bytes)) {
		trouble_errno(&s->trouble, len < 0 ? errno : ENAMETOOLONG, sender_what(s));
		return sender_error(s, buf, size);
	}
	s->rec.target.size = len;
	s->rec.has_attr = true;
	record_attr(&s->rec.attr, st);
	s->summary.files++;
	return sender_put(s, buf, size);
}

/* What s->name names, which is @name in @dir. */
static ssize_t entry(struct sender *s, int dir, const char *name, __u8 *buf, size_t size)
{
	struct stat st;

	if (*s->after && *s->name && name_order(s->name, s->after) <= 0 &&
	    !above(s->name, s->after))
		return 0;
	if (s->ops->allow)
		s->ops->allow(s, s->name, &s->trouble);
	if (s->trouble.status)
		return sender_error(s, buf, size);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
		trouble_errno(&s->trouble, errno, sender_what(s));
		return sender_error(s, buf, size);
	}
	if (S_ISREG(st.st_mode))
		return sender_begin_file(s, dir, name, buf, size);
	if (S_ISDIR(st.st_mode))
		return begin_dir(s, dir, name, buf, size);
	if (S_ISLNK(st.st_mode))
		return put_symlink(s, dir, name, &st, buf, size);
	trouble_set(&s->trouble, PVC_DENIED,
		    "%s: it is a fifo, a socket or a device, which are not copied", sender_what(s));
	return sender_error(s, buf, size);
}

/* The next entry of the innermost directory, or its end. */
static ssize_t level_step(struct sender *s, __u8 *buf, size_t size)
{
	struct sender_level *level = &s->levels[s->depth - 1];
	ssize_t len = 0;

	s->name[level->name_len] = 0;
	if (level->next < level->names.count) {
		const char *name = level->names.list[level->next++];

		if (path_join(s->name, name, s->name)) {
			trouble_errno(&s->trouble, ENAMETOOLONG, sender_what(s));
			return sender_error(s, buf, size);
		}
		return entry(s, level->fd, name, buf, size);
	}
	if (s->source.kind != PVO_FILE_DIR) {
		if (!level->ending && (s->flags & PVO_FILE_PRESERVE) && *s->name)
			sender_xattrs_of(s, level->fd);
		level->ending = true;
		len = s->xattrs ? sender_xattr(s, buf, size) : 0;
		if (len)
			return len;
		len = put_dir(s, PVO_FILE_DIR_END, &level->st, buf, size);
	}
	s->depth--;
	names_free(&level->names);
	close(level->fd);
	return len;
}

static bool same_top(const char *name, const char *other)
{
	size_t len = strcspn(name, "/");

	return strcspn(other, "/") == len && !strncmp(name, other, len);
}

static ssize_t begin_source(struct sender *s, __u8 *buf, size_t size)
{
	struct source *source = &s->source;
	const char *last;
	ssize_t len;
	int dir;

	strcpy(s->name, source->as);
	if (*s->after && *source->as && !same_top(source->as, s->after))
		return 0;
	if (source->kind == PVO_FILE_GONE) {
		record_begin(&s->rec, PVO_FILE_GONE);
		record_name(&s->rec, s->name);
		return sender_put(s, buf, size);
	}
	if (source->kind == PVO_FILE_ERROR) {
		s->trouble = source->trouble;
		return sender_error(s, buf, size);
	}
	dir = open_parent(source->dir, source->name, &last);
	if (dir < 0) {
		trouble_errno(&s->trouble, -dir, sender_what(s));
		return sender_error(s, buf, size);
	}
	len = entry(s, dir, last, buf, size);
	close(dir);
	return len;
}

static ssize_t next_source(struct sender *s, __u8 *buf, size_t size)
{
	int more = s->ops->next(s, &s->source);

	if (more < 0)
		return more;
	if (more)
		return begin_source(s, buf, size);
	record_begin(&s->rec, PVO_FILE_END);
	s->ended = true;
	return sender_put(s, buf, size);
}

static ssize_t step(struct sender *s, __u8 *buf, size_t size)
{
	if (s->fd >= 0)
		return sender_file_piece(s, buf, size);
	if (s->depth)
		return level_step(s, buf, size);
	if (*s->after && *s->source.as && same_top(s->source.as, s->after))
		*s->after = 0;
	return next_source(s, buf, size);
}

ssize_t sender_fill(struct sender *s, void *buf, size_t size)
{
	size_t used = 0;

	while (!s->ended && size - used >= SENDER_ROOM) {
		ssize_t len = step(s, (__u8 *)buf + used, size - used);

		if (len < 0)
			return used ? (ssize_t)used : len;
		used += len;
	}
	return used;
}

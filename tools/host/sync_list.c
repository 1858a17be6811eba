// SPDX-License-Identifier: GPL-2.0-only
/* The lists that sync compares. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sync.h"
#include "transfer/names.h"

static int by_order(const void *a, const void *b)
{
	const struct sync_entry *x = a, *y = b;

	return name_order(x->name, y->name);
}

struct sync_entry *sync_add(struct sync_list *list, const char *name, size_t len)
{
	struct sync_entry *entry;

	if (list->count == SYNC_MAX)
		return NULL;
	if (list->count == list->room) {
		size_t room = list->room ? 2 * list->room : 256;

		entry = reallocarray(list->entries, room, sizeof(*entry));
		if (!entry)
			return NULL;
		list->entries = entry;
		list->room = room;
	}
	entry = &list->entries[list->count];
	memset(entry, 0, sizeof(*entry));
	entry->name = strndup(name, len);
	if (!entry->name)
		return NULL;
	list->count++;
	return entry;
}

void sync_sort(struct sync_list *list)
{
	if (list->count)
		qsort(list->entries, list->count, sizeof(*list->entries), by_order);
}

struct sync_entry *sync_find(const struct sync_list *list, const char *name)
{
	const struct sync_entry key = { .name = (char *)name };

	if (!list->count)
		return NULL;
	return bsearch(&key, list->entries, list->count, sizeof(key), by_order);
}

void sync_free(struct sync_list *list)
{
	size_t i;

	for (i = 0; i < list->count; i++) {
		free(list->entries[i].name);
		free(list->entries[i].target);
	}
	free(list->entries);
	memset(list, 0, sizeof(*list));
}

/* What a directory is read with. */
struct walk {
	struct sync_list *list;
	struct digest digest;
	bool sums;
	unsigned int *left_out;
	struct trouble *trouble;
	char name[NAME_SIZE];
	__u8 buf[65536];
};

static int hash_file(struct walk *w, int dir, const char *name, __u8 *hash)
{
	int fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK);
	ssize_t n;
	int err;

	if (fd < 0)
		return fd;
	err = digest_reset(&w->digest);
	while (!err && (n = read(fd, w->buf, sizeof(w->buf)))) {
		if (n < 0 && errno == EINTR)
			continue;
		err = n < 0 ? -errno : digest_update(&w->digest, w->buf, n);
	}
	close(fd);
	digest_xxh3(&w->digest, hash);
	return err;
}

static int read_level(struct walk *w, int dir, unsigned int depth);

static int add_target(struct sync_entry *entry, int dir, const char *name)
{
	char target[NAME_SIZE];
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = 0;
	entry->target = strdup(target);
	return entry->target ? 0 : -ENOMEM;
}

static int read_entry(struct walk *w, int dir, const char *name, unsigned int depth)
{
	struct sync_entry *entry;
	struct stat st;
	int fd, err = 0;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode) && !S_ISLNK(st.st_mode)) {
		++*w->left_out;
		return 0;
	}
	entry = sync_add(w->list, w->name, strlen(w->name));
	if (!entry)
		return -ENOMEM;
	entry->size = st.st_size;
	record_attr(&entry->attr, &st);
	if (S_ISLNK(st.st_mode))
		return add_target(entry, dir, name);
	if (S_ISREG(st.st_mode))
		return w->sums ? hash_file(w, dir, name, entry->xxh3) : 0;
	if (depth + 1 >= PVO_FILE_DEPTH_MAX)
		return -ELOOP;
	fd = open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	err = read_level(w, fd, depth + 1);
	close(fd);
	return err;
}

static int read_level(struct walk *w, int dir, unsigned int depth)
{
	size_t len = strlen(w->name), i;
	struct names names;
	int err = names_read(dir, &names);

	if (err)
		return trouble_errno(w->trouble, -err, *w->name ? w->name : ".");
	for (i = 0; i < names.count && !err; i++) {
		err = path_join(w->name, names.list[i], w->name);
		if (!err)
			err = read_entry(w, dir, names.list[i], depth);
		if (err && !w->trouble->status)
			trouble_errno(w->trouble, -err, w->name);
		w->name[len] = 0;
	}
	names_free(&names);
	return err;
}

int sync_read_local(struct sync_list *list, int fd, const char *path, bool sums,
		    unsigned int *left_out, struct trouble *trouble)
{
	struct walk *w = calloc(1, sizeof(*w));
	int err;

	if (!w || digest_new(&w->digest, false)) {
		free(w);
		return trouble_errno(trouble, ENOMEM, path);
	}
	w->list = list;
	w->sums = sums;
	w->left_out = left_out;
	w->trouble = trouble;
	err = read_level(w, fd, 0);
	digest_free(&w->digest);
	free(w);
	sync_sort(list);
	return err;
}

static bool same_time(const pvo_file_attr *a, const pvo_file_attr *b)
{
	/* Some file systems have no fractions of a second. */
	return a->mtime == b->mtime &&
	       (a->mtime_ns == b->mtime_ns || !a->mtime_ns || !b->mtime_ns);
}

static bool same(const struct sync_entry *a, const struct sync_entry *b, bool sums)
{
	if (S_ISLNK(a->attr.mode))
		return a->target && b->target && !strcmp(a->target, b->target);
	if ((a->attr.mode & 0777) != (b->attr.mode & 0777))
		return false;
	if (S_ISDIR(a->attr.mode))
		return same_time(&a->attr, &b->attr);
	if (a->size != b->size)
		return false;
	return sums ? !memcmp(a->xxh3, b->xxh3, DIGEST_XXH3) : same_time(&a->attr, &b->attr);
}

static void mark_parent(const struct sync_list *list, const char *name)
{
	char parent[NAME_SIZE];
	struct sync_entry *entry;
	char *slash;

	strcpy(parent, name);
	slash = strrchr(parent, '/');
	if (!slash)
		return;
	*slash = 0;
	entry = sync_find(list, parent);
	if (entry)
		entry->changed = true;
}

static bool beneath(const char *name, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(name, dir, len) && name[len] == '/';
}

/* What the second directory alone has, the uppermost of it. */
static void mark_gone(const struct sync_list *from, struct sync_list *to)
{
	const char *gone = NULL;
	size_t i;

	for (i = 0; i < to->count; i++) {
		struct sync_entry *entry = &to->entries[i];
		struct sync_entry *other = sync_find(from, entry->name);

		if (gone && beneath(entry->name, gone))
			continue;
		if (other && other->action == SYNC_REPLACE) {
			gone = entry->name;
			continue;
		}
		if (other)
			continue;
		entry->action = SYNC_GONE;
		gone = entry->name;
		mark_parent(from, entry->name);
	}
}

void sync_compare(struct sync_list *from, struct sync_list *to, bool sums, bool delete)
{
	const char *refused = NULL;
	size_t i;

	for (i = 0; i < from->count; i++) {
		struct sync_entry *entry = &from->entries[i];
		const struct sync_entry *other = sync_find(to, entry->name);

		if (refused && beneath(entry->name, refused)) {
			entry->action = SYNC_SAME;
			continue;
		}
		if (other && (entry->attr.mode ^ other->attr.mode) & S_IFMT)
			entry->action = delete ? SYNC_REPLACE : SYNC_REFUSED;
		else if (other && same(entry, other, sums))
			entry->action = SYNC_SAME;
		else
			entry->action = SYNC_COPY;
		if (entry->action == SYNC_REFUSED)
			refused = entry->name;
		else if (entry->action == SYNC_REPLACE ||
			 (entry->action == SYNC_COPY && !(other && S_ISDIR(entry->attr.mode))))
			mark_parent(from, entry->name);
	}
	if (delete)
		mark_gone(from, to);
}

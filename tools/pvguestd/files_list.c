// SPDX-License-Identifier: GPL-2.0-only
/* ls, stat and what sync compares: records of files and directories. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "transfer/digest.h"
#include "transfer/names.h"

#define OUT_SIZE	131072u	/* bytes that are written at a time */

static __u8 out[OUT_SIZE];
static size_t out_len;

int files_flush(struct files *f)
{
	struct stream s = stream_of(f->req);
	int err = stream_write_all(&s, out, out_len);

	out_len = 0;
	return err;
}

int files_put(struct files *f, const pb_msgdesc_t *fields, const void *message)
{
	ssize_t len;
	int err;

	if (sizeof(out) - out_len < RECORD_SIZE) {
		err = files_flush(f);
		if (err)
			return err;
	}
	len = record_write(out + out_len, sizeof(out) - out_len, fields, message);
	if (len < 0)
		return len;
	out_len += len;
	return 0;
}

/* What is listed. */
struct listing {
	struct files *f;
	__u32 flags;
	__u32 verb_op;		/* enum pvo_file_op */
	char path[NAME_SIZE];	/* of the entry, without symbolic links */
	char name[NAME_SIZE];	/* as it is told */
	pvo_file_summary summary;
	struct digest digest;
	pvo_file_entry entry;
	__u8 buf[65536];
};

static struct listing listing;

static void set_name(const char *name)
{
	size_t len = strlen(name);

	memcpy(listing.entry.name.bytes, name, len);
	listing.entry.name.size = len;
}

int files_complain(struct files *f, const char *name, const struct trouble *trouble)
{
	pvo_file_entry *entry = &listing.entry;

	memset(entry, 0, sizeof(*entry));
	set_name(name);
	entry->status = trouble->status;
	strcpy(entry->text, trouble->text);
	listing.summary.errors++;
	return files_put(f, pvo_file_entry_fields, entry);
}

/* Names of users and groups, the last of which are remembered. */
#define CACHED	32

struct cached_name {
	bool used;
	unsigned int id;
	char name[33];
};

static const char *look_up_user(struct files *f, unsigned int id)
{
	struct passwd *pw;

	if (!f->passwd)
		return "";
	rewind(f->passwd);
	while ((pw = fgetpwent(f->passwd)))
		if (pw->pw_uid == id)
			return pw->pw_name;
	return "";
}

static const char *look_up_group(struct files *f, unsigned int id)
{
	struct group *gr;

	if (!f->group)
		return "";
	rewind(f->group);
	while ((gr = fgetgrent(f->group)))
		if (gr->gr_gid == id)
			return gr->gr_name;
	return "";
}

static const char *name_of(struct files *f, bool group, unsigned int id)
{
	static struct cached_name cache[2][CACHED];
	struct cached_name *slot = &cache[group][id % CACHED];

	if (!slot->used || slot->id != id) {
		snprintf(slot->name, sizeof(slot->name), "%s",
			 group ? look_up_group(f, id) : look_up_user(f, id));
		text_clean(slot->name);
		slot->id = id;
		slot->used = true;
	}
	return slot->name;
}

static int hash_fd(int fd, struct digest *digest)
{
	ssize_t n;

	for (;;) {
		n = read(fd, listing.buf, sizeof(listing.buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		if (digest_update(digest, listing.buf, n))
			return -EIO;
	}
}

static int add_hashes(int dir, const char *name)
{
	pvo_file_entry *entry = &listing.entry;
	struct stat st;
	int fd, err;

	fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return fd;
	err = fstat(fd, &st) || !S_ISREG(st.st_mode) ? -EINVAL : digest_reset(&listing.digest);
	if (!err)
		err = hash_fd(fd, &listing.digest);
	close(fd);
	if (err)
		return err;
	digest_xxh3(&listing.digest, entry->xxh3.bytes);
	entry->xxh3.size = DIGEST_XXH3;
	if (listing.flags & PVO_FILE_SHA256) {
		err = digest_sha256(&listing.digest, entry->sha256.bytes);
		entry->sha256.size = DIGEST_SHA256;
	}
	return err;
}

static void add_xattrs(int dir, const char *name)
{
	pvo_file_entry *entry = &listing.entry;
	int fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK);
	ssize_t len = fd < 0 ? -1 : flistxattr(fd, (char *)listing.buf, sizeof(listing.buf));
	const char *s = (const char *)listing.buf, *end = s + len;

	if (fd >= 0)
		close(fd);
	if (len <= 0)
		return;
	for (; s < end && entry->xattr_count < 32; s += strlen(s) + 1) {
		snprintf(entry->xattr[entry->xattr_count], sizeof(entry->xattr[0]), "%.255s", s);
		text_clean(entry->xattr[entry->xattr_count++]);
	}
}

static void fill_entry(const struct stat *st)
{
	pvo_file_entry *entry = &listing.entry;

	memset(entry, 0, sizeof(*entry));
	set_name(listing.name);
	entry->has_attr = true;
	record_attr(&entry->attr, st);
	entry->size = st->st_size;
	entry->allocated = (__u64)st->st_blocks * 512;
	entry->nlink = st->st_nlink;
	entry->inode = st->st_ino;
	entry->ctime = st->st_ctim.tv_sec;
	entry->ctime_ns = st->st_ctim.tv_nsec;
	strcpy(entry->user, name_of(listing.f, false, st->st_uid));
	strcpy(entry->group, name_of(listing.f, true, st->st_gid));
}

/* What listing.name says, which is @name in @dir. 0 or -errno of the stream */
static int tell_entry(int dir, const char *name, const struct stat *st)
{
	pvo_file_entry *entry = &listing.entry;
	struct trouble trouble;
	ssize_t len;
	int err = 0;

	fill_entry(st);
	if (S_ISLNK(st->st_mode)) {
		len = readlinkat(dir, name, (char *)entry->target.bytes,
				 sizeof(entry->target.bytes));
		entry->target.size = len > 0 ? len : 0;
	}
	if (S_ISREG(st->st_mode) && (listing.flags & (PVO_FILE_CHECKSUM | PVO_FILE_SHA256)))
		err = add_hashes(dir, name);
	if (listing.verb_op == PVO_FILE_STAT && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
		add_xattrs(dir, name);
	if (err) {
		trouble_errno(&trouble, -err, listing.name);
		return files_complain(listing.f, listing.name, &trouble);
	}
	if (S_ISDIR(st->st_mode))
		listing.summary.directories++;
	else
		listing.summary.files++;
	return files_put(listing.f, pvo_file_entry_fields, entry);
}

static int list_directory(int dir, const char *name, unsigned int depth);

/* One name of a directory. */
static int list_name(int dir, const char *name, unsigned int depth)
{
	struct trouble trouble = { 0 };
	struct stat st;
	int err;

	if (place_allowed(listing.f, listing.f->req->operation->verb, listing.path, false,
			  &trouble))
		return files_complain(listing.f, listing.name, &trouble);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW)) {
		if (errno == ENOENT)	/* it has just gone */
			return 0;
		trouble_errno(&trouble, errno, listing.name);
		return files_complain(listing.f, listing.name, &trouble);
	}
	err = tell_entry(dir, name, &st);
	if (!err && S_ISDIR(st.st_mode) && (listing.flags & PVO_FILE_RECURSIVE))
		err = list_directory(dir, name, depth + 1);
	return err;
}

static int list_directory(int dir, const char *name, unsigned int depth)
{
	size_t path_len = strlen(listing.path), name_len = strlen(listing.name), i;
	struct trouble trouble;
	struct names names;
	int fd, err;

	fd = depth < PVO_FILE_DEPTH_MAX ? open_beneath(dir, name, O_RDONLY | O_DIRECTORY) : -ELOOP;
	err = fd < 0 ? fd : names_read(fd, &names);
	if (err) {
		if (fd >= 0)
			close(fd);
		trouble_errno(&trouble, -err, listing.name);
		return files_complain(listing.f, listing.name, &trouble);
	}
	for (i = 0; i < names.count && !err; i++) {
		if (!path_join(listing.path, names.list[i], listing.path) &&
		    !path_join(listing.name, names.list[i], listing.name))
			err = list_name(fd, names.list[i], depth);
		listing.path[path_len] = 0;
		listing.name[name_len] = 0;
	}
	names_free(&names);
	close(fd);
	return err;
}

static int list_path(const void *path, size_t len)
{
	bool entry_only = listing.flags & PVO_FILE_DIRECTORY;
	struct trouble trouble = { 0 };
	const char *last;
	struct place place;
	struct stat st;
	int dir, err;

	if (place_find(listing.f, path, len, entry_only ? PLACE_ENTRY : PLACE_FILE, false, &place,
		       &trouble))
		return files_complain(listing.f, place.asked, &trouble);
	strcpy(listing.path, place.path);
	strcpy(listing.name, listing.verb_op == PVO_FILE_SUMS ? "" : place.asked);
	dir = place_parent(&place, &last);
	if (dir < 0 || fstatat(dir, last, &st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) {
		trouble_errno(&trouble, dir < 0 ? -dir : errno, place.asked);
		err = files_complain(listing.f, place.asked, &trouble);
	} else if (S_ISDIR(st.st_mode) && !entry_only) {
		err = list_directory(dir, last, 0);
	} else if (listing.verb_op == PVO_FILE_SUMS) {
		trouble_errno(&trouble, ENOTDIR, place.asked);
		err = files_complain(listing.f, place.asked, &trouble);
	} else {
		err = tell_entry(dir, last, &st);
	}
	if (dir >= 0)
		close(dir);
	return err;
}

static int list_pattern(const pvo_file_list_path_t *path)
{
	struct trouble trouble = { 0 };
	char shown[NAME_SIZE];
	glob_t paths;
	size_t i;
	int err = 0;

	if (place_glob(listing.f, path->bytes, path->size, &paths, &trouble)) {
		memcpy(shown, path->bytes, path->size);
		shown[path->size] = 0;
		err = files_complain(listing.f, shown, &trouble);
	}
	for (i = 0; i < paths.gl_pathc && !err && !trouble.status; i++)
		err = list_path(paths.gl_pathv[i], strlen(paths.gl_pathv[i]));
	globfree(&paths);
	return err;
}

void files_run_list(struct request *req)
{
	static pvo_file_list list;
	__u32 known = PVO_FILE_RECURSIVE | PVO_FILE_GLOB | PVO_FILE_DIRECTORY |
		      PVO_FILE_CHECKSUM | PVO_FILE_SHA256;
	int err = 0;
	pb_size_t i;

	if (!files_decode(req, pvo_file_list_fields, &list) || !files_flags(req, list.flags, known))
		return;
	listing.f = req->priv;
	listing.verb_op = req->op;
	listing.flags = list.flags;
	if (req->op == PVO_FILE_STAT)
		listing.flags |= PVO_FILE_DIRECTORY;
	err = digest_new(&listing.digest, list.flags & PVO_FILE_SHA256);
	if (err) {
		files_refuse_new(req, -err, list.flags);
		return;
	}
	listing.digest.over = files_over;
	listing.digest.priv = req;
	for (i = 0; i < list.path_count && !err; i++)
		err = list.flags & PVO_FILE_GLOB ? list_pattern(&list.path[i]) :
		      list_path(list.path[i].bytes, list.path[i].size);
	if (!err)
		err = files_flush(listing.f);
	if (!err)
		files_answer(req, &listing.summary);
}

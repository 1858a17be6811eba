// SPDX-License-Identifier: GPL-2.0-only
/* mkdir, mv and rm. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "policy.h"
#include "transfer/remove.h"

/* What was done of several paths, for the answer. */
static pvo_file_summary summary;

static int complain(struct files *f, const char *name, const struct trouble *trouble)
{
	summary.errors++;
	return files_complain(f, name, trouble);
}

static int make_one(struct files *f, const char *path, mode_t mode, bool parents)
{
	struct trouble trouble = { 0 };
	const char *last;
	struct place place;
	struct stat st;
	int dir, err;

	/* Where a parent is there the policy need not let it be changed. */
	if (place_find(f, path, strlen(path), PLACE_ENTRY, true, &place, &trouble))
		goto bad;
	dir = place_parent(&place, &last);
	if (dir < 0) {
		trouble_errno(&trouble, -dir, place.asked);
		goto bad;
	}
	err = *last ? 0 : EEXIST;
	if (!err && mkdirat(dir, last, mode))
		err = errno;
	if (err == EEXIST && parents && !fstatat(dir, last, &st, AT_EMPTY_PATH) &&
	    S_ISDIR(st.st_mode))
		err = 0;
	else if (!err)
		summary.directories++;
	close(dir);
	if (!err)
		return 0;
	trouble_errno(&trouble, err, place.asked);
bad:
	complain(f, path, &trouble);
	return -1;
}

/* Is @path a directory, which the policy does not forbid to look at? */
static bool is_directory(struct files *f, const char *path)
{
	struct trouble trouble;
	struct place place;
	int fd;

	if (place_find(f, path, strlen(path), PLACE_FILE, false, &place, &trouble))
		return false;
	fd = place_open(&place, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static void make_parents(struct files *f, const char *path, mode_t mode)
{
	char part[NAME_SIZE];
	const char *slash = path;

	while ((slash = strchr(slash + 1, '/'))) {
		memcpy(part, path, slash - path);
		part[slash - path] = 0;
		/* Above the policy's roots nothing can be looked at, nor has to be made. */
		if (!is_directory(f, part) && access(part, F_OK) &&
		    make_one(f, part, 0755, true))
			return;
	}
	make_one(f, path, mode, true);
}

void files_run_mkdir(struct request *req)
{
	static pvo_file_paths paths;
	struct files *f = req->priv;
	struct trouble trouble;
	char path[NAME_SIZE];
	mode_t mode;
	pb_size_t i;

	if (!files_decode(req, pvo_file_paths_fields, &paths) ||
	    !files_flags(req, paths.flags, PVO_FILE_PARENTS))
		return;
	mode = paths.mode ? paths.mode : 0755;
	if (mode & ~07777) {
		refuse(req, PVC_INVALID, "mkdir: the mode is 0%o, 0 to 07777 would do", mode);
		return;
	}
	for (i = 0; i < paths.path_count; i++) {
		if (path_normal(paths.path[i].bytes, paths.path[i].size, path, NULL)) {
			snprintf(path, sizeof(path), "%.*s", (int)paths.path[i].size,
				 paths.path[i].bytes);
			trouble_set(&trouble, PVC_INVALID,
				    "'%s' is not an absolute path without ..", path);
			complain(f, path, &trouble);
		} else if (paths.flags & PVO_FILE_PARENTS) {
			make_parents(f, path, mode);
		} else {
			make_one(f, path, mode, false);
		}
	}
	if (!files_flush(f))
		files_answer(req, &summary);
}

/*
 * A directory takes what is denied in it along; and what it has would be where that is denied.
 */
static __u32 tree_allowed(struct files *f, const char *path, struct trouble *trouble)
{
	struct verdict verdict;

	policy_tree(f->req->policy, f->req->principal, f->req->operation->verb, f->req->user, path,
		    &verdict);
	if (verdict.allowed)
		return PVC_OK;
	trouble_set(trouble, PVC_DENIED, "%s", verdict.text);
	return PVC_DENIED;
}

static __u32 find_target(struct files *f, const pvo_file_rename *rename, const struct place *from,
			 struct place *to, struct trouble *trouble)
{
	char path[NAME_SIZE];
	__u32 status;

	status = place_find(f, rename->to.bytes, rename->to.size, PLACE_ENTRY, true, to, trouble);
	if (status == PVC_INVALID || !is_directory(f, to->asked))
		return status;
	/* As mv: into the directory. */
	if (path_join(to->asked, path_base(from->asked), path)) {
		trouble_errno(trouble, ENAMETOOLONG, to->asked);
		return trouble->status;
	}
	trouble->status = PVC_OK;
	return place_find(f, path, strlen(path), PLACE_ENTRY, true, to, trouble);
}

static int rename_place(struct files *f, const struct place *from, const struct place *to,
			bool replace, struct trouble *trouble)
{
	const char *from_last, *to_last;
	int from_dir, to_dir, err = 0;
	struct stat st;

	from_dir = place_parent(from, &from_last);
	if (from_dir < 0)
		return trouble_errno(trouble, -from_dir, from->asked);
	to_dir = place_parent(to, &to_last);
	if (to_dir < 0) {
		close(from_dir);
		return trouble_errno(trouble, -to_dir, to->asked);
	}
	if (!*from_last || !*to_last)
		err = trouble_set(trouble, PVC_DENIED, "%s: a root of the policy stays where it is",
				  *from_last ? to->asked : from->asked);
	else if (fstatat(from_dir, from_last, &st, AT_SYMLINK_NOFOLLOW))
		err = trouble_errno(trouble, errno, from->asked);
	else if (S_ISDIR(st.st_mode) && (tree_allowed(f, from->path, trouble) ||
					 tree_allowed(f, to->path, trouble)))
		err = -EACCES;
	else if (renameat2(from_dir, from_last, to_dir, to_last, replace ? 0 : RENAME_NOREPLACE))
		err = errno == EXDEV ?
		      trouble_set(trouble, PVC_UNSUPPORTED,
				  "%s and %s are on different file systems", from->asked,
				  to->asked) :
		      trouble_errno(trouble, errno, errno == ENOENT ? from->asked : to->asked);
	else if (fsync(to_dir) && !cannot_sync(errno))
		err = trouble_set(trouble, PVC_FAILED,
				  "%s has that name, which a crash may undo: %s", to->asked,
				  strerror(errno));
	close(from_dir);
	close(to_dir);
	return err;
}

void files_run_rename(struct request *req)
{
	static pvo_file_rename rename;
	static struct place from, to;
	struct files *f = req->priv;
	struct trouble trouble = { 0 };

	if (!files_decode(req, pvo_file_rename_fields, &rename) ||
	    !files_flags(req, rename.flags, PVO_FILE_NO_REPLACE))
		return;
	if (place_find(f, rename.from.bytes, rename.from.size, PLACE_ENTRY, true, &from,
		       &trouble) ||
	    find_target(f, &rename, &from, &to, &trouble) ||
	    rename_place(f, &from, &to, !(rename.flags & PVO_FILE_NO_REPLACE), &trouble)) {
		files_refuse(req, &trouble);
		return;
	}
	summary.files = 1;
	files_answer(req, &summary);
}

static void remove_allow(struct remover *r, const char *name, struct trouble *trouble)
{
	struct files *f = r->priv;

	place_allowed(f, f->req->operation->verb, name, true, trouble);
}

static bool is_root(const struct files *f, const char *path)
{
	unsigned int i;

	for (i = 0; i < f->nr_roots; i++)
		if (!strcmp(f->roots[i].path, path))
			return true;
	return !strcmp(path, "/");
}

static void remove_path(struct files *f, const void *path, size_t len, __u32 flags)
{
	struct trouble trouble = { 0 };
	char name[NAME_SIZE];
	struct remover r = {
		.recursive = flags & PVO_FILE_RECURSIVE, .allow = remove_allow, .priv = f,
		.name = name,
	};
	const char *last;
	struct place place;
	int dir, err;

	if (place_find(f, path, len, PLACE_ENTRY, true, &place, &trouble)) {
		if (trouble.status != PVC_NOT_FOUND || !(flags & PVO_FILE_FORCE))
			complain(f, place.asked, &trouble);
		return;
	}
	dir = place_parent(&place, &last);
	if (dir < 0) {
		trouble_errno(&trouble, -dir, place.asked);
	} else if (is_root(f, place.path)) {
		trouble_set(&trouble, PVC_DENIED, "%s: a root of the policy is not removed",
			    place.asked);
	} else {
		strcpy(name, place.path);
		err = remove_tree(&r, dir, last);
		summary.removed += r.removed;
		if (err && !(err == -ENOENT && (flags & PVO_FILE_FORCE)))
			trouble = r.trouble;
	}
	if (dir >= 0)
		close(dir);
	if (trouble.status)
		complain(f, place.asked, &trouble);
}

static void remove_pattern(struct files *f, const pvo_file_paths_path_t *path, __u32 flags)
{
	struct trouble trouble = { 0 };
	char shown[NAME_SIZE];
	glob_t paths;
	size_t i;

	place_glob(f, path->bytes, path->size, &paths, &trouble);
	if (trouble.status && !(trouble.status == PVC_NOT_FOUND && (flags & PVO_FILE_FORCE))) {
		memcpy(shown, path->bytes, path->size);
		shown[path->size] = 0;
		complain(f, shown, &trouble);
	}
	for (i = 0; i < paths.gl_pathc && !trouble.status; i++)
		remove_path(f, paths.gl_pathv[i], strlen(paths.gl_pathv[i]), flags);
	globfree(&paths);
}

void files_run_remove(struct request *req)
{
	static pvo_file_paths paths;
	struct files *f = req->priv;
	pb_size_t i;

	if (!files_decode(req, pvo_file_paths_fields, &paths) ||
	    !files_flags(req, paths.flags, PVO_FILE_RECURSIVE | PVO_FILE_FORCE | PVO_FILE_GLOB))
		return;
	for (i = 0; i < paths.path_count; i++) {
		if (paths.flags & PVO_FILE_GLOB)
			remove_pattern(f, &paths.path[i], paths.flags);
		else
			remove_path(f, paths.path[i].bytes, paths.path[i].size, paths.flags);
	}
	if (!files_flush(f))
		files_answer(req, &summary);
}

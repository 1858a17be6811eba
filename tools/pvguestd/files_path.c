// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paths of the host. The worker finds out where a path leads, symbolic links followed, asks
 * the policy for that, and then opens that beneath a root of the policy with no link followed:
 * whoever exchanges a component meanwhile gets an error and no other file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "audit.h"
#include "files.h"
#include "policy.h"

#define LOGGED	4	/* allowed paths of a request in the audit log */

__u32 place_allowed(struct files *f, const char *verb, const char *path, bool write,
		    struct trouble *trouble)
{
	static unsigned int told;
	struct verdict verdict;

	policy_path(f->req->policy, f->req->principal, verb, f->req->user, path, write, &verdict);
	/* Of a tree, or a pattern, the log has the first paths and those that are denied. */
	if (!verdict.allowed || told++ < LOGGED)
		audit_verdict(f->req, &verdict, path, strlen(path));
	if (verdict.allowed)
		return PVC_OK;
	trouble_set(trouble, PVC_DENIED, "%s", verdict.text);
	return PVC_DENIED;
}

/* Where @path leads, by the kernel's account; nothing is opened for it. 0 or -errno */
static int canonical(const char *path, char *out)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS,
	};
	long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof(how));
	char link[40];
	ssize_t len;

	if (fd < 0)
		return -errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%ld", fd);
	len = readlink(link, out, NAME_SIZE);
	close(fd);
	if (len < 0)
		return -errno;
	if (len >= NAME_SIZE)
		return -ENAMETOOLONG;
	out[len] = 0;
	return *out == '/' ? 0 : -ENOENT;
}

/* The innermost root of @place->path. */
static bool find_root(const struct files *f, struct place *place, bool write)
{
	size_t best = 0;
	unsigned int i;

	place->root = NULL;
	for (i = 0; i < f->nr_roots; i++) {
		const struct files_root *root = &f->roots[i];
		size_t len = strlen(root->path);

		if (len == 1)
			len = 0;	/* "/" */
		if (strncmp(root->path, place->path, len) ||
		    (place->path[len] && place->path[len] != '/') ||
		    (write && !root->write) || (place->root && len < best))
			continue;
		best = len;
		place->root = root;
		place->rel = place->path + len + (place->path[len] == '/');
	}
	return place->root;
}

static int resolve(struct place *place, enum place_kind kind)
{
	char parent[NAME_SIZE];
	const char *base = path_base(place->asked);
	size_t len = base - place->asked;
	int err;

	if (kind == PLACE_FILE || !*base)
		return canonical(place->asked, place->path);
	memcpy(parent, place->asked, len);
	parent[len] = 0;
	err = canonical(parent, place->path);
	return err ? err : path_join(place->path, base, place->path);
}

__u32 place_find(struct files *f, const void *path, size_t len, enum place_kind kind, bool write,
		 struct place *place, struct trouble *trouble)
{
	const char *verb = f->req->operation->verb;
	int err = path_normal(path, len, place->asked, &place->slash);

	if (err) {
		/* What it is told by, as far as it has no zero byte. */
		snprintf(place->asked, sizeof(place->asked), "%.*s", (int)len, (const char *)path);
		trouble_set(trouble, PVC_INVALID,
			    "'%.*s' is not an absolute path without .., of %u bytes at most",
			    (int)(len > 200 ? 200 : len), (const char *)path, PVO_FILE_NAME_MAX);
		return PVC_INVALID;
	}
	err = resolve(place, kind);
	if (err) {
		/* Whether there is anything is not told of what is denied. */
		if (!place_allowed(f, verb, place->asked, write, trouble))
			trouble_errno(trouble, -err, place->asked);
		return trouble->status;
	}
	if (place_allowed(f, verb, place->path, write, trouble))
		return trouble->status;
	if (!find_root(f, place, write))
		trouble_set(trouble, PVC_DENIED,
			    "%s: it is beneath no root of the policy that is there", place->path);
	else
		trouble->status = PVC_OK;
	return trouble->status;
}

int place_open(const struct place *place, int flags)
{
	return open_beneath(place->root->fd, place->rel, flags);
}

int place_parent(const struct place *place, const char **last)
{
	return open_parent(place->root->fd, place->rel, last);
}

/*
 * glob() with our own directories: its callbacks have no argument, and a worker has one
 * request.
 */
static struct {
	struct files *f;
	unsigned int left;
} globbing;

static void *glob_opendir(const char *path)
{
	struct trouble trouble;
	struct place place;
	int fd;

	if (place_find(globbing.f, path, strlen(path), PLACE_FILE, false, &place, &trouble)) {
		errno = ENOENT;
		return NULL;
	}
	fd = place_open(&place, O_RDONLY | O_DIRECTORY);
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	return fdopendir(fd);
}

static struct dirent *glob_readdir(void *dir)
{
	struct dirent *entry;

	do {
		if (!globbing.left)
			return NULL;
		globbing.left--;
		entry = readdir(dir);
	} while (entry && (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")));
	return entry;
}

static void glob_closedir(void *dir)
{
	closedir(dir);
}

static int glob_stat_at(const char *path, struct stat *st, enum place_kind kind)
{
	struct trouble trouble;
	struct place place;
	const char *last;
	int fd, err;

	if (place_find(globbing.f, path, strlen(path), kind, false, &place, &trouble)) {
		errno = ENOENT;
		return -1;
	}
	fd = place_parent(&place, &last);
	if (fd < 0) {
		errno = -fd;
		return -1;
	}
	err = fstatat(fd, last, st, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
	close(fd);
	return err;
}

static int glob_stat(const char *path, struct stat *st)
{
	return glob_stat_at(path, st, PLACE_FILE);
}

static int glob_lstat(const char *path, struct stat *st)
{
	return glob_stat_at(path, st, PLACE_ENTRY);
}

__u32 place_glob(struct files *f, const void *path, size_t len, glob_t *paths,
		 struct trouble *trouble)
{
	char pattern[NAME_SIZE];
	int err;

	memset(paths, 0, sizeof(*paths));
	paths->gl_opendir = glob_opendir;
	paths->gl_readdir = glob_readdir;
	paths->gl_closedir = glob_closedir;
	paths->gl_stat = glob_stat;
	paths->gl_lstat = glob_lstat;
	if (path_normal(path, len, pattern, NULL)) {
		trouble_set(trouble, PVC_INVALID, "'%.*s' is not an absolute pattern without ..",
			    (int)(len > 200 ? 200 : len), (const char *)path);
		return PVC_INVALID;
	}
	globbing.f = f;
	globbing.left = FILES_MATCHES;
	err = glob(pattern, GLOB_ALTDIRFUNC, NULL, paths);
	if (!globbing.left)
		trouble_set(trouble, PVC_DENIED,
			    "%s: the pattern is looked for among more than %u names", pattern,
			    FILES_MATCHES);
	else if (err == GLOB_NOMATCH)
		trouble_set(trouble, PVC_NOT_FOUND, "%s: nothing matches it", pattern);
	else if (err)
		trouble_set(trouble, PVC_FAILED, "%s: the pattern takes too much memory",
			    pattern);
	else
		trouble->status = PVC_OK;
	return trouble->status;
}

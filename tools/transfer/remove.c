// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "name.h"
#include "remove.h"

static int remove_entry(struct remover *r, int dir, const char *name, dev_t dev,
			unsigned int depth);

static int remove_names(struct remover *r, DIR *dir, dev_t dev, unsigned int depth)
{
	size_t len = strlen(r->name);
	struct dirent *entry;
	int err = 0;

	while (!err) {
		errno = 0;
		entry = readdir(dir);
		if (!entry)
			return errno ? trouble_errno(&r->trouble, errno, r->name) : 0;
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (path_join(r->name, entry->d_name, r->name))
			return trouble_errno(&r->trouble, ENAMETOOLONG, r->name);
		err = remove_entry(r, dirfd(dir), entry->d_name, dev, depth + 1);
		if (err == -ENOENT) {	/* another process was quicker */
			r->trouble.status = PVC_OK;
			err = 0;
		}
		r->name[len] = 0;
	}
	return err;
}

static int remove_content(struct remover *r, int dir, const char *name, dev_t dev,
			  unsigned int depth)
{
	struct stat st;
	DIR *content;
	int fd, err;

	if (depth == PVO_FILE_DEPTH_MAX)
		return trouble_set(&r->trouble, PVC_UNSUPPORTED,
				   "%s: more than %u directories deep", r->name,
				   PVO_FILE_DEPTH_MAX);
	fd = open_beneath(dir, name, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return trouble_errno(&r->trouble, -fd, r->name);
	if (fstat(fd, &st))
		err = trouble_errno(&r->trouble, errno, r->name);
	else if (depth && st.st_dev != dev)
		err = trouble_set(&r->trouble, PVC_DENIED,
				  "%s: another file system is mounted there, which stays",
				  r->name);
	else
		err = 0;
	content = err ? NULL : fdopendir(fd);
	if (!content) {
		if (!err)
			err = trouble_errno(&r->trouble, errno, r->name);
		close(fd);
		return err;
	}
	err = remove_names(r, content, st.st_dev, depth);
	closedir(content);
	return err;
}

static int remove_entry(struct remover *r, int dir, const char *name, dev_t dev,
			unsigned int depth)
{
	struct stat st;
	int err;

	if (r->allow)
		r->allow(r, r->name, &r->trouble);
	if (r->trouble.status)
		return -EACCES;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return trouble_errno(&r->trouble, errno, r->name);
	if (S_ISDIR(st.st_mode)) {
		if (!r->recursive)
			return trouble_set(&r->trouble, PVC_INVALID,
					   "%s: it is a directory, which is removed with -r alone",
					   r->name);
		err = remove_content(r, dir, name, dev, depth);
		if (err)
			return err;
	}
	if (unlinkat(dir, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0))
		return trouble_errno(&r->trouble, errno, r->name);
	r->removed++;
	return 0;
}

int remove_tree(struct remover *r, int dir, const char *name)
{
	return remove_entry(r, dir, name, 0, 0);
}

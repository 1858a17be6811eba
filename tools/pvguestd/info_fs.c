// SPDX-License-Identifier: GPL-2.0-only
/*
 * File systems and their usage.
 *
 * Whoever runs a FUSE file system, or the server of a network file system, can keep a process
 * waiting that asks it for its size. So those are named and not asked.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

#include "info.h"
#include "mounts.h"

static bool is_one_of(const char *type, const char *const *types)
{
	while (*types)
		if (!strcmp(type, *types++))
			return true;
	return false;
}

static bool answers_at_once(const struct mount_entry *m)
{
	static const char *const remote[] = {
		"9p", "virtiofs", "autofs", "ceph", "afs", "lustre", "gfs2", "ocfs2", NULL
	};

	return !m->network && strncmp(m->type, "fuse", 4) && !is_one_of(m->type, remote);
}

/* Those that keep something, neither proc, sysfs and the like. */
static bool is_storage(const struct mount_entry *m)
{
	static const char *const storage[] = { "tmpfs", "ramfs", "overlay", NULL };

	return !m->pseudo || is_one_of(m->type, storage);
}

/* What another one is mounted over is not asked: its name leads to the other. */
static bool is_hidden(const struct mount_entry *m)
{
	struct stat st;

	/* btrfs has numbers of its own for each subvolume. */
	return stat(m->target, &st) || (st.st_dev != m->dev && strcmp(m->type, "btrfs"));
}

static void ask(pvo_InfoFs *info, const struct mount_entry *m)
{
	struct statvfs st;

	if (is_hidden(m) || statvfs(m->target, &st))
		return;
	info->asked = true;
	info->size = (__u64)st.f_blocks * st.f_frsize;
	info->used = (__u64)(st.f_blocks - st.f_bfree) * st.f_frsize;
	info->available = (__u64)st.f_bavail * st.f_frsize;
	info->files = st.f_files;
	info->files_free = st.f_ffree;
}

struct round {
	struct info_table *table;
	__u32 n;
	dev_t dev[INFO_FS_MAX];		/* those that were put */
};

/* Was the same file system there already, at another place? */
static bool is_repeated(const struct round *round, dev_t dev)
{
	__u32 i;

	for (i = 0; i < round->n; i++)
		if (round->dev[i] == dev)
			return true;
	return false;
}

/* The first INFO_FS_MAX; beyond that, of a table that may be huge, they are only counted. */
static int put_fs(const struct mount_entry *m, void *priv)
{
	static info_record rec;
	struct round *round = priv;
	pvo_InfoFs *info = &rec.what.fs;

	if (!is_storage(m) || is_repeated(round, m->dev))
		return 0;
	if (round->n == INFO_FS_MAX || strlen(m->target) > sizeof(info->target.bytes)) {
		table_left_out(round->table, pvo_InfoSection_INFO_FS);
		return 0;
	}
	round->dev[round->n++] = m->dev;
	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_InfoRecord_fs_tag;
	set_bytes(info->target, m->target, strlen(m->target));
	set_bytes(info->source, m->source, strlen(m->source));
	set_bytes(info->type, m->type, strlen(m->type));
	info->major = major(m->dev);
	info->minor = minor(m->dev);
	info->readonly = m->readonly;
	if (answers_at_once(m))
		ask(info, m);
	return table_put(round->table, pvo_InfoSection_INFO_FS, &rec);
}

int fs_collect(struct info_table *t)
{
	static struct round round;
	int ret;

	round.table = t;
	round.n = 0;
	table_begin(t, pvo_InfoSection_INFO_FS);
	ret = mounts_walk(false, put_fs, &round);
	return ret ? ret : table_end(t, pvo_InfoSection_INFO_FS);
}

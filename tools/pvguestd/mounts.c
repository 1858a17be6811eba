// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of mounts: see mounts.h.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libmount/libmount.h>

#include "mounts.h"

#define TABLE	"/proc/self/mountinfo"

/* What is used of libmount, by the types of its header. */
#define FUNCTIONS(F)					\
	F(mnt_new_table) F(mnt_unref_table)		\
	F(mnt_table_parse_file) F(mnt_table_next_fs)	\
	F(mnt_new_iter) F(mnt_free_iter)		\
	F(mnt_fs_get_target) F(mnt_fs_get_source)	\
	F(mnt_fs_get_fstype) F(mnt_fs_get_options)	\
	F(mnt_fs_get_devno) F(mnt_fs_is_netfs)		\
	F(mnt_fs_is_pseudofs) F(mnt_optstr_get_flags)	\
	F(mnt_get_builtin_optmap)

static struct {
#define POINTER(name)	__typeof__(name) *name;
	FUNCTIONS(POINTER)
} lib;

int mounts_load(void)
{
	void *handle;

	if (lib.mnt_new_table)
		return 0;
	handle = dlopen("libmount.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return -ENOSYS;
#define LOOK_UP(name)						\
	lib.name = (__typeof__(name) *)dlsym(handle, #name);	\
	if (!lib.name)						\
		goto incomplete;
	FUNCTIONS(LOOK_UP)
	return 0;

incomplete:
	dlclose(handle);
	lib.mnt_new_table = NULL;
	return -ENOSYS;
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void fill(struct mount_entry *m, struct libmnt_fs *fs)
{
	unsigned long flags = 0;

	m->target = or_empty(lib.mnt_fs_get_target(fs));
	m->source = or_empty(lib.mnt_fs_get_source(fs));
	m->type = or_empty(lib.mnt_fs_get_fstype(fs));
	m->dev = lib.mnt_fs_get_devno(fs);
	m->network = lib.mnt_fs_is_netfs(fs);
	m->pseudo = lib.mnt_fs_is_pseudofs(fs);
	lib.mnt_optstr_get_flags(lib.mnt_fs_get_options(fs), &flags,
				 lib.mnt_get_builtin_optmap(MNT_LINUX_MAP));
	m->readonly = flags & MS_RDONLY;
}

static int walk(struct libmnt_table *table, struct libmnt_iter *it,
		int (*each)(const struct mount_entry *m, void *priv), void *priv)
{
	struct mount_entry m;
	struct libmnt_fs *fs;
	int ret = lib.mnt_table_parse_file(table, TABLE);

	while (!ret && !lib.mnt_table_next_fs(table, it, &fs)) {
		fill(&m, fs);
		ret = each(&m, priv);
	}
	return ret;
}

int mounts_walk(bool backward, int (*each)(const struct mount_entry *m, void *priv), void *priv)
{
	struct libmnt_table *table;
	struct libmnt_iter *it;
	int ret = mounts_load();

	if (ret)
		return ret;
	table = lib.mnt_new_table();
	it = lib.mnt_new_iter(backward ? MNT_ITER_BACKWARD : MNT_ITER_FORWARD);
	ret = table && it ? walk(table, it, each, priv) : -ENOMEM;
	lib.mnt_free_iter(it);
	lib.mnt_unref_table(table);
	return ret;
}

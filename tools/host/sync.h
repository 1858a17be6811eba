/* SPDX-License-Identifier: GPL-2.0-only */
/* What sync compares: the entries of a directory here, and of one in the guest. */
#ifndef _TOOLS_HOST_SYNC_H
#define _TOOLS_HOST_SYNC_H

#include "files.h"
#include "transfer/digest.h"

#define SYNC_MAX	4000000u	/* entries in a directory */

/* What is to be done with an entry of the first directory, or one of the second only. */
enum sync_action {
	SYNC_SAME,
	SYNC_COPY,	/* it is not there, or differs */
	SYNC_GONE,	/* it is not in the first */
	SYNC_REPLACE,	/* of another type: the second's goes, the first's comes */
	SYNC_REFUSED,	/* of another type, and nothing may be removed */
};

/**
 * struct sync_entry - a file or directory
 * @name: relative
 * @target: of a symbolic link, or NULL
 * @changed: a directory: something in it is done
 */
struct sync_entry {
	char *name;
	char *target;
	__u64 size;
	pvo_file_attr attr;
	__u8 xxh3[DIGEST_XXH3];
	enum sync_action action;
	bool changed;
};

/* Sorted by name_order() once they are complete. */
struct sync_list {
	struct sync_entry *entries;
	size_t count, room;
};

struct sync_entry *sync_add(struct sync_list *list, const char *name, size_t len);
struct sync_entry *sync_find(const struct sync_list *list, const char *name);
void sync_sort(struct sync_list *list);
void sync_free(struct sync_list *list);
/*
 * All beneath the directory @fd; @sums: with hashes. 0 or -errno, @trouble. Fifos and the like
 * are left out and counted in @left_out.
 */
int sync_read_local(struct sync_list *list, int fd, const char *path, bool sums,
		    unsigned int *left_out, struct trouble *trouble);
/* Fills in &sync_entry.action of both. */
void sync_compare(struct sync_list *from, struct sync_list *to, bool sums, bool delete);

#endif /* _TOOLS_HOST_SYNC_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* Removing a file, or a directory with all that is in it. */
#ifndef _TOOLS_TRANSFER_REMOVE_H
#define _TOOLS_TRANSFER_REMOVE_H

#include "record.h"

/**
 * struct remover - how it is done
 * @recursive: directories, too
 * @allow: may @name be removed? PVC_OK or a status and a text. May be NULL
 * @priv: the owner's
 * @removed: out: entries that are gone
 * @trouble: out: why it ended early
 * @name: of the entry under way, NAME_SIZE bytes, as it is told to @allow and in @trouble; the
 *	first entry's before remove_tree() is called
 */
struct remover {
	bool recursive;
	void (*allow)(struct remover *r, const char *name, struct trouble *trouble);
	void *priv;
	__u64 removed;
	struct trouble trouble;
	char *name;
};

/*
 * Removes @name, one component, of the directory @dir. It follows no symbolic link, leaves
 * alone what is mounted beneath, and stops at the first entry that cannot be removed. 0 or
 * -errno, -ENOENT if there is no @name
 */
int remove_tree(struct remover *r, int dir, const char *name);

#endif /* _TOOLS_TRANSFER_REMOVE_H */

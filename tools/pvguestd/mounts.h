/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of mounts, as libmount reads it. The library is loaded by the process that needs
 * it: with all that it needs itself it would cost each process of the idle daemon 300 KiB.
 */
#ifndef _PVGUESTD_MOUNTS_H
#define _PVGUESTD_MOUNTS_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * struct mount_entry - a mount; its strings are valid during the call
 * @target: where; never NULL, like the other two
 * @source: what, such as a device
 * @type: of the file system
 * @dev: its number
 * @readonly: the mount, or the file system
 * @network: it is somewhere else
 * @pseudo: it stores nothing: proc, sysfs and so on; tmpfs, too
 */
struct mount_entry {
	const char *target;
	const char *source;
	const char *type;
	dev_t dev;
	bool readonly;
	bool network;
	bool pseudo;
};

/* Loads the library, which needs to open files. 0 or -errno. */
int mounts_load(void);
/*
 * Reads the table and calls @each for every mount, in the order of mounting, or the opposite
 * one, until it returns something other than 0, which is returned; or -errno.
 */
int mounts_walk(bool backward, int (*each)(const struct mount_entry *m, void *priv), void *priv);

#endif /* _PVGUESTD_MOUNTS_H */

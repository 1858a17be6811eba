/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The freeze lease's share of compat.h.
 */
#ifndef _PVGUEST_COMPAT_FS_H
#define _PVGUEST_COMPAT_FS_H

#include <linux/fs.h>

#include "pvguest/compat.h"

/* As the FIFREEZE and FITHAW of userspace, which can so undo what we did. */
#if defined(PVG_HAVE_FREEZE_SUPER_OWNER)
#define PVG_FREEZE_ARGS(sb)	(sb), FREEZE_HOLDER_USERSPACE, NULL
#elif defined(PVG_HAVE_FREEZE_SUPER_HOLDER)
#define PVG_FREEZE_ARGS(sb)	(sb), FREEZE_HOLDER_USERSPACE
#else
#define PVG_FREEZE_ARGS(sb)	(sb)
#endif

static inline bool pvg_can_freeze(const struct super_block *sb)
{
	return sb->s_op->freeze_super || sb->s_op->freeze_fs;
}

/* May take as long as writing back what is dirty takes; cannot be killed. */
static inline int pvg_freeze_super(struct super_block *sb)
{
	if (sb->s_op->freeze_super)
		return sb->s_op->freeze_super(PVG_FREEZE_ARGS(sb));
	return freeze_super(PVG_FREEZE_ARGS(sb));
}

static inline int pvg_thaw_super(struct super_block *sb)
{
	if (sb->s_op->thaw_super)
		return sb->s_op->thaw_super(PVG_FREEZE_ARGS(sb));
	return thaw_super(PVG_FREEZE_ARGS(sb));
}

#endif /* _PVGUEST_COMPAT_FS_H */

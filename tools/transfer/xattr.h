/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which extended attributes are copied, ACLs being such attributes: user.* and ACLs; as root
 * security.capability, too. Labels of security modules are the receiver's policy.
 */
#ifndef _TOOLS_TRANSFER_XATTR_H
#define _TOOLS_TRANSFER_XATTR_H

#include <stdbool.h>

/* @owner: with those that only root may set */
bool xattr_copied(const char *name, bool owner);

#endif /* _TOOLS_TRANSFER_XATTR_H */

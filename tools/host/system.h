/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What pvhost has the daemon do to the whole system.
 */
#ifndef _TOOLS_HOST_SYSTEM_H
#define _TOOLS_HOST_SYSTEM_H

#include "pvhost.h"

/*
 * Shutdown or reboot by the daemon, with hooks and grace; shows what it reports, as lines or in
 * @object. False: the guest has no daemon that can, and it was not begun. Otherwise *@out: DONE:
 * the system goes down.
 */
bool daemon_power(const struct options *opt, bool reboot, cJSON *object, enum outcome *out);

#endif /* _TOOLS_HOST_SYSTEM_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* The operations of INFO, as functions of struct operation. */
#ifndef _PVGUESTD_INFO_OPS_H
#define _PVGUESTD_INFO_OPS_H

#include "worker.h"

__u32 info_prepare(struct request *req);
void info_run(struct request *req);
__u32 watch_prepare(struct request *req);
void watch_run(struct request *req);
__u32 top_prepare(struct request *req);
void top_run(struct request *req);

extern const struct operation info_operations[];	/* ends with an empty one */

#endif /* _PVGUESTD_INFO_OPS_H */

// SPDX-License-Identifier: GPL-2.0-only
/* The operations of INFO. */
#include "info_ops.h"

const struct operation info_operations[] = {
	{
		.service = PVO_SERVICE_INFO, .op = PVO_INFO_GET, .verb = "info",
		.keep = KEEP_PROC | KEEP_NOBODY, .prepare = info_prepare, .run = info_run,
	}, {
		.service = PVO_SERVICE_INFO, .op = PVO_INFO_WATCH, .verb = "watch",
		.keep = KEEP_PROC | KEEP_NOBODY, .prepare = watch_prepare, .run = watch_run,
	}, {
		.service = PVO_SERVICE_INFO, .op = PVO_INFO_TOP, .verb = "top",
		.keep = KEEP_PROC | KEEP_NOBODY, .prepare = top_prepare, .run = top_run,
	},
	{ }
};

/* SPDX-License-Identifier: GPL-2.0-only */
/* Quantities for people; each returns @to, which has room for @size bytes. */
#ifndef _TOOLS_HOST_UNITS_H
#define _TOOLS_HOST_UNITS_H

#include <linux/types.h>
#include <stddef.h>

/* "1.5 GiB" */
char *bytes_text(char *to, size_t size, __u64 bytes);
/* "3 d 4:05 h" */
char *duration_text(char *to, size_t size, __u64 seconds);
/* "2026-11-30 04:05 UTC" */
char *time_text(char *to, size_t size, __s64 seconds);

#endif /* _TOOLS_HOST_UNITS_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The terminal as a screen: its other page, no cursor, keys one by one. However pvhost ends, the
 * terminal is then as it was before.
 */
#ifndef _TOOLS_HOST_SCREEN_H
#define _TOOLS_HOST_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

/* False: stdout is none. */
bool screen_begin(void);
/* As it was; may be called at any time, also from a signal handler, and more than once. */
void screen_end(void);
/* The size as it is now. */
void screen_size(unsigned int *columns, unsigned int *rows);
/* Draws lines with an LF behind each; what was below them is gone. */
void screen_draw(const char *text, size_t len);

#endif /* _TOOLS_HOST_SCREEN_H */

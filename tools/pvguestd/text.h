/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text of bounded length, from parts of which some are the host's. What finds no room is left
 * out; the text always ends in a zero byte.
 */
#ifndef _PVGUESTD_TEXT_H
#define _PVGUESTD_TEXT_H

#include <stddef.h>

/**
 * struct text - a text that is being put together
 * @at: its end
 * @room: bytes left, without the terminating zero
 */
struct text {
	char *at;
	size_t room;
};

/* An empty one in @buf of @size bytes, not 0. */
struct text text_begin(char *buf, size_t size);
void text_put(struct text *t, const char *what);
/* In decimal. */
void text_number(struct text *t, unsigned long long value);
/*
 * @len bytes of anything: what is no printable ASCII, and the backslash, as \xNN; zero bytes
 * as @zero, unless that is 0. A sequence is there whole or not at all. How many bytes found
 * room.
 */
size_t text_bytes(struct text *t, const void *bytes, size_t len, char zero);
/* A string, in the same way. */
void text_safe(struct text *t, const char *what);

#endif /* _PVGUESTD_TEXT_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text of bounded length, see text.h.
 */
#include <stdio.h>
#include <string.h>

#include "text.h"

static void put_char(struct text *t, char c)
{
	if (!t->room)
		return;
	*t->at++ = c;
	t->room--;
	*t->at = '\0';
}

struct text text_begin(char *buf, size_t size)
{
	*buf = '\0';
	return (struct text){ buf, size - 1 };
}

void text_put(struct text *t, const char *what)
{
	while (*what && t->room)
		put_char(t, *what++);
}

void text_number(struct text *t, unsigned long long value)
{
	char number[24];

	snprintf(number, sizeof(number), "%llu", value);
	text_put(t, number);
}

size_t text_bytes(struct text *t, const void *bytes, size_t len, char zero)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *at = bytes;
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = at[i];

		if (!c && zero)
			c = zero;
		if (t->room < 4)
			break;
		if (c >= ' ' && c < 0x7f && c != '\\') {
			put_char(t, c);
			continue;
		}
		text_put(t, "\\x");
		put_char(t, digits[c >> 4]);
		put_char(t, digits[c & 15]);
	}
	return i;
}

void text_safe(struct text *t, const char *what)
{
	text_bytes(t, what, strlen(what), 0);
}

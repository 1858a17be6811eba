// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text of unknown origin in a given number of columns of a terminal.
 */
#include <langinfo.h>
#include <locale.h>
#include <string.h>
#include <wchar.h>

#include "top.h"

/* Characters without a shape that change how others are shown, or their direction. */
static bool is_format(wchar_t c)
{
	return c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
		(c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
		(c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe0fff) ||
		(c >= 0xfe00 && c <= 0xfe0f);
}

int char_width(const char *text, size_t len, size_t *bytes)
{
	mbstate_t state = { };
	wchar_t c;
	size_t n;
	int width;

	*bytes = 1;
	if (*text >= ' ' && *text < 0x7f)
		return 1;
	n = mbrtowc(&c, text, len, &state);
	if (n == 0 || n > len || c < 0xa0 || is_format(c))
		return -1;
	width = wcwidth(c);
	if (width < 0)
		return -1;
	*bytes = n;
	return width;
}

unsigned int cell_text(char *to, size_t size, const void *text, size_t len,
		       unsigned int columns, bool utf8)
{
	const char *in = text;
	unsigned int used = 0, marks = 0;
	size_t n = 0, bytes;
	int width;

	while (len && n + 5 < size) {
		width = char_width(in, len, &bytes);
		if (!utf8 && *in & 0x80)
			width = -1;
		/* One mark on a character is language; a pile of them covers other lines. */
		marks = width ? 0 : marks + 1;
		if (width < 0 || marks > 1 || (!width && !used)) {
			if (used + 1 > columns)
				break;
			to[n++] = '?';
			used++;
		} else {
			if (used + width > columns)
				break;
			memcpy(to + n, in, bytes);
			n += bytes;
			used += width;
		}
		in += bytes;
		len -= bytes;
	}
	to[n] = '\0';
	return used;
}

bool use_utf8(void)
{
	bool utf8;

	setlocale(LC_CTYPE, "");
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	/* Whatever it is, what the guest sends is UTF-8. */
	return setlocale(LC_CTYPE, "C.UTF-8") && utf8;
}

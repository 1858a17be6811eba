// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of a guest: see records.h.
 */
#include <pb_encode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "records.h"

/*
 * Bytes of the length and of the record that begins at @buf. 0: there is not all of the length
 * yet; -1: it is too long.
 */
static int measure(const __u8 *buf, size_t len, size_t *head, size_t *body)
{
	__u32 value = 0;
	size_t i;

	for (i = 0; i < len && i < 3; i++) {
		value |= (buf[i] & 0x7fu) << (7 * i);
		if (buf[i] & 0x80)
			continue;
		if (value > RECORD_MAX)
			return -1;
		*head = i + 1;
		*body = value;
		return 1;
	}
	return i == 3 ? -1 : 0;
}

/* All whole records at the beginning of @buf; how many bytes they are, or -1. */
static ssize_t take_whole(struct records *r, const __u8 *buf, size_t len)
{
	size_t at = 0, head, body;
	pb_istream_t from;
	int ret;

	while (!r->stopped) {
		ret = measure(buf + at, len - at, &head, &body);
		if (ret < 0)
			return -1;
		if (!ret || head + body > len - at)
			break;
		from = pb_istream_from_buffer(buf + at + head, body);
		if (!pb_decode(&from, r->fields, r->record))
			return -1;
		at += head + body;
		r->stopped = !r->each(r->priv);
	}
	return at;
}

bool records_take(struct records *r, const void *buf, size_t len)
{
	const __u8 *in = buf;
	ssize_t done;
	size_t n;

	while (len && !r->stopped) {
		n = sizeof(r->buf) - r->used;
		if (n > len)
			n = len;
		memcpy(r->buf + r->used, in, n);
		r->used += n;
		in += n;
		len -= n;
		done = take_whole(r, r->buf, r->used);
		if (done < 0)
			return false;
		r->used -= done;
		memmove(r->buf, r->buf + done, r->used);
	}
	return true;
}

bool records_all(struct records *r, const void *buf, size_t len)
{
	return records_take(r, buf, len) && (r->stopped || !r->used);
}

size_t record_encode(const pb_msgdesc_t *fields, const void *record, void *buf, size_t size)
{
	pb_ostream_t to = pb_ostream_from_buffer(buf, size);

	if (pb_encode(&to, fields, record))
		return to.bytes_written;
	fprintf(stderr, "pvhost: the request does not fit: %s\n", PB_GET_ERROR(&to));
	exit(FAILED);
}

char *text_of(char *to, size_t size, const void *text, size_t len)
{
	const char *printable = client_printable(text, len);
	size_t n = strlen(printable);

	if (n > size - 1) {
		n = size - 1;
		/* Not in the middle of a character. */
		while (n && (printable[n] & 0xc0) == 0x80)
			n--;
	}
	memcpy(to, printable, n);
	to[n] = '\0';
	return to;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of a guest in a stream's data: each is preceded by its length. Nothing of them is
 * believed but that they decode: a text is bytes, a number may be any.
 */
#ifndef _TOOLS_HOST_RECORDS_H
#define _TOOLS_HOST_RECORDS_H

#include <pb_decode.h>
#include <stdbool.h>

#include "client.h"

#define RECORD_MAX	66560u	/* bytes of one */

/**
 * struct records - a reader of them
 * @fields: their schema
 * @record: where each is decoded to
 * @each: is called for each; false: no more is wanted
 * @priv: for @each
 * @stopped: by @each
 * @used: bytes of @buf
 * @buf: what is no whole record yet
 */
struct records {
	const pb_msgdesc_t *fields;
	void *record;
	bool (*each)(void *priv);
	void *priv;
	bool stopped;
	size_t used;
	__u8 buf[RECORD_MAX + 8];
};

/* More data; false: a record is malformed, or longer than RECORD_MAX. */
bool records_take(struct records *r, const void *buf, size_t len);
/* The same for the data of client_call(), which has to end with a record. */
bool records_all(struct records *r, const void *buf, size_t len);
/* Encodes @record into @buf; its length. What we make ourselves fits, or pvhost ends. */
size_t record_encode(const pb_msgdesc_t *fields, const void *record, void *buf, size_t size);

/* Text of the guest, printable, at most @size - 1 bytes of it; returns @to. */
char *text_of(char *to, size_t size, const void *text, size_t len);
/* The same for a field of nanopb's type bytes into an array. */
#define text_field(to, field)	text_of(to, sizeof(to), (field).bytes, (field).size)

#endif /* _TOOLS_HOST_RECORDS_H */

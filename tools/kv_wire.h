/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Values in the records of KV, for both sides: nanopb calls back for them, since with a value
 * in it a record would be larger than nanopb's descriptors can say.
 */
#ifndef _TOOLS_KV_WIRE_H
#define _TOOLS_KV_WIRE_H

#include <pb_decode.h>
#include <pb_encode.h>

#include "kv.pb.h"

#define KV_RECORD_MAX	(65536 + 1024)	/* bytes of a record with its value */

/**
 * struct kv_value - a value, to be encoded or as it was decoded
 * @data: the bytes; to decode, room for @room bytes
 * @len: how many
 * @room: to decode; a value that is longer makes the record invalid
 */
struct kv_value {
	void *data;
	size_t len;
	size_t room;
};

static inline bool kv_encode_value(pb_ostream_t *stream, const pb_field_t *field,
				   void *const *arg)
{
	const struct kv_value *value = *arg;

	if (!value || !value->len)
		return true;
	return pb_encode_tag_for_field(stream, field) &&
		pb_encode_string(stream, value->data, value->len);
}

static inline bool kv_decode_value(pb_istream_t *stream, const pb_field_t *field, void **arg)
{
	struct kv_value *value = *arg;

	(void)field;
	if (!value)
		return pb_read(stream, NULL, stream->bytes_left);
	value->len = stream->bytes_left;
	return value->len <= value->room && pb_read(stream, value->data, value->len);
}

#endif /* _TOOLS_KV_WIRE_H */

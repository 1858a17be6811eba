/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records of an operation, for the host: each is preceded by its length, many go in one
 * write.
 */
#ifndef _PVGUESTD_RECORD_OUT_H
#define _PVGUESTD_RECORD_OUT_H

#include <pb_encode.h>

#include "worker.h"

#define RECORD_MAX	4096u	/* bytes of one, with its length */

/**
 * struct record_out - records on their way
 * @stream: where they go
 * @count: records that were put
 * @error: 0, or -errno of the first that did not work: all that follow is dropped
 * @used: bytes of @buf
 * @buf: what was not sent
 */
struct record_out {
	struct stream stream;
	__u64 count;
	int error;
	size_t used;
	__u8 buf[4 * RECORD_MAX];
};

void record_out_init(struct record_out *out, const struct request *req);
/* One more. Waits for the host where there is no room. 0 or -errno; -EMSGSIZE: too long. */
int record_put(struct record_out *out, const pb_msgdesc_t *fields, const void *record);
/* All of them go to the host now; 0 or -errno. */
int record_flush(struct record_out *out);
/* Answers PVC_OK with @end as the body, after all records. */
int record_end(struct request *req, struct record_out *out, const pb_msgdesc_t *fields,
	       const void *end);

/*
 * Bytes into a field of nanopb's type bytes, as many as there is room for: for names and
 * text to look at, not for what is used as a key.
 */
#define set_bytes(field, data, len) do {						\
	size_t set_len = (len);								\
											\
	if (set_len > sizeof((field).bytes))						\
		set_len = sizeof((field).bytes);					\
	memcpy((field).bytes, (data), set_len);						\
	(field).size = set_len;								\
} while (0)

/* The beginning of a file, with a zero byte after it; bytes or -errno. */
ssize_t read_text(const char *path, char *buf, size_t size);
ssize_t read_text_at(int dir, const char *path, char *buf, size_t size);

#endif /* _PVGUESTD_RECORD_OUT_H */

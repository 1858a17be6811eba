// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of an operation, for the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "record_out.h"

void record_out_init(struct record_out *out, const struct request *req)
{
	out->stream.fd = req->stream;
	out->stream.answer = req->answer;
	out->count = 0;
	out->error = 0;
	out->used = 0;
}

int record_flush(struct record_out *out)
{
	if (!out->error && out->used)
		out->error = stream_write_all(&out->stream, out->buf, out->used);
	out->used = 0;
	return out->error;
}

int record_put(struct record_out *out, const pb_msgdesc_t *fields, const void *record)
{
	pb_ostream_t to;

	if (out->used > sizeof(out->buf) - RECORD_MAX)
		record_flush(out);
	if (out->error)
		return out->error;
	to = pb_ostream_from_buffer(out->buf + out->used, RECORD_MAX);
	if (!pb_encode_ex(&to, fields, record, PB_ENCODE_DELIMITED))
		return -EMSGSIZE;
	out->used += to.bytes_written;
	out->count++;
	return 0;
}

int record_end(struct request *req, struct record_out *out, const pb_msgdesc_t *fields,
	       const void *end)
{
	__u8 body[256];
	pb_ostream_t to = pb_ostream_from_buffer(body, sizeof(body));

	if (record_flush(out))
		return out->error;
	if (!pb_encode(&to, fields, end))
		return -EMSGSIZE;
	return answer(req, PVC_OK, body, to.bytes_written);
}

ssize_t read_text_at(int dir, const char *path, char *buf, size_t size)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	size_t used = 0;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	while (used < size - 1) {
		n = read(fd, buf + used, size - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		used += n;
	}
	n = n < 0 ? -errno : (ssize_t)used;
	close(fd);
	buf[used] = '\0';
	return n;
}

ssize_t read_text(const char *path, char *buf, size_t size)
{
	return read_text_at(AT_FDCWD, path, buf, size);
}

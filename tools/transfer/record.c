// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pb_decode.h>
#include <pb_encode.h>
#include <stdio.h>
#include <string.h>

#include "record.h"

/* The length before a record: its bytes, 0: more are needed, -EBADMSG. */
static ssize_t length_of(const __u8 *buf, size_t have, size_t *len)
{
	size_t i;

	*len = 0;
	for (i = 0; i < have; i++) {
		if (i == 3)
			return -EBADMSG;
		*len |= (size_t)(buf[i] & 0x7f) << (7 * i);
		if (!(buf[i] & 0x80))
			return *len > RECORD_SIZE - 4 ? -EBADMSG : (ssize_t)i + 1;
	}
	return have >= 3 ? -EBADMSG : 0;
}

static int decode(const __u8 *buf, size_t len, const pb_msgdesc_t *fields, void *message)
{
	pb_istream_t in = pb_istream_from_buffer(buf, len);

	return pb_decode(&in, fields, message) ? 0 : -EBADMSG;
}

ssize_t record_take(struct record_reader *r, const void *buf, size_t len,
		    const pb_msgdesc_t *fields, void *message, bool *whole)
{
	size_t used = 0, body, n;
	ssize_t head;

	*whole = false;
	for (;;) {
		head = length_of(r->buf, r->have, &body);
		if (head < 0)
			return head;
		if (head > 0)
			break;
		if (used == len)
			return used;
		r->buf[r->have++] = ((const __u8 *)buf)[used++];
	}
	n = head + body - r->have;
	if (n > len - used)
		n = len - used;
	memcpy(r->buf + r->have, (const __u8 *)buf + used, n);
	r->have += n;
	used += n;
	if (r->have < head + body)
		return used;
	r->have = 0;
	*whole = true;
	if (decode(r->buf + head, body, fields, message))
		return -EBADMSG;
	return used;
}

ssize_t record_write(void *buf, size_t size, const pb_msgdesc_t *fields, const void *message)
{
	pb_ostream_t out = pb_ostream_from_buffer(buf, size);

	if (!pb_encode_ex(&out, fields, message, PB_ENCODE_DELIMITED))
		return -EMSGSIZE;
	return out.bytes_written;
}

void record_begin(pvo_file_record *rec, enum pvo_file_kind kind)
{
	rec->kind = kind;
	rec->name.size = 0;
	rec->has_attr = false;
	rec->size = 0;
	rec->offset = 0;
	rec->length = 0;
	rec->target.size = 0;
	rec->xxh3.size = 0;
	rec->sha256.size = 0;
	rec->status = 0;
	*rec->text = 0;
}

int record_name(pvo_file_record *rec, const char *name)
{
	size_t len = strlen(name);

	if (len > PVO_FILE_NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(rec->name.bytes, name, len);
	rec->name.size = len;
	return 0;
}

void record_attr(pvo_file_attr *attr, const struct stat *st)
{
	attr->mode = st->st_mode;
	attr->uid = st->st_uid;
	attr->gid = st->st_gid;
	attr->mtime = st->st_mtim.tv_sec;
	attr->mtime_ns = st->st_mtim.tv_nsec;
	attr->atime = st->st_atim.tv_sec;
	attr->atime_ns = st->st_atim.tv_nsec;
}

__u32 trouble_status(int error)
{
	switch (error) {
	case 0:
		return PVC_OK;
	case ENOENT:
		return PVC_NOT_FOUND;
	case EACCES:
	case EPERM:
	case ELOOP:
	case EXDEV:
		return PVC_DENIED;
	case EINVAL:
	case ENAMETOOLONG:
	case EBADMSG:
		return PVC_INVALID;
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
		return PVC_UNSUPPORTED;
	case EBUSY:
	case EAGAIN:
		return PVC_BUSY;
	default:
		return PVC_FAILED;
	}
}

int trouble_errno(struct trouble *t, int error, const char *what)
{
	const char *text = strerror(error);

	if (error == ELOOP)
		text = "a component is a symbolic link, which is not followed here";
	else if (error == EXDEV)
		text = "it leads out of the directory";
	t->status = trouble_status(error);
	/* The end of a long path says more than its beginning. */
	if (strlen(what) > 300)
		snprintf(t->text, sizeof(t->text), "...%s: %s", what + strlen(what) - 297, text);
	else
		snprintf(t->text, sizeof(t->text), "%s: %s", what, text);
	text_clean(t->text);
	return -error;
}

int trouble_set(struct trouble *t, __u32 status, const char *format, ...)
{
	va_list args;

	t->status = status;
	va_start(args, format);
	vsnprintf(t->text, sizeof(t->text), format, args);
	va_end(args);
	text_clean(t->text);
	return -EINVAL;
}

/* Bytes of the UTF-8 character at @s, 0: it is none, or a control character. */
static size_t character(const unsigned char *s)
{
	unsigned long c;
	size_t len, i;

	if (*s < 0x80)
		return *s >= 0x20 && *s != 0x7f;
	len = *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	c = *s & (0xff >> (len + 1));
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if ((len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000) || c < 0xa0)
		return 0;
	/* Marks that turn the direction of writing round, or separate lines. */
	if ((c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069))
		return 0;
	return len;
}

void text_clean(char *text)
{
	unsigned char *s = (unsigned char *)text;

	while (*s) {
		size_t len = character(s);

		if (!len)
			*s++ = '?';
		else
			s += len;
	}
}

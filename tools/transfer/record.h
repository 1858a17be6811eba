/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records in a stream: length-delimited protobuf messages, as nanopb encodes them, with raw
 * bytes between them where a record says so.
 */
#ifndef _TOOLS_TRANSFER_RECORD_H
#define _TOOLS_TRANSFER_RECORD_H

#include <pb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "file.pb.h"
#include "../../include/uapi/pvguest/control.h"
#include "../../include/uapi/pvguest/files.h"

#define RECORD_SIZE	20480u	/* of any record of file.proto in a stream, and its length */

static_assert(pvo_file_entry_size + 4 < RECORD_SIZE, "room for each record");
static_assert(pvo_file_record_size + 4 < RECORD_SIZE, "room for each record");
static_assert(pvo_file_record_size + 4 < PVO_FILE_RECORD_MAX, "room for each record");

/**
 * struct record_reader - finds records in a stream
 * @have: bytes of a record that is not whole
 * @buf: these
 */
struct record_reader {
	size_t have;
	__u8 buf[RECORD_SIZE];
};

/*
 * Takes of @len bytes at @buf what belongs to the record under way and returns how many they
 * were; *@whole: @message is complete. -EBADMSG: these are no records, and the reader is of no
 * use any more.
 */
ssize_t record_take(struct record_reader *r, const void *buf, size_t len,
		    const pb_msgdesc_t *fields, void *message, bool *whole);
/* Encodes @message with its length into @buf; bytes or -EMSGSIZE. */
ssize_t record_write(void *buf, size_t size, const pb_msgdesc_t *fields, const void *message);

/* An empty record of @kind; cheaper than an initializer, which clears the arrays. */
void record_begin(pvo_file_record *rec, enum pvo_file_kind kind);
/* 0 or -ENAMETOOLONG */
int record_name(pvo_file_record *rec, const char *name);
void record_attr(pvo_file_attr *attr, const struct stat *st);

/**
 * struct trouble - what went wrong with one entry or with all
 * @status: enum pvc_status, PVC_OK: nothing
 * @text: for a person, with the name
 */
struct trouble {
	__u32 status;
	char text[400];
};

__u32 trouble_status(int error);
/* @what and the text of the errno @error (positive). Returns -@error. */
int trouble_errno(struct trouble *t, int error, const char *what);
int trouble_set(struct trouble *t, __u32 status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));	/* returns -EINVAL */
/*
 * Makes @text, of @size bytes, fit for a log, a terminal and a protobuf string: what is no
 * printable ASCII or valid UTF-8 of a printable character becomes a question mark.
 */
void text_clean(char *text);

#endif /* _TOOLS_TRANSFER_RECORD_H */

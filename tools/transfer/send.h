/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sending side of a transfer: makes records of files and directories. It waits for nothing
 * but the files, allocates what a directory's names need, and is asked for bytes by whoever has
 * room for them: the guest's worker and pvhost alike.
 */
#ifndef _TOOLS_TRANSFER_SEND_H
#define _TOOLS_TRANSFER_SEND_H

#include "digest.h"
#include "name.h"
#include "names.h"
#include "record.h"

struct sender;

#define SENDER_ROOM	(PVO_FILE_RECORD_MAX + PVO_FILE_PIECE)	/* bytes that sender_fill() needs */

/**
 * struct source - something to send
 * @dir: descriptor of a directory, which stays the caller's
 * @name: beneath it; "" for the directory itself
 * @as: its name in the transfer; "": what is in the directory has names of its own
 * @within: the path that stands before names in messages; "": none
 * @kind: 0: whatever is found there, directories with what is in them if that is wanted;
 *	PVO_FILE_DIR: a directory without that; PVO_FILE_DIR_END: its attributes again;
 *	PVO_FILE_GONE: the receiver removes it; PVO_FILE_ERROR: @trouble, nothing is sent
 * @trouble: see @kind
 */
struct source {
	int dir;
	char name[NAME_SIZE];
	char as[NAME_SIZE];
	char within[NAME_SIZE];
	enum pvo_file_kind kind;
	struct trouble trouble;
};

/**
 * struct sender_ops - what the owner of a sender provides
 * @over: is the receiver gone? See &digest.over; @priv is the sender's. May be NULL
 * @next: the next source; 1, 0: there is no more, -EAGAIN: not yet, -errno: gives up
 * @allow: may this be read? @name is as @as in the source; PVC_OK or a status and a text.
 *	May be NULL
 * @sent: a file is complete, or @bytes of one were read. May be NULL
 */
struct sender_ops {
	bool (*over)(void *priv);
	int (*next)(struct sender *s, struct source *source);
	void (*allow)(struct sender *s, const char *name, struct trouble *trouble);
	void (*sent)(struct sender *s, const char *name, __u64 bytes);
};

/* One directory that is being sent. */
struct sender_level {
	int fd;
	struct names names;
	size_t next;
	bool ending;	/* all names are through */
	size_t name_len;	/* of the sender's name, up to here */
	struct stat st;
};

/**
 * struct sender - &priv is the owner's; the owner may read &summary and &trouble
 * @flags: PVO_FILE_RECURSIVE, _PRESERVE, _SHA256
 * @trouble: why sender_fill() failed
 * @limit: content that may be sent, bytes
 * @after: names up to this one are skipped; "": none
 * @offset: of the first file, this much is there with the hash @prefix; 0: nothing
 * @offset_taken: out: this much of it was skipped
 */
struct sender {
	const struct sender_ops *ops;
	void *priv;
	__u32 flags;
	__u64 limit;
	pvo_file_summary summary;
	struct trouble trouble;
	char after[NAME_SIZE];
	__u64 offset;
	__u64 offset_taken;
	__u8 prefix[DIGEST_XXH3];
	/* all that follows is the sender's own */
	struct source source;
	char name[NAME_SIZE];	/* of the entry under way */
	struct sender_level levels[PVO_FILE_DEPTH_MAX];
	unsigned int depth;
	int fd;			/* the file under way, or -1 */
	struct stat st;
	__u64 pos, data_end;	/* in it; data up to data_end */
	bool sparse;
	struct digest digest;
	char *xattrs;		/* names that are still to be sent; NULL: none */
	size_t xattrs_len, xattrs_at;
	unsigned int xattrs_sent;
	int xattr_fd;		/* whose, or -1 */
	bool ended;		/* END was made */
	bool first;		/* file, so far */
	char what[NAME_SIZE];	/* for messages */
	pvo_file_record rec;
};

/* NULL: errno says why; SHA-256 may not be there (EAFNOSUPPORT). */
struct sender *sender_new(const struct sender_ops *ops, __u32 flags, void *priv);
/*
 * Bytes of records in @buf, of SENDER_ROOM bytes or more; 0: all was given; -EAGAIN: no
 * source yet; -errno: &sender.trouble
 */
ssize_t sender_fill(struct sender *s, void *buf, size_t size);
void sender_free(struct sender *s);

/* send_file.c; for send.c alone */
ssize_t sender_begin_file(struct sender *s, int dir, const char *name, __u8 *buf, size_t size);
ssize_t sender_file_piece(struct sender *s, __u8 *buf, size_t size);
ssize_t sender_xattr(struct sender *s, __u8 *buf, size_t size);
void sender_xattrs_of(struct sender *s, int fd);
ssize_t sender_put(struct sender *s, __u8 *buf, size_t size);
const char *sender_what(struct sender *s);
ssize_t sender_error(struct sender *s, __u8 *buf, size_t size);

#endif /* _TOOLS_TRANSFER_SEND_H */

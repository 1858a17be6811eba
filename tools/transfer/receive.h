/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The receiving side of a transfer: makes files and directories of records, beneath one
 * directory and never outside it. A file gets its name when it is complete and its hashes are
 * right, and no sooner. The guest's worker and pvhost use it alike.
 */
#ifndef _TOOLS_TRANSFER_RECEIVE_H
#define _TOOLS_TRANSFER_RECEIVE_H

#include "digest.h"
#include "name.h"
#include "record.h"

struct receiver;

#define RECEIVER_READY		64u	/* files that wait to be put in place together */
#define RECEIVER_READY_BYTES	(64u << 20)	/* of content, or as soon as it is that much */
#define RECEIVER_ERRORS_MAX	1000u	/* entries that go wrong; then all ends */

/* Partial files in a directory: what is older, s, or more than that many, is removed. */
#define PARTIAL_AGE		(7 * 24 * 3600)
#define PARTIAL_COUNT		16u

/**
 * struct receiver_ops - what the owner of a receiver provides; each may be NULL
 * @over: is the sender gone? See &digest.over; @priv is the receiver's
 * @allow: may @name, relative to the base, be created or replaced? PVC_OK or a status and a
 *	text. Without it: yes
 * @failed: one entry is not there, or not with all its attributes
 * @done: all up to the entry that the sender calls @name is in its place
 * @received: @bytes of @name came, or it ended with 0; it has @size bytes
 */
struct receiver_ops {
	bool (*over)(void *priv);
	void (*allow)(struct receiver *r, const char *name, struct trouble *trouble);
	void (*failed)(struct receiver *r, const struct trouble *trouble);
	void (*done)(struct receiver *r, const char *name);
	void (*received)(struct receiver *r, const char *name, __u64 bytes, __u64 size);
};

/* A directory that files wait for. */
struct receiver_dir {
	int fd;
	unsigned int users;
	dev_t dev;
	char path[];
};

/* What waits to be put in its place: a file, or a directory's attributes. */
struct receiver_ready {
	int fd;
	bool directory;
	bool made;		/* directory: by us */
	struct receiver_dir *dir;
	char temp[48];		/* the name that it has until then; "": none */
	char name[256];
	pvo_file_attr attr;
};

/**
 * struct receiver - &priv to &base_path are the owner's to set; it may read &summary and &trouble
 * @flags: PVO_FILE_PRESERVE, _SHA256, _NO_REPLACE, _DELETE
 * @owner: set owners, and what only root may set
 * @umask: for files of which no mode is preserved
 * @top: the name that takes the place of the first component of all names; "": none does
 * @limit: bytes of content that may come
 * @base_path: of the base, for messages; "": names alone are told
 * @removing: it is about removing what allow() is asked for
 * @trouble: why receiver_input() or receiver_finish() failed
 */
struct receiver {
	const struct receiver_ops *ops;
	void *priv;
	__u32 flags;
	bool owner;
	mode_t umask;
	char top[256];
	__u64 limit;
	char base_path[NAME_SIZE];
	pvo_file_summary summary;
	struct trouble trouble;
	bool removing;
	/* all that follows is the receiver's own */
	int base;
	bool ended;
	struct receiver_dir *dir;	/* of the last entry */
	char name[NAME_SIZE];		/* of the entry under way, as it will be */
	char sent_name[NAME_SIZE];	/* as the sender calls it */
	char last_ready[NAME_SIZE];	/* so was the last file that waits */
	char what[NAME_SIZE];		/* for messages */
	char within[NAME_SIZE];		/* the directory that has begun and not ended */
	bool made[PVO_FILE_DEPTH_MAX + 1];	/* directories at this depth, by us */
	/* the file under way */
	bool in_file;
	bool skipping;		/* what comes of it is dropped */
	bool settled;		/* owner and mode are set */
	int fd;
	__u64 pos, size, used, ready_bytes;
	pvo_file_attr attr;
	char temp[48];
	struct digest digest;
	struct receiver_ready ready[RECEIVER_READY];
	unsigned int nr_ready;
	/* what can be resumed */
	int partial;		/* descriptor or -1 */
	char partial_name[48];
	__u64 partial_size;
	__u64 raw_left;		/* bytes that follow the last record */
	char xattr[256];
	size_t xattr_have;
	__u8 xattr_value[PVO_FILE_PIECE];
	struct record_reader reader;
	pvo_file_record rec;
};

/*
 * @base stays the caller's, and so does the umask, which has to be 0. NULL: errno says why, see
 * sender_new().
 */
struct receiver *receiver_new(const struct receiver_ops *ops, __u32 flags, int base, void *priv);
/*
 * The transfer is one file and has the number @id, of 16 bytes: what an earlier one of that
 * number left in the base is gone on with. @offset and @hash: how much is there, 0: nothing.
 * -EBUSY: the earlier one is still at it; -errno: &receiver.trouble.
 */
int receiver_resume(struct receiver *r, const __u8 *id, __u64 *offset, __u8 hash[DIGEST_XXH3]);
/* The bytes of a transfer as they come; 0 or -errno: &receiver.trouble, and no more may come. */
int receiver_input(struct receiver *r, const void *buf, size_t len);
/* One record that no bytes follow. */
int receiver_record(struct receiver *r, const pvo_file_record *rec);
/* All has come: 0: and is on the disk; -errno: &receiver.trouble, such as no record END. */
int receiver_finish(struct receiver *r);
/* @keep: what can be resumed stays. */
void receiver_free(struct receiver *r, bool keep);

/* receive_file.c, for receive.c alone */
int receive_file_begin(struct receiver *r, const pvo_file_record *rec);
int receive_file_data(struct receiver *r, const void *buf, size_t len);
int receive_file_hole(struct receiver *r, __u64 len);
int receive_file_end(struct receiver *r, const pvo_file_record *rec);
void receive_file_drop(struct receiver *r);
void receive_xattr(struct receiver *r, int fd);
int receive_settle(struct receiver *r);

/* receive.c, for receive_file.c: */
int receive_failed(struct receiver *r, int error);	/* of r->name */
const char *receive_what(struct receiver *r, const char *name);
int receive_trouble(struct receiver *r, const struct trouble *trouble);
void receive_dir_put(struct receiver_dir *dir);

/* receive_place.c: putting in place */
void receive_temp_name(char temp[48]);
int receive_mode(struct receiver *r, int fd, const pvo_file_attr *attr, bool made);
int receive_times(int fd, const pvo_file_attr *attr);
int receive_commit(struct receiver *r);
int receive_symlink(struct receiver *r, const pvo_file_record *rec);

#endif /* _TOOLS_TRANSFER_RECEIVE_H */

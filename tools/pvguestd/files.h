/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operations on files: what their parts share. All but files_prepare() runs in a worker
 * that has become the user, and reaches files beneath the policy's roots and no others.
 */
#ifndef _PVGUESTD_FILES_H
#define _PVGUESTD_FILES_H

#include <glob.h>
#include <stdio.h>

#include "transfer/name.h"
#include "transfer/record.h"
#include "worker.h"

#define FILES_ROOTS	64	/* of a policy that are used */
#define FILES_MATCHES	100000	/* names that a pattern may stand for, and entries it may look at */

/* A directory that the policy names. */
struct files_root {
	char *path;	/* normal */
	int fd;		/* O_PATH */
	bool write;
};

/**
 * struct files - what a worker has, &request.priv
 * @req: the request
 * @roots: the policy's, as far as they exist
 * @passwd: /etc/passwd, or NULL
 * @group: /etc/group, or NULL
 */
struct files {
	struct request *req;
	struct files_root roots[FILES_ROOTS];
	unsigned int nr_roots;
	FILE *passwd, *group;
};

/**
 * struct place - a path of the host that was found and allowed
 * @asked: as it was asked for, but normal
 * @path: without symbolic links; the last component of a PLACE_ENTRY may be one, or nothing
 * @root: the root beneath which it is
 * @rel: @path beneath the root, within @path; "": the root itself
 * @slash: the host wrote a slash at its end
 */
struct place {
	char asked[NAME_SIZE];
	char path[NAME_SIZE];
	const struct files_root *root;
	const char *rel;
	bool slash;
};

enum place_kind {
	PLACE_ENTRY,	/* a name in a directory, which need not exist */
	PLACE_FILE,	/* what it leads to, if its last component is a symbolic link */
};

/* files.c: for operations.c */
extern const struct operation file_operations[];

/* files.c: &operation.prepare of all of them */
__u32 files_prepare(struct request *req);

/* files_path.c */
/* PVC_OK or &trouble.status. @write: it is to be changed. */
__u32 place_find(struct files *f, const void *path, size_t len, enum place_kind kind, bool write,
		 struct place *place, struct trouble *trouble);
/* May @path, normal and without symbolic links, be used for @verb? */
__u32 place_allowed(struct files *f, const char *verb, const char *path, bool write,
		    struct trouble *trouble);
/* As open_beneath() and open_parent(); descriptors or -errno. */
int place_open(const struct place *place, int flags);
int place_parent(const struct place *place, const char **last);
/*
 * What the pattern @path stands for, in @paths, sorted: through directories that the policy
 * lets be read. PVC_OK, PVC_NOT_FOUND, or another status. globfree() in any case.
 */
__u32 place_glob(struct files *f, const void *path, size_t len, glob_t *paths,
		 struct trouble *trouble);

/* files_list.c */
/* Records for the host, gathered until files_flush(). 0 or -errno of the stream */
int files_put(struct files *f, const pb_msgdesc_t *fields, const void *message);
int files_flush(struct files *f);
/* A record file_entry that tells of trouble with @name. */
int files_complain(struct files *f, const char *name, const struct trouble *trouble);
void files_run_list(struct request *req);

/* files_change.c */
void files_run_mkdir(struct request *req);
void files_run_rename(struct request *req);
void files_run_remove(struct request *req);

/* files_copy.c */
void files_run_put(struct request *req);
void files_run_get(struct request *req);

/* files.c */
/* Decodes the record into @message, or refuses. */
bool files_decode(struct request *req, const pb_msgdesc_t *fields, void *message);
/* @flags has none but @known, or refuses. */
bool files_flags(struct request *req, __u32 flags, __u32 known);
void files_refuse(struct request *req, const struct trouble *trouble);
/* There is no sender, receiver or digest with these flags, for the errno @error (positive). */
void files_refuse_new(struct request *req, int error, __u32 flags);
/* Answers PVC_OK with @summary. */
/* Is the host gone? For &digest.over: @req is the struct request. */
bool files_over(void *req);
void files_answer(struct request *req, const pvo_file_summary *summary);

/* sha256.c: opens what the kernel has, before the worker gives it up. */
void sha256_prepare(void);

#endif /* _PVGUESTD_FILES_H */

/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The numbers of PVO_SERVICE_FILE that its schema, protocol/operations/file.proto, does not
 * have. Documentation/guest-operations.md, section Files, says what they mean.
 */
#ifndef _UAPI_PVGUEST_FILES_H
#define _UAPI_PVGUEST_FILES_H

/* Flags of requests. */
#define PVO_FILE_RECURSIVE	0x0001u	/* directories, with what is in them */
#define PVO_FILE_PRESERVE	0x0002u	/* owner, times, extended attributes, ACLs */
#define PVO_FILE_SHA256		0x0004u	/* beside XXH3 */
#define PVO_FILE_INTO		0x0008u	/* PUT: the path has to be a directory */
#define PVO_FILE_CONTENTS	0x0010u	/* the content of the only directory, as names beneath it */
#define PVO_FILE_GLOB		0x0020u	/* paths are patterns, as of glob(7) */
#define PVO_FILE_NO_REPLACE	0x0040u	/* what is there already stays, and is an error */
#define PVO_FILE_PARENTS	0x0080u	/* MKDIR: parents, too, and it may be there */
#define PVO_FILE_FORCE		0x0100u	/* REMOVE: what is not there is no error */
#define PVO_FILE_LISTED		0x0200u	/* GET: only the names that records WANT say */
#define PVO_FILE_CHECKSUM	0x0400u	/* SUMS: with XXH3 of each file */
#define PVO_FILE_DIRECTORY	0x0800u	/* LIST: the directory, not what is in it */
#define PVO_FILE_DELETE		0x1000u	/* PUT: records REMOVE may come */
#define PVO_FILE_EXACT		0x2000u	/* PUT: never into the path, if that is a directory */
#define PVO_FILE_FLAGS		0x3fffu

/**
 * enum pvo_file_kind - kinds of struct file_record of the schema
 * @PVO_FILE_DIR: a directory, @name and @attr; what is in it follows
 * @PVO_FILE_DIR_END: that was all; @name and @attr again
 * @PVO_FILE_FILE: a regular file: @name, @attr, @size, @offset
 * @PVO_FILE_DATA: @length bytes of it follow, 1 to PVO_FILE_PIECE
 * @PVO_FILE_HOLE: @length bytes of zeros that take no room
 * @PVO_FILE_FILE_END: it is complete: @size, @xxh3, perhaps @sha256
 * @PVO_FILE_SYMLINK: @name, @attr, @target
 * @PVO_FILE_XATTR: of the file or directory that ends next: @name is the attribute's,
 *	@length bytes of its value follow
 * @PVO_FILE_GONE: to be removed, with what is in it: @name
 * @PVO_FILE_ERROR: this entry is left out, or not what it was when it began: @name,
 *	@status, @text
 * @PVO_FILE_END: the transfer is complete
 * @PVO_FILE_RESUME: from the receiver, first: @offset bytes with this @xxh3 are there. @name is
 *	what takes the place of the names' first component; none: they are beneath the path
 * @PVO_FILE_DONE: from the receiver: all up to @name is in its place
 * @PVO_FILE_WANT: from the receiver of a GET: @name is wanted
 * @PVO_FILE_KIND_NR: how many there are
 */
enum pvo_file_kind {
	PVO_FILE_DIR = 1,
	PVO_FILE_DIR_END = 2,
	PVO_FILE_FILE = 3,
	PVO_FILE_DATA = 4,
	PVO_FILE_HOLE = 5,
	PVO_FILE_FILE_END = 6,
	PVO_FILE_SYMLINK = 7,
	PVO_FILE_XATTR = 8,
	PVO_FILE_GONE = 9,
	PVO_FILE_ERROR = 10,
	PVO_FILE_END = 11,
	PVO_FILE_RESUME = 12,
	PVO_FILE_DONE = 13,
	PVO_FILE_WANT = 14,
	PVO_FILE_KIND_NR
};

#define PVO_FILE_PIECE		65536u	/* bytes of data after a record DATA or XATTR */
#define PVO_FILE_RECORD_MAX	9216u	/* bytes of an encoded record, without those */
#define PVO_FILE_NAME_MAX	4095u	/* bytes of a name or path */
#define PVO_FILE_PATHS_MAX	12	/* paths in a request */
#define PVO_FILE_DEPTH_MAX	100u	/* components of a name in a transfer */
#define PVO_FILE_XATTRS_MAX	64u	/* extended attributes of a file */

#endif /* _UAPI_PVGUEST_FILES_H */

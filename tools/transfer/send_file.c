// SPDX-License-Identifier: GPL-2.0-only
/* Sending one file: its data and holes, hashes and extended attributes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "send.h"
#include "xattr.h"

ssize_t sender_put(struct sender *s, __u8 *buf, size_t size)
{
	ssize_t len = record_write(buf, size, pvo_file_record_fields, &s->rec);

	if (len < 0)
		trouble_set(&s->trouble, PVC_FAILED, "%s: its record is too long", sender_what(s));
	return len;
}

const char *sender_what(struct sender *s)
{
	if (!*s->source.within || path_join(s->source.within, s->name, s->what))
		return s->name;
	return s->what;
}

/* The entry under way is left out; s->trouble says why. */
ssize_t sender_error(struct sender *s, __u8 *buf, size_t size)
{
	record_begin(&s->rec, PVO_FILE_ERROR);
	record_name(&s->rec, s->name);
	s->rec.status = s->trouble.status;
	strcpy(s->rec.text, s->trouble.text);
	s->summary.errors++;
	s->trouble.status = PVC_OK;
	return sender_put(s, buf, size);
}

static ssize_t fail_file(struct sender *s, int error, __u8 *buf, size_t size)
{
	if (error)
		trouble_errno(&s->trouble, error, sender_what(s));
	close(s->fd);
	s->fd = -1;
	free(s->xattrs);
	s->xattrs = NULL;
	return sender_error(s, buf, size);
}

static int hash_prefix(struct sender *s, __u64 len, __u8 *buf, size_t size)
{
	__u64 pos = 0;
	int err;

	while (pos < len) {
		size_t n = len - pos < size ? len - pos : size;
		ssize_t got = pread(s->fd, buf, n, pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ENODATA;
		err = digest_update(&s->digest, buf, got);
		if (err)
			return err;
		pos += got;
	}
	return 0;
}

/* What the receiver has of the first file is skipped if it is what the file begins with. */
static int skip_prefix(struct sender *s, __u8 *buf, size_t size)
{
	__u8 hash[DIGEST_XXH3];
	__u64 offset = s->offset;
	int err;

	s->offset = 0;
	if (!offset || offset > (__u64)s->st.st_size)
		return 0;
	err = hash_prefix(s, offset, buf, size);
	if (err)
		return err;
	digest_xxh3(&s->digest, hash);
	if (memcmp(hash, s->prefix, sizeof(hash)))
		return digest_reset(&s->digest);
	s->pos = offset;
	s->data_end = offset;
	s->offset_taken = offset;
	return 0;
}

static int open_file(struct sender *s, int dir, const char *name)
{
	/* A fifo that has taken the file's place does not hold us up. */
	s->fd = open_beneath(dir, name, O_RDONLY | O_NONBLOCK);
	if (s->fd < 0)
		return trouble_errno(&s->trouble, -s->fd, sender_what(s));
	if (fstat(s->fd, &s->st))
		return trouble_errno(&s->trouble, errno, sender_what(s));
	if (!S_ISREG(s->st.st_mode))
		return trouble_set(&s->trouble, PVC_DENIED, "%s: it is not a regular file",
				   sender_what(s));
	return 0;
}

/* FILE, or ERROR and no file is under way. */
ssize_t sender_begin_file(struct sender *s, int dir, const char *name, __u8 *buf, size_t size)
{
	int err = open_file(s, dir, name);

	if (err) {
		if (s->fd >= 0)
			close(s->fd);
		s->fd = -1;
		return sender_error(s, buf, size);
	}
	s->pos = 0;
	s->data_end = 0;
	s->sparse = (__u64)s->st.st_blocks * 512 < (__u64)s->st.st_size;
	err = digest_reset(&s->digest);
	if (!err && s->first)
		err = skip_prefix(s, buf, size);
	s->first = false;
	if (err)
		return fail_file(s, -err, buf, size);
	if ((__u64)s->st.st_size - s->pos > s->limit - s->summary.bytes && !s->sparse) {
		trouble_set(&s->trouble, PVC_DENIED,
			    "%s: it is larger than the limit of the policy, %llu bytes",
			    sender_what(s), (unsigned long long)s->limit);
		return fail_file(s, 0, buf, size);
	}
	if (s->flags & PVO_FILE_PRESERVE)
		sender_xattrs_of(s, s->fd);
	record_begin(&s->rec, PVO_FILE_FILE);
	record_name(&s->rec, s->name);
	s->rec.has_attr = true;
	record_attr(&s->rec.attr, &s->st);
	s->rec.size = s->st.st_size;
	s->rec.offset = s->pos;
	return sender_put(s, buf, size);
}

/* DATA or HOLE at s->pos; 0: there is no more. */
static ssize_t find_extent(struct sender *s)
{
	off_t data, end = s->st.st_size;

	if (s->pos < s->data_end || s->pos >= (__u64)s->st.st_size)
		return 0;
	if (!s->sparse) {
		s->data_end = end;
		return 0;
	}
	data = lseek(s->fd, s->pos, SEEK_DATA);
	if (data < 0)
		data = errno == ENXIO ? end : (off_t)s->pos;
	if (data > end)
		data = end;
	if ((__u64)data > s->pos)
		return data - s->pos;
	end = lseek(s->fd, s->pos, SEEK_HOLE);
	if (end < 0 || end > s->st.st_size || (__u64)end <= s->pos)
		end = s->st.st_size;
	s->data_end = end;
	return 0;
}

static ssize_t put_hole(struct sender *s, __u64 len, __u8 *buf, size_t size)
{
	int err = digest_zeros(&s->digest, len);

	if (err)
		return fail_file(s, -err, buf, size);
	s->pos += len;
	s->data_end = s->pos;
	record_begin(&s->rec, PVO_FILE_HOLE);
	s->rec.length = len;
	return sender_put(s, buf, size);
}

static ssize_t put_data(struct sender *s, __u8 *buf, size_t size)
{
	size_t want = PVO_FILE_PIECE;
	ssize_t got, head;
	int err;

	if (want > s->data_end - s->pos)
		want = s->data_end - s->pos;
	record_begin(&s->rec, PVO_FILE_DATA);
	s->rec.length = want;
	head = sender_put(s, buf, size);
	if (head < 0)
		return head;
	do {
		got = pread(s->fd, buf + head, want, s->pos);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return fail_file(s, errno, buf, size);
	if ((size_t)got < want) {
		trouble_set(&s->trouble, PVC_FAILED, "%s: it became shorter while it was read",
			    sender_what(s));
		return fail_file(s, 0, buf, size);
	}
	if ((__u64)got > s->limit - s->summary.bytes) {
		trouble_set(&s->trouble, PVC_DENIED,
			    "%s: the limit of the policy, %llu bytes, is reached",
			    sender_what(s), (unsigned long long)s->limit);
		return fail_file(s, 0, buf, size);
	}
	err = digest_update(&s->digest, buf + head, got);
	if (err)
		return fail_file(s, -err, buf, size);
	s->pos += got;
	s->summary.bytes += got;
	if (s->ops->sent)
		s->ops->sent(s, s->name, got);
	return head + got;
}

static bool changed(struct sender *s)
{
	struct stat st;

	return fstat(s->fd, &st) || st.st_size != s->st.st_size ||
	       st.st_mtim.tv_sec != s->st.st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != s->st.st_mtim.tv_nsec ||
	       st.st_ctim.tv_sec != s->st.st_ctim.tv_sec ||
	       st.st_ctim.tv_nsec != s->st.st_ctim.tv_nsec;
}

static ssize_t end_file(struct sender *s, __u8 *buf, size_t size)
{
	if (changed(s)) {
		trouble_set(&s->trouble, PVC_FAILED, "%s: it was changed while it was read",
			    sender_what(s));
		return fail_file(s, 0, buf, size);
	}
	record_begin(&s->rec, PVO_FILE_FILE_END);
	s->rec.size = s->st.st_size;
	digest_xxh3(&s->digest, s->rec.xxh3.bytes);
	s->rec.xxh3.size = DIGEST_XXH3;
	if (s->flags & PVO_FILE_SHA256) {
		if (digest_sha256(&s->digest, s->rec.sha256.bytes))
			return fail_file(s, EIO, buf, size);
		s->rec.sha256.size = DIGEST_SHA256;
	}
	close(s->fd);
	s->fd = -1;
	s->summary.files++;
	if (s->ops->sent)
		s->ops->sent(s, s->name, 0);
	return sender_put(s, buf, size);
}

/* The next record of the file under way. */
ssize_t sender_file_piece(struct sender *s, __u8 *buf, size_t size)
{
	ssize_t len = find_extent(s);

	if (len > 0)
		return put_hole(s, len, buf, size);
	if (s->pos < s->data_end)
		return put_data(s, buf, size);
	len = s->xattrs ? sender_xattr(s, buf, size) : 0;
	return len ? len : end_file(s, buf, size);
}

bool xattr_copied(const char *name, bool owner)
{
	if (!strncmp(name, "user.", 5) || !strcmp(name, "system.posix_acl_access") ||
	    !strcmp(name, "system.posix_acl_default"))
		return true;
	return owner && !strcmp(name, "security.capability");
}

/* The names of the extended attributes of @fd that will be sent; without memory, none. */
void sender_xattrs_of(struct sender *s, int fd)
{
	ssize_t len = flistxattr(fd, NULL, 0);

	free(s->xattrs);
	s->xattrs = NULL;
	if (len <= 0 || len > XATTR_LIST_MAX)
		return;
	s->xattrs = malloc(len);
	if (!s->xattrs)
		return;
	len = flistxattr(fd, s->xattrs, len);
	if (len <= 0) {
		free(s->xattrs);
		s->xattrs = NULL;
		return;
	}
	s->xattrs_len = len;
	s->xattrs_at = 0;
	s->xattrs_sent = 0;
	s->xattr_fd = fd;
}

/* XATTR, or 0: there are no more. */
ssize_t sender_xattr(struct sender *s, __u8 *buf, size_t size)
{
	while (s->xattrs_at < s->xattrs_len) {
		const char *name = s->xattrs + s->xattrs_at;
		ssize_t len, head;

		s->xattrs_at += strlen(name) + 1;
		if (!xattr_copied(name, !geteuid()) || ++s->xattrs_sent > PVO_FILE_XATTRS_MAX)
			continue;
		len = fgetxattr(s->xattr_fd, name, buf + PVO_FILE_RECORD_MAX, PVO_FILE_PIECE);
		if (len < 0)
			continue;
		record_begin(&s->rec, PVO_FILE_XATTR);
		record_name(&s->rec, name);
		s->rec.length = len;
		head = sender_put(s, buf, size);
		if (head < 0)
			return head;
		memmove(buf + head, buf + PVO_FILE_RECORD_MAX, len);
		return head + len;
	}
	free(s->xattrs);
	s->xattrs = NULL;
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/* Receiving one file: its data, hashes and attributes. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "receive.h"
#include "xattr.h"

/* The file under way will not be; what comes of it is dropped. 0 or -errno as @err. */
static int give_up(struct receiver *r, int err)
{
	receive_file_drop(r);
	r->skipping = true;
	return err;
}

void receive_file_drop(struct receiver *r)
{
	if (r->fd < 0)
		return;
	if (r->fd == r->partial) {	/* closed by receiver_free() */
		if (ftruncate(r->fd, 0))
			r->pos = 0;
	} else {
		if (*r->temp)
			unlinkat(r->dir->fd, r->temp, 0);
		close(r->fd);
	}
	*r->temp = 0;
	r->fd = -1;
}

/* A file without a name, or where there is no such thing with a name of its own. */
static int new_file(struct receiver *r)
{
	int fd;

	*r->temp = 0;
	fd = openat(r->dir->fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL && errno != ENOENT)
		return -errno;
	receive_temp_name(r->temp);
	fd = openat(r->dir->fd, r->temp, O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		*r->temp = 0;
		return -errno;
	}
	return fd;
}

static int continue_partial(struct receiver *r, __u64 offset)
{
	struct stat st;
	int err;

	if (offset == r->partial_size) {	/* the digest is of that much */
		if (!fstat(r->partial, &st))
			r->used = (__u64)st.st_blocks * 512;
		if (r->used > r->limit)
			r->used = r->limit;
		return 0;
	}
	if (offset)
		return trouble_set(&r->trouble, PVC_INVALID,
				   "%s: is gone on with at byte %llu, where %llu bytes are there",
				   r->sent_name, (unsigned long long)offset,
				   (unsigned long long)r->partial_size);
	err = ftruncate(r->partial, 0) ? -errno : digest_reset(&r->digest);
	return err ? trouble_errno(&r->trouble, -err, receive_what(r, r->name)) : 0;
}

int receive_file_begin(struct receiver *r, const pvo_file_record *rec)
{
	int err;

	if (r->nr_ready == RECEIVER_READY) {
		err = receive_commit(r);
		if (err)
			return err;
	}
	r->attr = rec->attr;
	r->pos = rec->offset;
	r->settled = false;
	if (r->partial >= 0 && !*r->dir->path && !r->summary.files && !r->nr_ready) {
		err = continue_partial(r, rec->offset);
		if (err)
			return err;
		r->fd = r->partial;
		strcpy(r->temp, r->partial_name);
		return 0;
	}
	if (rec->offset || rec->size > INT64_MAX)
		return trouble_set(&r->trouble, PVC_INVALID,
				   "%s: its data begins at byte %llu, of which none is there",
				   r->sent_name, (unsigned long long)rec->offset);
	err = digest_reset(&r->digest);
	if (err)
		return trouble_errno(&r->trouble, -err, receive_what(r, r->name));
	r->fd = new_file(r);
	if (r->fd < 0)
		return give_up(r, receive_failed(r, -r->fd));
	return 0;
}

int receive_file_data(struct receiver *r, const void *buf, size_t len)
{
	const __u8 *s = buf;
	int err;

	if (len > r->limit - r->used) {
		trouble_set(&r->trouble, PVC_DENIED,
			    "%s: the limit of the policy, %llu bytes, is reached",
			    receive_what(r, r->name), (unsigned long long)r->limit);
		return -EDQUOT;
	}
	err = digest_update(&r->digest, buf, len);
	if (err)
		return trouble_errno(&r->trouble, -err, "hash");
	r->summary.bytes += len;
	r->used += len;
	if (r->ops->received)
		r->ops->received(r, r->name, len, r->size);
	while (len) {
		ssize_t n = pwrite(r->fd, s, len, r->pos);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {	/* the disk is full, or so: the next one will not fit either */
			return give_up(r, receive_failed(r, n ? errno : ENOSPC));
		}
		s += n;
		len -= n;
		r->pos += n;
	}
	return 0;
}

int receive_file_hole(struct receiver *r, __u64 len)
{
	int err;

	r->pos += len;
	/* The size says how much is there, if this is gone on with. */
	if (ftruncate(r->fd, r->pos))
		return give_up(r, receive_failed(r, errno));
	err = digest_zeros(&r->digest, len);
	if (err)
		return trouble_errno(&r->trouble, -err, "hash");
	if (r->ops->received)
		r->ops->received(r, r->name, len, r->size);
	return 0;
}

/* What is replaced hands on its owner, mode and ACL, where none is preserved. */
static int inherit(struct receiver *r, const struct stat *old)
{
	static const char acl[] = "system.posix_acl_access";
	ssize_t len;
	int fd;

	if ((old->st_uid != geteuid() || old->st_gid != getegid()) && r->owner &&
	    fchown(r->fd, old->st_uid, old->st_gid))
		return -errno;
	if (fchmod(r->fd, old->st_mode & 0777))
		return -errno;
	fd = open_beneath(r->dir->fd, path_base(r->name), O_RDONLY | O_NONBLOCK);
	if (fd < 0)
		return 0;
	len = fgetxattr(fd, acl, r->xattr_value, sizeof(r->xattr_value));
	close(fd);
	if (len > 0 && fsetxattr(r->fd, acl, r->xattr_value, len, 0))
		return -errno;
	return 0;
}

/* Owner and mode, once, when all data is there: only root could read it until then. */
int receive_settle(struct receiver *r)
{
	struct stat old;
	int err;

	if (r->settled)
		return 0;
	r->settled = true;
	if (!(r->flags & (PVO_FILE_PRESERVE | PVO_FILE_NO_REPLACE)) &&
	    !fstatat(r->dir->fd, path_base(r->name), &old, AT_SYMLINK_NOFOLLOW) &&
	    S_ISREG(old.st_mode))
		err = inherit(r, &old);
	else
		err = receive_mode(r, r->fd, &r->attr, true);
	return err ? give_up(r, receive_failed(r, -err)) : 0;
}

void receive_xattr(struct receiver *r, int fd)
{
	struct trouble trouble;
	char what[2 * NAME_SIZE + 300];

	if (!(r->flags & PVO_FILE_PRESERVE) || !xattr_copied(r->xattr, r->owner))
		return;
	if (!fsetxattr(fd, r->xattr, r->xattr_value, r->xattr_have, 0))
		return;
	snprintf(what, sizeof(what), "%s: extended attribute %s",
		 receive_what(r, r->in_file ? r->name : r->within), r->xattr);
	trouble_errno(&trouble, errno, what);
	receive_trouble(r, &trouble);
}

static int wrong_hash(struct receiver *r, const char *which)
{
	struct trouble trouble;

	trouble_set(&trouble, PVC_FAILED, "%s: the %s of what came is not that of what was sent",
		    r->sent_name, which);
	return give_up(r, receive_trouble(r, &trouble));
}

static int check_hashes(struct receiver *r, const pvo_file_record *rec)
{
	__u8 hash[DIGEST_SHA256];

	digest_xxh3(&r->digest, hash);
	if (rec->xxh3.size != DIGEST_XXH3 || memcmp(hash, rec->xxh3.bytes, DIGEST_XXH3))
		return wrong_hash(r, "XXH3-128");
	if (!(r->flags & PVO_FILE_SHA256))
		return 0;
	if (digest_sha256(&r->digest, hash))
		return trouble_errno(&r->trouble, EIO, "SHA-256");
	if (rec->sha256.size != DIGEST_SHA256 || memcmp(hash, rec->sha256.bytes, DIGEST_SHA256))
		return wrong_hash(r, "SHA-256");
	return 0;
}

int receive_file_end(struct receiver *r, const pvo_file_record *rec)
{
	struct receiver_ready *ready = &r->ready[r->nr_ready];
	int err;

	if (r->pos != r->size || rec->size != r->size) {
		struct trouble trouble;

		trouble_set(&trouble, PVC_FAILED, "%s: %llu bytes of %llu came", r->sent_name,
			    (unsigned long long)r->pos, (unsigned long long)r->size);
		return give_up(r, receive_trouble(r, &trouble));
	}
	err = check_hashes(r, rec);
	if (!err && r->fd >= 0)
		err = receive_settle(r);
	if (err || r->fd < 0)
		return err;
	if ((r->flags & PVO_FILE_PRESERVE) && receive_times(r->fd, &r->attr))
		return give_up(r, receive_failed(r, errno));
	memset(ready, 0, sizeof(*ready));
	ready->fd = r->fd;
	strcpy(ready->temp, r->temp);
	ready->dir = r->dir;
	r->dir->users++;
	strcpy(ready->name, path_base(r->name));
	r->fd = -1;
	*r->temp = 0;
	r->nr_ready++;
	strcpy(r->last_ready, r->sent_name);
	r->ready_bytes += r->size;
	if (r->ops->received)
		r->ops->received(r, r->name, 0, r->size);
	return r->ready_bytes > RECEIVER_READY_BYTES ? receive_commit(r) : 0;
}

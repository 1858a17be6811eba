// SPDX-License-Identifier: GPL-2.0-only
/* Receiving: attributes, putting files in their place, and what can be resumed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "receive.h"

#define TEMP_PREFIX	".pvguest-"
#define PART_SUFFIX	".part"

void receive_temp_name(char temp[48])
{
	__u64 number = 0;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uintptr_t)temp ^ (__u64)time(NULL) << 16 ^ getpid();
	snprintf(temp, 48, TEMP_PREFIX "%016llx.tmp", (unsigned long long)number);
}

/* Owner and mode as the flags say; @made: it is new. 0 or -errno */
int receive_mode(struct receiver *r, int fd, const pvo_file_attr *attr, bool made)
{
	mode_t mode = attr->mode & 0777;

	if (r->flags & PVO_FILE_PRESERVE) {
		if (r->owner && fchown(fd, attr->uid, attr->gid))
			return -errno;
		/* The bits that lend an owner's rights go with the owner. */
		mode = attr->mode & (r->owner ? 07777 : 01777);
	} else if (made) {
		mode &= ~r->umask;
	} else {
		return 0;
	}
	return fchmod(fd, mode) ? -errno : 0;
}

int receive_times(int fd, const pvo_file_attr *attr)
{
	struct timespec times[2] = {
		{ .tv_sec = attr->atime, .tv_nsec = attr->atime_ns },
		{ .tv_sec = attr->mtime, .tv_nsec = attr->mtime_ns },
	};

	return futimens(fd, times);
}

/* Names the file @fd, which has none, in @dir. The kernel lets us by one of two ways. */
static int link_file(int fd, int dir, const char *name)
{
	char path[32];

	if (!linkat(fd, "", dir, name, AT_EMPTY_PATH))
		return 0;
	if (errno != ENOENT && errno != EPERM)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) ? -errno : 0;
}

/* A device, fifo or socket stays: what opens it by its name wants no file there. */
static int rename_to(struct receiver *r, int dir, const char *from, const char *to)
{
	unsigned int flags = r->flags & PVO_FILE_NO_REPLACE ? RENAME_NOREPLACE : 0;
	struct stat st;

	if (!fstatat(dir, to, &st, AT_SYMLINK_NOFOLLOW) && !S_ISREG(st.st_mode) &&
	    !S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode))
		return -EEXIST;
	return renameat2(dir, from, dir, to, flags) ? -errno : 0;
}

static int place_file(struct receiver *r, struct receiver_ready *ready)
{
	int dir = ready->dir->fd, err;

	if (!*ready->temp) {
		err = link_file(ready->fd, dir, ready->name);
		if (err != -EEXIST || (r->flags & PVO_FILE_NO_REPLACE))
			return err;
		receive_temp_name(ready->temp);
		err = link_file(ready->fd, dir, ready->temp);
		if (err) {
			*ready->temp = 0;
			return err;
		}
	}
	err = rename_to(r, dir, ready->temp, ready->name);
	if (err)
		unlinkat(dir, ready->temp, 0);
	*ready->temp = 0;
	return err;
}

static int place_failed(struct receiver *r, struct receiver_ready *ready, int error)
{
	char name[NAME_SIZE];
	int err;

	/* The messages are about the entry under way, which this is not. */
	strcpy(name, r->name);
	if (path_join(ready->dir->path, ready->name, r->name))
		strcpy(r->name, ready->name);
	err = receive_failed(r, error);
	strcpy(r->name, name);
	return err;
}

static int place(struct receiver *r, struct receiver_ready *ready)
{
	int err;

	if (ready->directory) {
		err = receive_mode(r, ready->fd, &ready->attr, ready->made);
		if (!err && (r->flags & PVO_FILE_PRESERVE) &&
		    receive_times(ready->fd, &ready->attr))
			err = -errno;
	} else {
		err = place_file(r, ready);
		if (ready->fd == r->partial)
			r->partial = -1;
		if (!err)
			r->summary.files++;
	}
	close(ready->fd);
	if (err)
		err = place_failed(r, ready, -err);
	receive_dir_put(ready->dir);
	return err;
}

/* The content is on the disk before it has a name. */
static int sync_ready(struct receiver *r)
{
	unsigned int i, files = 0;
	bool one = true;

	for (i = 0; i < r->nr_ready; i++) {
		files += !r->ready[i].directory;
		one = one && r->ready[i].dir->dev == r->ready[0].dir->dev;
	}
	if (files > 3 && one && !syncfs(r->ready[0].fd))
		return 0;
	for (i = 0; i < r->nr_ready; i++) {
		if (!r->ready[i].directory && fsync(r->ready[i].fd) &&
		    !cannot_sync(errno))
			return trouble_errno(&r->trouble, errno, r->ready[i].name);
	}
	return 0;
}

int receive_commit(struct receiver *r)
{
	unsigned int i, count = r->nr_ready;
	int err = sync_ready(r);

	if (err || !count)
		return err;
	for (i = 0; i < count && !err; i++)
		err = place(r, &r->ready[i]);
	/* What was not reached is dropped by receiver_free(). */
	r->nr_ready = count - i;
	memmove(r->ready, r->ready + i, r->nr_ready * sizeof(*r->ready));
	r->ready_bytes = 0;
	if (!err && r->ops->done && *r->last_ready)
		r->ops->done(r, r->last_ready);
	return err;
}

int receive_symlink(struct receiver *r, const pvo_file_record *rec)
{
	const char *last = path_base(r->name);
	char target[NAME_SIZE], temp[48];
	struct timespec times[2] = {
		{ .tv_sec = rec->attr.atime, .tv_nsec = rec->attr.atime_ns },
		{ .tv_sec = rec->attr.mtime, .tv_nsec = rec->attr.mtime_ns },
	};
	int dir = r->dir->fd, err;

	memcpy(target, rec->target.bytes, rec->target.size);
	target[rec->target.size] = 0;
	receive_temp_name(temp);
	if (symlinkat(target, dir, temp))
		return receive_failed(r, errno);
	err = 0;
	if ((r->flags & PVO_FILE_PRESERVE) &&
	    ((r->owner && fchownat(dir, temp, rec->attr.uid, rec->attr.gid,
				   AT_SYMLINK_NOFOLLOW)) ||
	     utimensat(dir, temp, times, AT_SYMLINK_NOFOLLOW)))
		err = -errno;
	if (!err)
		err = rename_to(r, dir, temp, last);
	if (err) {
		unlinkat(dir, temp, 0);
		return receive_failed(r, -err);
	}
	r->summary.files++;
	return 0;
}

/* A transfer that is at work has its part locked. */
static bool is_at_work(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;

	if (fd >= 0)
		close(fd);
	return locked;
}

static bool is_part(const char *name)
{
	return !strcmp(name + strlen(name) - strlen(PART_SUFFIX), PART_SUFFIX);
}

/*
 * Old partial files of this user are removed, and the oldest part if there are too many that no
 * transfer is at. What has no such name is a file that gets its own in a moment, unless it is old.
 */
static void clean_partials(int base, const char *keep)
{
	int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	unsigned int seen = 0, count = 0;
	char oldest[48] = "";
	time_t age = 0;
	struct dirent *entry;
	struct stat st;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	while (seen++ < 20000 && (entry = readdir(dir))) {
		const char *name = entry->d_name;

		if (strncmp(name, TEMP_PREFIX, sizeof(TEMP_PREFIX) - 1) || !strcmp(name, keep) ||
		    strlen(name) >= sizeof(oldest) ||
		    fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode) ||
		    st.st_uid != geteuid() || st.st_nlink != 1)
			continue;
		if (is_at_work(fd, name))
			continue;
		if (time(NULL) - st.st_mtime > PARTIAL_AGE) {
			unlinkat(fd, name, 0);
			continue;
		}
		if (!is_part(name))
			continue;
		if (!count++ || st.st_mtime < age) {
			age = st.st_mtime;
			strcpy(oldest, name);
		}
	}
	if (count >= PARTIAL_COUNT)
		unlinkat(fd, oldest, 0);
	closedir(dir);
}

/* Its descriptor, locked; -EPERM: it is not what we made. */
static int open_partial(struct receiver *r)
{
	struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct stat st, named;
	int tries, fd;

	fd = openat(r->base, r->partial_name,
		    O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == ELOOP ? -EPERM : -errno;
	/* The worker of a session that was lost notices it soon: 5 s at most. */
	for (tries = 0; flock(fd, LOCK_EX | LOCK_NB); tries++) {
		if (errno != EWOULDBLOCK || tries == 250) {
			close(fd);
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		}
		nanosleep(&pause, NULL);
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() ||
	    st.st_mode & 077) {
		close(fd);
		return -EPERM;
	}
	if (fstatat(r->base, r->partial_name, &named, AT_SYMLINK_NOFOLLOW) ||
	    named.st_ino != st.st_ino || named.st_dev != st.st_dev || st.st_nlink != 1) {
		close(fd);	/* it has just got its final name */
		return st.st_nlink > 1 ? -EPERM : -EAGAIN;
	}
	return fd;
}

static int hash_partial(struct receiver *r)
{
	ssize_t n;
	int err;

	r->partial_size = 0;
	for (;;) {
		n = pread(r->partial, r->xattr_value, sizeof(r->xattr_value), r->partial_size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : 0;
		r->partial_size += n;
		err = digest_update(&r->digest, r->xattr_value, n);
		if (err)
			return err;
	}
}

int receiver_resume(struct receiver *r, const __u8 *id, __u64 *offset, __u8 hash[DIGEST_XXH3])
{
	unsigned int i, at = sizeof(TEMP_PREFIX) - 1;
	int err;

	*offset = 0;
	strcpy(r->partial_name, TEMP_PREFIX);
	for (i = 0; i < 16; i++, at += 2)
		sprintf(r->partial_name + at, "%02x", id[i]);
	strcpy(r->partial_name + at, PART_SUFFIX);
	clean_partials(r->base, r->partial_name);
	do {
		r->partial = open_partial(r);
	} while (r->partial == -EAGAIN);
	if (r->partial == -EPERM || r->partial == -EACCES) {
		/* Another user's, or none can be here: without it, then. */
		r->partial = -1;
		return 0;
	}
	if (r->partial < 0) {
		err = r->partial;
		r->partial = -1;
		return trouble_errno(&r->trouble, -err,
				     err == -EBUSY ? "an earlier transfer of the same" :
				     "a file for what can be resumed");
	}
	err = digest_reset(&r->digest);
	if (!err)
		err = hash_partial(r);
	if (err)
		return trouble_errno(&r->trouble, -err, r->partial_name);
	*offset = r->partial_size;
	digest_xxh3(&r->digest, hash);
	return 0;
}

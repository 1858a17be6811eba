// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of the key-value store. It is written under another name, is on the disk, and only
 * then takes the place of the one before, which is kept as well.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "kv.h"
#include "worker.h"

#define NAME	"values"
#define OLD	"values.old"
#define NEW	"values.new"
#define DAMAGED	"values.damaged"

static uint8_t buf[KV_FILE_MAX + 1];

/* Bytes of the file, in buf; -errno. */
static ssize_t read_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf + len, sizeof(buf) - len);
		len += n > 0 ? n : 0;
	} while (n > 0 && len < sizeof(buf));
	if (n < 0)
		n = -errno;
	close(fd);
	return n < 0 ? n : (ssize_t)len;
}

/* 0: read, or there is none; 1: it is damaged; -errno. */
static int load(struct kv_store *store, int dir, const char *name)
{
	ssize_t len = read_file(dir, name);
	const char *bad;

	if (len == -ENOENT)
		return 0;
	if (len < 0)
		return len;
	bad = kv_decode(store, buf, len);
	if (!bad)
		return 0;
	log_line(LOG_ERR, "kv: the file %s cannot be used: %s", name, bad);
	return 1;
}

int kv_load(struct kv_store *store, int dir)
{
	int err = load(store, dir, NAME);

	if (err <= 0)
		return err;
	if (renameat(dir, NAME, dir, DAMAGED))
		return -errno;
	log_line(LOG_ERR, "kv: it is " DAMAGED " now, the file before it counts");
	err = load(store, dir, OLD);
	return err > 0 ? 0 : err;
}

static int write_file(int dir, size_t len)
{
	int fd = openat(dir, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t done = 0;
	ssize_t n = 0;
	int err = 0;

	if (fd < 0)
		return -errno;
	while (done < len && n >= 0) {
		n = write(fd, buf + done, len - done);
		done += n > 0 ? n : 0;
	}
	if (n < 0 || fsync(fd))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	return err;
}

int kv_save(struct kv_store *store, int dir)
{
	uint64_t reserved = store->generation + KV_RESERVE;
	int err;

	if (dir < 0)
		return -EROFS;
	err = write_file(dir, kv_encode(store, reserved, buf));
	if (!err && unlinkat(dir, OLD, 0) && errno != ENOENT)
		err = -errno;
	if (!err && linkat(dir, NAME, dir, OLD, 0) && errno != ENOENT)
		err = -errno;
	if (!err && renameat(dir, NEW, dir, NAME))
		err = -errno;
	if (!err && fsync(dir))
		err = -errno;
	if (err)
		unlinkat(dir, NEW, 0);
	else
		store->reserved = reserved;
	return err;
}

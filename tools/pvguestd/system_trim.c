// SPDX-License-Identifier: GPL-2.0-only
/*
 * FITRIM: file systems tell the device what they do not use.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "mounts.h"
#include "system.h"

#define TRIMS_MAX	256	/* file systems in one request */

static bool is_here(const struct mount_entry *m)
{
	return !strncmp(m->source, "/dev/", 5) && !m->readonly && !m->network && !m->pseudo &&
		strncmp(m->type, "fuse", 4);
}

/*
 * The root of a mount, by a path without symbolic links; it has to be the file system that the
 * table says. Below a directory of a user something else may be there by now.
 */
static int open_target(const struct mount_entry *m)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
		.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	int fd = syscall(SYS_openat2, AT_FDCWD, m->target, &how, sizeof(how));
	struct stat st;

	if (fd < 0)
		return -errno;
	/* btrfs has numbers of its own for each subvolume. */
	if (!fstat(fd, &st) && (st.st_dev == m->dev ||
				!strcmp(m->type, "btrfs")))
		return fd;
	close(fd);
	return -ESTALE;
}

static __u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

/* 0 or an errno. */
static __u32 trim(const struct mount_entry *m, __u64 minimum, __u64 *bytes)
{
	struct fstrim_range range = { .len = ~0ull, .minlen = minimum };
	int fd = open_target(m), error = 0;

	*bytes = 0;
	if (fd < 0)
		return -fd;
	if (ioctl(fd, FITRIM, &range))
		error = errno;
	else
		*bytes = range.len;
	close(fd);
	return error;
}

#define set_text(field, text) do {					\
	size_t set_len = (text) ? strlen(text) : 0;			\
									\
	if (set_len > sizeof((field).bytes))				\
		set_len = sizeof((field).bytes);			\
	if (set_len)							\
		memcpy((field).bytes, (text), set_len);			\
	(field).size = set_len;						\
} while (0)

static __u32 trim_one(struct doer *d, const struct mount_entry *m, __u64 minimum)
{
	static pvo_SystemRecord rec;
	pvo_SystemTrim *info = &rec.what.trim;
	__u64 from = now_ms(), bytes;

	memset(&rec, 0, sizeof(rec));
	rec.which_what = pvo_SystemRecord_trim_tag;
	set_text(info->target, m->target);
	set_text(info->source, m->source);
	info->error = trim(m, minimum, &bytes);
	info->bytes = bytes;
	info->ms = now_ms() - from;
	/* A device that discards nothing is no failure of a request for all. */
	if (info->error && info->error != EOPNOTSUPP && info->error != ENOTTY)
		d->failed++;
	doer_report(d, &rec);
	return info->error;
}

/* The host, or nobody, waits for the rest: it is not begun. */
static bool is_over(struct doer *d)
{
	doer_wait(d, 0);
	return d->cancelled || d->alone;
}

struct trims {
	struct doer *d;
	__u64 minimum;
	const char *target;	/* for one */
	__u32 error;
	bool found, unfit;
	__u32 n;		/* for all: of @dev, and what there was no room for */
	dev_t dev[TRIMS_MAX];
	__u32 more;
};

static int trim_next(const struct mount_entry *m, void *priv)
{
	struct trims *t = priv;
	__u32 i;

	for (i = 0; i < t->n; i++)
		if (t->dev[i] == m->dev)
			return 0;
	if (!is_here(m))
		return 0;
	if (t->n == TRIMS_MAX) {
		t->more++;
		return 0;
	}
	t->dev[t->n++] = m->dev;
	if (is_over(t->d))
		return 1;
	trim_one(t->d, m, t->minimum);
	return 0;
}

static void trim_all(struct doer *d, __u64 minimum)
{
	static struct trims t;

	t.d = d;
	t.minimum = minimum;
	if (mounts_walk(false, trim_next, &t) < 0)
		doer_done(d, PVC_FAILED, "fstrim: the table of mounts cannot be read");
	else if (d->cancelled)
		doer_done(d, PVC_CANCELLED, "cancelled");
	else if (t.more)
		doer_done(d, PVC_FAILED, "fstrim: %u file systems were trimmed, %u not: name them",
			  TRIMS_MAX, t.more);
	else
		doer_done(d, PVC_OK, "%s", "");
}

/* The last one of this name is on top of the others. */
static int trim_named(const struct mount_entry *m, void *priv)
{
	struct trims *t = priv;

	if (strcmp(m->target, t->target))
		return 0;
	t->found = true;
	t->unfit = !is_here(m);
	if (!t->unfit)
		t->error = trim_one(t->d, m, t->minimum);
	return 1;
}

/* @target is looked up in the table, and used for nothing else. */
static void trim_target(struct doer *d, const char *target, __u64 minimum)
{
	static struct trims t;

	t.d = d;
	t.minimum = minimum;
	t.target = target;
	if (mounts_walk(true, trim_named, &t) < 0)
		doer_done(d, PVC_FAILED, "fstrim: the table of mounts cannot be read");
	else if (!t.found)
		doer_done(d, PVC_NOT_FOUND, "fstrim: %s is no mount point", target);
	else if (t.unfit)
		doer_done(d, PVC_UNSUPPORTED,
			  "fstrim: %s is not on a writable block device of this guest", target);
	else if (t.error == EOPNOTSUPP || t.error == ENOTTY)
		doer_done(d, PVC_UNSUPPORTED, "fstrim: %s: its device discards nothing", target);
	else if (t.error)
		doer_done(d, PVC_FAILED, "fstrim: %s: %s", target, strerror(t.error));
	else
		doer_done(d, PVC_OK, "%s", "");
}

void trim_do(struct doer *d, const struct system_order *order)
{
	char target[sizeof(order->text) + 1];

	memcpy(target, order->text, order->text_len);
	target[order->text_len] = '\0';
	if (*target)
		trim_target(d, target, order->minimum);
	else
		trim_all(d, order->minimum);
}

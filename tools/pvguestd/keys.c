// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests by their keys, so that one whose answer was lost with its session is not carried
 * out twice. They are in a file of /run, since the host takes a guest whose boot_id is the
 * same for one that remembers: a daemon that was killed and started again has to.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "broker.h"

#define KEYS_MAGIC	0x32304b5047565000ull	/* changes with struct keys */

/* Whose request it was. An answer is its principal's alone. */
static char *principal_of(const struct pvs_key *key)
{
	return broker.keys->principals[key - broker.keys->keys.entries];
}

/* What was under way when the daemon ended was begun, and nothing more is known. */
static void take_over(struct pvs_keys *keys)
{
	__u32 i;

	for (i = 0; i < PVS_KEYS; i++)
		if (keys->entries[i].state == PVS_KEY_RUNNING)
			pvs_key_done(&keys->entries[i], PVC_ABORTED, "", 0);
}

/* A file that another made, or that has another name, too, is not written to. */
static bool is_ours(const struct stat *st)
{
	return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

int keys_open(const char *dir)
{
	struct keys *file;
	char path[4096];
	struct stat st;
	int fd, err;

	snprintf(path, sizeof(path), "%s/keys", dir);
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!is_ours(&st) ||
	    (st.st_size != sizeof(*file) &&
	     (ftruncate(fd, 0) < 0 || ftruncate(fd, sizeof(*file)) < 0))) {
		close(fd);
		return -EINVAL;
	}
	/* A page that there is no room for later would end this process (SIGBUS). */
	err = -posix_fallocate(fd, 0, sizeof(*file));
	if (err) {
		close(fd);
		return err;
	}
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (file == MAP_FAILED)
		return -errno;
	if (file->magic != KEYS_MAGIC) {
		memset(file, 0, sizeof(*file));
		file->magic = KEYS_MAGIC;
	}
	take_over(&file->keys);
	broker.keys = file;
	return 0;
}

static bool recall(const struct stream *s, const struct arrival *arrival,
		   const struct pvs_key *key)
{
	if (!key && pvs_key_forgotten(&broker.keys->keys, arrival->key))
		stream_reply(s, PVC_FORGOTTEN, "", 0);
	else if (!key && arrival->flags & PVC_OPEN_QUERY)
		stream_reply(s, PVC_NOT_FOUND, "", 0);
	else if (!key)
		return false;
	else if (key->service != arrival->service || key->op != arrival->op ||
		 strcmp(principal_of(key), arrival->principal))
		stream_reply(s, PVC_INVALID, "", 0);
	else if (key->state == PVS_KEY_RUNNING)
		stream_reply(s, PVC_IN_PROGRESS, "", 0);
	else
		stream_reply(s, key->status, key->body, key->len);
	return true;
}

bool keys_recall(const struct arrival *arrival)
{
	struct stream s = { .fd = arrival->stream, .answer = arrival->answer };

	if (arrival->key)
		return recall(&s, arrival, pvs_key_find(&broker.keys->keys, arrival->key));
	if (arrival->flags & PVC_OPEN_QUERY)
		stream_reply(&s, PVC_INVALID, "", 0);
	return arrival->flags & PVC_OPEN_QUERY;
}

bool keys_begin(const struct arrival *arrival, struct pvs_key **key)
{
	*key = NULL;
	if (!arrival->key)
		return true;
	*key = pvs_key_begin(&broker.keys->keys, arrival->key, arrival->service, arrival->op);
	if (!*key)
		return false;
	/* Until more is known; this process may be killed at any time. */
	(*key)->status = PVC_ABORTED;
	strcpy(principal_of(*key), arrival->principal);
	return true;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * vCPUs and memory blocks: list, online, offline.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record_out.h"
#include "system.h"

#define SYS	"/sys/devices/system"
#define IDS_MAX	65536u

static const struct {
	const char *dir;
	const char *prefix;
	const char *file;	/* what is read and written */
	const char *on;		/* is read of one that is online, and makes it that */
	const char *off;
} kinds[] = {
	[pvo_OnlineKind_ONLINE_CPU] = { SYS "/cpu", "cpu", "online", "1", "0" },
	[pvo_OnlineKind_ONLINE_MEMORY] = { SYS "/memory", "memory", "state", "online", "offline" },
};

static int by_number(const void *a, const void *b)
{
	const __u32 *i = a, *j = b;

	return (*i > *j) - (*i < *j);
}

/* The numbers of all that are there, ascending; what is more than IDS_MAX is left out. */
static __u32 list_ids(__u32 kind, __u32 **ids)
{
	size_t prefix = strlen(kinds[kind].prefix);
	DIR *dir = opendir(kinds[kind].dir);
	const struct dirent *entry;
	__u32 n = 0, i;
	char *end;

	*ids = dir ? calloc(IDS_MAX, sizeof(**ids)) : NULL;
	while (*ids && n < IDS_MAX && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, kinds[kind].prefix, prefix) ||
		    entry->d_name[prefix] < '0' || entry->d_name[prefix] > '9')
			continue;
		i = strtoul(entry->d_name + prefix, &end, 10);
		if (!*end)
			(*ids)[n++] = i;
	}
	if (dir)
		closedir(dir);
	if (*ids)
		qsort(*ids, n, sizeof(**ids), by_number);
	return n;
}

static void make_path(char *path, size_t size, __u32 kind, __u32 id)
{
	snprintf(path, size, "%s/%s%u/%s", kinds[kind].dir, kinds[kind].prefix, id,
		 kinds[kind].file);
}

/* A CPU without the file cannot be switched, and is online. */
static bool read_state(__u32 kind, __u32 id, bool *fixed)
{
	char path[128], text[32];

	make_path(path, sizeof(path), kind, id);
	*fixed = access(path, F_OK) != 0;
	if (*fixed)
		return true;
	if (read_text(path, text, sizeof(text)) <= 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	return !strcmp(text, kinds[kind].on);
}

static __u32 write_state(__u32 kind, __u32 id, bool on)
{
	const char *text = on ? kinds[kind].on : kinds[kind].off;
	char path[128];
	__u32 error = 0;
	int fd;

	make_path(path, sizeof(path), kind, id);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno;
	if (write(fd, text, strlen(text)) < 0)
		error = errno;
	close(fd);
	return error;
}

static __u64 block_size(void)
{
	char text[32];

	if (read_text(SYS "/memory/block_size_bytes", text, sizeof(text)) <= 0)
		return 0;
	return strtoull(text, NULL, 16);
}

static void report(struct doer *d, __u32 kind, __u32 id, bool changed, __u32 error, __u64 size)
{
	pvo_SystemRecord rec = { .which_what = pvo_SystemRecord_online_tag };
	pvo_SystemOnline *info = &rec.what.online;
	bool fixed;

	info->kind = kind;
	info->id = id;
	info->online = read_state(kind, id, &fixed);
	info->fixed = fixed;
	info->changed = changed;
	info->error = error;
	info->size = size;
	d->failed += !!error;
	doer_report(d, &rec);
}

static __u32 count_online(__u32 kind, const __u32 *ids, __u32 n)
{
	__u32 i, online = 0;
	bool fixed;

	for (i = 0; i < n; i++)
		online += read_state(kind, ids[i], &fixed);
	return online;
}

/* CPU 0 has interrupts that go nowhere else, on many machines; and one has to be left. */
static __u32 change(struct doer *d, const struct system_order *order, __u32 id, __u32 *online,
		    __u64 size)
{
	bool on = order->action == pvo_OnlineAction_ONLINE_ON, fixed;
	bool cpu = order->kind == pvo_OnlineKind_ONLINE_CPU;
	bool was = read_state(order->kind, id, &fixed);
	__u32 error = 0;

	if (was != on) {
		if (fixed || (cpu && !on && (!id || *online == 1)))
			error = EPERM;
		else
			error = write_state(order->kind, id, on);
		if (!error)
			*online += on ? 1 : -1;
	}
	report(d, order->kind, id, was != on && !error, error, size);
	return error;
}

static void change_all(struct doer *d, const struct system_order *order, const __u32 *ids,
		       __u32 n, __u64 size)
{
	__u32 online = count_online(order->kind, ids, n), i, met = 0;
	__u64 end = order->count ? (__u64)order->first + order->count : ~0ull;

	for (i = 0; i < n && !d->cancelled; i++) {
		if (ids[i] < order->first || ids[i] >= end)
			continue;
		met++;
		change(d, order, ids[i], &online, size);
		doer_wait(d, 0);
	}
	if (order->count && met < order->count)
		doer_done(d, PVC_NOT_FOUND, "online: of %s %u to %llu this guest has %u",
			  kinds[order->kind].prefix, order->first,
			  (unsigned long long)end - 1, met);
	else
		doer_done(d, d->cancelled ? PVC_CANCELLED : PVC_OK, "%s",
			  d->cancelled ? "cancelled" : "");
}

void online_do(struct doer *d, const struct system_order *order)
{
	__u64 size = order->kind == pvo_OnlineKind_ONLINE_MEMORY ? block_size() : 0;
	__u32 *ids, n = list_ids(order->kind, &ids), i;

	if (!n) {
		doer_done(d, PVC_UNSUPPORTED, "online: this guest's kernel lists no %s",
			  kinds[order->kind].prefix);
	} else if (order->action == pvo_OnlineAction_ONLINE_LIST) {
		for (i = 0; i < n; i++)
			report(d, order->kind, ids[i], false, 0, size);
		doer_done(d, PVC_OK, "%s", "");
	} else {
		change_all(d, order, ids, n, size);
	}
	free(ids);
}

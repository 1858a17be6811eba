// SPDX-License-Identifier: GPL-2.0-only
/* Maps of BPF programs, found by their names. */
#define _GNU_SOURCE
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"

#define CPUS_MAX 64

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int is_named(int fd, const char *name)
{
	struct bpf_map_info info = {};
	union bpf_attr attr = {};

	attr.info.bpf_fd = fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	return !bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) && !strcmp(info.name, name);
}

/* Return: the next map of a name after @id, which is updated, or -1. */
static int next_map(const char *name, __u32 *id)
{
	union bpf_attr attr = { .start_id = *id };
	int fd;

	while (!bpf(BPF_MAP_GET_NEXT_ID, &attr)) {
		union bpf_attr get = { .map_id = attr.next_id };

		*id = attr.next_id;
		attr.start_id = attr.next_id;
		fd = bpf(BPF_MAP_GET_FD_BY_ID, &get);
		if (fd < 0)
			continue;
		if (is_named(fd, name))
			return fd;
		close(fd);
	}
	return -1;
}

/* Add the value, summed over all CPUs, of a per-CPU array of one. */
static void add_count(int fd, __u64 *count)
{
	union bpf_attr attr = {};
	__u64 values[CPUS_MAX] = {};
	__u32 key = 0;
	int i;

	attr.map_fd = fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)values;
	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		return;
	for (i = 0; i < CPUS_MAX; i++)
		*count += values[i];
}

/**
 * count_of_map() - add up the counters of all maps of a name
 * @name: as in the program
 * @count: the sum
 *
 * Return: 0, or -1 if there is no such map.
 */
int count_of_map(const char *name, __u64 *count)
{
	int fd, found = -1;
	__u32 id = 0;

	*count = 0;
	while ((fd = next_map(name, &id)) >= 0) {
		add_count(fd, count);
		close(fd);
		found = 0;
	}
	return found;
}

/**
 * put_in_map() - set an element of every map of a name
 * @name: as in the program
 * @key: index
 * @value: 32 bits
 *
 * Return: 0, or -1 if there is no such map or it does not take that.
 */
int put_in_map(const char *name, __u32 key, __u32 value)
{
	int fd, found = -1;
	__u32 id = 0;

	while ((fd = next_map(name, &id)) >= 0) {
		union bpf_attr attr = {
			.map_fd = fd, .key = (uintptr_t)&key,
			.value = (uintptr_t)&value,
		};

		found = bpf(BPF_MAP_UPDATE_ELEM, &attr);
		close(fd);
		if (found)
			break;
	}
	return found;
}

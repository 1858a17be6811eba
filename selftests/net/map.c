// SPDX-License-Identifier: GPL-2.0-only
/* Reads the counter of a BPF program, found by the name of its map. */
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

/* Return: the value summed over all CPUs (a per-CPU array of one), or -1. */
static int add_map(int fd, const char *name, __u64 *count)
{
	struct bpf_map_info info = {};
	union bpf_attr attr = {};
	__u64 values[CPUS_MAX] = {};
	__u32 key = 0;
	int i;

	attr.info.bpf_fd = fd;
	attr.info.info_len = sizeof(info);
	attr.info.info = (uintptr_t)&info;
	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) || strcmp(info.name, name))
		return -1;
	memset(&attr, 0, sizeof(attr));
	attr.map_fd = fd;
	attr.key = (uintptr_t)&key;
	attr.value = (uintptr_t)values;
	if (bpf(BPF_MAP_LOOKUP_ELEM, &attr))
		return -1;
	for (i = 0; i < CPUS_MAX; i++)
		*count += values[i];
	return 0;
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
	union bpf_attr attr = {};
	int fd, found = -1;

	*count = 0;
	while (!bpf(BPF_MAP_GET_NEXT_ID, &attr)) {
		union bpf_attr get = { .map_id = attr.next_id };

		attr.start_id = attr.next_id;
		fd = bpf(BPF_MAP_GET_FD_BY_ID, &get);
		if (fd < 0)
			continue;
		if (!add_map(fd, name, count))
			found = 0;
		close(fd);
	}
	return found;
}

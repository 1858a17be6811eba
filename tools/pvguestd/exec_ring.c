// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last of what a program has written, for a host that comes back. Positions are counted
 * from the program's first byte.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "exec.h"

bool ring_init(struct ring *ring)
{
	/* Pages that are never written to cost nothing; malloc() would write to the first. */
	ring->data = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	ring->head = 0;
	ring->sent = 0;
	return ring->data != MAP_FAILED;
}

__u64 ring_oldest(const struct ring *ring)
{
	return ring->head > RING_SIZE ? ring->head - RING_SIZE : 0;
}

/* The pieces of the ring from @at on, @len bytes in all; how many. */
static int pieces(const struct ring *ring, __u64 at, size_t len, struct iovec iov[2])
{
	size_t from = at % RING_SIZE;
	size_t first = min_t(size_t, len, RING_SIZE - from);

	iov[0].iov_base = ring->data + from;
	iov[0].iov_len = first;
	iov[1].iov_base = ring->data;
	iov[1].iov_len = len - first;
	return len > first ? 2 : 1;
}

ssize_t ring_read(struct ring *ring, int fd, size_t max)
{
	struct iovec iov[2];
	int n = pieces(ring, ring->head, min_t(size_t, max, RING_SIZE), iov);
	ssize_t len;

	do {
		len = readv(fd, iov, n);
	} while (len < 0 && errno == EINTR);
	if (len > 0)
		ring->head += len;
	return len;
}

ssize_t ring_write(struct ring *ring, int fd)
{
	struct iovec iov[2];
	int n;
	ssize_t len;

	/* Overwritten before it was sent. */
	if (ring->sent < ring_oldest(ring))
		ring->sent = ring_oldest(ring);
	n = pieces(ring, ring->sent, ring->head - ring->sent, iov);
	do {
		len = writev(fd, iov, n);
	} while (len < 0 && errno == EINTR);
	if (len > 0)
		ring->sent += len;
	return len;
}

__u64 ring_rewind(struct ring *ring, __u64 at)
{
	if (at > ring->head)
		at = ring->head;
	if (at < ring_oldest(ring))
		at = ring_oldest(ring);
	ring->sent = at;
	return at;
}

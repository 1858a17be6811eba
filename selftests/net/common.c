// SPDX-License-Identifier: GPL-2.0-only
/* Streams that can be checked, and transfers that end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "peer.h"

/*
 * Return: how many streams began before, by the length of the file that PEER_STREAMS
 * names, to which each adds a byte; 0 where there is none.
 */
static __u64 streams_before(void)
{
	const char *path = getenv("PEER_STREAMS");
	int fd = path ? open(path, O_WRONLY | O_APPEND) : -1;
	off_t length = 1;

	if (fd < 0)
		return 0;
	if (write(fd, "", 1) == 1)
		length = lseek(fd, 0, SEEK_CUR);
	close(fd);
	return length - 1;
}

/*
 * stream_seed() - of the next stream of the test, which no earlier one had
 *
 * Return: what follows from PEER_SEED and the number of streams before, or where there
 * is no PEER_SEED, from the clock.
 */
__u64 stream_seed(void)
{
	const char *seed = getenv("PEER_SEED");

	if (!seed)
		return now_ns();
	/* Neighbours must not look alike. */
	return ((strtoull(seed, NULL, 0) << 24) + streams_before()) *
	       0x9e3779b97f4a7c15ull;
}

void stream_init(struct peer_stream *s, __u64 seed)
{
	/* A state of 0 would stay 0. */
	s->state = seed * 2 + 1;
	s->used = sizeof(s->buf);
}

/* Fill the buffer with what comes next (xorshift64). */
void stream_next(struct peer_stream *s)
{
	__u64 x = s->state;
	size_t i;

	for (i = 0; i < sizeof(s->buf); i += sizeof(x)) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(s->buf + i, &x, sizeof(x));
	}
	s->state = x;
	s->used = 0;
}

int send_all(int fd, const void *buf, size_t len)
{
	while (len) {
		ssize_t n = send(fd, buf, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		buf = (const char *)buf + n;
		len -= n;
	}
	return 0;
}

int recv_all(int fd, void *buf, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, buf, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (!n)
			errno = EPIPE;
		if (n <= 0)
			return -1;
		buf = (char *)buf + n;
		len -= n;
	}
	return 0;
}

int stream_send(int fd, __u64 seed, __u64 bytes)
{
	static struct peer_stream s;

	stream_init(&s, seed);
	while (bytes) {
		size_t len = bytes < sizeof(s.buf) ? bytes : sizeof(s.buf);

		stream_next(&s);
		if (send_all(fd, s.buf, len))
			return -1;
		bytes -= len;
	}
	return 0;
}

/* @differs: the first byte that is not as it should be, or PEER_INTACT. */
int stream_check(int fd, __u64 seed, __u64 bytes, __u64 *differs)
{
	static struct peer_stream s;
	static __u8 got[sizeof(s.buf)];
	__u64 done = 0;
	size_t i;

	*differs = PEER_INTACT;
	stream_init(&s, seed);
	while (done < bytes) {
		size_t len = bytes - done;

		if (len > sizeof(got))
			len = sizeof(got);
		stream_next(&s);
		if (recv_all(fd, got, len))
			return -1;
		if (*differs == PEER_INTACT && memcmp(got, s.buf, len)) {
			for (i = 0; got[i] == s.buf[i]; i++)
				;
			*differs = done + i;
		}
		done += len;
	}
	return 0;
}

void set_timeouts(int fd)
{
	struct timeval tv = { .tv_sec = PEER_TIMEOUT };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

__u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

void wait_until(__u64 ns)
{
	struct timespec ts = {
		.tv_sec = ns / 1000000000ull, .tv_nsec = ns % 1000000000ull,
	};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the two ends of selftests/net/peer agree on, and share. */
#ifndef PEER_H
#define PEER_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#define PEER_PORT	7700	/* TCP: requests; UDP: answers what it gets */
#define PEER_DISCARD	7701	/* UDP: takes, and says nothing */
#define PEER_STALLED	7702	/* TCP: QEMU's socket netdev; UDP: may it flow? */
#define PEER_TIMEOUT	20	/* seconds of silence that mean failure */
#define PEER_SIZE_MAX	65000	/* bytes of a message */

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#define PEER_MAGIC	0x70766770

enum peer_op {
	PEER_SINK,	/* check @bytes of stream @seed, answer where it differs */
	PEER_SOURCE,	/* send @bytes of stream @seed */
	PEER_ECHO,	/* give back messages of @size bytes until the end */
	PEER_PUSH,	/* send @count messages of @size bytes to @addr:@port, and
			 * answer how many were sent and how many came back
			 */
};

/* Both ends are of one machine, so the order of bytes is its own. */
struct peer_request {
	__u32 magic;
	__u32 op;
	__u64 bytes;
	__u64 seed;
	__u32 size;
	__u32 count;		/* 0: until the connection ends */
	__u32 gap_us;	/* between two */
	__u32 addr;		/* as in struct in_addr; 0: the sender */
	__u16 port;
	__u16 burst;		/* messages without a gap */
	__u32 patience;		/* seconds to wait for the last answer */
};

static_assert(sizeof(struct peer_request) == 48, "no holes");

#define PEER_INTACT	UINT64_MAX	/* answer of PEER_SINK: no difference */

/* A stream that a seed determines, so that any of its bytes can be checked. */
struct peer_stream {
	__u64 state;
	__u8 buf[65536];
	size_t used;
};

__u64 stream_seed(void);
void stream_init(struct peer_stream *s, __u64 seed);
void stream_next(struct peer_stream *s);
int stream_send(int fd, __u64 seed, __u64 bytes);
int stream_check(int fd, __u64 seed, __u64 bytes, __u64 *differs);

int send_all(int fd, const void *buf, size_t len);
int recv_all(int fd, void *buf, size_t len);
void set_timeouts(int fd);
__u64 now_ns(void);
void wait_until(__u64 ns);

int serve(void);
int serve_vlans(const char *interface);
int serve_stalled(void);
int serve_xsk(const char *dev, int queue, const char *mode, int first);
int count_of_map(const char *name, __u64 *count);
int ask_for_hashes(const char *dev);
int put_in_map(const char *name, __u32 key, __u32 value);

#endif /* PEER_H */

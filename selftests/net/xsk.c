// SPDX-License-Identifier: GPL-2.0-only
/*
 * An AF_XDP socket that sends back what the program xdp/xsk of xdp.bpf.c gives
 * it: received frames go out from where they are, and back to the fill ring when
 * they were sent. Or it gives a few frames at first, cannot be told that the fill ring is
 * empty, and gives the rest a second after the few were received.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"

#define FRAMES		256	/* power of two; each ring has as many entries */
#define FRAME_SIZE	4096

struct ring {
	__u32 *producer;
	__u32 *consumer;
	__u32 *flags;
	void *entries;
};

struct xsk {
	int fd;
	__u8 *umem;
	struct ring fill;
	struct ring completion;
	struct ring rx;
	struct ring tx;
	unsigned long received;
	unsigned long sent;
	unsigned long first;	/* frames given before any was received */
	int filled;		/* all frames were given */
};

/* Return: a descriptor that can be read when we are to end. */
static int open_signals(void)
{
	sigset_t term;

	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	return signalfd(-1, &term, 0);
}

static int map_ring(int fd, struct ring *r, const struct xdp_ring_offset *off,
		    size_t entry, off_t where)
{
	char *at = mmap(NULL, off->desc + FRAMES * entry, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, fd, where);

	if (at == MAP_FAILED)
		return -1;
	r->producer = (void *)(at + off->producer);
	r->consumer = (void *)(at + off->consumer);
	r->flags = (void *)(at + off->flags);
	r->entries = at + off->desc;
	return 0;
}

static int map_rings(struct xsk *x)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);

	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) ||
	    map_ring(x->fd, &x->fill, &off.fr, sizeof(__u64),
		     XDP_UMEM_PGOFF_FILL_RING) ||
	    map_ring(x->fd, &x->completion, &off.cr, sizeof(__u64),
		     XDP_UMEM_PGOFF_COMPLETION_RING) ||
	    map_ring(x->fd, &x->rx, &off.rx, sizeof(struct xdp_desc),
		     XDP_PGOFF_RX_RING))
		return -1;
	return map_ring(x->fd, &x->tx, &off.tx, sizeof(struct xdp_desc),
			XDP_PGOFF_TX_RING);
}

static int make_rings(struct xsk *x)
{
	static const int options[] = {
		XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING,
		XDP_TX_RING,
	};
	struct xdp_umem_reg umem = {
		.len = FRAMES * FRAME_SIZE, .chunk_size = FRAME_SIZE,
	};
	int entries = FRAMES;
	size_t i;

	x->umem = mmap(NULL, umem.len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (x->umem == MAP_FAILED)
		return -1;
	umem.addr = (uintptr_t)x->umem;
	if (setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)))
		return -1;
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (setsockopt(x->fd, SOL_XDP, options[i], &entries, sizeof(entries)))
			return -1;
	return map_rings(x);
}

static void give_frame(struct xsk *x, __u64 addr)
{
	struct ring *r = &x->fill;
	__u32 at = *r->producer;

	((__u64 *)r->entries)[at % FRAMES] = addr;
	__atomic_store_n(r->producer, at + 1, __ATOMIC_RELEASE);
}

static void give_frames(struct xsk *x, __u64 first, __u64 end)
{
	for (; first < end; first++)
		give_frame(x, first * FRAME_SIZE);
}

static int open_xsk(struct xsk *x, const char *dev, int queue, int flags)
{
	struct sockaddr_xdp at = {
		.sxdp_family = AF_XDP, .sxdp_queue_id = queue,
		.sxdp_ifindex = if_nametoindex(dev),
		.sxdp_flags = flags,
	};

	x->fd = socket(AF_XDP, SOCK_RAW, 0);
	if (x->fd < 0 || !at.sxdp_ifindex || make_rings(x))
		return -1;
	give_frames(x, 0, x->first);
	return bind(x->fd, (struct sockaddr *)&at, sizeof(at));
}

/* The other side of each ring is the kernel's: acquire it, release ours. */
static __u32 ready(const struct ring *r)
{
	return __atomic_load_n(r->producer, __ATOMIC_ACQUIRE) - *r->consumer;
}

static void exchange(__u8 *a, __u8 *b, size_t len)
{
	__u8 t;

	for (; len--; a++, b++) {
		t = *a;
		*a = *b;
		*b = t;
	}
}

/* Of UDP over IPv4, which is all that the program lets through. */
static void turn_around(__u8 *frame)
{
	exchange(frame, frame + 6, 6);
	exchange(frame + 26, frame + 30, 4);
	exchange(frame + 34, frame + 36, 2);
}

static void take_received(struct xsk *x)
{
	__u32 n = ready(&x->rx), i, at = *x->tx.producer;

	for (i = 0; i < n; i++) {
		__u32 from = (*x->rx.consumer + i) % FRAMES;
		struct xdp_desc desc = ((struct xdp_desc *)x->rx.entries)[from];

		turn_around(x->umem + desc.addr);
		((struct xdp_desc *)x->tx.entries)[at++ % FRAMES] = desc;
	}
	__atomic_store_n(x->rx.consumer, *x->rx.consumer + n, __ATOMIC_RELEASE);
	__atomic_store_n(x->tx.producer, at, __ATOMIC_RELEASE);
	x->received += n;
}

static void take_sent(struct xsk *x)
{
	__u32 n = ready(&x->completion), i;

	for (i = 0; i < n; i++) {
		__u32 from = (*x->completion.consumer + i) % FRAMES;

		/* Where the frame began, whatever headroom there was. */
		give_frame(x, ((__u64 *)x->completion.entries)[from] &
			      ~(FRAME_SIZE - 1ull));
	}
	__atomic_store_n(x->completion.consumer, *x->completion.consumer + n,
			 __ATOMIC_RELEASE);
	x->sent += n;
}

static void say(const char *what)
{
	puts(what);
	fflush(stdout);
}

/* Nothing goes back to the fill ring before it was empty for a second. */
static void fill(struct xsk *x)
{
	if (!x->filled && x->received >= x->first) {
		sleep(1);
		give_frames(x, x->first, FRAMES);
		x->filled = 1;
		say("filled");
	}
	if (x->filled)
		take_sent(x);
}

/**
 * serve_xsk() - send back what arrives, until SIGTERM
 * @dev: interface, with the program attached
 * @queue: its receive queue
 * @mode: "zerocopy" or "copy"
 * @first: frames to give at first, without XDP_USE_NEED_WAKEUP; 0: all, and with it
 */
int serve_xsk(const char *dev, int queue, const char *mode, int first)
{
	int flags = strcmp(mode, "zerocopy") ? XDP_COPY : XDP_ZEROCOPY;
	static struct xsk x;
	struct pollfd p[2];

	x.first = first ? first : FRAMES;
	x.filled = !first;
	if (!first)
		flags |= XDP_USE_NEED_WAKEUP;
	if (open_xsk(&x, dev, queue, flags) || put_in_map("xsks", queue, x.fd)) {
		fprintf(stderr, "peer: AF_XDP on %s, queue %d, %s: %s\n", dev,
			queue, mode, strerror(errno));
		return 1;
	}
	p[0] = (struct pollfd) { .fd = open_signals(), .events = POLLIN };
	p[1] = (struct pollfd) { .fd = x.fd, .events = POLLIN };
	say("ready");
	while (poll(p, 2, 100) >= 0 && !p[0].revents) {
		take_received(&x);
		if (first || *x.tx.flags & XDP_RING_NEED_WAKEUP)
			sendto(x.fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
		fill(&x);
	}
	printf("{\"received\": %lu, \"sent\": %lu}\n", x.received, x.sent);
	return 0;
}

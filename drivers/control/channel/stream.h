/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests of the host for services of daemons: the open files of /dev/pvg_control that
 * provide these (listen.c) and the descriptors that the requests become (stream.c).
 */
#ifndef _PVG_CONTROL_STREAM_H
#define _PVG_CONTROL_STREAM_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched/mm.h>
#include <linux/wait.h>

#include "channel.h"
#include "../../../include/uapi/pvguest/control_dev.h"

struct file;
struct mem_cgroup;
struct pid;

/* Some bytes: data, the arguments of a request, the body of an answer. */
struct pvg_chunk {
	struct list_head node;
	u32 size;		/* bytes of room */
	u32 len;		/* bytes that are there */
	u32 at;			/* of these, bytes already used */
	u8 data[];
};

/**
 * struct pvg_listener - an open file of /dev/pvg_control
 * @node: of all
 * @refs: of the file and of each stream
 * @services: it provides
 * @versions: of these; constant once the bit is set
 * @waiting: streams nobody has accepted, oldest first
 * @wait: for @waiting
 * @opener: the process, which alone may bind and accept
 * @dropped: PVG_CONTROL_RIGHT_* that it has given up
 * @memcg: of the opener, to which streams are charged; may be NULL
 *
 * All but what is constant is protected by &pvg_channel.lock.
 */
struct pvg_listener {
	struct list_head node;
	refcount_t refs;
	DECLARE_BITMAP(services, PVC_SERVICE_NR);
	struct pvc_service_range versions[PVC_SERVICE_NR];
	struct list_head waiting;
	wait_queue_head_t wait;
	struct pid *opener;
	u32 dropped;
	struct mem_cgroup *memcg;
};

/**
 * struct pvg_stream - a stream that the host has opened
 * @node: of &pvg_listener.waiting, until it is accepted
 * @listener: whose it is
 * @s: the core's; NULL once it is closed
 * @held: by @listener, or by a file; neither this nor @s: it is freed
 * @eof: the host's data has ended
 * @answered: by the daemon
 * @status: why it was closed, enum pvc_status
 * @events: for poll(); read without the lock
 * @out_bytes: in @out
 * @in: data from the host
 * @out: data for the host
 * @current_in: what was taken from @in and not read completely; changed under @read_lock,
 *	looked at under either
 * @head: of the request, as PVG_CONTROL_ACCEPT returns it
 * @args: of the request
 * @body: of the answer, when there is one
 * @wait: for @events
 * @read_lock: one reader at a time; taken before &pvg_channel.lock
 */
struct pvg_stream {
	struct list_head node;
	struct pvg_listener *listener;
	struct pvc_stream *s;
	bool held;
	bool eof;
	bool answered;
	u32 status;
	__poll_t events;
	u32 out_bytes;
	struct list_head in;
	struct list_head out;
	struct pvg_chunk *current_in;
	struct pvg_control_accept head;
	struct pvg_chunk *args;
	struct pvg_chunk *body;
	wait_queue_head_t wait;
	struct mutex read_lock;	/* of readers and @current_in */
};

/* listen.c */
struct pvg_listener *pvg_listener_get(struct pvg_listener *l);
void pvg_listener_put(struct pvg_listener *l);
struct mem_cgroup *pvg_listener_charge(struct pvg_listener *l);

/* stream.c */
struct pvg_chunk *pvg_chunk_alloc(u32 size, gfp_t gfp);
struct pvg_stream *pvg_stream_alloc(struct pvg_listener *listener,
				    struct pvc_stream *s, const void *args,
				    u32 len);
void pvg_stream_try_free(struct pvg_stream *st);
bool pvg_stream_drop(struct pvg_stream *st, u32 status);
struct file *pvg_stream_file(struct pvg_stream *st, int flags);

#endif /* _PVG_CONTROL_STREAM_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to a guest: the hypervisor's socket, the protocol core, and
 * the libevent loop that drives them. Above it are call.c, for the services of
 * the guest's kernel, one request at a time, and client.c, for streams.
 */
#ifndef _TOOLS_HOST_LINK_H
#define _TOOLS_HOST_LINK_H

#include <event2/event.h>

#include "pvguest/protocol.h"
#include "../../include/uapi/pvguest/services.h"

#define LINK_STREAMS	264	/* slots; a guest's kernel takes 260 at a time */
#define LINK_BODY	4096
/* Data that the guest may send on all streams together, bytes not consumed. */
#define LINK_WINDOW	(64u << 20)
/* Frames are gathered for one write to the socket until there is so much, bytes. */
#define LINK_GATHER	65536u

/* Exit statuses of pvhost, and results of the functions here. */
enum outcome {
	DONE = 0,
	FAILED = 1,		/* the guest answered that it did not work */
	USAGE = 2,
	NO_CONNECTION = 3,	/* no such socket, or it was closed */
	NO_ANSWER = 4,		/* not within the time given */
	REFUSED = 5,		/* the guest speaks no version of ours */
};

/* What a request came to. */
struct answer {
	__u32 status;		/* enum pvc_status */
	__u32 flags;		/* PVC_RESULT_* */
	__u32 len;
	__u8 body[LINK_BODY];
};

/* What came without being asked for; the last of each. */
struct news {
	__u32 beats;
	__u32 notices;
	__u32 pongs;
	__u64 pong_token;
	struct pvc_heartbeat beat;
	__u32 notice_kind;
	__u64 notice_uptime_ms;
	char notice_text[PVC_NOTICE_TEXT_MAX + 1];
};

struct link;

/**
 * struct link_hooks - what the owner of the streams of a link is told; each may be NULL
 * @streams: callbacks for the streams whose @priv is not NULL
 * @session: a session began or ended
 * @event: as &pvc_ops.event
 * @turn: after what there was to send was handed out; may open, write and close streams
 */
struct link_hooks {
	const struct pvc_ops *streams;
	void (*session)(struct link *link, bool up);
	void (*event)(struct link *link, enum pvc_type type, const void *payload, __u32 len);
	void (*turn)(struct link *link);
};

struct link {
	struct pvc pvc;
	struct pvc_stream streams[LINK_STREAMS];
	__u8 rx_buf[PVC_SYNC_RUN];
	const char *path;	/* of the socket */
	int fd;			/* -1: not connected */
	bool closed;		/* by the other end */
	__u32 timeout_ms;	/* for a session to begin; 0: none */
	__u64 deadline;		/* when to give up, ms; ~0: never */
	const struct link_hooks *hooks;
	void *priv;		/* of the owner of the hooks */
	/* the loop */
	struct event_base *base;
	struct event *readable;
	struct event *writable;	/* added while the socket takes no more */
	struct event *tick;
	struct event *flush;	/* active while there may be something to send */
	struct event *until;	/* of link_turn() */
	__u64 tick_at;		/* ms; ~0: @tick is not added */
	bool blocked;		/* @writable is added */
	bool turning;		/* link_turn() is on the stack */
	/* output that the socket did not take yet */
	__u8 out[LINK_GATHER + PVC_SYNC_RUN];
	__u32 out_len, out_at;
	__u8 tlvs[64];
	/* the request under way, call.c */
	const void *args;
	__u32 args_len;
	struct answer *answer;
	bool answered, dropped;
	__u8 boot_id[16];	/* of the guest that it was sent to */
	struct news news;
	enum outcome fault;	/* of the last link_turn(): what a verb that ends with it met */
	__u32 refused;		/* status in WELCOME */
	__u32 down_why;
	__u32 downs;
};

/**
 * struct call - a request to the guest
 * @service: enum pvc_service
 * @op: operation of the service
 * @args: arguments, made again by @refresh for each attempt if that is set
 * @len: of @args
 * @once: may not be carried out twice: a key protects it
 */
struct call {
	__u16 service;
	__u16 op;
	void *args;
	__u32 len;
	bool once;
	void (*refresh)(void *args);
};

__u64 now_ms(void);
__u64 now_realtime_ns(void);
void fill_random(void *buf, __u32 len);

/*
 * Sets the link up; it is not connected yet. @path stays the caller's. @timeout_ms: for
 * sessions to begin and calls to be answered, until link_set_timeout(); 0: for ever.
 * DONE or FAILED.
 */
enum outcome link_init(struct link *link, const char *path, __u32 timeout_ms);
/* Connects to the hypervisor's socket, once, and says why that cannot be done. */
enum outcome link_open(struct link *link);
/* The same without a word; 0 or -errno. */
int link_connect(struct link *link);
/* The socket is closed, the streams are lost; link_open() may follow. */
void link_disconnect(struct link *link);
/* Takes leave of the guest and frees what link_init() has allocated. */
void link_close(struct link *link);
/**
 * link_explain() - say on stderr why a session ended, unless that was said already
 * @out: what the program is to end with, an enum outcome or a verb's own status
 * @link: the connection
 */
void link_explain(int out, const struct link *link);
void link_set_timeout(struct link *link, __u32 timeout_ms);
/*
 * Lets things happen, once, until @until, ms; ~0: until something has come. DONE, or why it
 * is no use to go on. Not from within a callback.
 */
enum outcome link_turn(struct link *link, __u64 until);
/*
 * Waits until there is a session. A link that was connected before and has been closed is
 * connected again, as often as the time given allows.
 */
enum outcome link_session(struct link *link);
/* Something is to be sent: soon, when the loop runs. From wherever. */
void link_kick(struct link *link);

/* call.c: have the guest's kernel do something, and wait for its answer. */
enum outcome link_call(struct link *link, const struct call *call,
		       struct answer *answer);
void call_result(struct link *link, struct pvc_stream *s, __u32 flags, const void *body,
		 __u32 len);
void call_closed(struct link *link, __u32 status);
__u32 call_fill(struct link *link, enum pvc_type type, void *buf, __u32 max);

#endif /* _TOOLS_HOST_LINK_H */

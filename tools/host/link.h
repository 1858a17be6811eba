/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to a guest: the hypervisor's socket, the protocol core, and
 * the loop that drives them until something is there or time is up.
 */
#ifndef _TOOLS_HOST_LINK_H
#define _TOOLS_HOST_LINK_H

#include "pvguest/protocol.h"
#include "../../include/uapi/pvguest/services.h"

#define LINK_STREAMS	8
#define LINK_BODY	4096

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

struct link {
	struct pvc pvc;
	struct pvc_stream streams[LINK_STREAMS];
	__u8 rx_buf[PVC_SYNC_RUN];
	int fd;
	bool closed;		/* by the other end */
	__u64 deadline;		/* when to give up, ms; ~0: never */
	/* output that the socket did not take yet */
	__u8 out[PVC_SYNC_RUN];
	__u32 out_len, out_at;
	__u8 tlvs[64];
	/* the request under way */
	const void *args;
	__u32 args_len;
	struct answer *answer;
	bool answered, dropped;
	__u8 boot_id[16];	/* of the guest that it was sent to */
	struct news news;
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
enum outcome link_open(struct link *link, const char *path, __u32 timeout_ms);
void link_close(struct link *link);
void link_set_timeout(struct link *link, __u32 timeout_ms);
enum outcome link_turn(struct link *link, __u64 until);
enum outcome link_session(struct link *link);
enum outcome link_call(struct link *link, const struct call *call,
		       struct answer *answer);

#endif /* _TOOLS_HOST_LINK_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's end of PVC/1 for test programs: many requests at a time, at the port that is
 * the other end of the control channel's.
 */
#ifndef _SELFTESTS_CONTROL_PEER_H
#define _SELFTESTS_CONTROL_PEER_H

#include <stdatomic.h>

#include "tap.h"
#include "pvguest/protocol.h"
#include "../../include/uapi/pvguest/control_dev.h"
#include "../../include/uapi/pvguest/services.h"

#define SERVICE		17	/* that the daemon provides, in versions 2 to 3 */
#define KIB		1024u
#define PEER_STREAMS	600	/* half of them for requests */
#define WAIT_MS		20000u	/* how long anything is waited for */

/*
 * A request. The caller sets what is before @s, peer_request() the rest.
 * @service: 0: SERVICE
 * @send: bytes of data to send, a pattern; 0: the request is NODATA
 * @piece: bytes of data in a frame at most; 0: any
 * @hold: data that comes is not consumed
 * @mute: no data is sent, and its end not said
 * @sink: data that comes goes there, too
 * @s: NULL once it is closed
 * @got: bytes of data that came
 * @intact: they are the pattern
 * @mark: the caller's
 */
struct call {
	__u16 service;
	__u8 version;
	__u8 prio;
	__u16 op;
	__u16 flags;
	__u32 deadline_ms;
	__u64 key;
	__u64 send;
	__u32 piece;
	bool hold;
	bool mute;
	FILE *sink;
	const char *principal;
	const void *args;
	__u32 args_len;

	struct pvc_stream *s;
	__u64 sent, got, mark;
	bool intact, closed;
	__u32 status;
	__u32 body_len;
	__u8 body[PVG_STREAM_BODY_MAX];
};

struct peer {
	struct pvc pvc;
	struct pvc_stream streams[PEER_STREAMS];
	__u8 rx[PVC_SYNC_RUN];
	int fd;
	__u32 announced;	/* SERVICES frames that came */
};

extern struct peer peer;

__u64 now_ms(void);
__u8 pattern(__u64 offset);
void fill_pattern(void *buf, __u32 len, __u64 offset);
bool peer_open(const char *path);
void peer_turn(int ms);
bool peer_session(void);
bool peer_request(struct call *call);
bool peer_finish(struct call *call);
bool peer_counted(atomic_uint *count, unsigned int wanted);
__u32 peer_ask(struct call *call);
__u32 call_number(const struct call *call);

/* peer_until(CONDITION): lets the session go on until it holds; false: it never did. */
#define peer_until(condition)						\
({									\
	__u64 until_ = now_ms() + WAIT_MS;				\
	while (!(condition) && now_ms() < until_)			\
		peer_turn(10);						\
	(condition);							\
})

#endif /* _SELFTESTS_CONTROL_PEER_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The core of PVC/1, the guest-host control protocol: both sides of it, for
 * the kernel module, the daemon, the host's tools and the tests. The protocol
 * is specified in Documentation/control-protocol.md.
 *
 * The core allocates nothing, waits for nothing, reads no clock and knows no
 * transport. Its owner hands it the bytes that came (pvc_input()), takes the
 * bytes that are to go (pvc_output()) and calls it when time has passed
 * (pvc_tick()). All calls for one &struct pvc are serialised by the owner, who
 * says what time it is: milliseconds of any clock that does not go backward.
 * The core calls back from within these calls only.
 */
#ifndef _PVGUEST_PROTOCOL_H
#define _PVGUEST_PROTOCOL_H

#include "pvguest/freestanding.h"
#include "../../../include/uapi/pvguest/control.h"

struct pvc;
struct pvc_stream;

enum pvc_role {
	PVC_GUEST,
	PVC_HOST,
};

/**
 * enum pvc_state - states of a side; the specification draws them
 * @PVC_IDLE: no transport; whatever comes is dropped
 * @PVC_LISTEN: guest: looking for HELLO
 * @PVC_OFFERED: guest: answered WELCOME, waits for START
 * @PVC_CALLING: host: sent HELLO, looks for WELCOME
 * @PVC_UP: there is a session
 * @PVC_REFUSED: host: the guest will have none of us
 * @PVC_STATE_NR: how many there are
 */
enum pvc_state {
	PVC_IDLE,
	PVC_LISTEN,
	PVC_OFFERED,
	PVC_CALLING,
	PVC_UP,
	PVC_REFUSED,
	PVC_STATE_NR
};

/*
 * What the core asks and tells its owner.
 *
 * None may call pvc_input(), pvc_output(), pvc_tick(), pvc_start() or
 * pvc_stop(). @fill and @random are required, others may be missing.
 */
struct pvc_ops {
	/* @buf is filled with @len random bytes. */
	void (*random)(struct pvc *p, void *buf, __u32 len);
	/* A session begins; the peer's HELLO or WELCOME is in @p->peer. */
	void (*up)(struct pvc *p);
	/* It ended, @why is enum pvc_why; every stream was closed before. */
	void (*down)(struct pvc *p, __u32 why);
	/* Host: the guest refused, @status is enum pvc_status; see @p->peer. */
	void (*refused)(struct pvc *p, __u32 status);
	/*
	 * The peer opened a stream. Sets @s->priv if it likes; answers now or
	 * later with pvc_reply().
	 */
	void (*open)(struct pvc *p, struct pvc_stream *s, const void *args,
		     __u32 len);
	/* Data came; give pvc_consumed() when there is room for more. */
	void (*data)(struct pvc *p, struct pvc_stream *s, const void *data,
		     __u32 len);
	/* The peer's data has ended. */
	void (*eof)(struct pvc *p, struct pvc_stream *s);
	/* The answer to a request of ours; closed() follows. */
	void (*result)(struct pvc *p, struct pvc_stream *s, __u32 flags,
		       const void *body, __u32 len);
	/*
	 * The last that is heard of a stream, once for each: the answer was
	 * sent or came (@status is the answer's), it was reset, or the session
	 * ended (PVC_LOST). @s is invalid afterwards.
	 */
	void (*closed)(struct pvc *p, struct pvc_stream *s, __u32 status);
	/*
	 * Write a payload's variable part into @buf, at most @max bytes, and
	 * return its length: the arguments of PVC_OPEN, some PVC_DATA (0: none
	 * now, pvc_ready() will tell; pvc_drained() if this was all), the body of PVC_RESULT, a
	 * PVC_HEARTBEAT's struct, a PVC_NOTICE's struct and text. @s is NULL
	 * for the latter two.
	 */
	__u32 (*fill)(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		      void *buf, __u32 max);
	/*
	 * The peer asks for a PONG, which pvc_pong() sends, now or later; missing: it
	 * is sent at once.
	 */
	void (*ping)(struct pvc *p, __u64 token);
	/*
	 * A valid PVC_PONG, PVC_HEARTBEAT, PVC_NOTICE or PVC_SERVICES came; of the
	 * last, what it says is in @p->peer.
	 */
	void (*event)(struct pvc *p, enum pvc_type type, const void *payload,
		      __u32 len);
};

/* Bits of &pvc_stream.pending, frames to send, and of &pvc_stream.flags. */
#define PVC_SEND_OPEN	0x01u
#define PVC_SEND_DATA	0x02u
#define PVC_SEND_EOF	0x04u
#define PVC_SEND_CREDIT	0x08u
#define PVC_SEND_RESULT	0x10u
#define PVC_SEND_RESET	0x20u

#define PVC_STREAM_LOCAL	0x01u	/* we opened it */
#define PVC_STREAM_PEER_EOF	0x02u	/* the peer's data has ended */
#define PVC_STREAM_EOF		0x04u	/* ours has, or none was announced */
#define PVC_STREAM_DEAD		0x08u	/* closed; its last frame is to go */
#define PVC_STREAM_OPENED	0x10u	/* OPEN was sent */
#define PVC_STREAM_USED		0x20u	/* the slot is; see pvc_is_used() */

/**
 * struct pvc_stream - one of the streams of a session
 * @priv: the owner's; everything else is only read by the owner
 * @id: number, odd if the host opened it; 0 until OPEN is written
 * @order: of those we opened, which was first; wraps
 * @service: as in OPEN, like @op, @version, @prio, @open_flags, @deadline_ms,
 *	@window and @key
 * @op: see @service
 * @version: see @service
 * @prio: see @service
 * @flags: PVC_STREAM_*
 * @pending: PVC_SEND_*
 * @open_flags: PVC_OPEN_*
 * @deadline_ms: see @service
 * @window: see @service
 * @status: of the answer, or of RESET
 * @result_flags: PVC_RESULT_*
 * @key: see @service
 * @principal: on whose behalf; empty where it was not said
 * @deadline: when the answer is TIMED_OUT, in the owner's milliseconds; 0: never
 * @tx_bytes: data sent
 * @tx_limit: data that may be sent
 * @rx_window: data the peer may be ahead of @rx_done
 * @rx_bytes: data received
 * @rx_limit: data the peer was told that it may send
 * @rx_done: data the owner has consumed
 */
struct pvc_stream {
	void *priv;
	__u32 id;
	__u32 order;
	__u16 service;
	__u16 op;
	__u8 version;
	__u8 prio;
	__u8 flags;
	__u8 pending;
	__u16 open_flags;
	__u32 deadline_ms;
	__u32 window;
	__u32 status;
	__u32 result_flags;
	__u64 key;
	char principal[PVC_PRINCIPAL_MAX + 1];
	__u64 deadline;
	__u64 tx_bytes;
	__u64 tx_limit;
	__u32 rx_window;
	__u64 rx_bytes;
	__u64 rx_limit;
	__u64 rx_done;
};

/* Is this a stream, or a slot that is free? */
static inline bool pvc_is_used(const struct pvc_stream *s)
{
	return s->flags & PVC_STREAM_USED;
}

/*
 * A stream to open; the fields are those of struct pvc_open, and @priv becomes
 * that of the stream. @principal: on whose behalf, of which PVC_PRINCIPAL_MAX bytes
 * are sent; NULL: it is not said.
 */
struct pvc_request {
	__u16 service;
	__u16 op;
	__u8 version;
	__u8 prio;
	__u16 flags;
	__u32 deadline_ms;
	__u32 window;
	__u64 key;
	const char *principal;
	void *priv;
};

/**
 * struct pvc_config - how a side is set up; copied, but not what it points to
 * @role: which side this is
 * @ops: callbacks
 * @priv: the owner's, as &pvc.priv
 * @rx_buf: for a received frame
 * @rx_size: its size: PVC_HEADER + PVC_PAYLOAD_MIN to PVC_SYNC_RUN
 * @streams: slots for streams
 * @nr_streams: how many, 2 or more
 * @peer_streams: of these, for the peer's, all but one at most; 0: half of them
 * @stream_window: see &struct pvc_hello
 * @bulk_window: what @stream_window becomes for a bulk stream of the peer's once its data
 *	is consumed; 0: it stays
 * @bulk_streams: of those at a time
 * @conn_window: see &struct pvc_hello
 * @quiet_ms: see &struct pvc_hello; a guest's interval between heartbeats
 * @features: see &struct pvc_hello
 * @boot_id: see &struct pvc_hello
 * @tlvs: appended to HELLO or WELCOME
 * @tlv_len: bytes, at most PVC_HELLO_MAX - sizeof(struct pvc_hello)
 */
struct pvc_config {
	enum pvc_role role;
	const struct pvc_ops *ops;
	void *priv;
	__u8 *rx_buf;
	__u32 rx_size;
	struct pvc_stream *streams;
	__u32 nr_streams;
	__u32 peer_streams;
	__u32 stream_window;
	__u32 bulk_window;
	__u32 bulk_streams;
	__u32 conn_window;
	__u32 quiet_ms;
	__u64 features;
	__u8 boot_id[16];
	const __u8 *tlvs;
	__u32 tlv_len;
};

/*
 * What the peer said of itself, checked; fields as in struct pvc_hello.
 * @services: versions by service number; version_max 0: not provided
 * @software: the peer's name, a C string, printable characters only
 */
struct pvc_peer {
	__u8 version_min;
	__u8 version_max;
	__u16 status;
	__u32 max_payload;
	__u64 features;
	__u32 max_streams;
	__u32 stream_window;
	__u32 conn_window;
	__u32 quiet_ms;
	__u8 nonce[16];
	__u8 boot_id[16];
	__u8 guest_nonce[16];
	struct {
		__u8 version_min;
		__u8 version_max;
	} services[64];
	char software[65];
};

/* Counted since pvc_init(). */
struct pvc_stats {
	__u64 rx_frames;
	__u64 rx_bytes;		/* of all kinds */
	__u64 rx_skipped;	/* bytes that belonged to no frame */
	__u64 rx_stale;		/* frames of another session, dropped */
	__u64 tx_frames;
	__u64 tx_bytes;
	__u32 sessions;
	__u32 lost;		/* sessions that ended other than with BYE */
	__u32 last_lost;	/* enum pvc_why */
};

/*
 * One side of the protocol. The owner may read @cfg, @state, @peer, @session, @features and @stats.
 */
struct pvc {
	struct pvc_config cfg;
	void *priv;
	enum pvc_state state;
	struct pvc_peer peer;
	__u64 features;		/* of this session: both sides' */
	struct pvc_stats stats;

	/* the session */
	__u32 session;
	__u32 tx_seq;		/* of the next frame */
	__u32 rx_seq;
	__u32 next_id;		/* of the next stream we open */
	__u32 next_order;
	__u32 last_peer_id;	/* highest stream number the peer used */
	__u64 conn_tx_bytes, conn_tx_limit;
	__u64 conn_rx_bytes, conn_rx_limit, conn_rx_done;
	__u32 cursor;		/* stream slot that goes first next time */
	__u32 top;		/* slots from here on are free */

	/* to be sent */
	__u32 pending;		/* bits of enum pvc_type */
	__u32 run_left;		/* zero bytes of a sync run */
	__u32 why;		/* of RESYNC or BYE */
	__u16 welcome_status;
	__u64 ping_token, pong_token;
	bool bulk;		/* what pvc_output() returned last; read by the owner */

	/* time, in the owner's milliseconds */
	__u64 now;
	__u64 heard;		/* when the last valid frame came */
	__u64 beat;		/* when the next heartbeat or ping is due */
	__u64 call;		/* host: when to repeat HELLO */
	__u64 called;		/* host: when HELLO was sent */
	__u32 call_ms;		/* host: what to wait after that */
	__u8 nonce[16];
	__u8 guest_nonce[16];

	/* received: the beginning of a frame */
	__u32 have;
	__u32 need;
};

/*
 * Windows of the sides here. While a bulk stream's data is consumed, half of its window is on
 * its way: less, and the sender waits for CREDIT; more, and a PING waits behind it.
 */
#define PVC_STREAM_WINDOW	65536u
#define PVC_BULK_WINDOW		(2 * PVC_STREAM_WINDOW)

/* An output buffer must have at least this size. */
#define PVC_OUTPUT_MIN	(PVC_HEADER + PVC_PAYLOAD_MIN)

/* session.c */
int pvc_init(struct pvc *p, const struct pvc_config *cfg);
void pvc_start(struct pvc *p, __u64 now);
void pvc_stop(struct pvc *p, __u64 now);
void pvc_lose(struct pvc *p, __u32 why);
void pvc_tick(struct pvc *p, __u64 now);
__u64 pvc_next_tick(const struct pvc *p);
void pvc_bye(struct pvc *p, __u32 why);
void pvc_ping(struct pvc *p, __u64 token);
void pvc_pong(struct pvc *p, __u64 token);
void pvc_beat(struct pvc *p);
void pvc_notice(struct pvc *p);
void pvc_announce(struct pvc *p);

/* frame.c */
void pvc_input(struct pvc *p, const void *data, __u32 len, __u64 now);

/* output.c */
__u32 pvc_output(struct pvc *p, void *buf, __u32 size, __u64 now);
__u32 pvc_last_words(struct pvc *p, void *buf, __u32 size,
		     const struct pvc_notice *notice, const char *text, __u32 len);

/* stream.c */
struct pvc_stream *pvc_open(struct pvc *p, const struct pvc_request *req);
struct pvc_stream *pvc_find(struct pvc *p, __u32 id);
void pvc_ready(struct pvc *p, struct pvc_stream *s);
void pvc_drained(struct pvc *p, struct pvc_stream *s);
void pvc_finish(struct pvc *p, struct pvc_stream *s);
void pvc_reply(struct pvc *p, struct pvc_stream *s, __u32 status, __u32 flags);
void pvc_reset(struct pvc *p, struct pvc_stream *s, __u32 status);
void pvc_consumed(struct pvc *p, struct pvc_stream *s, __u32 bytes);

/* hello.c */
__u32 pvc_put_tlv(__u8 *buf, __u32 used, __u32 size, __u16 type,
		  const void *data, __u16 len);
int pvc_parse_hello(struct pvc_peer *peer, const __u8 *buf, __u32 len);

/* names.c: for logs and tools */
const char *pvc_status_name(__u32 status);
const char *pvc_why_name(__u32 why);
const char *pvc_state_name(__u32 state);

#endif /* _PVGUEST_PROTOCOL_H */

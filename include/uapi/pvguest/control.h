/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * PVC/1, the guest-host control protocol: what is on the wire.
 *
 * Documentation/control-protocol.md is the specification; this file has its
 * numbers. All integers are little-endian, structures have no padding, and all
 * that is reserved is sent as 0. Times are in the unit of the field's name.
 */
#ifndef _UAPI_PVGUEST_CONTROL_H
#define _UAPI_PVGUEST_CONTROL_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#else
#include <assert.h>
#endif

/* Name of the virtio-serial port. */
#define PVC_PORT_NAME	"org.pvguest.control.0"

#define PVC_MAGIC	0x31435650u	/* the bytes "PVC1" */
#define PVC_VERSION	1		/* of the protocol, and of the header */

#define PVC_HEADER	32u		/* bytes of struct pvc_frame */
#define PVC_PAYLOAD_MAX	65536u		/* nobody may send more in a frame */
#define PVC_PAYLOAD_MIN	4096u		/* everybody has to accept that much */
#define PVC_HELLO_MAX	1024u		/* payload of HELLO and WELCOME */
#define PVC_BULK_PAYLOAD 16384u		/* more in a frame delays others */

/*
 * A side that does not know where in the stream of bytes its peer is sends
 * that many zero bytes first: they end any frame the peer is in the middle of.
 */
#define PVC_SYNC_RUN	(PVC_HEADER + PVC_PAYLOAD_MAX)

/**
 * struct pvc_frame - header of each frame
 * @magic: PVC_MAGIC
 * @version: of the header's layout: PVC_VERSION
 * @type: enum pvc_type
 * @flags: PVC_F_*
 * @session: from WELCOME on, the session's number, not 0; 0 in HELLO and RESYNC
 * @stream: stream number, or 0 for the session itself
 * @seq: counts the frames a side has sent in a session, from 1; wraps; 0 in
 *	HELLO, WELCOME and RESYNC, which are not counted
 * @len: bytes of payload after the header, 0 to PVC_PAYLOAD_MAX, and no more
 *	than the receiver announced as &pvc_hello.max_payload
 * @payload_crc: CRC-32 (IEEE 802.3) of the payload; 0 if there is none
 * @header_crc: CRC-32 (IEEE 802.3) of the 28 bytes before
 */
struct pvc_frame {
	__le32 magic;
	__u8 version;
	__u8 type;
	__le16 flags;
	__le32 session;
	__le32 stream;
	__le32 seq;
	__le32 len;
	__le32 payload_crc;
	__le32 header_crc;
};

static_assert(sizeof(struct pvc_frame) == PVC_HEADER, "wire format");

/* Whoever does not know the type ignores the frame. Other bits are reserved. */
#define PVC_F_OPTIONAL	0x8000u

/* G: sent by the guest, H: by the host. The payload is the structure named. */
enum pvc_type {
	/* the session */
	PVC_HELLO = 1,		/* H: struct pvc_hello, TLVs */
	PVC_WELCOME = 2,	/* G: struct pvc_hello, TLVs */
	PVC_START = 3,		/* H: struct pvc_start */
	PVC_RESYNC = 4,		/* G: struct pvc_reason */
	PVC_BYE = 5,		/* struct pvc_reason */
	PVC_PING = 8,		/* struct pvc_ping */
	PVC_PONG = 9,		/* struct pvc_ping */
	PVC_HEARTBEAT = 10,	/* G: struct pvc_heartbeat */
	PVC_NOTICE = 11,	/* G: struct pvc_notice, text */
	PVC_SERVICES = 12,	/* G: TLVs, as WELCOME would have them now */
	/* streams */
	PVC_OPEN = 16,		/* struct pvc_open, TLVs, arguments */
	PVC_DATA = 17,		/* bytes, at least one */
	PVC_EOF = 18,		/* nothing */
	PVC_CREDIT = 19,	/* struct pvc_credit; stream 0: of all streams */
	PVC_RESULT = 20,	/* struct pvc_result, body */
	PVC_RESET = 21,		/* struct pvc_reset */
};

/* Answers to requests, in RESULT, RESET and WELCOME. */
enum pvc_status {
	PVC_OK = 0,
	PVC_INVALID = 1,	/* arguments out of range, or of a wrong size */
	PVC_UNSUPPORTED = 2,	/* no such operation, or not on this guest */
	PVC_NO_SERVICE = 3,	/* nobody provides this service; not begun */
	PVC_BAD_VERSION = 4,	/* no version that both sides speak */
	PVC_BUSY = 5,		/* something else is going on; try later */
	PVC_DENIED = 6,		/* forbidden by the guest's policy */
	PVC_TIMED_OUT = 7,	/* the deadline passed */
	PVC_CANCELLED = 8,	/* reset by who asked for it */
	PVC_EXPIRED = 9,	/* the freeze lease ran out before */
	PVC_NOT_FOUND = 10,	/* nothing known of this key, or lease */
	PVC_IN_PROGRESS = 11,	/* a query: not finished yet */
	PVC_FAILED = 12,	/* tried, and it did not work */
	PVC_NOT_FROZEN = 13,	/* there is nothing to thaw or renew */
	PVC_LOST = 14,		/* the session ended; never on the wire */
	PVC_ABORTED = 15,	/* begun, and whoever carried it out is gone */
	PVC_FORGOTTEN = 16,	/* this key may have been carried out, long ago */
	PVC_STATUS_NR
};

/* Why a session ended, in RESYNC and BYE. */
enum pvc_why {
	PVC_WHY_NONE = 0,
	PVC_WHY_NEW = 1,	/* there was none: the guest has just started */
	PVC_WHY_TRANSPORT = 2,	/* the connection broke */
	PVC_WHY_RUN = 3,	/* the peer started anew; never on the wire */
	PVC_WHY_HEADER = 4,	/* no valid header where one had to be */
	PVC_WHY_PAYLOAD = 5,	/* payload_crc is wrong */
	PVC_WHY_SEQ = 6,	/* a frame is missing, or came twice */
	PVC_WHY_SESSION = 7,	/* a frame of another session */
	PVC_WHY_PROTOCOL = 8,	/* a frame that may not come now, or so */
	PVC_WHY_FLOW = 9,	/* more data than credit */
	PVC_WHY_LIMIT = 10,	/* payload too long, or too many streams */
	PVC_WHY_SILENT = 11,	/* nothing was heard for three quiet_ms */
	PVC_WHY_BYE = 12,	/* orderly */
	PVC_WHY_RESTORED = 13,	/* the guest was restored from a snapshot */
	PVC_WHY_PEER = 14,	/* the peer sent RESYNC; never on the wire */
	PVC_WHY_NR
};

/**
 * struct pvc_hello - payload of HELLO and WELCOME, TLVs follow
 * @nonce: random, chosen by the host for each attempt; WELCOME repeats it
 * @version_min: lowest protocol version the sender speaks
 * @version_max: highest; WELCOME that accepts: both are the version chosen
 * @status: enum pvc_status; 0 in HELLO and in a WELCOME that accepts
 * @max_payload: longest payload the sender accepts, bytes, PVC_PAYLOAD_MIN to
 *	PVC_PAYLOAD_MAX
 * @features: PVC_FEATURE_*; HELLO: understood, WELCOME: these of the HELLO's
 *	that the guest has
 * @max_streams: streams its peer may have open at a time, 0 to 65535
 * @stream_window: bytes of data its peer may send on a stream that the peer
 *	opened before it needs CREDIT
 * @conn_window: the same for all streams together
 * @quiet_ms: the sender sends something at least that often, 100 to 60000;
 *	0: it makes no promise
 * @boot_id: random, different for each boot of the guest, and each load of its module;
 *	0 in HELLO
 * @guest_nonce: random, chosen by the guest for each WELCOME that accepts; START
 *	repeats it; 0 in HELLO
 */
struct pvc_hello {
	__u8 nonce[16];
	__u8 version_min;
	__u8 version_max;
	__le16 status;
	__le32 max_payload;
	__le64 features;
	__le32 max_streams;
	__le32 stream_window;
	__le32 conn_window;
	__le32 quiet_ms;
	__u8 boot_id[16];
	__u8 guest_nonce[16];
};

static_assert(sizeof(struct pvc_hello) == 80, "wire format");

#define PVC_QUIET_MIN_MS	100u
#define PVC_QUIET_MAX_MS	60000u

/* The kernel answers, whether or not a daemon runs. */
#define PVC_FEATURE_KERNEL	(1ull << 0)
/* What is frozen thaws by itself: service PVC_SERVICE_FREEZE has leases. */
#define PVC_FEATURE_LEASE	(1ull << 1)

/* Type, length and that many bytes; not aligned. */
struct pvc_tlv {
	__le16 type;
	__le16 len;
};

static_assert(sizeof(struct pvc_tlv) == 4, "wire format");

#define PVC_TLV_CRITICAL	0x8000u	/* refuse what you do not know */
#define PVC_TLV_SERVICES	1	/* struct pvc_service_range, repeated */
#define PVC_TLV_SOFTWARE	2	/* name and version, UTF-8, 1 to 64 bytes */
/* In OPEN: on whose behalf the host asks, for the guest's policy; UTF-8. */
#define PVC_TLV_PRINCIPAL	3
#define PVC_PRINCIPAL_MAX	63u	/* bytes, 1 at least */

/**
 * struct pvc_service_range - a service and its versions, in PVC_TLV_SERVICES
 * @service: enum pvc_service
 * @version_min: lowest version provided, not 0
 * @version_max: highest
 */
struct pvc_service_range {
	__le16 service;
	__u8 version_min;
	__u8 version_max;
};

static_assert(sizeof(struct pvc_service_range) == 4, "wire format");

/* START. @nonce: &pvc_hello.guest_nonce of the WELCOME */
struct pvc_start {
	__u8 nonce[16];
};

static_assert(sizeof(struct pvc_start) == 16, "wire format");

/* RESYNC and BYE. @why: enum pvc_why */
struct pvc_reason {
	__le32 why;
};

static_assert(sizeof(struct pvc_reason) == 4, "wire format");

/* PING and PONG. @token: the PONG repeats it */
struct pvc_ping {
	__le64 token;
};

static_assert(sizeof(struct pvc_ping) == 8, "wire format");

/**
 * struct pvc_open - start of OPEN's payload; TLVs and the request's arguments follow
 * @service: enum pvc_service
 * @op: operation of the service
 * @version: of the service that arguments and answers follow
 * @prio: enum pvc_prio
 * @flags: PVC_OPEN_*
 * @deadline_ms: from the receipt on; then the answer is TIMED_OUT; 0: none
 * @window: bytes of data the acceptor may send before it needs CREDIT
 * @key: chosen at random by the opener; a second request with this key is not
 *	carried out but answered as the first was; 0: none
 * @tlv_len: bytes of TLVs that follow, before the arguments
 * @reserved: 0
 */
struct pvc_open {
	__le16 service;
	__le16 op;
	__u8 version;
	__u8 prio;
	__le16 flags;
	__le32 deadline_ms;
	__le32 window;
	__le64 key;
	__le16 tlv_len;
	__le16 reserved[3];
};

static_assert(sizeof(struct pvc_open) == 32, "wire format");

#define PVC_OPEN_NODATA	0x0001u		/* the opener will send no data */
#define PVC_OPEN_QUERY	0x0002u		/* only ask what became of @key */
#define PVC_OPEN_MORE	0x0004u		/* the arguments go on in DATA */
#define PVC_OPEN_FLAGS	0x0007u

enum pvc_prio {
	PVC_PRIO_NORMAL = 0,
	PVC_PRIO_BULK = 1,	/* goes when nothing else has to */
	PVC_PRIO_NR
};

/*
 * CREDIT. @limit: bytes of data the receiver of this frame may send on the
 * stream, or on all streams together, since the stream's or session's start.
 */
struct pvc_credit {
	__le64 limit;
};

static_assert(sizeof(struct pvc_credit) == 8, "wire format");

/**
 * struct pvc_result - start of RESULT's payload, the answer's body follows
 * @status: enum pvc_status
 * @flags: PVC_RESULT_*
 */
struct pvc_result {
	__le32 status;
	__le32 flags;
};

static_assert(sizeof(struct pvc_result) == 8, "wire format");

#define PVC_RESULT_REPLAYED	0x0001u	/* not carried out again; see key */

/* RESET. @status: enum pvc_status, not PVC_OK */
struct pvc_reset {
	__le32 status;
};

static_assert(sizeof(struct pvc_reset) == 4, "wire format");

/**
 * struct pvc_heartbeat - the guest's kernel is alive
 * @uptime_ms: time since boot, suspended time included
 * @realtime_ns: the guest's clock, since 1970-01-01 UTC
 * @count: heartbeats sent in this session, this one included; wraps
 * @flags: PVC_BEAT_*
 * @lease_ms: what is left of the freeze lease; 0 unless PVC_BEAT_FROZEN
 * @interval_ms: time to the next
 */
struct pvc_heartbeat {
	__le64 uptime_ms;
	__le64 realtime_ns;
	__le32 count;
	__le32 flags;
	__le32 lease_ms;
	__le32 interval_ms;
};

static_assert(sizeof(struct pvc_heartbeat) == 32, "wire format");

#define PVC_BEAT_DAEMON		0x0001u	/* a daemon is attached */
#define PVC_BEAT_FROZEN		0x0002u	/* file systems are frozen */
#define PVC_BEAT_TIME_WANTED	0x0004u	/* please send TIME SYNC */
#define PVC_BEAT_RESTORED	0x0008u	/* a snapshot was restored */
#define PVC_BEAT_STOPPING	0x0010u	/* on the way down */

/**
 * struct pvc_notice - something happened in the guest; UTF-8 text follows
 * @kind: enum pvc_notice_kind
 * @reserved: 0
 * @uptime_ms: when, since boot
 */
struct pvc_notice {
	__le32 kind;
	__le32 reserved;
	__le64 uptime_ms;
};

static_assert(sizeof(struct pvc_notice) == 16, "wire format");

#define PVC_NOTICE_TEXT_MAX	256u	/* bytes */

enum pvc_notice_kind {
	PVC_NOTICE_POWEROFF = 1,
	PVC_NOTICE_REBOOT = 2,
	PVC_NOTICE_HALT = 3,
	PVC_NOTICE_PANIC = 4,
	PVC_NOTICE_SUSPEND = 5,
	PVC_NOTICE_THAWED = 6,	/* a freeze lease ran out, or its owner died */
};

#endif /* _UAPI_PVGUEST_CONTROL_H */

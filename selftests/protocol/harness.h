/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two sides of the control protocol in one process and the transport between
 * them, which behaves as QEMU's virtio-serial port does: what the host wrote
 * stays for the guest to read even if the host is gone, what the guest writes
 * while no host is connected is thrown away.
 */
#ifndef _SELFTESTS_PROTOCOL_HARNESS_H
#define _SELFTESTS_PROTOCOL_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pvguest/protocol.h"

#define STREAMS		16
#define PIPE_SIZE	(512u << 10)
#define MAX_NOTES	256

/* What a side's callbacks were told. */
struct note {
	enum { UP, DOWN, REFUSED, OPENED, GOT_EOF, ANSWER, CLOSED, EVENT } what;
	__u32 value;		/* status, why or type */
	__u32 id;
	__u32 len;
};

struct side {
	struct pvc pvc;
	struct pvc_stream streams[STREAMS];
	struct note notes[MAX_NOTES];
	__u32 nr_notes;
	/* what to send and what came, for the stream tests */
	const __u8 *to_send;
	__u32 to_send_len;
	__u32 sent;
	__u32 got_len;
	bool hold;		/* do not consume what comes */
	__u32 held;
	__u32 args_len;		/* of OPEN, and of RESULT's body */
	bool echo;		/* answer requests at once */
	__u32 random;
	/* large, and not cleared for each test */
	__u8 rx_buf[PVC_SYNC_RUN];
	__u8 got[1 << 18];
};

struct pipe {
	__u8 *data;
	__u32 len;
	__u32 read;
};

struct pair {
	struct pipe to_guest, to_host;
	bool connected;		/* there is a host at the other end */
	__u32 chunk;		/* bytes delivered at a time; 0: all */
	__u64 now;
	__u64 passed_to_guest;	/* bytes the host has written, ever */
	__u64 passed_to_host;
	__u64 cut_to_guest;	/* the host dies after that many; 0: never */
	__u64 cut_to_host;
	struct side guest, host;
};

struct pair *pair_new(void);
void pair_free(struct pair *pair);
void side_init(struct side *side, enum pvc_role role);
bool pair_move(struct pair *pair);
void pair_settle(struct pair *pair);
void pair_wait(struct pair *pair, __u64 ms);
void pair_connect(struct pair *pair);
void pair_disconnect(struct pair *pair, bool guest_knows);
void pair_up(struct pair *pair);
void feed(struct pair *pair, struct side *side, const void *data, __u32 len);

const struct note *noted(const struct side *side, int what);
__u32 count_notes(const struct side *side, int what);

/* Frames made by hand, to be wrong in every way. */
struct raw {
	__u8 type;
	__u16 flags;
	__u32 session;
	__u32 stream;
	__u32 seq;
	const void *payload;
	__u32 len;
};

__u32 make_frame(__u8 *buf, const struct raw *raw);
__u32 make_hello(__u8 *buf, __u8 nonce, const struct pvc_hello *h);
struct pvc_hello good_hello(__u8 nonce);
void inject(struct pair *pair, struct side *to, struct raw raw);

int run_frame_tests(void);
int run_session_tests(void);
int run_beat_tests(void);
int run_stream_tests(void);
int run_resync_tests(void);
int run_lease_tests(void);
int run_key_tests(void);
int run_service_tests(void);

#endif /* _SELFTESTS_PROTOCOL_HARNESS_H */

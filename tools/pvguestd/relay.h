/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stream of the host and a socket, joined: what comes from one goes to the other, and so does
 * the end of what comes. For a loop of poll(): neither is ever waited for alone.
 */
#ifndef _PVGUESTD_RELAY_H
#define _PVGUESTD_RELAY_H

#include <poll.h>

#include "worker.h"

#define RELAY_POLLS	2	/* struct pollfd that one takes */
#define RELAY_ROOM	65536	/* bytes kept in each direction */

/* Bytes on the way from one descriptor to the other. */
struct way {
	__u32 from, to;		/* in @buf; equal: none */
	bool ended;		/* no more comes */
	bool passed;		/* and the other end was told, or takes no more */
	__u8 buf[RELAY_ROOM];
};

enum relay_state {
	RELAY_CONNECTING,	/* the socket is not connected yet */
	RELAY_OPEN,
	/* To be answered, with PVC_OK: all has passed, or was for an end that takes no more. */
	RELAY_DONE,
	/* With PVC_ABORTED: the target reset the socket, and what it sent before has passed. */
	RELAY_CUT,
	RELAY_BROKEN,		/* the host gave up, or its stream is broken */
};

struct relay {
	struct stream stream;
	int sock;
	enum relay_state state;
	int error;		/* errno of connect() when BROKEN while CONNECTING; 0: the host */
	bool reset;		/* the target has reset the socket */
	struct way up;		/* from the stream to the socket */
	struct way down;
};

/*
 * Takes over both descriptors, which become O_NONBLOCK. @connecting: connect() has said
 * EINPROGRESS. NULL: no memory, nothing was taken over.
 */
struct relay *relay_new(const struct stream *stream, int sock, bool connecting);
/* What to poll() for; fills RELAY_POLLS of @polls. */
void relay_poll(const struct relay *r, struct pollfd *polls);
/* What poll() has said; the state afterwards. DONE and what follows it are final. */
enum relay_state relay_turn(struct relay *r, const struct pollfd *polls);
/* Closes both. One that is BROKEN is reset at both ends, if it was connected. */
void relay_free(struct relay *r);

#endif /* _PVGUESTD_RELAY_H */

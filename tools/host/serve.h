/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvhost serve: several clients share the one connection that the hypervisor's socket takes.
 * Towards each client it is a guest, towards the guest a host; a stream of a client is a stream
 * to the guest, with its data under way bounded by the credit of both.
 *
 * serve.c accepts clients and keeps the session with the guest, serve_client.c has the session
 * with a client, serve_relay.c the streams.
 */
#ifndef _TOOLS_HOST_SERVE_H
#define _TOOLS_HOST_SERVE_H

#include <stdarg.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "link.h"

#define SERVE_CLIENTS		72	/* at a time */
#define SERVE_CLIENTS_USER	24	/* of them, of one user that is not root */
/*
 * Streams to the guest, which takes 256: each client can have some for sure, and beyond them of
 * those that all share no more than it leaves free, so that the first one to ask has half of
 * them at most, and the next one half of the rest.
 */
#define SERVE_STREAMS_SURE	2
#define SERVE_STREAMS_SHARED	(250 - SERVE_CLIENTS * SERVE_STREAMS_SURE)
#define SERVE_STREAMS_CLIENT	(SERVE_STREAMS_SURE + SERVE_STREAMS_SHARED / 2)
#define SERVE_WINDOW_DOWN	262144u	/* bytes of a stream that the guest may send ahead */
#define SERVE_ALLOWED		32	/* --allow-user */

struct relay;
struct server;

/**
 * struct serve_client - a program that is connected to us
 * @entry: in &server.clients
 * @server: whose it is
 * @pvc: our side of the session with it, the guest's
 * @streams: of @pvc
 * @fd: the socket
 * @uid: of the process, as the kernel says
 * @pid: of the process
 * @user: name of @uid, or "uid:N": the principal of what it asks for
 * @readable: its socket is
 * @writable: added while the socket takes no more
 * @tick: the core's next
 * @tick_at: when, ms; ~0: not added
 * @flush: active while there may be something to send
 * @blocked: @writable is added
 * @gone: it is to be freed: its end of the socket is closed
 * @open: streams of it to the guest
 * @shared: of them, those beyond SERVE_STREAMS_SURE
 * @ping_token: of the PING that it waits for
 * @ping: number of our PING to the guest that answers it; 0: it waits for none
 * @beats: heartbeats that it was sent in this session
 * @out: what the socket did not take yet, @out_at to @out_len
 */
struct serve_client {
	LIST_ENTRY(serve_client) entry;
	struct server *server;
	struct pvc pvc;
	struct pvc_stream streams[SERVE_STREAMS_CLIENT + 1];
	int fd;
	uid_t uid;
	pid_t pid;
	char user[PVC_PRINCIPAL_MAX + 1];
	struct event *readable;
	struct event *writable;
	struct event *tick;
	__u64 tick_at;
	struct event *flush;
	bool blocked;
	bool gone;
	unsigned int open;
	unsigned int shared;
	__u64 ping_token;
	__u64 ping;
	__u32 beats;
	__u32 out_len, out_at;
	__u8 out[LINK_GATHER + PVC_SYNC_RUN];
	__u8 rx_buf[PVC_SYNC_RUN - 128];	/* OPEN grows by the principal on its way */
};

LIST_HEAD(serve_clients, serve_client);

/**
 * struct server - pvhost serve
 * @link: to the guest
 * @clients: connected to us
 * @nr_clients: how many
 * @shared: of all clients
 * @nr_streams: streams to the guest
 * @up: there is a session with the guest
 * @have_beat: @beat is one of this session
 * @beat: the guest's last heartbeat
 * @notice: the guest's last notice, and its text
 * @notice_len: bytes of it
 * @tlvs: of our WELCOME: what the guest's says
 * @tlv_len: bytes of it
 * @pings: numbers of our PINGs to the guest
 * @allowed: users that may connect besides root and our own
 * @nr_allowed: how many
 * @listener: socket that is listened at
 * @accept: it has a client
 * @retry: to connect to the hypervisor again
 * @terminate: SIGTERM
 * @interrupt: SIGINT
 * @stop: a signal came
 * @log_from: when the present interval of the log began, ms
 * @log_lines: printed in it
 * @log_left: left out in it
 */
struct server {
	struct link *link;
	struct serve_clients clients;
	unsigned int nr_clients;
	unsigned int shared;
	unsigned int nr_streams;
	bool up;
	bool have_beat;
	struct pvc_heartbeat beat;
	__u8 notice[sizeof(struct pvc_notice) + PVC_NOTICE_TEXT_MAX];
	__u32 notice_len;
	__u8 tlvs[PVC_HELLO_MAX - sizeof(struct pvc_hello)];
	__u32 tlv_len;
	__u64 pings;
	uid_t allowed[SERVE_ALLOWED];
	unsigned int nr_allowed;
	int listener;
	struct event *accept;
	struct event *retry;
	struct event *terminate;
	struct event *interrupt;
	bool stop;
	__u64 log_from;
	unsigned int log_lines;
	unsigned int log_left;
};

/* serve.c: a line to stderr, at most 50 in 10 s. */
void serve_log(struct server *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * serve_client.c: takes over @fd, the connection of a user who may connect. NULL: no memory;
 * then @fd is closed.
 */
struct serve_client *serve_client_new(struct server *s, int fd, uid_t uid, pid_t pid);
/* There is a session with the guest: the client may have one. */
void serve_client_up(struct serve_client *c);
/* There is none any more; its streams are lost. */
void serve_client_down(struct serve_client *c);
/* Something may have to be sent to it: soon. From wherever. */
void serve_client_kick(struct serve_client *c);
/* Frees it, with its streams. Not from a callback of its core. */
void serve_client_free(struct serve_client *c);

/*
 * serve_relay.c: callbacks for the streams of a client, and for those to the guest, whose
 * @priv is a relay.
 */
extern const struct pvc_ops relay_guest_ops;
void relay_open(struct serve_client *c, struct pvc_stream *s, const void *args, __u32 len);
void relay_data(struct serve_client *c, struct pvc_stream *s, const void *data, __u32 len);
void relay_eof(struct pvc_stream *s);
void relay_closed(struct pvc_stream *s, __u32 status);
__u32 relay_fill(struct pvc_stream *s, enum pvc_type type, void *buf, __u32 max);

#endif /* _TOOLS_HOST_SERVE_H */

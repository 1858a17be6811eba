/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the requests of the host come from: the kernel module (module.c), or a process of
 * the daemon that speaks the protocol itself (port.c, front.c).
 */
#ifndef _PVGUESTD_CHANNEL_H
#define _PVGUESTD_CHANNEL_H

#include "pvguest/freestanding.h"
#include "../../include/uapi/pvguest/control.h"

#define ARGS_MAX	65536u	/* bytes of the arguments in a frame */

/**
 * struct arrival - a request that has come
 * @stream: descriptor of its data
 * @answer: -1, or the descriptor for its answer
 * @service: as the host said, like what follows
 * @op: see @service
 * @flags: PVC_OPEN_*
 * @deadline_ms: see @service
 * @key: see @service
 * @principal: on whose behalf; empty: it was not said
 * @args_len: bytes of arguments
 */
struct arrival {
	int stream;
	int answer;
	__u16 service;
	__u16 op;
	__u16 flags;
	__u32 deadline_ms;
	__u64 key;
	char principal[PVC_PRINCIPAL_MAX + 1];
	__u32 args_len;
};

/**
 * struct channel - one source of requests
 * @fd: for poll(): POLLIN says that accept() has something
 * @accept: the next request, its arguments in @args, which has room for ARGS_MAX bytes; 0,
 *	-EAGAIN: there is none, -EPROTO: one that made no sense was dropped, other -errno: the
 *	channel is gone
 * @pid: of the process that speaks the protocol; 0: the kernel does
 */
struct channel {
	int fd;
	int (*accept)(struct channel *ch, struct arrival *arrival, void *args);
	pid_t pid;
};

#define MODULE_PATH	"/dev/pvg_control"
#define PORT_PATH	"/dev/virtio-ports/" PVC_PORT_NAME

/* module.c: 0 or -errno; binds the services that there are operations of. */
int module_open(struct channel *ch, const char *path);

/*
 * port.c: listens at the unix socket @listen, or opens the port @path, and starts the process
 * that speaks the protocol there; or, with @front, connects to a socket behind which such a
 * process is started for each connection, with --speak. 0 or -errno.
 */
struct port_config {
	const char *path;
	const char *listen;
	const char *front;
	int fd;			/* of either, once it is open; -1 */
};

int port_open(struct port_config *config);
int port_start(struct channel *ch, const struct port_config *config);

/* front.c: the process itself; @broker is its end of the channel. Does not return. */
void front_run(const struct port_config *config, int broker) __attribute__((noreturn));

/* A request as front.c tells it to port.c; two descriptors and the arguments go with it. */
struct port_request {
	__u16 service;
	__u16 op;
	__u16 flags;
	__u16 reserved;
	__u32 deadline_ms;
	__u32 args_len;
	__u64 key;
	char principal[PVC_PRINCIPAL_MAX + 1];
};

/*
 * How a request is answered over &arrival.answer: this, then @len bytes. What comes the other
 * way is the status, 4 bytes, with which the host or time has closed the stream.
 */
struct port_answer {
	__u32 reset;		/* give up, rather than answer */
	__u32 status;
	__u32 flags;		/* PVC_RESULT_* */
	__u32 len;
};

#endif /* _PVGUESTD_CHANNEL_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The process without rights that speaks the protocol where there is no kernel module:
 * front.c has the transport and the services that the kernel would have provided,
 * front_stream.c the streams of the daemon's.
 */
#ifndef _PVGUESTD_FRONT_H
#define _PVGUESTD_FRONT_H

#include "channel.h"
#include "pvguest/services.h"
#include "../../include/uapi/pvguest/control_dev.h"

/**
 * struct front_stream - a stream that a worker has the other end of
 * @s: of the protocol core
 * @data: socket for its data; -1 once the worker has answered and all of it was read
 * @answer: socket for its answer
 * @late: data of the host that @data did not take, from @late_at to @late_len; NULL
 * @late_len: see @late
 * @late_at: see @late
 * @host_eof: the host's data has ended, which the worker hears once @late is empty
 * @worker_eof: the worker's data has ended
 * @answered: the worker's answer was taken
 * @cut: and was none of PVC_OK
 * @len: of @body
 * @body: of the answer
 */
struct front_stream {
	struct pvc_stream *s;
	int data;
	int answer;
	__u8 *late;
	__u32 late_len, late_at;
	bool host_eof, worker_eof;
	bool answered, cut;
	__u32 len;
	__u8 body[PVG_STREAM_BODY_MAX];
};

/* One of the descriptors that are waited for: &epoll_event.data. */
enum front_source {
	FRONT_PORT,
	FRONT_LISTEN,
	FRONT_BROKER,
	FRONT_DATA,
	FRONT_ANSWER,
};

extern struct pvs front;
extern int front_epoll;

/* The slot's number and the source, as one; the number is that of &pvs.streams. */
__u64 front_mark(enum front_source source, __u32 slot);

/* front_stream.c; all but the first are called by the protocol core. */
void front_stream_event(__u32 slot, enum front_source source, __u32 events);
bool front_stream_open(struct pvs *v, struct pvc_stream *s, const void *args, __u32 len,
		       int broker);
extern const struct pvc_ops front_stream_ops;

#endif /* _PVGUESTD_FRONT_H */

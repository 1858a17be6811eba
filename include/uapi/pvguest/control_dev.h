/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/pvg_control: what a guest's daemon has of pvg_ctl. Root only.
 *
 * Integers are in the CPU's byte order, pointers are 64 bits wide, so that 32-bit
 * programs need nothing special. Documentation/control-device.md explains it.
 */
#ifndef _UAPI_PVGUEST_CONTROL_DEV_H
#define _UAPI_PVGUEST_CONTROL_DEV_H

#include <linux/ioctl.h>
#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#else
#include <assert.h>
#endif

#define PVG_CONTROL_FREEZE_MAX	256	/* file systems in a lease */

/**
 * struct pvg_control_freeze - argument of PVG_CONTROL_FREEZE
 * @lease_ms: 1 to PVC_LEASE_MAX_MS, ms; 0: PVC_LEASE_DEFAULT_MS
 * @flags: PVG_CONTROL_FREEZE_*
 * @fds: address of an array of __s32: a file or directory of each file system,
 *	frozen in this order and thawed in the opposite one; of several on one
 *	file system the first counts
 * @nr_fds: 1 to PVG_CONTROL_FREEZE_MAX
 * @frozen: returned: how many file systems were frozen, also on failure; they
 *	are thawed then
 * @lease: returned: the number by which the host names this lease, not 0
 * @reserved: 0
 */
struct pvg_control_freeze {
	__u32 lease_ms;
	__u32 flags;
	__u64 fds;
	__u32 nr_fds;
	__u32 frozen;
	__u32 lease;
	__u32 reserved;
};

static_assert(sizeof(struct pvg_control_freeze) == 32, "ABI");

/* Thaw when the session with the host ends. */
#define PVG_CONTROL_FREEZE_SESSION	0x0001u
#define PVG_CONTROL_FREEZE_FLAGS	0x0001u

/**
 * struct pvg_control_status - argument of PVG_CONTROL_STATUS, returned
 * @state: enum pvc_lease_state
 * @last_end: enum pvc_lease_end
 * @remaining_ms: of the lease; 0 unless freezing or frozen
 * @filesystems: that are frozen
 * @errors: that could not be thawed when the last lease ended
 * @session: number of the session with the host; 0: there is none
 * @lease: number of the lease, or of the last one; 0: there was none
 * @reserved: 0
 */
struct pvg_control_status {
	__u32 state;
	__u32 last_end;
	__u32 remaining_ms;
	__u32 filesystems;
	__u32 errors;
	__u32 session;
	__u32 lease;
	__u32 reserved;
};

static_assert(sizeof(struct pvg_control_status) == 32, "ABI");

/*
 * FREEZE: begin a lease, which belongs to the open file and ends when its last
 *	descriptor is closed, or the process that began it is killed and no other
 *	has one, though a thread of it may wait for the thaw. EBUSY: there is one;
 *	EINVAL; EBADF; EOPNOTSUPP: a file system cannot be frozen; ETIME: it ended
 *	meanwhile; what freezing gave.
 * THAW: end the lease that this open file has begun last, and wait, 60 s at most
 *	(ETIMEDOUT). ETIME: it had ended before, what was made in it is not
 *	consistent; EIO: something did not thaw; ENOENT: the file has begun none,
 *	or was told the end of its last before.
 * RENEW: its time is that many ms from now on. EINVAL, ENOENT, ETIME.
 * THAW and RENEW: EPERM instead of ENOENT while another open file has a lease.
 */
#define PVG_CONTROL_FREEZE	_IOWR(0xbe, 1, struct pvg_control_freeze)
#define PVG_CONTROL_THAW	_IO(0xbe, 2)
#define PVG_CONTROL_RENEW	_IOW(0xbe, 3, __u32)
#define PVG_CONTROL_STATUS	_IOR(0xbe, 4, struct pvg_control_status)

/**
 * struct pvg_control_bind - argument of PVG_CONTROL_BIND
 * @service: PVC_SERVICE_DAEMON to PVC_SERVICE_NR - 1, or PVC_SERVICE_FREEZE, of
 *	which only the operation FREEZE then comes
 * @version_min: lowest version provided, not 0
 * @version_max: highest
 * @reserved: 0
 */
struct pvg_control_bind {
	__u16 service;
	__u8 version_min;
	__u8 version_max;
	__u32 reserved;
};

static_assert(sizeof(struct pvg_control_bind) == 8, "ABI");

/*
 * BIND: the host's requests for this service come to this open file, until it
 *	is closed or the process that opened it has ended. EINVAL; EBUSY: another one,
 *	or this, has it; EPERM, see DROP.
 */
#define PVG_CONTROL_BIND	_IOW(0xbe, 5, struct pvg_control_bind)

#define PVG_CONTROL_PRINCIPAL	64	/* bytes, with the terminating zero */

/**
 * struct pvg_control_accept - argument of PVG_CONTROL_ACCEPT
 * @args: address of room for the arguments of the request
 * @args_len: bytes of room; returned: bytes of arguments
 * @fd_flags: O_CLOEXEC and O_NONBLOCK, for the new descriptor
 * @service: returned: as in struct pvc_open, like all that follow
 * @op: returned
 * @version: returned
 * @prio: returned
 * @flags: returned: PVC_OPEN_*
 * @deadline_ms: returned; the kernel watches it
 * @reserved: 0
 * @key: returned; whether the request was carried out before is for the daemon to know
 * @principal: returned: on whose behalf the host asks; UTF-8, which is not checked, without
 *	control characters; empty where it does not say
 */
struct pvg_control_accept {
	__u64 args;
	__u32 args_len;
	__u32 fd_flags;
	__u16 service;
	__u16 op;
	__u8 version;
	__u8 prio;
	__u16 flags;
	__u32 deadline_ms;
	__u32 reserved;
	__u64 key;
	char principal[PVG_CONTROL_PRINCIPAL];
};

static_assert(sizeof(struct pvg_control_accept) == 104, "ABI");

/*
 * ACCEPT: the oldest request for the services of this open file, as a descriptor of its
 *	own, which is returned. Waits for one; with O_NONBLOCK EAGAIN. EMSGSIZE: there is
 *	no room for the arguments, @args_len says how much they need; the request stays,
 *	also after EFAULT and EMFILE. EINVAL; EPERM, see DROP.
 *	poll() of the open file says when there is one.
 */
#define PVG_CONTROL_ACCEPT	_IOWR(0xbe, 6, struct pvg_control_accept)

#define PVG_CONTROL_RIGHT_BIND		0x0001u
#define PVG_CONTROL_RIGHT_FREEZE	0x0002u
#define PVG_CONTROL_RIGHTS		0x0003u

/*
 * DROP: the open file gives these rights up, PVG_CONTROL_RIGHT_*, for good: BIND or FREEZE
 *	is EPERM from then on. EINVAL.
 * Only the process that opened the file may bind, accept, freeze, renew and drop with it. To
 * another one that has got the descriptor these are EPERM; it may thaw, which is safe.
 * When that process has ended, nobody provides its services, though the file is open.
 */
#define PVG_CONTROL_DROP	_IOW(0xbe, 7, __u32)

/*
 * The descriptor of a stream can be passed on and inherited, and is all that a process
 * needs to deal with the request.
 *
 * read(): the host's data; 0: there is no more, or the daemon has answered. ECANCELED,
 *	ETIMEDOUT: by the host, by the deadline; ECONNRESET: the session ended, or so.
 * write(): data for the host, of which 63 KiB wait at most. EPIPE, without a signal: the
 *	stream was closed or answered, or this side's data ended.
 * poll(): POLLIN, POLLOUT: as said; POLLRDHUP: the host's data has ended; POLLHUP: the
 *	stream is closed, with POLLERR if it was not answered.
 * close(): of the last descriptor: the host is answered PVC_ABORTED unless the stream was
 *	answered; what was written before the answer still goes out, and then the answer.
 * splice() and sendfile() work.
 */

/**
 * struct pvg_stream_reply - argument of PVG_STREAM_REPLY and PVG_STREAM_REPLY_MORE
 * @status: enum pvc_status, not PVC_LOST
 * @len: bytes of the body, 0 to PVG_STREAM_BODY_MAX
 * @body: its address
 */
struct pvg_stream_reply {
	__u32 status;
	__u32 len;
	__u64 body;
};

static_assert(sizeof(struct pvg_stream_reply) == 16, "ABI");

#define PVG_STREAM_BODY_MAX	4088u	/* what is longer is sent as data before */

enum pvg_stream_state {
	PVG_STREAM_OPEN,
	PVG_STREAM_ANSWERED,	/* and the answer has not been sent */
	PVG_STREAM_CLOSED,
};

/**
 * struct pvg_stream_status - argument of PVG_STREAM_STATUS, returned
 * @state: enum pvg_stream_state
 * @status: CLOSED: enum pvc_status: the answer's, or why there was none: PVC_CANCELLED or
 *	whatever else the host gave, PVC_TIMED_OUT, PVC_LOST with its session
 * @unsent: bytes written that have not been sent
 * @reserved: 0
 */
struct pvg_stream_status {
	__u32 state;
	__u32 status;
	__u32 unsent;
	__u32 reserved;
};

static_assert(sizeof(struct pvg_stream_status) == 16, "ABI");

/*
 * REPLY: answers the request, which closes the stream once all data has been sent.
 *	EINVAL; EPIPE: it is closed, or was answered.
 * REPLY_MORE: REPLY, by a process that is about to answer or write to another stream: both go
 *	out together, with one doorbell, or the answer alone after PVG_STREAM_MORE_MS or when
 *	the stream is closed. ENOTTY: an older kernel, which has REPLY alone.
 * RESET: gives it up: the argument is enum pvc_status, neither PVC_OK nor PVC_LOST. Data
 *	that was not sent is dropped. EINVAL, EPIPE.
 * SHUTDOWN: no more data from this side. EPIPE.
 */
#define PVG_STREAM_REPLY	_IOW(0xbe, 16, struct pvg_stream_reply)
#define PVG_STREAM_RESET	_IOW(0xbe, 17, __u32)
#define PVG_STREAM_SHUTDOWN	_IO(0xbe, 18)
#define PVG_STREAM_STATUS	_IOR(0xbe, 19, struct pvg_stream_status)
#define PVG_STREAM_REPLY_MORE	_IOW(0xbe, 20, struct pvg_stream_reply)

#define PVG_STREAM_MORE_MS	10u

#endif /* _UAPI_PVGUEST_CONTROL_DEV_H */

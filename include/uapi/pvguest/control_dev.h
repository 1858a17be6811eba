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
 *	is closed. EINVAL; EBUSY: another one, or this, has it.
 */
#define PVG_CONTROL_BIND	_IOW(0xbe, 5, struct pvg_control_bind)

/*
 * Streams of the services that were bound: each read() returns one message and
 * each write() takes one, a struct pvg_control_message and what is said here.
 *
 * read(): EMSGSIZE: it is longer than the buffer; EAGAIN; EFAULT. After each of
 *	them it is still there.
 * write(): ENOENT: there is no such stream (any more); EPIPE: its data has been
 *	ended, or it was answered; EAGAIN: no room for data with O_NONBLOCK, ROOM
 *	will tell; EINVAL.
 */
enum pvg_control_type {
	PVG_CONTROL_OPEN = 1,	/* r: struct pvg_control_open, arguments */
	PVG_CONTROL_DATA = 2,	/* r, w: bytes, one at least */
	PVG_CONTROL_EOF = 3,	/* r, w: no more data from this side */
	PVG_CONTROL_REPLY = 4,	/* w: body; @status is the answer's */
	PVG_CONTROL_RESET = 5,	/* w: give up; @status says why */
	/* r: the last that is heard; @status: of the answer, or why none was sent */
	PVG_CONTROL_CLOSED = 6,
	PVG_CONTROL_ROOM = 7,	/* r: data that was refused may be written now */
};

/**
 * struct pvg_control_message - start of each message
 * @type: enum pvg_control_type
 * @len: bytes that follow
 * @stream: chosen by the kernel, never used again
 * @status: enum pvc_status; 0 where nothing is said of it
 * @reserved: 0
 */
struct pvg_control_message {
	__u32 type;
	__u32 len;
	__u64 stream;
	__u32 status;
	__u32 reserved;
};

static_assert(sizeof(struct pvg_control_message) == 24, "ABI");

/**
 * struct pvg_control_open - a request of the host; its arguments follow
 * @service: as in struct pvc_open, like all others; nothing is known here of
 *	@key: who carries out a request twice because of it is the daemon
 */
struct pvg_control_open {
	__u16 service;
	__u16 op;
	__u8 version;
	__u8 prio;
	__u16 flags;
	__u32 deadline_ms;
	__u32 reserved;
	__u64 key;
};

static_assert(sizeof(struct pvg_control_open) == 24, "ABI");

/* What follows struct pvg_control_message is never longer than that. */
#define PVG_CONTROL_DATA_MAX	16384u	/* read and write */
#define PVG_CONTROL_BODY_MAX	4088u	/* of REPLY */

#endif /* _UAPI_PVGUEST_CONTROL_DEV_H */

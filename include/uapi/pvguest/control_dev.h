/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/pvg_control: what a guest's daemon asks of pvg_ctl. Root only.
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
 */
struct pvg_control_freeze {
	__u32 lease_ms;
	__u32 flags;
	__u64 fds;
	__u32 nr_fds;
	__u32 frozen;
};

static_assert(sizeof(struct pvg_control_freeze) == 24, "ABI");

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
 */
struct pvg_control_status {
	__u32 state;
	__u32 last_end;
	__u32 remaining_ms;
	__u32 filesystems;
	__u32 errors;
	__u32 session;
};

static_assert(sizeof(struct pvg_control_status) == 24, "ABI");

/*
 * FREEZE: begin a lease, which belongs to the open file and ends when its last
 *	descriptor is closed. EBUSY: there is one; EINVAL; EBADF; EOPNOTSUPP: a
 *	file system cannot be frozen; ETIME: it ended meanwhile; what
 *	freezing gave.
 * THAW: end it and wait, 60 s at most (ETIMEDOUT). ETIME: it had ended before,
 *	what was made in it is not consistent; EIO: something did not thaw;
 *	ENOENT: there is none, and the end of the last was told before.
 * RENEW: its time is that many ms from now on. EINVAL, ENOENT, ETIME.
 * THAW and RENEW: EPERM if the lease is another open file's.
 */
#define PVG_CONTROL_FREEZE	_IOWR(0xbe, 1, struct pvg_control_freeze)
#define PVG_CONTROL_THAW	_IO(0xbe, 2)
#define PVG_CONTROL_RENEW	_IOW(0xbe, 3, __u32)
#define PVG_CONTROL_STATUS	_IOR(0xbe, 4, struct pvg_control_status)

#endif /* _UAPI_PVGUEST_CONTROL_DEV_H */

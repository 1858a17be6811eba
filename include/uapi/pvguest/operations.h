/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Guest operations: the services of PVC/1 that the guest's daemon, pvguestd, provides. A
 * request's arguments are struct pvo_header and then a record of the operation, whose schema
 * (protobuf, encoded by nanopb) is in protocol/operations/; Documentation/guest-operations.md
 * describes each. Bulk data is raw bytes in the stream.
 *
 * All integers are little-endian.
 */
#ifndef _UAPI_PVGUEST_OPERATIONS_H
#define _UAPI_PVGUEST_OPERATIONS_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#else
#include <assert.h>
#endif

enum pvo_service {
	PVO_SERVICE_INFO = 16,
	PVO_SERVICE_EXEC = 17,
	PVO_SERVICE_FILE = 18,
	PVO_SERVICE_FORWARD = 19,
	PVO_SERVICE_SYSTEM = 20,
	PVO_SERVICE_KV = 21,
};

#define PVO_VERSION	1	/* of each of them */

/*
 * An operation with this bit is about a job that runs already, which the header names: the
 * daemon hands its stream to the worker of that job, if the same principal began it.
 */
#define PVO_OP_JOB	0x0100u

enum pvo_info_op {
	PVO_INFO_GET = 1,	/* one record of what the guest is and has */
	PVO_INFO_WATCH = 2,	/* records as things change, until the host ends it */
	PVO_INFO_TOP = 3,	/* records of processes, disks, interfaces at an interval */
};

enum pvo_exec_op {
	PVO_EXEC_RUN = 1,	/* data in: stdin; data out: stdout, or the terminal */
	PVO_EXEC_PS = 2,	/* records of processes */
	PVO_EXEC_KILL = 3,	/* a signal to a process by its number */
	PVO_EXEC_JOBS = 4,	/* records of the principal's jobs */
	PVO_EXEC_STDERR = PVO_OP_JOB | 1,	/* data out: stderr */
	PVO_EXEC_SIGNAL = PVO_OP_JOB | 2,
	PVO_EXEC_WINSIZE = PVO_OP_JOB | 3,
	PVO_EXEC_ATTACH = PVO_OP_JOB | 4,	/* as RUN, to what was detached */
};

/* What became of a job. */
enum pvo_exec_state {
	PVO_EXEC_ATTACHED = 1,	/* it runs, and the host hears it */
	PVO_EXEC_DETACHED = 2,	/* it runs, and keeps the last of its output */
	PVO_EXEC_CUT_OFF = 3,	/* the session was lost: it waits for its host, a minute */
	PVO_EXEC_EXITED = 4,	/* its result waits for the host */
};

enum pvo_file_op {
	PVO_FILE_PUT = 1,
	PVO_FILE_GET = 2,
	PVO_FILE_LIST = 3,
	PVO_FILE_STAT = 4,
	PVO_FILE_MKDIR = 5,
	PVO_FILE_RENAME = 6,
	PVO_FILE_REMOVE = 7,
	PVO_FILE_SUMS = 8,	/* what sync compares */
	PVO_FILE_SETATTR = 9,
};

enum pvo_forward_op {
	PVO_FORWARD_CONNECT = 1,	/* to a TCP port or unix socket in the guest */
	PVO_FORWARD_LISTEN = 2,	/* in the guest; connections are told to the host */
	PVO_FORWARD_ACCEPT = PVO_OP_JOB | 1,	/* one of those */
};

enum pvo_system_op {
	PVO_SYSTEM_SHUTDOWN = 1,
	PVO_SYSTEM_REBOOT = 2,
	PVO_SYSTEM_SUSPEND = 3,
	PVO_SYSTEM_FSTRIM = 4,
	PVO_SYSTEM_ONLINE = 5,
};

enum pvo_kv_op {
	PVO_KV_GET = 1,
	PVO_KV_SET = 2,
	PVO_KV_DELETE = 3,
	PVO_KV_LIST = 4,
	PVO_KV_WATCH = 5,
};

#define PVO_USER_MAX	32	/* bytes of a user's name, with the terminating zero */
#define PVO_ARGS_MAX	262144u	/* bytes of an operation's record */

/**
 * struct pvo_header - the beginning of the arguments of each guest operation
 * @size: of this structure
 * @flags: 0
 * @record_len: bytes of the operation's record, at most PVO_ARGS_MAX. What of it does not
 *	follow in the arguments is the first DATA of the stream (PVC_OPEN_MORE)
 * @job: names the job that this begins, chosen at random by the host, not 0; with PVO_OP_JOB
 *	the job that this is about; 0: this begins none
 * @user: in whose name the guest acts, a name of /etc/passwd, filled up with zero bytes; empty:
 *	the policy's default, root
 * @reserved: 0
 *
 * This is all that the daemon's root process looks at.
 */
struct pvo_header {
	__le16 size;
	__le16 flags;
	__le32 record_len;
	__le64 job;
	__u8 user[PVO_USER_MAX];
	__u8 reserved[16];
};

static_assert(sizeof(struct pvo_header) == 64, "wire format");

#endif /* _UAPI_PVGUEST_OPERATIONS_H */

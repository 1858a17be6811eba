/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * The services of PVC/1 that a guest's kernel provides: operations, arguments
 * and answers. Section 8 of Documentation/control-protocol.md describes them.
 *
 * All integers are little-endian. An operation takes exactly the arguments
 * named; anything shorter or longer is answered PVC_INVALID, so that a longer
 * form needs a new version of the service.
 */
#ifndef _UAPI_PVGUEST_SERVICES_H
#define _UAPI_PVGUEST_SERVICES_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/build_bug.h>
#else
#include <assert.h>
#endif

enum pvc_service {
	PVC_SERVICE_GUEST = 1,
	PVC_SERVICE_TIME = 2,
	PVC_SERVICE_POWER = 3,
	PVC_SERVICE_FREEZE = 4,
	/* From here on a daemon provides them. */
	PVC_SERVICE_DAEMON = 16,
	PVC_SERVICE_NR = 64
};

#define PVC_SERVICE_VERSION	1	/* of each above */

/* PVC_SERVICE_GUEST */
enum pvc_guest_op {
	PVC_GUEST_STATUS = 1,	/* nothing; struct pvc_guest_status */
};

/**
 * struct pvc_guest_status - answer of GUEST STATUS
 * @boot_id: as in WELCOME
 * @uptime_ms: time since boot, suspended time included
 * @realtime_ns: the guest's clock, since 1970-01-01 UTC
 * @flags: PVC_BEAT_*
 * @lease_ms: what is left of the freeze lease
 * @sessions: sessions since the module was loaded, this one included
 * @lost: of these, how many did not end with BYE
 * @last_lost: why the last of them ended, enum pvc_why; 0: none did
 * @restores: snapshots restored, as far as the guest noticed
 * @expired: freeze leases that ran out
 * @lease: number of the freeze lease, or of the last one; 0: there was none
 * @release: of the kernel, UTF-8, filled up with zero bytes
 * @version: of pvguest, likewise
 */
struct pvc_guest_status {
	__u8 boot_id[16];
	__le64 uptime_ms;
	__le64 realtime_ns;
	__le32 flags;
	__le32 lease_ms;
	__le32 sessions;
	__le32 lost;
	__le32 last_lost;
	__le32 restores;
	__le32 expired;
	__le32 lease;
	__u8 release[64];
	__u8 version[32];
};

static_assert(sizeof(struct pvc_guest_status) == 160, "wire format");

/* PVC_SERVICE_TIME */
enum pvc_time_op {
	PVC_TIME_SAMPLE = 1,	/* pvc_time_probe; pvc_time_sample */
	PVC_TIME_SYNC = 2,	/* pvc_time_sync; pvc_time_synced */
};

/* Argument of SAMPLE. @host_ns: the host's clock, since 1970-01-01 UTC */
struct pvc_time_probe {
	__le64 host_ns;
};

static_assert(sizeof(struct pvc_time_probe) == 8, "wire format");

/**
 * struct pvc_time_sample - answer of TIME SAMPLE
 * @host_ns: as received
 * @received_ns: the guest's clock when the request came
 * @sent_ns: the guest's clock when this was written
 */
struct pvc_time_sample {
	__le64 host_ns;
	__le64 received_ns;
	__le64 sent_ns;
};

static_assert(sizeof(struct pvc_time_sample) == 24, "wire format");

/**
 * struct pvc_time_sync - arguments of TIME SYNC
 * @host_ns: the host's clock when this is sent, since 1970-01-01 UTC
 * @delay_ns: how long a frame takes to the guest, half of the best round trip;
 *	at most 10 s
 * @flags: PVC_TIME_*
 * @reserved: 0
 */
struct pvc_time_sync {
	__le64 host_ns;
	__le64 delay_ns;
	__le32 flags;
	__le32 reserved;
};

static_assert(sizeof(struct pvc_time_sync) == 24, "wire format");

#define PVC_TIME_RESTORED	0x0001u	/* the host restored a snapshot */
#define PVC_TIME_DRY_RUN	0x0002u	/* say what would be done */
#define PVC_TIME_FLAGS		0x0003u
#define PVC_TIME_DELAY_MAX_NS	10000000000ull
/* From 2000 to 2200: nobody has any other time. */
#define PVC_TIME_MIN_NS		946684800000000000ull
#define PVC_TIME_MAX_NS		7258118400000000000ull

/**
 * struct pvc_time_synced - answer of TIME SYNC
 * @offset_ns: by how much the guest's clock was behind; two's complement
 * @action: enum pvc_time_action
 * @reserved: 0
 */
struct pvc_time_synced {
	__le64 offset_ns;
	__le32 action;
	__le32 reserved;
};

static_assert(sizeof(struct pvc_time_synced) == 16, "wire format");

enum pvc_time_action {
	PVC_TIME_NONE = 0,	/* close enough */
	PVC_TIME_STEPPED = 1,	/* the clock was set */
	PVC_TIME_BACKWARD = 2,	/* left alone: only set back after a restore */
	PVC_TIME_OFF = 3,	/* left alone: the guest's policy */
};

/* PVC_SERVICE_POWER */
enum pvc_power_op {
	PVC_POWER_SHUTDOWN = 1,	/* pvc_power; nothing */
	PVC_POWER_REBOOT = 2,	/* pvc_power; nothing */
};

/**
 * struct pvc_power - arguments of POWER SHUTDOWN and REBOOT
 * @flags: PVC_POWER_*
 * @reserved: 0
 *
 * PVC_OK says that it was begun; notices and the end of the session tell the
 * rest.
 */
struct pvc_power {
	__le32 flags;
	__le32 reserved;
};

static_assert(sizeof(struct pvc_power) == 8, "wire format");

/* If user space cannot do it, the kernel syncs and does it itself. */
#define PVC_POWER_FORCE	0x0001u
#define PVC_POWER_FLAGS	0x0001u

/* PVC_SERVICE_FREEZE */
enum pvc_freeze_op {
	PVC_FREEZE_STATUS = 1,	/* nothing; pvc_freeze_state */
	PVC_FREEZE_THAW = 2,	/* pvc_freeze_thaw; pvc_freeze_state */
	PVC_FREEZE_RENEW = 3,	/* pvc_freeze_renew; pvc_freeze_state */
	PVC_FREEZE_FREEZE = 4,	/* a daemon's */
};

/* Argument of THAW. @lease: the number of the lease that is to end */
struct pvc_freeze_thaw {
	__le32 lease;
};

static_assert(sizeof(struct pvc_freeze_thaw) == 4, "wire format");

/**
 * struct pvc_freeze_renew - arguments of RENEW
 * @lease_ms: from now on, 1 to PVC_LEASE_MAX_MS
 * @lease: the number of the lease
 */
struct pvc_freeze_renew {
	__le32 lease_ms;
	__le32 lease;
};

static_assert(sizeof(struct pvc_freeze_renew) == 8, "wire format");

#define PVC_LEASE_DEFAULT_MS	60000u
#define PVC_LEASE_MAX_MS	900000u

enum pvc_lease_state {
	PVC_LEASE_NONE = 0,	/* nothing is frozen */
	PVC_LEASE_FREEZING = 1,
	PVC_LEASE_FROZEN = 2,
	PVC_LEASE_THAWING = 3,
	PVC_LEASE_NR
};

enum pvc_lease_end {
	PVC_LEASE_END_NONE = 0,	/* there was none yet, or it goes on */
	PVC_LEASE_END_THAW = 1,	/* on command of the host */
	PVC_LEASE_END_EXPIRED = 2,
	PVC_LEASE_END_OWNER = 3,	/* the process that held it is gone */
	PVC_LEASE_END_SESSION = 4,	/* the session ended */
	PVC_LEASE_END_FAILED = 5,	/* something could not be frozen */
	PVC_LEASE_END_RELEASED = 6,	/* on command of its owner */
	PVC_LEASE_END_POWER = 7,	/* a shutdown came before */
};

/**
 * struct pvc_freeze_state - answer of each FREEZE operation
 * @state: enum pvc_lease_state
 * @remaining_ms: of the lease; 0 unless frozen
 * @filesystems: that are frozen
 * @last_end: how the lease ended, enum pvc_lease_end
 * @errors: file systems that could not be thawed; the kernel's log names them
 * @lease: number of the lease that this is about: the one that was named, or the
 *	present or last one; 0: there is none
 */
struct pvc_freeze_state {
	__le32 state;
	__le32 remaining_ms;
	__le32 filesystems;
	__le32 last_end;
	__le32 errors;
	__le32 lease;
};

static_assert(sizeof(struct pvc_freeze_state) == 24, "wire format");

#endif /* _UAPI_PVGUEST_SERVICES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest's kernel does for the host over PVC/1: heartbeat, status, time,
 * shutdown and reboot, and the freeze lease; specified in section 8 of
 * Documentation/control-protocol.md.
 *
 * As the core below it (pvguest/protocol.h), this needs nothing but what its
 * owner gives it, so that the tests run it in userspace. The owner serialises
 * all calls with those of the core.
 */
#ifndef _PVGUEST_SERVICES_H
#define _PVGUEST_SERVICES_H

#include "pvguest/protocol.h"
#include "../../../include/uapi/pvguest/services.h"

struct pvs;

/**
 * struct pvs_ops - what the services need of the system; all are required
 * @random: see &struct pvc_ops
 * @realtime_ns: the clock, since 1970-01-01 UTC
 * @uptime_ms: time since boot, suspended time included
 * @permit: may the host use this service of the kernel's? If not, it is PVC_DENIED
 * @step_time: change the clock by that many nanoseconds; 0 or negative
 * @power: begin to shut down (PVC_POWER_SHUTDOWN) or reboot; enum pvc_status
 * @thaw: thaw what the lease has frozen, and call pvs_thawed() then; not from
 *	within this call
 * @identify: fill in @release and @version
 * @forward: a request that is not the kernel's, or that a daemon wants to have:
 *	true if a daemon takes it. Later calls for the stream go to @daemon.
 * @daemon: callbacks for streams that were forwarded; @open is not used
 * @session: a session began (@up) or ended
 */
struct pvs_ops {
	void (*random)(struct pvs *v, void *buf, __u32 len);
	__u64 (*realtime_ns)(struct pvs *v);
	__u64 (*uptime_ms)(struct pvs *v);
	bool (*permit)(struct pvs *v, __u16 service);
	int (*step_time)(struct pvs *v, __s64 delta_ns);
	__u32 (*power)(struct pvs *v, __u16 op, bool force);
	void (*thaw)(struct pvs *v);
	void (*identify)(struct pvs *v, struct pvc_guest_status *status);
	bool (*forward)(struct pvs *v, struct pvc_stream *s, const void *args,
			__u32 len);
	const struct pvc_ops *daemon;
	void (*session)(struct pvs *v, bool up, __u32 why);
};

/* Each is told once how a lease ended. */
#define PVS_TOLD_HOST	0x01u
#define PVS_TOLD_OWNER	0x02u

#define PVS_VERDICTS	5	/* leases whose end is remembered; divides 2^32 - 1 */

/*
 * What became of a lease.
 * @lease: its number; 0: none
 * @how: enum pvc_lease_end; PVC_LEASE_END_NONE until everything is thawed
 * @errors: file systems that could not be thawed
 * @told: PVS_TOLD_*
 */
struct pvs_verdict {
	__u32 lease;
	__u32 how;
	__u32 errors;
	__u32 told;
};

/**
 * struct pvs_lease - the freeze lease; see services_lease.c
 * @state: enum pvc_lease_state
 * @last_end: enum pvc_lease_end
 * @expires: in the owner's milliseconds; valid unless @state is NONE
 * @filesystems: that are frozen
 * @errors: that could not be thawed the last time
 * @expired: leases that ran out
 * @with_session: ends with the session too
 * @number: of the lease, or of the last one; 0: there was none
 * @count: the number before the next one's; begins at random, wraps
 * @verdicts: of the last leases, by number
 */
struct pvs_lease {
	__u32 state;
	__u32 last_end;
	__u64 expires;
	__u32 filesystems;
	__u32 errors;
	__u32 expired;
	bool with_session;
	__u32 number;
	__u32 count;
	struct pvs_verdict verdicts[PVS_VERDICTS];
};

#define PVS_STOP_MS	60000u	/* for user space to shut down */
#define PVS_KEYS	64	/* requests remembered by their key */
#define PVS_BODY	32	/* bytes of an answer remembered with them */

enum pvs_key_state {
	PVS_KEY_FREE,
	PVS_KEY_RUNNING,
	PVS_KEY_DONE,
};

/*
 * A request that had a key.
 * @age: when it was begun, in requests; wraps
 * @state: enum pvs_key_state
 */
struct pvs_key {
	__u64 key;
	__u32 age;
	__u32 status;
	__u16 service;
	__u16 op;
	__u8 state;
	__u8 len;
	__u8 body[PVS_BODY];
};

/*
 * Requests by their keys.
 * @entries: the last ones
 * @forgotten: a filter of those that were begun before; see services_keys.c
 * @age: of the next
 */
struct pvs_keys {
	struct pvs_key entries[PVS_KEYS];
	__u64 forgotten[65536 / 64];
	__u32 age;
};

#define PVS_DAEMON	256	/* streams of the host to daemons at a time */
#define PVS_RESERVED	4	/* and to the kernel at least */
#define PVS_PEER	(PVS_DAEMON + PVS_RESERVED)
#define PVS_STREAMS	(PVS_PEER + 16)
#define PVS_BULK	16	/* of the host's, that have &pvc_config.bulk_window */

/* A request that is being answered. */
struct pvs_slot {
	struct pvs_key *key;
	__u64 host_ns;
	__u64 received_ns;
	bool forwarded;
	__u8 len;
	__u8 body[PVS_BODY];
};

enum pvs_time_policy {
	PVS_TIME_OFF,		/* never step */
	PVS_TIME_FORWARD,	/* backward only after a restore */
	PVS_TIME_BOTH,
};

/*
 * The services of a guest. The owner may set @policy and @daemon_attached, and read the rest.
 */
struct pvs {
	struct pvc pvc;
	const struct pvs_ops *ops;
	void *priv;
	struct pvs_lease lease;
	struct pvs_keys keys;
	enum pvs_time_policy policy;
	bool daemon_attached;
	bool time_wanted;
	bool restored;		/* since the time was last right */
	bool stopping;		/* the kernel said so, for good */
	__u64 stop_ends;	/* user space was asked to, and has until then */
	__u32 restores;
	__u32 beats;
	__u32 notice_kind;
	__u64 notice_ms;
	char notice_text[PVC_NOTICE_TEXT_MAX];
	__u32 notice_len;
	struct pvc_stream streams[PVS_STREAMS];
	struct pvs_slot slots[PVS_STREAMS];
};

/* services.c */
int pvs_init(struct pvs *v, const struct pvs_ops *ops, struct pvc_config *cfg);
void pvs_tick(struct pvs *v, __u64 now);
__u64 pvs_next_tick(const struct pvs *v);
bool pvs_stopping(const struct pvs *v);
void pvs_notice(struct pvs *v, __u32 kind, const char *text, __u32 len);
void pvs_restored(struct pvs *v);
void pvs_end_lease(struct pvs *v, __u32 how);
void pvs_thawed(struct pvs *v, __u32 errors);

/* services_lease.c */
__u32 pvs_lease_begin(struct pvs_lease *l, __u32 lease_ms, bool with_session,
		      __u64 now);
bool pvs_lease_frozen(struct pvs_lease *l, __u32 filesystems);
__u32 pvs_lease_renew(struct pvs_lease *l, __u32 number, __u32 lease_ms,
		      __u64 now);
bool pvs_lease_end(struct pvs_lease *l, __u32 how);
void pvs_lease_thawed(struct pvs_lease *l, __u32 errors);
bool pvs_lease_due(const struct pvs_lease *l, __u64 now);
__u32 pvs_lease_left(const struct pvs_lease *l, __u64 now);
struct pvs_verdict *pvs_lease_find(struct pvs_lease *l, __u32 number);
__u32 pvs_lease_verdict(struct pvs_lease *l, __u32 number, __u32 audience);

/* services_keys.c */
bool pvs_key_forgotten(const struct pvs_keys *keys, __u64 key);
struct pvs_key *pvs_key_find(struct pvs_keys *keys, __u64 key);
struct pvs_key *pvs_key_begin(struct pvs_keys *keys, __u64 key, __u16 service,
			      __u16 op);
void pvs_key_done(struct pvs_key *key, __u32 status, const void *body,
		  __u32 len);

#endif /* _PVGUEST_SERVICES_H */

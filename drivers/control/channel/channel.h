/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's end of the control channel: PVC/1 on the port named
 * org.pvguest.control.0. There is one in a guest, whether or not it has the
 * port; the freeze lease works without.
 *
 * Lock order: &pvg_ctl.state_lock, &pvg_channel.lock, &pvg_freezer.lock, and
 * &pvg_queue.lock.
 */
#ifndef _PVG_CHANNEL_H
#define _PVG_CHANNEL_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pvguest/services.h"

struct file;
struct poll_table_struct;
struct pvg_control_accept;
struct pvg_control_bind;
struct pvg_ctl_buf;
struct pvg_ctl_client;
struct pvg_ctl_port;
struct pvg_listener;

/* Longest payload received; what the host sends is mostly short. */
#define PVG_CHANNEL_RX		(PVC_HEADER + PVC_BULK_PAYLOAD)
#define PVG_CHANNEL_BUF		65536u	/* bytes of frames for the device at a time */
#define PVG_CHANNEL_BUFS	2	/* what is behind them waits */

/**
 * struct pvg_channel - the channel
 * @lock: of all that has no remark; never held over anything that waits for a
 *	file system, so that the host always gets its answer
 * @services: protocol and services
 * @port: NULL while there is none
 * @unsent: buffer of frames that the device was not given yet; NULL: none
 * @files: open files of /dev/pvg_control
 * @thawed: somebody waits for the lease's end
 * @wq: runs @work and @tick, one at a time
 * @work: receive, send
 * @tick: the same, when time has passed
 * @free_lock: of @free, @nr_free and @blocked; any context
 * @free: of PVG_CHANNEL_BUFS buffers, those that the device does not have
 * @nr_free: in @free
 * @blocked: wants @work when one comes back to @free
 * @dying: panic(): nothing is scheduled any more; any context
 * @last_words: buffer for the notice of a panic
 * @boot_id: of this boot; constant
 * @tlvs: for WELCOME: name and services
 * @rx: for the core: a frame that has not come completely
 * @in: what was just received
 */
struct pvg_channel {
	struct mutex lock;	/* of all that has no remark */
	struct pvs services;
	struct pvg_ctl_port *port;
	struct pvg_ctl_buf *unsent;
	u32 files;
	wait_queue_head_t thawed;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct delayed_work tick;
	spinlock_t free_lock;	/* of @free, @nr_free and @blocked */
	struct list_head free;
	u32 nr_free;
	bool blocked;
	bool dying;
	struct pvg_ctl_buf *last_words;
	u8 boot_id[16];
	u8 tlvs[384];
	u8 rx[PVG_CHANNEL_RX];
	u8 in[4096];
};

extern struct pvg_channel pvg_channel;
extern const struct pvg_ctl_client pvg_channel_client;

/* channel.c */
int pvg_channel_init(void);
void pvg_channel_exit(void);
u64 pvg_channel_now(void);
void pvg_channel_kick(void);
void pvg_channel_kick_soon(unsigned int ms);
void pvg_channel_flush_locked(void);
void pvg_channel_announce_locked(void);
void pvg_channel_panic(const char *text);

/* crc.c */
void pvg_crc_find(void);
void pvg_crc_exit(void);

/* system.c */
int pvg_system_init(void);
void pvg_system_exit(void);
bool pvg_system_permit(struct pvs *v, u16 service);
u64 pvg_system_realtime(struct pvs *v);
u64 pvg_system_uptime(struct pvs *v);
int pvg_system_step_time(struct pvs *v, s64 delta_ns);
u32 pvg_system_power(struct pvs *v, u16 op, bool force);
void pvg_system_identify(struct pvs *v, struct pvc_guest_status *status);

/* freeze.c */
struct pvg_control_freeze;
struct pid;

/**
 * struct pvg_freeze_owner - what an open file has of the freeze lease
 * @lease: number of the lease it has begun last; 0: none
 * @pid: of the process that has begun it
 * @file: the open file; without a reference, since this is a part of it
 *
 * Protected by &pvg_channel.lock.
 */
struct pvg_freeze_owner {
	u32 lease;
	struct pid *pid;
	struct file *file;
};

int pvg_freeze_init(void);
void pvg_freeze_exit(void);
int pvg_freeze_begin(struct pvg_control_freeze *req, const s32 *fds,
		     struct pvg_freeze_owner *owner);
int pvg_freeze_end(struct pvg_freeze_owner *owner);
int pvg_freeze_renew(struct pvg_freeze_owner *owner, u32 lease_ms);
void pvg_freeze_disown(struct pvg_freeze_owner *owner);
void pvg_freeze_thaw(struct pvs *v);
bool pvg_freeze_look_locked(void);

/* listen.c */
bool pvg_listener_forward(struct pvs *v, struct pvc_stream *s, const void *args,
			  u32 len);
void pvg_listener_look_locked(void);
u32 pvg_listener_services(struct pvc_service_range *ranges);
struct pvg_listener *pvg_listener_open(void);
void pvg_listener_release(struct pvg_listener *l);
bool pvg_listener_may(const struct pvg_listener *l, u32 right);
int pvg_listener_drop(struct pvg_listener *l, u32 rights);
int pvg_listener_bind(struct pvg_listener *l,
		      const struct pvg_control_bind *bind);
int pvg_listener_accept(struct pvg_listener *l,
			struct pvg_control_accept __user *arg, bool nonblock);
__poll_t pvg_listener_poll(struct pvg_listener *l, struct file *file,
			   struct poll_table_struct *wait);

/* stream.c */
extern const struct pvc_ops pvg_stream_ops;

/* pvg_control.c */
int pvg_control_device_init(void);
void pvg_control_device_exit(void);

#endif /* _PVG_CHANNEL_H */

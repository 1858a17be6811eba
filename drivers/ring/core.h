/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of pvg_ring share with each other and with nobody else. */
#ifndef _PVG_RING_CORE_H
#define _PVG_RING_CORE_H

#include <linux/lockdep.h>
#include <linux/sched/clock.h>
#include <linux/types.h>

#include "pvguest/ring.h"

/**
 * pvg_queue_now() - local_clock(), which during a commit is read once
 * @q: the queue
 */
static inline u64 pvg_queue_now(struct pvg_queue *q)
{
	lockdep_assert_held(&q->lock);

	if (!q->committing)
		return local_clock();
	if (!q->now_ns)
		q->now_ns = local_clock();
	return q->now_ns;
}

/* event.c: the event index of one queue. Lock held. */
void pvg_event_start(struct pvg_queue *q);
bool pvg_event_arm(struct pvg_queue *q, u32 n);
void pvg_event_park(struct pvg_queue *q);
void pvg_event_consumed(struct pvg_queue *q, u32 descs);
const char *pvg_event_mode_name(enum pvg_event_mode mode);

/* adaptive.c: the adaptive policy. Lock held but where it says otherwise. */
void pvg_adaptive_start(struct pvg_queue *q);
void pvg_adaptive_bell(struct pvg_queue *q, u64 ns);
void pvg_adaptive_interrupted(struct pvg_queue *q, u64 ns);
bool pvg_adaptive_commit(struct pvg_queue *q, bool may_hold, bool goes_on);
void pvg_adaptive_doorbell(struct pvg_queue *q, bool needed);
void pvg_adaptive_silent(struct pvg_queue *q);
void pvg_adaptive_left(struct pvg_queue *q);
void pvg_adaptive_stayed(struct pvg_queue *q);
u32 pvg_adaptive_want(const struct pvg_queue *q);
void pvg_adaptive_came_by(struct pvg_queue *q);
u64 pvg_adaptive_window_ns(const struct pvg_queue *q);
bool pvg_adaptive_fresh(const struct pvg_queue *q);
void pvg_adaptive_expired(struct pvg_queue *q);

/* watch.c: whether the submitter is still on its CPU. Lock held. */
bool pvg_watch_can(const struct virtio_device *vdev);
bool pvg_watch_start(struct pvg_queue *q, unsigned long flags);
void pvg_watch_stop(struct pvg_queue *q);
void pvg_watch_init(void);
void pvg_watch_exit(void);

/* wait.c: what ends a wait. Lock held but for init and stop. */
void pvg_wait_init(struct pvg_queue *q);
void pvg_wait_tick(struct pvg_queue *q);
void pvg_wait_start(struct pvg_queue *q, bool ready);
void pvg_wait_stop(struct pvg_queue *q);
void pvg_queue_left(struct pvg_queue *q, bool idle);

/* queue.c. Lock held. */
u32 pvg_queue_drain(struct pvg_queue *q, struct pvg_done *done);
bool pvg_queue_settle(struct pvg_queue *q, struct pvg_done *done);
bool pvg_queue_ring(struct pvg_queue *q);
void pvg_queue_start_polling(struct pvg_queue *q, bool by_timer);
/* Not held, as it calls the driver. */
void pvg_queue_follow_up(struct pvg_queue *q, bool notify, bool poll,
			 struct pvg_done *done);

/* life.c, for guard.c. Lock held. */
bool pvg_queue_take(struct pvg_queue *q, struct pvg_done *done);

/* receive.c: the adaptive policy of receive queues. Lock held. */
void pvg_receive_start(struct pvg_queue *q);
void pvg_receive_taken(struct pvg_queue *q, u32 n);
void pvg_receive_settled(struct pvg_queue *q, bool by_timer);
u32 pvg_receive_want(const struct pvg_queue *q);
u64 pvg_receive_window_ns(const struct pvg_queue *q);
bool pvg_receive_fresh(const struct pvg_queue *q);

/* guard.c: the progress guard. Lock held for start and moved, otherwise not. */
void pvg_guard_init(struct pvg_queue *q);
void pvg_guard_start(struct pvg_queue *q);
void pvg_guard_moved(struct pvg_queue *q);
void pvg_guard_stop(struct pvg_queue *q);
void pvg_guard_notify(struct pvg_queue *q, struct virtqueue *vq);

/* reap.c: submitters that complete. Lock held. */
const void **pvg_reaper(struct pvg_queue *q);

/* stats.c */
const char *pvg_stats_name(unsigned int i);
u64 pvg_stats_value(const struct pvg_queue_stats *s, unsigned int i);
void pvg_stats_add(struct pvg_queue_stats *sum, struct pvg_queue *q);
void pvg_stats_reset(struct pvg_queue *q);

/* debugfs.c */
void pvg_debugfs_init(void);
void pvg_debugfs_exit(void);
void pvg_debugfs_add_ring(struct pvg_ring *ring);
void pvg_debugfs_add_queue(struct pvg_ring *ring, struct pvg_queue *q);
void pvg_debugfs_remove_queue(struct pvg_queue *q);

/* sysfs.c */
extern const struct attribute_group pvg_moderation_group;
const char *pvg_policy_name(enum pvg_policy policy);

#endif /* _PVG_RING_CORE_H */

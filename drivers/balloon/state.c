// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a device, and requests to adjust its balloon or to reset it. This
 * file calls no other file of the driver: each of them may call it. size.c and
 * main.c carry out what is requested.
 */
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/workqueue.h>

#include "pvg_balloon.h"

#define RECOVERIES_MAX	3	/* in a row, */
#define RECOVERY_ROW	(60 * HZ)	/* each within that of the last */

/**
 * pvg_balloon_set_state() - the one place where a device changes its state
 * @b: the device
 * @next: its state from here on
 *
 * Context: &pvg_balloon.state_lock held.
 */
void pvg_balloon_set_state(struct pvg_balloon *b, enum pvg_balloon_state next)
{
	bool legal = false;

	lockdep_assert_held(&b->state_lock);

	switch (next) {
	case PVG_BALLOON_NEW:
		break;
	case PVG_BALLOON_LIVE:
		legal = b->state == PVG_BALLOON_NEW ||
			b->state == PVG_BALLOON_STOPPED;
		break;
	case PVG_BALLOON_STOPPED:
		legal = b->state == PVG_BALLOON_LIVE;
		break;
	case PVG_BALLOON_FAILED:
		legal = b->state == PVG_BALLOON_LIVE ||
			b->state == PVG_BALLOON_STOPPED;
		break;
	case PVG_BALLOON_DEAD:
		legal = true;
		break;
	}
	WARN_ON_ONCE(!legal);
	WRITE_ONCE(b->state, next);
}

/**
 * pvg_balloon_may_recover() - is one more reset worth it after a fault?
 * @b: the device
 *
 * Too many faults in a row mean that a reset does not help. Context: recover_work.
 */
bool pvg_balloon_may_recover(struct pvg_balloon *b)
{
	bool row = b->recovery_count &&
		   time_before(jiffies, b->recovery_jiffies + RECOVERY_ROW);

	b->recovery_count = row ? b->recovery_count + 1 : 1;
	b->recovery_jiffies = jiffies;
	return b->recovery_count <= RECOVERIES_MAX;
}

/**
 * pvg_balloon_recover() - the device may be beyond use: find out, and reset it
 * @b: the device
 *
 * Context: any.
 */
void pvg_balloon_recover(struct pvg_balloon *b)
{
	if (READ_ONCE(b->state) == PVG_BALLOON_LIVE)
		queue_work(b->wq, &b->recover_work);
}

/**
 * pvg_balloon_kick() - let the worker look at once
 * @b: the device
 *
 * Context: any.
 */
void pvg_balloon_kick(struct pvg_balloon *b)
{
	mod_delayed_work(b->wq, &b->size_work, 0);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What reclaim costs the guest. The kernel's account of the time that tasks wait for
 * memory (PSI) has no interface for modules. Most of that time is waiting for pages that
 * were in active use when they were reclaimed, and are read again: the kernel counts
 * these as restored, and that count a module can read. A first reading of data, and
 * reading more than ever fits into memory, is not counted.
 *
 * While the guest restores more than its limit, the balloon does not reclaim. That leaves
 * it short of its target for as long; what is free without reclaim it still takes. A
 * restored page that is read alone from a disk that takes 1 ms costs 1 ms: so 64 of them
 * in a second are 6 % of the time.
 *
 * This file calls no other file of the driver.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>

#include "pvg_balloon.h"

#define LOOK_EVERY	(HZ / 10)

static unsigned long restored(void)
{
	return global_node_page_state(WORKINGSET_RESTORE_ANON) +
	       global_node_page_state(WORKINGSET_RESTORE_FILE);
}

/**
 * pvg_balloon_is_pressed() - does the guest read back what it has lost to reclaim?
 * @b: the device
 *
 * The answer is of the time since the last look, or the last one if that was just now.
 *
 * Context: the worker.
 */
bool pvg_balloon_is_pressed(struct pvg_balloon *b)
{
	unsigned long passed = jiffies - b->pressure_looked, now;
	unsigned int limit = READ_ONCE(b->restore_limit);

	if (!limit)
		return false;
	if (passed < LOOK_EVERY)
		return b->pressed;
	now = restored();
	b->pressed = (u64)(now - b->restored) * HZ > (u64)limit * passed;
	b->restored = now;
	b->pressure_looked = jiffies;
	if (b->pressed)
		b->counts.pressed++;
	return b->pressed;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The state of a device, and requests to stop or reset it. This file calls no other
 * file of the driver: each of them may call it. main.c carries out what is requested.
 */
#include <linux/jiffies.h>
#include <linux/rtnetlink.h>
#include <linux/workqueue.h>

#include "pvg_net.h"

#define RECOVERY_WINDOW	(30 * HZ)
#define RECOVERIES_MAX	5	/* within the window; then we give up */

/**
 * pvg_net_set_state() - the one place where a device changes its state
 * @net: the device
 * @next: its state from here on
 *
 * Context: &pvg_net.state_lock held.
 */
void pvg_net_set_state(struct pvg_net *net, enum pvg_net_state next)
{
	bool legal = false;

	lockdep_assert_held(&net->state_lock);

	switch (next) {
	case PVG_NET_NEW:
		break;
	case PVG_NET_LIVE:
		legal = net->state == PVG_NET_NEW ||
			net->state == PVG_NET_STOPPED;
		break;
	case PVG_NET_HALTED:
		legal = net->state == PVG_NET_LIVE;
		break;
	case PVG_NET_STOPPED:
		legal = net->state == PVG_NET_LIVE ||
			net->state == PVG_NET_HALTED;
		break;
	case PVG_NET_FAILED:
		legal = net->state == PVG_NET_LIVE ||
			net->state == PVG_NET_STOPPED;
		break;
	case PVG_NET_DEAD:
		legal = true;
		break;
	}
	WARN_ON_ONCE(!legal);
	WRITE_ONCE(net->state, next);
}

/**
 * pvg_net_give_up() - a device that was stopped stays so
 * @net: the device
 *
 * Context: may sleep.
 */
void pvg_net_give_up(struct pvg_net *net)
{
	mutex_lock(&net->state_lock);
	if (net->state == PVG_NET_STOPPED)
		pvg_net_set_state(net, PVG_NET_FAILED);
	mutex_unlock(&net->state_lock);
}

/**
 * pvg_net_may_recover() - is one more reset worth it after a fault?
 * @net: the device
 *
 * Too many faults in a row mean that a reset does not help. Context: rtnl.
 */
bool pvg_net_may_recover(struct pvg_net *net)
{
	if (time_after(jiffies, net->recovered + RECOVERY_WINDOW))
		net->recoveries = 0;
	net->recovered = jiffies;
	return net->recoveries++ < RECOVERIES_MAX;
}

/**
 * pvg_net_restart() - reset a device that did nothing wrong, and go on
 * @net: the device
 *
 * What it held is lost; settings are not. May be repeated as often as need be.
 * Context: any.
 */
void pvg_net_restart(struct pvg_net *net)
{
	enum pvg_net_state state = READ_ONCE(net->state);

	if (state == PVG_NET_LIVE || state == PVG_NET_HALTED)
		schedule_work(&net->recover_work);
}

/**
 * pvg_net_recover() - reset a device that does not work as it must, and go on
 * @net: the device
 *
 * As pvg_net_restart(), but after RECOVERIES_MAX in a row the device is given
 * up. Context: any.
 */
void pvg_net_recover(struct pvg_net *net)
{
	WRITE_ONCE(net->faulty, true);
	pvg_net_restart(net);
}

/**
 * pvg_net_halt() - stop a device that does not work as it must, at once
 * @net: the device
 *
 * For a caller that is about to free what the device may hold: afterwards the device
 * has no buffer, nor has a ring. pvg_net_recover() follows. Context: rtnl; may sleep.
 */
void pvg_net_halt(struct pvg_net *net)
{
	ASSERT_RTNL();
	net->halt(net);
	pvg_net_recover(net);
}

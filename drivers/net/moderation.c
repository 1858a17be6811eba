// SPDX-License-Identifier: GPL-2.0-only
/*
 * ethtool -c and -C: the moderation core's settings in ethtool's terms.
 *
 *	adaptive-rx on			adaptive
 *	rx-usecs 0, rx-frames 0 or 1	off: an interrupt for each buffer
 *	rx-usecs N, rx-frames M		fixed; M 0: as many as come in N us
 *
 * and the same for tx. While adaptive is on, new usecs or frames switch it off,
 * since they would mean nothing otherwise.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>

#include "pvg_net.h"

/* In ethtool's terms 0 frames is no limit, which is the core's largest. */
#define FRAMES_NO_LIMIT	PVG_FRAMES_MAX

/* One direction of struct ethtool_coalesce. */
struct setting {
	u32 usecs;
	u32 frames;
	bool adaptive;
};

static struct setting rx_setting(const struct ethtool_coalesce *ec)
{
	return (struct setting) {
		.usecs = ec->rx_coalesce_usecs,
		.frames = ec->rx_max_coalesced_frames,
		.adaptive = ec->use_adaptive_rx_coalesce,
	};
}

static struct setting tx_setting(const struct ethtool_coalesce *ec)
{
	return (struct setting) {
		.usecs = ec->tx_coalesce_usecs,
		.frames = ec->tx_max_coalesced_frames,
		.adaptive = ec->use_adaptive_tx_coalesce,
	};
}

static struct setting get(struct pvg_queue *q)
{
	struct pvg_moderation mod;
	unsigned long flags;

	flags = pvg_queue_lock(q);
	mod = q->mod;
	pvg_queue_unlock(q, flags);

	if (mod.policy == PVG_POLICY_OFF)
		return (struct setting) { .frames = 1 };
	return (struct setting) {
		.usecs = mod.usecs,
		.frames = mod.frames == FRAMES_NO_LIMIT ? 0 : mod.frames,
		.adaptive = mod.policy == PVG_POLICY_ADAPTIVE,
	};
}

static void show(struct ethtool_coalesce *ec, struct setting rx,
		 struct setting tx)
{
	ec->rx_coalesce_usecs = rx.usecs;
	ec->rx_max_coalesced_frames = rx.frames;
	ec->use_adaptive_rx_coalesce = rx.adaptive;
	ec->tx_coalesce_usecs = tx.usecs;
	ec->tx_max_coalesced_frames = tx.frames;
	ec->use_adaptive_tx_coalesce = tx.adaptive;
}

/* Return: NULL, or what is wrong with @s. */
static const char *translate(struct setting s, struct setting now,
			     struct pvg_moderation *mod)
{
	bool changed = s.usecs != now.usecs || s.frames != now.frames;

	if (s.usecs > PVG_USECS_MAX)
		return "usecs out of range, allowed are 0 to 100000";
	if (s.frames >= FRAMES_NO_LIMIT)
		return "frames out of range, allowed are 0 (no limit) to 4095";
	*mod = (struct pvg_moderation) {
		.policy = PVG_POLICY_FIXED,
		.frames = s.frames ?: FRAMES_NO_LIMIT,
		.usecs = s.usecs,
	};
	if (!s.usecs) {
		if (s.frames > 1)
			return "frames above 1 need usecs, 1 to 100000, to bound the wait";
		mod->policy = PVG_POLICY_OFF;
		mod->frames = 1;
		mod->usecs = PVG_USECS_MIN;
	}
	if (s.adaptive && !(now.adaptive && changed))
		mod->policy = PVG_POLICY_ADAPTIVE;
	return NULL;
}

int pvg_net_get_coalesce(struct net_device *dev, struct ethtool_coalesce *ec,
			 struct kernel_ethtool_coalesce *kec,
			 struct netlink_ext_ack *extack)
{
	return pvg_net_get_queue_coalesce(dev, 0, ec);
}

int pvg_net_set_coalesce(struct net_device *dev, struct ethtool_coalesce *ec,
			 struct kernel_ethtool_coalesce *kec,
			 struct netlink_ext_ack *extack)
{
	struct pvg_net *net = netdev_priv(dev);
	struct pvg_moderation rx, tx;
	const char *wrong;
	unsigned int i;

	wrong = translate(rx_setting(ec), get(&net->rxqs[0].pvg), &rx);
	if (!wrong)
		wrong = translate(tx_setting(ec), get(&net->txqs[0].pvg), &tx);
	if (wrong) {
		pvg_extack_set(extack, wrong);
		return -EINVAL;
	}
	for (i = 0; i < net->pairs; i++) {
		pvg_queue_set_moderation(&net->rxqs[i].pvg, &rx);
		pvg_queue_set_moderation(&net->txqs[i].pvg, &tx);
	}
	pvg_net_coal_send(net);
	return 0;
}

static bool is_queue(const struct pvg_net *net, u32 queue)
{
	if (queue < net->active_pairs)
		return true;
	net_warn_ratelimited("%s: no queue %u, there are 0 to %u\n",
			     net->dev->name, queue, net->active_pairs - 1);
	return false;
}

int pvg_net_get_queue_coalesce(struct net_device *dev, u32 queue,
			       struct ethtool_coalesce *ec)
{
	struct pvg_net *net = netdev_priv(dev);

	if (!is_queue(net, queue))
		return -EINVAL;
	show(ec, get(&net->rxqs[queue].pvg), get(&net->txqs[queue].pvg));
	return 0;
}

int pvg_net_set_queue_coalesce(struct net_device *dev, u32 queue,
			       struct ethtool_coalesce *ec)
{
	struct pvg_net *net = netdev_priv(dev);
	struct pvg_queue *rxq, *txq;
	struct pvg_moderation rx, tx;
	const char *wrong;

	if (!is_queue(net, queue))
		return -EINVAL;
	rxq = &net->rxqs[queue].pvg;
	txq = &net->txqs[queue].pvg;
	wrong = translate(rx_setting(ec), get(rxq), &rx);
	if (!wrong)
		wrong = translate(tx_setting(ec), get(txq), &tx);
	if (wrong) {
		/* There is no extack for the settings of one queue. */
		net_warn_ratelimited("%s: queue %u: %s\n", dev->name, queue,
				     wrong);
		return -EINVAL;
	}
	pvg_queue_set_moderation(rxq, &rx);
	pvg_queue_set_moderation(txq, &tx);
	pvg_net_coal_send(net);
	return 0;
}

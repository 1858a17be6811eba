// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moderation by the device (virtio 1.4, section 5.1.6.5.8). Where it is offered
 * the device does what the policy "fixed" asks for, and no timer runs here; the
 * ring core does all else, "adaptive" above all, and "fixed" where the device
 * cannot or refuses. With NOTF_COAL alone there is one setting for all queues
 * of a direction, so the ring core has to do it where they differ.
 */
#include <linux/rtnetlink.h>
#include <linux/virtio.h>

#include "pvg_net.h"

/* Not all supported kernels' headers have them. */
#define CTRL_NOTF_COAL		6
#define CTRL_NOTF_COAL_TX_SET	0
#define CTRL_NOTF_COAL_RX_SET	1
#define CTRL_NOTF_COAL_VQ_SET	2

struct coal {
	__le32 max_packets;
	__le32 max_usecs;
};

static_assert(sizeof(struct coal) == 8);

struct coal_vq {
	__le16 vq_index;
	__le16 reserved;
	struct coal coal;
};

static_assert(sizeof(struct coal_vq) == 12);

/* Queue @i of a direction. */
static struct pvg_queue *queue_of(struct pvg_net *net, bool tx, unsigned int i,
				  struct pvg_net_coal **told)
{
	*told = tx ? &net->txqs[i].coal : &net->rxqs[i].coal;
	return tx ? &net->txqs[i].pvg : &net->rxqs[i].pvg;
}

static struct pvg_net_coal wanted(struct pvg_queue *q)
{
	struct pvg_net_coal want = {};
	unsigned long flags;

	flags = pvg_queue_lock(q);
	if (q->mod.policy == PVG_POLICY_FIXED && q->mod.frames > 1)
		want = (struct pvg_net_coal) { q->mod.frames, q->mod.usecs };
	pvg_queue_unlock(q, flags);
	return want;
}

static bool same(struct pvg_net_coal a, struct pvg_net_coal b)
{
	return a.frames == b.frames && a.usecs == b.usecs;
}

static struct coal wire(struct pvg_net_coal coal)
{
	return (struct coal) {
		.max_packets = cpu_to_le32(coal.frames),
		.max_usecs = cpu_to_le32(coal.usecs),
	};
}

/* It is what the device was told, and believed to do, until it is reset. */
static void took(struct pvg_net *net, struct pvg_queue *q,
		 struct pvg_net_coal *told, struct pvg_net_coal want, int err)
{
	if (err && !net->coal_refused) {
		net->coal_refused = true;
		netdev_warn(net->dev,
			    "the device does not take %u frames, %u us, so the driver waits: %pe\n",
			    want.frames, want.usecs, ERR_PTR(err));
	}
	*told = err ? (struct pvg_net_coal) { U32_MAX, U32_MAX } : want;
	pvg_queue_set_by_device(q, !err && want.frames);
}

static void send_each(struct pvg_net *net, bool tx)
{
	struct pvg_net_coal want, *told;
	struct coal_vq command;
	struct pvg_queue *q;
	unsigned int i;
	int err;

	for (i = 0; i < net->active_pairs; i++) {
		q = queue_of(net, tx, i, &told);
		want = wanted(q);
		if (same(want, *told))
			continue;
		command = (struct coal_vq) {
			.vq_index = cpu_to_le16(2 * i + tx),
			.coal = wire(want),
		};
		err = pvg_net_ctrl(net, CTRL_NOTF_COAL, CTRL_NOTF_COAL_VQ_SET,
				   &command, sizeof(command));
		took(net, q, told, want, err);
	}
}

static void send_all(struct pvg_net *net, bool tx)
{
	struct pvg_net_coal want = {}, *told;
	bool changes = false;
	struct coal command;
	unsigned int i;
	int err;

	for (i = 0; i < net->active_pairs; i++) {
		struct pvg_net_coal w = wanted(queue_of(net, tx, i, &told));

		if (i && !same(w, want)) {
			want = (struct pvg_net_coal) {};
			break;
		}
		want = w;
	}
	for (i = 0; i < net->active_pairs; i++) {
		queue_of(net, tx, i, &told);
		changes |= !same(want, *told);
	}
	if (!changes)
		return;
	command = wire(want);
	err = pvg_net_ctrl(net, CTRL_NOTF_COAL, tx ? CTRL_NOTF_COAL_TX_SET :
			   CTRL_NOTF_COAL_RX_SET, &command, sizeof(command));
	for (i = 0; i < net->active_pairs; i++) {
		struct pvg_queue *q = queue_of(net, tx, i, &told);

		took(net, q, told, want, err);
	}
}

/**
 * pvg_net_coal_send() - have the device do what it can of the queues' settings
 * @net: the device
 *
 * A queue whose settings it does not take is left to the ring core.
 *
 * Context: rtnl; may sleep.
 */
void pvg_net_coal_send(struct pvg_net *net)
{
	void (*send)(struct pvg_net *net, bool tx);

	ASSERT_RTNL();

	if (READ_ONCE(net->state) != PVG_NET_LIVE)
		return;
	if (pvg_net_has(net, VIRTIO_NET_F_VQ_NOTF_COAL))
		send = send_each;
	else if (pvg_net_has(net, VIRTIO_NET_F_NOTF_COAL))
		send = send_all;
	else
		return;
	send(net, false);
	send(net, true);
}

/**
 * pvg_net_coal_forget() - a reset queue does not wait until it is told again
 * @coal: of the queue
 *
 * Context: rtnl. pvg_net_coal_send() is to follow.
 */
void pvg_net_coal_forget(struct pvg_net_coal *coal)
{
	/* After the reset of a ring it may do what another command said. */
	*coal = (struct pvg_net_coal) { U32_MAX, U32_MAX };
}

/**
 * pvg_net_coal_forget_all() - the same for all queues of a reset device
 * @net: the device
 *
 * Context: rtnl.
 */
void pvg_net_coal_forget_all(struct pvg_net *net)
{
	struct pvg_net_coal *told;
	unsigned int i;

	for (i = 0; i < 2 * net->pairs; i++) {
		pvg_queue_set_by_device(queue_of(net, i % 2, i / 2, &told), false);
		*told = (struct pvg_net_coal) {};
	}
}

void pvg_net_coal_work(struct work_struct *work)
{
	struct pvg_net *net = container_of(work, struct pvg_net, coal_work);

	rtnl_lock();
	pvg_net_coal_send(net);
	rtnl_unlock();
}

/* Settings were changed through sysfs, without rtnl. */
void pvg_net_coal_changed(struct pvg_ring *ring)
{
	struct pvg_net *net = container_of(ring, struct pvg_net, ring);

	schedule_work(&net->coal_work);
}

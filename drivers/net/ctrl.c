// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control queue (virtio 1.2, section 5.1.6.5): one command at a time, and
 * the caller sleeps until it is answered, for a bounded time.
 *
 * The queue has no interrupt. A device often has vectors for its configuration and the
 * other queues only, and the virtio core lets all queues share one when they want more.
 * Commands are rare, and most are answered by the time the doorbell returns.
 */
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/virtio.h>

#include "pvg_net.h"

#define ANSWER_TIMEOUT	(2 * HZ)
#define LOOK_MIN_US	20	/* from one look for the answer to the next, at first */
#define LOOK_MAX_US	2000	/* no answer is noticed later than twice as much */

/* A command as the device sees it, and behind @data its result, if any. */
struct command {
	struct virtio_net_ctrl_hdr hdr;
	u8 status;		/* device-writable */
	u32 len;		/* of @data; only for us, as the next */
	u32 result_len;
	u8 data[] __aligned(8);
};

static void *result_of(struct command *command)
{
	return command->data + ALIGN(command->len, 8);
}

/**
 * pvg_net_ctrl_start() - take commands on a fresh virtqueue
 * @net: the device
 * @vq: its control queue, or NULL
 *
 * Context: may sleep.
 */
void pvg_net_ctrl_start(struct pvg_net *net, struct virtqueue *vq)
{
	mutex_lock(&net->ctrl.lock);
	net->ctrl.vq = vq;
	net->ctrl.dead = false;
	mutex_unlock(&net->ctrl.lock);
}

/**
 * pvg_net_ctrl_stop() - no command reaches the device afterwards
 * @net: the device, reset
 *
 * Context: may sleep.
 */
void pvg_net_ctrl_stop(struct pvg_net *net)
{
	void *command;

	mutex_lock(&net->ctrl.lock);
	while (net->ctrl.vq &&
	       (command = virtqueue_detach_unused_buf(net->ctrl.vq)))
		kfree(command);
	net->ctrl.vq = NULL;
	mutex_unlock(&net->ctrl.lock);
}

static int add_command(struct pvg_net_ctrl *ctrl, struct command *command)
{
	struct scatterlist hdr, data, status, result, *sgs[4];
	unsigned int out = 0, in = 0;

	sg_init_one(&hdr, &command->hdr, sizeof(command->hdr));
	sgs[out++] = &hdr;
	if (command->len) {
		sg_init_one(&data, command->data, command->len);
		sgs[out++] = &data;
	}
	sg_init_one(&status, &command->status, sizeof(command->status));
	sgs[out + in++] = &status;
	if (command->result_len) {
		sg_init_one(&result, result_of(command), command->result_len);
		sgs[out + in++] = &result;
	}
	return virtqueue_add_sgs(ctrl->vq, sgs, out, in, command, GFP_KERNEL);
}

/* Return: 0, or -ETIMEDOUT or -EIO, and then the device keeps the command. */
static int wait_for_answer(struct pvg_net_ctrl *ctrl)
{
	unsigned long deadline = jiffies + ANSWER_TIMEOUT, us = LOOK_MIN_US;
	unsigned int len;
	bool late;

	for (;;) {
		late = time_after(jiffies, deadline);
		if (virtqueue_get_buf(ctrl->vq, &len))
			return 0;
		if (virtqueue_is_broken(ctrl->vq))
			return -EIO;
		if (late)
			return -ETIMEDOUT;
		usleep_range(us, 2 * us);
		us = min_t(unsigned long, 2 * us, LOOK_MAX_US);
	}
}

/* Frees the command. Return: 0, -EREMOTEIO if refused, or as wait_for_answer(). */
static int run(struct pvg_net *net, struct command *command, void *result)
{
	struct pvg_net_ctrl *ctrl = &net->ctrl;
	int err;

	lockdep_assert_held(&ctrl->lock);

	command->status = VIRTIO_NET_ERR;
	err = add_command(ctrl, command);
	if (err) {
		kfree(command);
		return err;
	}
	virtqueue_kick(ctrl->vq);
	err = wait_for_answer(ctrl);
	if (err) {
		ctrl->dead = true;
		dev_err(&net->vdev->dev,
			"control command %u.%u was not answered: %pe\n",
			command->hdr.class, command->hdr.cmd, ERR_PTR(err));
		pvg_net_recover(net);
		return err;
	}
	err = READ_ONCE(command->status) == VIRTIO_NET_OK ? 0 : -EREMOTEIO;
	if (!err && command->result_len)
		memcpy(result, result_of(command), command->result_len);
	kfree(command);
	return err;
}

/**
 * pvg_net_ctrl_query() - have the device do something, and say something
 * @net: the device
 * @class: VIRTIO_NET_CTRL_*
 * @cmd: of that class
 * @data: argument as the device wants it, or NULL
 * @len: bytes of it
 * @result: what the device answers, not yet trusted; zeros where it wrote
 *	nothing; or NULL
 * @result_len: bytes of it
 *
 * A device that does not answer within two seconds is recovered by a reset.
 *
 * Context: may sleep; rtnl may be held. Return: 0; -EREMOTEIO if the device
 * refused; -EOPNOTSUPP without a control queue; -EIO if it is broken or
 * stopped; -ETIMEDOUT; -ENOMEM.
 */
int pvg_net_ctrl_query(struct pvg_net *net, u8 class, u8 cmd, const void *data,
		       size_t len, void *result, size_t result_len)
{
	struct pvg_net_ctrl *ctrl = &net->ctrl;
	struct command *command;
	int err = -EIO;

	if (!pvg_net_has(net, VIRTIO_NET_F_CTRL_VQ))
		return -EOPNOTSUPP;
	command = kzalloc(struct_size(command, data,
				      ALIGN(len, 8) + result_len), GFP_KERNEL);
	if (!command)
		return -ENOMEM;
	command->hdr.class = class;
	command->hdr.cmd = cmd;
	command->len = len;
	command->result_len = result_len;
	if (len)
		memcpy(command->data, data, len);

	mutex_lock(&ctrl->lock);
	if (ctrl->vq && !ctrl->dead)
		err = run(net, command, result);
	else
		kfree(command);
	mutex_unlock(&ctrl->lock);
	return err;
}

/**
 * pvg_net_ctrl() - have the device do something
 * @net: the device
 * @class: VIRTIO_NET_CTRL_*
 * @cmd: of that class
 * @data: argument as the device wants it, or NULL
 * @len: bytes of it
 *
 * Context and return: as pvg_net_ctrl_query().
 */
int pvg_net_ctrl(struct pvg_net *net, u8 class, u8 cmd, const void *data,
		 size_t len)
{
	return pvg_net_ctrl_query(net, class, cmd, data, len, NULL, 0);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control virtqueues of a device with multiport (virtio 1.2, section
 * 5.3.6.2): ports come and go, are named, and are opened and closed at either
 * end.
 *
 * A device answers a message by messages of its own, and has been seen to drop
 * those for which it finds no buffer. So a buffer is replaced as soon as it
 * comes back, before it is looked at, and only so many ports are asked about
 * at a time as the answers have room for.
 *
 * Sending never waits: messages go out in order as the ring has room.
 */
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_ctl.h"

#define MESSAGE_MAX	1024	/* bytes of a message, with the name in it */
/*
 * To a port that is ready come at most: it is a console, its name, it is open.
 * With a few more for what happens by itself, and as many for the questions
 * before, whose answers are on their way.
 */
#define ANSWERS		8
#define OUTBOX_MAX	1024	/* messages that wait; two for each port that there can be */

/* The control virtqueues: 2 and 3. */
static struct pvg_ctl_queue *queue_in(struct pvg_ctl *ctl)
{
	return &ctl->queues[2];
}

static struct pvg_ctl_queue *queue_out(struct pvg_ctl *ctl)
{
	return &ctl->queues[3];
}

/**
 * struct message - one to be sent
 * @node: in the outbox
 * @next: of those taken back in one go
 * @is_question: the device will answer
 * @wire: read by the device
 */
struct message {
	struct list_head node;
	struct message *next;
	bool is_question;
	struct virtio_console_control wire;
};

/* Questions that may be on their way at the same time. */
static u32 max_asked(struct pvg_queue *in)
{
	return max(virtqueue_get_vring_size(in->vq) / ANSWERS, 1u);
}

/* Give the device what there is to send, as far as it may have it. */
static void send_outbox(struct pvg_ctl *ctl)
{
	struct pvg_queue *q = &queue_out(ctl)->pvg;
	unsigned long flags;
	struct message *msg;

	flags = pvg_queue_lock(q);
	while (q->running) {
		struct scatterlist sg, *sgs[] = { &sg };

		msg = list_first_entry_or_null(&ctl->outbox, struct message,
					       node);
		if (!msg)
			break;
		if (msg->is_question &&
		    ctl->asked >= max_asked(&queue_in(ctl)->pvg))
			break;
		sg_init_one(&sg, &msg->wire, sizeof(msg->wire));
		if (pvg_queue_add(q, sgs, 1, 0, msg, true))
			break;
		ctl->asked += msg->is_question;
		list_del(&msg->node);
		ctl->outbox_len--;
	}
	pvg_queue_commit_unlock(q, flags);
}

/*
 * A device that asks and does not take the answers is not heard before it does, so that
 * they do not take all memory.
 */
static bool outbox_is_full(const struct pvg_ctl *ctl)
{
	return READ_ONCE(ctl->outbox_len) >= OUTBOX_MAX;
}

static void message_sent(struct pvg_queue *q, void *token, u32 len,
			 struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = container_of(q, struct pvg_ctl_queue, pvg);
	struct message *msg = token;

	pvg_queue_urgent_done(q);
	cq->ctl->asked -= msg->is_question;
	msg->next = done->first;
	done->first = msg;
}

static void messages_sent(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = container_of(q, struct pvg_ctl_queue, pvg);
	struct message *msg, *next;

	for (msg = done->first; msg; msg = next) {
		next = msg->next;
		kfree(msg);
	}
	send_outbox(cq->ctl);
	if (READ_ONCE(cq->ctl->inbox_len) && !outbox_is_full(cq->ctl))
		schedule_work(&cq->ctl->inbox_work);
}

const struct pvg_queue_ops pvg_ctl_message_out_ops = {
	.used	= message_sent,
	.done	= messages_sent,
	.broken	= pvg_ctl_broken,
};

/**
 * pvg_ctl_message_send() - tell the device something
 * @ctl: the device; without multiport nothing is sent
 * @id: of the port, or VIRTIO_CONSOLE_BAD_ID
 * @event: VIRTIO_CONSOLE_*
 * @value: of the event
 *
 * Context: may sleep. A message that finds no memory is lost, with a line in
 * the log.
 */
void pvg_ctl_message_send(struct pvg_ctl *ctl, u32 id, u16 event, u16 value)
{
	struct virtio_device *vdev = ctl->vdev;
	unsigned long flags;
	struct message *msg;

	if (!ctl->multiport || READ_ONCE(ctl->state) != PVG_CTL_LIVE)
		return;
	msg = kzalloc(sizeof(*msg), GFP_KERNEL);
	if (!msg) {
		dev_err_ratelimited(&vdev->dev,
				    "port %d: event %u is not sent: no memory\n",
				    id, event);
		return;
	}
	msg->is_question = event == VIRTIO_CONSOLE_PORT_READY && value;
	msg->wire.id = cpu_to_virtio32(vdev, id);
	msg->wire.event = cpu_to_virtio16(vdev, event);
	msg->wire.value = cpu_to_virtio16(vdev, value);

	flags = pvg_queue_lock(&queue_out(ctl)->pvg);
	list_add_tail(&msg->node, &ctl->outbox);
	ctl->outbox_len++;
	pvg_queue_unlock(&queue_out(ctl)->pvg, flags);
	send_outbox(ctl);
}

/**
 * pvg_ctl_message_reclaim_out() - take back a message that was not delivered
 * @token: the struct message
 */
void pvg_ctl_message_reclaim_out(void *token)
{
	kfree(token);
}

/* Lock held. */
static int post_locked(struct pvg_ctl_buf *buf)
{
	struct scatterlist sg, *sgs[] = { &sg };

	sg_init_one(&sg, buf->data, buf->size);
	return pvg_queue_add(&buf->cq->pvg, sgs, 0, 1, buf, false);
}

static void message_received(struct pvg_queue *q, void *token, u32 len,
			     struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = container_of(q, struct pvg_ctl_queue, pvg);
	struct pvg_ctl_buf *buf = token;

	buf->len = len;
	list_add_tail(&buf->node, &cq->ctl->inbox);
	cq->ctl->inbox_len++;
}

/*
 * Replace what came back. Not without end: a device that sends faster than
 * messages are handled runs out of buffers.
 */
static void messages_received(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_ctl_queue *cq = container_of(q, struct pvg_ctl_queue, pvg);
	struct pvg_ctl *ctl = cq->ctl;
	struct pvg_ctl_buf *buf;
	unsigned long flags;
	u32 i;

	for (i = 0; i < done->count; i++) {
		if (READ_ONCE(ctl->inbox_len) >
		    4 * virtqueue_get_vring_size(q->vq))
			break;
		buf = pvg_ctl_buf_alloc(cq, MESSAGE_MAX,
					GFP_ATOMIC | __GFP_NOWARN);
		if (!buf)
			break;
		flags = pvg_queue_lock(q);
		if (post_locked(buf)) {
			pvg_queue_unlock(q, flags);
			pvg_ctl_buf_free(buf);
			break;
		}
		pvg_queue_commit_unlock(q, flags);
	}
	schedule_work(&ctl->inbox_work);
}

const struct pvg_queue_ops pvg_ctl_message_in_ops = {
	.receive = true,
	.used	= message_received,
	.done	= messages_received,
	.broken	= pvg_ctl_broken,
};

/**
 * pvg_ctl_message_reclaim_in() - take back a buffer that was posted
 * @token: the struct pvg_ctl_buf
 */
void pvg_ctl_message_reclaim_in(void *token)
{
	pvg_ctl_buf_free(token);
}

static void complain(struct pvg_ctl *ctl, u32 id, u16 event, const char *why)
{
	dev_warn_ratelimited(&ctl->vdev->dev,
			     "control message %u for port %u ignored: %s\n",
			     event, id, why);
}

/* The device has a port, or still has it after a reset. */
static void handle_add(struct pvg_ctl *ctl, u32 id)
{
	struct pvg_ctl_port *port = ctl->ports[id];

	if (!port) {
		if (pvg_ctl_port_add(ctl, id)) {
			pvg_ctl_message_send(ctl, id,
					     VIRTIO_CONSOLE_PORT_READY, 0);
			return;
		}
		port = ctl->ports[id];
	}
	pvg_ctl_message_send(ctl, id, VIRTIO_CONSOLE_PORT_READY, 1);
	mutex_lock(&port->lock);
	if (port->holder != PVG_CTL_FREE)
		pvg_ctl_message_send(ctl, id, VIRTIO_CONSOLE_PORT_OPEN, 1);
	mutex_unlock(&port->lock);
}

static void handle_resize(struct pvg_ctl_port *port, const u8 *data, size_t len)
{
	struct virtio_device *vdev = port->ctl->vdev;
	struct {
		__virtio16 cols;
		__virtio16 rows;
	} size;

	if (len < sizeof(size)) {
		complain(port->ctl, port->id, VIRTIO_CONSOLE_RESIZE,
			 "it has no size");
		return;
	}
	memcpy(&size, data, sizeof(size));
	pvg_ctl_console_resize(port, virtio16_to_cpu(vdev, size.rows),
			       virtio16_to_cpu(vdev, size.cols));
}

/* @data and @len are what follows the header. */
static void handle_port(struct pvg_ctl_port *port, u16 event, u16 value,
			const u8 *data, size_t len)
{
	switch (event) {
	case VIRTIO_CONSOLE_PORT_REMOVE:
		pvg_ctl_port_remove(port);
		break;
	case VIRTIO_CONSOLE_CONSOLE_PORT:
		if (value)
			pvg_ctl_console_init(port);
		break;
	case VIRTIO_CONSOLE_RESIZE:
		handle_resize(port, data, len);
		break;
	case VIRTIO_CONSOLE_PORT_OPEN:
		pvg_ctl_port_set_connected(port, value);
		break;
	case VIRTIO_CONSOLE_PORT_NAME:
		pvg_ctl_port_set_name(port, data, len);
		break;
	default:
		complain(port->ctl, port->id, event, "no such event");
		break;
	}
}

static void handle(struct pvg_ctl *ctl, const struct pvg_ctl_buf *buf)
{
	struct virtio_device *vdev = ctl->vdev;
	struct virtio_console_control head;
	u16 event, value;
	u32 id;

	lockdep_assert_held(&ctl->state_lock);

	if (buf->len < sizeof(head) || buf->len > buf->size) {
		dev_warn_ratelimited(&vdev->dev,
				     "control message of %u bytes ignored, allowed are %zu to %u\n",
				     buf->len, sizeof(head), buf->size);
		return;
	}
	memcpy(&head, buf->data, sizeof(head));
	id = virtio32_to_cpu(vdev, head.id);
	event = virtio16_to_cpu(vdev, head.event);
	value = virtio16_to_cpu(vdev, head.value);

	if (id >= ctl->max_ports)
		complain(ctl, id, event, "no such port can be");
	else if (event == VIRTIO_CONSOLE_PORT_ADD)
		handle_add(ctl, id);
	else if (ctl->ports[id])
		handle_port(ctl->ports[id], event, value,
			    buf->data + sizeof(head), buf->len - sizeof(head));
	/* QEMU says so of ports it is about to add, and again when asked. */
	else if (event != VIRTIO_CONSOLE_PORT_OPEN)
		complain(ctl, id, event, "the port was not added");
}

static struct pvg_ctl_buf *take_message(struct pvg_ctl *ctl)
{
	struct pvg_queue *q = &queue_in(ctl)->pvg;
	struct pvg_ctl_buf *buf;
	unsigned long flags;

	flags = pvg_queue_lock(q);
	buf = list_first_entry_or_null(&ctl->inbox, struct pvg_ctl_buf, node);
	if (buf) {
		list_del(&buf->node);
		ctl->inbox_len--;
	}
	pvg_queue_unlock(q, flags);
	return buf;
}

/* If buffers could not be replaced when they came back, do it now. */
static void put_message(struct pvg_ctl *ctl, struct pvg_ctl_buf *buf)
{
	struct pvg_queue *q = &queue_in(ctl)->pvg;
	unsigned long flags;

	flags = pvg_queue_lock(q);
	if (!post_locked(buf)) {
		pvg_queue_commit_unlock(q, flags);
		return;
	}
	pvg_queue_unlock(q, flags);
	pvg_ctl_buf_free(buf);
}

static void inbox_work(struct work_struct *work)
{
	struct pvg_ctl *ctl = container_of(work, struct pvg_ctl, inbox_work);
	struct pvg_ctl_buf *buf;

	while (!outbox_is_full(ctl) && (buf = take_message(ctl))) {
		mutex_lock(&ctl->state_lock);
		if (ctl->state == PVG_CTL_LIVE)
			handle(ctl, buf);
		mutex_unlock(&ctl->state_lock);
		put_message(ctl, buf);
		cond_resched();
	}
}

/* Some time after a reset: who was not said to be connected is not. */
static void confirm_work(struct work_struct *work)
{
	struct pvg_ctl *ctl = container_of(to_delayed_work(work),
					   struct pvg_ctl, confirm_work);
	u32 id;

	mutex_lock(&ctl->state_lock);
	for (id = 0; id < ctl->max_ports; id++)
		if (ctl->ports[id] && READ_ONCE(ctl->ports[id]->unconfirmed))
			pvg_ctl_port_set_connected(ctl->ports[id], false);
	mutex_unlock(&ctl->state_lock);
}

/**
 * pvg_ctl_message_init() - prepare the message part of a device
 * @ctl: the device
 */
void pvg_ctl_message_init(struct pvg_ctl *ctl)
{
	INIT_LIST_HEAD(&ctl->inbox);
	INIT_LIST_HEAD(&ctl->outbox);
	INIT_WORK(&ctl->inbox_work, inbox_work);
	INIT_DELAYED_WORK(&ctl->confirm_work, confirm_work);
}

/**
 * pvg_ctl_message_start() - post buffers and ask for the ports
 * @ctl: the device, with running queues
 *
 * Context: may sleep. Return: 0 or -ENOMEM.
 */
int pvg_ctl_message_start(struct pvg_ctl *ctl)
{
	struct pvg_queue *q = &queue_in(ctl)->pvg;
	u32 n = virtqueue_get_vring_size(q->vq);
	struct pvg_ctl_buf *buf;
	unsigned long flags;
	LIST_HEAD(bufs);

	while (n--) {
		buf = pvg_ctl_buf_alloc(queue_in(ctl), MESSAGE_MAX, GFP_KERNEL);
		if (!buf) {
			pvg_ctl_buf_free_list(&bufs);
			return -ENOMEM;
		}
		list_add(&buf->node, &bufs);
	}
	flags = pvg_queue_lock(q);
	while (!list_empty(&bufs)) {
		buf = list_first_entry(&bufs, struct pvg_ctl_buf, node);
		if (post_locked(buf))
			break;
		list_del(&buf->node);
	}
	pvg_queue_commit_unlock(q, flags);
	pvg_ctl_buf_free_list(&bufs);

	pvg_ctl_message_send(ctl, VIRTIO_CONSOLE_BAD_ID,
			     VIRTIO_CONSOLE_DEVICE_READY, 1);
	return 0;
}

/**
 * pvg_ctl_message_stop() - forget what was not handled and not sent
 * @ctl: the device, with stopped queues
 */
void pvg_ctl_message_stop(struct pvg_ctl *ctl)
{
	struct message *msg, *next;
	struct pvg_ctl_buf *buf;
	unsigned long flags;
	LIST_HEAD(outbox);

	if (!ctl->queues)
		return;
	while ((buf = take_message(ctl)))
		pvg_ctl_buf_free(buf);

	flags = pvg_queue_lock(&queue_out(ctl)->pvg);
	list_splice_init(&ctl->outbox, &outbox);
	ctl->outbox_len = 0;
	ctl->asked = 0;
	pvg_queue_unlock(&queue_out(ctl)->pvg, flags);
	list_for_each_entry_safe(msg, next, &outbox, node)
		kfree(msg);
}

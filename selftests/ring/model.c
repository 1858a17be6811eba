// SPDX-License-Identifier: GPL-2.0-only
/*
 * The model behind kernel.h: time, timers, and a virtqueue with its device
 * (virtio 1.2, sections 2.7 and 2.8). The device gives buffers back in order.
 */
#include "kernel.h"
#include "core.h"

int system_state = SYSTEM_RUNNING;
u32 model_said;
u32 model_clocks;
u8 model_status;
bool model_refuses;
struct virtqueue *model_vqs;
unsigned int model_nr_vqs;
u64 model_now = 1000000000;
const void *model_task;
bool model_in_task = true;
const char model_idle_task;
static struct preempt_notifier *notifier;	/* of the current task */
size_t model_max_dma = SIZE_MAX;

unsigned long model_lock(bool *held)
{
	assert(!*held);
	*held = true;
	return 0;
}

void model_unlock(bool *held, unsigned long flags)
{
	assert(*held);
	*held = flags;
}

void hrtimer_init(struct hrtimer *timer, clockid_t clock,
		  enum hrtimer_mode mode)
{
	timer->queued = false;
}

void hrtimer_start(struct hrtimer *timer, ktime_t after,
		   enum hrtimer_mode mode)
{
	timer->expires = model_now + after;
	timer->queued = true;
}

int hrtimer_try_to_cancel(struct hrtimer *timer)
{
	bool was = timer->queued;

	timer->queued = false;
	return was;
}

int hrtimer_cancel(struct hrtimer *timer)
{
	return hrtimer_try_to_cancel(timer);
}

/* Go to when the timer expires. */
void model_fire(struct hrtimer *timer)
{
	assert(timer->queued);
	if (model_now < timer->expires)
		model_now = timer->expires;
	timer->queued = false;
	timer->function(timer);
}

void model_add_timer(struct timer_list *timer)
{
	assert(!timer->queued);
	timer->queued = true;
}

/* The next tick, if it is waited for. */
void model_tick(struct timer_list *timer)
{
	assert(timer->queued);
	timer->queued = false;
	timer->function(timer);
}

void irq_work_queue(struct irq_work *work)
{
	work->queued = true;
}

void irq_work_sync(struct irq_work *work)
{
	if (work->queued)
		model_work(work);
}

void model_work(struct irq_work *work)
{
	assert(work->queued);
	work->queued = false;
	work->function(work);
}

void preempt_notifier_register(struct preempt_notifier *n)
{
	assert(!notifier);
	notifier = n;
}

void __hlist_del(struct hlist_node *node)
{
	assert(notifier && &notifier->link == node);
	notifier = NULL;
}

void model_sched_out(const void *next)
{
	if (notifier)
		notifier->ops->sched_out(notifier, (void *)next);
}

int device_add_group(struct device *dev, const struct attribute_group *group)
{
	return 0;
}

void device_remove_group(struct device *dev,
			 const struct attribute_group *group)
{
}

void debugfs_remove(struct dentry *dentry)
{
}

/* Is it one of them, with a newline or without? */
int model_match(const char * const *array, size_t n, const char *s)
{
	size_t i, len = strcspn(s, "\n");

	for (i = 0; i < n; i++)
		if (strlen(array[i]) == len && !strncmp(array[i], s, len))
			return i;
	return -EINVAL;
}

int kstrtou32(const char *s, unsigned int base, u32 *value)
{
	unsigned long long all;
	char *end;

	errno = 0;
	all = strtoull(s, &end, base);
	if (end == s || *s == '-' || (*end && *end != '\n'))
		return -EINVAL;
	if (errno || all > U32_MAX)
		return -ERANGE;
	*value = all;
	return 0;
}

int model_says(const void *dev, const char *format, ...)
{
	model_said++;
	return 0;
}

void pvg_debugfs_init(void)
{
}

void pvg_debugfs_exit(void)
{
}

void pvg_debugfs_add_ring(struct pvg_ring *ring)
{
}

void pvg_debugfs_add_queue(struct pvg_ring *ring, struct pvg_queue *q)
{
}

void pvg_debugfs_remove_queue(struct pvg_queue *q)
{
}

static bool is_packed(const struct virtqueue *vq)
{
	return virtio_has_feature(vq->vdev, VIRTIO_F_RING_PACKED);
}

static bool has_event(const struct virtqueue *vq)
{
	return virtio_has_feature(vq->vdev, VIRTIO_RING_F_EVENT_IDX);
}

static struct vring_packed_desc_event *packed(struct virtqueue *vq)
{
	return (struct vring_packed_desc_event *)vq->area;
}

/* An empty ring of MODEL_RING entries, with the features of @vdev. */
void model_vq(struct virtqueue *vq, struct virtio_device *vdev)
{
	enum model_fault fault = vq->fault;

	*vq = (struct virtqueue) {
		.vdev = vdev,
		.name = "model",
		.num_free = MODEL_RING,
		.fault = fault,
		.each = 1,
	};
	vq->vring.num = fault == MODEL_NUM ? 2 * MODEL_RING : MODEL_RING;
	vq->vring.avail = fault == MODEL_NOWHERE ? NULL : (void *)vq->area;
	vq->vring.used = &vq->used_ring;
}

static u16 position(u32 descs)
{
	return descs % MODEL_RING | (descs / MODEL_RING % 2 ? 0 : 1u << 15);
}

/* Where the ring is after so many buffers: an index, or a position. */
u16 model_position(const struct virtqueue *vq, u32 buffers)
{
	return is_packed(vq) ? position(buffers * vq->each) : buffers;
}

/* Is a position of a packed ring within the buffer used last? */
static bool passes(struct virtqueue *vq, u16 event)
{
	u32 i;

	for (i = (vq->used - 1) * vq->each; i != vq->used * vq->each; i++)
		if (position(i) == event)
			return true;
	return false;
}

/* Does the device interrupt for having given back one more? */
static bool interrupts(struct virtqueue *vq)
{
	if (!has_event(vq))
		return vq->enabled;
	if (!is_packed(vq))
		return vring_used_event(&vq->vring) == (u16)(vq->used - 1);
	return packed(vq)->flags == VRING_PACKED_EVENT_FLAG_ENABLE ||
	       (packed(vq)->flags == VRING_PACKED_EVENT_FLAG_DESC &&
		passes(vq, packed(vq)->off_wrap));
}

/* The device gives @n buffers back. Return: how often it interrupted. */
u32 model_use(struct virtqueue *vq, u32 n, vq_callback_t *callback)
{
	u32 count = 0;

	while (n--) {
		assert(vq->used != vq->added);
		vq->used_ring.idx = ++vq->used;
		if (callback && interrupts(vq)) {
			callback(vq);
			count++;
		}
	}
	return count;
}

int virtio_find_vqs(struct virtio_device *vdev, unsigned int n,
		    struct virtqueue *vqs[], vq_callback_t *callbacks[],
		    const char * const names[], struct irq_affinity *desc)
{
	unsigned int i;

	if (n > model_nr_vqs)
		return -ENOENT;
	for (i = 0; i < n; i++) {
		u32 size = model_vqs[i].size;

		model_vq(&model_vqs[i], vdev);
		model_vqs[i].size = size;
		model_vqs[i].index = i;
		vqs[i] = &model_vqs[i];
	}
	return 0;
}

int virtqueue_add_sgs(struct virtqueue *vq, struct scatterlist *sgs[],
		      unsigned int out, unsigned int in, void *token, gfp_t gfp)
{
	if (vq->broken || vq->add_error)
		return vq->broken ? -EIO : vq->add_error;
	if (vq->num_free < vq->each)
		return -ENOSPC;
	vq->num_free -= vq->each;
	vq->token[vq->added++ % MODEL_RING] = token;
	if (!is_packed(vq))
		vq->vring.avail->idx = vq->added;
	return 0;
}

void *virtqueue_get_buf(struct virtqueue *vq, u32 *len)
{
	if (vq->broken || vq->taken == vq->used)
		return NULL;
	vq->num_free += vq->each;
	*len = 1;
	return vq->token[vq->taken++ % MODEL_RING];
}

void *virtqueue_detach_unused_buf(struct virtqueue *vq)
{
	if (vq->taken == vq->added)
		return NULL;
	return vq->token[vq->taken++ % MODEL_RING];
}

bool virtqueue_is_broken(const struct virtqueue *vq)
{
	return vq->broken;
}

bool virtqueue_kick_prepare(struct virtqueue *vq)
{
	return !vq->deaf;
}

bool virtqueue_notify(struct virtqueue *vq)
{
	vq->notified++;
	vq->broken |= vq->mute;
	return !vq->mute;
}

bool virtqueue_poll(struct virtqueue *vq, unsigned int at)
{
	u32 i;

	model_use(vq, vq->sneaks, NULL);
	vq->sneaks = 0;
	vq->polls++;
	for (i = vq->taken; i != vq->used; i++)
		if (model_position(vq, i) == (u16)at)
			return true;
	return false;
}

unsigned int virtqueue_enable_cb_prepare(struct virtqueue *vq)
{
	u16 at = model_position(vq, vq->taken);

	vq->enabled = true;
	if (is_packed(vq) && vq->vring.avail) {
		packed(vq)->off_wrap = at + (vq->fault == MODEL_ELSEWHERE);
		if (vq->fault != MODEL_STILL_OFF)
			packed(vq)->flags = VRING_PACKED_EVENT_FLAG_DESC;
	}
	return at;
}

bool virtqueue_enable_cb(struct virtqueue *vq)
{
	return !virtqueue_poll(vq, virtqueue_enable_cb_prepare(vq));
}

void virtqueue_disable_cb(struct virtqueue *vq)
{
	vq->enabled = false;
	if (!is_packed(vq) || !vq->vring.avail)
		return;
	if (vq->fault != MODEL_STILL_ON || vq->disabled)
		packed(vq)->flags = VRING_PACKED_EVENT_FLAG_DISABLE;
	vq->disabled++;
}

const struct vring *virtqueue_get_vring(const struct virtqueue *vq)
{
	return &vq->vring;
}

unsigned int virtqueue_get_vring_size(const struct virtqueue *vq)
{
	return vq->size ?: MODEL_RING;
}

int virtqueue_resize(struct virtqueue *vq, u32 num,
		     void (*recycle)(struct virtqueue *vq, void *token))
{
	return -ENOENT;
}

void virtio_add_status(struct virtio_device *vdev, unsigned int status)
{
	if (!model_refuses || status != VIRTIO_CONFIG_S_FEATURES_OK)
		model_status |= status;
}

void virtio_reset_device(struct virtio_device *vdev)
{
	model_status = 0;
}

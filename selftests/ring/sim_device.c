// SPDX-License-Identifier: GPL-2.0-only
/*
 * The simulated virtqueue and device. The device runs beside the CPU: when its
 * doorbell rings it takes all requests that are there and serves each of them
 * in its own time. It answers in the order of completion and interrupts when
 * used_event says so (virtio 1.2, section 2.7.7.2).
 */
#include "sim.h"

#define RING	256u

struct virtqueue sim_vq;

static struct {
	void *available[RING], *used[RING];
	u16 added, seen, taken;
	struct { u64 due; void *token; } busy[RING];
	u32 nr_busy;
	u32 served;
} device;

static struct virtio_device *vdev;
static struct vring_used used_ring;
static u16 area[RING + 3];
static struct vring vring = { RING, NULL, (void *)area, &used_ring };

void sim_device_start(struct virtio_device *v)
{
	vdev = v;
	memset(&device, 0, sizeof(device));
	memset(area, 0, sizeof(area));
	used_ring.idx = 0;
	sim_vq = (struct virtqueue) {
		.vdev = v,
		.name = "sim",
		.num_free = RING,
	};
}

static u64 service_time(void)
{
	u64 ns = sim_load->latency_ns;

	device.served++;
	if (sim_load->latency == SIM_EXP)
		return ns * 6 / 10 + sim_random(ns * 4 / 10);
	return sim_load->latency == SIM_SLOW && device.served % 16 == 0 ?
	       ns * 50 : ns;
}

/* The request that is done first; of equals the one that came first. */
static u32 first(void)
{
	u32 i, min = 0;

	for (i = 1; i < device.nr_busy; i++)
		if (device.busy[i].due < device.busy[min].due)
			min = i;
	return min;
}

u64 sim_device_next(void)
{
	return device.nr_busy ? device.busy[first()].due : NEVER;
}

/* Everything that is done until @end; with @stop, no further than an interrupt. */
void sim_device_until(u64 end, bool stop)
{
	while (device.nr_busy && !(stop && sim_irq_pending)) {
		u16 event = vring_used_event(&vring);
		u32 i = first();

		if (device.busy[i].due > end)
			return;
		model_now = max(model_now, device.busy[i].due);
		device.used[used_ring.idx % RING] = device.busy[i].token;
		memmove(&device.busy[i], &device.busy[i + 1],
			(--device.nr_busy - i) * sizeof(*device.busy));
		if (event == used_ring.idx++)
			sim_irq_pending = true;
	}
}

bool virtqueue_notify(struct virtqueue *vq)
{
	sim_count.doorbells++;
	sim_spend(sim_exit_ns / 2);
	while (device.seen != device.added) {
		device.busy[device.nr_busy].token =
			device.available[device.seen++ % RING];
		device.busy[device.nr_busy++].due = model_now + service_time();
	}
	sim_spend(sim_exit_ns - sim_exit_ns / 2);
	return true;
}

int virtqueue_add_sgs(struct virtqueue *vq, struct scatterlist *sgs[],
		      unsigned int out, unsigned int in, void *token, gfp_t gfp)
{
	if (!vq->num_free)
		return -ENOSPC;
	vq->num_free--;
	device.available[device.added++ % RING] = token;
	return 0;
}

void *virtqueue_get_buf(struct virtqueue *vq, u32 *len)
{
	if (device.taken == used_ring.idx)
		return NULL;
	vq->num_free++;
	*len = 0;
	return device.used[device.taken++ % RING];
}

bool virtqueue_kick_prepare(struct virtqueue *vq)
{
	return device.seen != device.added;
}

bool virtqueue_is_broken(const struct virtqueue *vq)
{
	return false;
}

bool virtqueue_poll(struct virtqueue *vq, unsigned int at)
{
	return used_ring.idx != (u16)at;
}

unsigned int virtqueue_enable_cb_prepare(struct virtqueue *vq)
{
	return device.taken;
}

bool virtqueue_enable_cb(struct virtqueue *vq)
{
	return device.taken == used_ring.idx;
}

void virtqueue_disable_cb(struct virtqueue *vq)
{
}

const struct vring *virtqueue_get_vring(const struct virtqueue *vq)
{
	return &vring;
}

unsigned int virtqueue_get_vring_size(const struct virtqueue *vq)
{
	return RING;
}

void *virtqueue_detach_unused_buf(struct virtqueue *vq)
{
	return NULL;
}

int virtqueue_resize(struct virtqueue *vq, u32 num,
		     void (*recycle)(struct virtqueue *vq, void *token))
{
	return -ENOENT;
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One source for kernels 6.1 to 7.x. The drivers use the newest form of each
 * API under a pvg_ name; this file maps it to what the kernel has. Which form
 * that is was found by compiling scripts/compat/<name>.c against it, since
 * distributions backport: a probe that compiles defines PVG_HAVE_<NAME>.
 */
#ifndef _PVGUEST_COMPAT_H
#define _PVGUEST_COMPAT_H

#include <linux/hrtimer.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include <generated/pvguest/probes.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "pvguest needs Linux 6.1 or later"
#endif

#ifndef VIRTIO_F_IN_ORDER
#define VIRTIO_F_IN_ORDER	35	/* uapi since 6.6 */
#endif

static inline void
pvg_hrtimer_setup(struct hrtimer *timer,
		  enum hrtimer_restart (*function)(struct hrtimer *),
		  clockid_t clock, enum hrtimer_mode mode)
{
#ifdef PVG_HAVE_HRTIMER_SETUP
	hrtimer_setup(timer, function, clock, mode);
#else
	hrtimer_init(timer, clock, mode);
	timer->function = function;
#endif
}

/**
 * struct pvg_vq_info - a virtqueue to find
 * @name: kept by the virtqueue: must outlive it
 * @callback: NULL for a queue without interrupts
 */
struct pvg_vq_info {
	const char *name;
	vq_callback_t *callback;
};

/**
 * pvg_find_vqs() - find and set up the virtqueues of a device
 * @vdev: the device
 * @n: how many, at least 1
 * @vqs: filled in
 * @info: @n descriptions
 * @desc: interrupt affinity, or NULL
 *
 * Context: may sleep. Return: 0 or a negative errno.
 */
static inline int pvg_find_vqs(struct virtio_device *vdev, unsigned int n,
			       struct virtqueue *vqs[],
			       const struct pvg_vq_info *info,
			       struct irq_affinity *desc)
{
	unsigned int i;
	int err;
#ifdef PVG_HAVE_VIRTQUEUE_INFO
	struct virtqueue_info *arg = kcalloc(n, sizeof(*arg), GFP_KERNEL);

	if (!arg)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		arg[i].name = info[i].name;
		arg[i].callback = info[i].callback;
	}
	err = virtio_find_vqs(vdev, n, vqs, arg, desc);
	kfree(arg);
#else
	vq_callback_t **callbacks = kcalloc(n, sizeof(*callbacks), GFP_KERNEL);
	const char **names = kcalloc(n, sizeof(*names), GFP_KERNEL);

	if (!callbacks || !names) {
		err = -ENOMEM;
		goto out;
	}
	for (i = 0; i < n; i++) {
		callbacks[i] = info[i].callback;
		names[i] = info[i].name;
	}
	err = virtio_find_vqs(vdev, n, vqs, callbacks, names, desc);
out:
	kfree(names);
	kfree(callbacks);
#endif
	return err;
}

static inline int pvg_virtqueue_resize(struct virtqueue *vq, u32 num,
				       void (*recycle)(struct virtqueue *vq,
						       void *token))
{
#ifdef PVG_HAVE_VIRTQUEUE_RESIZE_DONE
	return virtqueue_resize(vq, num, recycle, NULL);
#else
	return virtqueue_resize(vq, num, recycle);
#endif
}

/* Where there is no function for it, a ring is reset by changing its size. */
static inline int pvg_virtqueue_reset(struct virtqueue *vq,
				      void (*recycle)(struct virtqueue *vq,
						      void *token))
{
#ifdef PVG_HAVE_VIRTQUEUE_RESIZE_DONE
	return virtqueue_reset(vq, recycle, NULL);
#else
	u32 num = virtqueue_get_vring_size(vq);
	int err = virtqueue_resize(vq, num / 2, recycle);

	return err ?: virtqueue_resize(vq, num, recycle);
#endif
}

#endif /* _PVGUEST_COMPAT_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * As much of a kernel as drivers/ring and drivers/block/limits.c need, so that
 * these very files run in userspace: in unit.c and in sim.c. The compiler is
 * told to include this before each of them; the kernel's own headers are empty
 * files that the Makefile makes.
 *
 * The virtqueue is a model of the device's and of the virtqueue code's side, in
 * model.c; sim_cpu.c and sim_device.c have another one, in which time passes. Locks
 * remember whether they are held, and lockdep_assert_held() looks.
 */
#ifndef _PVG_TEST_KERNEL_H
#define _PVG_TEST_KERNEL_H

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef uint8_t u8, __u8;
typedef uint16_t u16, __u16, __le16;
typedef uint32_t u32, __u32, __le32;
typedef uint64_t u64, __u64, __le64;
typedef int32_t s32;
typedef int64_t s64;
typedef s64 ktime_t;
typedef int clockid_t, gfp_t;
#define __bitwise

#include <linux/virtio_types.h>

#define U8_MAX		UINT8_MAX
#define U16_MAX		UINT16_MAX
#define U32_MAX		UINT32_MAX
#define U64_MAX		UINT64_MAX
#define NSEC_PER_USEC	1000L
#define NSEC_PER_MSEC	1000000L
#define NSEC_PER_SEC	1000000000L
#define PAGE_SIZE	4096UL
#define SECTOR_SHIFT	9
#define SECTOR_SIZE	512
#define BIT_ULL(n)	(1ull << (n))
#define GFP_ATOMIC	0
#define GFP_KERNEL	0
#define CLOCK_MONOTONIC	1
#define LINUX_VERSION_CODE	KERNEL_VERSION(6, 1, 0)
#define KERNEL_VERSION(a, b, c)	(((a) << 16) + ((b) << 8) + (c))

#define min(a, b)	({ typeof(a) _a = (a); typeof(b) _b = (b); _a < _b ? _a : _b; })
#define max(a, b)	({ typeof(a) _a = (a); typeof(b) _b = (b); _a > _b ? _a : _b; })
#define max3(a, b, c)	({ typeof(a) _m = max(a, b); max(_m, c); })
#define min_t(t, a, b)	({ t _x = (a); typeof(_x) _y = (b); _x < _y ? _x : _y; })
#define max_t(t, a, b)	({ t _p = (a); typeof(_p) _q = (b); _p > _q ? _p : _q; })
#define clamp_t(t, v, lo, hi) ({					\
	t _v = (v), _lo = (lo), _hi = (hi);				\
	_v = _v > _lo ? _v : _lo;					\
	_v < _hi ? _v : _hi; })
#define round_down(x, y)	({ typeof(y) _y = (y); (x) / _y * _y; })
#define rounddown(x, y)	round_down(x, y)
#define div_u64(a, b)	((u64)(a) / (u32)(b))
#define is_power_of_2(n)	({ typeof(n) _n = (n); _n && !(_n & (_n - 1)); })
#define container_of(p, type, member)					\
	((type *)((char *)(p) - offsetof(type, member)))
#define READ_ONCE(x)	(*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile typeof(x) *)&(x) = (v))
#define likely(x)	(x)
#define unlikely(x)	(x)
#define cpu_to_le16(x)	(x)
#define le16_to_cpu(x)	(x)
#define cpu_to_virtio16(vdev, x)	(x)
#define virtio16_to_cpu(vdev, x)	(x)
#define ____cacheline_aligned_in_smp
#define __releases(x)
#define __init
#define __exit
#define EXPORT_SYMBOL_GPL(x)	static_assert(1, "")
#define MODULE_DESCRIPTION(x)	static_assert(1, "")
#define MODULE_LICENSE(x)	static_assert(1, "")
#define MODULE_VERSION(x)	static_assert(1, "")
#define MODULE_INFO(x, y)	static_assert(1, "")
#define module_init(f)	int (*model_init)(void) = f
#define module_exit(f)	void (*model_exit)(void) = f
#define kcalloc(n, size, gfp)	calloc(n, size)
#define kfree(p)	free((void *)(p))
#define dev_info(...)	((void)model_says(__VA_ARGS__))
#define dev_err(...)	((void)model_says(__VA_ARGS__))
#define dev_warn(...)	((void)model_says(__VA_ARGS__))
#define dev_warn_ratelimited(...)	((void)model_says(__VA_ARGS__))

/* Trace events do nothing. */
#define TP_PROTO(...)	__VA_ARGS__
#define TP_ARGS(...)	__VA_ARGS__
#define DECLARE_EVENT_CLASS(...)
#define DEFINE_EVENT(class, name, proto, ...)				\
	static inline void trace_##name(proto) {}
#define TRACE_EVENT(name, proto, ...)					\
	static inline void trace_##name(proto) {}

enum { SYSTEM_RUNNING, SYSTEM_HALT, SYSTEM_RESTART };
extern int system_state;
extern u32 model_said;		/* lines of the log */
extern u32 model_clocks;	/* readings of the clock */

/* What the tests set: the time, and the task that runs. */
extern u64 model_now;
extern const void *model_task;
#define local_clock()	(model_clocks++, model_now)
#define current		model_task

#include "timer.h"

typedef struct { bool held; } spinlock_t;
struct mutex { bool held; };
#define spin_lock_init(l)	((l)->held = false)
#define spin_lock_irqsave(l, flags)	((flags) = model_lock(&(l)->held))
#define spin_unlock_irqrestore(l, flags)	model_unlock(&(l)->held, flags)
#define spin_trylock(l)		(!(l)->held && ((l)->held = true))
#define spin_trylock_irqsave(l, flags)	((flags) = 0, spin_trylock(l))
#define spin_unlock(l)		model_unlock(&(l)->held, 0)
#define local_irq_restore(flags)	((void)(flags))
#define irqs_disabled_flags(flags)	((flags) != 0)
#define raw_spinlock_t		spinlock_t
#define raw_spin_lock_init(l)	spin_lock_init(l)
#define raw_spin_lock(l)	((void)model_lock(&(l)->held))
#define raw_spin_unlock(l)	model_unlock(&(l)->held, 0)
#define mutex_init(l)		((l)->held = false)
#define mutex_destroy(l)	assert(!(l)->held)
#define mutex_lock(l)		((void)model_lock(&(l)->held))
#define mutex_unlock(l)		model_unlock(&(l)->held, 0)
#define lockdep_assert_held(l)	assert((l)->held)
unsigned long model_lock(bool *held);
void model_unlock(bool *held, unsigned long flags);

enum hrtimer_restart { HRTIMER_NORESTART };
enum hrtimer_mode { HRTIMER_MODE_REL_PINNED };
struct hrtimer {
	enum hrtimer_restart (*function)(struct hrtimer *timer);
	u64 expires;
	bool queued;
};

#define ns_to_ktime(ns)	((ktime_t)(ns))
void hrtimer_init(struct hrtimer *timer, clockid_t clock,
		  enum hrtimer_mode mode);
void hrtimer_start(struct hrtimer *timer, ktime_t after,
		   enum hrtimer_mode mode);
int hrtimer_cancel(struct hrtimer *timer);
int hrtimer_try_to_cancel(struct hrtimer *timer);
void model_fire(struct hrtimer *timer);

/* What is to run in an interrupt of its own. */
struct irq_work { void (*function)(struct irq_work *work); bool queued; };
#define init_irq_work(w, f)	((w)->function = (f), (w)->queued = false)
void irq_work_sync(struct irq_work *work);
void irq_work_queue(struct irq_work *work);
void model_work(struct irq_work *work);

/* The scheduler: one CPU, whose current task may be watched. */
#define CONFIG_PREEMPT_NOTIFIERS	1
#define CONFIG_PREEMPT_RT	0
#define IS_ENABLED(CONFIG_option)	(CONFIG_option)
#define DEFINE_PER_CPU(type, name)	type name
#define this_cpu_ptr(p)		(p)
#define this_cpu_inc(x)		((void)(x)++)
#define __percpu
#define per_cpu_ptr(p, cpu)	((void)(cpu), p)
#define for_each_possible_cpu(cpu)	for ((cpu) = 0; (cpu) < 1; (cpu)++)
#define for_each_online_cpu(cpu)	for_each_possible_cpu(cpu)
#define synchronize_rcu()	((void)0)
#define smp_processor_id()	0
#define tick_nohz_full_cpu(cpu)	((void)(cpu), false)
#define in_task()		model_in_task
#define is_idle_task(task)	((const void *)(task) == &model_idle_task)
extern bool model_in_task;
extern const char model_idle_task;

struct task_struct;
struct hlist_node { struct hlist_node *next, **pprev; };
struct preempt_notifier {
	struct hlist_node link;
	struct preempt_ops *ops;
};

struct preempt_ops {
	void (*sched_in)(struct preempt_notifier *notifier, int cpu);
	void (*sched_out)(struct preempt_notifier *notifier,
			  struct task_struct *next);
};

#define preempt_notifier_init(n, o)	((n)->ops = (o))
#define preempt_notifier_inc()	((void)0)
#define preempt_notifier_dec()	((void)0)
void preempt_notifier_register(struct preempt_notifier *notifier);
void __hlist_del(struct hlist_node *node);
void model_sched_out(const void *next);

struct work_struct {
	void (*function)(struct work_struct *work);
	bool scheduled;
};

#define INIT_WORK_ONSTACK(w, f)	((void)(f))
#define schedule_work_on(cpu, w)	model_sched_out(NULL)
#define flush_work(w)		((void)(w))
#define destroy_work_on_stack(w)	((void)(w))
#define cpus_read_lock()	((void)0)
#define cpus_read_unlock()	((void)0)

struct list_head { struct list_head *next, *prev; };
#define INIT_LIST_HEAD(l)	((l)->next = (l)->prev = (l))
static inline void list_add_tail(struct list_head *new, struct list_head *head)
{
	new->next = head;
	new->prev = head->prev;
	head->prev->next = new;
	head->prev = new;
}

static inline void list_del(struct list_head *entry)
{
	entry->next->prev = entry->prev;
	entry->prev->next = entry->next;
	entry->next = NULL;
	entry->prev = NULL;
}

#define list_for_each_entry_safe(p, n, head, member)			\
	for ((p) = container_of((head)->next, typeof(*(p)), member);	\
	     (n) = container_of((p)->member.next, typeof(*(p)), member), \
	     &(p)->member != (head); (p) = (n))

struct kobject { int unused; };
struct device_driver { const char *name; };
struct device {
	struct device *parent;
	const struct device_driver *driver;
	void *data;
	void *class;
	struct kobject kobj;
};

struct dentry;
typedef unsigned short umode_t;

struct attribute { const char *name; umode_t mode; };
struct attribute_group {
	const char *name;
	struct attribute **attrs;
	umode_t (*is_visible)(struct kobject *kobj, struct attribute *attr,
			      int n);
};

struct device_attribute {
	struct attribute attr;
	ssize_t (*show)(struct device *dev, struct device_attribute *attr,
			char *buf);
	ssize_t (*store)(struct device *dev, struct device_attribute *attr,
			 const char *buf, size_t count);
};

#define DEVICE_ATTR_RW(n)	struct device_attribute dev_attr_##n = \
	{ { #n, 0644 }, n##_show, n##_store }
#define DEVICE_ATTR_RO(n)	struct device_attribute dev_attr_##n = \
	{ { #n, 0444 }, n##_show, NULL }
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof(*(a)))
#define kobj_to_dev(k)	container_of(k, struct device, kobj)
#define DEVICE_ATTR_WO(n)	struct device_attribute dev_attr_##n = \
	{ { #n, 0200 }, NULL, n##_store }
#define sysfs_streq(a, b)						\
	(!strncmp(a, b, strlen(b)) &&					\
	 (!(a)[strlen(b)] || !strcmp((a) + strlen(b), "\n")))
#define sysfs_emit(buf, ...)	sprintf(buf, __VA_ARGS__)
#define sysfs_emit_at(buf, at, ...)	sprintf((buf) + (at), __VA_ARGS__)
#define sysfs_match_string(array, s)	model_match(array, ARRAY_SIZE(array), s)
int model_match(const char * const *array, size_t n, const char *s);
int kstrtou32(const char *s, unsigned int base, u32 *value);
#define dev_get_drvdata(d)	((d)->data)
#define dev_set_drvdata(d, p)	((d)->data = (p))
int device_add_group(struct device *dev, const struct attribute_group *group);
void device_remove_group(struct device *dev,
			 const struct attribute_group *group);
void debugfs_remove(struct dentry *dentry);
int model_says(const void *dev, const char *format, ...);

struct virtio_device;
struct virtio_config_ops {
	void (*get)(struct virtio_device *vdev);
	u8 (*get_status)(struct virtio_device *vdev);
	int (*finalize_features)(struct virtio_device *vdev);
	void (*del_vqs)(struct virtio_device *vdev);
};

struct virtio_device {
	struct device dev;
	int index;
	u64 features;
	const struct virtio_config_ops *config;
	void *space;		/* of the configuration */
	void *priv;
};

#define VIRTIO_F_ACCESS_PLATFORM 33
#define virtio_has_feature(vdev, bit)	((vdev)->features >> (bit) & 1)
#define virtio_cread_feature(vdev, feature, type, field, ptr) ({	\
	const struct virtio_device *_vdev = (vdev);			\
	int _err = -ENOENT;						\
	if (virtio_has_feature(_vdev, feature)) {			\
		*(ptr) = ((const type *)_vdev->space)->field;		\
		_err = 0;						\
	}								\
	_err; })
#define virtio_cread(vdev, type, field, ptr)				\
	(*(ptr) = ((const type *)(vdev)->space)->field)
#define virtio_max_dma_size(vdev)	model_max_dma
extern size_t model_max_dma;

#define VIRTIO_RING_F_EVENT_IDX		29
#define VIRTIO_F_RING_PACKED		34
#define VIRTIO_F_ORDER_PLATFORM		36
#define VRING_PACKED_EVENT_FLAG_ENABLE	0
#define VRING_PACKED_EVENT_FLAG_DISABLE	1
#define VRING_PACKED_EVENT_FLAG_DESC	2
struct vring_avail { u16 flags, idx, ring[]; };
struct vring_used { u16 flags, idx, event; };
struct vring_packed_desc_event { u16 off_wrap, flags; };
struct vring {
	unsigned int num;
	void *desc;
	struct vring_avail *avail;
	struct vring_used *used;
};

#define vring_used_event(vr)	((vr)->avail->ring[(vr)->num])
#define vring_avail_event(vr)	((vr)->used->event)
#define virtio_wmb(weak)	((void)(weak))

struct virtqueue;
typedef void vq_callback_t(struct virtqueue *vq);
struct irq_affinity { int unused; };
struct scatterlist { void *at; };

#define MODEL_RING	256u

/* Ways in which the driver event area of a packed ring is not what it should be. */
enum model_fault {
	MODEL_FINE,
	MODEL_NUM,		/* a ring of another size */
	MODEL_NOWHERE,		/* no area at all */
	MODEL_STILL_ON,		/* disabling does nothing, the first time */
	MODEL_STILL_OFF,	/* enabling does nothing */
	MODEL_ELSEWHERE,	/* the offset is another one */
};

/**
 * struct virtqueue - the part that drivers know, and the model's
 * @size: what the ring says to have, or 0 for MODEL_RING
 * @each: descriptors of each buffer
 * @added: buffers that the driver ever added; of these
 * @used: that the device gave back, and
 * @taken: that the driver has
 * @enabled: callbacks, without EVENT_IDX
 * @polls: calls of virtqueue_poll(), which is a full barrier
 * @add_error: what adding a buffer returns, or 0
 * @sneaks: buffers that the device gives back just before the next one
 */
struct virtqueue {
	struct virtio_device *vdev;
	const char *name;
	unsigned int index;
	unsigned int num_free;
	void *priv;

	struct vring vring;
	u16 area[MODEL_RING + 3];
	struct vring_used used_ring;
	enum model_fault fault;
	unsigned int disabled;
	void *token[MODEL_RING];
	u32 size;
	u32 each;
	u32 added;
	u32 used;
	u32 taken;
	bool enabled;
	bool broken;
	bool deaf;		/* needs no doorbell */
	bool mute;		/* cannot be notified */
	u32 notified;
	u32 polls;
	u32 sneaks;
	int add_error;
};

void model_vq(struct virtqueue *vq, struct virtio_device *vdev);
u32 model_use(struct virtqueue *vq, u32 n, vq_callback_t *callback);
u16 model_position(const struct virtqueue *vq, u32 buffers);

/* What virtio_find_vqs() gives: one after the other, or fewer than asked for. */
extern struct virtqueue *model_vqs;
extern unsigned int model_nr_vqs;
int virtio_find_vqs(struct virtio_device *vdev, unsigned int n,
		    struct virtqueue *vqs[], vq_callback_t *callbacks[],
		    const char * const names[], struct irq_affinity *desc);
int virtqueue_add_sgs(struct virtqueue *vq, struct scatterlist *sgs[],
		      unsigned int out, unsigned int in, void *token, gfp_t gfp);
static inline int virtqueue_add_outbuf(struct virtqueue *vq, struct scatterlist *sg,
				       unsigned int num, void *data, gfp_t gfp)
{
	struct scatterlist *sgs[] = { sg };

	return num == 1 ? virtqueue_add_sgs(vq, sgs, 1, 0, data, gfp) : -EINVAL;
}

void *virtqueue_get_buf(struct virtqueue *vq, u32 *len);
void *virtqueue_detach_unused_buf(struct virtqueue *vq);
bool virtqueue_is_broken(const struct virtqueue *vq);
bool virtqueue_kick_prepare(struct virtqueue *vq);
bool virtqueue_notify(struct virtqueue *vq);
bool virtqueue_poll(struct virtqueue *vq, unsigned int at);
bool virtqueue_enable_cb(struct virtqueue *vq);
unsigned int virtqueue_enable_cb_prepare(struct virtqueue *vq);
void virtqueue_disable_cb(struct virtqueue *vq);
const struct vring *virtqueue_get_vring(const struct virtqueue *vq);
unsigned int virtqueue_get_vring_size(const struct virtqueue *vq);
int virtqueue_resize(struct virtqueue *vq, u32 num,
		     void (*recycle)(struct virtqueue *vq, void *token));

/* What a device is told of its driver; it may refuse the features of before. */
extern u8 model_status;
extern bool model_refuses;
#define VIRTIO_F_VERSION_1	32
#define VIRTIO_CONFIG_S_ACKNOWLEDGE	1
#define VIRTIO_CONFIG_S_DRIVER	2
#define VIRTIO_CONFIG_S_DRIVER_OK	4
#define VIRTIO_CONFIG_S_FEATURES_OK	8
#define VIRTIO_CONFIG_S_NEEDS_RESET	0x40
#define VIRTIO_CONFIG_S_FAILED	0x80
void virtio_add_status(struct virtio_device *vdev, unsigned int status);
void virtio_reset_device(struct virtio_device *vdev);

#endif /* _PVG_TEST_KERNEL_H */

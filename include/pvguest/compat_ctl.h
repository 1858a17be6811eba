/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control driver's share of compat.h, and what it needs of hvc, whose
 * header (drivers/tty/hvc/hvc_console.h) is not among those that a kernel
 * installs although its functions are exported.
 */
#ifndef _PVGUEST_COMPAT_CTL_H
#define _PVGUEST_COMPAT_CTL_H

#include <linux/spinlock.h>
#include <linux/splice.h>
#include <linux/tty.h>
#include <linux/tty_port.h>

#include "pvguest/compat.h"

#if !IS_ENABLED(CONFIG_HVC_DRIVER)
#error "pvg_ctl needs a kernel with CONFIG_HVC_DRIVER"
#endif

#ifdef PVG_HAVE_COPY_SPLICE_READ
#define pvg_splice_read		copy_splice_read
#else
#define pvg_splice_read		generic_file_splice_read
#endif

struct hvc_struct;

/* hvc followed the tty layer, which can be probed for, in its types. */
#ifdef PVG_HAVE_TTY_WRITE_SIZE_T
typedef u8 pvg_hvc_char;
typedef size_t pvg_hvc_count;
typedef ssize_t pvg_hvc_ret;
#else
typedef char pvg_hvc_char;
typedef int pvg_hvc_count;
typedef int pvg_hvc_ret;
#endif

typedef pvg_hvc_ret pvg_hvc_get(u32 vtermno, pvg_hvc_char *buf,
				pvg_hvc_count count);
typedef pvg_hvc_ret pvg_hvc_put(u32 vtermno, const pvg_hvc_char *buf,
				pvg_hvc_count count);

/**
 * struct hv_ops - what a driver provides per kind of hvc console
 * @get_chars: bytes received, 0 for none; -EPIPE hangs up
 * @put_chars: bytes taken; 0: try again after hvc_kick()
 * @flush: at the end of what printk() has to say (@wait false), or before a tty
 *	writes more
 * @notifier_add: the tty is opened
 * @notifier_del: and closed
 * @notifier_hangup: or hung up
 * @tiocmget: unused
 * @tiocmset: unused
 * @dtr_rts: unused
 */
struct hv_ops {
	pvg_hvc_get *get_chars;
	pvg_hvc_put *put_chars;
	int (*flush)(u32 vtermno, bool wait);
	int (*notifier_add)(struct hvc_struct *hp, int irq);
	void (*notifier_del)(struct hvc_struct *hp, int irq);
	void (*notifier_hangup)(struct hvc_struct *hp, int irq);
	void *tiocmget;
	void *tiocmset;
	void *dtr_rts;
};

struct hvc_struct *hvc_alloc(u32 vtermno, int data, const struct hv_ops *ops,
			     pvg_hvc_count outbuf_size);
int hvc_remove(struct hvc_struct *hp);
int hvc_poll(struct hvc_struct *hp);
void hvc_kick(void);
void __hvc_resize(struct hvc_struct *hp, struct winsize ws);

/* How a struct hvc_struct begins. */
struct pvg_hvc_head {
	struct tty_port port;
	spinlock_t lock;	/* of hvc's own */
};

/**
 * struct pvg_hvc_state - a part of the middle of struct hvc_struct
 * @ops: as passed to hvc_alloc()
 * @irq_requested: the driver calls hvc_poll() when there is input; otherwise
 *	hvc looks every few milliseconds to seconds
 * @data: as passed to hvc_alloc()
 */
struct pvg_hvc_state {
	const struct hv_ops *ops;
	int irq_requested;
	int data;
};

/**
 * pvg_hvc_find_state() - find a struct pvg_hvc_state
 * @hp: from hvc_alloc()
 * @ops: as passed to it
 * @data: as passed to it, and not likely to be found elsewhere
 *
 * What comes before differs between kernels, so it is known by its content.
 *
 * Return: NULL if it is not there.
 */
static inline struct pvg_hvc_state *
pvg_hvc_find_state(struct hvc_struct *hp, const struct hv_ops *ops, int data)
{
	char *end = (char *)hp + sizeof(struct pvg_hvc_head) + 128;
	char *p;

	for (p = (char *)hp + sizeof(struct pvg_hvc_head); p < end;
	     p += sizeof(void *)) {
		struct pvg_hvc_state *state = (struct pvg_hvc_state *)p;

		if (state->ops == ops && state->data == data &&
		    !state->irq_requested)
			return state;
	}
	return NULL;
}

#endif /* _PVGUEST_COMPAT_CTL_H */

/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pvg_balloon

#if !defined(_PVG_BALLOON_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PVG_BALLOON_TRACE_H

#include <linux/tracepoint.h>
#include <linux/virtio.h>

#include "pvg_balloon.h"

#define show_kind(kind)						\
	__print_symbolic(kind,					\
			 { PVG_REQ_INFLATE, "inflate" },	\
			 { PVG_REQ_DEFLATE, "deflate" },	\
			 { PVG_REQ_REPORT, "report" })

/* A new target was read. Sizes are in pages. */
TRACE_EVENT(pvg_balloon_target,
	TP_PROTO(const struct pvg_balloon *b, unsigned long target),
	TP_ARGS(b, target),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned long, target)
		__field(unsigned long, actual)
	),
	TP_fast_assign(
		__entry->device = b->vdev->index;
		__entry->target = target;
		__entry->actual = b->stored;
	),
	TP_printk("virtio%d target=%lu actual=%lu", __entry->device,
		  __entry->target, __entry->actual)
);

/* A request was given to the device, or could not be. */
TRACE_EVENT(pvg_balloon_request,
	TP_PROTO(const struct pvg_balloon *b, unsigned int kind,
		 unsigned long pages, int err),
	TP_ARGS(b, kind, pages, err),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, kind)
		__field(unsigned long, pages)
		__field(int, err)
	),
	TP_fast_assign(
		__entry->device = b->vdev->index;
		__entry->kind = kind;
		__entry->pages = pages;
		__entry->err = err;
	),
	TP_printk("virtio%d %s pages=%lu err=%d", __entry->device,
		  show_kind(__entry->kind), __entry->pages, __entry->err)
);

/* The device has used a request after so long, or was reset. */
TRACE_EVENT(pvg_balloon_complete,
	TP_PROTO(const struct pvg_balloon *b, unsigned int kind,
		 unsigned long pages, u64 ns, bool failed),
	TP_ARGS(b, kind, pages, ns, failed),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, kind)
		__field(unsigned long, pages)
		__field(u64, ns)
		__field(bool, failed)
	),
	TP_fast_assign(
		__entry->device = b->vdev->index;
		__entry->kind = kind;
		__entry->pages = pages;
		__entry->ns = ns;
		__entry->failed = failed;
	),
	TP_printk("virtio%d %s pages=%lu ns=%llu failed=%d", __entry->device,
		  show_kind(__entry->kind), __entry->pages, __entry->ns,
		  __entry->failed)
);

/* Growing pauses. */
TRACE_EVENT(pvg_balloon_backoff,
	TP_PROTO(const struct pvg_balloon *b, unsigned int ms),
	TP_ARGS(b, ms),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned int, ms)
		__field(unsigned long, actual)
	),
	TP_fast_assign(
		__entry->device = b->vdev->index;
		__entry->ms = ms;
		__entry->actual = b->stored;
	),
	TP_printk("virtio%d ms=%u actual=%lu", __entry->device, __entry->ms,
		  __entry->actual)
);

/* The guest ran out of memory and got some back. */
TRACE_EVENT(pvg_balloon_oom,
	TP_PROTO(const struct pvg_balloon *b, unsigned long want,
		 unsigned long freed),
	TP_ARGS(b, want, freed),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned long, want)
		__field(unsigned long, freed)
	),
	TP_fast_assign(
		__entry->device = b->vdev->index;
		__entry->want = want;
		__entry->freed = freed;
	),
	TP_printk("virtio%d want=%lu freed=%lu", __entry->device,
		  __entry->want, __entry->freed)
);

/* Compaction moved a page, or could not. */
TRACE_EVENT(pvg_balloon_migrate,
	TP_PROTO(const struct pvg_balloon *b, unsigned long from,
		 unsigned long to, bool ok),
	TP_ARGS(b, from, to, ok),
	TP_STRUCT__entry(
		__field(int, device)
		__field(unsigned long, from)
		__field(unsigned long, to)
		__field(bool, ok)
	),
	TP_fast_assign(
		__entry->device = b->vdev->index;
		__entry->from = from;
		__entry->to = to;
		__entry->ok = ok;
	),
	TP_printk("virtio%d from=%#lx to=%#lx ok=%d", __entry->device,
		  __entry->from, __entry->to, __entry->ok)
);

#endif /* _PVG_BALLOON_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

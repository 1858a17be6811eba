/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pvg_ring

#if !defined(_PVG_RING_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PVG_RING_TRACE_H

#include <linux/tracepoint.h>
#include <linux/virtio.h>

#include "pvguest/ring.h"

/* State of a queue after an event was handled; see struct pvg_queue. */
DECLARE_EVENT_CLASS(pvg_queue_event,
	TP_PROTO(const struct pvg_queue *q, u32 drained),
	TP_ARGS(q, drained),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
		__field(u32, drained)
		__field(u32, inflight)
		__field(u32, armed)
		__field(u32, held)
		__field(u32, window)
		__field(u32, bell_ns)
		__field(bool, watched)
	),
	TP_fast_assign(
		__entry->device = q->vq->vdev->index;
		__entry->queue = q->vq->index;
		__entry->drained = drained;
		__entry->inflight = q->inflight;
		__entry->armed = q->armed;
		__entry->held = q->held;
		__entry->window = q->hold.window;
		__entry->bell_ns = q->bell_ns;
		__entry->watched = q->watch;
	),
	TP_printk("virtio%d.%u drained=%u inflight=%u armed=%u held=%u window=%u bell_ns=%u watched=%d",
		  __entry->device, __entry->queue, __entry->drained,
		  __entry->inflight, __entry->armed, __entry->held,
		  __entry->window, __entry->bell_ns, __entry->watched)
);

/* The virtqueue callback; drained=0 is a spurious interrupt. */
DEFINE_EVENT(pvg_queue_event, pvg_interrupt,
	TP_PROTO(const struct pvg_queue *q, u32 drained),
	TP_ARGS(q, drained)
);

/*
 * Nobody else came by: the timer, a tick, or the end of a submitter's time on
 * its CPU, when there was something to take.
 */
DEFINE_EVENT(pvg_queue_event, pvg_timer,
	TP_PROTO(const struct pvg_queue *q, u32 drained),
	TP_ARGS(q, drained)
);

/* The progress guard took completions that no interrupt had told of. */
DEFINE_EVENT(pvg_queue_event, pvg_healed_irq,
	TP_PROTO(const struct pvg_queue *q, u32 drained),
	TP_ARGS(q, drained)
);

/* The device moved after the progress guard had rung its doorbell. */
DEFINE_EVENT(pvg_queue_event, pvg_healed_doorbell,
	TP_PROTO(const struct pvg_queue *q, u32 drained),
	TP_ARGS(q, drained)
);

/* The end of a batch; hold=1 leaves the doorbell to a later one. */
TRACE_EVENT(pvg_commit,
	TP_PROTO(const struct pvg_queue *q, u32 drained, bool hold),
	TP_ARGS(q, drained, hold),
	TP_STRUCT__entry(
		__field(int, device)
		__field(u32, queue)
		__field(u32, drained)
		__field(u32, inflight)
		__field(u32, armed)
		__field(u32, window)
		__field(bool, hold)
	),
	TP_fast_assign(
		__entry->device = q->vq->vdev->index;
		__entry->queue = q->vq->index;
		__entry->drained = drained;
		__entry->inflight = q->inflight;
		__entry->armed = q->armed;
		__entry->window = q->hold.window;
		__entry->hold = hold;
	),
	TP_printk("virtio%d.%u drained=%u inflight=%u armed=%u window=%u hold=%d",
		  __entry->device, __entry->queue, __entry->drained,
		  __entry->inflight, __entry->armed, __entry->window,
		  __entry->hold)
);

#endif /* _PVG_RING_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

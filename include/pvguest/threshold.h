/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threshold arithmetic of the moderation core: where in a ring to ask the
 * device for its next interrupt.
 *
 * Pure functions on 16-bit counters, with no kernel dependency beyond the
 * integer types, so that selftests/ring compiles this same file in userspace
 * and checks it exhaustively.
 *
 * Vocabulary (virtio 1.2, sections 2.7.7 and 2.8.10):
 *  - A split ring counts used buffers in a free-running 16-bit index. The
 *    device interrupts when its used index moves past used_event, that is,
 *    when it writes entry number used_event.
 *  - A packed ring has positions: a descriptor offset in bits 0-14 and the
 *    ring wrap counter in bit 15. Offsets count descriptors, not buffers.
 */
#ifndef _PVGUEST_THRESHOLD_H
#define _PVGUEST_THRESHOLD_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stdint.h>
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

#define PVG_PACKED_WRAP		0x8000u
#define PVG_PACKED_OFFSET	0x7fffu

/* Where a packed ring starts: offset 0, driver wrap counter 1. */
#define PVG_PACKED_START	PVG_PACKED_WRAP

/**
 * pvg_clamp_frames() - completions to wait for before an interrupt
 * @frames: completions asked for, 1 or more
 * @inflight: buffers the device holds
 *
 * Never more than the device can deliver, so a queue whose submitter waits for
 * its only request is never delayed; never less than 1, so an idle queue is
 * always armed for whatever comes next.
 */
static inline u32 pvg_clamp_frames(u32 frames, u32 inflight)
{
	u32 n = frames < inflight ? frames : inflight;

	return n ? n : 1;
}

/**
 * pvg_split_event() - used_event for an interrupt at the @n-th completion
 * @last: used entries the driver has consumed, free-running
 * @n: 1 to 32768
 */
static inline u16 pvg_split_event(u16 last, u32 n)
{
	return (u16)(last + n - 1);
}

/**
 * pvg_split_parked() - used_event that is as far away as can be
 * @last: used entries the driver has consumed, free-running
 *
 * Half the index space away: no ring is large enough to get there before the
 * driver has consumed something and looked again.
 */
static inline u16 pvg_split_parked(u16 last)
{
	return (u16)(last + 0x8000u);
}

/**
 * pvg_split_park_stale() - has consumption crept up on a parked used_event?
 * @event: the parked value
 * @last: used entries the driver has consumed since, free-running
 *
 * True once less than a quarter of the index space is left.
 */
static inline bool pvg_split_park_stale(u16 event, u16 last)
{
	u16 left = (u16)(event - last);

	return left < 0x4000u || left > 0x8000u;
}

/**
 * pvg_split_passed() - have @n completions been written already?
 * @used_idx: the device's used index, read after used_event was stored and a
 *            full barrier
 * @last: used entries the driver has consumed, free-running
 * @n: the threshold just armed
 *
 * If so the device may have looked at used_event before it changed and there
 * may be no interrupt: the caller has to drain again.
 */
static inline bool pvg_split_passed(u16 used_idx, u16 last, u32 n)
{
	return (u16)(used_idx - last) >= n;
}

/**
 * pvg_packed_advance() - move a packed position forward
 * @pos: position
 * @delta: descriptors, at most @num
 * @num: ring size in descriptors, 1 to 32768
 */
static inline u16 pvg_packed_advance(u16 pos, u32 delta, u32 num)
{
	u32 off = (pos & PVG_PACKED_OFFSET) + delta;
	u32 wrap = pos & PVG_PACKED_WRAP;

	if (off >= num) {
		off -= num;
		wrap ^= PVG_PACKED_WRAP;
	}
	return (u16)(off | wrap);
}

/**
 * pvg_packed_event() - off_wrap for an interrupt at the @n-th descriptor
 * @last: position of the next used descriptor
 * @n: 1 to @num
 * @num: ring size in descriptors
 */
static inline u16 pvg_packed_event(u16 last, u32 n, u32 num)
{
	return pvg_packed_advance(last, n - 1, num);
}

/**
 * pvg_buffers_to_descs() - descriptors that @n of @inflight buffers span
 * @n: buffers, 1 to @inflight (or 1 when that is 0); at most 32768
 * @inflight: buffers the device holds
 * @inflight_descs: descriptors those buffers occupy, at least @inflight
 *
 * A packed ring counts descriptors, and only requests whose chain could not
 * be made indirect occupy more than one. The share is rounded down: the result
 * never exceeds what is in flight, so the event is always reached, and it is
 * exact when all chains have the same length.
 */
static inline u32 pvg_buffers_to_descs(u32 n, u32 inflight, u32 inflight_descs)
{
	if (inflight_descs <= inflight || !inflight)
		return n;
	return n * inflight_descs / inflight;
}

#endif /* _PVGUEST_THRESHOLD_H */

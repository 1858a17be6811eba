// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of include/pvguest/threshold.h, in userspace and exhaustive:
 * every 16-bit index with every threshold a ring can have, every position of
 * packed rings. The device's side is modelled from the specification: when it
 * has written entries old to new - 1, it interrupts if the event lies among
 * them (virtio 1.2, sections 2.7.7.2 and 2.8.10.2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "pvguest/threshold.h"

#define RING_MAX	32768u

/* Does a device with a split ring interrupt when going from @old to @new? */
static bool device_interrupts(u16 event, u16 new, u16 old)
{
	return (u16)(new - event - 1) < (u16)(new - old);
}

static void test_split_event(void **state)
{
	u64 bad = 0;
	u32 last, n;

	(void)state;
	for (last = 0; last < 65536; last++) {
		for (n = 1; n <= RING_MAX; n++) {
			u16 event = pvg_split_event(last, n);

			/* Not for n - 1 completions, however they come. */
			bad += n > 1 &&
			       device_interrupts(event, last + n - 1, last);
			/* For n at once, and for the nth alone. */
			bad += !device_interrupts(event, last + n, last);
			bad += !device_interrupts(event, last + n, last + n - 1);
			/* Not again for the next. */
			bad += device_interrupts(event, last + n + 1, last + n);
		}
	}
	assert_int_equal(bad, 0);
}

static void test_split_passed(void **state)
{
	u64 bad = 0;
	u32 last, n, used;

	(void)state;
	for (last = 0; last < 65536; last += 251) {
		for (n = 1; n <= RING_MAX; n += n < 300 ? 1 : 997) {
			for (used = 0; used <= RING_MAX; used += 1 + used / 64)
				bad += pvg_split_passed(last + used, last, n) !=
				       (used >= n);
		}
	}
	assert_int_equal(bad, 0);
}

static void test_split_parked(void **state)
{
	u64 bad = 0;
	u32 last, used;

	(void)state;
	for (last = 0; last < 65536; last++) {
		u16 event = pvg_split_parked(last);

		bad += pvg_split_park_stale(event, last);
		for (used = 1; used <= RING_MAX; used++)
			bad += device_interrupts(event, last + used, last);
	}
	assert_int_equal(bad, 0);
}

/* However consumption goes on, a parked event is renewed in time. */
static void test_split_park_stale(void **state)
{
	u32 last, used;
	u64 bad = 0;

	(void)state;
	for (last = 0; last < 65536; last += 17) {
		u16 event = pvg_split_parked(last);

		for (used = 0; used < 65536; used++) {
			u16 now = last + used;
			bool stale = pvg_split_park_stale(event, now);

			bad += stale != (used > 0x4000);
			/* While it is not: a quarter of the space is safe. */
			bad += !stale &&
			       device_interrupts(event, now + 0x4000, now);
		}
	}
	assert_int_equal(bad, 0);
}

/* The nth descriptor a device ever writes, counting from 0, as a position. */
static u16 position(u32 nth, u32 num)
{
	return nth % num | ((nth / num) % 2 ? 0 : PVG_PACKED_WRAP);
}

static void check_packed(u32 num, u32 from, u32 n)
{
	u16 last = position(from, num);

	assert_int_equal(pvg_packed_advance(last, n, num),
			 position(from + n, num));
	if (n)
		assert_int_equal(pvg_packed_event(last, n, num),
				 position(from + n - 1, num));
}

static void test_packed_small(void **state)
{
	u32 num, from, n;

	(void)state;
	assert_int_equal(position(0, 1), PVG_PACKED_START);
	for (num = 1; num <= 64; num++)
		for (from = 0; from < 4 * num; from++)
			for (n = 0; n <= num; n++)
				check_packed(num, from, n);
}

static void test_packed_large(void **state)
{
	static const u32 sizes[] = { 127, 128, 255, 256, 1000, 1024, 32767,
				     32768 };
	u32 i, from, n;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		for (from = 0; from < 2 * sizes[i]; from += 1 + sizes[i] / 300)
			for (n = 0; n <= sizes[i]; n += 1 + sizes[i] / 500)
				check_packed(sizes[i], from, n);
}

static void test_clamp_frames(void **state)
{
	u32 frames, inflight;

	(void)state;
	for (frames = 1; frames <= 300; frames++) {
		for (inflight = 0; inflight <= 300; inflight++) {
			u32 n = pvg_clamp_frames(frames, inflight);

			assert_true(n >= 1);
			assert_true(n <= frames);
			assert_true(n <= inflight || n == 1);
			assert_true(n == frames || n == inflight || !inflight);
		}
	}
	assert_int_equal(pvg_clamp_frames(4096, RING_MAX), 4096);
}

static void test_buffers_to_descs(void **state)
{
	u32 n, buffers, descs;

	(void)state;
	for (buffers = 1; buffers <= 64; buffers++) {
		for (descs = buffers; descs <= 6 * buffers; descs++) {
			u32 before = 0;

			for (n = 1; n <= buffers; n++) {
				u32 d = pvg_buffers_to_descs(n, buffers, descs);

				/* Always reached, and always further on. */
				assert_true(d >= n && d <= descs);
				assert_true(d > before);
				before = d;
				if (descs % buffers == 0)
					assert_int_equal(d,
							 n * (descs / buffers));
			}
			assert_int_equal(before, descs);
		}
	}
	/* Nothing in flight, and the largest that can be. */
	assert_int_equal(pvg_buffers_to_descs(1, 0, 0), 1);
	assert_int_equal(pvg_buffers_to_descs(16384, 16384, RING_MAX), RING_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_event),
		cmocka_unit_test(test_split_passed),
		cmocka_unit_test(test_split_parked),
		cmocka_unit_test(test_split_park_stale),
		cmocka_unit_test(test_packed_small),
		cmocka_unit_test(test_packed_large),
		cmocka_unit_test(test_clamp_frames),
		cmocka_unit_test(test_buffers_to_descs),
	};

	return cmocka_run_group_tests_name("ring: thresholds", tests, NULL,
					   NULL);
}

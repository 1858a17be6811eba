/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the unit test share: their tests, and a queue to try. */
#ifndef _PVG_TEST_UNIT_H
#define _PVG_TEST_UNIT_H

#include <setjmp.h>
#include <stdarg.h>

#include "kernel.h"
#include "core.h"

#include <cmocka.h>

#define US	1000ull
#define MS	1000000ull
#define EVENT	BIT_ULL(VIRTIO_RING_F_EVENT_IDX)
#define PACKED	(EVENT | BIT_ULL(VIRTIO_F_RING_PACKED))

/**
 * struct rig - a device with one queue
 * @used: buffers that came back to the driver
 * @done: calls of done()
 * @broken: calls of broken()
 * @untaken: calls of untaken()
 * @stalled: calls of stalled()
 */
struct rig {
	struct virtio_device vdev;
	struct virtqueue vq;
	struct pvg_ring ring;
	struct pvg_queue q;
	u32 used;
	u32 done;
	u32 broken;
	u32 untaken;
	u32 stalled;
};

extern struct rig rig;
extern struct pvg_queue_ops rig_ops;

void rig_start(u64 features, enum pvg_policy policy, u32 frames, u32 usecs);
void rig_stop(void);
int rig_submit(u32 n);
u32 rig_use(u32 n);
void rig_moderate(enum pvg_policy policy, u32 frames, u32 usecs);

/* Tests, by file. */
extern const struct CMUnitTest queue_tests[], adaptive_tests[], receive_tests[];
extern const struct CMUnitTest watch_tests[];
extern const struct CMUnitTest limits_tests[], request_tests[];
extern const struct CMUnitTest device_tests[], sysfs_tests[], guard_tests[];
extern const size_t nr_queue_tests, nr_adaptive_tests, nr_receive_tests;
extern const size_t nr_watch_tests;
extern const size_t nr_limits_tests, nr_request_tests, nr_device_tests;
extern const size_t nr_sysfs_tests, nr_guard_tests;

#endif /* _PVG_TEST_UNIT_H */

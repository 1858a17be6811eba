// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of drivers/block/{main,name}.c: the life of a device, with what may
 * go wrong at each time of it.
 */
#include "unit.h"
#include "block.h"
#include "../../drivers/block/pvg_blk.h"

extern struct virtio_driver *model_driver;

struct model_block model_block;
unsigned int nr_cpu_ids = 2;

static struct request_queue requests;
static struct virtio_blk_config config;
static struct virtqueue vqs[4];
static struct virtio_device vdev;

static void get(struct virtio_device *dev)
{
}

static u8 get_status(struct virtio_device *dev)
{
	return model_status;
}

static int finalize_features(struct virtio_device *dev)
{
	return 0;
}

static void del_vqs(struct virtio_device *dev)
{
}

static struct virtio_config_ops config_ops;

/* A device that is fine. */
static void start(void)
{
	model_block = (struct model_block) {};
	model_block.disk.queue = &requests;
	config_ops = (struct virtio_config_ops) {
		get, get_status, finalize_features, del_vqs
	};
	config = (struct virtio_blk_config) {
		.capacity = 2048,
		.seg_max = 1000,
		.num_queues = 1,
	};
	vdev = (struct virtio_device) {
		.config = &config_ops,
		.space = &config,
		.features = EVENT | BIT_ULL(VIRTIO_BLK_F_SEG_MAX) |
			    BIT_ULL(VIRTIO_BLK_F_MQ),
	};
	memset(vqs, 0, sizeof(vqs));
	model_vqs = vqs;
	model_nr_vqs = ARRAY_SIZE(vqs);
	model_said = 0;
	model_status = 0;
	model_refuses = false;
}

static struct pvg_blk *probe(void)
{
	assert_int_equal(model_driver->probe(&vdev), 0);
	assert_true(model_block.added);
	return vdev.priv;
}

/* Nothing of a device that was not taken is left. */
static void refused(int err)
{
	assert_int_equal(model_driver->probe(&vdev), err);
	assert_false(model_block.added);
	assert_int_equal(model_block.tables, 0);
	assert_int_equal(model_block.warned, 0);
	assert_true(model_said > 0);
}

static void stop(void)
{
	model_driver->remove(&vdev);
	assert_false(model_block.added);
	assert_int_equal(model_block.tables, 0);
	assert_int_equal(model_block.warned, 0);
}

static void run(struct work_struct *work)
{
	work->scheduled = false;
	work->function(work);
}

/* The device breaks its first ring, and the driver finds out. */
static void broken(struct pvg_blk *blk)
{
	vqs[0].broken = true;
	pvg_queue_callback(&vqs[0]);
	assert_true(blk->fault_work.scheduled);
	run(&blk->fault_work);
}

static void test_device_life(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	assert_int_equal(blk->state, PVG_BLK_LIVE);
	assert_int_equal(model_block.disk.capacity, 2048);
	/* It goes without an error: what is dirty is written back. */
	stop();
	assert_false(model_block.deleted_dead);
}

static void test_device_no_config(void **state)
{
	start();
	config_ops.get = NULL;
	refused(-EINVAL);
}

static void test_device_queues(void **state)
{
	struct pvg_blk *blk;

	start();
	config.num_queues = 0;
	refused(-EINVAL);
	/* No more than there are CPUs. */
	config.num_queues = 3;
	blk = probe();
	assert_int_equal(blk->nr_queues, 2);
	stop();
}

/* Of the queues that exist by then none was started. */
static void test_device_no_percpu(void **state)
{
	start();
	model_block.no_percpu = true;
	refused(-ENOMEM);
}

static int set_poll_queues(const char *value)
{
	return model_poll_queues->set(value, NULL);
}

/* One is left for interrupts; and beside one for each CPU, as many polled ones. */
static void test_device_poll_queues(void **state)
{
	static const struct { u16 has; const char *asks; u32 all, polled, lines; } cases[] = {
		{ 1, "1", 1, 0, 1 }, { 2, "1", 2, 1, 0 }, { 2, "2", 2, 1, 1 },
		{ 3, "1", 3, 1, 0 }, { 3, "2", 3, 2, 0 },
		/* More than CPUs are not missed. */
		{ 3, "1024", 3, 2, 0 }, { 2, "1024", 2, 1, 1 },
		{ 3, "0", 2, 0, 0 },
	};
	struct pvg_blk *blk;
	u32 said, i, j;

	start();
	said = model_said;
	assert_int_equal(set_poll_queues("1025"), -EINVAL);
	assert_int_equal(set_poll_queues("x"), -EINVAL);
	assert_int_equal(model_said, said + 2);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		start();
		config.num_queues = cases[i].has;
		assert_int_equal(set_poll_queues(cases[i].asks), 0);
		said = model_said;
		blk = probe();
		/* And the one that names the disk. */
		assert_int_equal(model_said, said + 1 + cases[i].lines);
		assert_int_equal(blk->nr_queues, cases[i].all);
		assert_int_equal(blk->nr_poll_queues, cases[i].polled);
		for (j = 0; j < blk->nr_queues; j++) {
			bool polled = j >= blk->nr_queues - blk->nr_poll_queues;

			assert_int_equal(blk->queues[j].pvg.ops->no_irq, polled);
			assert_int_equal(strncmp(blk->queues[j].name, "req_poll.", 9) == 0,
					 polled);
		}
		stop();
	}
	assert_int_equal(set_poll_queues("0"), 0);
}

/* The smallest ring decides, and it has 4 descriptors or more. */
static void test_device_ring_size(void **state)
{
	struct pvg_blk *blk;

	start();
	config.num_queues = 2;
	vqs[0].size = 64;
	vqs[1].size = 16;
	blk = probe();
	assert_int_equal(blk->ring_size, 16);
	assert_int_equal(blk->limits.max_segments, 14);
	assert_int_equal(blk->tags.queue_depth, 8);
	stop();
	vqs[1].size = 4;
	blk = probe();
	assert_int_equal(blk->ring_size, 4);
	assert_int_equal(blk->limits.max_segments, 2);
	stop();
	vqs[1].size = 3;
	refused(-EINVAL);
	/* A block of 64 KiB may lie in 16 pages. */
	vdev.features |= BIT_ULL(VIRTIO_BLK_F_BLK_SIZE);
	config.blk_size = 65536;
	vqs[1].size = 17;
	refused(-EINVAL);
	vqs[1].size = 18;
	blk = probe();
	assert_int_equal(blk->limits.max_segments, 16);
	/* And in no more, so it has to begin with a page. */
	assert_int_equal(blk->limits.dma_alignment, PAGE_SIZE - 1);
	stop();
	/* With one segment a block has to be in one page, wherever it begins in it. */
	vdev.features |= BIT_ULL(VIRTIO_BLK_F_SEG_MAX);
	config.seg_max = 1;
	config.blk_size = 1024;
	blk = probe();
	assert_int_equal(blk->limits.dma_alignment, 1023);
	stop();
}

static void test_device_broken(void **state)
{
	struct pvg_blk *blk;
	u32 said;

	start();
	blk = probe();
	said = model_said;
	broken(blk);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_true(model_block.disk.dead);
	assert_int_equal(model_said, said + 1);
	/* Once is enough. */
	run(&blk->fault_work);
	assert_int_equal(model_said, said + 1);
	/* It has no size any more, whatever the device says. */
	config.capacity = 4096;
	model_driver->config_changed(&vdev);
	run(&blk->config_work);
	assert_int_equal(model_block.disk.capacity, 0);
	stop();
}

/* A work that was scheduled for nothing; and what the removal finds broken. */
static void test_device_not_broken(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	run(&blk->fault_work);
	assert_int_equal(blk->state, PVG_BLK_LIVE);
	assert_false(model_block.disk.dead);
	/* Before it waits for requests. */
	vqs[0].broken = true;
	stop();
	assert_true(model_block.deleted_dead);
}

/* What del_gendisk() writes back breaks the ring. */
static void break_late(void)
{
	struct pvg_blk *blk = vdev.priv;

	assert_int_equal(blk->state, PVG_BLK_DEAD);
	assert_false(model_block.disk.dead);
	broken(blk);
	assert_int_equal(blk->state, PVG_BLK_DEAD);
	/* The device is stopped: what it held has failed. */
	assert_false(blk->have_vqs);
}

static void test_device_broken_late(void **state)
{
	start();
	probe();
	model_block.at_delete = break_late;
	stop();
	assert_true(model_block.deleted_dead);
}

static void break_early(void)
{
	broken(vdev.priv);
}

static void test_device_broken_early(void **state)
{
	struct pvg_blk *blk;

	start();
	model_block.at_tags = break_early;
	blk = probe();
	assert_int_equal(blk->state, PVG_BLK_LIVE);
	/* The first request finds out. */
	run(&blk->fault_work);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	stop();
}

static void test_device_resize(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	model_driver->config_changed(&vdev);
	run(&blk->config_work);
	assert_int_equal(model_block.resized, 0);
	config.capacity = 4096;
	run(&blk->config_work);
	assert_int_equal(model_block.resized, 1);
	assert_int_equal(model_block.disk.capacity, 4096);
	stop();
}

static void test_device_suspend(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	assert_int_equal(model_driver->freeze(&vdev), 0);
	assert_int_equal(blk->state, PVG_BLK_STOPPED);
	/* A size that changed meanwhile is for later. */
	config.capacity = 4096;
	run(&blk->config_work);
	assert_int_equal(model_block.resized, 0);
	assert_int_equal(model_driver->restore(&vdev), 0);
	assert_int_equal(blk->state, PVG_BLK_LIVE);
	assert_true(blk->config_work.scheduled);
	/* A ring that has become too small for the requests there are. */
	assert_int_equal(model_driver->freeze(&vdev), 0);
	vqs[0].size = MODEL_RING - 1;
	assert_int_equal(model_driver->restore(&vdev), -EINVAL);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	stop();
}

/* What failed does not come back. */
static void test_device_suspend_failed(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	broken(blk);
	assert_int_equal(model_driver->freeze(&vdev), 0);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_int_equal(model_driver->restore(&vdev), -EIO);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	stop();
}

static void test_device_name(void **state)
{
	start();
	probe();
	assert_string_equal(model_block.disk.disk_name, "vda");
	stop();
	model_block.taken = 3;
	probe();
	assert_string_equal(model_block.disk.disk_name, "vdd");
	/* It holds no number but its own. */
	assert_int_equal(model_block.names, BIT_ULL(3));
	stop();
	assert_int_equal(model_block.names, 0);
	model_block.taken = 26;
	probe();
	assert_string_equal(model_block.disk.disk_name, "vdaa");
	stop();
	/* There is no name left. */
	model_block.names = U64_MAX;
	refused(-ENOSPC);
	assert_true(model_block.names == U64_MAX);
}

/* A name is given away when nobody has its disk open any more. */
static void test_device_name_of_open(void **state)
{
	struct gendisk first;

	start();
	probe();
	assert_int_equal(model_block.disk.first_minor, 0);
	assert_int_equal(model_block.disk.minors, 16);
	model_block.open = true;
	model_driver->remove(&vdev);
	first = model_block.disk;
	model_block.open = false;
	probe();
	assert_string_equal(model_block.disk.disk_name, "vdb");
	assert_int_equal(model_block.disk.first_minor, 16);
	first.fops->free_disk(&first);
	stop();
	assert_int_equal(model_block.names, 0);
	probe();
	assert_string_equal(model_block.disk.disk_name, "vda");
	stop();
}

/* The major is there while the driver is. */
static void test_device_major(void **state)
{
	start();
	assert_int_equal(model_register(model_driver), 0);
	assert_int_equal(model_block.majors, 1);
	probe();
	assert_int_equal(model_block.disk.major, 240);
	stop();
	model_unregister(model_driver);
	assert_int_equal(model_block.majors, 0);
	model_block.registers = -ENOMEM;
	assert_int_equal(model_register(model_driver), -ENOMEM);
	assert_int_equal(model_block.majors, 0);
	model_block.majors = -1000;
	assert_int_equal(model_register(model_driver), -760);
}

/* What the queue was quiesced for is over. */
static void goes_on(struct pvg_blk *blk)
{
	assert_int_equal(blk->state, PVG_BLK_LIVE);
	assert_int_equal(model_block.quiesced, 0);
	assert_true(model_block.kicked > 0);
	assert_int_equal(model_status, VIRTIO_CONFIG_S_ACKNOWLEDGE |
				       VIRTIO_CONFIG_S_DRIVER |
				       VIRTIO_CONFIG_S_DRIVER_OK);
}

static void needs_reset(struct pvg_blk *blk)
{
	model_status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	model_driver->config_changed(&vdev);
	run(&blk->config_work);
	assert_true(blk->fault_work.scheduled);
	run(&blk->fault_work);
}

/* The device asks for a reset, three times; then it is not believed any more. */
static void test_device_needs_reset(void **state)
{
	struct pvg_blk *blk;
	unsigned int i;
	u32 said;

	start();
	blk = probe();
	said = model_said;
	for (i = 0; i < 3; i++) {
		needs_reset(blk);
		goes_on(blk);
	}
	assert_int_equal(model_said, said + 3);
	needs_reset(blk);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_int_equal(model_block.quiesced, 0);
	assert_true(model_block.disk.dead);
	assert_int_equal(model_said, said + 4);
	stop();
}

/* The minute in which three resets are allowed begins with the first that did not help. */
static void test_device_resets_are_counted_anew(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	needs_reset(blk);
	goes_on(blk);
	blk->resets = 0;
	model_now += 59000 * MS;
	needs_reset(blk);
	needs_reset(blk);
	model_now += 2000 * MS;
	needs_reset(blk);
	goes_on(blk);
	needs_reset(blk);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	stop();
}

/* A device that asks for a reset while it is being removed is not brought back. */
static void test_device_needs_reset_and_goes(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	blk->state = PVG_BLK_DEAD;
	model_status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	run(&blk->fault_work);
	assert_int_equal(blk->state, PVG_BLK_DEAD);
	assert_true(model_block.disk.dead);
	assert_int_equal(model_block.quiesced, 0);
	stop();
}

/* A request took longer than io_timeout, and timeout_action is fail. */
static void test_device_too_slow(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	set_bit(PVG_BLK_WANT_FAIL, &blk->wants);
	pvg_blk_fault_work(&blk->fault_work);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_true(model_block.disk.dead);
	assert_int_equal(blk->wants, 0);
	stop();
}

/* With a request that completes in between, or a long time, it is. */
static void test_device_needs_reset_again(void **state)
{
	struct pvg_blk *blk;
	unsigned int i;

	start();
	blk = probe();
	for (i = 0; i < 8; i++) {
		needs_reset(blk);
		goes_on(blk);
		blk->resets = 0;
	}
	for (i = 0; i < 8; i++) {
		needs_reset(blk);
		goes_on(blk);
		model_now += 61000 * MS;
	}
	stop();
}

/* A device that was reset by something else, such as a reset of its function. */
static void test_device_forgot(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	model_status = 0;
	pvg_blk_queue_ops.stalled(&blk->queues[0].pvg);
	run(&blk->fault_work);
	goes_on(blk);
	stop();
}

static void test_device_gone(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	model_status = U8_MAX;
	pvg_blk_queue_ops.stalled(&blk->queues[0].pvg);
	run(&blk->fault_work);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_true(model_block.disk.dead);
	stop();
}

/* It comes back with a ring that is too small, or with other features. */
static void test_device_does_not_come_back(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	vqs[0].size = MODEL_RING - 1;
	needs_reset(blk);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_int_equal(model_block.quiesced, 0);
	assert_true(model_block.disk.dead);
	stop();
	start();
	blk = probe();
	vdev.features |= BIT_ULL(VIRTIO_F_VERSION_1);
	model_refuses = true;
	needs_reset(blk);
	assert_int_equal(blk->state, PVG_BLK_FAILED);
	assert_int_equal(model_block.quiesced, 0);
	stop();
}

/* A reset by the transport, of a device that may hang: without waiting for it. */
static void test_device_transport_reset(void **state)
{
	struct pvg_blk *blk;

	start();
	blk = probe();
	model_block.slow = true;
	assert_int_equal(model_driver->reset_prepare(&vdev), 0);
	assert_int_equal(blk->state, PVG_BLK_STOPPED);
	assert_int_equal(model_block.quiesced, 1);
	/* What is suspected meanwhile is found to be nothing. */
	run(&blk->fault_work);
	assert_int_equal(blk->state, PVG_BLK_STOPPED);
	pvg_device_renegotiate(&vdev);
	assert_int_equal(model_driver->reset_done(&vdev), 0);
	goes_on(blk);
	stop();
}

/* No quiesce is left behind by a suspend that finds the device failed. */
static void test_device_suspend_quiesce(void **state)
{
	struct pvg_blk *blk;
	u32 said;

	start();
	blk = probe();
	said = model_said;
	model_block.slow = true;
	assert_int_equal(model_driver->freeze(&vdev), 0);
	assert_int_equal(model_said, said + 1);
	assert_int_equal(model_block.quiesced, 1);
	stop();
	assert_int_equal(model_block.quiesced, 0);
	start();
	blk = probe();
	broken(blk);
	assert_int_equal(model_driver->freeze(&vdev), 0);
	assert_int_equal(model_block.quiesced, 0);
	stop();
	assert_int_equal(model_block.quiesced, 0);
}

const struct CMUnitTest device_tests[] = {
	cmocka_unit_test(test_device_life),
	cmocka_unit_test(test_device_no_config),
	cmocka_unit_test(test_device_queues),
	cmocka_unit_test(test_device_no_percpu),
	cmocka_unit_test(test_device_poll_queues),
	cmocka_unit_test(test_device_ring_size),
	cmocka_unit_test(test_device_broken),
	cmocka_unit_test(test_device_not_broken),
	cmocka_unit_test(test_device_broken_early),
	cmocka_unit_test(test_device_broken_late),
	cmocka_unit_test(test_device_resize),
	cmocka_unit_test(test_device_suspend),
	cmocka_unit_test(test_device_suspend_failed),
	cmocka_unit_test(test_device_name),
	cmocka_unit_test(test_device_name_of_open),
	cmocka_unit_test(test_device_major),
	cmocka_unit_test(test_device_needs_reset),
	cmocka_unit_test(test_device_needs_reset_again),
	cmocka_unit_test(test_device_resets_are_counted_anew),
	cmocka_unit_test(test_device_needs_reset_and_goes),
	cmocka_unit_test(test_device_too_slow),
	cmocka_unit_test(test_device_forgot),
	cmocka_unit_test(test_device_gone),
	cmocka_unit_test(test_device_does_not_come_back),
	cmocka_unit_test(test_device_transport_reset),
	cmocka_unit_test(test_device_suspend_quiesce),
};

const size_t nr_device_tests = sizeof(device_tests) / sizeof(*device_tests);

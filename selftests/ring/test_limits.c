// SPDX-License-Identifier: GPL-2.0-only
/*
 * Unit tests of drivers/block/limits.c: each field of the configuration space
 * at the edge of what is allowed, beyond it, and not offered.
 */
#include "unit.h"
#include "block.h"
#include "../../drivers/block/pvg_blk.h"

static struct virtio_blk_config config;
static struct virtio_device vdev;
static struct pvg_blk blk;

/* A device that is fine, and offers @features. */
static void start(u64 features)
{
	config = (struct virtio_blk_config) {
		.capacity = 2048,
		.size_max = 65536,
		.seg_max = 32,
		.blk_size = 4096,
		.physical_block_exp = 1,
		.alignment_offset = 1,
		.min_io_size = 2,
		.opt_io_size = 16,
		.num_queues = 3,
		.max_discard_sectors = 1000,
		.max_discard_seg = 7,
		.discard_sector_alignment = 64,
		.max_write_zeroes_sectors = 2000,
		.max_secure_erase_sectors = 500,
		.secure_erase_sector_alignment = 16,
	};
	vdev = (struct virtio_device) {
		.features = features,
		.space = &config,
	};
	memset(&blk, 0, sizeof(blk));
	blk.vdev = &vdev;
	model_max_dma = SIZE_MAX;
}

static int limits(void)
{
	memset(&blk.limits, 0, sizeof(blk.limits));
	return pvg_blk_read_limits(&blk);
}

/* Without a line. */
#define accepts(field, value)	do {					\
	u32 _said = model_said;						\
									\
	config.field = (value);						\
	assert_int_equal(limits(), 0);					\
	assert_int_equal(model_said, _said);				\
} while (0)

#define refuses(field, value)	do {					\
	config.field = (value);						\
	assert_int_equal(limits(), -EINVAL);				\
} while (0)

/* A hint of no use: one line, and the device works. */
#define ignores(field, value)	do {					\
	u32 _said = model_said;						\
									\
	config.field = (value);						\
	assert_int_equal(limits(), 0);					\
	assert_int_equal(model_said, _said + 1);			\
} while (0)

/* Nothing is offered: what the configuration holds does not count. */
static void test_limits_nothing(void **state)
{
	start(0);
	assert_int_equal(limits(), 0);
	assert_int_equal(blk.limits.max_segments, 1);
	assert_int_equal(blk.limits.max_segment_size, U32_MAX);
	assert_int_equal(blk.limits.logical_block_size, 512);
	assert_int_equal(blk.limits.physical_block_size, 512);
	assert_int_equal(blk.limits.alignment_offset, 0);
	assert_int_equal(blk.limits.io_min, 0);
	assert_int_equal(blk.limits.io_opt, 0);
	assert_int_equal(blk.limits.max_discard_sectors, 0);
	assert_int_equal(blk.limits.max_discard_segments, 0);
	assert_int_equal(blk.limits.discard_granularity, 0);
	assert_int_equal(blk.limits.max_write_zeroes_sectors, 0);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 0);
	assert_false(blk.limits.write_cache);
	assert_int_equal(pvg_blk_read_nr_queues(&vdev), 1);
}

static void test_limits_segments(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_SEG_MAX) | BIT_ULL(VIRTIO_BLK_F_SIZE_MAX));
	accepts(seg_max, 1);
	assert_int_equal(blk.limits.max_segments, 1);
	accepts(seg_max, 65533);
	assert_int_equal(blk.limits.max_segments, 65533);
	accepts(seg_max, U32_MAX);
	assert_int_equal(blk.limits.max_segments, 65533);
	/* Taken as 1, with a line. */
	ignores(seg_max, 0);
	assert_int_equal(blk.limits.max_segments, 1);
	config.seg_max = 32;
	/* A device that leaves it out after all. */
	accepts(size_max, 0);
	assert_int_equal(blk.limits.max_segment_size, 4096);
	refuses(size_max, 4095);
	accepts(size_max, 4096);
	assert_int_equal(blk.limits.max_segment_size, 4096);
	/* What the machine can map counts, too. */
	model_max_dma = 8192;
	accepts(size_max, 65536);
	assert_int_equal(blk.limits.max_segment_size, 8192);
}

static void test_limits_block_size(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_BLK_SIZE));
	accepts(blk_size, 512);
	accepts(blk_size, 4096);
	assert_int_equal(blk.limits.logical_block_size, 4096);
	assert_int_equal(blk.limits.physical_block_size, 4096);
	refuses(blk_size, 0);
	refuses(blk_size, 256);
	/* More than a page where the block layer takes it. */
	accepts(blk_size, 65536);
	assert_int_equal(blk.limits.logical_block_size, 65536);
	refuses(blk_size, 131072);
	refuses(blk_size, 0x80000000);
	refuses(blk_size, 1536);
}

static void test_limits_topology(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_TOPOLOGY) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE));
	assert_int_equal(limits(), 0);
	assert_int_equal(blk.limits.physical_block_size, 8192);
	assert_int_equal(blk.limits.alignment_offset, 4096);
	assert_int_equal(blk.limits.io_min, 8192);
	assert_int_equal(blk.limits.io_opt, 65536);
	/* Within the physical block: 0 or 1 of two. */
	ignores(alignment_offset, 2);
	assert_int_equal(blk.limits.alignment_offset, 0);
	ignores(alignment_offset, 255);
	assert_int_equal(blk.limits.alignment_offset, 0);
	accepts(alignment_offset, 0);
	accepts(physical_block_exp, 0);
	ignores(alignment_offset, 1);
	assert_int_equal(blk.limits.alignment_offset, 0);
	config.alignment_offset = 0;
	accepts(physical_block_exp, 16);
	assert_int_equal(blk.limits.physical_block_size, 4096 << 16);
	ignores(physical_block_exp, 17);
	assert_int_equal(blk.limits.physical_block_size, 4096);
	ignores(physical_block_exp, 255);
	assert_int_equal(blk.limits.physical_block_size, 4096);
	config.blk_size = 65536;
	accepts(physical_block_exp, 15);
	assert_true(blk.limits.physical_block_size == 65536u << 15);
	ignores(physical_block_exp, 16);
	config.blk_size = 4096;
	config.physical_block_exp = 0;
	accepts(opt_io_size, U32_MAX / 4096);
	assert_int_equal(blk.limits.io_opt, U32_MAX / 4096 * 4096);
	ignores(opt_io_size, U32_MAX / 4096 + 1);
	assert_int_equal(blk.limits.io_opt, 0);
	ignores(opt_io_size, U32_MAX);
	assert_int_equal(blk.limits.io_opt, 0);
}

static void test_limits_discard(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_DISCARD) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE));
	accepts(max_discard_sectors, 1000);
	assert_int_equal(blk.limits.max_discard_sectors, 1000);
	assert_int_equal(blk.limits.max_discard_segments, 7);
	assert_int_equal(blk.limits.discard_granularity, 64 * 512);
	accepts(max_discard_sectors, 0);
	assert_int_equal(blk.limits.max_discard_sectors, U32_MAX);
	accepts(max_discard_seg, 0);
	assert_int_equal(blk.limits.max_discard_segments, 1);
	accepts(max_discard_seg, U32_MAX);
	assert_int_equal(blk.limits.max_discard_segments, 256);
	/* Not less than a block, and no number that does not fit. */
	accepts(discard_sector_alignment, 1);
	assert_int_equal(blk.limits.discard_granularity, 4096);
	ignores(discard_sector_alignment, U32_MAX >> 9);
	ignores(discard_sector_alignment, (U32_MAX >> 9) + 1);
	assert_int_equal(blk.limits.discard_granularity, 4096);
	/* Whole blocks, and not more than a range may have. */
	ignores(discard_sector_alignment, 12);
	assert_int_equal(blk.limits.discard_granularity, 4096);
	config.discard_sector_alignment = 64;
	accepts(max_discard_sectors, 64);
	assert_int_equal(blk.limits.discard_granularity, 64 * 512);
	ignores(max_discard_sectors, 63);
	assert_int_equal(blk.limits.max_discard_sectors, 56);
	assert_int_equal(blk.limits.discard_granularity, 4096);
	accepts(discard_sector_alignment, 0);
	accepts(max_discard_sectors, 8);
	assert_int_equal(blk.limits.max_discard_sectors, 8);
	/* Without discards their other limits do not matter, and are not complained of. */
	config.discard_sector_alignment = 64;
	ignores(max_discard_sectors, 7);
	assert_int_equal(blk.limits.max_discard_sectors, 0);
	assert_int_equal(blk.limits.max_discard_segments, 0);
	assert_int_equal(blk.limits.discard_granularity, 0);
}

static void test_limits_secure_erase(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE) | BIT_ULL(VIRTIO_BLK_F_BLK_SIZE));
	assert_int_equal(limits(), 0);
	/* A multiple of the alignment. */
	assert_int_equal(blk.limits.max_secure_erase_sectors, 496);
	assert_int_equal(blk.limits.max_discard_sectors, 0);
	accepts(secure_erase_sector_alignment, 0);
	accepts(max_secure_erase_sectors, 507);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 504);
	accepts(secure_erase_sector_alignment, 504);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 504);
	ignores(secure_erase_sector_alignment, 512);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 504);
	accepts(secure_erase_sector_alignment, 1);
	accepts(max_secure_erase_sectors, 0);
	assert_int_equal(blk.limits.max_secure_erase_sectors, (U32_MAX >> 9) / 8 * 8);
	accepts(max_secure_erase_sectors, 8);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 8);
	ignores(max_secure_erase_sectors, 7);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 0);

	/* With discards the smaller limit is that of both. */
	start(BIT_ULL(VIRTIO_BLK_F_SECURE_ERASE) | BIT_ULL(VIRTIO_BLK_F_DISCARD) |
	      BIT_ULL(VIRTIO_BLK_F_BLK_SIZE));
	assert_int_equal(limits(), 0);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 496);
	assert_int_equal(blk.limits.max_discard_sectors, 496);
	accepts(max_discard_sectors, 128);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 128);
	assert_int_equal(blk.limits.max_discard_sectors, 128);
	assert_int_equal(blk.limits.discard_granularity, 64 * 512);
	accepts(max_secure_erase_sectors, 64);
	assert_int_equal(blk.limits.discard_granularity, 64 * 512);
	accepts(max_secure_erase_sectors, 63);
	assert_int_equal(blk.limits.max_discard_sectors, 48);
	assert_int_equal(blk.limits.discard_granularity, 4096);
	ignores(max_secure_erase_sectors, 7);
	assert_int_equal(blk.limits.max_secure_erase_sectors, 0);
	assert_int_equal(blk.limits.max_discard_sectors, 128);
}

static void test_limits_write_zeroes(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_WRITE_ZEROES));
	accepts(max_write_zeroes_sectors, 2000);
	assert_int_equal(blk.limits.max_write_zeroes_sectors, 2000);
	accepts(max_write_zeroes_sectors, 0);
	assert_int_equal(blk.limits.max_write_zeroes_sectors, U32_MAX);
	vdev.features |= BIT_ULL(VIRTIO_BLK_F_BLK_SIZE);
	accepts(max_write_zeroes_sectors, 15);
	assert_int_equal(blk.limits.max_write_zeroes_sectors, 8);
	ignores(max_write_zeroes_sectors, 7);
	assert_int_equal(blk.limits.max_write_zeroes_sectors, 0);
	assert_int_equal(blk.limits.max_discard_sectors, 0);
}

static void test_limits_write_cache(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_FLUSH));
	assert_true(pvg_blk_read_write_cache(&vdev));
	start(BIT_ULL(VIRTIO_BLK_F_FLUSH) | BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE));
	assert_false(pvg_blk_read_write_cache(&vdev));
	config.wce = 1;
	assert_true(pvg_blk_read_write_cache(&vdev));
}

static void test_limits_queues(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_MQ));
	assert_int_equal(pvg_blk_read_nr_queues(&vdev), 3);
	config.num_queues = 65535;
	assert_int_equal(pvg_blk_read_nr_queues(&vdev), 65535);
	config.num_queues = 0;
	assert_int_equal(pvg_blk_read_nr_queues(&vdev), -EINVAL);
}

/* Whole blocks, and no more bytes than a signed offset can tell. */
static void test_limits_capacity(void **state)
{
	start(BIT_ULL(VIRTIO_BLK_F_BLK_SIZE));
	assert_int_equal(limits(), 0);
	config.capacity = 23;
	assert_int_equal(pvg_blk_read_capacity(&blk), 16);
	config.capacity = UINT64_MAX;
	assert_true(pvg_blk_read_capacity(&blk) <= LLONG_MAX >> 9);
	config.capacity = 0;
	assert_int_equal(pvg_blk_read_capacity(&blk), 0);
}

const struct CMUnitTest limits_tests[] = {
	cmocka_unit_test(test_limits_nothing),
	cmocka_unit_test(test_limits_segments),
	cmocka_unit_test(test_limits_block_size),
	cmocka_unit_test(test_limits_topology),
	cmocka_unit_test(test_limits_discard),
	cmocka_unit_test(test_limits_secure_erase),
	cmocka_unit_test(test_limits_write_zeroes),
	cmocka_unit_test(test_limits_write_cache),
	cmocka_unit_test(test_limits_queues),
	cmocka_unit_test(test_limits_capacity),
};

const size_t nr_limits_tests = sizeof(limits_tests) / sizeof(*limits_tests);

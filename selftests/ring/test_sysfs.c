// SPDX-License-Identifier: GPL-2.0-only
/* Unit tests of drivers/ring/sysfs.c and drivers/block/sysfs.c. */
#include "unit.h"
#include "block.h"
#include "../../drivers/block/pvg_blk.h"

static struct device_attribute *find(const struct attribute_group *group,
				     const char *name)
{
	struct attribute **attr;

	for (attr = group->attrs; *attr; attr++)
		if (!strcmp((*attr)->name, name))
			return container_of(*attr, struct device_attribute, attr);
	fail();
	return NULL;
}

/* As "echo VALUE > NAME" does. */
static ssize_t store(struct device *dev, const struct attribute_group *group,
		     const char *name, const char *value)
{
	struct device_attribute *attr = find(group, name);

	return attr->store(dev, attr, value, strlen(value));
}

static void shows(struct device *dev, const struct attribute_group *group,
		  const char *name, const char *value)
{
	struct device_attribute *attr = find(group, name);
	char buf[4096] = "";

	assert_int_equal(attr->show(dev, attr, buf), strlen(value));
	assert_string_equal(buf, value);
}

static ssize_t moderate(const char *name, const char *value)
{
	return store(&rig.vdev.dev, &pvg_moderation_group, name, value);
}

static void moderation_is(const char *name, const char *value)
{
	shows(&rig.vdev.dev, &pvg_moderation_group, name, value);
}

static void test_sysfs_policy(void **state)
{
	rig_start(EVENT, PVG_POLICY_ADAPTIVE, 16, 100);
	moderation_is("policy", "off fixed [adaptive]\n");
	assert_int_equal(moderate("policy", "off\n"), 4);
	moderation_is("policy", "[off] fixed adaptive\n");
	assert_int_equal(rig.q.mod.policy, PVG_POLICY_OFF);
	assert_int_equal(moderate("policy", "fixed"), 5);
	moderation_is("policy", "off [fixed] adaptive\n");
	assert_int_equal(moderate("policy", "fixedd\n"), -EINVAL);
	assert_int_equal(moderate("policy", ""), -EINVAL);
	assert_int_equal(rig.q.mod.policy, PVG_POLICY_FIXED);
	rig_stop();
}

static void test_sysfs_numbers(void **state)
{
	static const char * const bad[] = { "0", "4097", "x", "", "-1", "4294967297" };
	size_t i;
	u32 said;

	rig_start(EVENT, PVG_POLICY_FIXED, 16, 100);
	assert_int_equal(moderate("frames", "4096\n"), 5);
	moderation_is("frames", "4096\n");
	assert_int_equal(rig.q.mod.frames, 4096);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		said = model_said;
		assert_int_equal(moderate("frames", bad[i]), -EINVAL);
		assert_int_equal(model_said, said + 1);
	}
	moderation_is("frames", "4096\n");
	assert_int_equal(rig.q.mod.frames, 4096);
	assert_int_equal(moderate("usecs", "100000"), 6);
	assert_int_equal(moderate("usecs", "100001"), -EINVAL);
	moderation_is("usecs", "100000\n");
	rig_stop();
}

/* As debugfs has them, and set to 0 by a 1. */
static void test_sysfs_stats(void **state)
{
	struct device_attribute *attr = find(&pvg_moderation_group, "stats");
	char buf[4096] = "";
	u32 said;

	rig_start(EVENT, PVG_POLICY_OFF, 1, 100);
	rig_submit(3);
	rig_use(3);
	rig.q.stats.stayed = U64_MAX;
	assert_true(attr->show(&rig.vdev.dev, attr, buf) > 0);
	assert_non_null(strstr(buf, "submissions: 3\n"));
	assert_non_null(strstr(buf, "completions: 3\n"));
	assert_non_null(strstr(buf, "healed_irq: 0\n"));
	assert_non_null(strstr(buf, "submitters_stayed: 18446744073709551615\n"));
	said = model_said;
	assert_int_equal(moderate("stats_reset", "0\n"), -EINVAL);
	assert_int_equal(model_said, said + 1);
	assert_int_equal(rig.q.stats.submissions, 3);
	assert_int_equal(moderate("stats_reset", "1\n"), 2);
	assert_int_equal(rig.q.stats.submissions, 0);
	rig_stop();
}

static struct virtio_blk_config config;
static struct virtio_device vdev;
static struct pvg_blk blk;

static void start(u64 features)
{
	memset(&model_block, 0, sizeof(model_block));
	memset(&config, 0, sizeof(config));
	vdev = (struct virtio_device) {
		.features = features,
		.space = &config,
	};
	blk = (struct pvg_blk) {
		.vdev = &vdev,
		.disk = &model_block.disk,
	};
	model_block.disk.private_data = &blk;
}

static void disk_shows(const char *name, const char *value)
{
	shows(&model_block.disk.dev, pvg_blk_attr_groups[0], name, value);
	assert_int_equal(model_block.tables, 0);
}

/* A device without a serial number has an empty one. */
static void test_sysfs_serial(void **state)
{
	struct device_attribute *attr = find(pvg_blk_attr_groups[0], "serial");
	char buf[4096];

	start(0);
	disk_shows("serial", "model");
	model_block.id_status = BLK_STS_IOERR;
	disk_shows("serial", "");
	model_block.id_status = BLK_STS_NOTSUPP;
	disk_shows("serial", "");
	model_block.id_status = BLK_STS_RESOURCE;
	assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), -ENOMEM);
}

/* Who asks a disk that was given up does not wait for it. */
static void test_sysfs_serial_frozen(void **state)
{
	struct device_attribute *attr = find(pvg_blk_attr_groups[0], "serial");
	char buf[4096];

	start(0);
	blk.state = PVG_BLK_LIVE;
	model_block.frozen = 3;
	disk_shows("serial", "model");
	assert_int_equal(model_block.frozen, 0);
	model_block.frozen = 10;
	assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), -EINTR);
	blk.state = PVG_BLK_FAILED;
	model_block.frozen = 3;
	assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), -ENODEV);
}

/* As cat does; without @shown it is an error that the log has a line about. */
static void wear(const char *name, u16 value, const char *shown)
{
	struct device_attribute *attr = find(pvg_blk_attr_groups[1], name);
	struct pvg_blk_req *req = blk_mq_rq_to_pdu(&model_block.request);
	char buf[4096] = "";
	u32 said = model_said;

	/* The others have values that nothing may show. */
	memset(&req->lifetime, U8_MAX, sizeof(req->lifetime));
	switch (name[strlen(name) - 1]) {
	case 'o':
		req->lifetime.pre_eol_info = value;
		break;
	case 'a':
		req->lifetime.est_typ_a = value;
		break;
	default:
		req->lifetime.est_typ_b = value;
	}
	if (!shown) {
		assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), -EIO);
		assert_int_equal(model_said, said + 1);
		return;
	}
	assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), strlen(shown));
	assert_string_equal(buf, shown);
	assert_int_equal(req->own_type, VIRTIO_BLK_T_GET_LIFETIME);
	assert_int_equal(model_said, said);
}

static void test_sysfs_lifetime(void **state)
{
	const struct attribute_group *group = pvg_blk_attr_groups[1];
	struct device_attribute *attr = find(group, "pre_eol_info");
	char buf[4096] = "";

	start(BIT_ULL(VIRTIO_BLK_F_LIFETIME));
	wear("pre_eol_info", 0, "0\n");
	wear("pre_eol_info", 3, "3\n");
	wear("pre_eol_info", 4, NULL);
	wear("pre_eol_info", U16_MAX, NULL);
	wear("device_lifetime_est_typ_a", 11, "11\n");
	wear("device_lifetime_est_typ_a", 12, NULL);
	wear("device_lifetime_est_typ_b", 11, "11\n");
	wear("device_lifetime_est_typ_b", 12, NULL);
	model_block.id_status = BLK_STS_NOTSUPP;
	assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), -EOPNOTSUPP);
	model_block.id_status = BLK_STS_IOERR;
	assert_int_equal(attr->show(&model_block.disk.dev, attr, buf), -EIO);
	assert_int_equal(group->is_visible(&model_block.disk.dev.kobj, &attr->attr, 0), 0444);
	vdev.features = 0;
	assert_int_equal(group->is_visible(&model_block.disk.dev.kobj, &attr->attr, 0), 0);
}

static void test_sysfs_cache_type(void **state)
{
	const struct attribute_group *group = pvg_blk_attr_groups[0];
	struct device *dev = &model_block.disk.dev;

	start(BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE));
	disk_shows("cache_type", "write through\n");
	assert_int_equal(store(dev, group, "cache_type", "write back\n"), 11);
	assert_int_equal(config.wce, 1);
	assert_true(blk.limits.write_cache);
	disk_shows("cache_type", "write back\n");
	assert_int_equal(store(dev, group, "cache_type", "sideways"), -EINVAL);
	assert_int_equal(config.wce, 1);
	assert_int_equal(store(dev, group, "cache_type", "write through"), 13);
	assert_int_equal(config.wce, 0);
	assert_false(blk.limits.write_cache);
}

static void test_sysfs_timeout_action(void **state)
{
	const struct attribute_group *group = pvg_blk_attr_groups[0];
	struct device *dev = &model_block.disk.dev;

	start(0);
	disk_shows("timeout_action", "[wait] fail reset\n");
	assert_int_equal(store(dev, group, "timeout_action", "fail\n"), 5);
	assert_int_equal(blk.timeout_action, PVG_BLK_TIMEOUT_FAIL);
	assert_int_equal(store(dev, group, "timeout_action", "reset"), 5);
	disk_shows("timeout_action", "wait fail [reset]\n");
	model_said = 0;
	assert_int_equal(store(dev, group, "timeout_action", "hope\n"), -EINVAL);
	assert_int_equal(model_said, 1);
	assert_int_equal(blk.timeout_action, PVG_BLK_TIMEOUT_RESET);
	assert_int_equal(store(dev, group, "timeout_action", "wait"), 4);
	assert_int_equal(blk.timeout_action, PVG_BLK_TIMEOUT_WAIT);
}

#define BOUNDS "below_us: 1 2 4 8 16 32 64 128 256 512 1024 2048 4096 8192 16384"	\
	" 32768 65536 131072 262144 524288 1048576 2097152 4194304 8388608"	\
	" 16777216 33554432 inf\n"
#define NONE " 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
#define ALL_NONE BOUNDS "read:" NONE "write:" NONE "flush:" NONE		\
	"discard:" NONE "write_zeroes:" NONE "secure_erase:" NONE

static void test_sysfs_latency(void **state)
{
	static struct pvg_blk_latency counts;
	struct device_attribute *attr = find(pvg_blk_attr_groups[0], "latency");
	unsigned long *at = &counts.n[0][0];
	char buf[4096] = "";
	unsigned int i;

	start(0);
	counts = (struct pvg_blk_latency) {};
	blk.latency = &counts;
	disk_shows("latency", ALL_NONE);
	counts.n[0][0] = 17;
	counts.n[5][26] = 3;
	assert_true(attr->show(&model_block.disk.dev, attr, buf) > 0);
	assert_non_null(strstr(buf, "\nread: 17 0 0 "));
	assert_string_equal(buf + strlen(buf) - 5, " 0 3\n");
	pvg_blk_latency_reset(&blk.ring);
	disk_shows("latency", ALL_NONE);
	counts.n[1][1]++;
	assert_true(attr->show(&model_block.disk.dev, attr, buf) > 0);
	assert_non_null(strstr(buf, "\nwrite: 0 1 0 "));
	/* All of the greatest counts are within a page. */
	for (i = 0; i < sizeof(counts.n) / sizeof(*at); i++)
		at[i] = -1ul;
	memset(&blk.latency_base, 0, sizeof(blk.latency_base));
	assert_true(attr->show(&model_block.disk.dev, attr, buf) < sizeof(buf));
	assert_string_equal(buf + strlen(buf) - 2, "5\n");
}

/* What the device does not let be changed cannot be written to. */
static void test_sysfs_cache_type_mode(void **state)
{
	const struct attribute_group *group = pvg_blk_attr_groups[0];
	struct attribute *attr = &find(group, "cache_type")->attr;
	struct kobject *kobj = &model_block.disk.dev.kobj;

	start(BIT_ULL(VIRTIO_BLK_F_CONFIG_WCE));
	assert_int_equal(group->is_visible(kobj, attr, 1), 0644);
	start(BIT_ULL(VIRTIO_BLK_F_FLUSH));
	assert_int_equal(group->is_visible(kobj, attr, 1), 0444);
	disk_shows("cache_type", "write back\n");
}

const struct CMUnitTest sysfs_tests[] = {
	cmocka_unit_test(test_sysfs_policy),
	cmocka_unit_test(test_sysfs_numbers),
	cmocka_unit_test(test_sysfs_stats),
	cmocka_unit_test(test_sysfs_serial),
	cmocka_unit_test(test_sysfs_serial_frozen),
	cmocka_unit_test(test_sysfs_lifetime),
	cmocka_unit_test(test_sysfs_cache_type),
	cmocka_unit_test(test_sysfs_cache_type_mode),
	cmocka_unit_test(test_sysfs_timeout_action),
	cmocka_unit_test(test_sysfs_latency),
};

const size_t nr_sysfs_tests = sizeof(sysfs_tests) / sizeof(*sysfs_tests);

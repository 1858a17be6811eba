// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/bus/virtio/devices/<virtioN>/moderation/{policy,frames,usecs,stats,stats_reset}
 * Documentation/ABI.md describes them.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/virtio.h>

#include "core.h"

static const char * const policy_names[] = {
	[PVG_POLICY_OFF] = "off",
	[PVG_POLICY_FIXED] = "fixed",
	[PVG_POLICY_ADAPTIVE] = "adaptive",
};

const char *pvg_policy_name(enum pvg_policy policy)
{
	return policy_names[policy];
}

/* Apply @mod to the device, new queues included. */
static int apply(struct pvg_ring *ring, const struct pvg_moderation *mod)
{
	unsigned int i;
	int err;

	lockdep_assert_held(&ring->lock);

	err = pvg_moderation_check(ring->vdev, mod);
	if (err)
		return err;
	ring->mod = *mod;
	for (i = 0; i < ring->nr_queues; i++)
		pvg_queue_set_moderation(ring->queue(ring, i), mod);
	if (ring->changed)
		ring->changed(ring);
	return 0;
}

static ssize_t policy_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct pvg_ring *ring = dev_get_drvdata(dev);
	enum pvg_policy now;
	ssize_t len = 0;
	unsigned int i;

	mutex_lock(&ring->lock);
	now = ring->mod.policy;
	mutex_unlock(&ring->lock);

	for (i = 0; i < ARRAY_SIZE(policy_names); i++)
		len += sysfs_emit_at(buf, len, i == now ? "%s[%s]" : "%s%s",
				     i ? " " : "", policy_names[i]);
	len += sysfs_emit_at(buf, len, "\n");
	return len;
}

static ssize_t policy_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct pvg_ring *ring = dev_get_drvdata(dev);
	struct pvg_moderation mod;
	int policy, err;

	policy = sysfs_match_string(policy_names, buf);
	if (policy < 0) {
		dev_warn_ratelimited(dev,
				     "moderation: unknown policy, allowed are off, fixed and adaptive\n");
		return policy;
	}
	mutex_lock(&ring->lock);
	mod = ring->mod;
	mod.policy = policy;
	err = apply(ring, &mod);
	mutex_unlock(&ring->lock);
	return err ?: count;
}

static DEVICE_ATTR_RW(policy);

static ssize_t number_show(struct device *dev, const u32 *field, char *buf)
{
	struct pvg_ring *ring = dev_get_drvdata(dev);
	u32 value;

	mutex_lock(&ring->lock);
	value = *field;
	mutex_unlock(&ring->lock);
	return sysfs_emit(buf, "%u\n", value);
}

static int number_parse(struct device *dev, const char *name, const char *buf,
			u32 *value)
{
	int err = kstrtou32(buf, 0, value);

	if (err)
		dev_warn_ratelimited(dev,
				     "moderation: %s is not a number from %u to %u\n",
				     name, 1,
				     *name == 'f' ? PVG_FRAMES_MAX :
						    PVG_USECS_MAX);
	return err ? -EINVAL : 0;
}

#define MODERATION_NUMBER(_name)					\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct pvg_ring *ring = dev_get_drvdata(dev);			\
									\
	return number_show(dev, &ring->mod._name, buf);			\
}									\
									\
static ssize_t _name##_store(struct device *dev,			\
			     struct device_attribute *attr,		\
			     const char *buf, size_t count)		\
{									\
	struct pvg_ring *ring = dev_get_drvdata(dev);			\
	struct pvg_moderation mod;					\
	u32 value;							\
	int err;							\
									\
	err = number_parse(dev, #_name, buf, &value);			\
	if (err)							\
		return err;						\
	mutex_lock(&ring->lock);					\
	mod = ring->mod;						\
	mod._name = value;						\
	err = apply(ring, &mod);					\
	mutex_unlock(&ring->lock);					\
	return err ?: count;						\
}									\
									\
static DEVICE_ATTR_RW(_name)

MODERATION_NUMBER(frames);
MODERATION_NUMBER(usecs);

/* Of all queues together; debugfs has them one by one, and more. */
static ssize_t stats_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct pvg_ring *ring = dev_get_drvdata(dev);
	struct pvg_queue_stats sum = {};
	ssize_t len = 0;
	unsigned int i;

	for (i = 0; i < ring->nr_queues; i++)
		pvg_stats_add(&sum, ring->queue(ring, i));
	for (i = 0; pvg_stats_name(i); i++)
		len += sysfs_emit_at(buf, len, "%s: %llu\n", pvg_stats_name(i),
				     (unsigned long long)pvg_stats_value(&sum, i));
	return len;
}

static DEVICE_ATTR_RO(stats);

static ssize_t stats_reset_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *buf, size_t count)
{
	struct pvg_ring *ring = dev_get_drvdata(dev);
	unsigned int i;

	if (!sysfs_streq(buf, "1")) {
		dev_warn_ratelimited(dev,
				     "moderation: stats_reset takes 1 and nothing else\n");
		return -EINVAL;
	}
	for (i = 0; i < ring->nr_queues; i++)
		pvg_stats_reset(ring->queue(ring, i));
	if (ring->stats_reset)
		ring->stats_reset(ring);
	return count;
}

static DEVICE_ATTR_WO(stats_reset);

static struct attribute *moderation_attrs[] = {
	&dev_attr_policy.attr,
	&dev_attr_frames.attr,
	&dev_attr_usecs.attr,
	&dev_attr_stats.attr,
	&dev_attr_stats_reset.attr,
	NULL,
};

const struct attribute_group pvg_moderation_group = {
	.name = "moderation",
	.attrs = moderation_attrs,
};

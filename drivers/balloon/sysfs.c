// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/bus/virtio/devices/<virtioN>/balloon/{target,actual,floor,restore_limit,
 * ranges,rate,report,report_delay}
 * Documentation/ABI.md describes them.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/sysfs.h>
#include <linux/virtio.h>

#include "pvg_balloon.h"

#define REPORT_DELAY_MIN_MS	100u
#define REPORT_DELAY_MAX_MS	3600000u

static struct pvg_balloon *to_balloon(struct device *dev)
{
	return dev_to_virtio(dev)->priv;
}

static ssize_t show_pages(char *buf, unsigned long pages)
{
	return sysfs_emit(buf, "%llu\n", (u64)pages << PAGE_SHIFT);
}

static ssize_t target_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return show_pages(buf, READ_ONCE(to_balloon(dev)->target));
}

static DEVICE_ATTR_RO(target);

static ssize_t actual_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return show_pages(buf, READ_ONCE(to_balloon(dev)->stored));
}

static DEVICE_ATTR_RO(actual);

static ssize_t floor_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return show_pages(buf, READ_ONCE(to_balloon(dev)->floor));
}

static ssize_t floor_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	struct pvg_balloon *b = to_balloon(dev);
	/* What is in the balloon may or may not count as memory. */
	u64 most = (u64)(totalram_pages() + READ_ONCE(b->stored)) << PAGE_SHIFT;
	u64 bytes;

	if (kstrtou64(buf, 0, &bytes) || bytes > most) {
		dev_warn_ratelimited(dev,
				     "balloon: floor is not a number of bytes from 0 to %llu\n",
				     most);
		return -EINVAL;
	}
	WRITE_ONCE(b->floor, DIV_ROUND_UP_ULL(bytes, PAGE_SIZE));
	/* As after a new target: try again at once. */
	set_bit(PVG_TARGET_CHANGED, &b->flags);
	pvg_balloon_kick(b);
	return count;
}

static DEVICE_ATTR_RW(floor);

static ssize_t restore_limit_show(struct device *dev,
				  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(to_balloon(dev)->restore_limit));
}

static ssize_t restore_limit_store(struct device *dev,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	struct pvg_balloon *b = to_balloon(dev);
	unsigned int limit;

	if (kstrtouint(buf, 0, &limit)) {
		dev_warn_ratelimited(dev,
				     "balloon: restore_limit is not a number of pages from 0 to %u\n",
				     UINT_MAX);
		return -EINVAL;
	}
	WRITE_ONCE(b->restore_limit, limit);
	set_bit(PVG_TARGET_CHANGED, &b->flags);
	pvg_balloon_kick(b);
	return count;
}

static DEVICE_ATTR_RW(restore_limit);

static ssize_t ranges_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	struct pvg_balloon *b = to_balloon(dev);
	unsigned int order;
	ssize_t len;

	len = sysfs_emit(buf, "0 %lu\n", READ_ONCE(b->nr_singles));
	for (order = 1; order <= PVG_MAX_ORDER; order++)
		len += sysfs_emit_at(buf, len, "%u %lu\n", order,
				     READ_ONCE(b->nr_ranges[order]));
	return len;
}

static DEVICE_ATTR_RO(ranges);

static ssize_t rate_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(to_balloon(dev)->rate));
}

static DEVICE_ATTR_RO(rate);

static ssize_t report_store(struct device *dev, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct pvg_balloon *b = to_balloon(dev);
	unsigned int value;

	if (!b->reports)
		return -EOPNOTSUPP;
	if (kstrtouint(buf, 0, &value) || value != 1) {
		dev_warn_ratelimited(dev, "balloon: report takes 1 only\n");
		return -EINVAL;
	}
	set_bit(PVG_REPORT_NOW, &b->flags);
	pvg_balloon_report_soon(b);
	return count;
}

static DEVICE_ATTR_WO(report);

static ssize_t report_delay_show(struct device *dev,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n",
			  READ_ONCE(to_balloon(dev)->report_delay_ms));
}

static ssize_t report_delay_store(struct device *dev,
				  struct device_attribute *attr,
				  const char *buf, size_t count)
{
	struct pvg_balloon *b = to_balloon(dev);
	unsigned int ms;

	if (!b->reports)
		return -EOPNOTSUPP;
	if (kstrtouint(buf, 0, &ms) || ms < REPORT_DELAY_MIN_MS ||
	    ms > REPORT_DELAY_MAX_MS) {
		dev_warn_ratelimited(dev,
				     "balloon: report_delay is not a number of milliseconds from %u to %u\n",
				     REPORT_DELAY_MIN_MS, REPORT_DELAY_MAX_MS);
		return -EINVAL;
	}
	WRITE_ONCE(b->report_delay_ms, ms);
	pvg_balloon_report_soon(b);
	return count;
}

static DEVICE_ATTR_RW(report_delay);

static struct attribute *balloon_attrs[] = {
	&dev_attr_target.attr,
	&dev_attr_actual.attr,
	&dev_attr_floor.attr,
	&dev_attr_restore_limit.attr,
	&dev_attr_ranges.attr,
	&dev_attr_rate.attr,
	&dev_attr_report.attr,
	&dev_attr_report_delay.attr,
	NULL,
};

const struct attribute_group pvg_balloon_group = {
	.name = "balloon",
	.attrs = balloon_attrs,
};

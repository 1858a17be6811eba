// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/block/vdX/{serial,cache_type}, as the in-tree driver has them,
 * timeout_action, and what the device says of its wear; latency is in latency.c.
 * Documentation/ABI.md describes them.
 */
#include <linux/sysfs.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_blk.h"

static struct pvg_blk *dev_to_blk(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

/* Ask the device for its serial number (virtio 1.2, 5.2.6, GET_ID). */
static int get_id(struct gendisk *disk, char *id)
{
	struct request *rq;
	int err;

	rq = pvg_blk_alloc_request(disk->private_data, VIRTIO_BLK_T_GET_ID);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	err = pvg_blk_rq_map_kern(rq, id, VIRTIO_BLK_ID_BYTES, GFP_KERNEL);
	if (!err)
		err = blk_status_to_errno(blk_execute_rq(rq, false));
	blk_mq_free_request(rq);
	return err;
}

static ssize_t serial_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	char *id;
	ssize_t len;

	/* The device writes here: memory of its own, not the stack. */
	id = kzalloc(VIRTIO_BLK_ID_BYTES + 1, GFP_KERNEL);
	if (!id)
		return -ENOMEM;
	len = get_id(dev_to_disk(dev), id);
	id[VIRTIO_BLK_ID_BYTES] = '\0';
	if (!len)
		len = sysfs_emit(buf, "%s", id);
	else if (len == -EIO || len == -EOPNOTSUPP)
		len = 0;	/* a device without a serial number */
	kfree(id);
	return len;
}

static DEVICE_ATTR_RO(serial);

static const char * const cache_types[] = {
	"write through", "write back"
};

static ssize_t cache_type_show(struct device *dev,
			       struct device_attribute *attr, char *buf)
{
	struct pvg_blk *blk = dev_to_blk(dev);

	return sysfs_emit(buf, "%s\n",
			  cache_types[pvg_blk_read_write_cache(blk->vdev)]);
}

static ssize_t cache_type_store(struct device *dev,
				struct device_attribute *attr,
				const char *buf, size_t count)
{
	struct pvg_blk *blk = dev_to_blk(dev);
	int type, err;

	type = sysfs_match_string(cache_types, buf);
	if (type < 0) {
		dev_warn_ratelimited(&blk->vdev->dev,
				     "unknown cache type, allowed are \"write through\" and \"write back\"\n");
		return type;
	}
	virtio_cwrite8(blk->vdev, offsetof(struct virtio_blk_config, wce),
		       type);
	/* What the device made of it; kept for after a reset. */
	blk->limits.write_cache = pvg_blk_read_write_cache(blk->vdev);
	err = pvg_blk_set_write_cache(blk->disk->queue,
				      blk->limits.write_cache);
	return err ?: count;
}

static DEVICE_ATTR_RW(cache_type);

static const char * const timeout_actions[] = {
	[PVG_BLK_TIMEOUT_WAIT] = "wait",
	[PVG_BLK_TIMEOUT_FAIL] = "fail",
	[PVG_BLK_TIMEOUT_RESET] = "reset",
};

static ssize_t timeout_action_show(struct device *dev,
				   struct device_attribute *attr, char *buf)
{
	enum pvg_blk_timeout_action now =
		READ_ONCE(dev_to_blk(dev)->timeout_action);
	ssize_t len = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(timeout_actions); i++)
		len += sysfs_emit_at(buf, len, i == now ? "%s[%s]" : "%s%s",
				     i ? " " : "", timeout_actions[i]);
	len += sysfs_emit_at(buf, len, "\n");
	return len;
}

/* Takes effect at the next timeout, of requests in flight too. */
static ssize_t timeout_action_store(struct device *dev,
				    struct device_attribute *attr,
				    const char *buf, size_t count)
{
	struct pvg_blk *blk = dev_to_blk(dev);
	int action = sysfs_match_string(timeout_actions, buf);

	if (action < 0) {
		dev_warn_ratelimited(&blk->vdev->dev,
				     "unknown timeout_action, allowed are wait, fail and reset\n");
		return action;
	}
	WRITE_ONCE(blk->timeout_action, action);
	return count;
}

static DEVICE_ATTR_RW(timeout_action);

/* Ask the device for its wear (virtio 1.2, 5.2.6, GET_LIFETIME). */
static int get_lifetime(struct pvg_blk *blk, struct pvg_blk_lifetime *lifetime)
{
	struct pvg_blk_req *req;
	struct request *rq;
	int err;

	rq = pvg_blk_alloc_request(blk, VIRTIO_BLK_T_GET_LIFETIME);
	if (IS_ERR(rq))
		return PTR_ERR(rq);
	req = blk_mq_rq_to_pdu(rq);
	err = blk_status_to_errno(blk_execute_rq(rq, false));
	*lifetime = req->lifetime;
	blk_mq_free_request(rq);
	return err;
}

/* What the device says is shown only if it is allowed to say so. */
static ssize_t show_lifetime(struct pvg_blk *blk, const char *name,
			     __virtio16 answer, u16 most, char *buf)
{
	u16 value = virtio16_to_cpu(blk->vdev, answer);

	if (value <= most)
		return sysfs_emit(buf, "%u\n", value);
	dev_warn_ratelimited(&blk->vdev->dev,
			     "%s is %u, at most %u, or the device has not written it\n",
			     name, value, most);
	return -EIO;
}

#define LIFETIME(_name, _field, _most)					\
static ssize_t _name##_show(struct device *dev,				\
			    struct device_attribute *attr, char *buf)	\
{									\
	struct pvg_blk *blk = dev_to_blk(dev);				\
	struct pvg_blk_lifetime lifetime;				\
	int err = get_lifetime(blk, &lifetime);				\
									\
	return err ?: show_lifetime(blk, #_name, lifetime._field,	\
				    _most, buf);			\
}									\
									\
static DEVICE_ATTR_RO(_name)

/* How much of its reserve is consumed: 1 below 80%, 2 from 80, 3 from 90; 0: unknown. */
LIFETIME(pre_eol_info, pre_eol_info, 3);
/* The tenth of their life that SLC cells are in; 11: beyond it; 0: unknown. */
LIFETIME(device_lifetime_est_typ_a, est_typ_a, 11);
/* The same of MLC cells. */
LIFETIME(device_lifetime_est_typ_b, est_typ_b, 11);

static struct attribute *blk_attrs[] = {
	&dev_attr_serial.attr,
	&dev_attr_cache_type.attr,
	&dev_attr_timeout_action.attr,
	&dev_attr_latency.attr,
	NULL,
};

static struct attribute *lifetime_attrs[] = {
	&dev_attr_pre_eol_info.attr,
	&dev_attr_device_lifetime_est_typ_a.attr,
	&dev_attr_device_lifetime_est_typ_b.attr,
	NULL,
};

/* The cache type can be changed only where the device lets us. */
static umode_t attr_is_visible(struct kobject *kobj, struct attribute *attr,
			       int n)
{
	struct pvg_blk *blk = dev_to_blk(kobj_to_dev(kobj));

	if (attr == &dev_attr_cache_type.attr &&
	    !virtio_has_feature(blk->vdev, VIRTIO_BLK_F_CONFIG_WCE))
		return 0444;
	return attr->mode;
}

static const struct attribute_group blk_attr_group = {
	.attrs = blk_attrs,
	.is_visible = attr_is_visible,
};

static umode_t lifetime_is_visible(struct kobject *kobj,
				   struct attribute *attr, int n)
{
	struct pvg_blk *blk = dev_to_blk(kobj_to_dev(kobj));

	return virtio_has_feature(blk->vdev, VIRTIO_BLK_F_LIFETIME) ? attr->mode : 0;
}

static const struct attribute_group lifetime_group = {
	.attrs = lifetime_attrs,
	.is_visible = lifetime_is_visible,
};

const struct attribute_group *pvg_blk_attr_groups[] = {
	&blk_attr_group,
	&lifetime_group,
	NULL,
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transport: a virtio device that is registered by this module, and whose
 * other end is a work item. What it does with packets is in net.c, with requests
 * in block.c, with pages in balloon.c, with ports in console.c.
 *
 *	/sys/kernel/debug/pvg_fakehost/state   settings and counters, name: value
 *	.../inject	something comes to the guest: see net.c, console.c, balloon.c
 *	.../bad		"MODE COUNT": the next COUNT times, see bad_names[]
 *	.../needs_reset	anything: DEVICE_NEEDS_RESET
 *	.../target	pages that a balloon shall have, sectors of a disk
 *	.../fault	see fault.c
 *	.../power	"freeze" or "restore", as a transport does for a suspend; or
 *			"shutdown", as the kernel does when it ends
 *
 * Of several devices the first has these files, and each other one in .../pvg_fakehost/N.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/debugfs.h>
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "fakehost.h"
#include "pvguest/compat.h"
#include "pvguest/compat_net.h"

static char *kind = "net";
module_param(kind, charp, 0444);
MODULE_PARM_DESC(kind, "what the device is: net, block, balloon or console");

static uint devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "how many of them there are, 1 to 32");
static uint ring = FH_RING;
module_param(ring, uint, 0444);
MODULE_PARM_DESC(ring, "descriptors in each ring, a power of two");
static bool no_config;
module_param(no_config, bool, 0444);
MODULE_PARM_DESC(no_config, "its configuration cannot be read");
static bool early;
module_param(early, bool, 0444);
MODULE_PARM_DESC(early, "it uses a buffer that was never available as soon as the driver is ready");

#define FH_DEVICES	32

static struct fh_dev *fakes[FH_DEVICES];
static struct device *parent;
static struct dentry *root;

static const char * const bad_names[FH_BAD_MODES] = {
	[FH_BAD_NONE] = "none",
	[FH_BAD_LEN_HUGE] = "len-huge",
	[FH_BAD_LEN_MORE] = "len-more",
	[FH_BAD_LEN_SHORT] = "len-short",
	[FH_BAD_LEN_ZERO] = "len-zero",
	[FH_BAD_BUFFERS_ZERO] = "buffers-zero",
	[FH_BAD_BUFFERS_MANY] = "buffers-many",
	[FH_BAD_GSO_TYPE] = "gso-type",
	[FH_BAD_GSO_SIZE] = "gso-size",
	[FH_BAD_CSUM_START] = "csum-start",
	[FH_BAD_ID] = "id",
	[FH_BAD_TWICE] = "twice",
	[FH_BAD_INDEX] = "index",
	[FH_BAD_STATUS] = "status",
	[FH_BAD_UNSUPP] = "unsupp",
	[FH_BAD_NO_STATUS] = "no-status",
	[FH_BAD_CTRL_SILENT] = "ctrl-silent",
	[FH_BAD_CTRL_REFUSE] = "ctrl-refuse",
	[FH_BAD_CTRL_LIE] = "ctrl-lie",
};

/* Is it time to do wrong what @bad names? */
bool fh_take_bad(struct fh_dev *dev, enum fh_bad bad)
{
	if (dev->bad != bad || !dev->bad_count)
		return false;
	dev->bad_count--;
	return true;
}

/* fh_push(), perhaps with what is wrong in the ring itself. */
void fh_push_spoiled(struct fh_dev *dev, struct fh_vq *q, u16 id, u32 len)
{
	if (fh_take_bad(dev, FH_BAD_LEN_HUGE))
		len = U32_MAX;
	if (fh_take_bad(dev, FH_BAD_LEN_ZERO))
		len = 0;
	if (fh_take_bad(dev, FH_BAD_ID))
		id = U16_MAX;
	/*
	 * Both at once: between them the driver could use the descriptor for another request,
	 * take the second answer for that one's, and free what we are about to read.
	 */
	fh_push_times(q, id, len, fh_take_bad(dev, FH_BAD_TWICE) ? 2 : 1);
	if (fh_take_bad(dev, FH_BAD_INDEX)) {
		/* The driver takes what is older for answers, and frees what we would read. */
		q->lied = true;
		q->used += FH_RING + 100;
		fh_push(q, id, len);
	}
}

static struct fh_dev *to_fake(struct virtio_device *vdev)
{
	return container_of(vdev, struct fh_dev, vdev);
}

static void fh_get(struct virtio_device *vdev, unsigned int offset, void *buf,
		   unsigned int len)
{
	struct fh_dev *dev = to_fake(vdev);
	unsigned int size = dev->kind->config_len;
	const void *config = &dev->config;

	memset(buf, 0, len);
	if (offset < size)
		memcpy(buf, config + offset, min(len, size - offset));
}

static void fh_set(struct virtio_device *vdev, unsigned int offset,
		   const void *buf, unsigned int len)
{
	struct fh_dev *dev = to_fake(vdev);
	unsigned int size = dev->kind->config_len;
	void *config = &dev->config;

	if (offset < size)
		memcpy(config + offset, buf, min(len, size - offset));
}

static u8 fh_get_status(struct virtio_device *vdev)
{
	return READ_ONCE(to_fake(vdev)->status);
}

static void fh_set_status(struct virtio_device *vdev, u8 status)
{
	struct fh_dev *dev = to_fake(vdev);

	mutex_lock(&dev->lock);
	if (early && dev->vqs[0].vq &&
	    (status & ~dev->status & VIRTIO_CONFIG_S_DRIVER_OK))
		fh_push(&dev->vqs[0], U16_MAX, 0);
	dev->status = status;
	mutex_unlock(&dev->lock);
	schedule_work(&dev->work);
}

static void fh_reset(struct virtio_device *vdev)
{
	struct fh_dev *dev = to_fake(vdev);
	unsigned int i;

	mutex_lock(&dev->lock);
	dev->status = 0;
	dev->pairs_set = 1;
	memset(dev->coal, 0, sizeof(dev->coal));
	for (i = 0; i < FH_VQS; i++)
		fh_vq_stop(&dev->vqs[i]);
	fh_fault_reset(dev);
	if (dev->kind->reset)
		dev->kind->reset(dev);
	mutex_unlock(&dev->lock);
}

static bool fh_notify(struct virtqueue *vq)
{
	struct fh_dev *dev = to_fake(vq->vdev);

	if (fh_is_mute(dev))
		return false;
	dev->vqs[vq->index].kicks++;
	if (!fh_kick_is_lost(dev, &dev->vqs[vq->index]))
		schedule_work(&dev->work);
	return true;
}

static void fh_del_vqs(struct virtio_device *vdev)
{
	struct fh_dev *dev = to_fake(vdev);
	struct virtqueue *vq, *next;

	mutex_lock(&dev->lock);
	list_for_each_entry_safe(vq, next, &vdev->vqs, list) {
		fh_vq_stop(&dev->vqs[vq->index]);
		vring_del_virtqueue(vq);
	}
	mutex_unlock(&dev->lock);
}

static struct virtqueue *create_vq(struct fh_dev *dev, unsigned int i,
				   vq_callback_t *callback, const char *name)
{
	struct virtqueue *vq;

	vq = vring_create_virtqueue(i, ring, PAGE_SIZE, &dev->vdev, true,
				    false, false, fh_notify, callback, name);
	if (!vq)
		return NULL;
	vq->num_max = ring;
	mutex_lock(&dev->lock);
	fh_vq_start(&dev->vqs[i], vq);
	mutex_unlock(&dev->lock);
	return vq;
}

#ifdef PVG_HAVE_VIRTQUEUE_INFO
static int fh_find_vqs(struct virtio_device *vdev, unsigned int n,
		       struct virtqueue *vqs[], struct virtqueue_info info[],
		       struct irq_affinity *desc)
#define FH_CALLBACK(i)	(info[i].callback)
#define FH_NAME(i)	(info[i].name)
#else
static int fh_find_vqs(struct virtio_device *vdev, unsigned int n,
		       struct virtqueue *vqs[], vq_callback_t *callbacks[],
		       const char * const names[], const bool *ctx,
		       struct irq_affinity *desc)
#define FH_CALLBACK(i)	(callbacks[i])
#define FH_NAME(i)	(names[i])
#endif
{
	unsigned int i;

	if (n > to_fake(vdev)->nr_vqs)
		return -EINVAL;
	for (i = 0; i < n; i++) {
		vqs[i] = create_vq(to_fake(vdev), i, FH_CALLBACK(i), FH_NAME(i));
		if (!vqs[i]) {
			fh_del_vqs(vdev);
			return -ENOMEM;
		}
	}
	return 0;
}

static u64 fh_get_features(struct virtio_device *vdev)
{
	return BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX) |
	       to_fake(vdev)->kind->features();
}

static int fh_finalize_features(struct virtio_device *vdev)
{
	bool ring_reset = __virtio_test_bit(vdev, VIRTIO_F_RING_RESET);

	vring_transport_features(vdev);
	/* It belongs to the transport rather than to the ring. */
	if (ring_reset)
		__virtio_set_bit(vdev, VIRTIO_F_RING_RESET);
	return 0;
}

static const char *fh_bus_name(struct virtio_device *vdev)
{
	return "pvg_fakehost";
}

static int fh_disable_vq(struct virtqueue *vq)
{
	struct fh_dev *dev = to_fake(vq->vdev);

	mutex_lock(&dev->lock);
	fh_vq_stop(&dev->vqs[vq->index]);
	mutex_unlock(&dev->lock);
	vq->reset = true;
	return 0;
}

/* A ring that is enabled again has the coalescing of its kind. */
static int fh_enable_vq(struct virtqueue *vq)
{
	struct fh_dev *dev = to_fake(vq->vdev);
	struct fh_vq *q = &dev->vqs[vq->index];
	unsigned int way = vq->index % 2;

	mutex_lock(&dev->lock);
	fh_vq_start(q, vq);
	fh_set_coalescing(q, dev->coal[way].max_packets,
			  dev->coal[way].max_usecs);
	mutex_unlock(&dev->lock);
	vq->reset = false;
	return 0;
}

static const struct virtio_config_ops config_ops = {
	.get			= fh_get,
	.set			= fh_set,
	.get_status		= fh_get_status,
	.set_status		= fh_set_status,
	.reset			= fh_reset,
	.find_vqs		= fh_find_vqs,
	.del_vqs		= fh_del_vqs,
	.get_features		= fh_get_features,
	.finalize_features	= fh_finalize_features,
	.bus_name		= fh_bus_name,
	.disable_vq_and_reset	= fh_disable_vq,
	.enable_vq_after_reset	= fh_enable_vq,
};

static struct virtio_config_ops own_ops;

static void fh_work(struct work_struct *work)
{
	struct fh_dev *dev = container_of(work, struct fh_dev, work);

	mutex_lock(&dev->lock);
	if ((dev->status & VIRTIO_CONFIG_S_DRIVER_OK) && !fh_is_silent(dev))
		dev->kind->process(dev);
	mutex_unlock(&dev->lock);
}

static void show_balloon(struct seq_file *m, const struct fh_dev *dev)
{
	unsigned int i;

	seq_printf(m, "actual: %u\n", le32_to_cpu(dev->balloon.actual));
	seq_printf(m, "looks: %u\n", dev->looks);
	seq_puts(m, "hint_ids:");
	for (i = 0; i < dev->hint_count; i++)
		seq_printf(m, " %x", dev->hint_ids[i]);
	seq_puts(m, "\n");
}

static int state_show(struct seq_file *m, void *unused)
{
	struct fh_dev *dev = m->private;
	unsigned int i;

	mutex_lock(&dev->lock);
	seq_printf(m, "status: 0x%x\n", dev->status);
	seq_printf(m, "pairs: %u\n", dev->pairs_set);
	seq_printf(m, "mac: %pM\n", dev->mac);
	seq_printf(m, "commands: %llu\n", dev->commands);
	seq_printf(m, "commands_ok: %llu\n", dev->commands_ok);
	seq_printf(m, "held: %llu\n", dev->held);
	seq_printf(m, "ranges: %llu\n", dev->ranges);
	seq_printf(m, "appends: %llu\n", dev->appends);
	seq_printf(m, "appended_at: %llu\n", dev->appended_at);
	if (dev->kind == &fh_balloon)
		show_balloon(m, dev);
	seq_printf(m, "bad: %s %u\n", bad_names[dev->bad], dev->bad_count);
	fh_fault_show(m, dev);
	for (i = 0; i < FH_VQS; i++) {
		struct fh_vq *q = &dev->vqs[i];

		seq_printf(m, "vq%u_max_packets: %u\n", i, q->max_packets);
		seq_printf(m, "vq%u_max_usecs: %u\n", i, q->max_usecs);
		seq_printf(m, "vq%u_packets: %llu\n", i, q->packets);
		seq_printf(m, "vq%u_bytes: %llu\n", i, q->bytes);
		seq_printf(m, "vq%u_kicks: %llu\n", i, q->kicks);
		seq_printf(m, "vq%u_interrupts: %llu\n", i, q->interrupts);
		seq_printf(m, "vq%u_drops: %llu\n", i, q->drops);
	}
	mutex_unlock(&dev->lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

/* What was written, as a string. Return: 0 or a negative errno. */
static int get_line(const char __user *from, size_t count, char *line,
		    size_t size)
{
	if (count >= size)
		return -EINVAL;
	if (copy_from_user(line, from, count))
		return -EFAULT;
	line[count] = '\0';
	return 0;
}

static ssize_t inject_write(struct file *file, const char __user *from,
			    size_t count, loff_t *pos)
{
	struct fh_dev *dev = file_inode(file)->i_private;
	char *line;
	int err;

	if (!dev->kind->inject || count >= PAGE_SIZE)
		return -EINVAL;
	line = memdup_user_nul(from, count);
	if (IS_ERR(line))
		return PTR_ERR(line);
	err = dev->kind->inject(dev, line);
	kfree(line);
	return err ?: count;
}

static const struct file_operations inject_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = inject_write,
};

static ssize_t bad_write(struct file *file, const char __user *from,
			 size_t count, loff_t *pos)
{
	struct fh_dev *dev = file_inode(file)->i_private;
	char line[64], name[32];
	unsigned int n;
	int err = get_line(from, count, line, sizeof(line)), mode;

	if (err)
		return err;
	if (sscanf(line, "%31s %u", name, &n) != 2)
		return -EINVAL;
	mode = match_string(bad_names, FH_BAD_MODES, name);
	if (mode < 0)
		return mode;
	mutex_lock(&dev->lock);
	dev->bad = mode;
	dev->bad_count = n;
	mutex_unlock(&dev->lock);
	return count;
}

static const struct file_operations bad_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = bad_write,
};

static ssize_t needs_reset_write(struct file *file, const char __user *from,
				 size_t count, loff_t *pos)
{
	struct fh_dev *dev = file_inode(file)->i_private;

	mutex_lock(&dev->lock);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	mutex_unlock(&dev->lock);
	virtio_config_changed(&dev->vdev);
	return count;
}

static const struct file_operations needs_reset_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = needs_reset_write,
};

static ssize_t target_write(struct file *file, const char __user *from,
			    size_t count, loff_t *pos)
{
	struct fh_dev *dev = file_inode(file)->i_private;
	u32 pages;
	int err = kstrtou32_from_user(from, count, 0, &pages);

	if (err)
		return err;
	if (dev->kind == &fh_balloon)
		WRITE_ONCE(dev->balloon.num_pages, cpu_to_le32(pages));
	else if (dev->kind == &fh_block)
		dev->blk.capacity = cpu_to_virtio64(&dev->vdev, pages);
	else
		return -EINVAL;
	virtio_config_changed(&dev->vdev);
	return count;
}

static const struct file_operations target_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = target_write,
};

#ifdef CONFIG_PM_SLEEP
/* What device_shutdown() does with a device. */
static int shut_down(struct device *device)
{
	device_lock(device);
	if (device->bus->shutdown)
		device->bus->shutdown(device);
	else if (device->driver && device->driver->shutdown)
		device->driver->shutdown(device);
	device_unlock(device);
	return 0;
}

static ssize_t power_write(struct file *file, const char __user *from,
			   size_t count, loff_t *pos)
{
	struct fh_dev *dev = file_inode(file)->i_private;
	char line[16];
	int err = get_line(from, count, line, sizeof(line));

	if (err)
		return err;
	if (sysfs_streq(line, "freeze"))
		err = virtio_device_freeze(&dev->vdev);
	else if (sysfs_streq(line, "restore"))
		err = virtio_device_restore(&dev->vdev);
	else if (sysfs_streq(line, "shutdown"))
		err = shut_down(&dev->vdev.dev);
	else
		err = -EINVAL;
	return err ?: count;
}

static const struct file_operations power_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = power_write,
};
#endif

static void fh_release(struct device *device)
{
	struct fh_dev *dev = to_fake(dev_to_virtio(device));

	vfree(dev->disk);
	kfree(dev);
}

static struct fh_dev *fh_create(const struct fh_kind *what, unsigned int index)
{
	struct fh_dev *dev;
	unsigned int i;
	int err;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	mutex_init(&dev->lock);
	INIT_WORK(&dev->work, fh_work);
	fh_fault_init(dev);
	for (i = 0; i < FH_VQS; i++)
		fh_vq_init(&dev->vqs[i]);
	dev->index = index;
	dev->kind = what;
	dev->nr_vqs = what->nr_vqs;
	err = what->init(dev);
	if (err) {
		kfree(dev);
		return ERR_PTR(err);
	}
	dev->pairs_set = 1;
	dev->vdev.id.device = what->id;
	dev->vdev.id.vendor = 0x70766774;
	own_ops = config_ops;
	if (no_config)
		own_ops.get = NULL;
	dev->vdev.config = &own_ops;
	dev->vdev.dev.parent = parent;
	dev->vdev.dev.release = fh_release;
	return dev;
}

static const struct fh_kind *kind_named(const char *name)
{
	if (!strcmp(name, "net"))
		return &fh_net;
	if (!strcmp(name, "block"))
		return &fh_block;
	if (!strcmp(name, "balloon"))
		return &fh_balloon;
	if (!strcmp(name, "console"))
		return &fh_console;
	return NULL;
}

static void add_files(struct fh_dev *dev)
{
	struct dentry *dir = root;
	char name[8];

	if (dev->index) {
		snprintf(name, sizeof(name), "%u", dev->index);
		dir = debugfs_create_dir(name, root);
	}
	debugfs_create_file("state", 0400, dir, dev, &state_fops);
	debugfs_create_file("inject", 0200, dir, dev, &inject_fops);
	debugfs_create_file("bad", 0200, dir, dev, &bad_fops);
	debugfs_create_file("fault", 0200, dir, dev, &fh_fault_fops);
	debugfs_create_file("needs_reset", 0200, dir, dev, &needs_reset_fops);
	debugfs_create_file("target", 0200, dir, dev, &target_fops);
#ifdef CONFIG_PM_SLEEP
	debugfs_create_file("power", 0200, dir, dev, &power_fops);
#endif
}

static int add(const struct fh_kind *what, unsigned int index)
{
	struct fh_dev *dev = fh_create(what, index);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	err = register_virtio_device(&dev->vdev);
	if (err) {
		put_device(&dev->vdev.dev);
		return err;
	}
	fakes[index] = dev;
	add_files(dev);
	return 0;
}

static void remove_all(void)
{
	struct fh_dev *dev;
	unsigned int i;

	debugfs_remove(root);
	for (i = 0; i < devices && fakes[i]; i++) {
		dev = fakes[i];
		get_device(&dev->vdev.dev);
		unregister_virtio_device(&dev->vdev);
		cancel_work_sync(&dev->work);
		cancel_delayed_work_sync(&dev->late.work);
		put_device(&dev->vdev.dev);
	}
	root_device_unregister(parent);
}

static int __init fh_init(void)
{
	const struct fh_kind *what = kind_named(kind);
	unsigned int i;
	int err;

	if (!what) {
		pr_err("kind is '%s', allowed are net, block, balloon and console\n",
		       kind);
		return -EINVAL;
	}
	if (!devices || devices > FH_DEVICES) {
		pr_err("devices is %u, allowed are 1 to %u\n", devices,
		       FH_DEVICES);
		return -EINVAL;
	}
	parent = root_device_register("pvg_fakehost");
	if (IS_ERR(parent))
		return PTR_ERR(parent);
	/* For AF_XDP, which maps its memory whatever the device needs. */
	parent->dma_mask = &parent->coherent_dma_mask;
	*parent->dma_mask = DMA_BIT_MASK(64);
	root = debugfs_create_dir("pvg_fakehost", NULL);
	for (i = 0; i < devices; i++) {
		err = add(what, i);
		if (err) {
			remove_all();
			return err;
		}
	}
	return 0;
}

static void __exit fh_exit(void)
{
	remove_all();
}

module_init(fh_init);
module_exit(fh_exit);

MODULE_DESCRIPTION("pvguest test-only virtio device");
MODULE_LICENSE("GPL");

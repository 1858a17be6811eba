// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page reporting (virtio 1.2, section 5.5.6.7): the kernel isolates free
 * ranges, we tell the host, the kernel puts them back. Until the host has
 * answered they must not be used, so waiting ends with the device's answer or
 * with its reset, which a device that does not answer gets.
 *
 * When that happens is the kernel's business: 2 s after something of the order got
 * free. Here it is brought forward, by not waiting for the kernel's timer; or put
 * off, by registering only for as long as a report takes. What has been reported and
 * is still free the kernel does not report again, whoever was registered meanwhile.
 */
#include <linux/jiffies.h>
#include <linux/moduleparam.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>

#include "pvg_balloon.h"

#define PASSES_MAX	64	/* while memory becomes free as fast, there is no end */

static unsigned int report_order;
module_param(report_order, uint, 0444);
MODULE_PARM_DESC(report_order,
		 "free blocks of 2^report_order pages and more are reported (default 0: the kernel's choice, a page block)");

static bool device_answers(struct pvg_balloon *b)
{
	struct pvg_balloon_req *req = &b->report_req;
	unsigned int tries;

	for (tries = 0; tries < PVG_DEVICE_DEADLINE / HZ; tries++)
		if (pvg_balloon_wait_req(req, HZ))
			return !req->failed;
	dev_warn_ratelimited(&b->vdev->dev,
			     "the device does not take reported pages: resetting it\n");
	set_bit(PVG_STUCK, &b->flags);
	pvg_balloon_recover(b);
	/* As long as it takes to reset a device. */
	while (!pvg_balloon_wait_req(req, HZ))
		;
	return !req->failed;
}

/* As many ranges as one request takes; returns how many, or an error. */
static int tell(struct pvg_balloon *b, struct scatterlist **sg,
		unsigned int left)
{
	struct pvg_balloon_req *req = &b->report_req;
	unsigned int n = 0;
	int err;

	if (READ_ONCE(b->state) != PVG_BALLOON_LIVE ||
	    !pvg_balloon_take_req(req, PVG_REQ_REPORT))
		return -EIO;
	while (n < left && pvg_balloon_req_fits(req, 1)) {
		pvg_balloon_req_add(req, sg_page(*sg),
				    (*sg)->length >> PAGE_SHIFT);
		*sg = sg_next(*sg);
		n++;
	}
	err = pvg_balloon_send(req);
	if (err)
		return err;
	return device_answers(b) ? n : -EIO;
}

static int report(struct page_reporting_dev_info *info,
		  struct scatterlist *sg, unsigned int nents)
{
	struct pvg_balloon *b = container_of(info, struct pvg_balloon,
					     reporting);
	unsigned long flags;
	int n;

	while (nents) {
		n = tell(b, &sg, nents);
		if (n < 0)
			return n;
		nents -= n;
		spin_lock_irqsave(&b->lock, flags);
		b->counts.reported += b->report_req.pages;
		spin_unlock_irqrestore(&b->lock, flags);
	}
	return 0;
}

static bool can_report(const struct pvg_balloon *b)
{
	return IS_ENABLED(CONFIG_PAGE_REPORTING) &&
	       virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_REPORTING);
}

static int start_reporting(struct pvg_balloon *b)
{
	int err = 0;

	if (!b->reporting_registered)
		err = page_reporting_register(&b->reporting);
	if (!err)
		b->reporting_registered = true;
	return err;
}

static void stop_reporting(struct pvg_balloon *b)
{
	if (b->reporting_registered)
		page_reporting_unregister(&b->reporting);
	b->reporting_registered = false;
}

/*
 * The kernel spreads what there is to report over 16 passes or so, 2 s apart: each that
 * is not the last has scheduled another.
 */
static void report_all(struct pvg_balloon *b)
{
	unsigned int passes = 0;

	do
		flush_delayed_work(&b->reporting.work);
	while (delayed_work_pending(&b->reporting.work) &&
	       READ_ONCE(b->state) == PVG_BALLOON_LIVE &&
	       ++passes < PASSES_MAX);
}

/* Not on the driver's own queue, which may not wait for the kernel's. */
static void report_work(struct work_struct *work)
{
	struct pvg_balloon *b = container_of(to_delayed_work(work),
					     struct pvg_balloon, report_work);
	unsigned int ms = READ_ONCE(b->report_delay_ms);

	if (start_reporting(b))
		return;		/* another balloon reports meanwhile */
	if (test_and_clear_bit(PVG_REPORT_NOW, &b->flags) ||
	    ms > PVG_REPORT_DELAY_MS)
		report_all(b);
	else if (ms < PVG_REPORT_DELAY_MS)
		flush_delayed_work(&b->reporting.work);
	if (ms > PVG_REPORT_DELAY_MS)
		stop_reporting(b);
	if (ms != PVG_REPORT_DELAY_MS)
		schedule_delayed_work(&b->report_work, msecs_to_jiffies(ms));
}

/**
 * pvg_balloon_report_soon() - have what was changed about reporting done at once
 * @b: the device, to which free pages are reported
 *
 * Context: any. Does not wait for it.
 */
void pvg_balloon_report_soon(struct pvg_balloon *b)
{
	cancel_delayed_work(&b->report_work);
	schedule_delayed_work(&b->report_work, 0);
}

/* Context: any. */
void pvg_balloon_init_reporting(struct pvg_balloon *b)
{
	INIT_DELAYED_WORK(&b->report_work, report_work);
	b->report_delay_ms = PVG_REPORT_DELAY_MS;
}

/**
 * pvg_balloon_register_reporting() - have the kernel report its free pages
 * @b: the device, live
 *
 * Context: may sleep. Return: 0, also where another balloon does that already;
 * -EINVAL for a module parameter out of range, or another negative errno.
 */
int pvg_balloon_register_reporting(struct pvg_balloon *b)
{
	int err;

	if (report_order > PVG_MAX_ORDER) {
		dev_err(&b->vdev->dev,
			"report_order %u out of range, allowed are 0 to %u\n",
			report_order, PVG_MAX_ORDER);
		return -EINVAL;
	}
	if (!can_report(b))
		return 0;
	b->reporting.report = report;
	pvg_page_reporting_init(&b->reporting, report_order);
	err = start_reporting(b);
	b->reports = !err;
	if (err == -EBUSY) {
		dev_warn(&b->vdev->dev,
			 "another balloon reports free pages already\n");
		err = 0;
	}
	return err;
}

/*
 * The kernel may be waiting for the device in report() above: that must have
 * ended, or be about to end. Context: may sleep.
 */
void pvg_balloon_unregister_reporting(struct pvg_balloon *b)
{
	cancel_delayed_work_sync(&b->report_work);
	stop_reporting(b);
}

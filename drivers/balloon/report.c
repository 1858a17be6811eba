// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free page reporting (virtio 1.2, section 5.5.6.7): the kernel isolates free
 * ranges, we tell the host, the kernel puts them back. Until the host has
 * answered they must not be used, so waiting ends with the device's answer or
 * with its reset, which a device that does not answer gets.
 */
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "pvg_balloon.h"

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

/**
 * pvg_balloon_register_reporting() - have the kernel report its free pages
 * @b: the device, live
 *
 * Context: may sleep. Return: 0, also where another balloon does that already;
 * or a negative errno.
 */
int pvg_balloon_register_reporting(struct pvg_balloon *b)
{
	int err;

	if (!IS_ENABLED(CONFIG_PAGE_REPORTING) ||
	    !virtio_has_feature(b->vdev, VIRTIO_BALLOON_F_REPORTING))
		return 0;
	b->reporting.report = report;
	pvg_page_reporting_init(&b->reporting);
	err = page_reporting_register(&b->reporting);
	b->reporting_registered = !err;
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
	if (b->reporting_registered)
		page_reporting_unregister(&b->reporting);
	b->reporting_registered = false;
}

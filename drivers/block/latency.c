// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/block/vdX/latency: how many requests took how long, by operation.
 * Documentation/ABI.md describes it.
 *
 * A request begins when the block layer's own statistics of the disk have it begin, and
 * ends when the driver takes it back. queue/iostats switches both: while it is 0 nothing
 * is counted and no clock is read. While it is 1, the driver reads the clock once for all
 * requests that it takes back together.
 */
#include <linux/bitops.h>
#include <linux/blk-mq.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/percpu.h>
#include <linux/sysfs.h>

#include "pvg_blk.h"

static const char * const op_names[PVG_BLK_LATENCY_OPS] = {
	"read", "write", "flush", "discard", "write_zeroes", "secure_erase"
};

/* Of @op_names, or PVG_BLK_LATENCY_OPS for what is not counted. */
static unsigned int number_of(const struct request *rq)
{
	switch (req_op(rq)) {
	case REQ_OP_READ:
		return 0;
	case REQ_OP_WRITE:
	case REQ_OP_ZONE_APPEND:
		return 1;
	case REQ_OP_FLUSH:
		return 2;
	case REQ_OP_DISCARD:
		return 3;
	case REQ_OP_WRITE_ZEROES:
		return 4;
	case REQ_OP_SECURE_ERASE:
		return 5;
	default:
		return PVG_BLK_LATENCY_OPS;
	}
}

/* Bucket i has what took less than 2^i microseconds, the last one the rest. */
static unsigned int bucket_of(u64 start, u64 end)
{
	u64 ns = end > start ? end - start : 0;

	return min_t(unsigned int, fls64(div_u64(ns, NSEC_PER_USEC)),
		     PVG_BLK_LATENCY_BUCKETS - 1);
}

/**
 * pvg_blk_latency_count() - count requests that the device has answered
 * @blk: the device
 * @done: the requests, none of which has been completed
 *
 * Context: any; without locks, since each CPU has counters of its own.
 */
void pvg_blk_latency_count(struct pvg_blk *blk, const struct pvg_done *done)
{
	struct pvg_blk_req *req = done->first;
	u64 now;

	if (!req || !blk_queue_io_stat(blk->disk->queue))
		return;
	now = ktime_get_ns();
	for (; req; req = req->next) {
		struct request *rq = blk_mq_rq_from_pdu(req);
		unsigned int op = number_of(rq), i;

		/* Without a time: iostats was 0 when the request began. */
		if (op == PVG_BLK_LATENCY_OPS || !rq->start_time_ns)
			continue;
		i = bucket_of(rq->start_time_ns, now);
		this_cpu_inc(blk->latency->n[op][i]);
	}
}

/* Of all CPUs, since the driver was bound; wraps. */
static unsigned long sum(struct pvg_blk *blk, unsigned int op, unsigned int i)
{
	unsigned long n = 0;
	unsigned int cpu;

	for_each_possible_cpu(cpu)
		n += READ_ONCE(per_cpu_ptr(blk->latency, cpu)->n[op][i]);
	return n;
}

/**
 * pvg_blk_latency_reset() - all counts are 0
 * @ring: the moderated queues of the device
 *
 * The counters of a CPU are its own to write, so what they were is subtracted
 * from now on. Context: may sleep.
 */
void pvg_blk_latency_reset(struct pvg_ring *ring)
{
	struct pvg_blk *blk = container_of(ring, struct pvg_blk, ring);
	unsigned int op, i;

	mutex_lock(&blk->latency_lock);
	for (op = 0; op < PVG_BLK_LATENCY_OPS; op++)
		for (i = 0; i < PVG_BLK_LATENCY_BUCKETS; i++)
			blk->latency_base.n[op][i] = sum(blk, op, i);
	mutex_unlock(&blk->latency_lock);
}

/* At most 3.7 KiB, whatever the counts are. */
static ssize_t latency_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	struct pvg_blk *blk = dev_to_disk(dev)->private_data;
	unsigned int op, i;
	ssize_t len;

	len = sysfs_emit(buf, "below_us:");
	for (i = 0; i < PVG_BLK_LATENCY_BUCKETS - 1; i++)
		len += sysfs_emit_at(buf, len, " %u", 1u << i);
	len += sysfs_emit_at(buf, len, " inf\n");

	mutex_lock(&blk->latency_lock);
	for (op = 0; op < PVG_BLK_LATENCY_OPS; op++) {
		len += sysfs_emit_at(buf, len, "%s:", op_names[op]);
		for (i = 0; i < PVG_BLK_LATENCY_BUCKETS; i++)
			len += sysfs_emit_at(buf, len, " %lu",
					     sum(blk, op, i) -
					     blk->latency_base.n[op][i]);
		len += sysfs_emit_at(buf, len, "\n");
	}
	mutex_unlock(&blk->latency_lock);
	return len;
}

DEVICE_ATTR_RO(latency);

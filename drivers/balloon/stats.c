// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory statistics (virtio 1.2, section 5.5.6.3): the device holds one buffer
 * of them and hands it back when the host wants new ones.
 */
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <linux/virtio.h>
#include <linux/vmstat.h>

#include "pvg_balloon.h"

static unsigned int stats_tags = PVG_BALLOON_S_NR;
module_param(stats_tags, uint, 0644);
MODULE_PARM_DESC(stats_tags,
		 "only statistics of tags below this are sent (default 16: all, 0: none; Firecracker knew 10 until 2025 and shows none if it gets others)");

/* The wire format: packed, in the byte order of the device. */
static_assert(sizeof(struct virtio_balloon_stat) == 10);

static void put(struct pvg_balloon *b, u16 tag, u64 value)
{
	struct virtio_balloon_stat *stat;

	if (tag >= READ_ONCE(stats_tags))
		return;
	stat = &b->stats[b->nr_stats++];
	stat->tag = cpu_to_virtio16(b->vdev, tag);
	stat->val = cpu_to_virtio64(b->vdev, value);
}

static u64 bytes(unsigned long pages)
{
	return (u64)pages << PAGE_SHIFT;
}

static void put_memory(struct pvg_balloon *b)
{
	struct sysinfo info;

	si_meminfo(&info);
	put(b, VIRTIO_BALLOON_S_MEMFREE, bytes(info.freeram));
	put(b, VIRTIO_BALLOON_S_MEMTOT, bytes(info.totalram));
	put(b, VIRTIO_BALLOON_S_AVAIL, bytes(si_mem_available()));
	put(b, VIRTIO_BALLOON_S_CACHES,
	    bytes(global_node_page_state(NR_FILE_PAGES)));
}

#ifdef CONFIG_VM_EVENT_COUNTERS
static void put_reclaim(struct pvg_balloon *b, const unsigned long *events)
{
	unsigned long stalls = 0;
	int zone;

	for (zone = 0; zone < MAX_NR_ZONES; zone++)
		stalls += events[ALLOCSTALL_NORMAL - ZONE_NORMAL + zone];
	put(b, VIRTIO_BALLOON_S_OOM_KILL, events[OOM_KILL]);
	put(b, VIRTIO_BALLOON_S_ALLOC_STALL, stalls);
	put(b, VIRTIO_BALLOON_S_ASYNC_SCAN,
	    bytes(pvg_reclaim_count(events, PGSCAN_KSWAPD)));
	put(b, VIRTIO_BALLOON_S_DIRECT_SCAN,
	    bytes(pvg_reclaim_count(events, PGSCAN_DIRECT)));
	put(b, VIRTIO_BALLOON_S_ASYNC_RECLAIM,
	    bytes(pvg_reclaim_count(events, PGSTEAL_KSWAPD)));
	put(b, VIRTIO_BALLOON_S_DIRECT_RECLAIM,
	    bytes(pvg_reclaim_count(events, PGSTEAL_DIRECT)));
}

static void put_events(struct pvg_balloon *b)
{
	unsigned long events[NR_VM_EVENT_ITEMS];

	all_vm_events(events);
	put(b, VIRTIO_BALLOON_S_SWAP_IN, bytes(events[PSWPIN]));
	put(b, VIRTIO_BALLOON_S_SWAP_OUT, bytes(events[PSWPOUT]));
	put(b, VIRTIO_BALLOON_S_MAJFLT, events[PGMAJFAULT]);
	put(b, VIRTIO_BALLOON_S_MINFLT, events[PGFAULT]);
#ifdef CONFIG_HUGETLB_PAGE
	put(b, VIRTIO_BALLOON_S_HTLB_PGALLOC, events[HTLB_BUDDY_PGALLOC]);
	put(b, VIRTIO_BALLOON_S_HTLB_PGFAIL, events[HTLB_BUDDY_PGALLOC_FAIL]);
#endif
	put_reclaim(b, events);
}
#else
static void put_events(struct pvg_balloon *b)
{
}
#endif

static void give(struct pvg_balloon *b)
{
	struct pvg_queue *q = &b->queues[PVG_VQ_STATS].pvg;
	struct scatterlist sg, *sgs[] = { &sg };
	unsigned long flags;

	sg_init_one(&sg, b->stats, b->nr_stats * sizeof(*b->stats));
	flags = pvg_queue_lock(q);
	/* The host waits for the doorbell, and we for the next request. */
	if (pvg_queue_add(q, sgs, 1, 0, b->stats, true)) {
		pvg_queue_unlock(q, flags);
		return;
	}
	WRITE_ONCE(b->stats_out, true);
	pvg_queue_flush_unlock(q, flags);
}

/**
 * pvg_balloon_stats_work() - give the device fresh statistics
 * @work: &pvg_balloon.stats_work
 */
void pvg_balloon_stats_work(struct work_struct *work)
{
	struct pvg_balloon *b = container_of(work, struct pvg_balloon,
					     stats_work);

	if (READ_ONCE(b->stats_out))
		return;
	b->nr_stats = 0;
	put_memory(b);
	put_events(b);
	if (b->nr_stats)
		give(b);
}

static void stats_used(struct pvg_queue *q, void *token, u32 len,
		       struct pvg_done *done)
{
	struct pvg_balloon *b =
		container_of(q, struct pvg_balloon_queue, pvg)->b;

	pvg_queue_urgent_done(q);
	WRITE_ONCE(b->stats_out, false);
}

static void stats_done(struct pvg_queue *q, struct pvg_done *done)
{
	struct pvg_balloon *b =
		container_of(q, struct pvg_balloon_queue, pvg)->b;

	b->counts.stats++;
	queue_work(b->wq, &b->stats_work);
}

static void stats_broken(struct pvg_queue *q)
{
	pvg_balloon_recover(container_of(q, struct pvg_balloon_queue, pvg)->b);
}

const struct pvg_queue_ops pvg_balloon_stats_ops = {
	.keeps	= true,
	.used	= stats_used,
	.done	= stats_done,
	.broken	= stats_broken,
};

/* The device held the statistics when it was reset. */
void pvg_balloon_reclaim_stats(void *token)
{
}

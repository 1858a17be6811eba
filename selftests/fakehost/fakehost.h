/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * pvg_fakehost: a virtio device without a hypervisor, for tests only. It offers
 * what no hypervisor at hand does, and can be told to break the rules.
 */
#ifndef _PVG_FAKEHOST_H
#define _PVG_FAKEHOST_H

#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/virtio.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_net.h>
#include <linux/virtio_ring.h>
#include <linux/workqueue.h>

#define FH_VQS		5	/* at most; of net two pairs, and control */
#define FH_CTRL		(FH_VQS - 1)
#define FH_RING		256
#define FH_SEGS		64
#define FH_FRAME_MAX	2048
#define FH_ZONES	64u
#define FH_HINT_IDS	16	/* that are remembered */

/**
 * struct fh_chain - a buffer that the driver made available
 * @head: its first descriptor
 * @out: segments that are to be read; the others follow
 * @n: segments
 */
struct fh_chain {
	u16 head;
	unsigned int out;
	unsigned int n;
	struct {
		void *at;
		u32 len;
	} seg[FH_SEGS];
};

/**
 * struct fh_vq - the device's end of a split virtqueue
 * @vq: NULL while there is none
 * @seen: available entries taken
 * @used: used entries written
 * @signalled: @used when the driver was last told
 * @waiting: used entries that the driver was not told of
 * @max_packets: of these, until it is (VIRTIO_NET_F_NOTF_COAL); 0: at once
 * @max_usecs: how long one may wait; 0: not at all
 * @packets: for statistics, as the rest
 * @kick_turn: doorbells, to find the Nth that is lost
 * @irq_turn: interrupts, in the same way
 */
struct fh_vq {
	struct virtqueue *vq;
	u16 seen;
	bool lied;		/* buffers are the driver's again that it was not done with */
	spinlock_t lock;	/* of what follows */
	u16 used;
	u16 signalled;
	u32 waiting;
	u32 max_packets;
	u32 max_usecs;
	struct hrtimer timer;
	u64 packets;
	u64 bytes;
	u64 kicks;
	u64 interrupts;
	u64 drops;
	atomic_t kick_turn;
	atomic_t irq_turn;
};

/* Ways to break the rules: names in bad_names[]. */
enum fh_bad {
	FH_BAD_NONE,
	FH_BAD_LEN_HUGE,	/* more was written than there was room for */
	FH_BAD_LEN_MORE,	/* a little more */
	FH_BAD_LEN_SHORT,	/* less than a header */
	FH_BAD_LEN_ZERO,
	FH_BAD_BUFFERS_ZERO,	/* a packet of no buffers */
	FH_BAD_BUFFERS_MANY,	/* of more than the ring has */
	FH_BAD_GSO_TYPE,	/* a segmentation that does not exist */
	FH_BAD_GSO_SIZE,	/* one that was not negotiated, of size 0 */
	FH_BAD_CSUM_START,	/* a checksum beyond the packet */
	FH_BAD_ID,		/* a buffer that was never available */
	FH_BAD_TWICE,		/* a buffer that was used already */
	FH_BAD_INDEX,		/* more used than the ring has */
	FH_BAD_STATUS,		/* of a request: one that does not exist */
	FH_BAD_UNSUPP,		/* that it does not know the request */
	FH_BAD_NO_STATUS,	/* none at all */
	FH_BAD_CTRL_SILENT,	/* no answer to a command */
	FH_BAD_CTRL_REFUSE,	/* only errors */
	FH_BAD_CTRL_LIE,	/* a result that makes no sense */
	FH_BAD_MODES,
};

/* Faults on the way between driver and device: see fault.c. */
enum fh_fault {
	FH_LOSE_KICK,
	FH_LOSE_IRQ,
	FH_STALE_EVENT,
	FH_SILENT,
	FH_SLOW_EVERY,
	FH_SLOW_MS,
	FH_MUTE,
	FH_FAULTS,
};

/* As reports have them. */
enum fh_zone_state {
	FH_NOT_WP,
	FH_EMPTY,
	FH_IOPEN,
	FH_EOPEN,
	FH_CLOSED,
	FH_FULL = 14,
};

/**
 * struct fh_zone - a zone of a block device
 * @state: see enum fh_zone_state
 * @wp: sectors that were written
 */
struct fh_zone {
	enum fh_zone_state state;
	u32 wp;
};

struct fh_dev;

/**
 * struct fh_kind - what a device is
 * @id: VIRTIO_ID_
 * @nr_vqs: virtqueues, at most FH_VQS; @init may say otherwise
 * @config_len: bytes of configuration
 * @init: fills in the configuration; @index is set. Return: 0 or a negative errno
 * @reset: may be NULL. The device was reset; @lock held
 * @features: what it offers besides VERSION_1 and EVENT_IDX
 * @process: looks for what the driver has made available; @lock held
 * @inject: may be NULL. Something comes to the guest as @line says. Return: 0 or a
 *	negative errno
 */
struct fh_kind {
	u32 id;
	unsigned int nr_vqs;
	unsigned int config_len;
	int (*init)(struct fh_dev *dev);
	void (*reset)(struct fh_dev *dev);
	u64 (*features)(void);
	void (*process)(struct fh_dev *dev);
	int (*inject)(struct fh_dev *dev, const char *line);
};

/**
 * struct fh_dev - a device
 * @index: which of them
 * @nr_vqs: virtqueues that it has
 * @lock: of the rings, status and configuration; may sleep
 * @disk: of a block device, what it holds; of a balloon, which pages it has
 * @held: how many these are
 * @ranges: of discards, erases and writes of zeroes, how many a disk has done; @lock
 * @zones: of a disk that has any; @lock
 * @appends: how many it has done; @lock
 * @appended_at: where the last one is that was injected
 * @hint_ids: of a balloon, the first @hint_count that it was given; @lock
 * @hint_hold: it looks at no hint; @lock
 * @look_ms: for how long it locks a page that enters the balloon next; 0: none
 * @looks: how many pages it has locked; @lock
 * @chain: what is being served; @lock
 * @other: what is filled meanwhile; @lock
 * @bad: what to do wrong the next @bad_count times
 * @fault: value of each, as it was written
 * @slow_turn: requests, to find the Nth that is slow
 * @late: a request that takes long, while @late.q is set; @lock
 */
struct fh_dev {
	struct virtio_device vdev;
	unsigned int index;
	const struct fh_kind *kind;
	unsigned int nr_vqs;
	struct mutex lock;	/* see above */
	struct work_struct work;
	u8 status;
	union {
		struct virtio_net_config config;
		struct virtio_blk_config blk;
		struct virtio_balloon_config balloon;
		struct virtio_console_config console;
		u8 raw[96];
	};
	void *disk;
	u64 held;
	u64 ranges;
	struct fh_zone zones[FH_ZONES];
	u64 appends;
	u64 appended_at;
	u32 hint_ids[FH_HINT_IDS];
	unsigned int hint_count;
	bool hint_hold;
	unsigned int look_ms;
	unsigned int looks;
	struct fh_chain chain;
	struct fh_chain other;
	struct fh_vq vqs[FH_VQS];
	unsigned int pairs_set;
	u8 mac[6];	/* that the driver has set */
	u64 commands;
	u64 commands_ok;
	struct { u32 max_packets, max_usecs; } coal[2];	/* receive, transmit */
	enum fh_bad bad;
	u32 bad_count;
	atomic_t fault[FH_FAULTS];
	atomic_t slow_turn;
	atomic_t lost_kicks;
	atomic_t lost_irqs;
	struct {
		struct delayed_work work;
		struct fh_vq *q;
		u16 id;
		u32 len;
	} late;
};

/* ring.c */
bool fh_pop(struct fh_vq *q, struct fh_chain *c);
void fh_push(struct fh_vq *q, u16 id, u32 len);
void fh_push_times(struct fh_vq *q, u16 id, u32 len, u16 times);
void fh_signal(struct fh_vq *q);
bool fh_enable_kicks(struct fh_vq *q);
u32 fh_read(const struct fh_chain *c, u32 offset, void *to, u32 len);
u32 fh_write(const struct fh_chain *c, u32 offset, const void *from, u32 len);
u32 fh_room(const struct fh_chain *c);
void fh_vq_init(struct fh_vq *q);
void fh_vq_start(struct fh_vq *q, struct virtqueue *vq);
void fh_vq_stop(struct fh_vq *q);
void fh_set_coalescing(struct fh_vq *q, u32 max_packets, u32 max_usecs);

/* main.c */
bool fh_take_bad(struct fh_dev *dev, enum fh_bad bad);
void fh_push_spoiled(struct fh_dev *dev, struct fh_vq *q, u16 id, u32 len);

/* fault.c */
extern const struct file_operations fh_fault_fops;
bool fh_kick_is_lost(struct fh_dev *dev, struct fh_vq *q);
bool fh_is_mute(struct fh_dev *dev);
bool fh_irq_is_lost(struct fh_vq *q);
bool fh_event_is_stale(struct fh_vq *q);
bool fh_is_silent(struct fh_dev *dev);
bool fh_push_later(struct fh_dev *dev, struct fh_vq *q, u16 id, u32 len);
void fh_fault_init(struct fh_dev *dev);
void fh_fault_reset(struct fh_dev *dev);
void fh_fault_show(struct seq_file *m, struct fh_dev *dev);

/* block.c */
extern const struct fh_kind fh_block;

/* balloon.c */
extern const struct fh_kind fh_balloon;

/* console.c */
extern const struct fh_kind fh_console;

/* net.c */
extern const struct fh_kind fh_net;

/* echo.c */
bool fh_echo(void *frame, u32 len);
u32 fh_datagram(const struct virtio_net_config *config, void *frame);
#define FH_SEGMENT	100	/* bytes in each */
u32 fh_segments(const struct virtio_net_config *config, void *frame,
		unsigned int n, bool stale);

/* zoned.c */
bool fh_is_zoned(void);
u64 fh_zone_answer(u64 sector);
int fh_zone_inject(struct fh_dev *dev, const char *line);
void fh_zoned_init(struct fh_dev *dev);
u8 fh_zone_write(struct fh_dev *dev, u64 *sector, u32 bytes, bool append);
u8 fh_zone_serve(struct fh_dev *dev, const struct fh_chain *c, u32 type, u64 sector,
		 u32 room);

#endif /* _PVG_FAKEHOST_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of pvg_net share. */
#ifndef _PVG_NET_H
#define _PVG_NET_H

#include <linux/average.h>
#include <linux/bitmap.h>
#include <linux/if_vlan.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/scatterlist.h>
#include <linux/u64_stats_sync.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>
#include <net/xdp.h>

#include "pvguest/compat_net.h"
#include "pvguest/ring.h"

struct failover;
struct page_pool;
struct pvg_net;
struct xsk_buff_pool;

/* Room for what may follow the Ethernet header of the largest frame. */
#define PVG_NET_FRAME_MAX	(ETH_HLEN + VLAN_HLEN)

#define PVG_NET_TX_SG		((unsigned int)MAX_SKB_FRAGS + 2)
#define PVG_NET_BIG_SEGS	2	/* that follow the first, without MRG_RXBUF */
#define PVG_NET_BIG_SEG_SIZE	SZ_32K

/**
 * union pvg_net_hdr - what precedes each packet (virtio 1.2, section 5.1.6)
 *
 * Which one it is follows from the features; &pvg_net.hdr_len is its size.
 */
union pvg_net_hdr {
	struct virtio_net_hdr base;
	struct virtio_net_hdr_mrg_rxbuf mrg;
	struct virtio_net_hdr_v1_hash hash;
#if PVG_NET_TUNNEL
	struct virtio_net_hdr_v1_hash_tunnel tunnel;
#endif
};

enum pvg_net_tx_type {
	PVG_NET_TX_SKB,
	PVG_NET_TX_XDP,		/* a frame, to be returned */
	PVG_NET_TX_XSK,		/* a descriptor of an AF_XDP ring */
};

/**
 * struct pvg_net_tx_req - a packet that the device has or is to get
 * @next: free list, or list of the completed
 * @skb: PVG_NET_TX_SKB
 * @frame: PVG_NET_TX_XDP
 * @txq: its queue
 * @type: which of them
 * @bytes: of the packet, without header
 * @hdr: sent with the packet unless that has room for it; for DMA
 */
struct pvg_net_tx_req {
	struct pvg_net_tx_req *next;
	union {
		struct sk_buff *skb;
		struct xdp_frame *frame;
	};
	struct pvg_net_txq *txq;
	enum pvg_net_tx_type type;
	u32 bytes;
	union pvg_net_hdr *hdr;
};

/* What verdicts of XDP programs leave for the end of the poll. */
#define PVG_NET_FLUSH_TX	BIT(0)
#define PVG_NET_FLUSH_REDIRECT	BIT(1)

/* Packets and what became of them; @sync protects the 64-bit values. */
struct pvg_net_tx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t dropped;
	u64_stats_t xdp_packets;	/* by XDP_TX and redirection */
	u64_stats_t xdp_dropped;
	u64_stats_t stopped;		/* times that the ring was full */
	u64_stats_t woken;		/* times that such a queue took packets again */
	u64_stats_t timeouts;
};

struct pvg_net_rx_stats {
	struct u64_stats_sync sync;
	u64_stats_t packets;
	u64_stats_t bytes;
	u64_stats_t dropped;		/* no memory, or a bad header */
	u64_stats_t length_errors;	/* impossible length or buffer count */
	u64_stats_t frame_errors;	/* offload fields that make no sense */
	u64_stats_t alloc_failed;	/* buffers that could not be posted */
	u64_stats_t copied;		/* for being small, or of no shape for XDP */
	u64_stats_t xdp_packets;
	u64_stats_t xdp_drop;
	u64_stats_t xdp_tx;
	u64_stats_t xdp_redirect;
};

/**
 * struct pvg_net_coal - what the device was told for a queue (NOTF_COAL)
 * @frames: packets to an interrupt; 0: it is not to wait, which it starts with
 * @usecs: the longest wait
 */
struct pvg_net_coal {
	u32 frames;
	u32 usecs;
};

/**
 * struct pvg_net_txq - a transmit queue
 * @pvg: its virtqueue
 * @coal: rtnl
 * @reqs: one for each descriptor
 * @nr_reqs: how many
 * @free: of @reqs; the netdev queue's lock
 * @open: packets may be added, and taken back by others than NAPI; written and
 *	tested under the netdev queue's lock, so that who closes the queue knows
 *	when nobody is at it any more. Only an open queue may be woken.
 * @sg: for building a request; the netdev queue's lock
 */
struct pvg_net_txq {
	struct pvg_queue pvg;
	struct pvg_net *net;
	struct napi_struct napi;
	struct pvg_net_tx_req *reqs;
	u32 nr_reqs;
	struct pvg_net_tx_req *free;
	bool open;
	struct scatterlist sg[PVG_NET_TX_SG];
	struct xsk_buff_pool *xsk;	/* rtnl, with the ring stopped */
	struct pvg_net_tx_stats stats;
	struct pvg_net_coal coal;
	unsigned int index;
	bool napi_on;		/* between start and stop; rtnl */
	bool was_on;		/* while the ring is reset; rtnl */
	char name[16];
};

/**
 * struct pvg_net_rx_buf - memory for the device to write to
 * @next: free list, or list of the completed
 * @rxq: its queue
 * @va: its memory, from @pool; NULL if there is none now
 * @pool: where @va goes back to
 * @truesize: bytes at @va
 * @headroom: bytes that the device leaves alone
 * @room: bytes that the device may write from there on
 * @used: bytes that the device says it wrote, not yet validated
 * @more: what follows in a big buffer, PVG_NET_BIG_SEG_SIZE each
 * @xdp: with an AF_XDP pool, its memory instead
 */
struct pvg_net_rx_buf {
	struct pvg_net_rx_buf *next;
	struct pvg_net_rxq *rxq;
	void *va;
	struct page_pool *pool;
	u32 truesize;
	u32 headroom;
	u32 room;
	u32 used;
	void *more[PVG_NET_BIG_SEGS];
	struct xdp_buff *xdp;
};

/**
 * struct pvg_net_assembly - a packet of which buffers are still to come
 * @hdr: its header, a copy
 * @first: with XDP, the buffers of the packet; NULL as for @head
 * @last: the end of that list
 * @head: the packet; NULL if there is none, or it is being dropped
 * @tail: @head or the last of its fragment list
 * @missing: buffers
 */
struct pvg_net_assembly {
	union pvg_net_hdr hdr;
	struct pvg_net_rx_buf *first;
	struct pvg_net_rx_buf *last;
	struct sk_buff *head;
	struct sk_buff *tail;
	u32 missing;
};

DECLARE_EWMA(pvg_net_len, 0, 64)

/**
 * struct pvg_net_rxq - a receive queue
 * @pvg: its virtqueue
 * @pages: pool of single pages, cut in halves or not
 * @blocks: pool of larger ones
 * @bufs: one for each descriptor
 * @free: of @bufs; NAPI context, or NAPI disabled
 * @nr_free: how many; likewise
 * @avg_len: mean length of a packet
 * @posted: bytes that the device may write to
 * @share: how many these may be, but for the last buffer; SIZE_MAX: any
 * @share_max: the same as long as no mapping fails
 * @shrunk: when one failed or @share changed, in jiffies
 * @xdp_prog: runs on each packet, or NULL; rtnl, and RCU
 * @refill_work: has NAPI try again when buffers could not be posted
 * @coal: rtnl
 *
 * Everything without a remark belongs to the NAPI context.
 */
struct pvg_net_rxq {
	struct pvg_queue pvg;
	struct pvg_net *net;
	struct napi_struct napi;
	struct page_pool *pages;
	struct page_pool *blocks;
	struct pvg_net_rx_buf *bufs;
	struct pvg_net_rx_buf *free;
	u32 nr_free;
	struct ewma_pvg_net_len avg_len;
	size_t posted;
	size_t share;
	size_t share_max;
	unsigned long shrunk;
	struct pvg_net_assembly packet;
	struct scatterlist sg[1 + PVG_NET_BIG_SEGS];
	struct xdp_rxq_info xdp_rxq;
	struct xdp_rxq_info xsk_rxq;
	struct xsk_buff_pool *xsk;	/* rtnl, with the ring stopped */
	struct bpf_prog __rcu *xdp_prog;
	struct pvg_net_rx_stats stats;
	struct delayed_work refill_work;
	struct pvg_net_coal coal;
	unsigned int index;
	unsigned int xdp_flush;	/* to be done at the end of the poll */
	bool napi_on;		/* between start and stop; rtnl */
	char name[16];
};

/**
 * enum pvg_net_state - life of a device; see pvg_net_set_state() for the
 *	transitions
 * @PVG_NET_NEW: probe has not brought it up yet
 * @PVG_NET_LIVE: virtqueues work
 * @PVG_NET_HALTED: reset after a fault; recovery is to follow
 * @PVG_NET_STOPPED: reset for suspend or recovery
 * @PVG_NET_FAILED: could not be brought up again: no carrier, drops packets
 * @PVG_NET_DEAD: being removed
 */
enum pvg_net_state {
	PVG_NET_NEW,
	PVG_NET_LIVE,
	PVG_NET_HALTED,
	PVG_NET_STOPPED,
	PVG_NET_FAILED,
	PVG_NET_DEAD,
};

/**
 * struct pvg_net_ctrl - the control queue (virtio 1.2, section 5.1.6.5)
 * @vq: NULL without CTRL_VQ, and while the device is reset
 * @lock: one command at a time; may be taken under rtnl
 * @dead: a command was never answered and stays the device's until a reset
 */
struct pvg_net_ctrl {
	struct virtqueue *vq;
	struct mutex lock;	/* of everything here */
	bool dead;
};

/**
 * struct pvg_net_rss - receive-side scaling, as last set
 * @indir: queue of each hash value, @indir_size of them
 * @key: the Toeplitz key, @key_size bytes
 * @indir_size: power of two; 0 without RSS
 * @key_size: bytes
 * @types: VIRTIO_NET_RSS_HASH_TYPE_* that are on
 * @types_supported: those that the device knows
 */
struct pvg_net_rss {
	u16 *indir;
	u8 *key;
	u32 indir_size;
	u32 key_size;
	u32 types;
	u32 types_supported;
};

/**
 * struct pvg_net - one network device
 * @pairs: queue pairs that are of use here
 * @device_pairs: those that the device has
 * @active_pairs: those in use; rtnl
 * @halt: main.c: stop it if it is live; rtnl held
 * @state: written under @state_lock
 * @pools_gone: what page pools that are no longer there have counted; rtnl
 * @guest_offloads: GUEST_* feature bits the device is allowed; rtnl
 * @guest_offloads_all: those that were negotiated
 */
struct pvg_net {
	struct virtio_device *vdev;
	struct net_device *dev;
	struct pvg_ring ring;
	struct pvg_net_rxq *rxqs;
	struct pvg_net_txq *txqs;
	struct pvg_net_ctrl ctrl;
	struct pvg_net_rss rss;
	struct failover *failover;
	struct pvg_pool_stats pools_gone;

	/* Set by probe, then only read. */
	unsigned int pairs;
	unsigned int device_pairs;
	u32 hdr_len;
	bool tx_tunnel;		/* HOST_UDP_TUNNEL_GSO */
	bool rx_tunnel;		/* GUEST_UDP_TUNNEL_GSO */
	bool rx_tunnel_csum;
	u16 max_mtu;
	bool mergeable;
	bool big;		/* packets larger than the MTU, but not merged */
	bool little_endian;
	bool ring_registered;
	bool netdev_registered;
	void (*halt)(struct pvg_net *net);

	struct mutex state_lock;	/* of state; under rtnl */
	enum pvg_net_state state;
	bool have_vqs;

	unsigned int active_pairs;
	u64 guest_offloads;
	u64 guest_offloads_all;
	DECLARE_BITMAP(vlans, VLAN_N_VID);	/* rtnl */
	u32 speed;		/* rtnl */
	u8 duplex;		/* rtnl */
	unsigned long recovered;	/* jiffies of the last recovery */
	unsigned int recoveries;	/* from faults, in quick succession */
	bool faulty;		/* what the next recovery is for */

	u64 stats_types;	/* VIRTIO_NET_STATS_TYPE_* of use here */
	bool coal_refused;	/* said so; rtnl */

	struct work_struct config_work;
	struct work_struct coal_work;
	struct work_struct rx_mode_work;
	struct work_struct recover_work;
	struct work_struct affinity_work;
	struct hlist_node cpu_node;	/* affinity.c */
	bool follows_cpus;
};

static inline bool pvg_net_has(const struct pvg_net *net, unsigned int bit)
{
	return virtio_has_feature(net->vdev, bit);
}

/* Of GUEST_* bits, those that make packets larger than the MTU. */
static inline u64 pvg_net_large(u64 offloads)
{
	return offloads & ~BIT_ULL(VIRTIO_NET_F_GUEST_CSUM);
}

/* What struct skb_shared_info takes at the end of a buffer. */
static inline u32 pvg_net_tail_size(void)
{
	return SKB_DATA_ALIGN(sizeof(struct skb_shared_info));
}

/* One more of @counter, which is in @rxq->stats; by who writes these. */
static inline void pvg_net_rx_count(struct pvg_net_rxq *rxq,
				    u64_stats_t *counter)
{
	u64_stats_update_begin(&rxq->stats.sync);
	u64_stats_inc(counter);
	u64_stats_update_end(&rxq->stats.sync);
}

/* A packet of @len bytes came, whatever becomes of it; by who writes these. */
static inline void pvg_net_rx_count_packet(struct pvg_net_rxq *rxq, u32 len)
{
	u64_stats_update_begin(&rxq->stats.sync);
	u64_stats_inc(&rxq->stats.packets);
	u64_stats_add(&rxq->stats.bytes, len);
	u64_stats_update_end(&rxq->stats.sync);
}

/* state.c: life of the device; calls nothing of the other files */
void pvg_net_set_state(struct pvg_net *net, enum pvg_net_state next);
bool pvg_net_may_recover(struct pvg_net *net);
void pvg_net_give_up(struct pvg_net *net);
void pvg_net_restart(struct pvg_net *net);
void pvg_net_recover(struct pvg_net *net);
void pvg_net_halt(struct pvg_net *net);

/* hdr.c: what precedes packets */
void pvg_net_hdr_init(struct pvg_net *net);
int pvg_net_hdr_from_skb(const struct pvg_net *net, struct sk_buff *skb,
			 union pvg_net_hdr *hdr);
int pvg_net_hdr_to_skb(const struct pvg_net *net, struct sk_buff *skb,
		       union pvg_net_hdr *hdr);
u32 pvg_net_link_length(struct sk_buff *skb, __be16 *proto);

/* rsc.c: what the device coalesced */
int pvg_net_apply_rsc(const struct pvg_net *net, struct sk_buff *skb,
		      const struct virtio_net_hdr *hdr);

/* netdev.c: what the kernel's network core asks for */
extern const struct net_device_ops pvg_net_netdev_ops;
void pvg_net_init_netdev(struct pvg_net *net);
void pvg_net_start_queues(struct pvg_net *net);
void pvg_net_open_queues(struct pvg_net *net);
void pvg_net_stop_queues(struct pvg_net *net);
int pvg_net_set_pairs(struct pvg_net *net, unsigned int pairs);
int pvg_net_begin_pairs(struct pvg_net *net, unsigned int pairs);
u64 pvg_net_wanted_offloads(const struct pvg_net *net, netdev_features_t f);

/* affinity.c: which CPUs belong to a queue pair */
void pvg_net_init_affinity(struct pvg_net *net);
void pvg_net_spread(struct pvg_net *net);
int pvg_net_follow_cpus(struct pvg_net *net);
void pvg_net_ignore_cpus(struct pvg_net *net);
int pvg_net_affinity_init(void);
void pvg_net_affinity_exit(void);

/* filter.c: what the device is told, and tells, beside packets */
int pvg_net_set_guest_offloads(struct pvg_net *net, u64 offloads);
void pvg_net_update_link(struct pvg_net *net);
void pvg_net_config_work(struct work_struct *work);
void pvg_net_rx_mode_work(struct work_struct *work);
void pvg_net_set_rx_mode(struct net_device *dev);
void pvg_net_tell_address(struct pvg_net *net);
int pvg_net_set_mac(struct net_device *dev, void *addr);
int pvg_net_vlan_add(struct net_device *dev, __be16 proto, u16 vid);
int pvg_net_vlan_kill(struct net_device *dev, __be16 proto, u16 vid);
void pvg_net_restore_settings(struct pvg_net *net);

/* rxbuf.c */
int pvg_net_rx_alloc(struct pvg_net_rxq *rxq, u32 ring_size);
void pvg_net_rx_free(struct pvg_net_rxq *rxq);
void pvg_net_rx_refill(struct pvg_net_rxq *rxq, gfp_t gfp);
void pvg_net_rx_refill_work(struct work_struct *work);
void pvg_net_rx_recycle(struct pvg_net_rx_buf *buf);
void pvg_net_rx_recycle_chain(struct pvg_net_rx_buf *buf);
void pvg_net_rx_returned(struct pvg_net_rx_buf *buf);
void pvg_net_rx_reclaim(void *token);
void *pvg_net_rx_get_page(struct pvg_net_rxq *rxq);
void pvg_net_rx_put_piece(struct page_pool *pool, void *va);
void *pvg_net_rx_fit(struct pvg_net_rxq *rxq, void *from, u32 *size, u32 offset,
		     u32 len, u32 tail);
void pvg_net_rx_unfit(struct pvg_net_rxq *rxq, void *from, void *va, u32 size);

/* rx.c */
extern const struct pvg_queue_ops pvg_net_rx_ops;
int pvg_net_rx_poll(struct napi_struct *napi, int budget);
void pvg_net_rx_start(struct pvg_net_rxq *rxq);
int pvg_net_rx_resize(struct pvg_net_rxq *rxq, u32 num);
int pvg_net_rx_reset(struct pvg_net_rxq *rxq, struct xsk_buff_pool *pool);
void pvg_net_rx_stop(struct pvg_net_rxq *rxq);

/* tx.c */
extern const struct pvg_queue_ops pvg_net_tx_ops;
netdev_tx_t pvg_net_start_xmit(struct sk_buff *skb, struct net_device *dev);
int pvg_net_tx_poll(struct napi_struct *napi, int budget);
void pvg_net_tx_reap(struct pvg_net_txq *txq, int budget);
int pvg_net_tx_alloc(struct pvg_net_txq *txq, u32 ring_size);
void pvg_net_tx_free(struct pvg_net_txq *txq);
void pvg_net_tx_start(struct pvg_net_txq *txq);
void pvg_net_tx_open(struct pvg_net_txq *txq);
void pvg_net_tx_stop(struct pvg_net_txq *txq);
void pvg_net_tx_reclaim(void *token);
struct netdev_queue *pvg_net_netdev_queue(const struct pvg_net_txq *txq);

int pvg_net_tx_resize(struct pvg_net_txq *txq, u32 num);
int pvg_net_tx_reset(struct pvg_net_txq *txq, struct xsk_buff_pool *pool);
bool pvg_net_tx_has_room(struct pvg_net_txq *txq);
void pvg_net_tx_add_xsk(struct pvg_net_txq *txq, struct scatterlist *data,
			u32 len);
bool pvg_net_xdp_send(struct pvg_net *net, struct xdp_frame *frame);
void pvg_net_xdp_send_flush(struct pvg_net *net);
int pvg_net_xdp_xmit(struct net_device *dev, int n, struct xdp_frame **frames,
		     u32 flags);

/* xdp.c */
struct sk_buff *pvg_net_xdp_receive(struct pvg_net_rxq *rxq,
				    struct bpf_prog *prog,
				    struct pvg_net_rx_buf *first,
				    union pvg_net_hdr *hdr);
bool pvg_net_xdp_csum(struct pvg_net_rxq *rxq, struct xdp_buff *xdp,
		      union pvg_net_hdr *hdr);
void pvg_net_xdp_flush(struct pvg_net_rxq *rxq);
int pvg_net_bpf(struct net_device *dev, struct netdev_bpf *bpf);
u32 pvg_net_xdp_mtu_max(const struct pvg_net *net);
bool pvg_net_is_raw(const struct pvg_net *net);
bool pvg_net_can_be_raw(const struct pvg_net *net);
int pvg_net_set_raw(struct pvg_net *net, bool raw);

/* xsk.c */
int pvg_net_xsk_prepare(struct pvg_net_rx_buf *buf);
void pvg_net_xsk_map(struct pvg_net_rx_buf *buf);
u64_stats_t *pvg_net_xsk_receive(struct pvg_net_rxq *rxq, struct bpf_prog *prog,
				 struct pvg_net_rx_buf *buf,
				 struct sk_buff **skb);
int pvg_net_xsk_send(struct pvg_net_txq *txq, int budget);
int pvg_net_xsk_wakeup(struct net_device *dev, u32 queue, u32 flags);
bool pvg_net_xsk_bound(const struct pvg_net *net);
u32 pvg_net_xsk_mtu_max(const struct pvg_net *net);
int pvg_net_xsk_setup(struct pvg_net *net, struct xsk_buff_pool *pool,
		      u16 queue);

/* ctrl.c */
void pvg_net_ctrl_start(struct pvg_net *net, struct virtqueue *vq);
void pvg_net_ctrl_stop(struct pvg_net *net);
int pvg_net_ctrl(struct pvg_net *net, u8 class, u8 cmd, const void *data,
		 size_t len);
int pvg_net_ctrl_query(struct pvg_net *net, u8 class, u8 cmd, const void *data,
		       size_t len, void *result, size_t result_len);

/* moderation.c */
int pvg_net_get_coalesce(struct net_device *dev, struct ethtool_coalesce *ec,
			 struct kernel_ethtool_coalesce *kec,
			 struct netlink_ext_ack *extack);
int pvg_net_set_coalesce(struct net_device *dev, struct ethtool_coalesce *ec,
			 struct kernel_ethtool_coalesce *kec,
			 struct netlink_ext_ack *extack);
int pvg_net_get_queue_coalesce(struct net_device *dev, u32 queue,
			       struct ethtool_coalesce *ec);
int pvg_net_set_queue_coalesce(struct net_device *dev, u32 queue,
			       struct ethtool_coalesce *ec);

/* notf_coal.c: moderation by the device */
void pvg_net_coal_changed(struct pvg_ring *ring);
void pvg_net_coal_work(struct work_struct *work);
void pvg_net_coal_send(struct pvg_net *net);
void pvg_net_coal_forget(struct pvg_net_coal *coal);
void pvg_net_coal_forget_all(struct pvg_net *net);

/* devstats.c: what the device counts */
int pvg_net_devstats_query(struct pvg_net *net);
unsigned int pvg_net_devstats_count(const struct pvg_net *net);
u8 *pvg_net_devstats_names(const struct pvg_net *net, u8 *at);
u64 *pvg_net_devstats_read(struct pvg_net *net, u64 *at);
void pvg_net_devstats_fill(struct pvg_net *net, unsigned int queue, void *stats);

/* qstat.c: statistics of queues by netlink */
#ifdef PVG_HAVE_NETDEV_STAT_OPS
void pvg_net_init_qstat(struct net_device *dev);
#else
static inline void pvg_net_init_qstat(struct net_device *dev) { }
#endif

/* rss.c */
int pvg_net_rss_read(struct pvg_net *net);
void pvg_net_rss_free(struct pvg_net *net);
int pvg_net_rss_send(struct pvg_net *net, unsigned int pairs);
void pvg_net_rss_spread(struct pvg_net *net, unsigned int pairs);
void pvg_net_set_hash(struct sk_buff *skb,
		      const struct virtio_net_hdr_v1_hash *hdr);

#ifdef PVG_HAVE_XDP_RX_HASH
void pvg_net_init_xdp_metadata(struct net_device *dev);
#else
static inline void pvg_net_init_xdp_metadata(struct net_device *dev) { }
#endif

/* rxfh.c: struct ethtool_ops, in each kernel's form */
#ifdef PVG_HAVE_RXFH_FIELDS
u32 pvg_net_get_rx_ring_count(struct net_device *dev);
int pvg_net_get_rxfh_fields(struct net_device *dev,
			    struct ethtool_rxfh_fields *fields);
int pvg_net_set_rxfh_fields(struct net_device *dev,
			    const struct ethtool_rxfh_fields *fields,
			    struct netlink_ext_ack *extack);
#else
int pvg_net_get_rxnfc(struct net_device *dev, struct ethtool_rxnfc *info,
		      u32 *locs);
int pvg_net_set_rxnfc(struct net_device *dev, struct ethtool_rxnfc *info);
#endif
u32 pvg_net_get_rxfh_key_size(struct net_device *dev);
u32 pvg_net_get_rxfh_indir_size(struct net_device *dev);
#ifdef PVG_HAVE_RXFH_PARAM
int pvg_net_get_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh);
int pvg_net_set_rxfh(struct net_device *dev, struct ethtool_rxfh_param *rxfh,
		     struct netlink_ext_ack *extack);
#else
int pvg_net_get_rxfh(struct net_device *dev, u32 *indir, u8 *key, u8 *hfunc);
int pvg_net_set_rxfh(struct net_device *dev, const u32 *indir, const u8 *key,
		     const u8 hfunc);
#endif

/* stats.c: struct ethtool_ops */
int pvg_net_get_sset_count(struct net_device *dev, int set);
void pvg_net_get_strings(struct net_device *dev, u32 set, u8 *at);
void pvg_net_get_ethtool_stats(struct net_device *dev,
			       struct ethtool_stats *stats, u64 *at);

/* ethtool.c */
extern const struct ethtool_ops pvg_net_ethtool_ops;

#endif /* _PVG_NET_H */

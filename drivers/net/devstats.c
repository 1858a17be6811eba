// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the device counts (DEVICE_STATS; virtio 1.4, section 5.1.6.5.9), as
 * further lines of ethtool -S: rxN_device_, txN_device_ and ctrl_device_ with
 * what stands in the tables here.
 */
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/slab.h>

#include "pvg_net.h"

/* Not all supported kernels' headers have them. */
#define CTRL_STATS		8
#define CTRL_STATS_QUERY	0
#define CTRL_STATS_GET		1

struct stats_want {
	__le16 vq_index;
	__le16 reserved[3];
	__le64 types;
};

static_assert(sizeof(struct stats_want) == 16);

struct stats_reply {
	u8 type;
	u8 reserved;
	__le16 vq_index;
	__le16 reserved1;
	__le16 size;		/* bytes, this header included */
	__le64 values[];
};

static_assert(sizeof(struct stats_reply) == 8);

#define VALUES_MAX	6

/* A type of statistics: its number, which is also its bit, and its values. @qstat: where a
 * value goes in what netlink asks for (qstat.c), in bytes; 0: nowhere, since the driver
 * counts what is first there.
 */
struct type {
	u8 number;
	const char *names[VALUES_MAX];
	u16 qstat[VALUES_MAX];
};

#ifdef PVG_HAVE_NETDEV_STAT_OPS
#define RX(field)	offsetof(struct netdev_queue_stats_rx, field)
#define TX(field)	offsetof(struct netdev_queue_stats_tx, field)
static_assert(!RX(bytes) && !TX(bytes));
#else
#define RX(field)	0
#define TX(field)	0
#endif

static const struct type rx_types[] = {
	{ 0, { "kicks", "packets", "bytes", "interrupts", "drops",
	       "overruns" },
	  { [4] = RX(hw_drops), RX(hw_drop_overruns) } },
	{ 1, { "csum_valid", "needs_csum", "csum_none", "csum_bad" },
	  { RX(csum_unnecessary), 0, RX(csum_none), RX(csum_bad) } },
	{ 2, { "gso_packets", "gso_bytes", "gso_merged_packets",
	       "gso_merged_bytes" },
	  { RX(hw_gro_packets), RX(hw_gro_bytes), RX(hw_gro_wire_packets),
	    RX(hw_gro_wire_bytes) } },
	{ 3, { "over_speed_packets", "over_speed_bytes" },
	  { RX(hw_drop_ratelimits) } },
};

static const struct type tx_types[] = {
	{ 16, { "kicks", "packets", "bytes", "interrupts", "drops",
		"malformed" },
	  { [4] = TX(hw_drops), TX(hw_drop_errors) } },
	{ 17, { "csum_none", "needs_csum" },
	  { TX(csum_none), TX(needs_csum) } },
	{ 18, { "gso_packets", "gso_bytes", "gso_segments",
		"gso_segment_bytes", "gso_whole_packets", "gso_whole_bytes" },
	  { TX(hw_gso_packets), TX(hw_gso_bytes), TX(hw_gso_wire_packets),
	    TX(hw_gso_wire_bytes) } },
	{ 19, { "over_speed_packets", "over_speed_bytes" },
	  { TX(hw_drop_ratelimits) } },
};

static const struct type ctrl_types[] = {
	{ 32, { "commands", "commands_ok" } },
};

/* Queues of one kind. */
struct kind {
	const char *prefix;
	const struct type *types;
	unsigned int nr_types;
};

static const struct kind rx_kind = { "rx%u_device_", rx_types,
				     ARRAY_SIZE(rx_types) };
static const struct kind tx_kind = { "tx%u_device_", tx_types,
				     ARRAY_SIZE(tx_types) };
static const struct kind ctrl_kind = { "ctrl_device_", ctrl_types,
				       ARRAY_SIZE(ctrl_types) };

/* The queues of ours: pairs, then control. */
static unsigned int nr_queues(const struct pvg_net *net)
{
	return 2 * net->pairs + 1;
}

static const struct kind *kind_of(const struct pvg_net *net, unsigned int i)
{
	if (i == 2 * net->pairs)
		return &ctrl_kind;
	return i % 2 ? &tx_kind : &rx_kind;
}

static u16 vq_index(const struct pvg_net *net, unsigned int i)
{
	return i == 2 * net->pairs ? 2 * net->device_pairs : i;
}

static unsigned int nr_values(const struct type *type)
{
	unsigned int n = 0;

	while (n < VALUES_MAX && type->names[n])
		n++;
	return n;
}

/* Types of @kind that the device has. */
static u64 types_of(const struct pvg_net *net, const struct kind *kind)
{
	u64 types = 0;
	unsigned int i;

	for (i = 0; i < kind->nr_types; i++)
		types |= BIT_ULL(kind->types[i].number);
	return types & net->stats_types;
}

static bool has_type(const struct pvg_net *net, const struct type *type)
{
	return net->stats_types & BIT_ULL(type->number);
}

/* Values of a queue of @kind. */
static unsigned int count_of(const struct pvg_net *net, const struct kind *kind)
{
	unsigned int n = 0, i;

	for (i = 0; i < kind->nr_types; i++)
		if (has_type(net, &kind->types[i]))
			n += nr_values(&kind->types[i]);
	return n;
}

/* What the device may only be asked for with the feature they are about. */
static u64 askable(const struct pvg_net *net)
{
	u64 types = BIT_ULL(32) | BIT_ULL(0) | BIT_ULL(16);

	if (pvg_net_has(net, VIRTIO_NET_F_GUEST_CSUM))
		types |= BIT_ULL(1);
	if (pvg_net_has(net, VIRTIO_NET_F_CSUM))
		types |= BIT_ULL(17);
	if (pvg_net_has(net, VIRTIO_NET_F_GUEST_TSO4) ||
	    pvg_net_has(net, VIRTIO_NET_F_GUEST_TSO6))
		types |= BIT_ULL(2);
	if (pvg_net_has(net, VIRTIO_NET_F_HOST_TSO4) ||
	    pvg_net_has(net, VIRTIO_NET_F_HOST_TSO6) ||
	    pvg_net_has(net, VIRTIO_NET_F_HOST_USO))
		types |= BIT_ULL(18);
	if (pvg_net_has(net, VIRTIO_NET_F_SPEED_DUPLEX))
		types |= BIT_ULL(3) | BIT_ULL(19);
	return types;
}

/**
 * pvg_net_devstats_query() - what does the device count?
 * @net: the device, live
 *
 * A device that refuses to say has none. Context: probe; may sleep. Return: as
 * pvg_net_ctrl_query().
 */
int pvg_net_devstats_query(struct pvg_net *net)
{
	__le64 types = 0;
	int err;

	if (!pvg_net_has(net, VIRTIO_NET_F_DEVICE_STATS))
		return 0;
	err = pvg_net_ctrl_query(net, CTRL_STATS, CTRL_STATS_QUERY, NULL, 0,
				 &types, sizeof(types));
	net->stats_types = le64_to_cpu(types) & askable(net);
	return err == -EREMOTEIO ? 0 : err;
}

/**
 * pvg_net_devstats_count() - how many values there are
 * @net: the device
 */
unsigned int pvg_net_devstats_count(const struct pvg_net *net)
{
	unsigned int n = 0, i;

	for (i = 0; net->stats_types && i < nr_queues(net); i++)
		n += count_of(net, kind_of(net, i));
	return n;
}

static u8 *put_names(const struct pvg_net *net, const struct kind *kind,
		     unsigned int queue, u8 *at)
{
	char prefix[ETH_GSTRING_LEN];
	unsigned int i, j;

	snprintf(prefix, sizeof(prefix), kind->prefix, queue);
	for (i = 0; i < kind->nr_types; i++) {
		if (!has_type(net, &kind->types[i]))
			continue;
		for (j = 0; j < nr_values(&kind->types[i]); j++) {
			snprintf(at, ETH_GSTRING_LEN, "%s%s", prefix,
				 kind->types[i].names[j]);
			at += ETH_GSTRING_LEN;
		}
	}
	return at;
}

/**
 * pvg_net_devstats_names() - their names
 * @net: the device
 * @at: where to, ETH_GSTRING_LEN each
 *
 * Return: what follows them.
 */
u8 *pvg_net_devstats_names(const struct pvg_net *net, u8 *at)
{
	unsigned int i;

	for (i = 0; net->stats_types && i < nr_queues(net); i++)
		at = put_names(net, kind_of(net, i), i / 2, at);
	return at;
}

/* The values of type @number in the answer, zeros if they are not there. */
static void find_values(const void *answer, size_t len, u8 number,
			unsigned int n, u64 *at)
{
	const struct stats_reply *reply;
	size_t size, i;

	for (; len >= sizeof(*reply); answer += size, len -= size) {
		reply = answer;
		size = le16_to_cpu(reply->size);
		if (size < sizeof(*reply) || size > len || size % 8)
			return;
		if (reply->type != number)
			continue;
		for (i = 0; i < n && i < (size - sizeof(*reply)) / 8; i++)
			at[i] = le64_to_cpu(reply->values[i]);
		return;
	}
}

/* Bytes of the longest answer about a queue. */
static size_t answer_size(void)
{
	return ARRAY_SIZE(rx_types) * (sizeof(struct stats_reply) +
				       VALUES_MAX * sizeof(__le64));
}

/* Have the device tell what it counts for a queue. Return: 0 or a negative errno. */
static int ask(struct pvg_net *net, unsigned int queue, void *answer, size_t len)
{
	struct stats_want want = {
		.vq_index = cpu_to_le16(vq_index(net, queue)),
		.types = cpu_to_le64(types_of(net, kind_of(net, queue))),
	};

	if (!want.types)
		return -ENODATA;
	return pvg_net_ctrl_query(net, CTRL_STATS, CTRL_STATS_GET, &want,
				  sizeof(want), answer, len);
}

static u64 *read_queue(struct pvg_net *net, unsigned int queue, void *answer,
		       size_t len, u64 *at)
{
	const struct kind *kind = kind_of(net, queue);
	int err = ask(net, queue, answer, len);
	unsigned int i, n;

	for (i = 0; i < kind->nr_types; i++) {
		if (!has_type(net, &kind->types[i]))
			continue;
		n = nr_values(&kind->types[i]);
		memset(at, 0, n * sizeof(*at));
		if (!err)
			find_values(answer, len, kind->types[i].number, n, at);
		at += n;
	}
	return at;
}

/**
 * pvg_net_devstats_read() - ask the device for all of them
 * @net: the device
 * @at: where to
 *
 * What it does not tell is 0. Context: may sleep. Return: what follows them.
 */
u64 *pvg_net_devstats_read(struct pvg_net *net, u64 *at)
{
	size_t len = answer_size();
	unsigned int i;
	void *answer;

	if (!net->stats_types)
		return at;
	answer = kzalloc(len, GFP_KERNEL);
	if (!answer) {
		memset(at, 0, pvg_net_devstats_count(net) * sizeof(*at));
		return at + pvg_net_devstats_count(net);
	}
	for (i = 0; i < nr_queues(net); i++)
		at = read_queue(net, i, answer, len, at);
	kfree(answer);
	return at;
}

#ifdef PVG_HAVE_NETDEV_STAT_OPS

/* Put the values of @type where netlink wants them. */
static void fill(const struct type *type, const void *answer, size_t len,
		 void *stats)
{
	u64 values[VALUES_MAX] = {};
	unsigned int i;

	find_values(answer, len, type->number, nr_values(type), values);
	for (i = 0; i < VALUES_MAX; i++)
		if (type->qstat[i])
			*(u64 *)(stats + type->qstat[i]) = values[i];
}

/**
 * pvg_net_devstats_fill() - ask the device for those of a queue that netlink knows
 * @net: the device
 * @queue: of the device; receive queues have even numbers
 * @stats: a struct netdev_queue_stats_rx or netdev_queue_stats_tx, in which only these
 *	values are set, and none if the device does not tell
 *
 * Context: may sleep.
 */
void pvg_net_devstats_fill(struct pvg_net *net, unsigned int queue, void *stats)
{
	const struct kind *kind = kind_of(net, queue);
	size_t len = answer_size();
	unsigned int i;
	void *answer;

	if (!net->stats_types)
		return;
	answer = kzalloc(len, GFP_KERNEL);
	if (answer && !ask(net, queue, answer, len)) {
		for (i = 0; i < kind->nr_types; i++)
			if (has_type(net, &kind->types[i]))
				fill(&kind->types[i], answer, len, stats);
	}
	kfree(answer);
}

#endif /* PVG_HAVE_NETDEV_STAT_OPS */

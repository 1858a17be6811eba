// SPDX-License-Identifier: GPL-2.0-only
/*
 * XDP programs of the tests, for "ip link set DEV xdpdrv obj xdp.bpf sec NAME".
 * Each counts its packets in a map of its name.
 */
#include <linux/bpf.h>

#define SEC(name) __attribute__((section(name), used))

static void *(*bpf_map_lookup_elem)(void *map, const void *key) =
	(void *)BPF_FUNC_map_lookup_elem;

static long (*bpf_redirect_map)(void *map, __u64 key, __u64 flags) =
	(void *)BPF_FUNC_redirect_map;

static long (*bpf_redirect)(__u32 ifindex, __u64 flags) =
	(void *)BPF_FUNC_redirect;

static long (*bpf_xdp_adjust_head)(struct xdp_md *ctx, int delta) =
	(void *)BPF_FUNC_xdp_adjust_head;

static long (*bpf_xdp_adjust_tail)(struct xdp_md *ctx, int delta) =
	(void *)BPF_FUNC_xdp_adjust_tail;

static __u64 (*bpf_xdp_get_buff_len)(struct xdp_md *ctx) =
	(void *)BPF_FUNC_xdp_get_buff_len;

#define COUNTER(name)							\
struct {								\
	int (*type)[BPF_MAP_TYPE_PERCPU_ARRAY];				\
	int (*max_entries)[1];						\
	__u32 *key;							\
	__u64 *value;							\
} name SEC(".maps")

COUNTER(count_pass);
COUNTER(count_drop);
COUNTER(count_tx);

struct {
	int (*type)[BPF_MAP_TYPE_XSKMAP];
	int (*max_entries)[8];
	__u32 *key;
	__u32 *value;
} xsks SEC(".maps");

static __attribute__((always_inline)) void count(void *map)
{
	__u32 zero = 0;
	__u64 *value = bpf_map_lookup_elem(map, &zero);

	if (value)
		++*value;
}

SEC("xdp") int pass(struct xdp_md *ctx)
{
	(void)ctx;
	count(&count_pass);
	return XDP_PASS;
}

/* Of UDP to the port of peer's pushes only, so that the rest goes on. */
static __attribute__((always_inline)) int is_udp(struct xdp_md *ctx)
{
	const __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	return p + 34 <= end && p[12] == 0x08 && p[13] == 0x00 && p[23] == 17;
}

SEC("xdp/drop") int drop_udp(struct xdp_md *ctx)
{
	if (!is_udp(ctx))
		return XDP_PASS;
	count(&count_drop);
	return XDP_DROP;
}

/* Back to where it came from: addresses and ports exchanged. */
SEC("xdp/tx") int tx_udp(struct xdp_md *ctx)
{
	__u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end, t;
	int i;

	if (!is_udp(ctx) || p + 42 > end)
		return XDP_PASS;
	for (i = 0; i < 6; i++) {
		t = p[i];
		p[i] = p[6 + i];
		p[6 + i] = t;
	}
	for (i = 26; i < 30; i++) {
		t = p[i];
		p[i] = p[4 + i];
		p[4 + i] = t;
	}
	for (i = 34; i < 36; i++) {
		t = p[i];
		p[i] = p[2 + i];
		p[2 + i] = t;
	}
	count(&count_tx);
	return XDP_TX;
}

/* To the AF_XDP socket of "peer xsk". */
static __attribute__((always_inline)) int give(struct xdp_md *ctx)
{
	if (!is_udp(ctx))
		return XDP_PASS;
	return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS);
}

SEC("xdp/xsk") int give_udp(struct xdp_md *ctx)
{
	return give(ctx);
}

/* The port that UDP goes to, from 0 to 255; -1 for anything else. */
static __attribute__((always_inline)) int port_of(struct xdp_md *ctx)
{
	const __u8 *p = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;

	if (!is_udp(ctx) || p + 38 > end || p[36])
		return -1;
	return p[37];
}

/*
 * With fragments. Of a datagram to port 9 or 10 that has any, all are cut off; then
 * it is dropped (9) or redirected to where no interface is (10).
 */
SEC("xdp.frags") int cut_udp(struct xdp_md *ctx)
{
	__u64 len = bpf_xdp_get_buff_len(ctx);
	int port = port_of(ctx);

	count(&count_pass);
	if (len <= 4096 || (port != 9 && port != 10))
		return XDP_PASS;
	if (bpf_xdp_adjust_tail(ctx, 1000 - (int)len))
		return XDP_PASS;
	count(&count_drop);
	return port == 9 ? XDP_DROP : bpf_redirect(0x7fffffff, 0);
}

/*
 * The same as xdp/xsk, but a datagram to port 9 is dropped after its start was moved,
 * and one to port 10 redirected to where no interface is.
 */
SEC("xdp/head") int move_udp(struct xdp_md *ctx)
{
	switch (port_of(ctx)) {
	case 9:
		count(&count_drop);
		bpf_xdp_adjust_head(ctx, 4);
		return XDP_DROP;
	case 10:
		count(&count_drop);
		return bpf_redirect(0x7fffffff, 0);
	}
	return give(ctx);
}

char _license[] SEC("license") = "GPL";

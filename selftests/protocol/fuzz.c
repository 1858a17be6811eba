// SPDX-License-Identifier: GPL-2.0-only
/*
 * libFuzzer target: one side of the control protocol against anything its peer
 * can send. Built once for each side, ROLE says which.
 *
 * Bytes alone would never get past the CRCs, so the input is a list of steps: a
 * byte that says what to do, and what it needs. Frames get right CRCs, and the
 * right session, sequence number and nonce unless the input says otherwise.
 * After each step what must always hold is checked.
 */
#include <stdint.h>
#include <stdlib.h>

#include "internal.h"

#define STREAMS		6
#define IS_GUEST	(ROLE == PVC_GUEST)
#define CHECK(what)	do { if (!(what)) abort(); } while (0)

static struct pvc pvc;
static struct pvc_stream streams[STREAMS];
static __u8 rx_buf[PVC_HEADER + PVC_PAYLOAD_MIN];
static __u8 out[PVC_SYNC_RUN];
static __u64 now;
static bool up;
static __u32 last_open;	/* number of the last stream we opened */

static const uint8_t *in;
static size_t left;

static __u32 take(__u32 bytes)
{
	__u32 value = 0;

	for (; bytes && left; bytes--, left--)
		value = value << 8 | *in++;
	return value;
}

/* A copy without room behind it, for the address sanitizer. */
static __u8 *take_bytes(__u32 *len)
{
	__u8 *copy;

	if (*len > left)
		*len = left;
	copy = malloc(*len + PVC_HEADER);
	CHECK(copy);
	memcpy(copy + PVC_HEADER, in, *len);
	in += *len;
	left -= *len;
	return copy;
}

static void op_random(struct pvc *p, void *buf, __u32 len)
{
	(void)p;
	memset(buf, 0x5a, len);
}

static void op_up(struct pvc *p)
{
	CHECK(p->state == PVC_UP && !up);
	up = true;
	last_open = 0;
}

static void op_down(struct pvc *p, __u32 why)
{
	__u32 i;

	(void)why;
	CHECK(up);
	up = false;
	for (i = 0; i < STREAMS; i++)
		CHECK(!pvc_is_used(&p->cfg.streams[i]));
}

/* A stream that was opened is closed once: priv says that it is open. */
static void op_open(struct pvc *p, struct pvc_stream *s, const void *args,
		    __u32 len)
{
	CHECK(p->state == PVC_UP && !s->priv);
	CHECK(pvc_crc32(args, len) || len < 8);	/* reads all of it */
	s->priv = s;
}

static void op_data(struct pvc *p, struct pvc_stream *s, const void *data,
		    __u32 len)
{
	CHECK(p->state == PVC_UP && s->priv == s && len);
	CHECK(pvc_crc32(data, len) || len < 8);
}

static void op_eof(struct pvc *p, struct pvc_stream *s)
{
	CHECK(p->state == PVC_UP && s->priv == s);
}

static void op_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	(void)flags;
	CHECK(p->state == PVC_UP && s->priv == s);
	CHECK(pvc_crc32(body, len) || len < 8);
}

static void op_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	(void)p;
	(void)status;
	CHECK(s->priv == s);
	s->priv = NULL;
}

static __u32 op_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	__u32 n = (__u32)now % 700;

	(void)p;
	if (type == PVC_HEARTBEAT)
		n = sizeof(struct pvc_heartbeat);
	else if (type == PVC_NOTICE)
		n = sizeof(struct pvc_notice) + n % PVC_NOTICE_TEXT_MAX;
	else
		CHECK(s->priv == s);
	n = min_t(__u32, n, max);
	memset(buf, 0xa5, n);
	return n;
}

static void op_event(struct pvc *p, enum pvc_type type, const void *payload,
		     __u32 len)
{
	CHECK(p->state == PVC_UP && type <= PVC_SERVICES);
	CHECK(!len || pvc_crc32(payload, len) || len < 16);
}

static const struct pvc_ops ops = {
	.random = op_random, .up = op_up, .down = op_down, .open = op_open,
	.data = op_data, .eof = op_eof, .result = op_result,
	.closed = op_closed, .fill = op_fill, .event = op_event,
};

static void setup(void)
{
	struct pvc_config cfg = {
		.role = ROLE, .ops = &ops,
		.rx_buf = rx_buf, .rx_size = sizeof(rx_buf),
		.streams = streams, .nr_streams = STREAMS,
		.stream_window = 3000, .bulk_window = 4000, .bulk_streams = 1, .conn_window = 5000,
		.quiet_ms = 500, .features = 1,
	};

	up = false;
	now = 1;
	CHECK(!pvc_init(&pvc, &cfg));
	pvc_start(&pvc, now);
}

static void check_stream(const struct pvc_stream *s)
{
	if (!pvc_is_used(s))
		return;
	CHECK(pvc.state == PVC_UP);
	CHECK(!s->priv == !!(s->flags & PVC_STREAM_DEAD));
	CHECK(s->rx_done <= s->rx_bytes && s->rx_bytes <= s->rx_limit);
	CHECK(s->tx_bytes <= s->tx_limit);
}

static void check_all(void)
{
	__u32 i, j;

	CHECK(up == (pvc.state == PVC_UP));
	CHECK(pvc.have <= sizeof(rx_buf));
	for (i = 0; i < STREAMS; i++) {
		check_stream(&streams[i]);
		for (j = 0; j < i; j++)
			CHECK(!streams[i].id || streams[i].id != streams[j].id);
	}
	if (!up)
		return;
	CHECK(pvc.conn_rx_done <= pvc.conn_rx_bytes);
	CHECK(pvc.conn_rx_bytes <= pvc.conn_rx_limit);
	CHECK(pvc.conn_rx_limit <= pvc.conn_rx_done + 5000);
	CHECK(pvc.conn_tx_bytes <= pvc.conn_tx_limit);
}

/* What we send is well-formed, and no longer than the peer takes. */
static void step_output(__u32 size)
{
	bool run = pvc.run_left;
	__u32 len = pvc_output(&pvc, out, size, now);
	struct pvc_head head;

	CHECK(len <= size);
	if (!len || run)
		return;
	CHECK(len >= PVC_HEADER && pvc_get_head(&head, out));
	CHECK(head.len == len - PVC_HEADER);
	CHECK(!head.len ||
	      pvc_crc32(out + PVC_HEADER, head.len) == head.payload_crc);
	CHECK(head.type <= PVC_BYE || head.len <= pvc.peer.max_payload);
	if (head.type == PVC_OPEN) {
		CHECK(head.stream > last_open);
		last_open = head.stream;
	}
}

static void step_frame(void)
{
	struct pvc_head head = { .type = take(1) };
	__u32 how = take(1), len;
	__u8 *buf;

	head.stream = take(1);
	head.flags = how & 1 ? PVC_F_OPTIONAL : how & 2 ? take(2) : 0;
	head.session = how & 4 ? take(4) : pvc.session;
	head.seq = how & 8 ? take(4) : pvc.rx_seq;
	/* Much data need not be in the input, which would have to be long. */
	if (how & 32) {
		len = take(2) % (PVC_PAYLOAD_MIN + 2);
		buf = calloc(1, PVC_HEADER + len);
		CHECK(buf);
	} else {
		len = take(how & 16 ? 2 : 1);
		buf = take_bytes(&len);
	}
	head.len = len;
	pvc_put_head(buf, &head);
	pvc_input(&pvc, buf, PVC_HEADER + len, now);
	free(buf);
}

/* HELLO or WELCOME, mostly right. */
static void step_hello(void)
{
	struct pvc_head head = {
		.type = IS_GUEST ? PVC_HELLO : PVC_WELCOME,
		.session = IS_GUEST ? 0 : 7,
	};
	struct pvc_hello h = {
		.version_min = 1, .version_max = 1,
		.max_payload = cpu_to_le32(PVC_PAYLOAD_MIN),
		.features = cpu_to_le64(3),
	};
	__u32 how = take(1), len;
	__u8 *tlvs, buf[PVC_HEADER + sizeof(h) + 256];

	memcpy(h.nonce, pvc.nonce, sizeof(h.nonce));
	h.nonce[0] += how & 7;
	h.max_streams = cpu_to_le32(take(1));
	h.stream_window = cpu_to_le32(take(2));
	h.conn_window = cpu_to_le32(take(2));
	h.quiet_ms = cpu_to_le32(how & 8 ? take(2) : 0);
	h.status = cpu_to_le16(how & 16 ? take(1) : 0);
	h.version_max += how & 32;
	len = how & 64 ? take(1) : 0;
	tlvs = take_bytes(&len);
	memcpy(buf + PVC_HEADER, &h, sizeof(h));
	memcpy(buf + PVC_HEADER + sizeof(h), tlvs + PVC_HEADER, len);
	free(tlvs);
	head.len = sizeof(h) + len;
	pvc_put_head(buf, &head);
	pvc_input(&pvc, buf, PVC_HEADER + head.len, now);
	if (IS_GUEST && pvc.state == PVC_OFFERED && !(how & 128)) {
		head = (struct pvc_head){ .type = PVC_START, .seq = 1,
					  .session = pvc.session, .len = 16 };
		memcpy(buf + PVC_HEADER, pvc.guest_nonce, 16);
		pvc_put_head(buf, &head);
		pvc_input(&pvc, buf, PVC_HEADER + 16, now);
	}
}

static void step_raw(void)
{
	__u32 len = take(1);
	__u8 *buf = take_bytes(&len);

	pvc_input(&pvc, buf + PVC_HEADER, len, now);
	free(buf);
}

static void step_open(void)
{
	struct pvc_request req = {
		.service = 1, .op = 1, .version = 1, .prio = take(1) & 1,
		.flags = take(1) & 3, .deadline_ms = take(2), .window = take(2),
	};
	struct pvc_stream *s = pvc_open(&pvc, &req);

	if (s)
		s->priv = s;
}

/* What the owner may do with a stream that it has. */
static void step_stream(void)
{
	__u32 what = take(1);
	struct pvc_stream *s = &streams[what / 8 % STREAMS];

	if (!pvc_is_used(s) || s->flags & PVC_STREAM_DEAD)
		return;
	switch (what % 8) {
	case 0:
		pvc_ready(&pvc, s);
		break;
	case 1:
		pvc_finish(&pvc, s);
		break;
	case 2:
		pvc_reply(&pvc, s, take(1), 0);
		break;
	case 3:
		pvc_reset(&pvc, s, take(1));
		break;
	default:
		pvc_consumed(&pvc, s, take(2));
		break;
	}
}

static void step_rare(void)
{
	switch (take(1) % 5) {
	case 0:
		pvc_ping(&pvc, now);
		break;
	case 1:
		pvc_notice(&pvc);
		break;
	case 2:
		pvc_bye(&pvc, PVC_WHY_BYE);
		break;
	case 3:
		pvc_lose(&pvc, PVC_WHY_RESTORED);
		break;
	case 4:
		pvc_stop(&pvc, now);
		pvc_start(&pvc, now);
		break;
	}
}

static void step(void)
{
	static const __u8 zero[256];
	__u32 n;

	switch (take(1) % 9) {
	case 0:
		step_raw();
		break;
	case 1:
		step_frame();
		break;
	case 2:
		step_hello();
		break;
	case 3:
		now += take(2);
		pvc_tick(&pvc, now);
		break;
	case 4:
		step_output(PVC_OUTPUT_MIN + take(1) * 256);
		break;
	case 5:
		step_open();
		break;
	case 6:
		step_stream();
		break;
	case 7:
		step_rare();
		break;
	case 8:
		for (n = take(1) % 64; n; n--)
			pvc_input(&pvc, zero, sizeof(zero), now);
		break;
	}
	check_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	in = data;
	left = size;
	setup();
	while (left)
		step();
	pvc_stop(&pvc, now);
	check_all();
	return 0;
}

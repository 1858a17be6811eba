// SPDX-License-Identifier: GPL-2.0-only
/*
 * See harness.h.
 */
#include "harness.h"

static void note(struct side *side, int what, __u32 value, __u32 id, __u32 len)
{
	if (side->nr_notes < MAX_NOTES)
		side->notes[side->nr_notes++] = (struct note){
			.what = what, .value = value, .id = id, .len = len,
		};
}

const struct note *noted(const struct side *side, int what)
{
	__u32 i;

	for (i = side->nr_notes; i; i--)
		if ((int)side->notes[i - 1].what == what)
			return &side->notes[i - 1];
	return NULL;
}

__u32 count_notes(const struct side *side, int what)
{
	__u32 i, n = 0;

	for (i = 0; i < side->nr_notes; i++)
		n += (int)side->notes[i].what == what;
	return n;
}

static void op_random(struct pvc *p, void *buf, __u32 len)
{
	struct side *side = p->priv;
	__u8 *bytes = buf;

	while (len--) {
		side->random = side->random * 1664525 + 1013904223;
		*bytes++ = side->random >> 24;
	}
}

static void op_up(struct pvc *p)
{
	note(p->priv, UP, p->session, 0, 0);
}

static void op_down(struct pvc *p, __u32 why)
{
	note(p->priv, DOWN, why, 0, 0);
}

static void op_refused(struct pvc *p, __u32 status)
{
	note(p->priv, REFUSED, status, 0, 0);
}

static void op_open(struct pvc *p, struct pvc_stream *s, const void *args,
		    __u32 len)
{
	struct side *side = p->priv;

	(void)args;
	note(side, OPENED, s->op, s->id, len);
	if (side->to_send)
		pvc_ready(p, s);
	if (side->echo)
		pvc_reply(p, s, s->op, 0);
}

static void op_data(struct pvc *p, struct pvc_stream *s, const void *data,
		    __u32 len)
{
	struct side *side = p->priv;

	assert_true(side->got_len + len <= sizeof(side->got));
	memcpy(side->got + side->got_len, data, len);
	side->got_len += len;
	if (side->hold)
		side->held += len;
	else
		pvc_consumed(p, s, len);
}

static void op_eof(struct pvc *p, struct pvc_stream *s)
{
	note(p->priv, GOT_EOF, 0, s->id, 0);
}

static void op_result(struct pvc *p, struct pvc_stream *s, __u32 flags,
		      const void *body, __u32 len)
{
	(void)flags;
	(void)body;
	note(p->priv, ANSWER, s->status, s->id, len);
}

static void op_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	note(p->priv, CLOSED, status, s->id, 0);
}

static __u32 fill_data(struct side *side, struct pvc_stream *s, void *buf,
		       __u32 max)
{
	__u32 n = min_t(__u32, max, side->to_send_len - side->sent);

	if (n)
		memcpy(buf, side->to_send + side->sent, n);
	side->sent += n;
	if (side->sent == side->to_send_len)
		pvc_drained(&side->pvc, s);
	return n;
}

static __u32 op_fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		     void *buf, __u32 max)
{
	struct side *side = p->priv;

	switch (type) {
	case PVC_DATA:
		return fill_data(side, s, buf, max);
	case PVC_HEARTBEAT:
		memset(buf, 0, sizeof(struct pvc_heartbeat));
		return sizeof(struct pvc_heartbeat);
	case PVC_NOTICE:
		memset(buf, 0, sizeof(struct pvc_notice));
		return sizeof(struct pvc_notice);
	default:
		memset(buf, 'a', side->args_len);
		return side->args_len;
	}
}

static void op_event(struct pvc *p, enum pvc_type type, const void *payload,
		     __u32 len)
{
	struct pvc_ping ping = {};

	memcpy(&ping, payload, min_t(__u32, len, sizeof(ping)));
	note(p->priv, EVENT, type, (__u32)le64_to_cpu(ping.token), len);
}

static const struct pvc_ops ops = {
	.random = op_random,
	.up = op_up,
	.down = op_down,
	.refused = op_refused,
	.open = op_open,
	.data = op_data,
	.eof = op_eof,
	.result = op_result,
	.closed = op_closed,
	.fill = op_fill,
	.event = op_event,
};

void side_init(struct side *side, enum pvc_role role)
{
	struct pvc_config cfg = {
		.role = role,
		.ops = &ops,
		.priv = side,
		.rx_buf = side->rx_buf,
		.rx_size = sizeof(side->rx_buf),
		.streams = side->streams,
		.nr_streams = STREAMS,
		.stream_window = 8192,
		.conn_window = 32768,
		.quiet_ms = role == PVC_GUEST ? 1000 : 0,
		.features = PVC_FEATURE_KERNEL | PVC_FEATURE_LEASE,
	};
	__u32 random = side->random + 12345 + role;

	memset(side, 0, offsetof(struct side, rx_buf));
	side->random = random;
	assert_int_equal(pvc_init(&side->pvc, &cfg), 0);
}

struct pair *pair_new(void)
{
	static __u8 pipes[2][PIPE_SIZE];
	static struct pair only;
	struct pair *pair = &only;

	/* Many thousands are needed, one at a time. */
	memset(pair, 0, offsetof(struct pair, guest));
	pair->to_guest.data = pipes[0];
	pair->to_host.data = pipes[1];
	pair->now = 1000;
	side_init(&pair->guest, PVC_GUEST);
	side_init(&pair->host, PVC_HOST);
	return pair;
}

void pair_free(struct pair *pair)
{
	pair->to_guest.data = NULL;
	pair->to_host.data = NULL;
}

static void pipe_add(struct pipe *pipe, const void *data, __u32 len)
{
	assert_true(pipe->len + len <= PIPE_SIZE);
	memcpy(pipe->data + pipe->len, data, len);
	pipe->len += len;
}

static void pipe_clear(struct pipe *pipe)
{
	pipe->len = 0;
	pipe->read = 0;
}

/* What of @len may pass before the host is cut off. */
static __u32 until_cut(__u64 cut, __u64 passed, __u32 len)
{
	if (!cut || passed + len <= cut)
		return len;
	return cut > passed ? cut - passed : 0;
}

static bool take_output(struct pair *pair, struct side *side)
{
	static __u8 buf[PVC_SYNC_RUN];
	bool host = side == &pair->host;
	__u32 len = pvc_output(&side->pvc, buf, sizeof(buf), pair->now);
	__u32 n;

	if (!len)
		return false;
	if (host) {
		n = until_cut(pair->cut_to_guest, pair->passed_to_guest, len);
		pipe_add(&pair->to_guest, buf, n);
		pair->passed_to_guest += n;
	} else if (pair->connected) {
		n = until_cut(pair->cut_to_host, pair->passed_to_host, len);
		pipe_add(&pair->to_host, buf, n);
		pair->passed_to_host += n;
	}
	return true;
}

/*
 * A chunk in a buffer of its own, so that the address sanitizer sees a read
 * behind its end.
 */
void feed(struct pair *pair, struct side *side, const void *data, __u32 len)
{
	void *copy = malloc(len);

	memcpy(copy, data, len);
	pvc_input(&side->pvc, copy, len, pair->now);
	free(copy);
}

static bool deliver(struct pair *pair, struct pipe *pipe, struct side *side)
{
	__u32 n = pipe->len - pipe->read;

	if (!n)
		return false;
	if (pair->chunk && n > pair->chunk)
		n = pair->chunk;
	feed(pair, side, pipe->data + pipe->read, n);
	pipe->read += n;
	if (pipe->read == pipe->len)
		pipe_clear(pipe);
	return true;
}

static bool is_cut(const struct pair *pair)
{
	return (pair->cut_to_guest &&
		pair->passed_to_guest >= pair->cut_to_guest) ||
	       (pair->cut_to_host &&
		pair->passed_to_host >= pair->cut_to_host);
}

/* One step of everybody; false if nothing happened. */
bool pair_move(struct pair *pair)
{
	bool moved = false;

	if (pair->connected && !is_cut(pair))
		moved |= take_output(pair, &pair->host);
	moved |= take_output(pair, &pair->guest);
	moved |= deliver(pair, &pair->to_guest, &pair->guest);
	if (pair->connected && !is_cut(pair))
		moved |= deliver(pair, &pair->to_host, &pair->host);
	return moved;
}

void pair_settle(struct pair *pair)
{
	__u32 steps = 0;

	while (pair_move(pair))
		assert_true(++steps < 5000000);
}

void pair_wait(struct pair *pair, __u64 ms)
{
	__u64 end = pair->now + ms;

	for (; pair->now <= end; pair->now += 10) {
		pvc_tick(&pair->guest.pvc, pair->now);
		if (pair->connected)
			pvc_tick(&pair->host.pvc, pair->now);
		pair_settle(pair);
	}
}

/* A new host: it knows nothing of the one before. */
void pair_connect(struct pair *pair)
{
	side_init(&pair->host, PVC_HOST);
	pair->connected = true;
	pair->cut_to_guest = 0;
	pair->cut_to_host = 0;
	pvc_start(&pair->host.pvc, pair->now);
}

/* @guest_knows: the guest hears of it, before what it has not read yet */
void pair_disconnect(struct pair *pair, bool guest_knows)
{
	pair->connected = false;
	pipe_clear(&pair->to_host);
	pvc_stop(&pair->host.pvc, pair->now);
	if (guest_knows)
		pvc_lose(&pair->guest.pvc, PVC_WHY_TRANSPORT);
}

/* From nothing to a session. */
void pair_up(struct pair *pair)
{
	pvc_start(&pair->guest.pvc, pair->now);
	pair_connect(pair);
	pair_settle(pair);
	assert_int_equal(pair->guest.pvc.state, PVC_UP);
	assert_int_equal(pair->host.pvc.state, PVC_UP);
	assert_int_equal(pair->guest.pvc.session, pair->host.pvc.session);
}

__u32 make_frame(__u8 *buf, const struct raw *raw)
{
	struct pvc_frame f = {
		.magic = cpu_to_le32(PVC_MAGIC),
		.version = PVC_VERSION,
		.type = raw->type,
		.flags = cpu_to_le16(raw->flags),
		.session = cpu_to_le32(raw->session),
		.stream = cpu_to_le32(raw->stream),
		.seq = cpu_to_le32(raw->seq),
		.len = cpu_to_le32(raw->len),
		.payload_crc = cpu_to_le32(raw->len ?
			(__u32)crc32(0, raw->payload, raw->len) : 0),
	};

	f.header_crc = cpu_to_le32((__u32)crc32(0, (void *)&f, 28));
	memcpy(buf, &f, sizeof(f));
	if (raw->len)
		memcpy(buf + sizeof(f), raw->payload, raw->len);
	return sizeof(f) + raw->len;
}

struct pvc_hello good_hello(__u8 nonce)
{
	struct pvc_hello h = {
		.nonce = { nonce, 1, 2, 3 },
		.version_min = 1,
		.version_max = 1,
		.max_payload = cpu_to_le32(PVC_PAYLOAD_MAX),
		.max_streams = cpu_to_le32(8),
		.stream_window = cpu_to_le32(8192),
		.conn_window = cpu_to_le32(8192),
	};

	return h;
}

__u32 make_hello(__u8 *buf, __u8 nonce, const struct pvc_hello *h)
{
	struct pvc_hello hello = good_hello(nonce);
	struct raw raw = {
		.type = PVC_HELLO,
		.payload = h ? h : &hello,
		.len = sizeof(hello),
	};

	return make_frame(buf, &raw);
}

/* A frame as the other side's next, unless it says otherwise. */
void inject(struct pair *pair, struct side *to, struct raw raw)
{
	static __u8 buf[PVC_HEADER + (1 << 17)];
	__u32 len;

	if (!raw.session)
		raw.session = to->pvc.session;
	if (!raw.seq)
		raw.seq = to->pvc.rx_seq;
	len = make_frame(buf, &raw);
	feed(pair, to, buf, len);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVC/1: which frame goes next.
 *
 * Frames are made when there is room for them, not before, so that a heartbeat
 * or a thaw is never behind more than the frames that were handed out already:
 * first the session's own, then what is short or somebody waits for, then
 * bulk data, the streams taking turns.
 */
#include "internal.h"

static __u32 put_frame(struct pvc *p, __u8 *buf, enum pvc_type type,
		       __u32 stream, __u32 len)
{
	struct pvc_head head = {
		.type = type,
		.session = p->session,
		.stream = stream,
		.seq = p->tx_seq++,
		.len = len,
	};

	pvc_put_head(buf, &head);
	p->stats.tx_frames++;
	p->stats.tx_bytes += PVC_HEADER + len;
	return PVC_HEADER + len;
}

/* HELLO, WELCOME or RESYNC: not counted in a session. */
static __u32 put_handshake(struct pvc *p, __u8 *buf, enum pvc_type type,
			   __u32 len)
{
	struct pvc_head head = {
		.type = type,
		.len = len,
	};

	if (type == PVC_WELCOME && !p->welcome_status)
		head.session = p->session;
	pvc_put_head(buf, &head);
	p->stats.tx_frames++;
	p->stats.tx_bytes += PVC_HEADER + len;
	return PVC_HEADER + len;
}

static __u32 put_run(struct pvc *p, __u8 *buf, __u32 size)
{
	__u32 n = min_t(__u32, p->run_left, size);

	memset(buf, 0, n);
	p->run_left -= n;
	p->stats.tx_bytes += n;
	return n;
}

static __u32 put_reason(const struct pvc *p, __u8 *payload)
{
	struct pvc_reason reason = { .why = cpu_to_le32(p->why) };

	memcpy(payload, &reason, sizeof(reason));
	return sizeof(reason);
}

static __u32 put_start(const struct pvc *p, __u8 *payload)
{
	struct pvc_start start;

	memcpy(start.nonce, p->guest_nonce, sizeof(start.nonce));
	memcpy(payload, &start, sizeof(start));
	return sizeof(start);
}

static __u32 put_token(__u64 token, __u8 *payload)
{
	struct pvc_ping ping = { .token = cpu_to_le64(token) };

	memcpy(payload, &ping, sizeof(ping));
	return sizeof(ping);
}

static __u32 put_limit(__u64 limit, __u8 *payload)
{
	struct pvc_credit credit = { .limit = cpu_to_le64(limit) };

	memcpy(payload, &credit, sizeof(credit));
	return sizeof(credit);
}

static __u32 output_handshake(struct pvc *p, __u8 *buf)
{
	if (p->pending & pvc_bit(PVC_HELLO)) {
		p->pending &= ~pvc_bit(PVC_HELLO);
		return put_handshake(p, buf, PVC_HELLO,
				     pvc_put_hello(p, buf + PVC_HEADER));
	}
	if (p->pending & pvc_bit(PVC_WELCOME)) {
		p->pending &= ~pvc_bit(PVC_WELCOME);
		return put_handshake(p, buf, PVC_WELCOME,
				     pvc_put_hello(p, buf + PVC_HEADER));
	}
	if (p->pending & pvc_bit(PVC_RESYNC)) {
		p->pending &= ~pvc_bit(PVC_RESYNC);
		return put_handshake(p, buf, PVC_RESYNC,
				     put_reason(p, buf + PVC_HEADER));
	}
	return 0;
}

static __u32 fill(struct pvc *p, struct pvc_stream *s, enum pvc_type type,
		  __u8 *buf, __u32 max)
{
	__u32 n = p->cfg.ops->fill(p, s, type, buf, max);

	return n <= max ? n : 0;
}

/* The payload of a frame of stream 0. */
static __u32 session_payload(struct pvc *p, enum pvc_type type, __u8 *payload,
			     __u32 max)
{
	switch (type) {
	case PVC_START:
		return put_start(p, payload);
	case PVC_SERVICES:
		if (p->cfg.tlv_len)
			memcpy(payload, p->cfg.tlvs, p->cfg.tlv_len);
		return p->cfg.tlv_len;
	case PVC_BYE:
		return put_reason(p, payload);
	case PVC_PING:
		return put_token(p->ping_token, payload);
	case PVC_PONG:
		return put_token(p->pong_token, payload);
	case PVC_HEARTBEAT:
	case PVC_NOTICE:
		return fill(p, NULL, type, payload, max);
	default:
		return 0;
	}
}

/* START first, so that BYE cannot precede it; then the most urgent. */
static __u32 output_session(struct pvc *p, __u8 *buf, __u32 max)
{
	static const enum pvc_type order[] = {
		PVC_START, PVC_BYE, PVC_PONG, PVC_HEARTBEAT, PVC_NOTICE,
		PVC_SERVICES, PVC_PING,
	};
	__u32 i, len;

	for (i = 0; i < sizeof(order) / sizeof(*order); i++) {
		enum pvc_type type = order[i];

		if (!(p->pending & pvc_bit(type)))
			continue;
		p->pending &= ~pvc_bit(type);
		len = session_payload(p, type, buf + PVC_HEADER, max);
		if (!len && type != PVC_SERVICES)
			continue;
		len = put_frame(p, buf, type, 0, len);
		if (type == PVC_BYE)
			pvc_goodbye(p);
		return len;
	}
	return 0;
}

static __u32 output_conn_credit(struct pvc *p, __u8 *buf)
{
	if (!(p->pending & pvc_bit(PVC_CREDIT)))
		return 0;
	p->pending &= ~pvc_bit(PVC_CREDIT);
	p->conn_rx_limit = p->conn_rx_done + p->cfg.conn_window;
	return put_frame(p, buf, PVC_CREDIT, 0,
			 put_limit(p->conn_rx_limit, buf + PVC_HEADER));
}

static __u32 put_open(struct pvc *p, struct pvc_stream *s, __u8 *payload,
		      __u32 max)
{
	struct pvc_open o = {
		.service = cpu_to_le16(s->service),
		.op = cpu_to_le16(s->op),
		.version = s->version,
		.prio = s->prio,
		.flags = cpu_to_le16(s->open_flags),
		.deadline_ms = cpu_to_le32(s->deadline_ms),
		.window = cpu_to_le32(s->window),
		.key = cpu_to_le64(s->key),
	};
	__u32 len = strlen(s->principal);

	if (len)
		len = pvc_put_tlv(payload + sizeof(o), 0, max - sizeof(o),
				  PVC_TLV_PRINCIPAL, s->principal, len);
	o.tlv_len = cpu_to_le16(len);
	memcpy(payload, &o, sizeof(o));
	len += sizeof(o);
	return len + fill(p, s, PVC_OPEN, payload + len, max - len);
}

static __u32 put_result(struct pvc *p, struct pvc_stream *s, __u8 *payload,
			__u32 max)
{
	struct pvc_result r = {
		.status = cpu_to_le32(s->status),
		.flags = cpu_to_le32(s->result_flags),
	};

	memcpy(payload, &r, sizeof(r));
	if (s->flags & PVC_STREAM_DEAD)
		return sizeof(r);
	return sizeof(r) + fill(p, s, PVC_RESULT, payload + sizeof(r),
				max - sizeof(r));
}

static __u32 put_reset(const struct pvc_stream *s, __u8 *payload)
{
	struct pvc_reset r = { .status = cpu_to_le32(s->status) };

	memcpy(payload, &r, sizeof(r));
	return sizeof(r);
}

static __u32 put_stream_credit(struct pvc_stream *s, __u8 *payload)
{
	s->rx_limit = s->rx_done + s->rx_window;
	return put_limit(s->rx_limit, payload);
}

/* Data, as much as there is, fits and may be sent; 0: none now. */
static __u32 put_data(struct pvc *p, struct pvc_stream *s, __u8 *payload,
		      __u32 max)
{
	__u64 credit = min_t(__u64, s->tx_limit - s->tx_bytes,
			     p->conn_tx_limit - p->conn_tx_bytes);
	__u32 n = min_t(__u64, credit, min_t(__u32, max, PVC_BULK_PAYLOAD));

	if (!n)
		return 0;
	n = fill(p, s, PVC_DATA, payload, n);
	if (!n)
		s->pending &= ~PVC_SEND_DATA;
	s->tx_bytes += n;
	p->conn_tx_bytes += n;
	return n;
}

static __u32 output_stream(struct pvc *p, struct pvc_stream *s, __u32 bit,
			   enum pvc_type type, __u8 *buf, __u32 max)
{
	__u8 *payload = buf + PVC_HEADER;
	__u32 len = 0, id;

	if (type != PVC_DATA)
		s->pending &= ~bit;
	if (type == PVC_OPEN) {
		s->id = p->next_id;
		p->next_id += 2;
		/* If fill() resets it, the peer has to be told. */
		s->flags |= PVC_STREAM_OPENED;
	}
	/* Kept, since fill() may close the stream. */
	id = s->id;
	if (type == PVC_OPEN)
		len = put_open(p, s, payload, max);
	else if (type == PVC_RESULT)
		len = put_result(p, s, payload, max);
	else if (type == PVC_RESET)
		len = put_reset(s, payload);
	else if (type == PVC_CREDIT)
		len = put_stream_credit(s, payload);
	else if (type == PVC_DATA)
		len = put_data(p, s, payload, max);
	if (type == PVC_DATA && !len)
		return 0;
	p->bulk = type == PVC_DATA && s->prio == PVC_PRIO_BULK;
	len = put_frame(p, buf, type, id, len);
	pvc_sent(p, s, type);
	return len;
}

/* Of the streams whose OPEN is to go, @s among them, the one that was opened first. */
static struct pvc_stream *first_opened(struct pvc *p, struct pvc_stream *s)
{
	__u32 i;

	for (i = 0; i < p->top; i++) {
		struct pvc_stream *other = &p->cfg.streams[i];

		if (pvc_is_used(other) && other->pending & PVC_SEND_OPEN &&
		    (__s32)(other->order - s->order) < 0)
			s = other;
	}
	return s;
}

/*
 * The next frame of a stream, 0 if there is none of this kind. OPEN comes
 * first; data before its end, and its end before the answer.
 */
static __u32 output_next(struct pvc *p, struct pvc_stream *s, bool bulk,
			 __u8 *buf, __u32 max)
{
	__u32 len;

	if (!bulk) {
		if (s->pending & PVC_SEND_RESET)
			return output_stream(p, s, PVC_SEND_RESET, PVC_RESET,
					     buf, max);
		if (s->pending & PVC_SEND_OPEN)
			return output_stream(p, first_opened(p, s), PVC_SEND_OPEN,
					     PVC_OPEN, buf, max);
		if (s->pending & PVC_SEND_CREDIT)
			return output_stream(p, s, PVC_SEND_CREDIT, PVC_CREDIT,
					     buf, max);
	}
	if (s->pending & PVC_SEND_DATA) {
		bool wait = s->prio == PVC_PRIO_BULK;

		if (bulk != wait)
			return 0;
		len = output_stream(p, s, PVC_SEND_DATA, PVC_DATA, buf, max);
		if (len || s->pending & PVC_SEND_DATA)
			return len;
	}
	if (s->pending & PVC_SEND_EOF)
		return output_stream(p, s, PVC_SEND_EOF, PVC_EOF, buf, max);
	if (s->pending & PVC_SEND_RESULT)
		return output_stream(p, s, PVC_SEND_RESULT, PVC_RESULT, buf,
				     max);
	return 0;
}

static __u32 output_streams(struct pvc *p, bool bulk, __u8 *buf, __u32 max)
{
	__u32 i, at, len;

	for (i = 0; i < p->top; i++) {
		struct pvc_stream *s;

		at = (p->cursor + i) % p->top;
		s = &p->cfg.streams[at];
		if (!pvc_is_used(s) || !s->pending)
			continue;
		len = output_next(p, s, bulk, buf, max);
		if (!len)
			continue;
		p->cursor = at + 1;
		return len;
	}
	return 0;
}

/**
 * pvc_output() - the bytes to send next
 * @p: the side
 * @buf: where to put them
 * @size: its size, at least PVC_OUTPUT_MIN; more makes longer frames
 * @now: the time
 *
 * To be called, when the transport has room, until it returns 0, after each
 * call of any other function here. What it returned has to be sent, all of it
 * and in this order, unless pvc_stop() follows.
 *
 * Return: how many bytes, at most one frame; 0 if there is nothing to send. @p->bulk
 * says whether it is data of a bulk stream, for which nobody waits.
 */
__u32 pvc_output(struct pvc *p, void *buf, __u32 size, __u64 now)
{
	__u32 len, max;

	p->now = now;
	p->bulk = false;
	if (size < PVC_OUTPUT_MIN || p->state == PVC_IDLE)
		return 0;
	if (p->run_left)
		return put_run(p, buf, size);
	len = output_handshake(p, buf);
	if (len || p->state != PVC_UP)
		return len;
	max = min_t(__u32, size - PVC_HEADER, p->peer.max_payload);
	len = output_session(p, buf, max);
	if (!len && p->state == PVC_UP)
		len = output_conn_credit(p, buf);
	if (!len && p->state == PVC_UP)
		len = output_streams(p, false, buf, max);
	if (!len && p->state == PVC_UP)
		len = output_streams(p, true, buf, max);
	return len;
}

/**
 * pvc_last_words() - guest: a NOTICE as the next frame, and at once
 * @p: the side; nothing of it is used afterwards
 * @buf: where to put it
 * @size: its size
 * @notice: what happened
 * @text: more about it
 * @len: its length, at most PVC_NOTICE_TEXT_MAX
 *
 * For a kernel that has died: nothing is called back, allocated or freed, and no clock
 * is read. What pvc_output() has returned before has to have been sent.
 *
 * Return: how many bytes; 0 without a session.
 */
__u32 pvc_last_words(struct pvc *p, void *buf, __u32 size,
		     const struct pvc_notice *notice, const char *text, __u32 len)
{
	__u8 *payload = (__u8 *)buf + PVC_HEADER;

	if (p->state != PVC_UP || len > PVC_NOTICE_TEXT_MAX ||
	    size < PVC_HEADER + sizeof(*notice) + len)
		return 0;
	memcpy(payload, notice, sizeof(*notice));
	memcpy(payload + sizeof(*notice), text, len);
	return put_frame(p, buf, PVC_NOTICE, 0, sizeof(*notice) + len);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVC/1: streams, which are the requests of a session and their data, and the
 * credit that bounds what either side has to keep.
 */
#include "internal.h"

static bool is_ours(const struct pvc *p, __u32 id)
{
	return (id & 1) == (p->cfg.role == PVC_HOST);
}

/**
 * pvc_find() - a stream by its number
 * @p: the side
 * @id: the number
 *
 * Return: the stream, or NULL if there is none (any more).
 */
struct pvc_stream *pvc_find(struct pvc *p, __u32 id)
{
	__u32 i;

	for (i = 0; id && i < p->top; i++)
		if (p->cfg.streams[i].id == id)
			return &p->cfg.streams[i];
	return NULL;
}

/* How many streams one side has opened. */
static __u32 count_streams(const struct pvc *p, bool ours)
{
	__u32 i, n = 0;

	for (i = 0; i < p->top; i++) {
		const struct pvc_stream *s = &p->cfg.streams[i];

		n += pvc_is_used(s) && !(s->flags & PVC_STREAM_LOCAL) == !ours;
	}
	return n;
}

static struct pvc_stream *new_stream(struct pvc *p)
{
	__u32 i;

	for (i = 0; i < p->cfg.nr_streams; i++) {
		struct pvc_stream *s = &p->cfg.streams[i];

		if (pvc_is_used(s))
			continue;
		memset(s, 0, sizeof(*s));
		s->flags = PVC_STREAM_USED;
		if (p->top <= i)
			p->top = i + 1;
		return s;
	}
	return NULL;
}

/* Credit is sent when it is worth a frame: half a window has gathered. */
static bool credit_is_due(__u64 limit, __u64 done, __u32 window)
{
	return done + window - limit >= window / 2 + 1;
}

static void conn_consumed(struct pvc *p, __u64 bytes)
{
	p->conn_rx_done += bytes;
	if (credit_is_due(p->conn_rx_limit, p->conn_rx_done,
			  p->cfg.conn_window))
		p->pending |= pvc_bit(PVC_CREDIT);
}

void pvc_free_stream(struct pvc *p, struct pvc_stream *s)
{
	/* What the owner has not consumed, it never will. */
	__u64 left = s->rx_bytes - s->rx_done;

	s->id = 0;
	s->flags = 0;
	s->pending = 0;
	while (p->top && !pvc_is_used(&p->cfg.streams[p->top - 1]))
		p->top--;
	conn_consumed(p, left);
}

static void report_closed(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	if (s->flags & PVC_STREAM_DEAD)
		return;
	s->flags |= PVC_STREAM_DEAD;
	if (p->cfg.ops->closed)
		p->cfg.ops->closed(p, s, status);
}

static void close_stream(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	report_closed(p, s, status);
	pvc_free_stream(p, s);
}

/* The session ends. */
void pvc_close_all(struct pvc *p)
{
	__u32 i;

	for (i = 0; i < p->top; i++)
		if (pvc_is_used(&p->cfg.streams[i]))
			close_stream(p, &p->cfg.streams[i], PVC_LOST);
}

/**
 * pvc_open() - open a stream
 * @p: the side
 * @req: what for
 *
 * Its number is given and OPEN's arguments are asked of &pvc_ops.fill when that
 * is written, so that numbers rise. Streams get there in the order in which they were opened,
 * since one may be about another.
 *
 * Return: the stream, or NULL if there is no session, or if as many streams
 * are open as the peer or our own table allows.
 */
struct pvc_stream *pvc_open(struct pvc *p, const struct pvc_request *req)
{
	__u32 most = min_t(__u32, p->cfg.nr_streams - pvc_peer_streams(p),
			   p->peer.max_streams);
	struct pvc_stream *s;

	/* Numbers are not used twice: 2^31 requests later it takes a new session. */
	if (p->state != PVC_UP ||
	    p->next_id > 0xfffffffd - 2 * p->cfg.nr_streams ||
	    count_streams(p, true) >= most)
		return NULL;
	s = new_stream(p);
	if (!s)
		return NULL;
	s->priv = req->priv;
	s->service = req->service;
	s->op = req->op;
	s->version = req->version;
	s->prio = req->prio;
	s->open_flags = req->flags;
	s->deadline_ms = req->deadline_ms;
	s->deadline = req->deadline_ms ? p->now + req->deadline_ms : 0;
	s->window = req->window;
	s->key = req->key;
	if (req->principal)
		memcpy(s->principal, req->principal,
		       min_t(__u32, strlen(req->principal), PVC_PRINCIPAL_MAX));
	s->tx_limit = p->peer.stream_window;
	s->rx_window = req->window;
	s->rx_limit = req->window;
	s->flags |= PVC_STREAM_LOCAL;
	if (req->flags & PVC_OPEN_NODATA)
		s->flags |= PVC_STREAM_EOF;
	s->order = p->next_order++;
	s->pending = PVC_SEND_OPEN;
	return s;
}

/**
 * pvc_ready() - there is data to send on a stream
 * @p: the side
 * @s: the stream; nothing happens if its data has ended
 */
void pvc_ready(struct pvc *p, struct pvc_stream *s)
{
	(void)p;
	if (!(s->flags & (PVC_STREAM_EOF | PVC_STREAM_DEAD)))
		s->pending |= PVC_SEND_DATA;
}

/**
 * pvc_drained() - there is no data left to send on a stream, for now
 * @p: the side
 * @s: the stream
 *
 * For &pvc_ops.fill: what follows the data, its end or the answer, then needs no credit,
 * also if this data has used up all that there was.
 */
void pvc_drained(struct pvc *p, struct pvc_stream *s)
{
	(void)p;
	s->pending &= ~PVC_SEND_DATA;
}

/**
 * pvc_finish() - no more data follows what is ready
 * @p: the side
 * @s: the stream
 */
void pvc_finish(struct pvc *p, struct pvc_stream *s)
{
	(void)p;
	if (!(s->flags & (PVC_STREAM_EOF | PVC_STREAM_DEAD)))
		s->pending |= PVC_SEND_EOF;
}

/**
 * pvc_reply() - answer a request of the peer, which closes the stream
 * @p: the side
 * @s: the stream
 * @status: enum pvc_status
 * @flags: PVC_RESULT_*
 *
 * Data that is ready goes first. The answer's body is asked of &pvc_ops.fill
 * when it is sent, and closed() is called then. Only the first answer counts.
 */
void pvc_reply(struct pvc *p, struct pvc_stream *s, __u32 status, __u32 flags)
{
	(void)p;
	if (s->flags & (PVC_STREAM_LOCAL | PVC_STREAM_DEAD) ||
	    s->pending & PVC_SEND_RESULT)
		return;
	s->status = status;
	s->result_flags = flags;
	s->pending |= PVC_SEND_RESULT;
}

/**
 * pvc_reset() - close a stream at once
 * @p: the side
 * @s: the stream; closed() is called from here
 * @status: enum pvc_status, for the peer; not PVC_OK
 */
void pvc_reset(struct pvc *p, struct pvc_stream *s, __u32 status)
{
	bool unknown = s->flags & PVC_STREAM_LOCAL &&
		       !(s->flags & PVC_STREAM_OPENED);

	report_closed(p, s, status);
	if (unknown) {
		/* It never got a number. */
		pvc_free_stream(p, s);
		return;
	}
	s->status = status;
	s->pending = PVC_SEND_RESET;
}

/**
 * pvc_consumed() - received data needs no room any more
 * @p: the side
 * @s: the stream
 * @bytes: how much
 */
void pvc_consumed(struct pvc *p, struct pvc_stream *s, __u32 bytes)
{
	__u64 left = s->rx_bytes - s->rx_done;
	__u32 n = left < bytes ? (__u32)left : bytes;

	s->rx_done += n;
	conn_consumed(p, n);
	if (!(s->flags & (PVC_STREAM_PEER_EOF | PVC_STREAM_DEAD)) &&
	    credit_is_due(s->rx_limit, s->rx_done, s->rx_window))
		s->pending |= PVC_SEND_CREDIT;
}

/*
 * Called when a frame of a stream has been written: what it changes. CREDIT's
 * limits are raised before, since they are in the frame.
 */
void pvc_sent(struct pvc *p, struct pvc_stream *s, enum pvc_type type)
{
	switch (type) {
	case PVC_OPEN:
		s->flags |= PVC_STREAM_OPENED;
		break;
	case PVC_EOF:
		s->flags |= PVC_STREAM_EOF;
		break;
	case PVC_RESULT:
		close_stream(p, s, s->status);
		break;
	case PVC_RESET:
		pvc_free_stream(p, s);
		break;
	default:
		break;
	}
}

/*
 * The window of a stream that the peer opens. A bulk stream gets its larger one with the first
 * CREDIT: one whose data is not consumed has never more than the others.
 */
static __u32 peer_window(const struct pvc *p, __u8 prio)
{
	__u32 i, n = 0;

	if (prio != PVC_PRIO_BULK || p->cfg.bulk_window <= p->cfg.stream_window)
		return p->cfg.stream_window;
	for (i = 0; i < p->top; i++) {
		const struct pvc_stream *s = &p->cfg.streams[i];

		n += pvc_is_used(s) && !(s->flags & PVC_STREAM_LOCAL) &&
		     s->rx_window > p->cfg.stream_window;
	}
	return n < p->cfg.bulk_streams ? p->cfg.bulk_window : p->cfg.stream_window;
}

static void start_stream(struct pvc *p, struct pvc_stream *s,
			 const struct pvc_open *o)
{
	s->service = le16_to_cpu(o->service);
	s->op = le16_to_cpu(o->op);
	s->version = o->version;
	s->prio = o->prio;
	s->open_flags = le16_to_cpu(o->flags);
	s->deadline_ms = le32_to_cpu(o->deadline_ms);
	s->deadline = s->deadline_ms ? p->now + s->deadline_ms : 0;
	s->window = le32_to_cpu(o->window);
	s->key = le64_to_cpu(o->key);
	s->tx_limit = s->window;
	s->rx_window = peer_window(p, s->prio);
	s->rx_limit = p->cfg.stream_window;
	s->flags |= PVC_STREAM_OPENED;
	if (s->open_flags & PVC_OPEN_NODATA) {
		s->flags |= PVC_STREAM_PEER_EOF;
		s->rx_limit = 0;
	}
}

static bool open_is_valid(const struct pvc_open *o)
{
	const __u16 either = PVC_OPEN_NODATA | PVC_OPEN_MORE;
	__u16 flags = le16_to_cpu(o->flags);

	return !(flags & ~PVC_OPEN_FLAGS) && (flags & either) != either &&
	       o->prio < PVC_PRIO_NR && !o->reserved[0] && !o->reserved[1] &&
	       !o->reserved[2];
}

/* The owner never hears of it. */
static void refuse_open(struct pvc_stream *s, __u32 status)
{
	s->flags |= PVC_STREAM_DEAD;
	s->status = status;
	s->pending = PVC_SEND_RESULT;
}

static void handle_open(struct pvc *p, const struct pvc_head *head,
			const __u8 *payload)
{
	struct pvc_stream *s;
	struct pvc_open o;
	__u32 tlv_len;
	int status;

	memcpy(&o, payload, sizeof(o));
	payload += sizeof(o);
	tlv_len = le16_to_cpu(o.tlv_len);
	if (is_ours(p, head->stream) || head->stream <= p->last_peer_id ||
	    !open_is_valid(&o) || tlv_len > head->len - sizeof(o)) {
		pvc_lose(p, PVC_WHY_PROTOCOL);
		return;
	}
	p->last_peer_id = head->stream;
	s = count_streams(p, false) < pvc_peer_streams(p) ?
	    new_stream(p) : NULL;
	if (!s) {
		pvc_lose(p, PVC_WHY_LIMIT);
		return;
	}
	s->id = head->stream;
	start_stream(p, s, &o);
	status = pvc_parse_principal(s->principal, payload, tlv_len);
	if (status)
		refuse_open(s, status);
	else if (p->cfg.ops->open)
		p->cfg.ops->open(p, s, payload + tlv_len,
				 head->len - sizeof(o) - tlv_len);
	else
		pvc_reply(p, s, PVC_NO_SERVICE, 0);
}

/* @s is NULL if the stream is closed already: then only the sum counts. */
static void handle_data(struct pvc *p, struct pvc_stream *s,
			const __u8 *payload, __u32 len)
{
	if (len > p->conn_rx_limit - p->conn_rx_bytes ||
	    (s && len > s->rx_limit - s->rx_bytes)) {
		pvc_lose(p, PVC_WHY_FLOW);
		return;
	}
	if (s && s->flags & PVC_STREAM_PEER_EOF) {
		pvc_lose(p, PVC_WHY_PROTOCOL);
		return;
	}
	p->conn_rx_bytes += len;
	if (!s) {
		conn_consumed(p, len);
		return;
	}
	s->rx_bytes += len;
	if (!(s->flags & PVC_STREAM_DEAD) && p->cfg.ops->data)
		p->cfg.ops->data(p, s, payload, len);
	else
		pvc_consumed(p, s, len);
}

static void handle_eof(struct pvc *p, struct pvc_stream *s)
{
	if (s->flags & PVC_STREAM_PEER_EOF) {
		pvc_lose(p, PVC_WHY_PROTOCOL);
		return;
	}
	s->flags |= PVC_STREAM_PEER_EOF;
	s->pending &= ~PVC_SEND_CREDIT;
	if (!(s->flags & PVC_STREAM_DEAD) && p->cfg.ops->eof)
		p->cfg.ops->eof(p, s);
}

static __u64 read_credit(const __u8 *payload)
{
	struct pvc_credit credit;

	memcpy(&credit, payload, sizeof(credit));
	return le64_to_cpu(credit.limit);
}

/* Limits only rise, so one that comes late or twice does nothing. */
static void handle_credit(struct pvc_stream *s, const __u8 *payload)
{
	__u64 limit = read_credit(payload);

	if (limit > s->tx_limit)
		s->tx_limit = limit;
}

void pvc_handle_conn_credit(struct pvc *p, const __u8 *payload)
{
	__u64 limit = read_credit(payload);

	if (limit > p->conn_tx_limit)
		p->conn_tx_limit = limit;
}

static void handle_result(struct pvc *p, struct pvc_stream *s,
			  const __u8 *payload, __u32 len)
{
	struct pvc_result r;

	if (!(s->flags & PVC_STREAM_LOCAL)) {
		pvc_lose(p, PVC_WHY_PROTOCOL);
		return;
	}
	memcpy(&r, payload, sizeof(r));
	s->status = le32_to_cpu(r.status);
	if (!(s->flags & PVC_STREAM_DEAD) && p->cfg.ops->result)
		p->cfg.ops->result(p, s, le32_to_cpu(r.flags),
				   payload + sizeof(r), len - sizeof(r));
	if (pvc_is_used(s))
		close_stream(p, s, s->status);
}

static void handle_reset(struct pvc *p, struct pvc_stream *s,
			 const __u8 *payload)
{
	struct pvc_reset r;
	__u32 status;

	memcpy(&r, payload, sizeof(r));
	status = le32_to_cpu(r.status);
	/* A stream that was given up has not succeeded, whatever its peer says. */
	close_stream(p, s, status == PVC_OK ? PVC_FAILED : status);
}

/* Was a stream of this number ever opened in this session? */
static bool was_opened(const struct pvc *p, __u32 id)
{
	return is_ours(p, id) ? id < p->next_id : id <= p->last_peer_id;
}

/* A valid frame with a stream number that is not 0, in a session. */
void pvc_handle_stream(struct pvc *p, const struct pvc_head *head,
		       const __u8 *payload)
{
	struct pvc_stream *s = pvc_find(p, head->stream);

	if (head->type == PVC_OPEN) {
		handle_open(p, head, payload);
		return;
	}
	/* Nobody may talk of a stream before its OPEN; afterwards it crosses. */
	if (head->type < PVC_OPEN || !was_opened(p, head->stream)) {
		pvc_lose(p, PVC_WHY_PROTOCOL);
		return;
	}
	if (head->type == PVC_DATA)
		handle_data(p, s, payload, head->len);
	if (!s)
		return;
	if (head->type == PVC_EOF)
		handle_eof(p, s);
	else if (head->type == PVC_CREDIT)
		handle_credit(s, payload);
	else if (head->type == PVC_RESULT)
		handle_result(p, s, payload, head->len);
	else if (head->type == PVC_RESET)
		handle_reset(p, s, payload);
}

static void expire(struct pvc *p, struct pvc_stream *s)
{
	if (s->flags & PVC_STREAM_LOCAL) {
		pvc_reset(p, s, PVC_TIMED_OUT);
		return;
	}
	/* The answer is ours, and has no body. */
	report_closed(p, s, PVC_TIMED_OUT);
	s->status = PVC_TIMED_OUT;
	s->result_flags = 0;
	s->pending = PVC_SEND_RESULT;
}

/* An answer behind data that the peer gives no credit for may never go. */
static bool has_deadline(const struct pvc_stream *s)
{
	return pvc_is_used(s) && s->deadline && !(s->flags & PVC_STREAM_DEAD) &&
	       (s->pending & PVC_SEND_DATA || !(s->pending & PVC_SEND_RESULT));
}

/* Deadlines that have passed. */
void pvc_tick_streams(struct pvc *p)
{
	__u32 i;

	for (i = 0; i < p->top; i++) {
		struct pvc_stream *s = &p->cfg.streams[i];

		if (has_deadline(s) && p->now >= s->deadline)
			expire(p, s);
	}
}

__u64 pvc_next_deadline(const struct pvc *p)
{
	__u64 next = ~0ull;
	__u32 i;

	for (i = 0; i < p->top; i++) {
		const struct pvc_stream *s = &p->cfg.streams[i];

		if (has_deadline(s))
			next = min_t(__u64, next, s->deadline);
	}
	return next;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVC/1: frames out of a stream of bytes, and how to find back into it.
 *
 * While there is a session, frames follow each other without a gap, and
 * anything else ends it. While there is none, the bytes may be anything, left
 * over from whoever was connected before: each offset is then tried for the
 * one frame that can begin a session, and what turns out not to be one is
 * searched again from its second byte on.
 */
#include "internal.h"

bool pvc_get_head(struct pvc_head *head, const __u8 *buf)
{
	struct pvc_frame f;

	memcpy(&f, buf, sizeof(f));
	if (le32_to_cpu(f.magic) != PVC_MAGIC || f.version != PVC_VERSION ||
	    le32_to_cpu(f.header_crc) !=
		    pvc_crc32(buf, offsetof(struct pvc_frame, header_crc)))
		return false;
	head->type = f.type;
	head->flags = le16_to_cpu(f.flags);
	head->session = le32_to_cpu(f.session);
	head->stream = le32_to_cpu(f.stream);
	head->seq = le32_to_cpu(f.seq);
	head->len = le32_to_cpu(f.len);
	head->payload_crc = le32_to_cpu(f.payload_crc);
	return true;
}

/* The payload is behind the header in @buf already. */
void pvc_put_head(__u8 *buf, const struct pvc_head *head)
{
	struct pvc_frame f = {
		.magic = cpu_to_le32(PVC_MAGIC),
		.version = PVC_VERSION,
		.type = head->type,
		.flags = cpu_to_le16(head->flags),
		.session = cpu_to_le32(head->session),
		.stream = cpu_to_le32(head->stream),
		.seq = cpu_to_le32(head->seq),
		.len = cpu_to_le32(head->len),
	};

	if (head->len)
		f.payload_crc = cpu_to_le32(pvc_crc32(buf + PVC_HEADER,
						      head->len));
	f.header_crc = cpu_to_le32(pvc_crc32(&f, offsetof(struct pvc_frame,
							  header_crc)));
	memcpy(buf, &f, sizeof(f));
}

static bool payload_is_right(const struct pvc_head *head, const __u8 *payload)
{
	__u32 crc = head->len ? pvc_crc32(payload, head->len) : 0;

	return crc == head->payload_crc;
}

static bool all_zero(const __u8 *buf, __u32 len)
{
	while (len)
		if (buf[--len])
			return false;
	return true;
}

/* How many bytes to skip to where a frame could begin. */
static __u32 skip_to_magic(const __u8 *view, __u32 len)
{
	static const __u8 magic[] = { 'P', 'V', 'C', '1' };
	const __u8 *end = view + len, *at = view;

	while ((at = memchr(at, magic[0], end - at))) {
		if (!memcmp(at, magic, min_t(__u32, sizeof(magic), end - at)))
			return at - view;
		at++;
	}
	return len;
}

/* May this frame begin a session, or make us call again? */
static bool is_handshake(const struct pvc *p, const struct pvc_head *head)
{
	if (head->len > PVC_HELLO_MAX)
		return false;
	if (p->cfg.role == PVC_GUEST)
		return head->type == PVC_HELLO;
	return head->type == PVC_WELCOME || head->type == PVC_RESYNC;
}

/*
 * The step functions look at a view of what has come and return true with the
 * bytes they are done with, or false with what they need in @p->need.
 */
static bool need_more(struct pvc *p, __u32 need)
{
	p->need = need;
	return false;
}

static bool scan_step(struct pvc *p, const __u8 *view, __u32 len, __u32 *used)
{
	struct pvc_head head;

	*used = skip_to_magic(view, len);
	if (*used) {
		p->stats.rx_skipped += *used;
		return true;
	}
	if (len < PVC_HEADER)
		return need_more(p, PVC_HEADER);
	if (pvc_get_head(&head, view) && is_handshake(p, &head)) {
		if (len < PVC_HEADER + head.len)
			return need_more(p, PVC_HEADER + head.len);
		if (payload_is_right(&head, view + PVC_HEADER) &&
		    pvc_handle_handshake(p, &head, view + PVC_HEADER)) {
			p->stats.rx_frames++;
			*used = PVC_HEADER + head.len;
			return true;
		}
	}
	p->stats.rx_skipped++;
	*used = 1;
	return true;
}

/* End the session; the same bytes are looked at again, by scan_step(). */
static bool broken(struct pvc *p, __u32 why, __u32 *used)
{
	pvc_lose(p, why);
	*used = 0;
	return true;
}

static bool frame_step(struct pvc *p, const __u8 *view, __u32 len, __u32 *used)
{
	struct pvc_head head;

	if (len < PVC_HEADER)
		return need_more(p, PVC_HEADER);
	if (!pvc_get_head(&head, view))
		return broken(p, all_zero(view, PVC_HEADER) ?
				 PVC_WHY_RUN : PVC_WHY_HEADER, used);
	if (head.len > p->cfg.rx_size - PVC_HEADER)
		return broken(p, PVC_WHY_LIMIT, used);
	if (len < PVC_HEADER + head.len)
		return need_more(p, PVC_HEADER + head.len);
	if (!payload_is_right(&head, view + PVC_HEADER))
		return broken(p, PVC_WHY_PAYLOAD, used);
	*used = PVC_HEADER + head.len;
	p->stats.rx_frames++;
	pvc_handle_frame(p, &head, view + PVC_HEADER);
	return true;
}

static bool step(struct pvc *p, const __u8 *view, __u32 len, __u32 *used)
{
	if (pvc_synced(p))
		return frame_step(p, view, len, used);
	if (p->state == PVC_LISTEN || p->state == PVC_CALLING)
		return scan_step(p, view, len, used);
	*used = len;
	return true;
}

/* Handle what is complete in a view; returns the bytes that are done with. */
static __u32 consume(struct pvc *p, const __u8 *view, __u32 len)
{
	__u32 pos = 0, used;

	while (pos < len && step(p, view + pos, len - pos, &used))
		pos += used;
	return pos;
}

/**
 * pvc_input() - bytes came from the peer
 * @p: the side
 * @data: the bytes, in order and without a gap since pvc_start()
 * @len: how many
 * @now: the time
 *
 * Any bytes are fine: what is wrong ends the session, never more. A frame that
 * is complete in @data is handled there, without a copy.
 */
void pvc_input(struct pvc *p, const void *data, __u32 len, __u64 now)
{
	const __u8 *in = data;
	__u32 n;

	p->now = now;
	p->stats.rx_bytes += len;
	while (p->have && len) {
		__u8 *buf = p->cfg.rx_buf;

		/* After pvc_lose(), search what there is first. */
		n = p->need > p->have ? min_t(__u32, len, p->need - p->have) : 0;
		memcpy(buf + p->have, in, n);
		p->have += n;
		in += n;
		len -= n;
		if (p->have < p->need)
			return;
		n = consume(p, buf, p->have);
		p->have -= n;
		memmove(buf, buf + n, p->have);
	}
	n = consume(p, in, len);
	p->have = len ? len - n : p->have;
	if (len > n)
		memcpy(p->cfg.rx_buf, in + n, len - n);
}

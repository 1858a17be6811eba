// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVC/1: the payload of HELLO and WELCOME, written and read.
 */
#include "internal.h"

/**
 * pvc_put_tlv() - append a type-length-value to a buffer
 * @buf: the buffer
 * @used: bytes in it
 * @size: its size
 * @type: PVC_TLV_*
 * @data: value
 * @len: its length
 *
 * Return: the bytes in @buf afterwards; @used if it does not fit.
 */
__u32 pvc_put_tlv(__u8 *buf, __u32 used, __u32 size, __u16 type,
		  const void *data, __u16 len)
{
	struct pvc_tlv tlv = {
		.type = cpu_to_le16(type),
		.len = cpu_to_le16(len),
	};

	if (used > size || size - used < sizeof(tlv) + len)
		return used;
	memcpy(buf + used, &tlv, sizeof(tlv));
	memcpy(buf + used + sizeof(tlv), data, len);
	return used + sizeof(tlv) + len;
}

/* The payload of our HELLO or WELCOME, at most PVC_HELLO_MAX bytes. */
__u32 pvc_put_hello(const struct pvc *p, __u8 *buf)
{
	const struct pvc_config *cfg = &p->cfg;
	struct pvc_hello h = {
		.version_min = PVC_VERSION,
		.version_max = PVC_VERSION,
		.max_payload = cpu_to_le32(cfg->rx_size - PVC_HEADER),
		.features = cpu_to_le64(cfg->features),
		.max_streams = cpu_to_le32(pvc_peer_streams(p)),
		.stream_window = cpu_to_le32(cfg->stream_window),
		.conn_window = cpu_to_le32(cfg->conn_window),
		.quiet_ms = cpu_to_le32(cfg->quiet_ms),
	};

	if (cfg->role == PVC_GUEST) {
		h.status = cpu_to_le16(p->welcome_status);
		h.features = cpu_to_le64(cfg->features & p->peer.features);
		memcpy(h.boot_id, cfg->boot_id, sizeof(h.boot_id));
	}
	if (cfg->role == PVC_GUEST && !p->welcome_status)
		memcpy(h.guest_nonce, p->guest_nonce, sizeof(h.guest_nonce));
	memcpy(h.nonce, p->nonce, sizeof(h.nonce));
	memcpy(buf, &h, sizeof(h));
	if (cfg->tlv_len)
		memcpy(buf + sizeof(h), cfg->tlvs, cfg->tlv_len);
	return sizeof(h) + cfg->tlv_len;
}

static int parse_services(struct pvc_peer *peer, const __u8 *data, __u32 len)
{
	const __u32 known = sizeof(peer->services) / sizeof(*peer->services);
	struct pvc_service_range range;
	__u32 id;

	if (len % sizeof(range))
		return PVC_INVALID;
	for (; len; data += sizeof(range), len -= sizeof(range)) {
		memcpy(&range, data, sizeof(range));
		if (!range.version_min ||
		    range.version_min > range.version_max)
			return PVC_INVALID;
		id = le16_to_cpu(range.service);
		if (id >= known)
			continue;
		peer->services[id].version_min = range.version_min;
		peer->services[id].version_max = range.version_max;
	}
	return PVC_OK;
}

/* It ends up in logs and on terminals: nothing but printable ASCII is kept. */
static int parse_software(struct pvc_peer *peer, const __u8 *data, __u32 len)
{
	__u32 i;

	if (!len || len >= sizeof(peer->software))
		return PVC_INVALID;
	for (i = 0; i < len; i++)
		peer->software[i] = data[i] < ' ' || data[i] > '~' ?
				    '?' : (char)data[i];
	peer->software[len] = '\0';
	return PVC_OK;
}

static int parse_tlv(struct pvc_peer *peer, __u16 type, const __u8 *data,
		     __u32 len)
{
	switch (type & ~PVC_TLV_CRITICAL) {
	case PVC_TLV_SERVICES:
		return parse_services(peer, data, len);
	case PVC_TLV_SOFTWARE:
		return parse_software(peer, data, len);
	}
	return type & PVC_TLV_CRITICAL ? PVC_UNSUPPORTED : PVC_OK;
}

/*
 * The next of some TLVs; -1 if there is none or it is cut off, which leaves *@len as
 * it is. Returns its type, with the value at *@at.
 */
static int next_tlv(const __u8 **buf, __u32 *len, const __u8 **at, __u32 *n)
{
	struct pvc_tlv tlv;

	if (*len < sizeof(tlv))
		return -1;
	memcpy(&tlv, *buf, sizeof(tlv));
	*n = le16_to_cpu(tlv.len);
	if (*n > *len - sizeof(tlv))
		return -1;
	*at = *buf + sizeof(tlv);
	*buf += sizeof(tlv) + *n;
	*len -= sizeof(tlv) + *n;
	return le16_to_cpu(tlv.type);
}

/* Of each type there is one at most. */
static bool seen_before(__u32 *seen, __u16 type)
{
	__u32 number = type & ~PVC_TLV_CRITICAL, bit;

	if (number >= 32)
		return false;
	bit = 1u << number;
	if (*seen & bit)
		return true;
	*seen |= bit;
	return false;
}

static int parse_tlvs(struct pvc_peer *peer, const __u8 *buf, __u32 len)
{
	const __u8 *at;
	__u32 n, seen = 0;
	int type, err;

	while (len) {
		type = next_tlv(&buf, &len, &at, &n);
		if (type < 0 || seen_before(&seen, type))
			return PVC_INVALID;
		err = parse_tlv(peer, type, at, n);
		if (err)
			return err;
	}
	return PVC_OK;
}

/**
 * pvc_parse_services() - read SERVICES: what the guest provides from now on
 * @peer: whose services are replaced; as before unless this returns 0
 * @buf: the payload
 * @len: its length
 *
 * Return: enum pvc_status.
 */
int pvc_parse_services(struct pvc_peer *peer, const __u8 *buf, __u32 len)
{
	struct pvc_peer now = *peer;
	int err;

	memset(now.services, 0, sizeof(now.services));
	err = parse_tlvs(&now, buf, len);
	if (!err)
		*peer = now;
	return err;
}

/* C0, DEL, and C1 as UTF-8 has it: 0xc2, then 0x80 to 0x9f. */
static bool is_control(const __u8 *text, __u32 len, __u32 i)
{
	if (text[i] < ' ' || text[i] == 0x7f)
		return true;
	if (text[i] == 0xc2)
		return i + 1 == len || text[i + 1] < 0xa0;
	return i && text[i - 1] == 0xc2 && text[i] < 0xa0;
}

/**
 * pvc_parse_principal() - read the TLVs of OPEN
 * @principal: room for PVC_PRINCIPAL_MAX + 1 bytes; empty if it is not named.
 *	Control characters are replaced, since it ends up in logs
 * @buf: the TLVs
 * @len: their length
 *
 * Return: enum pvc_status.
 */
int pvc_parse_principal(char *principal, const __u8 *buf, __u32 len)
{
	const __u8 *at;
	__u32 i, n, seen = 0;
	int type;

	principal[0] = '\0';
	while (len) {
		type = next_tlv(&buf, &len, &at, &n);
		if (type < 0 || seen_before(&seen, type))
			return PVC_INVALID;
		if ((type & ~PVC_TLV_CRITICAL) != PVC_TLV_PRINCIPAL) {
			if (type & PVC_TLV_CRITICAL)
				return PVC_UNSUPPORTED;
			continue;
		}
		if (!n || n > PVC_PRINCIPAL_MAX)
			return PVC_INVALID;
		for (i = 0; i < n; i++)
			principal[i] = is_control(at, n, i) ? '?' : at[i];
		principal[n] = '\0';
	}
	return PVC_OK;
}

static int check_ranges(const struct pvc_peer *peer)
{
	if (!peer->version_min || peer->version_min > peer->version_max)
		return PVC_INVALID;
	if (peer->version_min > PVC_VERSION || peer->version_max < PVC_VERSION)
		return PVC_BAD_VERSION;
	if (peer->max_payload < PVC_PAYLOAD_MIN ||
	    peer->max_payload > PVC_PAYLOAD_MAX)
		return PVC_INVALID;
	if (peer->max_streams > 0xffff)
		return PVC_INVALID;
	if (peer->quiet_ms && (peer->quiet_ms < PVC_QUIET_MIN_MS ||
			       peer->quiet_ms > PVC_QUIET_MAX_MS))
		return PVC_INVALID;
	return PVC_OK;
}

/**
 * pvc_parse_hello() - read and check the payload of HELLO or WELCOME
 * @peer: what it says; complete only if it returns 0, but nonce and versions
 *	are there whenever @len allows
 * @buf: the payload
 * @len: its length
 *
 * Return: enum pvc_status, for the answer.
 */
int pvc_parse_hello(struct pvc_peer *peer, const __u8 *buf, __u32 len)
{
	struct pvc_hello h;
	int err;

	memset(peer, 0, sizeof(*peer));
	if (len < sizeof(h) || len > PVC_HELLO_MAX)
		return PVC_INVALID;
	memcpy(&h, buf, sizeof(h));
	memcpy(peer->nonce, h.nonce, sizeof(peer->nonce));
	memcpy(peer->boot_id, h.boot_id, sizeof(peer->boot_id));
	memcpy(peer->guest_nonce, h.guest_nonce, sizeof(peer->guest_nonce));
	peer->version_min = h.version_min;
	peer->version_max = h.version_max;
	peer->status = le16_to_cpu(h.status);
	peer->max_payload = le32_to_cpu(h.max_payload);
	peer->features = le64_to_cpu(h.features);
	peer->max_streams = le32_to_cpu(h.max_streams);
	peer->stream_window = le32_to_cpu(h.stream_window);
	peer->conn_window = le32_to_cpu(h.conn_window);
	peer->quiet_ms = le32_to_cpu(h.quiet_ms);
	err = check_ranges(peer);
	return err ? err : parse_tlvs(peer, buf + sizeof(h), len - sizeof(h));
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the protocol core share among themselves. */
#ifndef _PVG_CONTROL_PROTOCOL_H
#define _PVG_CONTROL_PROTOCOL_H

#include "pvguest/protocol.h"

/* A frame's header in the CPU's byte order; magic, version and CRC are right. */
struct pvc_head {
	__u8 type;
	__u16 flags;
	__u32 session;
	__u32 stream;
	__u32 seq;
	__u32 len;
	__u32 payload_crc;
};

static inline bool pvc_synced(const struct pvc *p)
{
	return p->state == PVC_OFFERED || p->state == PVC_UP;
}

/* How many streams the peer may have open at a time. */
static inline __u32 pvc_peer_streams(const struct pvc *p)
{
	return p->cfg.peer_streams ? p->cfg.peer_streams : p->cfg.nr_streams / 2;
}

static inline __u32 pvc_bit(enum pvc_type type)
{
	return 1u << type;
}

/* frame.c */
bool pvc_get_head(struct pvc_head *head, const __u8 *buf);
void pvc_put_head(__u8 *buf, const struct pvc_head *head);

/* session.c */
bool pvc_handle_handshake(struct pvc *p, const struct pvc_head *head,
			  const __u8 *payload);
void pvc_handle_frame(struct pvc *p, const struct pvc_head *head,
		      const __u8 *payload);
void pvc_goodbye(struct pvc *p);

/* stream.c */
void pvc_handle_stream(struct pvc *p, const struct pvc_head *head,
		       const __u8 *payload);
void pvc_handle_conn_credit(struct pvc *p, const __u8 *payload);
void pvc_close_all(struct pvc *p);
void pvc_free_stream(struct pvc *p, struct pvc_stream *s);
void pvc_tick_streams(struct pvc *p);
__u64 pvc_next_deadline(const struct pvc *p);
void pvc_sent(struct pvc *p, struct pvc_stream *s, enum pvc_type type);

/* hello.c */
__u32 pvc_put_hello(const struct pvc *p, __u8 *buf);
int pvc_parse_services(struct pvc_peer *peer, const __u8 *buf, __u32 len);
int pvc_parse_principal(char *principal, const __u8 *buf, __u32 len);

#endif /* _PVG_CONTROL_PROTOCOL_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * PVC/1: the life of a session, from HELLO to its end.
 */
#include "internal.h"

#define CALL_FIRST_MS	250u	/* HELLO is repeated after that, */
#define CALL_MAX_MS	2000u	/* then less and less often */
#define CALL_GAP_MS	100u	/* and on RESYNC, but not more often */

static void set_state(struct pvc *p, enum pvc_state next)
{
	static const __u8 from[PVC_STATE_NR] = {
		[PVC_IDLE] = 0xff,
		[PVC_LISTEN] = 1 << PVC_IDLE | 1 << PVC_LISTEN | 1 << PVC_OFFERED |
			       1 << PVC_UP,
		[PVC_OFFERED] = 1 << PVC_LISTEN,
		[PVC_CALLING] = 1 << PVC_IDLE | 1 << PVC_UP,
		[PVC_UP] = 1 << PVC_OFFERED | 1 << PVC_CALLING,
		[PVC_REFUSED] = 1 << PVC_CALLING,
	};

	if (from[next] & 1 << p->state)
		p->state = next;
	else
		p->state = PVC_IDLE;	/* a bug here; stop safely */
}

/**
 * pvc_init() - set up a side, without a transport yet
 * @p: the side
 * @cfg: how
 *
 * Return: 0, or -1 if @cfg is not what its description asks for.
 */
int pvc_init(struct pvc *p, const struct pvc_config *cfg)
{
	if (cfg->rx_size < PVC_HEADER + PVC_PAYLOAD_MIN ||
	    cfg->rx_size > PVC_SYNC_RUN || cfg->nr_streams < 2 ||
	    cfg->nr_streams > 0xffff || cfg->peer_streams >= cfg->nr_streams ||
	    !cfg->ops->fill ||
	    !cfg->ops->random ||
	    cfg->tlv_len > PVC_HELLO_MAX - sizeof(struct pvc_hello))
		return -1;
	if (cfg->quiet_ms && (cfg->quiet_ms < PVC_QUIET_MIN_MS ||
			      cfg->quiet_ms > PVC_QUIET_MAX_MS))
		return -1;
	memset(p, 0, sizeof(*p));
	p->cfg = *cfg;
	p->priv = cfg->priv;
	memset(cfg->streams, 0, cfg->nr_streams * sizeof(*cfg->streams));
	if (cfg->role == PVC_GUEST)
		cfg->ops->random(p, &p->session, sizeof(p->session));
	return 0;
}

/* A new attempt of the host: new nonce, and no idea where the guest is. */
static void begin_call(struct pvc *p)
{
	set_state(p, PVC_CALLING);
	p->cfg.ops->random(p, p->nonce, sizeof(p->nonce));
	p->run_left = PVC_SYNC_RUN;
	p->pending = pvc_bit(PVC_HELLO);
	p->call_ms = CALL_FIRST_MS;
	p->called = p->now;
	p->call = p->now + p->call_ms;
}

/* A run that was begun goes on: a frame that it completes may be as long as all of it. */
static void begin_listening(struct pvc *p)
{
	set_state(p, PVC_LISTEN);
	p->pending = 0;
}

/**
 * pvc_start() - there is a transport
 * @p: the side, idle
 * @now: the time
 *
 * For a guest: the port was found, or its device was reset. For a host: the
 * socket is connected.
 */
void pvc_start(struct pvc *p, __u64 now)
{
	p->now = now;
	p->have = 0;
	p->need = 0;
	if (p->cfg.role == PVC_HOST) {
		begin_call(p);
		return;
	}
	begin_listening(p);
	/* Whoever believes to be in a session with us has to start anew. */
	p->run_left = PVC_SYNC_RUN;
	p->pending = pvc_bit(PVC_RESYNC);
	p->why = PVC_WHY_NEW;
}

static void end_session(struct pvc *p, __u32 why)
{
	bool up = p->state == PVC_UP;

	pvc_close_all(p);
	p->pending = 0;
	p->need = 0;
	if (!up)
		return;
	if (why != PVC_WHY_BYE) {
		p->stats.lost++;
		p->stats.last_lost = why;
	}
	if (p->cfg.ops->down)
		p->cfg.ops->down(p, why);
}

/**
 * pvc_stop() - the transport is gone
 * @p: the side, in any state
 * @now: the time
 *
 * Closes all streams. The owner does not send what pvc_output() has written.
 */
void pvc_stop(struct pvc *p, __u64 now)
{
	p->now = now;
	end_session(p, PVC_WHY_TRANSPORT);
	set_state(p, PVC_IDLE);
	p->have = 0;
}

/**
 * pvc_lose() - end the session, and look for the next
 * @p: the side
 * @why: enum pvc_why
 *
 * The owner calls it when something happened that the core cannot see: the
 * host closed its end of the port (PVC_WHY_TRANSPORT), a snapshot was restored
 * (PVC_WHY_RESTORED). Does nothing without a session, unless a guest that listens was
 * restored: the host may have a session with the guest that it was.
 */
void pvc_lose(struct pvc *p, __u32 why)
{
	bool other = p->state == PVC_LISTEN && why == PVC_WHY_RESTORED;

	if (!pvc_synced(p) && !other)
		return;
	end_session(p, why);
	if (p->cfg.role == PVC_HOST) {
		begin_call(p);
		return;
	}
	begin_listening(p);
	/*
	 * Does the host not know yet? What is told of the connection may come
	 * late, when the session is the next host's already; one that is gone
	 * does not read RESYNC, and one that calls repeats its HELLO.
	 */
	if (why == PVC_WHY_RUN || why == PVC_WHY_BYE)
		return;
	p->pending = pvc_bit(PVC_RESYNC);
	p->why = why;
	/* The past that was restored may have ended within a frame. */
	if (why == PVC_WHY_RESTORED)
		p->run_left = PVC_SYNC_RUN;
}

static void begin_session(struct pvc *p)
{
	p->tx_seq = 1;
	p->rx_seq = 1;
	p->next_id = p->cfg.role == PVC_HOST ? 1 : 2;
	p->last_peer_id = 0;
	p->conn_tx_bytes = 0;
	p->conn_tx_limit = p->peer.conn_window;
	p->conn_rx_bytes = 0;
	p->conn_rx_limit = p->cfg.conn_window;
	p->conn_rx_done = 0;
	p->cursor = 0;
	p->heard = p->now;
	/* A host that has just called is alive: its first PING would cost the guest an answer. */
	p->beat = p->now + (p->cfg.role == PVC_HOST ? p->cfg.quiet_ms : 0);
}

static void go_up(struct pvc *p)
{
	set_state(p, PVC_UP);
	p->stats.sessions++;
	if (p->cfg.ops->up)
		p->cfg.ops->up(p);
}

/* Guest: HELLO, in any state with a transport. */
static bool handle_hello(struct pvc *p, const struct pvc_head *head,
			 const __u8 *payload)
{
	struct pvc_peer peer;
	int status = pvc_parse_hello(&peer, payload, head->len);
	bool again;

	if (head->len < sizeof(struct pvc_hello))
		return false;
	again = pvc_synced(p) &&
		!memcmp(peer.nonce, p->nonce, sizeof(p->nonce));
	/* The host repeats itself: it may have missed our WELCOME, or not. */
	if (again && p->state == PVC_UP)
		return true;
	if (!again) {
		/* It knows: it is calling. */
		pvc_lose(p, PVC_WHY_RUN);
		p->peer = peer;
		memcpy(p->nonce, peer.nonce, sizeof(p->nonce));
	}
	/* The first WELCOME counts, so what has changed since is still to be told. */
	p->pending = pvc_bit(PVC_WELCOME) |
		     (again ? p->pending & pvc_bit(PVC_SERVICES) : 0);
	p->welcome_status = status;
	if (again || status)
		return true;
	if (!++p->session)
		p->session = 1;
	p->cfg.ops->random(p, p->guest_nonce, sizeof(p->guest_nonce));
	set_state(p, PVC_OFFERED);
	p->features = p->peer.features & p->cfg.features;
	begin_session(p);
	return true;
}

/* Host: WELCOME while calling; anything that is not the answer is old. */
static bool handle_welcome(struct pvc *p, const struct pvc_head *head,
			   const __u8 *payload)
{
	struct pvc_peer peer;
	int status = pvc_parse_hello(&peer, payload, head->len);

	if (memcmp(peer.nonce, p->nonce, sizeof(p->nonce)))
		return false;
	p->peer = peer;
	if (!status && !head->session)
		status = PVC_INVALID;
	if (peer.status)
		status = peer.status;
	if (status) {
		p->pending = 0;
		p->run_left = 0;
		set_state(p, PVC_REFUSED);
		if (p->cfg.ops->refused)
			p->cfg.ops->refused(p, status);
		return true;
	}
	p->session = head->session;
	p->features = peer.features & p->cfg.features;
	memcpy(p->guest_nonce, peer.guest_nonce, sizeof(p->guest_nonce));
	begin_session(p);
	p->run_left = 0;
	p->pending = pvc_bit(PVC_START);
	go_up(p);
	return true;
}

/* Host: the guest has no session and has perhaps missed our HELLO. */
static bool handle_resync(struct pvc *p, const struct pvc_head *head)
{
	if (head->len != sizeof(struct pvc_reason))
		return false;
	if (p->call > p->called + CALL_GAP_MS)
		p->call = p->called + CALL_GAP_MS;
	return true;
}

/* A frame that may come while there is no session; false: it is none. */
bool pvc_handle_handshake(struct pvc *p, const struct pvc_head *head,
			  const __u8 *payload)
{
	if (head->stream || head->seq || head->flags)
		return false;
	switch (head->type) {
	case PVC_HELLO:
		return !head->session && handle_hello(p, head, payload);
	case PVC_WELCOME:
		return handle_welcome(p, head, payload);
	default:
		return !head->session && handle_resync(p, head);
	}
}

/* Handshake frames in the middle of a session; true if it was one. */
static bool handle_restart(struct pvc *p, const struct pvc_head *head,
			   const __u8 *payload)
{
	bool guest = p->cfg.role == PVC_GUEST;

	if (head->type == PVC_HELLO && guest) {
		if (!pvc_handle_handshake(p, head, payload))
			pvc_lose(p, PVC_WHY_PROTOCOL);
		return true;
	}
	if (head->type == PVC_RESYNC && !guest) {
		pvc_lose(p, PVC_WHY_PEER);
		return true;
	}
	/* The second answer to a HELLO that was repeated. */
	return head->type == PVC_WELCOME && !guest &&
	       head->session == p->session;
}

/* A recorded START does not have the nonce of this WELCOME. */
static bool handle_start(struct pvc *p, const __u8 *payload)
{
	struct pvc_start start;

	if (p->cfg.role != PVC_GUEST || p->state != PVC_OFFERED)
		return false;
	memcpy(&start, payload, sizeof(start));
	if (memcmp(start.nonce, p->guest_nonce, sizeof(start.nonce)))
		return false;
	p->pending &= pvc_bit(PVC_SERVICES);
	go_up(p);
	return true;
}

static bool handle_ping(struct pvc *p, const __u8 *payload)
{
	struct pvc_ping ping;

	memcpy(&ping, payload, sizeof(ping));
	if (p->cfg.ops->ping)
		p->cfg.ops->ping(p, le64_to_cpu(ping.token));
	else
		pvc_pong(p, le64_to_cpu(ping.token));
	return true;
}

static bool handle_event(struct pvc *p, const struct pvc_head *head,
			 const __u8 *payload)
{
	if (p->cfg.role != PVC_HOST && head->type != PVC_PONG)
		return false;
	if (head->type == PVC_SERVICES &&
	    pvc_parse_services(&p->peer, payload, head->len))
		return false;
	if (p->cfg.ops->event)
		p->cfg.ops->event(p, head->type, payload, head->len);
	return true;
}

/* The exact or the lowest and highest length of payload, by type. */
static bool length_is_right(const struct pvc_head *head)
{
	static const struct {
		__u32 min, max;
	} lengths[] = {
		[PVC_START] = { sizeof(struct pvc_start),
				sizeof(struct pvc_start) },
		[PVC_BYE] = { sizeof(struct pvc_reason),
			      sizeof(struct pvc_reason) },
		[PVC_PING] = { sizeof(struct pvc_ping),
			       sizeof(struct pvc_ping) },
		[PVC_PONG] = { sizeof(struct pvc_ping),
			       sizeof(struct pvc_ping) },
		[PVC_HEARTBEAT] = { sizeof(struct pvc_heartbeat),
				    sizeof(struct pvc_heartbeat) },
		[PVC_NOTICE] = { sizeof(struct pvc_notice),
				 sizeof(struct pvc_notice) +
				 PVC_NOTICE_TEXT_MAX },
		[PVC_SERVICES] = { 0, PVC_HELLO_MAX },
		[PVC_OPEN] = { sizeof(struct pvc_open), PVC_PAYLOAD_MAX },
		[PVC_DATA] = { 1, PVC_PAYLOAD_MAX },
		[PVC_EOF] = { 0, 0 },
		[PVC_CREDIT] = { sizeof(struct pvc_credit),
				 sizeof(struct pvc_credit) },
		[PVC_RESULT] = { sizeof(struct pvc_result), PVC_PAYLOAD_MAX },
		[PVC_RESET] = { sizeof(struct pvc_reset),
				sizeof(struct pvc_reset) },
	};

	return head->type < sizeof(lengths) / sizeof(*lengths) &&
	       head->len >= lengths[head->type].min &&
	       head->len <= lengths[head->type].max;
}

/* Frames of the session itself, stream 0. */
static void handle_session(struct pvc *p, const struct pvc_head *head,
			   const __u8 *payload)
{
	bool right = false;

	switch (head->type) {
	case PVC_START:
		right = handle_start(p, payload);
		break;
	case PVC_BYE:
		pvc_goodbye(p);
		return;
	case PVC_PING:
		right = handle_ping(p, payload);
		break;
	case PVC_PONG:
	case PVC_HEARTBEAT:
	case PVC_NOTICE:
	case PVC_SERVICES:
		right = handle_event(p, head, payload);
		break;
	case PVC_CREDIT:
		pvc_handle_conn_credit(p, payload);
		return;
	}
	if (!right)
		pvc_lose(p, PVC_WHY_PROTOCOL);
}

static bool is_known(const struct pvc_head *head)
{
	return (head->type >= PVC_HELLO && head->type <= PVC_BYE) ||
	       (head->type >= PVC_PING && head->type <= PVC_SERVICES) ||
	       (head->type >= PVC_OPEN && head->type <= PVC_RESET);
}

/* A whole frame in a session, or after our offer of one. */
void pvc_handle_frame(struct pvc *p, const struct pvc_head *head,
		      const __u8 *payload)
{
	bool offered = p->state == PVC_OFFERED;
	bool start = head->type == PVC_START;

	p->heard = p->now;
	if (handle_restart(p, head, payload))
		return;
	if (head->session != p->session) {
		p->stats.rx_stale++;
		if (p->state == PVC_UP)
			pvc_lose(p, PVC_WHY_SESSION);
		return;
	}
	if (head->seq != p->rx_seq) {
		pvc_lose(p, PVC_WHY_SEQ);
		return;
	}
	p->rx_seq++;
	if (p->state == PVC_UP && !is_known(head) &&
	    head->flags == PVC_F_OPTIONAL)
		return;
	if (offered != start || head->flags & ~PVC_F_OPTIONAL || !length_is_right(head))
		pvc_lose(p, PVC_WHY_PROTOCOL);
	else if (head->stream)
		pvc_handle_stream(p, head, payload);
	else
		handle_session(p, head, payload);
}

/* BYE came or went: orderly, so nobody calls again by himself. */
void pvc_goodbye(struct pvc *p)
{
	if (p->cfg.role == PVC_GUEST) {
		pvc_lose(p, PVC_WHY_BYE);
		return;
	}
	end_session(p, PVC_WHY_BYE);
	set_state(p, PVC_IDLE);
}

/**
 * pvc_bye() - end the session in an orderly way
 * @p: the side
 * @why: enum pvc_why, for the peer
 *
 * Takes effect when pvc_output() has written BYE. Frames that are still to go
 * on streams are not sent.
 */
void pvc_bye(struct pvc *p, __u32 why)
{
	if (p->state != PVC_UP)
		return;
	p->why = why;
	p->pending |= pvc_bit(PVC_BYE);
}

/**
 * pvc_ping() - ask the peer for a PONG
 * @p: the side
 * @token: comes back; only the last of several at a time is answered
 */
void pvc_ping(struct pvc *p, __u64 token)
{
	if (p->state != PVC_UP)
		return;
	p->ping_token = token;
	p->pending |= pvc_bit(PVC_PING);
}

/**
 * pvc_pong() - answer a PING of the peer
 * @p: the side
 * @token: of the PING
 */
void pvc_pong(struct pvc *p, __u64 token)
{
	if (p->state != PVC_UP)
		return;
	p->pong_token = token;
	p->pending |= pvc_bit(PVC_PONG);
}

/**
 * pvc_beat() - guest: a heartbeat is due now, and the next &pvc_config.quiet_ms later
 * @p: the side
 *
 * For an owner that passes on the heartbeats of another.
 */
void pvc_beat(struct pvc *p)
{
	if (p->state != PVC_UP)
		return;
	p->pending |= pvc_bit(PVC_HEARTBEAT);
	p->beat = p->now + p->cfg.quiet_ms;
}

/**
 * pvc_notice() - guest: tell the host what happened
 * @p: the side
 *
 * What happened is asked of &pvc_ops.fill when it is sent.
 */
void pvc_notice(struct pvc *p)
{
	if (p->state == PVC_UP)
		p->pending |= pvc_bit(PVC_NOTICE);
}

/**
 * pvc_announce() - guest: the services in &pvc_config.tlvs have changed
 * @p: the side
 */
void pvc_announce(struct pvc *p)
{
	/* An offer may have been written already, with what there was. */
	if (pvc_synced(p))
		p->pending |= pvc_bit(PVC_SERVICES);
}

static void tick_call(struct pvc *p)
{
	if (p->now < p->call)
		return;
	p->pending |= pvc_bit(PVC_HELLO);
	p->called = p->now;
	p->call_ms = min_t(__u32, 2 * p->call_ms, CALL_MAX_MS);
	p->call = p->now + p->call_ms;
}

static __u64 silence_ends(const struct pvc *p)
{
	return p->peer.quiet_ms ? p->heard + 3ull * p->peer.quiet_ms : ~0ull;
}

/* What keeps the promise of quiet_ms. */
static void send_beat(struct pvc *p)
{
	p->beat = p->now + p->cfg.quiet_ms;
	if (p->cfg.role == PVC_GUEST)
		p->pending |= pvc_bit(PVC_HEARTBEAT);
	else	/* with the last token: who waits for it is answered */
		p->pending |= pvc_bit(PVC_PING);
}

static void tick_session(struct pvc *p)
{
	if (p->now >= silence_ends(p)) {
		pvc_lose(p, PVC_WHY_SILENT);
		return;
	}
	if (p->cfg.quiet_ms && p->now >= p->beat)
		send_beat(p);
	pvc_tick_streams(p);
}

/**
 * pvc_tick() - time has passed
 * @p: the side
 * @now: the time
 *
 * To be called at the time pvc_next_tick() says; earlier or more often does no
 * harm. pvc_output() may have something afterwards.
 */
void pvc_tick(struct pvc *p, __u64 now)
{
	p->now = now;
	if (p->state == PVC_CALLING)
		tick_call(p);
	else if (p->state == PVC_UP)
		tick_session(p);
}

/**
 * pvc_next_tick() - when pvc_tick() has something to do
 * @p: the side
 *
 * Return: the time, possibly past; all ones: not before something else happens.
 */
__u64 pvc_next_tick(const struct pvc *p)
{
	__u64 next = ~0ull;

	if (p->state == PVC_CALLING)
		return p->call;
	if (p->state != PVC_UP)
		return next;
	next = min_t(__u64, silence_ends(p), pvc_next_deadline(p));
	return p->cfg.quiet_ms ? min_t(__u64, next, p->beat) : next;
}

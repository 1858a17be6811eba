/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * PVC/1 as a model for SPIN: handshake, resync and requests with a key, between a guest
 * and the hosts that come and go. The names are those of drivers/control/protocol_*.c,
 * services.c and tools/host/link.c. model.sh runs it.
 *
 * One process chooses one event after the other, in any order: a frame is written, a
 * frame is read, a host comes or goes, the guest hears of it, its port goes away, the
 * guest is restored. Each event is what the code does while it holds the channel's lock.
 *
 * What is left out, and why nothing is missed by it:
 *  - Bytes. A frame is whole, or TORN: its beginning was written, its end was not. The
 *    reader of a torn frame waits for its end, which is either the next frame (SHORT) or
 *    not there before a sync run (LONG). These are the extremes; a reader that gives up
 *    in between has read no more. What is searched again after that (broken()) is there
 *    as frames. A CRC that is right by accident is not modelled.
 *  - The end of a frame whose beginning was not seen: a host that reads it is CALLING, and
 *    a guest LISTENs, so that it is skipped.
 *  - Time. HELLO is repeated once at any time, and when nothing else can happen. There is
 *    no silence: a state in which nothing happens before somebody gives up for silence is
 *    an error, unless frames were LOST.
 *  - Data, credit, deadlines, notices and versions: they end no session of two sides that
 *    keep to the specification, and do not begin one.
 *  - Which stream's turn it is: any, which contains the order of pvc_output().
 *  - Numbers grow without an end. The sequence numbers are there with LOSSES only: without
 *    losses a queue keeps them, as the assertions about the session's number show.
 *
 * FAULT_* puts faults back, OPEN_* shows what today's code does not hold.
 */
#ifndef HOSTS
#define HOSTS 2		/* hosts that connect */
#endif
#ifndef UNPLUGS
#define UNPLUGS 0		/* times that the guest's port goes away and comes back */
#endif
#ifndef RESTORES
#define RESTORES 0	/* times that the guest is restored from a snapshot */
#endif
#ifndef LOSSES
#define LOSSES 0	/* frames that a reset of the device loses */
#endif
#ifndef SPURIOUS
#define SPURIOUS 0	/* PORT_OPEN(0) though nobody has gone */
#endif
#ifndef REQUESTS
#define REQUESTS 2	/* with a key each; number 1 takes time, as THAW does */
#endif
#define CAP 6		/* frames on their way; who has more to write waits */

/* Frames, and what else there is among them. */
mtype = { ZEROS, TORN, GARBAGE, HELLO, WELCOME, START, RESYNC, BYE, BEAT, OPEN, RESULT };
/* Ends of a session. */
mtype = { BY_RUN, BY_BYE, BY_TRANSPORT, BY_HEADER, BY_PAYLOAD, BY_SESSION, BY_PEER,
	  BY_SEQ, BY_PROTOCOL, BY_SILENCE, BY_RESTORE };
/* States of the sides. */
mtype = { GONE, CALLING, AWAY, LISTEN, OFFERED, UP };
/* A request, as its user sees it. */
mtype = { NEW, OPENED, WAITING, ASK, ASKING, ANSWERED };
/* A key, or a stream, of the guest. */
mtype = { FREE, RUNNING, DONE, NOT_FOUND, IN_PROGRESS, FORGOTTEN };

#define SHORT 1
#define LONG 2
#define QUERY 8		/* a bit beside a key */

/* type; session; seq; nonce, kind or stream; key or status */
chan to_guest = [CAP] of { mtype, byte, byte, byte, byte };
chan to_host = [CAP] of { mtype, byte, byte, byte, byte };

/* The host, struct pvc. */
mtype h_state = GONE;
byte h_nonce, h_session, h_next, h_mid, h_tx, h_rx;
bool h_run, h_hello, h_start;
byte h_repeats;			/* HELLOs that may still be repeated early */
bool h_tried;			/* HELLO was repeated when nothing happened */

/* The requests of its user, who outlives the connection. */
mtype u_state[REQUESTS] = NEW;
byte u_id[REQUESTS];

/* The guest, struct pvc and struct pvs. */
mtype g_state = AWAY;
byte g_nonce, g_session, g_last, g_mid, g_tx, g_rx;
bool g_run, g_welcome, g_resync;
mtype g_key[REQUESTS] = FREE;
mtype g_stream[REQUESTS] = FREE;	/* FREE: there is none */
byte g_id[REQUESTS];
byte carried_out[REQUESTS];

/* What may still happen. */
byte hosts = HOSTS, unplugs = UNPLUGS, restores = RESTORES, losses = LOSSES;
byte late = SPURIOUS;		/* PORT_OPEN(0) that the guest has not seen */
bool calm;			/* nothing of this any more */
bool stale;			/* a HELLO of the restored past is in the ring */
bool lost;			/* frames were */
bool beaten;			/* all that is up has sent a heartbeat or PING */
bool gave_up;			/* that changed nothing, and time has passed */

byte nonces;			/* nonces given */
byte i, a, b, session, seq;	/* of d_steps: 0 in between */
mtype type;

#define connected	(h_state != GONE)
#define room_to_guest	(len(to_guest) < CAP)
#define room_to_host	(!connected || len(to_host) < CAP)
#define forget()	type = 0; session = 0; seq = 0; a = 0; b = 0; i = 0

/* ---- The host ---- */

inline h_write(what, x, y)
{
#if LOSSES
	to_guest!what(h_session, h_tx, x, y);
	h_tx++;
#else
	to_guest!what(h_session, 0, x, y);
#endif
}

/* Requests under way are LOST; who asked for one asks what became of it. */
inline h_close_all()
{
	i = 0;
	do
	:: i < REQUESTS ->
		if
		:: u_state[i] == OPENED || u_state[i] == WAITING || u_state[i] == ASKING ->
			u_state[i] = ASK
		:: else
		fi;
		u_id[i] = 0;
		i++
	:: else -> break
	od;
	i = 0
}

inline h_begin_call()
{
	h_state = CALLING;
#ifdef FAULT_NO_NONCE
	h_nonce = 1;
#else
	nonces++;
	h_nonce = nonces;
#endif
#ifdef FAULT_NO_RUN
	h_run = false;
#else
	h_run = true;
#endif
	h_hello = true;
	h_start = false;
	h_session = 0;
	h_next = 0;
	h_tx = 0;
	h_rx = 0;
	h_mid = 0;
	h_repeats = 1;
	h_tried = false
}

inline h_lose(why)
{
	/* Two sides that keep to the specification do not violate it. */
	assert(why != BY_PROTOCOL && (why != BY_SEQ || lost));
	h_close_all();
	h_begin_call()
}

/* The host closes its socket, or is killed: what it has not read is discarded. */
inline h_leave()
{
	h_close_all();
	h_state = GONE;
	h_run = false;
	h_hello = false;
	h_start = false;
	h_session = 0;
	h_nonce = 0;
	h_next = 0;
	h_tx = 0;
	h_rx = 0;
	h_mid = 0;
	h_repeats = 0;
	h_tried = false;
	do
	:: len(to_host) > 0 -> to_host?type, session, seq, a, b
	:: else -> break
	od;
	late++;
	forget()
}

/* handle_result(), and link_call() */
inline h_result()
{
	i = 0;
	do
	:: i < REQUESTS && u_id[i] != a -> i++
	:: else -> break
	od;
	assert(i < REQUESTS);
	u_id[i] = 0;
	if
	:: b == NOT_FOUND -> u_state[i] = NEW
	:: b == IN_PROGRESS -> u_state[i] = ASK
	:: b == FORGOTTEN ->
		/* It is not known any more, and so not repeated. */
		u_state[i] = ANSWERED
	:: b == DONE ->
		/* No request is lost, and none is done twice. */
		assert(carried_out[i] == 1);
		u_state[i] = ANSWERED
	fi
}

/* A whole frame in a session: pvc_handle_frame() */
inline h_frame()
{
	if
	:: type == RESYNC -> h_lose(BY_PEER)
	:: type == WELCOME && session == h_session -> skip
	:: type != RESYNC && !(type == WELCOME && session == h_session) ->
		if
		:: session != h_session -> h_lose(BY_SESSION)
		:: session == h_session && seq != h_rx -> h_lose(BY_SEQ)
		:: session == h_session && seq == h_rx ->
#if LOSSES
			h_rx++;
#endif
			if
			:: type == BEAT -> skip
			:: type == RESULT -> h_result()
			fi
		fi
	fi
}

inline h_receive()
{
	to_host?type, session, seq, a, b;
	if
	:: h_state == CALLING ->
		if
		:: type == WELCOME && a == h_nonce ->
			h_session = session;
			h_state = UP;
			h_hello = false;
			h_start = true;
			h_repeats = 0;
			h_tried = false
		:: type == RESYNC -> h_repeats = 1
		:: else
		fi
	:: h_state == UP ->
		if
		:: type == ZEROS -> h_lose(BY_RUN)
		:: type == GARBAGE -> h_lose(BY_HEADER)
		:: type == TORN -> h_mid = a
		:: else -> h_frame()
		fi
	fi;
	forget()
}

/* ---- The guest ---- */

inline g_write(what, x, y)
{
	if
	:: connected -> to_host!what(g_session, g_tx, x, y)
	:: else		/* discarded */
	fi;
#if LOSSES
	g_tx++
#endif
}

inline g_shake(what, num, x)
{
	if
	:: connected -> to_host!what(num, 0, x, 0)
	:: else
	fi
}

inline g_close_all()
{
	i = 0;
	do
	:: i < REQUESTS ->
		g_stream[i] = FREE;
		g_id[i] = 0;
#ifdef FAULT_KEYS_OF_SESSION
		g_key[i] = FREE;
#endif
		i++
	:: else -> break
	od;
	i = 0
}

/* pvc_lose() */
inline g_lose(why)
{
	assert(why != BY_PROTOCOL && (why != BY_SEQ || lost));
	if
	:: g_state == OFFERED || g_state == UP ->
		g_close_all();
		g_state = LISTEN;
		g_nonce = 0;
		g_welcome = false;
		g_mid = 0;
		g_last = 0;
		g_tx = 0;
		g_rx = 0;
#ifdef FAULT_RUN_CUT_SHORT
		g_run = false;
#endif
		if
		:: why == BY_RUN || why == BY_BYE -> skip
#ifdef FAULT_LATE_CLOSE
		:: why == BY_TRANSPORT -> skip
#endif
		:: else -> g_resync = true
		fi
	:: else
	fi
}

/* handle_hello(), of a HELLO with nonce x */
inline g_hello(x)
{
	if
	:: g_state == UP && x == g_nonce -> skip
	:: g_state == OFFERED && x == g_nonce -> g_welcome = true
	:: else ->
		g_lose(BY_RUN);
		g_nonce = x;
		g_session++;
		g_state = OFFERED;
		g_welcome = true;
		g_resync = false
	fi;
#ifdef FAULT_RUN_CUT_SHORT
	if
	:: g_state == OFFERED -> g_run = false
	:: else
	fi
#endif
}

/* on_open(): b is the key, a the stream */
inline g_open()
{
	if
	:: a <= g_last -> g_lose(BY_PROTOCOL)
	:: else ->
		g_last = a;
		i = b & 7;
		assert(g_stream[i] == FREE);
		g_id[i] = a;
		if
		:: g_key[i] == FREE && b >= QUERY -> g_stream[i] = NOT_FOUND
		:: g_key[i] == FREE && b < QUERY ->
			carried_out[i]++;
			assert(carried_out[i] == 1);
			g_key[i] = (i == 1 -> RUNNING : DONE);
			g_stream[i] = g_key[i]
		:: g_key[i] == RUNNING -> g_stream[i] = IN_PROGRESS
		:: g_key[i] == DONE -> g_stream[i] = DONE
		:: g_key[i] == FORGOTTEN -> g_stream[i] = FORGOTTEN
		fi;
		i = 0
	fi
}

/* pvc_handle_frame() */
inline g_frame()
{
	if
	:: session != g_session ->
		if
		:: g_state == UP -> g_lose(BY_SESSION)
		:: else
		fi
	:: session == g_session && seq != g_rx -> g_lose(BY_SEQ)
	:: session == g_session && seq == g_rx ->
#if LOSSES
		g_rx++;
#endif
		if
		:: type == START && g_state == OFFERED ->
			/* Whose START this is has had the WELCOME. */
			assert(!connected || h_session != session || h_nonce == g_nonce);
			g_state = UP;
			g_welcome = false
		:: type == BYE && g_state == UP -> g_lose(BY_BYE)
		:: type == BEAT && g_state == UP -> skip
		:: type == OPEN && g_state == UP -> g_open()
		:: else -> g_lose(BY_PROTOCOL)
		fi
	fi
}

inline g_receive()
{
	to_guest?type, session, seq, a, b;
	if
	:: type == HELLO -> g_hello(a)
	:: type != HELLO && g_state == LISTEN -> skip
	:: type != HELLO && g_state != LISTEN ->
		if
		:: type == ZEROS -> g_lose(BY_RUN)
		:: type == GARBAGE -> g_lose(BY_HEADER)
		:: type == TORN -> g_mid = a
		:: else -> g_frame()
		fi
	fi;
	forget()
}

/* The port goes away: pvc_stop() */
inline g_stop()
{
	g_close_all();
	g_state = AWAY;
	g_nonce = 0;
	g_welcome = false;
	g_resync = false;
	g_run = false;
	g_mid = 0;
	g_last = 0;
	g_tx = 0;
	g_rx = 0;
#ifdef FAULT_GUEST_FORGETS
	i = 0;
	do
	:: i < REQUESTS -> g_key[i] = FREE; i++
	:: else -> break
	od;
	i = 0
#endif
}

/*
 * The guest's state is one of the past; then pvs_restored() is called. Which state it
 * was does not matter, since it is LISTEN afterwards. The session's number of the past
 * is not modelled: that one is not given twice by chance is for the nonce.
 */
inline g_restored()
{
	g_stop();
#ifdef FAULT_RESTORED_LISTENING
	/* It was LISTEN, and pvc_lose() did nothing. */
	g_run = false;
	g_resync = false;
#else
	g_run = true;
	g_resync = true;
#endif
	g_state = LISTEN;
	stale = true
}

inline settled()
{
	assert(g_state == UP && g_session == h_session && g_nonce == h_nonce);
	assert(!h_mid && !g_mid && len(to_guest) == 0 && len(to_host) == 0);
	i = 0;
	do
	:: i < REQUESTS ->
		assert(u_state[i] == ANSWERED && carried_out[i] == 1);
		i++
	:: else -> break
	od;
	i = 0
}

#if REQUESTS > 1
#define answered (u_state[0] == ANSWERED && u_state[1] == ANSWERED)
#else
#define answered (u_state[0] == ANSWERED)
#endif
#define is_settled (g_state == UP && g_session == h_session && !h_mid && !g_mid && answered && \
		    len(to_guest) == 0 && len(to_host) == 0)

/* What an event of request r is. */
#define USER(r) \
	:: d_step { h_state == UP && u_state[r] == NEW -> open_request(r) } \
	:: d_step { h_state == UP && !h_start && u_state[r] == OPENED && room_to_guest -> \
		write_open(r) } \
	:: d_step { h_state == UP && !h_start && u_state[r] == ASK && room_to_guest && \
		    g_key[r] != RUNNING -> write_query(r) } \
	:: d_step { g_state == UP && !g_run && !g_resync && g_stream[r] != FREE && \
		    g_stream[r] != RUNNING && room_to_host -> write_result(r) }

inline open_request(r)
{
	u_state[r] = OPENED;
#ifdef FAULT_NUMBER_AT_OPEN
	h_next++;
	u_id[r] = h_next
#endif
}

inline write_open(r)
{
	u_state[r] = WAITING;
#ifndef FAULT_NUMBER_AT_OPEN
	h_next++;
	u_id[r] = h_next;
#endif
	h_write(OPEN, u_id[r], r)
}

/*
 * While the request runs the answer is IN_PROGRESS, and the same question follows: not
 * more than the one that came before.
 */
inline write_query(r)
{
	u_state[r] = ASKING;
	h_next++;
	u_id[r] = h_next;
	h_write(OPEN, u_id[r], r + QUERY)
}

inline write_result(r)
{
	g_write(RESULT, g_id[r], g_stream[r]);
	g_stream[r] = FREE;
	g_id[r] = 0
}

active proctype events()
{
	do
	/* The world. */
	:: d_step { !calm -> calm = true; hosts = 0; unplugs = 0; restores = 0; losses = 0;
		    late = 0; stale = false }
	:: d_step { !connected && hosts > 0 -> hosts--; h_begin_call() }
	:: d_step { connected && !calm -> h_leave() }
	:: d_step { connected && !calm && room_to_guest ->
		to_guest!TORN(0, 0, SHORT, 0); h_leave() }
	:: d_step { h_state == UP && !h_start && !calm && room_to_guest ->
		to_guest!TORN(0, 0, LONG, 0); h_leave() }
	:: d_step { h_state == UP && !h_start && !calm && room_to_guest ->
		h_write(BYE, 0, 0); h_leave() }
	:: d_step { late > 0 -> late--; g_lose(BY_TRANSPORT) }
#if UNPLUGS
	:: d_step { g_state != AWAY && unplugs > 0 -> unplugs--; g_stop() }
	:: d_step { g_state != AWAY && unplugs > 0 && connected && room_to_host ->
		unplugs--; to_host!TORN(0, 0, SHORT, 0); g_stop() }
	:: d_step { g_state != AWAY && unplugs > 0 && connected && room_to_host ->
		unplugs--; to_host!TORN(0, 0, LONG, 0); g_stop() }
	:: d_step { g_state == AWAY && nempty(to_guest) && !calm ->
		to_guest?type, session, seq, a, b; forget() }
#endif
	:: d_step { g_state == AWAY -> g_state = LISTEN; g_run = true; g_resync = true }
#if RESTORES
	:: d_step { restores > 0 -> restores--; g_restored() }
	:: d_step { restores > 0 && connected && room_to_host -> restores--;
		to_host!TORN(0, 0, LONG, 0); g_restored() }
	:: d_step { stale && g_state != AWAY -> stale = false; g_hello(0) }
#endif
#if LOSSES
	:: d_step { losses > 0 && nempty(to_guest) -> losses--; lost = true;
		to_guest?type, session, seq, a, b; forget() }
	:: d_step { losses > 0 && nempty(to_host) -> losses--; lost = true;
		to_host?type, session, seq, a, b; forget() }
#endif

	/* The host writes, in the order of pvc_output(). */
	:: d_step { h_run && room_to_guest -> h_run = false; to_guest!ZEROS(0, 0, 0, 0) }
	:: d_step { !h_run && h_hello && room_to_guest ->
		h_hello = false; to_guest!HELLO(0, 0, h_nonce, 0) }
	:: d_step { h_state == CALLING && !h_run && !h_hello && h_repeats > 0 ->
		h_repeats--; h_hello = true }
	:: d_step { h_state == UP && h_start && room_to_guest ->
		h_start = false; h_write(START, 0, 0) }

	/* The guest writes. */
	:: d_step { g_run && room_to_host -> g_run = false; g_shake(ZEROS, 0, 0) }
	:: d_step { !g_run && g_welcome && room_to_host ->
		g_welcome = false; g_shake(WELCOME, g_session, g_nonce) }
	:: d_step { !g_run && !g_welcome && g_resync && room_to_host ->
		g_resync = false; g_shake(RESYNC, 0, 0) }

	/* Both read. */
	:: d_step { g_state != AWAY && !g_mid && nempty(to_guest) -> g_receive() }
	:: d_step { g_mid == SHORT && nempty(to_guest) -> g_lose(BY_PAYLOAD) }
	:: d_step { g_mid == LONG && to_guest??[ZEROS, _, _, _, _] -> g_lose(BY_PAYLOAD) }
	:: d_step { connected && !h_mid && nempty(to_host) -> h_receive() }
	:: d_step { h_mid == SHORT && nempty(to_host) -> h_lose(BY_PAYLOAD) }
	:: d_step { h_mid == LONG && to_host??[ZEROS, _, _, _, _] -> h_lose(BY_PAYLOAD) }

	/* Requests. */
	USER(0)
#if REQUESTS > 1
	USER(1)
	:: d_step { g_key[1] == RUNNING -> g_key[1] = DONE;
		if
		:: g_stream[1] == RUNNING -> g_stream[1] = DONE
		:: else
		fi }
#endif

#ifdef EVICTIONS
	/* As many other requests with keys came as are remembered: pvs_key_begin() */
#ifdef FAULT_EVICTED_UNKNOWN
	:: d_step { g_key[0] == DONE && !calm -> g_key[0] = FREE }
#else
	:: d_step { g_key[0] == DONE && !calm -> g_key[0] = FORGOTTEN }
#endif
#endif

	/* Nothing else can happen. */
	:: else ->
		if
		:: !connected -> break
#if LOSSES
		/*
		 * The run that ends a torn frame was lost. A guest that is UP gives up for
		 * silence; one that is OFFERED does not, and takes as many HELLOs as the
		 * frame is long.
		 */
		:: h_state == CALLING && h_tried && lost && g_mid -> d_step {
			g_lose(BY_SILENCE);
			h_tried = false }
		:: h_state == CALLING && !(h_tried && lost && g_mid) ->
#else
		:: h_state == CALLING ->
#endif
			/* One HELLO that nothing comes between is enough. */
			assert(!h_tried);
			h_tried = true;
			h_hello = true
#if LOSSES
		:: h_state == UP && !is_settled && !beaten && lost -> d_step {
			beaten = true;
			if
			:: g_state == UP -> g_write(BEAT, 0, 0)
			:: else
			fi;
			h_write(BEAT, 0, 0) }
		:: h_state == UP && !is_settled && beaten && lost -> d_step {
			assert(!gave_up);
			gave_up = true;
			h_lose(BY_SILENCE);
			if
			:: g_state == UP -> g_lose(BY_SILENCE)
			:: else
			fi }
#endif
		:: h_state == UP && (is_settled || !lost) ->
			/* Nobody is in a session that the other is not in. */
			d_step { settled() };
			break
		fi
	od
}

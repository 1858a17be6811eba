/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The freeze lease as a model for SPIN: two programs in the guest that freeze one after
 * the other, two hosts that rely on a lease each and end it, and the worker that thaws.
 * The names are those of drivers/control/services_lease.c, services.c and freeze.c.
 * model.sh runs it.
 *
 * One process chooses one event after the other, in any order. Each event is what the
 * code does under one lock; what it does under several is several events.
 *
 * What is left out, and why nothing is missed by it:
 *  - Time. A lease expires whenever it is whole, which contains each term and each
 *    renewal: what is asked of RENEW is which lease it prolongs.
 *  - Requests on their way. A host acts on what it once read, whatever has happened
 *    since; that a request is not lost or doubled is in session.pml.
 *  - File systems: two of them, which thaw without an error.
 *  - Numbers: 1 to 6 instead of 1 to 2^32-1, and the end of two leases remembered instead
 *    of five. The leases of the model go over the end of the numbers, but are too few for
 *    one to come twice.
 */
#ifndef LEASES
#define LEASES 3	/* that begin */
#endif
#define VERDICTS 2	/* PVS_VERDICTS: divides NUMBERS */
#define NUMBERS 6
#define FILESYSTEMS 2

/* enum pvc_lease_state */
mtype = { NONE, FREEZING, FROZEN, THAWING };
/* enum pvc_lease_end, without FAILED and POWER: as OWNER */
mtype = { END_NONE, END_THAW, END_EXPIRED, END_OWNER, END_SESSION, END_RELEASED };
/* Answers, enum pvc_status */
mtype = { NOTHING, OK, EXPIRED, NOT_FROZEN, NOT_FOUND };
/* What a host does, a program and the worker. */
mtype = { LOOKS, RELIES, WAITS, IDLE, FREEZES, HOLDS, THAWS };

#define TOLD_HOST 1
#define TOLD_OWNER 2

/* struct pvs_lease */
mtype state = NONE;
mtype last_end = END_NONE;
byte number, count = NUMBERS - 2;
bool with_session;
byte v_lease[VERDICTS], v_told[VERDICTS];
mtype v_how[VERDICTS] = END_NONE;

/* struct pvg_freezer: owner is a program's number and 1, or 0 */
byte frozen, owner;
bool freezing, queued;
mtype worker = IDLE;

mtype program[2] = IDLE;
byte p_lease[2];		/* struct pvg_freeze_owner */

mtype host[2] = LOOKS;
byte h_lease[2];

byte left = LEASES;
bool sessions = true;		/* the session may still end */

/* What was really so: how each lease ended, and whether it was whole until THAW came. */
mtype how_ended[NUMBERS + 1] = END_NONE;
bool whole[NUMBERS + 1], told[NUMBERS + 1];

mtype answer = NOTHING;		/* of d_steps */
byte i, j;

#define goes_on (state == FREEZING || state == FROZEN)

/* pvs_end_lease() */
inline end_lease(how)
{
	if
	:: goes_on ->
		state = THAWING;
		last_end = how;
		how_ended[number] = how;
		queued = true
	:: else
	fi
}

/* pvs_lease_verdict(): into answer */
inline verdict(n, audience)
{
	if
	:: n == 0 || v_lease[n % VERDICTS] != n -> answer = NOT_FOUND
	:: else ->
		if
		:: v_how[n % VERDICTS] == END_NONE || (v_told[n % VERDICTS] & audience) ->
			answer = NOT_FROZEN
		:: else ->
#ifdef FAULT_SHARED_VERDICT
			v_told[n % VERDICTS] = TOLD_HOST | TOLD_OWNER;
#else
			v_told[n % VERDICTS] = v_told[n % VERDICTS] | audience;
#endif
			if
			:: v_how[n % VERDICTS] == END_THAW || (audience == TOLD_OWNER &&
				v_how[n % VERDICTS] == END_RELEASED) -> answer = OK
			:: else -> answer = EXPIRED
			fi
		fi
	fi
}

/* What nobody asks for any more; it only keeps states apart. */
inline forget()
{
	j = 1;
	do
	:: j <= NUMBERS ->
		if
		:: j != h_lease[0] && j != h_lease[1] -> whole[j] = false; told[j] = false
		:: else
		fi;
		if
		:: j != p_lease[0] && j != p_lease[1] -> how_ended[j] = END_NONE
		:: else
		fi;
		j++
	:: else -> break
	od;
	j = 0
}

/* Host h hears answer. */
inline hears(h)
{
	/* What it made under the lease is consistent if it is told so. */
	assert(answer != OK || whole[h_lease[h]]);
	/* It hears how the lease ended, unless a host was told before, or it is long ago. */
	assert(answer != NOT_FROZEN || told[h_lease[h]]);
	told[h_lease[h]] = true;
	host[h] = LOOKS;
	h_lease[h] = 0;
	forget()
}

/* freeze_thaw(), of a request that names lease n */
inline thaw(h, n)
{
	if
	:: n == number ->
		/* No host ends a lease that it does not rely on. */
		assert(!goes_on || n == h_lease[h]);
		if
		:: state == FROZEN && frozen == FILESYSTEMS -> whole[n] = true
		:: else
		fi;
		end_lease(END_THAW)
	:: else
	fi;
	if
	:: n != number || state == NONE -> verdict(n, TOLD_HOST); hears(h)
	:: else -> host[h] = WAITS
	fi
}

/* pvs_lease_renew(), of host h and for lease n */
inline renew(h, n)
{
	answer = OK;
	if
	:: n == 0 || v_lease[n % VERDICTS] != n -> answer = NOT_FOUND
	:: n && v_lease[n % VERDICTS] == n && n == number && last_end != END_NONE ->
		answer = EXPIRED
	:: n && v_lease[n % VERDICTS] == n && n != number && v_how[n % VERDICTS] != END_NONE ->
		answer = EXPIRED
	:: else
	fi;
	/* What it relies on goes on, or it is told that it does not. */
	assert(answer != OK || (goes_on && number == h_lease[h]));
	answer = NOTHING
}

/* pvs_thawed(): all who wait hear the same. */
inline thawed()
{
	v_how[number % VERDICTS] = last_end;
	state = NONE;
	with_session = false;
	if
	:: host[0] == WAITS || host[1] == WAITS -> verdict(number, TOLD_HOST)
	:: else
	fi;
	i = 0;
	do
	:: i < 2 ->
		if
		:: host[i] == WAITS -> hears(i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0
}

/* begin_lease() of program p */
inline begin(p, session)
{
	left--;
	state = FREEZING;
	last_end = END_NONE;
	with_session = session;
	count = (count == NUMBERS -> 1 : count + 1);
	number = count;
	v_lease[number % VERDICTS] = number;
	v_how[number % VERDICTS] = END_NONE;
	v_told[number % VERDICTS] = 0;
	owner = p + 1;
	p_lease[p] = number;
	freezing = true;
	/* The worker of the lease before has let go of everything. */
	assert(frozen == 0);
	program[p] = FREEZES
}

/* end_freezing() of program p: all is frozen, or the lease has ended. */
inline end_freezing(p)
{
	freezing = false;
	if
	:: state == FREEZING -> state = FROZEN; program[p] = HOLDS
	:: else -> queued = true; program[p] = HOLDS
	fi
}

/* pvg_freeze_end() of program p, when its lease is over */
inline released(p)
{
#ifdef FAULT_VERDICT_OF_ANOTHER
	verdict(number, TOLD_OWNER);
#else
	verdict(p_lease[p], TOLD_OWNER);
#endif
	assert(answer != OK || how_ended[p_lease[p]] == END_RELEASED ||
	       how_ended[p_lease[p]] == END_THAW);
	assert(answer != NOT_FROZEN);
	answer = NOTHING;
	program[p] = IDLE;
	p_lease[p] = 0;
	forget()
}

/* pvg_freeze_disown() of program p: it has closed its file, or died. */
inline disown(p)
{
	if
	:: owner == p + 1 -> end_lease(END_OWNER); owner = 0
	:: else
	fi;
	program[p] = IDLE;
	p_lease[p] = 0
}

/* The lease that THAW and RENEW of host h name. */
#ifdef FAULT_THAW_WITHOUT_NUMBER
#define to_thaw(h) number
#else
#define to_thaw(h) h_lease[h]
#endif
#ifdef FAULT_RENEW_WITHOUT_NUMBER
#define to_renew(h) number
#else
#define to_renew(h) h_lease[h]
#endif

/* Two that do the same need not both be the first. */
#define first(n, who, idle) (n == 0 || who[0] != idle)

#define PROGRAM(p) \
	:: d_step { program[p] == IDLE && left > 0 && state == NONE && first(p, program, IDLE) -> \
		begin(p, false) } \
	:: d_step { program[p] == IDLE && left > 0 && state == NONE && first(p, program, IDLE) && \
		    sessions -> begin(p, true) } \
	:: d_step { program[p] == FREEZES && state == FREEZING && frozen < FILESYSTEMS -> \
		frozen++ } \
	:: d_step { program[p] == FREEZES && state == THAWING && frozen < FILESYSTEMS && \
		    worker == IDLE && !late -> late = true; frozen++ } \
	:: d_step { program[p] == FREEZES && (state != FREEZING || frozen == FILESYSTEMS) -> \
		late = false; end_freezing(p) } \
	:: d_step { program[p] == FREEZES && owner == p + 1 && goes_on -> end_lease(END_OWNER) } \
	:: d_step { program[p] == HOLDS -> disown(p) } \
	:: d_step { program[p] == HOLDS -> \
		if \
		:: p_lease[p] == number -> end_lease(END_RELEASED) \
		:: else \
		fi; \
		program[p] = THAWS } \
	:: d_step { program[p] == THAWS && (number != p_lease[p] || state == NONE) -> \
		released(p) }

#define HOST(h) \
	:: d_step { host[h] == LOOKS && state == FROZEN && first(h, host, LOOKS) -> \
		h_lease[h] = number; host[h] = RELIES } \
	:: d_step { host[h] == RELIES -> renew(h, to_renew(h)) } \
	:: d_step { host[h] == RELIES -> thaw(h, to_thaw(h)); answer = NOTHING }

bool late;		/* a file system froze after the lease had ended */

active proctype events()
{
	do
	PROGRAM(0)
	PROGRAM(1)
	HOST(0)
	HOST(1)

	/* pvs_tick(), and on_down() */
	:: d_step { goes_on -> end_lease(END_EXPIRED) }
	:: d_step { sessions -> sessions = false;
		if
		:: with_session -> end_lease(END_SESSION)
		:: else
		fi }

	/* thaw_work() */
	:: d_step { worker == IDLE && queued -> queued = false;
		if
#ifdef FAULT_LATE_WORK
		:: true -> worker = THAWS
#else
		:: state == THAWING -> worker = THAWS
		:: state != THAWING -> skip
#endif
		fi }
	:: d_step { worker == THAWS && frozen > 0 -> frozen-- }
	:: d_step { worker == THAWS && frozen == 0 ->
		if
		:: freezing -> worker = IDLE
		:: !freezing -> worker = HOLDS	/* before it takes the other lock */
		fi }
	:: d_step { worker == HOLDS ->
		if
		:: state == THAWING -> owner = 0; thawed(); answer = NOTHING
		:: else
		fi;
		worker = IDLE }

	/* Nothing else can happen: each lease has ended, and everything is thawed. */
	:: else ->
		assert(state == NONE && frozen == 0 && !freezing && !queued && left == 0);
		assert(host[0] == LOOKS && host[1] == LOOKS);
		assert(program[0] == IDLE && program[1] == IDLE);
		break
	od
}

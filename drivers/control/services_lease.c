// SPDX-License-Identifier: GPL-2.0-only
/*
 * The freeze lease: who may freeze for how long, and what is said afterwards.
 *
 *   NONE --begin--> FREEZING --frozen--> FROZEN --renew--> FROZEN
 *     ^                 |                   |
 *     |                 +--------end--------+
 *     |                          v
 *     +--------thawed-------- THAWING
 *
 * The time runs from begin on, so that freezing, which may take long, is in it.
 * end is a command, the expiry, the death of the owner or of the session; only
 * the first counts.
 */
#include "pvguest/services.h"

/**
 * pvs_lease_begin() - a process is about to freeze
 * @l: the lease
 * @lease_ms: 1 to PVC_LEASE_MAX_MS
 * @with_session: thaw when the session ends
 * @now: the time, ms
 *
 * Return: PVC_OK; PVC_INVALID; PVC_BUSY, there is a lease already.
 */
__u32 pvs_lease_begin(struct pvs_lease *l, __u32 lease_ms, bool with_session,
		      __u64 now)
{
	if (!lease_ms || lease_ms > PVC_LEASE_MAX_MS)
		return PVC_INVALID;
	if (l->state != PVC_LEASE_NONE)
		return PVC_BUSY;
	l->state = PVC_LEASE_FREEZING;
	l->last_end = PVC_LEASE_END_NONE;
	l->expires = now + lease_ms;
	l->with_session = with_session;
	l->filesystems = 0;
	l->errors = 0;
	l->thaw_told = false;
	return PVC_OK;
}

/**
 * pvs_lease_frozen() - everything is frozen
 * @l: the lease
 * @filesystems: how many
 *
 * Return: false if the lease ended meanwhile; a thaw is then under way or due.
 */
bool pvs_lease_frozen(struct pvs_lease *l, __u32 filesystems)
{
	l->filesystems = filesystems;
	if (l->state != PVC_LEASE_FREEZING)
		return false;
	l->state = PVC_LEASE_FROZEN;
	return true;
}

/**
 * pvs_lease_renew() - a new term, from now on
 * @l: the lease
 * @lease_ms: 1 to PVC_LEASE_MAX_MS
 * @now: the time, ms
 *
 * Return: PVC_OK; PVC_INVALID; PVC_NOT_FROZEN; PVC_EXPIRED, it is too late.
 */
__u32 pvs_lease_renew(struct pvs_lease *l, __u32 lease_ms, __u64 now)
{
	if (!lease_ms || lease_ms > PVC_LEASE_MAX_MS)
		return PVC_INVALID;
	if (pvs_lease_due(l, now) ||
	    (l->state != PVC_LEASE_FREEZING && l->state != PVC_LEASE_FROZEN &&
	     l->last_end == PVC_LEASE_END_EXPIRED))
		return PVC_EXPIRED;
	if (l->state != PVC_LEASE_FREEZING && l->state != PVC_LEASE_FROZEN)
		return PVC_NOT_FROZEN;
	l->expires = now + lease_ms;
	return PVC_OK;
}

/**
 * pvs_lease_end() - the lease ends, for a reason
 * @l: the lease
 * @how: enum pvc_lease_end
 *
 * Return: true if the caller has to see to the thaw.
 */
bool pvs_lease_end(struct pvs_lease *l, __u32 how)
{
	if (l->state != PVC_LEASE_FREEZING && l->state != PVC_LEASE_FROZEN)
		return false;
	l->state = PVC_LEASE_THAWING;
	l->last_end = how;
	if (how == PVC_LEASE_END_EXPIRED)
		l->expired++;
	return true;
}

/**
 * pvs_lease_thawed() - everything is thawed, or was given up
 * @l: the lease
 * @errors: file systems that could not be thawed
 */
void pvs_lease_thawed(struct pvs_lease *l, __u32 errors)
{
	if (l->state != PVC_LEASE_THAWING)
		return;
	l->state = PVC_LEASE_NONE;
	l->filesystems = errors;
	l->errors = errors;
}

/**
 * pvs_lease_due() - has the time run out?
 * @l: the lease
 * @now: the time, ms
 */
bool pvs_lease_due(const struct pvs_lease *l, __u64 now)
{
	return (l->state == PVC_LEASE_FREEZING ||
		l->state == PVC_LEASE_FROZEN) && now >= l->expires;
}

/**
 * pvs_lease_left() - what is left of it
 * @l: the lease
 * @now: the time, ms
 *
 * Return: milliseconds; 0 if nothing is frozen.
 */
__u32 pvs_lease_left(const struct pvs_lease *l, __u64 now)
{
	if (l->state != PVC_LEASE_FREEZING && l->state != PVC_LEASE_FROZEN)
		return 0;
	return now < l->expires ? l->expires - now : 0;
}

/**
 * pvs_lease_verdict() - the answer to THAW, when nothing is frozen any more
 * @l: the lease
 *
 * Return: PVC_OK if the last lease was whole, up to the first THAW; PVC_EXPIRED
 * if it ended before, so that what was made meanwhile is not consistent;
 * PVC_FAILED if something could not be thawed; PVC_NOT_FROZEN if there is
 * nothing that was not told before.
 */
__u32 pvs_lease_verdict(struct pvs_lease *l)
{
	bool told = l->thaw_told;

	l->thaw_told = true;
	if (l->last_end == PVC_LEASE_END_NONE || told)
		return PVC_NOT_FROZEN;
	if (l->last_end != PVC_LEASE_END_THAW)
		return PVC_EXPIRED;
	return l->errors ? PVC_FAILED : PVC_OK;
}

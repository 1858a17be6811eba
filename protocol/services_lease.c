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
 *
 * Each lease has a number, by which its end is asked for and told: whoever relied on
 * one that is over must not end the next, or hear that one's end.
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
	if (!++l->count)
		l->count = 1;
	l->number = l->count;
	l->verdicts[l->number % PVS_VERDICTS] = (struct pvs_verdict) {
		.lease = l->number,
	};
	return PVC_OK;
}

/**
 * pvs_lease_find() - what is remembered of a lease
 * @l: the lease
 * @number: of any lease
 *
 * Return: NULL if there was none of this number, or it was forgotten.
 */
struct pvs_verdict *pvs_lease_find(struct pvs_lease *l, __u32 number)
{
	struct pvs_verdict *v = &l->verdicts[number % PVS_VERDICTS];

	return number && v->lease == number ? v : NULL;
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
 * @number: of the lease that is to go on
 * @lease_ms: 1 to PVC_LEASE_MAX_MS
 * @now: the time, ms
 *
 * Return: PVC_OK; PVC_INVALID; PVC_NOT_FOUND; PVC_NOT_FROZEN; PVC_EXPIRED, it is
 * too late.
 */
__u32 pvs_lease_renew(struct pvs_lease *l, __u32 number, __u32 lease_ms,
		      __u64 now)
{
	const struct pvs_verdict *v = pvs_lease_find(l, number);
	__u32 how;

	if (!lease_ms || lease_ms > PVC_LEASE_MAX_MS)
		return PVC_INVALID;
	if (!v)
		return PVC_NOT_FOUND;
	how = number == l->number ? l->last_end : v->how;
	if (how == PVC_LEASE_END_NONE && !pvs_lease_due(l, now)) {
		l->expires = now + lease_ms;
		return PVC_OK;
	}
	return how == PVC_LEASE_END_NONE || how == PVC_LEASE_END_EXPIRED ?
	       PVC_EXPIRED : PVC_NOT_FROZEN;
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
	struct pvs_verdict *v = pvs_lease_find(l, l->number);

	if (l->state != PVC_LEASE_THAWING)
		return;
	v->how = l->last_end;
	v->errors = errors;
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
 * pvs_lease_verdict() - the answer to THAW of a lease that is over
 * @l: the lease
 * @number: of any lease whose file systems are thawed
 * @audience: PVS_TOLD_*, who asks
 *
 * Return: PVC_OK if the lease was whole until who asks ended it, or, for the owner, the
 * host did; PVC_EXPIRED if it ended before, so that what was made meanwhile is not
 * consistent; PVC_FAILED if something could not be thawed; PVC_NOT_FROZEN if that was
 * told before; PVC_NOT_FOUND if nothing is known of it.
 */
__u32 pvs_lease_verdict(struct pvs_lease *l, __u32 number, __u32 audience)
{
	struct pvs_verdict *v = pvs_lease_find(l, number);

	if (!v)
		return PVC_NOT_FOUND;
	if (v->how == PVC_LEASE_END_NONE || v->told & audience)
		return PVC_NOT_FROZEN;
	v->told |= audience;
	/* Who made something under the lease ended it himself, or it is not whole. */
	if (v->how != PVC_LEASE_END_THAW &&
	    !(v->how == PVC_LEASE_END_RELEASED && audience == PVS_TOLD_OWNER))
		return PVC_EXPIRED;
	return v->errors ? PVC_FAILED : PVC_OK;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much the host may ask for at a time: of all principals together, of one, and what the
 * policy says of one. What exceeds a limit is told as busy, with the limit.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "broker.h"

#define RATES		64	/* principals whose requests are counted */
#define RATE_S		60

/* Requests of a principal since @began, seconds of CLOCK_MONOTONIC. */
static struct rate {
	char principal[PVC_PRINCIPAL_MAX + 1];
	time_t began;
	unsigned long requests;
} rates[RATES];

/* That of @principal, or the oldest, which begins again. */
static struct rate *find_rate(const char *principal, time_t now)
{
	struct rate *r = &rates[0];
	unsigned int i;

	for (i = 0; i < RATES; i++) {
		if (rates[i].began && !strcmp(rates[i].principal, principal)) {
			r = &rates[i];
			break;
		}
		if (rates[i].began < r->began)
			r = &rates[i];
	}
	if (!r->began || strcmp(r->principal, principal) || now - r->began >= RATE_S) {
		snprintf(r->principal, sizeof(r->principal), "%s", principal);
		/* 0 is for one that is free. */
		r->began = now ? now : 1;
		r->requests = 0;
	}
	return r;
}

/* Counts the request; false: there were as many in this minute as there may be. */
static bool within_rate(const char *principal, unsigned long most)
{
	struct timespec now;
	struct rate *r;

	if (most == POLICY_UNLIMITED)
		return true;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	r = find_rate(principal, now.tv_sec);
	if (r->requests >= most)
		return false;
	r->requests++;
	return true;
}

static bool is_of(const struct worker *w, const char *principal)
{
	return w->pid && !strcmp(w->principal, principal);
}

struct worker *limits_admit(const char *principal, const char *verb, bool job, char *text,
			    size_t size)
{
	unsigned long most_jobs = policy_limit(broker.policy, principal, "jobs");
	unsigned long rate = policy_limit(broker.policy, principal, "rate");
	unsigned int i, own = 0, jobs = 0;
	struct worker *slot = NULL;

	for (i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &broker.workers[i];

		if (!w->pid)
			slot = slot ? slot : w;
		own += is_of(w, principal);
		jobs += is_of(w, principal) && w->operation->job && !w->kept;
	}
	if (!slot)
		snprintf(text, size, "%s: %u requests are being dealt with, the most there can be",
			 verb, WORKERS_MAX);
	else if (own >= WORKERS_EACH)
		snprintf(text, size, "%s: %u requests of '%s' are being dealt with, the most one principal may have",
			 verb, own, principal);
	else if (job && jobs >= most_jobs)
		snprintf(text, size, "%s: %u jobs of '%s' run, the most that the policy lets it have",
			 verb, jobs, principal);
	else if (!within_rate(principal, rate))
		snprintf(text, size, "%s: the policy lets '%s' make %lu requests a minute; try again later",
			 verb, principal, rate);
	else
		return slot;
	return NULL;
}

/* Of those that keep a result: how many, and *@oldest; of @principal, or of all if NULL. */
static unsigned int count_kept(const char *principal, struct worker **oldest)
{
	unsigned int i, kept = 0;

	*oldest = NULL;
	for (i = 0; i < WORKERS_MAX; i++) {
		struct worker *w = &broker.workers[i];

		/* One that is deaf is about to end. */
		if (!w->pid || !w->kept || w->deaf || (principal && !is_of(w, principal)))
			continue;
		kept++;
		if (!*oldest || w->kept < (*oldest)->kept)
			*oldest = w;
	}
	return kept;
}

void limits_keep(struct worker *w)
{
	static __u64 told;
	struct worker *oldest;

	w->kept = ++told;
	if (count_kept(w->principal, &oldest) > KEPT_EACH ||
	    count_kept(NULL, &oldest) > KEPT_MAX) {
		shutdown(oldest->control, SHUT_RDWR);
		oldest->deaf = true;
	}
}

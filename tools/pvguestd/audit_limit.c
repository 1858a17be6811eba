// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds of the audit log, see audit_limit.h.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "audit_limit.h"

#define NAME_SIZE	64

/**
 * struct share - of a bucket
 * @tokens: lines that may be written, in thousandths
 * @left_out: lines that were not, and this was not told
 */
struct share {
	uint32_t tokens;
	uint32_t left_out;
};

/**
 * struct bucket - lines of a principal
 * @principal: its name
 * @used: somebody's
 * @last: when it was filled, ms
 * @burst: of a share, in thousandths
 * @share: of denials, of the rest
 */
struct bucket {
	char principal[NAME_SIZE];
	bool used;
	uint64_t last;
	uint32_t burst;
	struct share share[2];
};

/* The last but one is of those that have none, the last one of all. */
static struct bucket buckets[AUDIT_PRINCIPALS + 2];
static bool is_worker, is_muted;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec * UINT64_C(1000) + now.tv_nsec / 1000000;
}

static void begin(struct bucket *b, const char *principal, uint32_t times)
{
	memset(b, 0, sizeof(*b));
	snprintf(b->principal, sizeof(b->principal), "%s", principal);
	b->used = true;
	b->last = now_ms();
	b->burst = times * AUDIT_BURST * 1000;
	b->share[0].tokens = b->burst;
	b->share[1].tokens = b->burst;
}

/* A burst takes AUDIT_BURST / AUDIT_SECOND seconds to come back, whatever its size. */
static void fill(struct bucket *b)
{
	uint64_t now = now_ms(), passed = now - b->last;
	uint64_t more = passed * (b->burst / AUDIT_BURST) * AUDIT_SECOND / 1000;
	int i;

	if (!more || is_worker)
		return;
	b->last = now;
	for (i = 0; i < 2; i++) {
		uint64_t tokens = b->share[i].tokens + more;

		b->share[i].tokens = tokens < b->burst ? tokens : b->burst;
	}
}

static bool is_full(struct bucket *b)
{
	fill(b);
	return b->share[0].tokens == b->burst && b->share[1].tokens == b->burst &&
		!b->share[0].left_out && !b->share[1].left_out;
}

/* A bucket that is full says no more than a new one, and may become another's. */
static struct bucket *find(const char *principal)
{
	struct bucket *b, *unused = NULL;
	int i;

	for (i = 0; i < AUDIT_PRINCIPALS; i++) {
		b = &buckets[i];
		if (b->used && !strcmp(b->principal, principal))
			return b;
		if (!unused && (!b->used || is_full(b)))
			unused = b;
	}
	if (unused) {
		begin(unused, principal, 1);
		return unused;
	}
	b = &buckets[AUDIT_PRINCIPALS];
	if (!b->used)
		begin(b, "(other principals)", 1);
	return b;
}

static struct bucket *of_all(void)
{
	struct bucket *b = &buckets[AUDIT_PRINCIPALS + 1];

	if (!b->used)
		begin(b, "(all)", AUDIT_ALL);
	return b;
}

static void tell_of(struct bucket *b, left_out_fn *tell)
{
	if (!b->share[0].left_out && !b->share[1].left_out)
		return;
	tell(b->principal, b->share[1].left_out, b->share[0].left_out);
	b->share[0].left_out = 0;
	b->share[1].left_out = 0;
}

bool audit_limit(const char *principal, bool denial, left_out_fn *tell)
{
	struct bucket *b = find(principal), *total = of_all();

	fill(b);
	fill(total);
	if (b->share[denial].tokens < 1000 || total->share[denial].tokens < 1000) {
		b->share[denial].left_out++;
		return false;
	}
	b->share[denial].tokens -= 1000;
	total->share[denial].tokens -= 1000;
	tell_of(b, tell);
	return true;
}

void audit_limit_worker(const char *principal)
{
	struct bucket *b = find(principal), *total = of_all();
	int i;

	fill(b);
	fill(total);
	is_worker = true;
	is_muted = b->share[0].tokens < 1000 && b->share[1].tokens < 1000;
	for (i = 0; i < 2; i++) {
		b->share[i].left_out = 0;
		if (total->share[i].tokens < b->share[i].tokens)
			b->share[i].tokens = total->share[i].tokens;
		if (b->share[i].tokens > AUDIT_WORKER * 1000)
			b->share[i].tokens = AUDIT_WORKER * 1000;
	}
}

/* To wait until some lines can be written again says more in one line. */
static bool may_tell(const struct bucket *b)
{
	int i;

	if (is_worker)
		return !is_muted;
	for (i = 0; i < 2; i++)
		if (b->share[i].left_out && b->share[i].tokens < b->burst / 4)
			return false;
	return true;
}

int audit_limit_flush(left_out_fn *tell)
{
	int i, wait = -1;

	for (i = 0; i < AUDIT_PRINCIPALS + 1; i++) {
		struct bucket *b = &buckets[i];

		if (!b->used || (!b->share[0].left_out && !b->share[1].left_out))
			continue;
		fill(b);
		if (may_tell(b))
			tell_of(b, tell);
		else if (!is_worker)
			wait = AUDIT_BURST / AUDIT_SECOND * 1000 / 4;
	}
	return wait;
}

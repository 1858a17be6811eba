// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs that a policy knows. A verb that is not here cannot be named in a policy and is
 * denied, so that an operation that was added and forgotten here is closed.
 */
#include <assert.h>
#include <string.h>

#include "policy_rules.h"

static const struct verb verbs[] = {
	{ "ping", "@info", KIND_PLAIN, true, false },
	{ "status", "@info", KIND_PLAIN, true, false },
	{ "info", "@info", KIND_PLAIN, true, false },
	{ "watch", "@info", KIND_PLAIN, true, false },
	{ "top", "@info", KIND_PLAIN, true, false },
	{ "exec", "@exec", KIND_EXEC, false, true },
	{ "ps", "@exec", KIND_PLAIN, false, false },
	{ "kill", "@exec", KIND_PLAIN, false, true },
	{ "jobs", "@exec", KIND_PLAIN, false, false },
	{ "put", "@files", KIND_FILE, false, true },
	{ "get", "@files", KIND_FILE, false, true },
	{ "ls", "@files", KIND_FILE, false, true },
	{ "stat", "@files", KIND_FILE, false, true },
	{ "mkdir", "@files", KIND_FILE, false, true },
	{ "mv", "@files", KIND_FILE, false, true },
	{ "rm", "@files", KIND_FILE, false, true },
	{ "sync", "@files", KIND_FILE, false, true },
	{ "setattr", "@files", KIND_FILE, false, true },
	{ "connect", "@forward", KIND_FORWARD, false, false },
	{ "listen", "@forward", KIND_FORWARD, false, false },
	{ "shutdown", "@power", KIND_PLAIN, true, false },
	{ "reboot", "@power", KIND_PLAIN, true, false },
	{ "suspend", "@power", KIND_PLAIN, false, false },
	{ "fstrim", "@system", KIND_PLAIN, false, false },
	{ "online", "@system", KIND_PLAIN, false, false },
	{ "kv-get", "@kv", KIND_KEY, true, false },
	{ "kv-set", "@kv", KIND_KEY, true, false },
	{ "kv-delete", "@kv", KIND_KEY, true, false },
	{ "kv-list", "@kv", KIND_KEY, true, false },
	{ "kv-watch", "@kv", KIND_KEY, true, false },
#ifdef PVG_TEST
	{ "test", "@test", KIND_PLAIN, false, true },
	{ "test-file", "@test", KIND_FILE, false, true },
#endif
};

static_assert(sizeof(verbs) / sizeof(*verbs) <= 64, "a bit for each");

const struct verb *verb_at(unsigned int i)
{
	return i < sizeof(verbs) / sizeof(*verbs) ? &verbs[i] : NULL;
}

int verb_find(const char *name)
{
	const struct verb *verb;
	unsigned int i;

	for (i = 0; (verb = verb_at(i)); i++)
		if (!strcmp(verb->name, name))
			return i;
	return -1;
}

uint64_t verb_bits(const char *name)
{
	const struct verb *verb;
	uint64_t bits = 0;
	unsigned int i;

	for (i = 0; (verb = verb_at(i)); i++)
		if (!strcmp(name, *name == '@' ? verb->group : verb->name) ||
		    !strcmp(name, "@all"))
			bits |= UINT64_C(1) << i;
	return bits;
}

const char *const limit_names[LIMIT_NR] = {
	[LIMIT_JOBS] = "jobs",
	[LIMIT_PROCESSES] = "processes",
	[LIMIT_BYTES] = "bytes",
	[LIMIT_RATE] = "rate",
};

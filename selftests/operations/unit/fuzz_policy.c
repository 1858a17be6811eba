// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzer of the policy's parser and of its decisions. The input is a file of the policy, and
 * what is behind its last zero byte is asked for.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "glob.h"
#include "policy_rules.h"

static unsigned int errors;

static void report(void *priv, const char *text)
{
	(void)priv;
	errors++;
	/* File, line and text, on one line of what is printable or UTF-8. */
	if (strncmp(text, "t:", 2) || strchr(text, '\n') || strlen(text) >= POLICY_TEXT_MAX)
		abort();
}

static void check(const struct verdict *v)
{
	const char *at;

	if (!memchr(v->text, '\0', sizeof(v->text)) || !*v->text)
		abort();
	for (at = v->text; *at; at++)
		if (*at < ' ' || *at > '~')
			abort();
}

static int root(const char *path, bool write, void *priv)
{
	(void)write;
	(void)priv;
	if (!path_is_normal(path))
		abort();
	return 0;
}

static void ask(const struct policy *policy, const char *text)
{
	char *argv[] = { (char *)text, (char *)text, NULL };
	struct verdict v, path;

	policy_verb(policy, text, "exec", text, &v);
	check(&v);
	if (policy->closed && v.allowed)
		abort();
	policy_command(policy, text, text, text, argv, &v);
	check(&v);
	policy_path(policy, text, "put", text, text, true, &path);
	check(&path);
	policy_verb(policy, text, "put", text, &v);
	/* What is allowed with a path is allowed without one, and not beneath /etc/pvguest. */
	if (path.allowed && (!v.allowed || !strncmp(text, "/etc/pvguest/", 13)))
		abort();
	policy_tree(policy, text, "mv", text, text, &v);
	check(&v);
	policy_target(policy, text, "connect", text, text, &v);
	check(&v);
	policy_key(policy, text, "kv-set", text, text, &v);
	check(&v);
	policy_roots(policy, text, "get", text, root, NULL);
	policy_limit(policy, text, "bytes");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memrchr(data, '\0', size) : NULL;
	size_t len = zero ? (size_t)(zero - data) : size;
	struct policy *policy = policy_closed();
	char asked[1024];

	snprintf(asked, sizeof(asked), "%.*s", zero ? (int)(size - len - 1) : 0,
		 zero ? (const char *)zero + 1 : "");
	errors = 0;
	policy_parse(policy, "t", (const char *)data, len, report, NULL);
	if (policy->closed != !!errors)
		abort();
	ask(policy, asked);
	ask(policy, "/srv/a");
	policy_free(policy);
	return 0;
}

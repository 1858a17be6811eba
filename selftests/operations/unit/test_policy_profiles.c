// SPDX-License-Identifier: GPL-2.0-only
/*
 * The profiles that come with pvguest: what each allows, and what it does not. Each verb of the
 * policy is in each table.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy_rules.h"
#include "unit.h"

static struct policy *policy;

static void fail_with(void *priv, const char *text)
{
	(void)priv;
	fail_msg("%s", text);
}

static void load(const char *name)
{
	char path[128], text[4096];
	size_t len;
	FILE *file;

	sprintf(path, PROFILES "/%s.conf", name);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text), file);
	fclose(file);
	policy = policy_closed();
	policy_parse(policy, "p", text, len, fail_with, NULL);
}

/* @verbs: all that are allowed, each with a blank before and behind it. */
static void expect_verbs(const char *verbs)
{
	const struct verb *verb;
	struct verdict v;
	char word[32];
	unsigned int i;

	for (i = 0; (verb = verb_at(i)); i++) {
		sprintf(word, " %s ", verb->name);
		policy_verb(policy, "p", verb->name, "root", &v);
		if (v.allowed != !!strstr(verbs, word))
			fail_msg("%s: %s", verb->name, v.text);
	}
}

static bool may_run(const char *a, const char *b, const char *c, const char *d)
{
	char *argv[] = { (char *)a, (char *)b, (char *)c, (char *)d, NULL };
	struct verdict v;

	policy_command(policy, "p", "root", a, argv, &v);
	return v.allowed;
}

static bool may_use(const char *verb, const char *path, bool write)
{
	struct verdict v;

	policy_path(policy, "p", verb, "root", path, write, &v);
	return v.allowed;
}

static void test_monitor(void **state)
{
	(void)state;
	load("monitor");
	expect_verbs(" ping status info watch top ps jobs kv-get kv-list kv-watch ");
	policy_free(policy);
}

static void test_operate(void **state)
{
	const char *systemctl = "/usr/bin/systemctl", *journalctl = "/usr/bin/journalctl";

	(void)state;
	load("operate");
	expect_verbs(" ping status info watch top ps jobs kv-get kv-set kv-delete kv-list kv-watch "
		     "shutdown reboot suspend fstrim online exec get ls stat ");
	assert_true(may_run(systemctl, "restart", "nginx.service", NULL));
	assert_true(may_run(systemctl, "--no-pager", "status", "nginx"));
	assert_true(may_run(systemctl, "--no-pager", "list-units", NULL));
	assert_true(may_run(journalctl, "--no-pager", "-u", "nginx"));
	assert_false(may_run(systemctl, "restart", "-H", NULL));
	assert_false(may_run(systemctl, "restart", "--root=/x", NULL));
	assert_false(may_run(systemctl, "start", "/tmp/x.service", NULL));
	assert_false(may_run(systemctl, "restart", "a", "b"));
	assert_false(may_run(systemctl, "edit", "nginx", NULL));
	/* With a terminal it would be a pager, which runs what it is told. */
	assert_false(may_run(systemctl, "status", "nginx", NULL));
	assert_false(may_run(journalctl, "-u", "nginx", NULL));
	assert_false(may_run(systemctl, NULL, NULL, NULL));
	assert_false(may_run("/usr/bin/sh", "-c", "id", NULL));
	assert_true(may_use("get", "/var/log/syslog", false));
	assert_false(may_use("get", "/etc/shadow", false));
	assert_false(may_use("get", "/var/log/syslog", true));
	policy_free(policy);
}

static void test_full(void **state)
{
	char all[512] = " ", *at = all + 1;
	const struct verb *verb;
	struct verdict v;
	unsigned int i;

	(void)state;
	for (i = 0; (verb = verb_at(i)); i++)
		at += sprintf(at, "%s ", verb->name);
	load("full");
	expect_verbs(all);
	assert_true(may_run("/usr/bin/sh", "-c", "id", NULL));
	assert_true(may_use("put", "/etc/shadow", true));
	assert_false(may_use("put", "/etc/pvguest/policy.d/x.conf", true));
	assert_false(may_use("mv", "/etc", true));
	policy_target(policy, "p", "connect", "root", "tcp:127.0.0.1:22", &v);
	assert_true(v.allowed);
	policy_target(policy, "p", "connect", "root", "unix:/run/x/y", &v);
	assert_true(v.allowed);
	policy_free(policy);
}

int test_policy_profiles(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monitor), cmocka_unit_test(test_operate),
		cmocka_unit_test(test_full),
	};

	return cmocka_run_group_tests_name("policy profiles", tests, NULL, NULL);
}

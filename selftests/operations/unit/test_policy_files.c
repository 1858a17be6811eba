// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of a policy: who may have written them, and where they are. As root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "policy_rules.h"
#include "unit.h"

#define GOOD	"[rule \"a\"]\nallow = ps\n"

static char base[64], dir[80];

static void path_of(char *path, const char *name)
{
	sprintf(path, "%s/%s", dir, name);
}

static void write_file(const char *name, const char *text)
{
	char path[160];
	FILE *file;

	path_of(path, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0644);
}

static int begin(void **state)
{
	(void)state;
	strcpy(base, "/tmp/policy.XXXXXX");
	if (!mkdtemp(base))
		return -1;
	sprintf(dir, "%s/d", base);
	return mkdir(dir, 0755);
}

static int end(void **state)
{
	char command[80];

	(void)state;
	sprintf(command, "rm -rf %s", base);
	return system(command);
}

/* Is the policy in order, and if not, does the error have this in it? */
static void expect(const char *error)
{
	char text[POLICY_TEXT_MAX];
	struct policy *policy = policy_load(dir, text, sizeof(text));
	struct verdict v;

	policy_verb(policy, "", "ps", "", &v);
	if (!error && *text)
		fail_msg("%s", text);
	if (error && !strstr(text, error))
		fail_msg("'%s' is not in '%s'", error, text);
	assert_int_equal(policy->closed, !!error);
	if (error)
		assert_false(v.allowed);
	policy_verb(policy, "", "info", "", &v);
	assert_true(v.allowed);
	policy_free(policy);
}

static void expect_allowed(const char *verb, bool allowed)
{
	char text[POLICY_TEXT_MAX];
	struct policy *policy = policy_load(dir, text, sizeof(text));
	struct verdict v;

	policy_verb(policy, "", verb, "", &v);
	if (v.allowed != allowed)
		fail_msg("%s: not %d: %s", verb, allowed, v.text);
	policy_free(policy);
}

static void test_which(void **state)
{
	char path[160];

	(void)state;
	expect(NULL);
	expect_allowed("ps", false);
	write_file("a.conf", GOOD);
	expect(NULL);
	expect_allowed("ps", true);
	/* None of these is the policy's. */
	write_file("b.conf~", "nonsense");
	write_file(".b.conf", "nonsense");
	write_file("b.conf.new", "nonsense");
	write_file("README", "nonsense");
	expect(NULL);
	write_file("b.conf", "nonsense");
	expect("/d/b.conf:1: ");
	path_of(path, "b.conf");
	unlink(path);
	write_file("b c.conf", GOOD);
	expect("a file's name is not of letters");
	path_of(path, "b c.conf");
	unlink(path);
	sprintf(dir + strlen(dir), "/none");
	expect(NULL);
	dir[strlen(dir) - 5] = '\0';
	sprintf(dir + strlen(dir), "/a.conf");
	expect("Not a directory");
}

static void test_owner(void **state)
{
	char path[160];

	(void)state;
	write_file("a.conf", GOOD);
	path_of(path, "a.conf");
	chmod(path, 0664);
	expect("a.conf: its group or others may write to it");
	chmod(path, 0646);
	expect("a.conf: its group or others may write to it");
	chmod(path, 0400);
	expect(NULL);
	assert_int_equal(chown(path, 65534, 0), 0);
	expect("a.conf: its owner is not root");
	assert_int_equal(chown(path, 0, 65534), 0);
	expect(NULL);
	chmod(dir, 0775);
	expect(": its group or others may write to it");
	chmod(dir, 01777);
	expect(": its group or others may write to it");
	chmod(dir, 0755);
	assert_int_equal(chown(dir, 65534, 0), 0);
	expect(": its owner is not root");
}

static void test_links(void **state)
{
	char path[160], outside[160], text[POLICY_TEXT_MAX];
	struct policy *policy;

	(void)state;
	write_file("a.off", GOOD);
	path_of(path, "a.conf");
	assert_int_equal(symlink("a.off", path), 0);
	expect(NULL);
	expect_allowed("ps", true);
	unlink(path);
	write_file("../x", GOOD);
	assert_int_equal(symlink("../x", path), 0);
	expect("a.conf: it leads out of the directory");
	unlink(path);
	path_of(outside, "../x");
	assert_int_equal(symlink(outside, path), 0);
	expect("a.conf: it leads out of the directory");
	unlink(path);
	assert_int_equal(symlink("/proc/self/fd/0", path), 0);
	expect("a.conf: it leads out of the directory");
	unlink(path);
	assert_int_equal(symlink("a.conf", path), 0);
	expect("a.conf: it is a symbolic link that leads nowhere");
	unlink(path);
	assert_int_equal(symlink("gone", path), 0);
	expect("a.conf: No such file");
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	expect("a.conf: it is not a regular file");
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect("a.conf: it is not a regular file");
	unlink(path);
	/* The directory itself is none either. */
	sprintf(outside, "%s/link", base);
	assert_int_equal(symlink("d", outside), 0);
	policy = policy_load(outside, text, sizeof(text));
	assert_true(policy->closed);
	policy_free(policy);
}

static void test_size(void **state)
{
	char *text = malloc(POLICY_FILE_MAX + 2), name[32];
	int i;

	(void)state;
	memset(text, '#', POLICY_FILE_MAX + 1);
	for (i = 99; i < POLICY_FILE_MAX; i += 100)
		text[i] = '\n';
	text[POLICY_FILE_MAX] = '\0';
	write_file("a.conf", text);
	expect(NULL);
	strcpy(text + POLICY_FILE_MAX, "#");
	write_file("a.conf", text);
	expect("a.conf: it is larger than 65536 bytes");
	free(text);
	write_file("a.conf", "");
	for (i = 1; i < POLICY_FILES_MAX; i++) {
		sprintf(name, "b%d.conf", i);
		write_file(name, "");
	}
	expect(NULL);
	write_file("c.conf", "");
	expect("more than 64 files");
}

/* Deny rules hold that stand in other files than the one with the error. */
static void test_deny_holds(void **state)
{
	(void)state;
	write_file("a.conf", "[rule \"a\"]\nallow = ps\nnonsense\n");
	write_file("b.conf", "[rule \"b\"]\ndeny = shutdown\n");
	expect("/d/a.conf:3: ");
	expect_allowed("shutdown", false);
	expect_allowed("reboot", true);
	expect_allowed("ps", false);
}

int test_policy_files(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_which, begin, end),
		cmocka_unit_test_setup_teardown(test_owner, begin, end),
		cmocka_unit_test_setup_teardown(test_links, begin, end),
		cmocka_unit_test_setup_teardown(test_size, begin, end),
		cmocka_unit_test_setup_teardown(test_deny_holds, begin, end),
	};

	/* Files of root's are what it is about. */
	if (geteuid())
		return 0;
	return cmocka_run_group_tests_name("policy files", tests, NULL, NULL);
}
